"""A product made, changed, merged and deleted by a person: what is refused, what stays, and who may not lose whose change."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from portal import audit
from portal.catalogue import editing, keys, linking, products
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.models import AuditLine, Channel, InventoryItem, Linking, Listing, Merchant, OrderLine, Product, ProductLink, Source
from tests.catalogue.stock import UPC, applied, done, item, links, looked, product
from tests.ordered import place

WHO = "ana@harbor.example"
LAMP = editing.Typed("LAMP", "Work lamp", "Emaco", UPC[0], "WL-20", "https://img.example/1.jpg\n\nhttps://img.example/2.jpg")


@pytest.fixture
def north(make_source: Callable[..., Source]) -> Source:
    return make_source("Northwind", sku_prefix="NW-", state="live")


def test_a_product_is_made_and_changed_with_every_field_and_an_audit_line_of_what_changed(merchant: Merchant) -> None:
    made = editing.create(merchant, LAMP, WHO)
    assert (made.gtin, made.mpn_key, json.loads(made.images)) == (
        keys.gtin(UPC[0]), "wl20|emaco", ["https://img.example/1.jpg", "https://img.example/2.jpg"],
    )  # fmt: skip
    assert editing.as_typed(made) == replace(LAMP, images=LAMP.images.replace("\n\n", "\n"))
    fresh = editing.change(made, replace(editing.as_typed(made), title="Lamp", upc=UPC[1], images=""), 1, "bo@harbor.example")
    assert (fresh.title, fresh.gtin, fresh.images, fresh.version, fresh.changed_by) == (
        "Lamp", keys.gtin(UPC[1]), None, 2, "bo@harbor.example",
    )  # fmt: skip
    line = AuditLine.get(AuditLine.action == "product.change")
    assert set(line.before) == set(line.after) == {"title", "upc", "images"} and line.after["upc"] == UPC[1]
    assert audit.verify(merchant) == []


def test_who_saves_second_overwrites_nothing(merchant: Merchant) -> None:
    made = editing.create(merchant, LAMP, WHO)
    editing.change(made, replace(LAMP, title="Theirs"), made.version, "bo@harbor.example")
    for act in (lambda: editing.change(made, replace(LAMP, title="Mine"), made.version, WHO), lambda: editing.delete(made, 1, WHO)):
        with pytest.raises(Stale) as stale:
            act()
        assert stale.value.who == "bo@harbor.example"
    assert Product.get().title == "Theirs"
    editing.delete(made, 2, WHO)
    for late in (lambda: editing.change(made, LAMP, 2, WHO), lambda: editing.delete(made, 2, WHO)):
        with pytest.raises(NotFound):
            late()


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"sku": " "}, "sku"), ({"sku": "x" * 141}, "sku"), ({"sku": "TAKEN"}, "sku"), ({"sku": "1.2E+11"}, "sku"),
        ({"title": "a\nb"}, "title"), ({"brand": "b" * 256}, "brand"), ({"upc": "036000291453"}, "upc"), ({"upc": "36000291452"}, "upc"),
        ({"mpn": "1.2E+11"}, "mpn"), ({"images": "ftp://x"}, "images"), ({"images": "https://a b"}, "images"),
        ({"images": "\n".join(f"https://img.example/{n}-{'x' * 900}" for n in range(30))}, "images"),
    ],
)  # fmt: skip
def test_what_cannot_be_kept_is_refused_at_its_field(merchant: Merchant, typed: dict[str, str], field: str) -> None:
    product(merchant, "TAKEN")
    made = editing.create(merchant, LAMP, WHO)
    for act in (
        lambda: editing.create(merchant, replace(LAMP, **{"sku": "NEW", **typed}), WHO),
        lambda: editing.change(made, replace(LAMP, **typed), made.version, WHO),
    ):
        with pytest.raises(Invalid) as refused:
            act()
        assert set(refused.value.errors) == {field}
    assert Product.select().count() == 2


def test_a_damaged_code_is_mended_only_where_a_person_says_so(merchant: Merchant) -> None:
    typed = replace(LAMP, upc="36000291452", mpn="1.234567E+6")
    with pytest.raises(Invalid) as refused:
        editing.create(merchant, typed, WHO)
    assert refused.value.proposals == {"upc": "036000291452", "mpn": "1234567"}
    assert editing.mended(typed, []) == typed
    made = editing.create(merchant, editing.mended(typed, ["upc", "mpn"]), WHO)
    assert (keys.shown(made.gtin), made.mpn) == ("036000291452", "1234567")


def test_what_a_product_has_already_is_not_judged_again(merchant: Merchant) -> None:
    old = product(merchant, "1.2E+11", mpn="1.2E+11", title="Old")
    fresh = editing.change(old, replace(editing.as_typed(old), title="New"), old.version, WHO)
    assert (fresh.sku, fresh.mpn, fresh.title) == ("1.2E+11", "1.2E+11", "New")


def test_a_deleted_product_leaves_its_items_and_waits_for_orders(north: Source, merchant: Merchant) -> None:
    made = editing.create(merchant, LAMP, WHO)
    products.link(item(north, "1"), made, WHO)
    order = place(merchant, [("LAMP", 2)])
    assert editing.uses(made) == editing.Uses(1, 1, 1, 0, 0)
    for act in (
        lambda: editing.delete(made, 1, WHO),
        lambda: editing.merge(made, product(merchant, "OTHER"), 1, False, WHO),
        lambda: editing.change(made, replace(LAMP, sku="L2"), 1, WHO),
    ):
        with pytest.raises((Refused, Invalid), match="1 order line waits for LAMP"):
            act()
    OrderLine.update(unrouted=0, cancelled=2).where(OrderLine.order == order.id).execute()
    editing.delete(made, 1, WHO)
    assert links() == {} and InventoryItem.select().count() == 1
    assert AuditLine.get(AuditLine.action == "product.delete").before["items"] == ["1"]


def test_a_merged_product_gives_its_items_and_is_gone(north: Source, make_source: Callable[..., Source], merchant: Merchant) -> None:
    south, stays, goes = make_source("Southwind", state="live"), product(merchant, "STAYS"), product(merchant, "GOES")
    products.link(item(north, "n"), stays, WHO)
    products.link(item(south, "s"), goes, WHO)
    met = item(north, "m")
    products.link(met, goes, WHO)
    with pytest.raises(Refused, match="with itself"):
        editing.merge(goes, goes, 1, False, WHO)
    with pytest.raises(Refused, match="only if they are one thing"):
        editing.merge(goes, stays, 1, False, WHO)
    assert links() == {"n": "STAYS", "s": "GOES", "m": "GOES"}
    assert editing.merge(goes, stays, 1, True, WHO) == 2
    assert set(links().values()) == {"STAYS"} and not Product.select().where(Product.sku == "GOES").exists()
    assert AuditLine.get(AuditLine.action == "product.merge").after == {"into": "STAYS", "items": 2}


def test_what_a_channel_lists_is_neither_deleted_nor_unmade(north: Source, merchant: Merchant) -> None:
    item(north, "a", upc=UPC[0])
    item(north, "b", upc=UPC[1])
    made = applied(looked(merchant), create=True)
    one = Product.get(Product.sku == "NW-a")
    channel = Channel.create(merchant=merchant, name="Shop", kind="csv")
    listing = Listing.create(channel=channel, product=one, sku="A")
    for act in (lambda: editing.delete(one, 1, WHO), lambda: editing.merge(one, product(merchant, "OTHER"), 1, False, WHO)):
        with pytest.raises(Refused, match="1 listing of NW-a is not ended"):
            act()
    linking.undo(made, WHO)
    done()
    made = Linking.get_by_id(made.id)
    assert links() == {} and (made.counts["unmade"], made.counts["listed"]) == (1, 1) and Listing.get().product_id == one.id
    Listing.update(state="ended").where(Listing.id == listing.id).execute()
    editing.delete(one, 1, WHO)
    assert not Listing.select().exists()


def test_while_a_linking_is_under_way_no_product_is_deleted(north: Source, merchant: Merchant) -> None:
    made = product(merchant, "A")
    begun = linking.begin(merchant, None, ("sku",), WHO)
    for act in (lambda: editing.delete(made, 1, WHO), lambda: editing.merge(made, product(merchant, "B"), 1, False, WHO)):
        with pytest.raises(Refused, match="under way"):
            act()
    done()
    assert Linking.get_by_id(begun.id).state == "ready"
    editing.delete(made, 1, WHO)


def test_products_that_two_undone_linkings_left_are_found_and_deleted(north: Source, merchant: Merchant, monkeypatch: object) -> None:
    item(north, "a", upc=UPC[0])
    made = applied(looked(merchant), create=True)
    ProductLink.delete().execute()
    full = product(merchant, "FULL")
    products.link(item(north, "b"), full, WHO)
    for looked_at in (20_000, 1):
        monkeypatch.setattr(products, "LOOKED_AT", looked_at)  # type: ignore[attr-defined]
        found, after = [], ""
        for _ in range(4):
            page = products.page(merchant, "", after, bare=True)
            found += [row.product.sku for row in page.rows]
            after = page.following
            if not after:
                break
        assert found == ["NW-a"] and after == ""
    assert made.state == "applied"
    editing.delete(Product.get(Product.sku == "NW-a"), 1, WHO)
    linking.undo(made, WHO)
    done()
    assert links() == {"b": "FULL"} and Linking.get_by_id(made.id).state == "undone"
