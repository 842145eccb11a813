"""What an exclusion rule keeps out, and what waits for room in the plan, takes no part in linking, products, routing and counts."""

from __future__ import annotations

import pytest

from portal import clock, routing
from portal.catalogue import matching, products
from portal.inventory import counted
from portal.models import InventoryItem, OrderLine, Product, ProductLink, Source
from tests.catalogue.stock import applied, item, links, looked, product
from tests.ordered import place
from tests.stocked import stock_up


@pytest.fixture
def north(make_source):
    """1 is in, 2 is excluded, 3 waits, 4 is archived."""
    source = stock_up(make_source("Northwind"), {"1": 5, "2": 5, "3": 5, "4": 0})
    for sku, columns in (("2", {"kept_out": counted.EXCLUDED}), ("3", {"kept_out": counted.WAITING}), ("4", {"archived_at": clock.now()})):
        InventoryItem.update(columns).where(InventoryItem.sku == sku).execute()
    Source.update(item_count=4).execute()
    return source


def test_only_what_counts_is_linked_and_made_products_of(merchant, north):
    for sku in ("1", "2", "3"):
        product(merchant, sku)
    made = looked(merchant)
    assert made.counts == {"confident": 1, "unmatched": 0, "linked": 0}
    assert matching.possible(merchant.id, None)["unlinked"] == 1
    applied(made)
    assert links() == {"1": "1"}
    ProductLink.delete().execute()
    Product.delete().execute()
    applied(looked(merchant), create=True)
    assert links() == {"1": "1"}


def test_what_went_out_after_the_look_is_not_linked(merchant, north):
    product(merchant, "1")
    made = looked(merchant)
    InventoryItem.update(kept_out=counted.EXCLUDED).where(InventoryItem.sku == "1").execute()
    assert applied(made).counts["applied"] == 0 and links() == {}


def test_what_is_kept_out_is_offered_to_no_order_and_the_order_says_why(merchant, north):
    told = {sku: routing.route(place(merchant, [(sku, 1)], number=f"100{sku}"), "ana").words for sku in ("1", "2", "3")}
    assert told["1"] == "Goes to Northwind."
    reasons = {line.sku: line.unroutable for line in OrderLine.select()}
    assert "exclusion rule keeps the item out" in reasons["2"] and "waits for room in the plan" in reasons["3"]


def test_a_linked_item_that_is_kept_out_has_nothing_left_to_sell(merchant, north):
    made = product(merchant, "P")
    for one in InventoryItem.select():
        ProductLink.create(item=one, product=made, source=north, rule="hand")
    left = products.units_of(products.behind(made))
    assert [left[one.id].left for one in InventoryItem.select().order_by(InventoryItem.sku)] == [5, 0, 0, 0]


def test_sources_count_what_the_plan_counts(client, merchant, north):
    assert counted.of_sources([north.id]) == {north.id: counted.Tally(4, 1, 1, 1)}
    assert counted.of_sources([north.id])[north.id].counted == 1 == InventoryItem.select().where(counted.COUNTED).count()
    item(north, "5")
    Source.update(item_count=5).execute()
    page = client.get("/sources").get_data(as_text=True)
    assert "1 source, 2 SKUs" in page and "1 wait" in page and "1 excluded" in page
