"""Items that are linked elsewhere, moved in bulk and given back; and looking through what was found, by SKU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.catalogue import keys, linking, making, matching, products, samples
from portal.models import InventoryItem, Linking, LinkMoved, Merchant, Product, ProductLink, Source, database
from portal.models.database import is_postgres
from tests.catalogue.stock import UPC, applied, done, item, links, looked, product, stopped_once

WHO = "ana@harbor.example"


@pytest.fixture
def north(make_source: Callable[..., Source]) -> Source:
    return make_source("Northwind", sku_prefix="NW-", state="live")


def elsewhere(one: InventoryItem, to: Product, **more: Any) -> ProductLink:
    return ProductLink.create(item=one, product=to, source=one.source_id, **{"rule": "sku", "place": 1, "told": "X", "by": "bo"} | more)


def rows() -> list[dict[str, Any]]:
    return list(ProductLink.select().order_by(ProductLink.item).dicts())


def undone(made: Linking) -> Linking:
    linking.undo(Linking.get_by_id(made.id), WHO)
    done()
    return Linking.get_by_id(made.id)


def test_what_is_linked_elsewhere_is_moved_where_that_is_clear_and_given_back(
    north: Source, make_source: Callable[..., Source], merchant: Merchant
) -> None:
    south = make_source("Southwind", state="live")
    old, right, full = product(merchant, "OLD"), product(merchant, "RIGHT", UPC[0], title="Work lamp"), product(merchant, "FULL", UPC[1])
    for name in ("T1", "T2"):
        product(merchant, name, UPC[2])
    elsewhere(item(north, "clear", upc=UPC[0], title="Work lamp"), old)
    elsewhere(item(south, "pack", upc=UPC[0], title="Work lamp 4-pack"), old)
    elsewhere(item(north, "met", upc=UPC[1]), old)
    elsewhere(item(north, "there"), full)
    elsewhere(item(north, "several", upc=UPC[2]), old)
    products.link(item(south, "hand", upc=UPC[1]), old, WHO, beside=True)
    before = rows()
    made = looked(merchant, rules=("gtin",))
    assert (made.counts["conflict"], made.counts["unclear"]) == (1, 3)
    assert applied(made).counts["moved"] == 0 and rows() == before, "nobody ticked it"
    made = applied(looked(merchant, rules=("gtin",)), "conflict")
    assert (made.counts["moved"], made.counts["applied"], made.counts["passed_over"]) == (1, 0, 0)
    assert links() == dict.fromkeys(("pack", "met", "several", "hand"), "OLD") | {"clear": "RIGHT", "there": "FULL"}
    moved = ProductLink.get(ProductLink.product == right.id)
    assert (moved.rule, moved.told, moved.linking_id) == ("gtin", keys.gtin(UPC[0]), made.id) and linking.standing(made)["moved"] == 1
    assert applied(looked(merchant, rules=("gtin",)), "conflict").counts["moved"] == 0, "twice changes nothing"
    told = undone(made).counts
    assert rows() == before and (told["moved_back"], told["taken_back"], told["kept"], told["gone"]) == (1, 0, 0, 0)


def test_what_is_given_back_depends_on_what_is_still_there(north: Source, merchant: Merchant) -> None:
    old, right = product(merchant, "OLD"), [product(merchant, f"R{n}", UPC[n]) for n in range(4)]
    ones = [item(north, f"{n}", upc=UPC[n]) for n in range(3)]
    first = applied(looked(merchant, rules=("gtin",)))
    assert first.counts["applied"] == 3
    for n, one in enumerate(ones):
        InventoryItem.update(upc=UPC[3] if n == 0 else one.upc).where(InventoryItem.id == one.id).execute()
    second = applied(looked(merchant, rules=("gtin",)), "conflict")
    assert second.counts["moved"] == 1 and links()["0"] == "R3"
    assert undone(first).counts["taken_back"] == 2 and links() == {"0": "R3"}
    told = undone(second).counts
    assert links() == {} and (told["moved_back"], told["taken_back"]) == (0, 1), "the linking that had made its former link is undone"
    elsewhere(ones[1], old)
    third = applied(looked(merchant, rules=("gtin",)), "conflict")
    assert links() == {"0": "R3", "1": "R1", "2": "R2"} and LinkMoved.select().where(LinkMoved.linking == third).count() == 1
    Product.delete().where(Product.id == old.id).execute()
    products.link(ones[2], right[0], WHO)
    undone(third)
    assert links() == {"2": "R0"}, "its former product is gone, and what a person moved since stays"


def test_undone_in_their_own_order_the_last_link_that_stands_is_given_back(north: Source, merchant: Merchant) -> None:
    for n in range(3):
        product(merchant, f"P{n}", UPC[n])
    one, made = item(north, "a"), []
    for n in range(3):
        InventoryItem.update(upc=UPC[n]).where(InventoryItem.id == one.id).execute()
        made.append(applied(looked(merchant, rules=("gtin",)), "conflict"))
    assert links() == {"a": "P2"}
    assert undone(made[1]).counts["gone"] == 1 and links() == {"a": "P2"}
    told = undone(made[2]).counts
    assert links() == {"a": "P0"} and (told["moved_back"], told["without"]) == (1, 0), "the first linking stands"
    assert ProductLink.get().linking_id == made[0].id


def test_what_would_meet_another_item_of_its_source_is_left_without_a_product(north: Source, merchant: Merchant) -> None:
    product(merchant, "FROM", UPC[0])
    product(merchant, "TO", UPC[1])
    one = item(north, "a", upc=UPC[0])
    applied(looked(merchant, rules=("gtin",)))
    InventoryItem.update(upc=UPC[1]).where(InventoryItem.id == one.id).execute()
    moved = applied(looked(merchant, rules=("gtin",)), "conflict")
    item(north, "b", upc=UPC[0])
    applied(looked(merchant, rules=("gtin",)))
    assert links() == {"a": "TO", "b": "FROM"}
    told = undone(moved).counts
    assert links() == {"b": "FROM"} and (told["moved_back"], told["taken_back"], told["without"]) == (0, 1, 1)


def test_a_link_that_a_person_made_since_the_look_is_not_moved(north: Source, merchant: Merchant) -> None:
    old, _ = product(merchant, "OLD"), product(merchant, "RIGHT", UPC[0])
    one, two = item(north, "1", upc=UPC[0]), item(north, "2")
    elsewhere(one, old)
    made = looked(merchant, rules=("gtin",))
    products.link(one, old, WHO)
    assert applied(made, "conflict").counts["passed_over"] == 1 and links() == {"1": "OLD"}
    ProductLink.update(rule="sku").execute()
    made = looked(merchant, rules=("gtin",))
    products.unlink(one, WHO)
    products.link(two, old, WHO)
    assert applied(made, "conflict").counts["moved"] == 0 and links() == {"2": "OLD"}, (
        "what a person took off is not linked again by a move"
    )


@pytest.mark.parametrize(("made_from", "skus"), [
    ("sku", ["NW-1", "NW-2", "NW-3"]), ("upc", [f"NW-{UPC[0]}", "NW-2", "NW-3"]), ("mpn", ["NW-M1", "NW-2", "NW-3"]),
    ("parent_sku", ["NW-P", "NW-2", "NW-3"]),
])  # fmt: skip
def test_a_master_sku_is_made_of_the_chosen_identifier_or_else_of_the_inventory_sku(
    north: Source, merchant: Merchant, made_from: str, skus: list[str]
) -> None:
    item(north, "1", upc=UPC[0], mpn="M1", parent_sku="P")
    item(north, "2", mpn=" ", parent_sku="")
    item(north, "3", mpn="1.2E+11", parent_sku="4E+9")
    item(north, "4.1E+11")
    for by_source in (True, False):
        Source.update(master_from=made_from if by_source else "sku").where(Source.id == north.id).execute()
        fresh = Source.get_by_id(north.id)
        if by_source:
            whole = InventoryItem.select().where(InventoryItem.sku << ["1", "2", "3"]).order_by(InventoryItem.sku)
            assert [keys.master(fresh, one) for one in whole] == skus
        made = looked(merchant, rules=("sku",))
        linking.apply(made, (), True, WHO, "" if by_source else made_from)
        done()
        made = Linking.get_by_id(made.id)
        assert sorted(links().values()) == sorted(skus) and (made.counts["created"], made.counts["left"]) == (3, 1)
        if by_source:
            assert looked(merchant, rules=("sku",)).counts == {"unmatched": 1, "linked": 3, "damaged": 2}
        undone(made)
        assert not Product.select().exists()


def test_two_sources_that_name_by_upc_meet_in_one_product(make_source: Callable[..., Source], merchant: Merchant) -> None:
    for name in ("North", "South"):
        item(make_source(name, state="live", master_from="upc"), name, upc=UPC[0], title="Kettle")
    assert applied(looked(merchant, rules=("sku",)), create=True).counts["joined"] == 1
    assert set(links().values()) == {UPC[0]}


def test_cut_codes_find_nothing_and_are_listed(north: Source, merchant: Merchant) -> None:
    product(merchant, "A", mpn="1.2E+11", brand="Makita")
    item(north, "1", mpn="1.2E+11", brand="Makita")
    item(north, "2.4E+10", mpn="9.9e+10")
    made = looked(merchant)
    assert made.counts == {"unmatched": 2, "linked": 0, "damaged": 2}
    assert [one.sku for one in samples.items(made, "damaged")[0]] == ["1", "2.4E+10"]


def test_what_was_found_is_looked_through_by_sku_a_page_at_a_time(
    north: Source, make_source: Callable[..., Source], merchant: Merchant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "SAMPLES", 2)
    south = make_source("Southwind", state="live")
    for name in ("T1", "T2", "T3"):
        product(merchant, name, UPC[0])
    for source in (south, north):
        for n in (2, 1):
            item(source, f"A{n}", upc=UPC[0])
    item(north, "B1", upc=UPC[1])
    made = looked(merchant, rules=("gtin",))

    def through(query: str = "", tab: str = "several") -> list[str]:
        after, seen = "", list[str]()
        for _ in range(20):
            found, after = (samples.items if tab == "unmatched" else samples.samples)(made, tab, query, after)
            seen += [f"{one.item.sku} {one.source.name[0]} {one.product.sku}" if tab != "unmatched" else one.sku for one in found]
            if not after:
                return seen
        raise AssertionError("it never ends")

    every = [f"A{n} {name} T{t}" for n in (1, 2) for name in "SN" for t in (1, 2, 3)]
    assert through() == every and through("A") == every and through("a1") == every[:6]
    assert sorted(through("T2")) == sorted(one for one in every if one.endswith("T2")) and through("T") == []
    assert sorted(through(UPC[0].zfill(14))) == sorted(every) and through(UPC[1]) == []
    assert (
        through("", "unmatched") == ["B1"] == through(UPC[1], "unmatched") == through("b", "unmatched") and through("A", "unmatched") == []
    )
    assert samples.Place.read("x-1.A") == samples.Place() == samples.Place.read("") and str(samples.Place("A.1", 2, 3)) == "2-3.A.1"


@pytest.mark.parametrize("act", ["apply", "undo"])
def test_moves_that_are_interrupted_end_the_same(north: Source, merchant: Merchant, monkeypatch: Any, act: str) -> None:
    monkeypatch.setattr(matching, "SPAN", 1)
    monkeypatch.setattr(making, "AT_ONCE", 1)
    old = product(merchant, "OLD")
    for n in range(3):
        product(merchant, f"R{n}", UPC[n])
        elsewhere(item(north, f"{n}", upc=UPC[n]), old)
    before, left = rows(), stopped_once(monkeypatch, act)

    def through(made: Linking) -> Linking:
        done()
        if linking.is_stuck(Linking.get_by_id(made.id)):
            linking.go_on(Linking.get_by_id(made.id), WHO)
            done()
        return Linking.get_by_id(made.id)

    made = looked(merchant, rules=("gtin",))
    linking.apply(made, ("conflict",), False, WHO)
    made = through(made)
    assert links() == {f"{n}": f"R{n}" for n in range(3)} and made.counts["moved"] == 3
    linking.undo(made, WHO)
    made = through(made)
    assert rows() == before and made.counts["moved_back"] == 3 and left[0] <= 0


def test_each_rule_may_use_its_index(merchant: Merchant, north: Source) -> None:
    columns = {"gtin": keys.gtin_sql("i"), "mpn_key": keys.mpn_sql("i"), "sku": keys.sku_sql("i", "s")}
    item(north, "1")
    product(merchant, "A")
    rest = "FROM inventory_item i, source s, product p"
    for column, key in columns.items():
        if is_postgres():  # a text of another collation than the column's is compared row by row
            told = database.execute_sql(f"SELECT collation for ({key}), collation for (p.{column}) {rest}").fetchone()
            assert told[0] == told[1], (column, told)
        else:
            there = f"SELECT EXISTS (SELECT 1 FROM product e WHERE e.merchant_id = i.merchant_id AND e.{column} = {key}) {rest}"
            plan = str(database.execute_sql(f"EXPLAIN QUERY PLAN {there}").fetchall())
            assert f"product_merchant_id_{column} (merchant_id=? AND {column}=?)" in plan, plan
