"""Many items at once in a browser: with scripts the bar counts, without them the same form does the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.models import InventoryItem, Source
from tests.browser.conftest import axe_problems, sideways
from tests.catalogue.stock import item, product

pytestmark = pytest.mark.one_database


def seen(page: Page, name: str) -> None:
    """Nothing serious and nothing sideways."""
    assert axe_problems(page) == [] and sideways(page) == 0, name


@pytest.fixture
def north(make_source: Callable[..., Source], merchant: Any) -> Source:
    made = make_source("Northwind Distribution", state="live", currency="USD")
    for n in range(60):
        item(made, f"LAMP-{n:03}", title="Work lamp" if n % 2 else "Desk lamp", quantity=n, cost=125_000 + n)
    Source.update(item_count=60).where(Source.id == made.id).execute()
    product(merchant, "LAMP-000", title="Desk lamp")
    return made


def archived() -> int:
    return int(InventoryItem.select().where(InventoryItem.archived_at.is_null(False)).count())


def test_all_that_match_with_scripts_and_some_without(open_page: Callable[..., Page], worker: None, north: Source) -> None:
    page = open_page()
    page.goto("/inventory")
    expect(page.locator("#picked")).to_have_text("None chosen")
    page.locator(".pick").first.check()
    expect(page.locator("#picked")).to_have_text("1 chosen")
    page.locator("#pick-page").check()
    expect(page.locator("#picked")).to_have_text("50 chosen")
    expect(page.locator("#matching")).to_have_text("all 60 that match")
    seen(page, "bulk-list-light-1280")
    page.locator("#pick-all").check()
    expect(page.locator("#picked")).to_have_text("All that match are chosen")
    page.locator("#item-search").fill("desk")
    expect(page.locator("#items")).to_contain_text("30 items on this page")
    expect(page.locator("#picked")).to_have_text("None chosen")
    page.locator("#pick-all").check()
    page.locator("#act-archive").click()
    expect(page.locator("h1")).to_have_text("Archive 30 items?")
    seen(page, "bulk-archive-light-1280")
    page.locator("#bulk-do").click()
    expect(page.locator("#bulk-act")).to_contain_text("30 items archived")
    assert archived() == 30
    seen(page, "bulk-archived-light-1280")
    page.locator("#bulk-undo").click()
    page.locator("#bulk-undo-yes").click()
    expect(page.locator("#bulk-act")).to_contain_text("30 items un-archived again")
    assert archived() == 0
    bare = open_page(script=False, scheme="dark", width=390)
    bare.goto("/inventory")
    assert not bare.locator("#pick-page").is_visible()
    bare.locator(".pick").nth(0).check()
    bare.locator(".pick").nth(1).check()
    bare.locator("#act-delete").click()
    expect(bare.locator("h1")).to_have_text("Delete 2 items?")
    bare.locator("#bulk-do").click()
    bare.wait_for_timeout(500)
    bare.goto(bare.url)
    expect(bare.locator("#bulk-act")).to_contain_text("2 items deleted")
    assert InventoryItem.select().count() == 58
    dark = open_page(scheme="dark", width=390)
    for name, path in (("list", "/inventory"), ("deleted", bare.url), ("restore", f"{bare.url}/undo")):
        dark.goto(path)
        seen(dark, f"bulk-{name}-dark-390")
    dark.goto("/inventory")
    dark.locator("#pick-all").check()
    dark.locator("#act-link").click()
    seen(dark, "bulk-link-dark-390")
    dark.goto("/inventory")
    dark.locator("#pick-all").check()
    dark.locator("#act-delete").click()
    seen(dark, "bulk-delete-dark-390")
