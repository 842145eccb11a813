"""Connecting a Shopify store in a browser: the address put right, signing in and back, locations ticked; without JavaScript too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import connections
from portal.models import Source
from tests.browser.conftest import axe_problems, sideways
from tests.connecting import fresh
from tests.connectors.shopify_server import CLIENT, LEGACY, SECRET, SHOP, Store
from tests.test_shopify import gid, server  # noqa: F401

pytestmark = pytest.mark.one_database
pytest_plugins = ("tests.connected",)


def assert_clean(page: Page) -> None:
    assert axe_problems(page) == [] and sideways(page) == 0


def test_a_store_is_connected_by_signing_in(
    open_page: Callable[..., Page], worker: None, chosen: Any, server: Store,  # noqa: F811
) -> None:  # fmt: skip
    page, source = open_page(scheme="dark", width=390), chosen("shopify")
    server.scopes = "read_products,write_inventory"
    here = f"/sources/{source.public_id}/connection"
    page.goto(here)
    page.get_by_label("Store address").fill("https://shop.harbor-lamps.com/?shop=" + SHOP)
    page.get_by_label("Client id", exact=True).fill(CLIENT)
    page.get_by_label("Client secret").fill(SECRET)
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_label("Store address")).to_have_value(SHOP)
    expect(page.locator("#error-summary")).to_contain_text("Avoid custom domains; use the platform's native URL")
    assert_clean(page)
    page.get_by_label("Client secret").fill(SECRET)
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_role("link", name="Continue to")).to_be_visible()
    assert_clean(page)
    page.get_by_role("link", name="Continue to").click()
    expect(page.get_by_text("Not granted: read_locations")).to_be_visible()
    expect(page.get_by_text("The app lacks read_locations").first).to_be_visible()
    assert_clean(page)
    server.scopes = "read_products,read_inventory,read_locations"
    page.get_by_role("link", name="Sign in again").click()
    page.get_by_role("link", name="Continue to").click()
    expect(page.get_by_text("7 variants at 2 active locations")).to_be_visible()
    expect(page.get_by_text("variants.jsonl").first).to_be_visible()
    page.goto(here)
    page.get_by_label("Chosen locations").check()
    page.get_by_label("Harbor").check()
    assert_clean(page)
    page.get_by_role("button", name="Save without testing").click()
    page.wait_for_url(f"**/sources/{source.public_id}")
    assert connections.find(fresh(source)).settings["places"] == gid(2)
    assert [one.get("grant_type", "code") for one in server.token_calls] == ["code", "code"]


def test_locations_are_ticked_without_javascript(open_page: Callable[..., Page], worker: None, chosen: Any, server: Store) -> None:  # noqa: F811
    page, source = open_page(script=False, width=390), chosen("shopify")
    here = f"/sources/{source.public_id}/connection"
    page.goto(here)
    page.get_by_label("Store address").fill(SHOP)
    page.get_by_label("An admin API access token").check()
    page.get_by_label("Chosen locations").check()
    page.get_by_role("button", name="Show the fields for this choice").first.click()
    expect(page.get_by_text("They stand here once the connection was tested")).to_be_visible()
    page.get_by_label("All active locations").check()
    page.get_by_label("Admin API access token", exact=True).fill(LEGACY)
    page.get_by_role("button", name="Save and test").click()
    expect(page.get_by_text("7 variants at 2 active locations")).to_be_visible()
    page.goto(here)
    page.get_by_label("Chosen locations").check()
    page.get_by_role("button", name="Show the fields for this choice").first.click()
    page.get_by_label("Main Street").check()
    page.get_by_role("button", name="Save without testing").click()
    assert connections.find(fresh(source)).settings["places"] == gid(1) and Source.select().count() == 1
