"""Random sequences of feeds, holds and acceptances: after each the table is what a plain dictionary says it must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from statistics import median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import runs
from portal.inventory import accepting, apply, guards
from portal.inventory.guards import Limits
from portal.models import InventoryItem, Run, bulk, database
from portal.models.database import is_postgres
from tests.faults import tables
from tests.feed_of import HANDLERS, Feed, text_of

LOST, ZEROED, BAD, FLOOR = 0.3, 0.3, 0.4, 1  # guards for feeds of ten rows

row = st.tuples(st.sampled_from(["", *"ABCDEFGHIJ"]), st.sampled_from(["x", "y", ""]), st.sampled_from([3, 4, 0, "", 5, -1]))
act = st.one_of(st.lists(row, min_size=3, max_size=12), st.lists(row, max_size=12), st.just("accept"), st.just("again"))


@dataclass
class Item:
    title: str | None
    quantity: int | None
    missing: bool = False


@dataclass
class Model:
    """What a source must offer after each file, told without a database."""

    policy: str
    items: dict[str, Item] = field(default_factory=dict)
    history: list[int] = field(default_factory=list)
    accepted: list[Any] | None = None
    wrote: bool = False
    held: tuple[list[Any], dict[str, Item], set[str]] | None = None

    def read(self, rows: Sequence[tuple[str, str, Any]]) -> str:
        """Take a file; the state its run must end in, "good" for finished and warnings."""
        if self.accepted == list(rows) and not self.wrote:
            self.history.append(len(rows))
            return "no_change"
        seen = {sku for sku, _, _ in rows if sku}
        used = self.used([(sku, title or None, None if units == "" else units) for sku, title, units in rows if sku and units != -1])
        if not used or sum(units == -1 for _, _, units in rows) > len(rows) * BAD:
            return "failed"
        if self.history and len(rows) < int(median(self.history[-10:])) / 2:
            return "failed"
        return self.apply(list(rows), used, seen)

    def used(self, rows: list[tuple[str, str | None, int | None]]) -> dict[str, Item]:
        groups: dict[str, list[tuple[str | None, int | None]]] = {}
        for sku, title, units in rows:
            groups.setdefault(sku, []).append((title, units))
        if self.policy == "set_aside":
            groups = {sku: group for sku, group in groups.items() if len(group) == 1}
        used = {}
        for sku, group in groups.items():
            title, units = group[-1] if self.policy == "last" else group[0]
            known = [units for _, units in group if units is not None]
            used[sku] = Item(title, (sum(known) if known else None) if self.policy == "sum" else units)
        return used

    def apply(self, rows: list[Any], used: dict[str, Item], seen: set[str]) -> str:
        here = {sku: item for sku, item in self.items.items() if not item.missing}
        stocked = [sku for sku, item in here.items() if (item.quantity or 0) > 0]
        zeros = {sku for sku in stocked if sku in used and not used[sku].quantity}
        gone = set(here) - seen if self.history else set()
        hold_gone = len(gone) > len(here) * LOST and len(gone) > FLOOR
        hold_zeros = len(zeros) > len(stocked) * ZEROED and len(zeros) > FLOOR
        for sku, item in used.items():
            kept = self.items[sku].quantity if hold_zeros and sku in zeros else item.quantity
            self.items[sku] = Item(item.title, kept)
        if not hold_gone:
            self.remove(gone)
        self.held = None
        if hold_gone or hold_zeros:
            self.wrote = True
            self.held = (rows, {sku: used[sku] for sku in zeros if hold_zeros}, gone if hold_gone else set())
            return "held"
        self.accept(rows)
        return "good"

    def accept_hold(self) -> None:
        assert self.held
        rows, zeros, gone = self.held
        self.items |= {sku: Item(item.title, item.quantity) for sku, item in zeros.items()}
        self.remove(gone)
        self.accept(rows)
        self.held = None

    def accept(self, rows: list[Any]) -> None:
        self.accepted, self.wrote = rows, False
        self.history.append(len(rows))

    def remove(self, skus: set[str]) -> None:
        for sku in skus:
            self.items[sku] = Item(self.items[sku].title, 0, missing=True)


@pytest.fixture
def small(db, monkeypatch):
    """Guards that judge feeds of ten rows, and no pauses."""
    told = Limits(lost=LOST * 100, lost_floor=FLOOR, zeroed=ZEROED * 100, zeroed_floor=FLOOR, bad_quantities=BAD * 100, lost_in_week=100)
    monkeypatch.setattr(guards, "limits", lambda _: told)
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    if not is_postgres():
        database.execute_sql("PRAGMA synchronous = OFF")  # nobody dies here


def seen_in_the_table(feed: Feed) -> dict[str, Item]:
    found = InventoryItem.select().where(InventoryItem.source == feed.source)
    return {row.sku: Item(row.title, row.quantity, row.missing_since is not None) for row in found}


def play(feed: Feed, policy: str, acts: Sequence[Any]) -> None:
    feed.map(duplicates=policy)
    model, rows, held = Model(policy), [], None
    for one in acts:
        if one == "accept":
            if model.held is None:
                continue
            run = accepting.start_acceptance(held, "ana@harbor.example")
            runs.work_available(HANDLERS)
            assert Run.get_by_id(run.id).state == "finished"
            model.accept_hold()
        else:
            rows = rows if one == "again" else one
            expected = model.read(rows)
            last = feed.sync(text_of([[sku, title, "K", units, "1"] for sku, title, units in rows]))
            assert ("good" if last.state in ("finished", "warnings") else last.state) == expected, last.problem
            held = last if last.state == "held" else held
        assert seen_in_the_table(feed) == model.items
    tables.check_journal(feed)


def test_the_table_is_what_the_model_says(small, make_source):
    numbers = count()

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, database=None)
    @given(st.sampled_from(["first", "last", "sum", "set_aside"]), st.lists(act, min_size=3, max_size=8))
    def examples(policy: str, acts: Sequence[Any]) -> None:
        play(Feed(make_source(f"Source {next(numbers)}")), policy, acts)

    examples()


@pytest.mark.one_database
def test_sabotage_an_engine_that_forgets_removals_is_noticed(small, make_source, monkeypatch):
    monkeypatch.setattr(apply.Applying, "_remove", lambda *_: None)
    many = [(sku, "x", 3) for sku in "ABCDEF"]
    with pytest.raises(AssertionError):
        play(Feed(make_source()), "last", [many, many[:5]])
