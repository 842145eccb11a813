"""Two feeds of a source, holds, reverts, pins and archiving in any order: after each act the table is what a plain dictionary says."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from portal import runs
from portal.inventory import accepting, apply, archiving, guards, pins, revert, role_sql, roles
from portal.inventory.guards import Limits
from portal.inventory.missing import Missing
from portal.inventory.revert import Choice
from portal.inventory.roles import PRIMARY, SECONDARY
from portal.models import Run, bulk, database
from portal.models.database import is_postgres
from tasks.work import HANDLERS
from tests.faults import tables
from tests.feed_of import RULES, Feed

SEQUENCES = int(os.environ.get("SEQUENCES", "8"))
STEPS = 14
WHO = "ana@harbor.example"
SKUS = "ABCDEF"
LOST, ZEROED, FLOOR = 0.3, 0.3, 1  # guards of the primary, for feeds of six rows
LAX = Limits(fewest_rows=0, lost_floor=100, zeroed_floor=100, prices_moved=100, bad_quantities=100, lost_in_week=100)
STRICT = replace(LAX, lost=LOST * 100, lost_floor=FLOOR, zeroed=ZEROED * 100, zeroed_floor=FLOOR)

Row = tuple[str | None, int | None, int | None]  # title, quantity, cost; a quantity of -1 sets the row aside
Rows = dict[str, Row]
row = st.tuples(st.sampled_from(["x", "y", None]), st.sampled_from([3, 4, 0, None, -1]), st.sampled_from([1, 2, None]))
good = st.tuples(st.sampled_from("xy"), st.sampled_from([3, 4, 4, 0]), st.sampled_from([1, 2]))
file = st.one_of(st.fixed_dictionaries(dict.fromkeys(SKUS, good)), st.dictionaries(st.sampled_from(SKUS), row, min_size=1))
sku = st.sampled_from(SKUS)
PINNED: dict[str, Any] = {"quantity": 7, "cost": 9, "title": "p"}


@dataclass
class Item:
    """`lacked`: the feeds whose file lacks it; `second`: columns that the secondary wrote; pins and archived: (was, moment)."""

    title: str | None = None
    quantity: int | None = None
    cost: int | None = None
    lacked: frozenset[str] = frozenset()
    second: frozenset[str] = frozenset()
    pins: dict[str, tuple[Any, int]] = field(default_factory=dict)
    archived: tuple[Any, int] | None = None

    @property
    def here(self) -> bool:
        return not self.lacked and self.archived is None

    def settle(self) -> None:
        """What is missing has quantity 0, unless a person keeps another."""
        if self.lacked and "quantity" not in self.pins:
            self.quantity = 0


@dataclass
class Model:
    """The rules of roles, missing, pins, archiving and revert, told without a database. `moment` counts runs that brought values."""

    items: dict[str, Item] = field(default_factory=dict)
    maps: dict[str, set[str]] = field(default_factory=lambda: {PRIMARY: {"title", "quantity", "cost"}, SECONDARY: {"quantity", "cost"}})
    delta: dict[str, bool] = field(default_factory=lambda: {PRIMARY: False, SECONDARY: False})
    missing: dict[str, tuple[str, str]] = field(default_factory=lambda: {PRIMARY: ("zero", "all"), SECONDARY: ("leave", "own")})
    owns: tuple[str, ...] | None = None
    started: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    moment: int = 0
    held: tuple[Model, Rows, set[str]] | None = None  # with the settings that the held run had

    @property
    def owned(self) -> set[str]:
        """The columns of the secondary, which counts once it has had a run."""
        if SECONDARY not in self.started:
            return set()
        given = self.maps[SECONDARY] if self.owns is None else set(self.owns)
        return {column for column in self.maps[SECONDARY] if column in given or column not in self.maps[PRIMARY]}

    def takes(self, kind: str, item: Item) -> bool:
        """Whether the feed takes the item away when its file lacks it."""
        act, scope = self.missing[kind]
        mine = ("quantity" in self.owned and "quantity" in item.second) == (kind == SECONDARY)
        able = kind == PRIMARY or "quantity" in self.owned
        return able and act == "zero" and not self.delta[kind] and (scope == "all" or mine)

    def would(self, kind: str, item: Item, told: Row, columns: Iterable[str]) -> Item:
        """The item after a row of that feed."""
        item, new = deepcopy(item), dict(zip(("title", "quantity", "cost"), told, strict=True))
        if kind == SECONDARY:
            item.second |= self.owned
        other = SECONDARY if kind == PRIMARY else PRIMARY
        away = other in item.lacked and self.takes(other, item)
        back = bool(item.lacked) and not away
        kept = set(item.pins) | ({"quantity"} if away else set())
        if kind == PRIMARY and not back:
            kept |= self.owned & item.second
        if kind == PRIMARY and back:
            item.second = frozenset()
        item.lacked = frozenset({other}) if away else frozenset()
        for column in set(columns) - kept:
            setattr(item, column, new[column])
        return item

    def read(self, kind: str, rows: Rows) -> str:
        """Take a file; how its run must end."""
        self.started.add(kind)
        columns = self.maps[PRIMARY] if kind == PRIMARY else self.owned
        used = {sku: told for sku, told in rows.items() if told[1] != -1 or "quantity" not in columns}
        if not used:
            return "failed"
        after = {
            sku: self.would(kind, self.items.get(sku) or Item(), told, columns) for sku, told in used.items()
            if (kind == PRIMARY if sku not in self.items else self.items[sku].archived is None)
        }  # fmt: skip
        here = {sku: item for sku, item in self.items.items() if item.here}
        stocked = {sku for sku, item in self.items.items() if (item.quantity or 0) > 0 and item.archived is None}
        zeros = {sku for sku in stocked & after.keys() if not after[sku].quantity}
        lacking = self.lacking(kind) - rows.keys() if kind in self.accepted and not self.delta[kind] else set()
        hold_gone, hold_zeros = self.judge(kind, here, lacking & here.keys(), stocked & here.keys(), zeros & here.keys())
        for one in zeros if hold_zeros else ():
            after[one].quantity = self.items[one].quantity
        self.items |= after
        if not hold_gone:
            self.remove(kind, lacking)
        self.held = self.held if kind == SECONDARY else None
        if hold_gone or hold_zeros:
            terms = deepcopy(replace(self, items={}, held=None))
            self.held = (terms, {one: used[one] for one in zeros if hold_zeros}, lacking if hold_gone else set())
            return "held"
        self.accepted.add(kind)
        return "good"

    def lacking(self, kind: str) -> set[str]:
        return {sku for sku, item in self.items.items() if item.archived is None and self.takes(kind, item)}

    def judge(self, kind: str, here: Any, gone: set[str], stocked: set[str], zeros: set[str]) -> tuple[bool, bool]:
        if kind == SECONDARY:
            return False, False
        return len(gone) > max(len(here) * LOST, FLOOR), len(zeros) > max(len(stocked) * ZEROED, FLOOR)

    def remove(self, kind: str, skus: Iterable[str]) -> None:
        for one in skus:
            self.items[one].lacked |= {kind}
            self.items[one].settle()

    def accept(self) -> None:
        """What was held is done as the held run would have, to what may still be written."""
        assert self.held
        terms, zeros, gone = self.held
        for one, told in zeros.items():
            if one in self.items and self.items[one].archived is None:
                self.items[one] = terms.would(PRIMARY, self.items[one], told, terms.maps[PRIMARY])
        terms.items = self.items
        terms.remove(PRIMARY, gone & terms.lacking(PRIMARY))
        self.held = None
        self.accepted.add(PRIMARY)

    def unpin(self, one: str, column: str) -> None:
        item = self.items[one]
        was, moment = item.pins.pop(column)
        if column != "quantity" or item.archived is None:
            setattr(item, column, was if moment == self.moment else getattr(item, column))
        item.settle()

    def unarchive(self, one: str) -> None:
        item = self.items[one]
        assert item.archived
        was, moment = item.archived
        item.archived = None
        item.quantity = PINNED["quantity"] if "quantity" in item.pins else was if moment == self.moment else item.quantity
        item.settle()


class Feeds(RuleBasedStateMachine):
    """The engine beside the model."""

    make_source: ClassVar[Callable[..., Any]]
    numbers: ClassVar[Any] = count()

    def __init__(self) -> None:
        super().__init__()
        source = type(self).make_source(f"Source {next(self.numbers)}")
        self.feeds = {PRIMARY: Feed(source), SECONDARY: Feed(source, kind=SECONDARY)}
        self.model, self.files = Model(), dict[str, Rows]()
        self.held: Run | None = None
        self.undo: tuple[Run, dict[str, Item]] | None = None

    def read(self, kind: str, rows: Rows) -> None:
        before, self.files[kind] = deepcopy(self.model.items), rows
        expected = self.model.read(kind, rows)
        cells = [[one, title or "", title or "", "" if units is None else units, "" if cost is None else cost]
                 for one, (title, units, cost) in rows.items()]  # fmt: skip
        run = self.feeds[kind].sync(cells)
        assert (run.state if run.state in ("failed", "held") else "good") == expected, run.problem
        self.held = run if run.state == "held" else self.held
        self.wrote(run, before)

    def wrote(self, run: Run, before: dict[str, Item]) -> None:
        """It may have brought a value; if it did, it can be taken back."""
        self.model.moment += run.state not in ("failed", "no_change")
        if self.model.items != before:
            self.undo = (run, before)

    @rule(rows=file)
    def primary(self, rows: Rows) -> None:
        self.read(PRIMARY, rows)

    @rule(rows=file)
    def secondary(self, rows: Rows) -> None:
        self.read(SECONDARY, rows)

    @rule(kind=st.sampled_from([PRIMARY, SECONDARY]))
    def again(self, kind: str) -> None:
        if kind in self.files:
            self.read(kind, self.files[kind])

    @rule(kind=st.sampled_from([PRIMARY, SECONDARY]), delta=st.booleans())
    def full_or_delta(self, kind: str, delta: bool) -> None:
        self.model.delta[kind] = delta
        self.feeds[kind].policy(feed="delta" if delta else "full")

    @rule(kind=st.sampled_from([PRIMARY, SECONDARY]), act=st.sampled_from(["zero", "zero", "leave"]), scope=st.sampled_from(["own", "all"]))
    def missing_policy(self, kind: str, act: str, scope: str) -> None:
        self.model.missing[kind] = (act, scope)
        self.feeds[kind].policy(missing=Missing(act, scope=scope).told())

    @rule(columns=st.sampled_from([None, ("quantity",), ("cost",), ()]))
    def owns(self, columns: tuple[str, ...] | None) -> None:
        self.model.owns = columns
        self.feeds[SECONDARY].policy(owns=columns if columns is None else list(columns))

    @rule(kind=st.sampled_from([PRIMARY, SECONDARY]), without=st.sampled_from(["", "cost", "quantity"]))
    def mapping(self, kind: str, without: str) -> None:
        """The secondary maps a title, too, which it may not write."""
        fields = {name: told for name, told in RULES["fields"].items() if name not in ("brand", without)}
        self.feeds[kind].map(fields=fields)
        self.model.maps[kind] = fields.keys() - ({"sku"} if kind == PRIMARY else {"sku", "title"})

    @precondition(lambda self: self.model.held)
    @rule()
    def accept(self) -> None:
        assert self.held
        before, held = deepcopy(self.model.items), self.held
        self.model.accept()
        run = accepting.start_acceptance(held, WHO)
        runs.work_available(HANDLERS)
        run = Run.get_by_id(run.id)
        assert run.state == "finished", run.problem
        self.wrote(run, before)

    @precondition(lambda self: self.undo)
    @rule(some=st.one_of(st.just(set(SKUS)), st.sets(sku, min_size=1)))
    def revert(self, some: set[str]) -> None:
        assert self.undo
        (target, past), before = self.undo, deepcopy(self.model.items)
        kept = {one: item for one, item in before.items() if one not in some}
        self.model.items = kept | {one: deepcopy(item) for one, item in past.items() if one in some}
        if self.model.items == before:
            return
        run = revert.start(target, Choice(skus=() if some == set(SKUS) else tuple(sorted(some))), WHO)
        runs.work_available(HANDLERS)
        run = Run.get_by_id(run.id)
        assert run.state == "finished", run.problem
        self.wrote(run, before)

    @rule(one=sku, column=st.sampled_from(sorted(PINNED)))
    def pin(self, one: str, column: str) -> None:
        item = self.model.items.get(one)
        if item is None or column in item.pins or (item.archived and column == "quantity"):
            return
        item.pins[column] = (getattr(item, column), self.model.moment)
        setattr(item, column, PINNED[column])
        pins.pin(self.there[one], column, str(PINNED[column]), "", None, WHO)
        self.undo = None

    @rule(one=sku, column=st.sampled_from(sorted(PINNED)))
    def unpin(self, one: str, column: str) -> None:
        if one in self.model.items and column in self.model.items[one].pins:
            self.model.unpin(one, column)
            pins.unpin(self.there[one], column, WHO)
            self.undo = None

    @rule(one=sku)
    def archive_or_unarchive(self, one: str) -> None:
        item = self.model.items.get(one)
        if item is None:
            return
        act = archiving.archive if item.archived is None else archiving.unarchive
        if item.archived is None:
            item.archived, item.quantity = (item.quantity, self.model.moment), 0
        else:
            self.model.unarchive(one)
        assert act(self.feeds[PRIMARY].source.merchant, [self.there[one].public_id], WHO) == 1
        self.undo = None

    @property
    def there(self) -> dict[str, Any]:
        return self.feeds[PRIMARY].items()

    @invariant()
    def same(self) -> None:
        found = {
            one: (item.title, item.quantity, None if item.cost is None else item.cost // 10_000, item.missing_since is not None,
                  item.archived_by if item.archived_at else None)
            for one, item in self.there.items()
        }  # fmt: skip
        told = {
            one: (item.title, item.quantity, item.cost, bool(item.lacked), WHO if item.archived else None)
            for one, item in self.model.items.items()
        }
        assert found == told
        tables.check_journal(self.feeds[PRIMARY])


@pytest.fixture
def machine(db, make_source, monkeypatch):
    """Guards that judge the primary's feeds of six rows, and no pauses."""
    monkeypatch.setattr(guards, "limits", lambda integration: LAX if integration.kind == SECONDARY else STRICT)
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    if not is_postgres():
        database.execute_sql("PRAGMA synchronous = OFF")  # nobody dies here
    return type("Feeds", (Feeds,), {"make_source": staticmethod(make_source)})


def sequences(machine: Any, examples: int, **told: Any) -> None:
    chosen = settings(
        max_examples=examples, stateful_step_count=STEPS, deadline=None, suppress_health_check=list(HealthCheck), database=None,
        print_blob=True, **told,
    )  # fmt: skip
    run_state_machine_as_test(machine, settings=chosen)


def test_two_feeds_and_a_person_leave_the_table_that_the_model_says(machine):
    sequences(machine, SEQUENCES)


SABOTAGES = {
    "pins are ignored": lambda patch: patch.setattr(apply.role_sql, "kept", lambda role, _, kept=role_sql.kept: kept(role, False)),
    "the secondary writes a title": lambda patch: patch.setattr(
        roles, "now_of", lambda *told, now_of=roles.now_of, **more: _with_title(now_of(*told, **more))
    ),
}


def _with_title(role: roles.Role) -> roles.Role:
    return role if role.adds else replace(role, columns=("title", *role.columns))


@pytest.mark.one_database
@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_sabotage_is_noticed(machine, monkeypatch, sabotage):
    SABOTAGES[sabotage](monkeypatch)
    with pytest.raises(AssertionError):
        sequences(machine, 100, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)


FULL: Rows = dict.fromkeys(SKUS, ("x", 4, 1))
HELD: Rows = FULL | dict.fromkeys("AB", ("y", 0, 2))
EMPTIED: Rows = dict.fromkeys(SKUS, ("x", None, 1))
LACKING: Rows = {one: told for one, told in FULL.items() if one != "A"}

FOUND = {
    "accepting a hold leaves what a person archived meanwhile": [
        ("primary", FULL), ("primary", HELD), ("archive_or_unarchive", "A"), ("accept",),
    ],
    "accepting removals leaves what a person archived meanwhile": [
        ("primary", FULL), ("primary", {"A": ("x", 4, 1)}), ("archive_or_unarchive", "B"), ("accept",),
    ],
    "accepting what a revert has done already tells nothing": [
        ("primary", FULL), ("primary", EMPTIED), ("accept",), ("revert", set(SKUS)), ("again", PRIMARY), ("revert", set(SKUS)), ("accept",),
    ],
    "a pin's end leaves a missing item at 0": [
        ("primary", FULL), ("pin", "A", "quantity"), ("primary", LACKING), ("unpin", "A", "quantity"), ("primary", LACKING),
    ],
    "a missing item whose pin ended while it was archived is offered at 0": [
        ("primary", FULL), ("primary", LACKING), ("pin", "A", "quantity"), ("archive_or_unarchive", "A"), ("unpin", "A", "quantity"),
        ("archive_or_unarchive", "A"),
    ],
    "a pin's end brings the value before it though the item was archived meanwhile": [
        ("primary", FULL), ("pin", "A", "quantity"), ("archive_or_unarchive", "A"), ("archive_or_unarchive", "A"),
        ("unpin", "A", "quantity"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("acts", FOUND.values(), ids=FOUND)
def test_what_the_model_found(machine, acts):
    feeds = machine()
    for name, *told in acts:
        getattr(Feeds, name)(feeds, *told)
        feeds.same()
