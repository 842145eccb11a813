"""What becomes of items that match no product: one product for all sources that share an identifier. Pure."""

from __future__ import annotations

from typing import Any

from portal.catalogue import making
from portal.catalogue.making import Item, Made
from tests.catalogue.stock import UPC

RULES = ("sku", "gtin", "mpn")


def one(number: int, source: int, sku: str, **more: Any) -> Item:
    return Item(number, source, sku, *(more.get(name) for name in ("title", "brand", "upc", "mpn", "images")))


def became(items: list[Item], known: tuple[Made, ...] = (), rules: tuple[str, ...] = RULES, **more: Any) -> dict[str, Any]:
    plan = making.decide(items, rules, known, **more)
    joined = {item.sku: (product.sku, rule) for item, product, rule, _ in plan.joined}
    return {"fresh": [item.sku for item, _ in plan.fresh], "joined": joined, "left": plan.left}


def test_items_of_several_sources_that_share_a_upc_become_one_product() -> None:
    items = [one(1, 1, "NW-a", upc=UPC[0]), one(2, 2, "SO-b", upc=UPC[0]), one(3, 1, "NW-c", upc=UPC[0])]
    assert became(items) == {"fresh": ["NW-a"], "joined": {"SO-b": ("NW-a", "gtin")}, "left": 1}, "c would be its source's second there"
    taken = {"NW-c": ("NW-a", "gtin"), "SO-b": ("NW-a", "gtin")}
    assert became(items, include=("crowded",)) == {"fresh": ["NW-a"], "joined": taken, "left": 0}


def test_a_master_sku_that_two_sources_share_is_one_product_where_that_is_a_rule() -> None:
    items = [one(1, 1, "A"), one(2, 2, "A")]
    assert became(items) == {"fresh": ["A"], "joined": {"A": ("A", "sku")}, "left": 0}
    assert became(items, rules=("gtin",)) == {"fresh": ["A"], "joined": {}, "left": 1}


def test_what_differs_in_pack_or_title_is_left_to_a_person() -> None:
    items = [one(1, 1, "A", upc=UPC[0], title="Work lamp"), one(2, 2, "B", upc=UPC[0], title="Work lamp 4-pack")]
    assert became(items) == {"fresh": ["A"], "joined": {}, "left": 1}
    assert became(items, include=("pack",))["joined"] == {"B": ("A", "gtin")}


def test_a_product_of_somebody_else_is_never_joined_and_never_made_twice() -> None:
    theirs = Made("P", "0" + UPC[1], "", "", ours=False, id=7)
    assert became([one(1, 1, "A", upc=UPC[1])], (theirs,)) == {"fresh": [], "joined": {}, "left": 1}
    assert became([one(1, 1, "P")], (theirs,), rules=("gtin",)) == {"fresh": [], "joined": {}, "left": 1}


def test_nothing_is_made_in_the_second_turn() -> None:
    assert became([one(1, 1, "A")], make=False) == {"fresh": [], "joined": {}, "left": 1}
