"""What taking back means for single items: reckoned against the journal, then written with a journal line of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal import clock
from portal.exclusions.keeping import Keeping
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import lineage, stale
from portal.inventory.apply import UNKNOWN_HASH
from portal.inventory.export import shown
from portal.leases import Work
from portal.models import InventoryChange, InventoryItem, Source, bulk
from portal.models.database import is_postgres

_JOURNAL = ("merchant_id", "source_id", "run_id", "item_id", "sku", "action", "row_number", "before", "after", "at")
_ITEM = ("merchant_id", "source_id", "content_hash", "pinned", "changed_at", *lineage.IDENTITY, *lineage.COLUMNS)


@dataclass(frozen=True)
class Kept:
    """A value that stays as it is, and why."""

    column: str
    value: Any
    reason: str


@dataclass
class Step:
    """What taking back does to one item. `act`: values, unadd (the item goes) or readd (it comes back).

    `was`, `will`: {column: value} as the journal writes them. `kept`: what is left alone.
    """

    act: str
    item_id: int
    sku: str
    was: dict[str, Any] = field(default_factory=dict)
    will: dict[str, Any] = field(default_factory=dict)
    kept: list[Kept] = field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether anything of the item changes."""
        return bool(self.was or self.will)


def reckon_lines(lines: Sequence[InventoryChange], columns: Collection[str], *, lock: bool = False) -> list[Step]:
    """A step for each journal line of one run, in their order. `lock`: nobody else may write the items until the transaction ends."""
    if not lines:
        return []
    ids = [line.item_id for line in lines]
    items = _items(InventoryItem.id << ids, lock)
    later = lineage.lines_of(ids, after=min(line.id for line in lines) - 1)
    taken = _taken(lines)
    steps = []
    for line in lines:
        item = items.get(line.item_id)
        item = item if item is not None and item.sku == line.sku else None
        mine = later.get(line.item_id, [])
        if line.action in lineage.DEPARTURES:
            steps.append(_again(line, item, taken))
        elif line.action in lineage.ARRIVALS:
            steps.append(_out(line.item_id, line.sku, item, mine, line.id))
        else:
            steps.append(_back(line, item, mine, columns))
    return steps


def reckon_additions(items: Sequence[InventoryItem], *, lock: bool = False) -> list[Step]:
    """A step for each item that a run added without a journal line."""
    if lock and items:
        fresh = _items(InventoryItem.id << [item.id for item in items], lock)
        items = [fresh[item.id] for item in items if item.id in fresh]
    lines = lineage.lines_of([item.id for item in items])
    return [_out(item.id, item.sku, item, [one for one in lines.get(item.id, []) if one.at >= item.added_at]) for item in items]


def write(work: Work, steps: Sequence[Step], *, mark: bool, source_id: int | None = None) -> None:
    """Write the steps, in the transaction that is open: items, journal, and the mark that lets the next feed look again.

    `source_id`: whose items they are, where the run is of no source.
    """
    source_id = source_id or work.run.source_id
    doing = [step for step in steps if step.writes]
    keeping = Keeping(work.run, lambda _name, _number: None)
    keeping.look()
    _update(work, [step for step in doing if step.act == "values"])
    gone = [step.item_id for step in doing if step.act == "unadd"]
    if gone:
        InventoryItem.delete().where(InventoryItem.id << gone).execute()
    again = [step for step in doing if step.act == "readd"]
    numbers = [step.item_id for step in again if step.item_id]
    for step in again:
        step.item_id = _insert(work, step, source_id)
    Source.update(item_count=Source.item_count + len(again) - len(gone)).where(Source.id == source_id).execute()
    keeping.judge_those([step.item_id for step in doing if step.act != "unadd"])
    keeping.give_back(numbers)
    now, run = clock.now(), work.run
    actions = {"values": "revert"}
    lines = [
        (run.merchant_id, source_id, run.id, step.item_id, step.sku, actions.get(step.act, step.act), None, _json(step.was),
         _json(step.will), now)
        for step in doing
    ]  # fmt: skip
    bulk.insert("inventory_change", _JOURNAL, lines)
    if any(_unheard_of(step) for step in doing):
        stale.forget(source_id)
    elif mark:
        stale.mark(source_id, [step.sku for step in doing])


def _unheard_of(step: Step) -> bool:
    """Whether a feed no longer lacks the item though its last file may not have named it: only one that is read whole misses it again."""
    offered = any(name in step.will and step.will[name] is None for name in lineage.TIMES)
    return step.act == "readd" or offered or "missing_in" in step.will


def _items(condition: Any, lock: bool) -> dict[int, InventoryItem]:
    rows = InventoryItem.select().where(condition).order_by(InventoryItem.id)
    if lock and is_postgres():  # SQLite has one writer anyway
        rows = rows.for_update()
    return {item.id: item for item in rows}


def _taken(lines: Sequence[InventoryChange]) -> dict[str, set[Any]]:
    """Of the items that went and may come back: ids and SKUs that others have by now."""
    gone = [line for line in lines if line.action in lineage.DEPARTURES]
    if not gone:
        return {"ids": set(), "skus": set()}
    by_id = InventoryItem.select(InventoryItem.id).where(InventoryItem.id << [line.item_id for line in gone])
    by_sku = InventoryItem.select(InventoryItem.sku).where(
        InventoryItem.source == gone[0].source_id, InventoryItem.sku << [line.sku for line in gone]
    )
    return {"ids": {row.id for row in by_id}, "skus": {row.sku for row in by_sku}}


def _back(line: InventoryChange, item: InventoryItem | None, lines: Sequence[InventoryChange], columns: Collection[str]) -> Step:
    step = Step("values", line.item_id, line.sku)
    for column, (before, after) in lineage.touched(line).items():
        if column not in columns:
            continue
        if item is None:
            step.kept.append(Kept(column, None, "The item is not here any more"))
            continue
        now = lineage.told(getattr(item, column))
        owner = lineage.in_force(column, lines, line.id)
        if owner is None:
            continue  # taken back already
        if reason := _conflict(owner, line, item, column, same=now == after):
            step.kept.append(Kept(column, now, reason))
            continue
        if line.action == "back" and column == "missing_since" and column not in (line.before or {}):
            before = lineage.missing_before(line)
        if before != now:
            step.was[column], step.will[column] = now, before if column != "archived_by" else before or ""
    return step


def _conflict(owner: InventoryChange, line: InventoryChange, item: InventoryItem, column: str, same: bool) -> str:
    if owner.id != line.id:
        return _by(owner)
    if not same:
        return "Changed since"
    if column in INVENTORY_COLUMNS and item.pinned >> INVENTORY_COLUMNS.index(column) & 1:
        return "A person keeps this value"
    return ""


def _by(line: InventoryChange) -> str:
    who = f" by {line.run.started_by}" if line.run.started_by else ""
    words = {"pin": "Pinned since", "unpin": "Unpinned since", "archive": "Archived since", "unarchive": "Un-archived since"}
    return f"{words.get(line.action, 'Changed since')}{who}, run {line.run.number:,}"


def _out(item_id: int, sku: str, item: InventoryItem | None, lines: Sequence[InventoryChange], at_least: int = lineage.FIRST) -> Step:
    """The item goes, unless anything of it was changed since it came."""
    step = Step("unadd", item_id, sku)
    if item is None:
        return step  # gone already
    since = [line for line in lines if line.id > at_least]
    for column in dict.fromkeys(name for line in since for name in lineage.touched(line)):
        owner = lineage.in_force(column, since, at_least + 1)
        if owner is not None:
            step.kept.append(Kept(column, lineage.told(getattr(item, column)), _by(owner)))
    if item.pinned and not step.kept:
        step.kept.append(Kept("sku", sku, "A person keeps a value of it"))
    if not step.kept:
        whole = lineage.values_of(item) | {name: lineage.told(getattr(item, name)) for name in lineage.IDENTITY}
        step.was = {name: value for name, value in whole.items() if value not in (None, "")}
    return step


def _again(line: InventoryChange, item: InventoryItem | None, taken: Mapping[str, set[Any]]) -> Step:
    step = Step("readd", line.item_id, line.sku)
    if line.sku in taken["skus"]:
        reason = "The item is here already" if item is not None else "A later run brought this SKU again"
        step.kept.append(Kept("sku", line.sku, reason))
        return step
    step.will = dict(line.before or {})
    if line.item_id in taken["ids"]:
        step.item_id = 0  # another item has its number by now
    return step


def _update(work: Work, steps: Sequence[Step]) -> None:
    groups: dict[tuple[str, ...], list[Step]] = {}
    for step in steps:
        groups.setdefault(tuple(sorted(step.will)), []).append(step)
    for columns, group in groups.items():
        sets = "".join(f'"{column}" = ?, ' for column in columns)
        sql = f"UPDATE inventory_item SET {sets}content_hash = {UNKNOWN_HASH}, last_run_id = ?, changed_at = ? WHERE id = ?"
        now = clock.now()
        bulk.run_many(sql, [(*_stored(step, columns), work.run.id, now, step.item_id) for step in group])


def _insert(work: Work, step: Step, source_id: int) -> int:
    """Put an item in again as it was, under its own number if that is free; its number."""
    run, kept = work.run, step.will
    fixed = {
        "merchant_id": run.merchant_id, "source_id": source_id, "content_hash": UNKNOWN_HASH, "pinned": 0, "changed_at": clock.now(),
        "added_at": lineage.stored("added_at", kept["added_at"]), "archived_by": kept.get("archived_by", ""),
    }  # fmt: skip
    absent = dict.fromkeys((*lineage.IDENTITY, *lineage.NOTES), 0)
    row = {name: fixed[name] if name in fixed else lineage.stored(name, kept.get(name, absent.get(name))) for name in _ITEM}
    columns, values = tuple(row), tuple(row.values())
    if step.item_id:
        bulk.insert("inventory_item", ("id", *columns), [(step.item_id, *values)])
        return step.item_id
    bulk.insert("inventory_item", columns, [values])
    return int(bulk.one("SELECT id FROM inventory_item WHERE source_id = ? AND sku = ?", (source_id, step.sku))[0])


def _stored(step: Step, columns: Sequence[str]) -> list[Any]:
    return [lineage.stored(column, step.will[column]) for column in columns]


def _json(values: Mapping[str, Any]) -> str | None:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if values else None


def report_of(step: Step) -> str:
    """The kept values of a step as a row set aside lists its problems."""
    problems = [
        {
            "field": one.column, "column": lineage.label(one.column),
            "value": "" if one.column in lineage.NOTES else str(shown(one.column, one.value) or "")[:200],
            "reason": one.reason, "fatal": not step.writes,
        }
        for one in step.kept
    ]  # fmt: skip
    return json.dumps(problems, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
