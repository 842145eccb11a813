"""A passkey by Chromium's virtual authenticator, and the pages of what is kept, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import config, passkeys
from tests.browser.conftest import axe_problems, each_way, sideways
from tests.ordered import place

pytestmark = pytest.mark.one_database
LOOKS = [("dark", 390)]


def looked_at(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for way in each_way(page, LOOKS):
        assert not axe_problems(page) and sideways(page) == 0, (page.url, way)


def test_a_passkey_is_made_and_signs_in_by_itself(open_page: Callable[..., Page], site: Any, owner: Any) -> None:
    site.address = site.address.replace("127.0.0.1", "localhost")  # browsers bind no passkey to a number
    named = replace(site.app.config["PORTAL"], public_url=site.address)
    site.app.config["PORTAL"] = config.use(named)
    assert passkeys.site().name == "localhost"
    page = open_page()
    line = page.context.new_cdp_session(page)
    line.send("WebAuthn.enable")
    told = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True, "isUserVerified": True}
    device = line.send("WebAuthn.addVirtualAuthenticator", {"options": {**told, "automaticPresenceSimulation": True}})
    page.goto("/profile/two-step")
    page.get_by_role("link", name="Make a passkey").click()
    looked_at(page)
    page.get_by_label("Name").fill("Harbor laptop")
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Keep your recovery codes")
    page.goto("/profile/two-step")
    expect(page.get_by_text("Harbor laptop", exact=True)).to_be_visible()
    looked_at(page)
    place(owner.merchant)
    for path in ("/settings/kept", "/settings/kept/exports", "/settings/kept/days", "/settings/kept/deletion", "/settings/kept/persons"):
        page.goto(path)
        looked_at(page)
    page.get_by_label("Email, telephone").fill("ada@example.com")
    page.get_by_role("button", name="Look for the person").click()
    expect(page.get_by_text("Not finished")).to_be_visible()
    looked_at(page)
    page.context.clear_cookies()
    page.goto("/sign-in?next=/settings/kept")
    looked_at(page)
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What is kept")
    page.context.clear_cookies()
    line.send("WebAuthn.setUserVerified", {"authenticatorId": device["authenticatorId"], "isUserVerified": False})
    page.goto("/sign-in")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator("#passkey-problem")).to_contain_text("Nothing was done")
    assert page.context.cookies()[0]["name"] != "quayside_session"
