"""Random feeds, rules, limits and archive acts: after each, who is in, out and waiting is what a plain list says it must be."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portal import plans, runs
from portal.exclusions import keeping, room, saving
from portal.inventory import archiving, counted, guards
from portal.inventory.counted import EXCLUDED, IN, WAITING
from portal.inventory.guards import Limits
from portal.models import Exclusion, InventoryItem, KeptOutChange, Merchant, Source, bulk, database
from portal.models.database import is_postgres
from tasks.work import HANDLERS
from tests.exclusions.judge import fits
from tests.feed_of import Feed, text_of

WHO = "ana@harbor.example"
SKUS = "ABCDEFGH"


def rule(*conditions: tuple[str, str, str], match: str = "all") -> dict[str, Any]:
    named = [{"field": field, "op": op, "value": value} for field, op, value in conditions]
    return {"match": "any", "groups": [{"match": match, "conditions": named}]}


RULES = [
    rule(("cost", "less", "5")),
    rule(("title", "fits", "x*")),
    rule(("quantity", "most", "0")),
    rule(("sku", "is", "a"), ("sku", "is", "b"), match="any"),
    rule(("brand", "empty", "")),
]
rows = st.lists(
    st.tuples(*map(st.sampled_from, (SKUS, ["xy", "lamp"], ["", "Acme"], [0, 3], [4, 6]))), max_size=9, unique_by=lambda one: one[0],
)  # fmt: skip
act = st.one_of(
    st.tuples(st.just("feed"), st.integers(0, 1), rows),
    st.tuples(st.just("limit"), st.sampled_from([None, 0, 2, 4, 6, 9])),
    st.tuples(st.just("rule"), st.integers(0, 4), st.sampled_from([None, 0, 1])),
    st.tuples(st.just("list"), st.integers(0, 1), st.lists(st.sampled_from(SKUS), min_size=1, max_size=4)),
    st.tuples(st.just("turn"), st.integers(0, 3)),
    st.tuples(st.just("edit"), st.integers(0, 3), st.integers(0, 4)),
    st.tuples(st.just("delete"), st.integers(0, 3)),
    st.tuples(st.just("archive"), st.integers(0, 1), st.sampled_from(SKUS)),
    st.tuples(st.just("unarchive"), st.integers(0, 1), st.sampled_from(SKUS)),
)


class Model:
    """Who is in and who waits, in the order of waiting, told without a database. What a rule means is asked of `judge`."""

    def __init__(self) -> None:
        self.limit: int | None = None
        self.state: dict[int, int] = {}
        self.queue: list[int] = []
        self.front: set[int] = set()  # that were in, were archived and came back: they come in before all others
        self.archived: set[int] = set()

    def see(self, items: Sequence[InventoryItem], rules: Sequence[Exclusion]) -> None:
        """Take in what an act did to items and rules: `items` as they are now, by id."""
        back = []
        for item in items:
            new, out = item.id not in self.state, any(fits(one, item) for one in rules)
            came = item.id in self.archived and item.archived_at is None
            before = self.state.get(item.id)
            if out:
                self.state[item.id] = EXCLUDED
                self.queue = [one for one in self.queue if one != item.id]
                self.front.discard(item.id)
            elif new or before == EXCLUDED or (came and before == IN and self.limit is not None):
                self.state[item.id] = IN if self.limit is None else WAITING
                if self.limit is not None:
                    (self.queue if new else back).append(item.id)
                    self.front |= {item.id} if came and before == IN else set()
        self.queue += back
        self.queue = sorted(self.front & set(self.queue)) + [one for one in self.queue if one not in self.front]
        self.archived = {item.id for item in items if item.archived_at is not None}
        for one in list(self.queue):
            if one not in self.archived and (self.limit is None or self.counted < self.limit):
                self.state[one] = IN
                self.queue.remove(one)
                self.front.discard(one)

    @property
    def counted(self) -> int:
        return sum(state == IN and one not in self.archived for one, state in self.state.items())


def check(merchant: Merchant, model: Model, before: dict[int, InventoryItem]) -> dict[int, InventoryItem]:
    """The tables say what the model says, nothing is gone, and nothing that was in went out for want of room."""
    items = {one.id: one for one in InventoryItem.select().where(InventoryItem.merchant == merchant)}
    rules = keeping.rules_of(merchant.id, None)
    model.see([items[key] for key in sorted(items)], rules)
    assert {key: one.kept_out for key, one in items.items()} == model.state
    assert before.keys() <= items.keys(), "nothing is dropped"
    for key, one in items.items():
        first = next((rule.id for rule in rules if fits(rule, one)), None)
        assert one.exclusion_id == first, one.sku
        was = before.get(key)
        if was is not None and was.kept_out == IN and was.archived_at is None and one.archived_at is None and first is None:
            assert one.kept_out == IN, f"{one.sku} was in"
    tally = counted.of_merchant(merchant.id)
    assert (tally.counted, tally.items) == (model.counted, len(items))
    assert tally.waiting == sum(one not in model.archived for one in model.queue)
    if model.limit is not None and tally.waiting:
        assert tally.counted >= model.limit, "no room is left while somebody waits"
    for key, one in items.items():  # the journal leads to where the item is
        last = KeptOutChange.select().where(KeptOutChange.item_id == key).order_by(KeptOutChange.id.desc()).first()
        assert (last.became, last.exclusion_id) == (one.kept_out, one.exclusion_id) if last else one.kept_out == IN
    return items


@pytest.fixture
def lenient(db, monkeypatch):
    """Guards that hold nothing of small feeds, and no pauses."""
    none = Limits(lost=100, lost_floor=1000, zeroed=100, zeroed_floor=1000, bad_quantities=100, lost_in_week=100)
    monkeypatch.setattr(guards, "limits", lambda _: none)
    monkeypatch.setattr(guards, "judge", lambda *_: [])
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    if not is_postgres():
        database.execute_sql("PRAGMA synchronous = OFF")  # nobody dies here


def play(merchant: Merchant, feeds: Sequence[Feed], acts: Sequence[Any]) -> None:
    model, items = Model(), dict[int, InventoryItem]()
    for what, *told in acts:
        rules = saving.listing(merchant)
        chosen = rules[told[0] % len(rules)] if what in ("turn", "edit", "delete") and rules else None
        if what == "feed":
            if not told[1]:
                continue
            raw = text_of([[sku, title, maker, units, cost] for sku, title, maker, units, cost in told[1]])
            dry = feeds[told[0]].dry_run(raw)
            run = feeds[told[0]].sync_with(dry)
            assert run.state in ("finished", "warnings", "no_change"), run.problem
            assert run.plan_hash == dry.plan_hash
            if run.state != "no_change":
                kept = {name: run.counts.get(name, 0) for name in ("excluded", "included", "no_room")}
                assert kept == {name: dry.counts.get(name, 0) for name in kept}, "a dry run says what the sync then does"
        elif what == "limit":
            model.limit = told[0]
            plans.set_limits(merchant, {"skus": told[0]}, WHO)
        elif what == "rule":
            source = None if told[1] is None else feeds[told[1]].source
            saving.create(merchant, source, f"Rule {Exclusion.select().count()}", RULES[told[0]], WHO)
        elif what == "list":
            saving.exclude_skus(merchant, feeds[told[0]].source, told[1], WHO, f"List {Exclusion.select().count()}")
        elif what == "turn" and chosen:
            saving.pause(chosen, chosen.state != "on", WHO)
        elif what == "edit" and chosen:
            saving.change(chosen, None, chosen.name, RULES[told[1]], chosen.version, WHO)
        elif what == "delete" and chosen:
            saving.delete(chosen, WHO)
        elif what in ("archive", "unarchive"):
            item = feeds[told[0]].items().get(told[1])
            if item is not None:
                getattr(archiving, what)(merchant, [item.public_id], WHO)
        while runs.work_available(HANDLERS):
            continue
        items = check(merchant, model, items)


def test_who_is_in_and_who_waits_is_what_the_model_says(lenient, merchant, make_source):
    numbers = count()

    @settings(
        max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, database=None, phases=[Phase.generate]
    )
    @given(st.lists(act, min_size=4, max_size=12))
    def examples(acts: Sequence[Any]) -> None:
        Source.update(state="deleted").execute()
        Exclusion.update(state="deleted").execute()
        InventoryItem.delete().execute()
        KeptOutChange.delete().execute()  # SQLite gives the number of an item that is gone to the next one
        plans.set_limits(merchant, {"skus": None}, WHO)
        n = next(numbers)
        play(merchant, [Feed(make_source(f"North {n}")), Feed(make_source(f"South {n}"))], acts)

    examples()


@pytest.mark.one_database
@pytest.mark.parametrize("broken", ["let_in_some", "judge"])
def test_sabotage_room_that_nobody_gets_and_rules_that_judge_nothing_are_noticed(lenient, merchant, make_source, monkeypatch, broken):
    if broken == "let_in_some":
        monkeypatch.setattr(room, "let_in_some", lambda *_: 0)
    else:
        monkeypatch.setattr(keeping.Keeping, "judge", lambda *_: None)
    feed = [("A", "lamp", "Acme", 3, 4), ("B", "lamp", "Acme", 3, 6), ("C", "lamp", "Acme", 3, 6)]
    acts = [("limit", 1), ("feed", 0, feed), ("rule", 0, None), ("limit", 2)]
    with pytest.raises(AssertionError):
        play(merchant, [Feed(make_source("North")), Feed(make_source("South"))], acts)
