"""Sequences of acts, of taking them back and of feeds, against a plain model: what is there, what is archived, and as it was."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal.bulk_acts import acts, choosing
from portal.models import BulkAct, InventoryChange, InventoryItem, Merchant, Source
from tests.catalogue.stock import done
from tests.feed_of import Feed, rows_of

WHO = "ana@harbor.example"
SKUS = 5
ONE = frozenset({4})
MOVED = ("content_hash", "last_run_id", "changed_at")
NUMBERS = itertools.count(1)

some = st.frozensets(st.integers(0, SKUS - 1), min_size=1)
step = st.one_of(
    st.tuples(st.sampled_from(["archive", "unarchive", "delete"]), some), st.tuples(st.just("undo"), st.integers(0, 7)),
    st.tuples(st.just("feed"), st.just(0)),
)  # fmt: skip


@dataclass
class Plain:
    """An item as the model has it: its number, and which act archived it (0: none)."""

    id: int
    archived: int = 0


@dataclass
class Did:
    """An act of the model: {SKU: the item it changed, as it was}."""

    name: str
    act: Any
    changed: dict[int, Plain] = field(default_factory=dict)
    over: bool = False


@dataclass
class Model:
    """The plain rules, one item at a time."""

    here: dict[int, Plain]
    acts: list[Did] = field(default_factory=list)

    def do(self, name: str, chosen: frozenset[int], act: Any) -> None:
        did = Did(name, act)
        for n in chosen:
            one = self.here[n]
            if name == "delete":
                did.changed[n] = self.here.pop(n)
            elif bool(one.archived) != (name == "archive"):
                did.changed[n] = Plain(one.id, one.archived)
                one.archived = len(self.acts) + 1 if name == "archive" else 0
        self.acts.append(did)

    def undo(self, place: int) -> None:
        did = self.acts[place]
        for n, was in list(did.changed.items()):
            now = self.here.get(n)
            mine = now is not None and now.id == was.id
            if did.name == "delete" and now is None:
                self.here[n] = was
            elif did.name == "archive" and mine and now is not None and now.archived == place + 1:
                now.archived = 0
            elif did.name == "unarchive" and mine and now is not None and not now.archived:
                now.archived = was.archived
            else:
                continue
            del did.changed[n]
        did.over = not did.changed


def rows(feed: Feed) -> dict[int, Any]:
    found = InventoryItem.select().where(InventoryItem.source == feed.source).dicts()
    return {int(one["sku"][-1]): {name: value for name, value in one.items() if name not in MOVED} for one in found}


@settings(max_examples=int(os.environ.get("ACTS", "6")), suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(step, min_size=1, max_size=9))
@example([("archive", ONE), ("unarchive", ONE), ("archive", ONE), ("undo", 0), ("undo", 2)])
@example([("archive", ONE), ("delete", ONE), ("undo", 1), ("undo", 0)])
@example([("delete", ONE), ("feed", 0), ("undo", 0)])
def test_any_sequence_ends_as_the_plain_rules_say(make_source: Callable[..., Source], merchant: Merchant, steps: list[Any]) -> None:
    feed = Feed(make_source(f"Source {next(NUMBERS)}"))
    feed.start(rows_of(SKUS))
    done()
    model = Model({n: Plain(one["id"]) for n, one in rows(feed).items()})
    before: dict[int, Any] | None = None
    for name, what in steps:
        if name == "feed":
            feed.start(rows_of(SKUS))
            done()
            for n, one in rows(feed).items():
                if n not in model.here:
                    model.here[n] = Plain(one["id"])
            before = None
        elif name == "undo":
            if what >= len(model.acts) or not acts.may_undo(BulkAct.get_by_id(model.acts[what].act)):
                continue
            model.undo(what)
            acts.undo(BulkAct.get_by_id(model.acts[what].act), WHO)
            done()
            if before is not None and what == len(model.acts) - 1:
                assert rows(feed) == before, "taken back at once, all of it is as it was"
            before = None
        elif chosen := frozenset(what) & set(model.here):
            before = rows(feed)
            act = choosing.ticked(merchant, name, [before[n]["public_id"] for n in chosen], WHO)
            model.do(name, chosen, act.id)
            acts.confirm(act, WHO)
            done()
            assert BulkAct.get_by_id(act.id).counts["done"] == len(model.acts[-1].changed)
        now = rows(feed)
        assert {n: bool(one["archived_at"]) for n, one in now.items()} == {n: bool(one.archived) for n, one in model.here.items()}
        assert all(one["quantity"] == 0 for one in now.values() if one["archived_at"])
        assert Source.get_by_id(feed.source.id).item_count == len(now)
    feed.start(rows_of(SKUS))
    done()
    now = rows(feed)
    assert len(now) == SKUS and all(bool(one["archived_at"]) or one["quantity"] == 5 for one in now.values())
    wrote = InventoryChange.select().where(InventoryChange.source == feed.source)
    assert wrote.where(InventoryChange.action == "unadd").count() >= sum(len(one.changed) for one in model.acts if one.name == "delete")
