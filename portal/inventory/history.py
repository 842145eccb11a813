"""A source as of a moment, and what lies between two runs: worked out backwards from the present through the journal.

Items of a page ─▶ their journal lines since then ─▶ undone, newest first. What Remove Inventory cleared is not kept.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import SQL

from portal.errors import Invalid, NotFound
from portal.inventory import lineage
from portal.inventory.export import cell_for_people, shown
from portal.models import InventoryChange, InventoryItem, Run, Source

PAGE_SIZE = 50
CHUNK = 500
MOST_RUNS = 100
MOST_COUNTED = 20_000
WRITERS = ("inventory", "accept_removals", "revert", "fixed_rows", "edit", "silence")
Departed = dict[str, list[tuple[datetime, int]]]


@dataclass(frozen=True)
class Past:
    """One item as it was: all its values as the journal writes them, and its page today ("" when it is gone)."""

    sku: str
    values: dict[str, Any]
    public_id: str


@dataclass(frozen=True)
class Between:
    """One item that differs. `act`: changed, added or gone. `values`: (column, was, is)."""

    sku: str
    act: str
    values: list[tuple[str, Any, Any]]
    public_id: str


@dataclass
class Counts:
    """How many items differ, by act. `whole` False: counted among the first only."""

    changed: int = 0
    added: int = 0
    gone: int = 0
    whole: bool = True


def earliest(source: Source) -> datetime | None:
    """Since when the past of the source is known: its last Remove Inventory, or None when there was none."""
    removal = Run.select().where(Run.source == source.id, Run.kind == "remove_inventory", Run.started_at.is_null(False))
    last = removal.order_by(Run.id.desc()).first()
    return (last.finished_at or last.started_at) if last else None


def as_of(source: Source, moment: datetime, *, after: str = "", prefix: str = "", size: int = PAGE_SIZE) -> tuple[list[Past], str]:
    """`size` items as they were at `moment` (naive UTC), in the order of their SKUs past `after`, and where the next page starts.

    `prefix`: only SKUs that begin so; a SKU never changes. Raises Invalid for a moment of which nothing is known.
    """
    first = earliest(source)
    if first is not None and moment < first:
        raise Invalid({"at": "The inventory was removed after that moment, and what was there before is not kept."})
    found: list[Past] = []
    while True:
        skus = _skus_at(source, moment, after, prefix, size + 1)
        found += _pasts(source, skus, moment)
        if len(found) > size:
            return found[:size], found[size - 1].sku
        if len(skus) <= size:
            return found, ""
        after = skus[-1]


def as_of_csv(source: Source, moment: datetime, prefix: str = "") -> Iterator[str]:
    """The source as of a moment, every column, a line an item."""
    columns = [column for column in lineage.SHOWN if column not in ("archived_at", "archived_by")]
    yield _line([lineage.label(column) for column in columns])
    after = ""
    while True:
        found, after = as_of(source, moment, after=after, prefix=prefix, size=CHUNK)
        for past in found:
            yield _line([shown(column, past.values.get(column)) for column in columns])
        if not after:
            return


def comparable(source: Source) -> list[Run]:
    """The newest runs that may have written items of the source, newest first."""
    runs = Run.select().where(Run.source == source.id, Run.kind << WRITERS, Run.finished_at.is_null(False), Run.state != "no_change")
    first = earliest(source)
    if first is not None:
        runs = runs.where(Run.finished_at >= first)
    return list(runs.order_by(Run.id.desc()).limit(MOST_RUNS))


def pair(source: Source, first: str, second: str) -> tuple[Run, Run]:
    """The two runs of these ids, the earlier one first. Raises NotFound, or Invalid when they are one."""
    known = {run.public_id: run for run in comparable(source)}
    if first not in known or second not in known:
        raise NotFound("run")
    if first == second:
        raise Invalid({"other": "Choose two different runs."})
    one, other = sorted((known[first], known[second]), key=lambda run: (run.finished_at, run.id))
    return one, other


def differing(source: Source, one: Run, other: Run, *, after: str = "", size: int = PAGE_SIZE) -> tuple[list[Between], str]:
    """`size` items that differ between the end of run `one` and the end of the later `other`, and where the next page starts."""
    found: list[Between] = []
    while True:
        skus = _touched_skus(source, one, other, after, size + 1)
        found += _between(source, skus, one.finished_at, other.finished_at)
        if len(found) > size:
            return found[:size], found[size - 1].sku
        if len(skus) <= size:
            return found, ""
        after = skus[-1]


def count(source: Source, one: Run, other: Run) -> Counts:
    """How many items differ."""
    counts, after, seen = Counts(), "", 0
    while seen < MOST_COUNTED:
        found, after = differing(source, one, other, after=after, size=CHUNK)
        for item in found:
            setattr(counts, item.act, getattr(counts, item.act) + 1)
        seen += len(found)
        if not after:
            return counts
    counts.whole = False
    return counts


def differing_csv(source: Source, one: Run, other: Run) -> Iterator[str]:
    """Every difference between two runs, a line an item and field."""
    yield _line(["SKU", "What happened", "Field", f"After run {one.number}", f"After run {other.number}"])
    after = ""
    while True:
        found, after = differing(source, one, other, after=after, size=CHUNK)
        for item in found:
            for column, was, now in item.values or [("", None, None)]:
                yield _line([item.sku, item.act, lineage.label(column) if column else "", shown(column, was), shown(column, now)])
        if not after:
            return


def _skus_at(source: Source, moment: datetime, after: str, prefix: str, size: int) -> list[str]:
    """SKUs that may have been there at `moment`, in the database's order: of items that are here now, or went since."""
    here = InventoryItem.select(InventoryItem.sku).where(InventoryItem.source == source.id, InventoryItem.added_at <= moment)
    return _first([(here, InventoryItem.sku), (_departures(source, moment), InventoryChange.sku)], after, prefix, size)


def _first(queries: Sequence[tuple[Any, Any]], after: str, prefix: str, size: int) -> list[str]:
    """The first `size` SKUs past `after` of several queries together. Only the database sorts: its order is its own."""
    whole = None
    for query, column in queries:
        query = query.where(column > after)
        part = query.where(column.startswith(prefix)) if prefix else query
        whole = part if whole is None else whole | part
    return [row[0] for row in whole.order_by(SQL("sku")).limit(size).tuples()] if whole is not None else []


def _departures(source: Source, moment: datetime) -> Any:
    """Lines of items that a revert took out after `moment`; by their runs, which are few."""
    reverts = Run.select(Run.id).where(Run.source == source.id, Run.kind == "revert")
    later = reverts.where(Run.finished_at.is_null() | (Run.finished_at > moment))
    return InventoryChange.select(InventoryChange.sku).where(
        InventoryChange.run << later, InventoryChange.action == "unadd", InventoryChange.at > moment
    )


def _pasts(source: Source, skus: Sequence[str], moment: datetime) -> list[Past]:
    items, gone = _items(source, skus, moment)
    found = []
    for sku, (values,) in _states(skus, items, gone, [moment]):
        if values is not None:
            found.append(Past(sku, values | {"sku": sku}, items[sku].public_id if sku in items else ""))
    return found


def _items(source: Source, skus: Sequence[str], moment: datetime) -> tuple[dict[str, InventoryItem], Departed]:
    """By SKU: the items that are here now, and when and as which number items went since `moment`, the earliest first."""
    here = InventoryItem.select().where(InventoryItem.source == source.id, InventoryItem.sku << list(skus))
    lines = _departures(source, moment).select(InventoryChange.sku, InventoryChange.item_id, InventoryChange.at)
    gone: Departed = {}
    for line in lines.where(InventoryChange.sku << list(skus)).order_by(InventoryChange.id):
        gone.setdefault(line.sku, []).append((line.at, line.item_id))
    return {item.sku: item for item in here}, gone


def _touched_skus(source: Source, one: Run, other: Run, after: str, size: int) -> list[str]:
    """SKUs that anything was written of between the ends of two runs, in the database's order."""
    low, high = one.finished_at, other.finished_at
    runs = Run.select(Run.id).where(Run.source == source.id, Run.finished_at.is_null() | (Run.finished_at > low), Run.created_at <= high)
    lines = InventoryChange.select(InventoryChange.sku).where(
        InventoryChange.run << runs, InventoryChange.at > low, InventoryChange.at <= high
    )
    items = InventoryItem.select(InventoryItem.sku).where(
        InventoryItem.source == source.id, InventoryItem.added_at > low, InventoryItem.added_at <= high
    )
    parts = [(lines, InventoryChange.sku), (items, InventoryItem.sku), (_departures(source, low), InventoryChange.sku)]
    return _first(parts, after, "", size)


def _between(source: Source, skus: Sequence[str], low: datetime, high: datetime) -> list[Between]:
    if not skus:
        return []
    items, gone = _items(source, skus, low)
    found = []
    for sku, (was, now) in _states(skus, items, gone, [low, high]):
        public_id = items[sku].public_id if sku in items else ""
        if was is None and now is not None:
            found.append(Between(sku, "added", [], public_id))
        elif was is not None and now is None:
            found.append(Between(sku, "gone", [], public_id))
        elif was is not None and now is not None and (values := _values(was, now)):
            found.append(Between(sku, "changed", values, public_id))
    return found


def _states(
    skus: Sequence[str], items: dict[str, InventoryItem], gone: Departed, moments: Sequence[datetime]
) -> Iterator[tuple[str, list[dict[str, Any] | None]]]:
    """Each SKU with its item's values at each moment, the earliest first; None where it was not there."""
    numbers = {item.id for item in items.values()} | {number for lives in gone.values() for _, number in lives}
    lines = lineage.lines_of(numbers, since=moments[0])
    for sku in skus:
        yield sku, [_state(sku, items.get(sku), gone.get(sku, []), lines, moment) for moment in moments]


def _state(
    sku: str, item: InventoryItem | None, lives: Sequence[tuple[datetime, int]], lines: dict[int, list[InventoryChange]], moment: datetime
) -> dict[str, Any] | None:
    """An item at a moment: the one that is here now, or the one that went first after it."""
    numbers = [item.id] if item is not None and item.added_at <= moment else []
    numbers += [number for at, number in lives if at > moment][:1]
    for number in numbers:
        mine = [line for line in lines.get(number, []) if line.sku == sku and line.at > moment]
        values = lineage.rewound(lineage.values_of(item) if item is not None and item.id == number else None, mine)
        came = lineage.stored("added_at", values.get("added_at")) if values else None
        if values is not None and (came is None or came <= moment):
            return values
    return None


def _values(was: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(column, was.get(column), now.get(column)) for column in lineage.SHOWN if was.get(column) != now.get(column)]


def _line(values: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([cell_for_people(value) for value in values])
    return out.getvalue()
