"""Linkings between the acts of people and feeds, in any order: no link is lost, doubled or moved unsaid.

A plain model keeps, for each item, the link that it must have. A hand's act writes it; a linking is judged by what it said it did.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import clock
from portal.catalogue import editing, linking, matching, moving, products
from portal.models import InventoryItem, Linking, LinkMoved, Merchant, Product, ProductLink, Source
from tests.catalogue.stock import UPC, done, item, product

WHO = "ana@harbor.example"
CODES = st.sampled_from(["", *UPC])
TITLES = st.sampled_from(["", "Work lamp", "Work lamp 4-pack"])
ACTS = st.one_of(
    st.tuples(st.just("feed"), st.integers(0, 5), CODES, TITLES),
    st.tuples(st.just("archive"), st.integers(0, 5)),
    st.tuples(st.just("remove"), st.integers(0, 5)),
    st.tuples(st.just("link"), st.integers(0, 5), st.integers(0, 3)),
    st.tuples(st.just("unlink"), st.integers(0, 5)),
    st.tuples(st.just("delete"), st.integers(0, 3)),
    st.tuples(st.just("rename"), st.integers(0, 3), CODES),
    st.tuples(st.just("look"), st.permutations(["sku", "gtin", "mpn"]).map(lambda some: some[:2])),
    st.tuples(st.just("apply"), st.sets(st.sampled_from(["pack", "crowded", "conflict"])), st.booleans()),
    st.tuples(st.just("undo"), st.integers(0, 2)),
)
COLUMNS = ("product_id", "source_id", "linking_id", "rule", "place", "told", "at", "by")


@pytest.fixture
def sources(make_source: Callable[..., Source]) -> list[Source]:
    return [make_source("North", sku_prefix="N-", state="live"), make_source("South", state="live")]


def table() -> dict[int, tuple[Any, ...]]:
    """{item: its link, every column}."""
    return {one["item"]: tuple(one[name.removesuffix("_id")] for name in COLUMNS) for one in ProductLink.select().dicts()}


class World:
    """The database, and beside it what each linking found when it began to be applied."""

    def __init__(self, sources: list[Source], merchant: Merchant) -> None:
        for one in (LinkMoved, Linking, ProductLink, Product, InventoryItem):
            one.delete().execute()
        self.sources, self.merchant, self.count = sources, merchant, 0
        self.ready: Linking | None = None
        self.applied: list[tuple[Linking, dict[int, Any], dict[int, Any]]] = []
        for n in range(6):
            self.bring(n, UPC[n % 4], "Work lamp")
        for n in range(3):
            product(merchant, f"P{n}", UPC[n], title="Work lamp")

    def bring(self, n: int, upc: str, title: str) -> None:
        item(self.sources[n % 2], f"S{n}", upc=upc or None, title=title or None)

    def item(self, n: int) -> InventoryItem | None:
        found: InventoryItem | None = InventoryItem.get_or_none(InventoryItem.sku == f"S{n}")
        return found

    def product(self, n: int) -> Product | None:
        return next(iter(Product.select().order_by(Product.id).offset(n).limit(1)), None)

    def do(self, act: str, *told: Any) -> None:
        before = table()
        getattr(self, f"do_{act}")(*told)
        if act not in ("apply", "undo", "link", "unlink", "remove", "delete"):
            assert table() == before, f"{act} changes no link"

    def do_feed(self, n: int, upc: str, title: str) -> None:
        if (one := self.item(n)) is None:
            self.bring(n, upc, title)
        else:
            InventoryItem.update(upc=upc or None, title=title or None, archived_at=None).where(InventoryItem.id == one.id).execute()

    def do_archive(self, n: int) -> None:
        InventoryItem.update(archived_at=clock.now()).where(InventoryItem.sku == f"S{n}").execute()

    def do_remove(self, n: int) -> None:
        InventoryItem.delete().where(InventoryItem.sku == f"S{n}").execute()

    def do_link(self, n: int, to: int) -> None:
        one, there = self.item(n), self.product(to)
        if one is not None and there is not None:
            products.link(one, there, WHO, beside=True)

    def do_unlink(self, n: int) -> None:
        one = self.item(n)
        if one is not None and products.of_item(one) is not None:
            products.unlink(one, WHO)

    def do_delete(self, n: int) -> None:
        if (one := self.product(n)) is not None:
            editing.delete(one, one.version, WHO)

    def do_rename(self, n: int, upc: str) -> None:
        if (one := self.product(n)) is not None:
            self.count += 1
            editing.change(one, editing.Typed(f"R{self.count}", one.title, upc=upc), one.version, WHO)

    def do_look(self, rules: list[str]) -> None:
        linking.begin(self.merchant, None, rules, WHO)
        done()
        self.ready = Linking.select().order_by(Linking.id.desc()).get()

    def do_apply(self, include: set[str], create: bool) -> None:
        if self.ready is None:
            return
        before, crowds, catalogue = table(), crowded(), {one.id for one in Product.select()}
        linking.apply(self.ready, sorted(include), create, WHO)
        done()
        made, after = Linking.get_by_id(self.ready.id), table()
        self.ready = None
        changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
        assert before.keys() <= after.keys(), "applying takes no link away"
        assert all(after[key][2] == made.id for key in changed), "what changed says by what"
        moved = changed & before.keys()
        assert not moved or "conflict" in include, "nobody said that anything may be moved"
        assert all(before[key][3] != "hand" for key in moved), "what a person linked stays"
        assert len(moved) == made.counts["moved"] and len(changed - moved) == sum(made.counts.get(one, 0) for one in ADDED)
        assert crowded() <= crowds or "crowded" in include, "two items of one source on one product, unsaid"
        assert len({one.id for one in Product.select()} - catalogue) == made.counts.get("created", 0) * create
        self.applied.append((made, {key: before.get(key) for key in changed}, after))

    def do_undo(self, at: int) -> None:
        if at >= len(self.applied):
            return
        made, former, after = self.applied.pop(-1 - at)
        before, states = table(), {one.id: one.state for one in Linking.select()}
        linking.undo(made, WHO)
        done()
        alive, now = {one.id for one in InventoryItem.select()}, table()
        goes = {one.id for one in Product.select()}
        for key in before.keys() | now.keys():
            ours = key in former and before.get(key) is not None and before[key][2] == made.id
            was = former.get(key)
            stands = was is not None and (was[2] is None or states.get(was[2]) != "undone") and was[0] in goes
            expected = (was if stands else None) if ours else before.get(key)
            assert now.get(key) == expected and (key in alive or key not in now), (key, former.get(key), before.get(key), now.get(key))
        assert Linking.get_by_id(made.id).state == "undone" and after is not None


ADDED = ("applied", "created", "joined")


def crowded() -> set[tuple[int, int]]:
    seen: dict[tuple[int, int], int] = {}
    for one in ProductLink.select():
        seen[one.product_id, one.source_id] = seen.get((one.product_id, one.source_id), 0) + 1
    return {key for key, count in seen.items() if count > 1}


def played(sources: list[Source], merchant: Merchant, acts: Any) -> None:
    world = World(sources, merchant)
    for act in acts:
        world.do(*act)
    while world.applied:  # in the order in which people undo: the last first, whatever happened between
        world.do_undo(0)
    world.do("look", ["sku", "gtin"])
    world.do("apply", {"conflict"}, False)
    after = table()
    world.do("look", ["sku", "gtin"])
    world.do("apply", {"conflict"}, False)
    assert table() == after, "linking twice changes nothing"


SETTINGS = settings(max_examples=10, suppress_health_check=list(HealthCheck), deadline=None)


@SETTINGS
@given(acts=st.lists(ACTS, min_size=4, max_size=14))
def test_in_any_order_each_item_has_the_link_that_it_must_have(sources: list[Source], merchant: Merchant, acts: Any) -> None:
    played(sources, merchant, acts)


LOOK = ("look", ["gtin", "sku"])
APPLY, MOVE = ("apply", set(), False), ("apply", {"conflict"}, False)


def keeps_nothing(*_: Any) -> int:
    return 0


def takes_all(*_: Any) -> dict[str, int]:
    ProductLink.delete().execute()
    return {}


def moves_a_hand(made: Linking, *_: Any) -> int:
    return int(ProductLink.update(product=Product.select().order_by(Product.id).get().id, linking=made.id).execute())


FAULTS: dict[str, tuple[Any, str, Callable[..., Any], list[Any]]] = {
    "a move that is not given back": (
        moving, "give_back", keeps_nothing, [LOOK, APPLY, ("rename", 2, ""), ("rename", 0, UPC[2]), LOOK, MOVE],
    ),
    "an undo that takes more than its own": (linking, "_undo", takes_all, [("link", 5, 2), LOOK, APPLY]),
    "a move of what a person linked": (moving, "move", moves_a_hand, [("link", 0, 2), LOOK, MOVE]),
    "two items of a source, unsaid": (matching, "_part", keeps_nothing, [("feed", 2, UPC[0], "Work lamp"), LOOK, APPLY]),
}  # fmt: skip


@pytest.mark.one_database
@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_seen(sources: list[Source], merchant: Merchant, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    module, name, wrong, acts = FAULTS[fault]
    played(sources, merchant, acts)
    if module is linking:
        monkeypatch.setitem(linking._ACTS, "undo", wrong)  # type: ignore[index]
    else:
        monkeypatch.setattr(module, name, wrong)
    with pytest.raises(AssertionError):
        played(sources, merchant, acts)


@pytest.mark.one_database
def test_linkings_that_make_products_are_undone_in_any_order(sources: list[Source], merchant: Merchant) -> None:
    again = ("apply", {"crowded", "conflict"}, True)
    played(sources, merchant, [LOOK, ("apply", set(), True), ("feed", 6, "", ""), LOOK, again, ("undo", 1), ("undo", 0)])
