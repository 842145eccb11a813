"""From a product to a file that a shop fetches, in Chromium; every screen of it in both schemes and on a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.listings import editing, making, offers
from portal.models import Channel, Listing
from tests.browser.conftest import axe_problems, sideways
from tests.listings.goods import goods

pytestmark = pytest.mark.one_database
SHOTS = os.environ.get("SHOTS", "")


def seen(page: Page, name: str) -> None:
    assert axe_problems(page) == [] and sideways(page) <= 0, name
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def test_from_a_product_to_a_file_that_a_shop_fetches(
    open_page: Callable[..., Page], worker: None, merchant: Any, make_source: Callable[..., Any], site: Any
) -> None:
    north, south = make_source("Northwind Traders", state="live"), make_source("Rhein Handel", state="live", currency="EUR")
    for n in range(6):
        behind = [(north, {"quantity": 120 - 24 * n, "cost": None if n == 5 else 124_000 + n * 33_300, "map_price": 190_000})]
        behind += [(south, {"quantity": 7, "cost": 90_000})] if n % 2 else []
        goods(merchant, f"LAMP-{n}", *behind, title=f"Work lamp with a clamp, {20 + n} W, 2 m cord")
    page = open_page()
    page.goto("/channels/new")
    seen(page, "1-add")
    page.fill("#name", "Harbor outlet")
    page.check("input[value=feed]")
    page.click("#channel-save")
    page.wait_for_url("**/rules")
    page.check("input[value=times]")
    page.fill("#markup", "1.3")
    page.select_option("#ending", "99")
    page.fill("#buffer", "2")
    expect(page.locator("#look")).to_contain_text("cost 12.40 of Northwind Traders × 1.3 = 16.12")
    expect(page.locator("#look")).to_contain_text("rounded to 19.99")
    page.fill("#markup", "1.x")
    expect(page.locator("#look")).to_contain_text("Enter a number such as 30 or 1.35")
    page.fill("#markup", "1.3")
    page.fill("#prefix", "EB-")
    expect(page.locator("#look")).to_contain_text("EB-LAMP-0")
    seen(page, "2-rules")
    page.click("#rules-save")
    page.wait_for_url("**/listings")
    page.click("#listings-many")
    seen(page, "3-many")
    page.click("#batch-look")
    page.wait_for_selector("#batch-apply")
    expect(page.locator("#batch")).to_contain_text("5 products will be listed")
    seen(page, "4-look")
    page.click("#batch-apply")
    page.wait_for_selector("#batch-listings")
    seen(page, "5-listed")
    page.click("#batch-listings")
    page.fill("#listing-search", "lamp-3")
    expect(page.locator("#listings")).to_contain_text("1 listing on this page, by Master SKU")
    seen(page, "6-list")
    page.click("#listings .row-link")
    expect(page.locator("#price-steps")).to_contain_text("MAP")
    page.fill("#price", "15")
    page.click("#own-save")
    page.wait_for_selector("text=Its price is below MAP")
    seen(page, "7-listing")
    channel = Channel.get()
    page.goto(f"/channels/{channel.public_id}/file")
    page.click("#link-make")
    page.wait_for_selector("#link-csv")
    address = page.locator("#link-csv").inner_text()
    assert re.fullmatch(rf"{site.address}/listing-feeds/[\w-]{{43}}\.csv", address)
    text = page.request.get(address, headers={"Cookie": ""}).text()
    assert "EB-LAMP-3" in text and "15.00" in text
    page.click("#up-3")
    page.wait_for_selector("#name-2[value=Quantity]")
    seen(page, "8-file")
    with page.expect_download() as got:
        page.click("#file-download")
    assert "EB-LAMP-4" in Path(str(got.value.path())).read_text("utf-8-sig")
    listing = Listing.get(Listing.price.is_null(False))
    editing.put(editing.find(channel, listing.public_id), "paused", "ana")
    assert [one.sku for one in offers.offers(channel) if not one.quantity] == [listing.sku]
    here, batch = f"/channels/{channel.public_id}", making.listing(channel)[0]
    for scheme, width in [("dark", 1280), ("light", 390), ("light", 320)] if SHOTS else [("dark", 390)]:
        page = open_page(scheme=scheme, width=width)
        for name, path in [("add", "/channels/new"), ("index", "/channels"), ("rules", f"{here}/listings/rules"),
                           ("list", f"{here}/listings"),
                           ("many", f"{here}/listings/batches/new"), ("listed", f"{here}/listings/batches/{batch.public_id}"),
                           ("undo", f"{here}/listings/batches/{batch.public_id}/undo"), ("listing", f"{here}/listings/{listing.public_id}"),
                           ("file", f"{here}/file"), ("end", f"{here}/feed-link?act=end"), ("removal", f"{here}/removal"),
                           ("product", f"/products/{listing.product.public_id}"), ("new", f"{here}/listings/new"),
                           ("withdrawal", f"{here}/listings/{listing.public_id}/withdrawal"),
                           ("settings", f"{here}/settings")]:  # fmt: skip
            if SHOTS or name in ("rules", "list", "listing", "file", "withdrawal"):
                page.goto(path)
                seen(page, f"{name}-{scheme}-{width}")
