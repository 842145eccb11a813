"""Sync, link by UPC, create the rest, list, export; then mend, merge, delete, take back. In a browser, with and without scripts."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.models import InventoryItem, Product, ProductLink, Source
from tests.browser.conftest import axe_problems, sideways
from tests.catalogue.stock import UPC, links, product
from tests.feed_of import RULES, Feed

pytestmark = pytest.mark.one_database
HEADERS = ["item_no", "name", "maker", "qty", "price", "upc", "part"]
COLUMNS = {"upc": {"columns": ["upc"]}, "mpn": {"columns": ["part"]}}
ROWS = [
    ["LAMP", "Work lamp, 20 W", "Kestrel", 8, "9.95", UPC[0], "WL-20"],
    ["LAMP-4", "Work lamp 4-pack", "Kestrel", 3, "35.00", UPC[1], ""],
    ["KETTLE", "Kettle", "Emaco", 5, "19.00", UPC[2], ""],
    ["TENT", "Tent for two persons", "Bluefin", 2, "90.00", "", "T-2"],
]


def seen(page: Page, name: str) -> None:
    """Nothing serious and nothing sideways, where scripts run that look."""
    if name.endswith("light-1280"):
        assert axe_problems(page) == [] and sideways(page) == 0, name


def settled(page: Page, text: str) -> None:
    """The page of a linking or listing once it says that; without scripts it is looked at again."""
    for _ in range(60):
        if page.get_by_text(text).count():
            return
        page.wait_for_timeout(300)
        for again in ("#linking-again", "#batch-again"):
            if page.locator(again).count():
                page.locator(again).click()
    raise AssertionError(page.locator("main").inner_text())


def listed_and_exported(page: Page, look: str) -> dict[str, tuple[str, str]]:
    """A new channel of a CSV file, with all products listed, and taken back. Listing SKU -> price and quantity in the file between."""
    page.goto("/channels/new")
    page.locator("#name").fill("Harbor outlet")
    page.locator("input[value=csv]").check()
    page.locator("#channel-save").click()
    page.locator("input[value=times]").check()
    page.locator("#markup").fill("1.3")
    page.locator("#ending").select_option("99")
    page.locator("#buffer").fill("1")
    page.locator("#prefix").fill("EB-")
    page.locator("#rules-save").click()
    page.locator("#listings-many").click()
    page.locator("#batch-look").click()
    settled(page, "3 products will be listed")
    seen(page, f"listing-preview-{look}")
    page.locator("#batch-apply").click()
    settled(page, "3 products listed")
    listed = page.url
    page.locator("#batch-listings").click()
    page.locator("a", has_text="CSV").first.click()
    with page.expect_download() as got:
        page.locator("#file-download").click()
    rows = csv.DictReader(Path(str(got.value.path())).read_text("utf-8-sig").splitlines())
    page.goto(listed)
    page.locator("#batch-undo").click()
    page.locator("#batch-undo-yes").click()
    settled(page, "taken back")
    return {row["Listing SKU"]: (row["Price"], row["Quantity"]) for row in rows}


@pytest.mark.parametrize(
    ("script", "scheme", "width"), [(True, "light", 1280), (False, "dark", 390)], ids=["with-scripts", "without-scripts"]
)
def test_from_a_sync_to_linked_products_and_back(
    open_page: Callable[..., Page], worker: None, make_source: Callable[..., Source], merchant: Any, script: bool, scheme: str, width: int
) -> None:
    feed = Feed(make_source("Northwind", sku_prefix="NW-"), fields={**RULES["fields"], **COLUMNS})
    feed.map(HEADERS, fields={**RULES["fields"], **COLUMNS})
    product(merchant, "P-LAMP", UPC[0], title="Work lamp, 20 W")
    product(merchant, "P-LAMP-1", UPC[1], title="Work lamp")
    run = feed.start(ROWS, HEADERS)
    page, look = open_page(script=script, scheme=scheme, width=width), f"{scheme}-{width}"
    page.goto(f"/runs/{run.public_id}")
    for _ in range(60):
        if InventoryItem.select().count() == 4:
            break
        page.wait_for_timeout(250)
    InventoryItem.update(mpn="1.2E+11").where(InventoryItem.sku == "KETTLE").execute()  # as programs write it that send no file
    page.goto("/products")
    expect(page.locator("main")).to_contain_text("4 items not linked")
    seen(page, f"products-{look}")
    page.locator("#products-link").click()
    page.locator("#sku-out").click()
    expect(page.locator("#rules")).to_contain_text("1. UPC, EAN or GTIN")
    seen(page, f"rules-{look}")
    page.locator("#linking-begin").click()
    settled(page, "one to one")
    expect(page.locator("#linking")).to_contain_text("1 item is confident")
    expect(page.locator("#linking-damaged")).to_contain_text("1 item has a code that a spreadsheet program cut")
    seen(page, f"preview-{look}")
    page.locator("#tab-pack").click()
    expect(page.locator("#linking")).to_contain_text("P-LAMP-1")
    page.locator("#linking-q").fill("NOPE")
    page.locator("#linking-search").click()
    expect(page.locator("#linking")).to_contain_text("No item of this kind has such a SKU")
    page.locator("#tab-damaged").click()
    expect(page.locator("#linking")).to_contain_text("1.2E+11")
    seen(page, f"damaged-{look}")
    page.locator("#create").check()
    page.locator("#master-from").select_option("mpn")
    page.locator("#linking-go").click()
    settled(page, "1 item linked, 2 products made")
    assert links() == {"LAMP": "P-LAMP", "KETTLE": "NW-KETTLE", "TENT": "NW-T-2"}
    seen(page, f"linked-{look}")
    assert listed_and_exported(page, look) == {"EB-P-LAMP": ("12.99", "7"), "EB-NW-KETTLE": ("24.99", "4"), "EB-NW-T-2": ("117.99", "1")}
    tent = Product.get(Product.sku == "NW-T-2")
    page.goto(f"/products/{tent.public_id}")
    expect(page.locator("main")).to_contain_text("2 units left to sell")
    seen(page, f"product-{look}")
    page.locator("#product-edit").click()
    page.locator("#upc").fill("12345678905")
    page.locator("#product-save").click()
    expect(page.locator("#product-form")).to_contain_text("zeros in front are lost")
    seen(page, f"edit-{look}")
    page.locator("#mend-upc").check()
    page.locator("#product-save").click()
    expect(page.locator("main dl").first).to_contain_text(UPC[3])
    page.goto(f"/products/{tent.public_id}/merge")
    seen(page, f"merge-{look}")
    page.locator("#sku").fill("P-LAMP")
    page.locator("#confirm-act").click()
    expect(page.locator("#confirm")).to_contain_text("Merge them only if they are one thing")
    page.goto(f"/products/{tent.public_id}/deletion")
    expect(page.locator("main")).to_contain_text("1 item at 1 source stays in Inventory")
    seen(page, f"deletion-{look}")
    page.locator("#confirm-act").click()
    expect(page.locator("main")).to_contain_text("NW-T-2 is deleted")
    page.locator("#products-bare").click()
    expect(page.locator("#products")).to_contain_text("P-LAMP-1")
    seen(page, f"bare-{look}")
    page.goto("/products/linking")
    page.locator("table .row-link").first.click()
    page.locator("#linking-undo").click()
    seen(page, f"undo-{look}")
    page.locator("#linking-undo-yes").click()
    settled(page, "taken back")
    assert links() == {} and not ProductLink.select().exists()
