"""A person's own change of items: written at once, under a run of its own that is finished when it is seen, and journaled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal import clock, runs
from portal.exclusions import keeping
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import lineage, stale
from portal.inventory.apply import UNKNOWN_HASH
from portal.models import InventoryChange, InventoryItem, Run, Source, bulk
from portal.models.database import is_postgres

FEEDS = ("inventory", "accept_removals", "fixed_rows", "revert")
"""Runs that may have brought another value than the one before a person's change."""

MISSING: Mapping[str, Any] = {"quantity": 0, "warehouses": None}
"""What a missing item has, unless a person keeps another value."""

Fed = Callable[[int, int], bool]

_JOURNAL = ("merchant_id", "source_id", "run_id", "item_id", "sku", "action", "row_number", "before", "after", "at")


@dataclass(frozen=True)
class Change:
    """What becomes of one item: {column: value} as the journal writes them, and its new `pinned` bits."""

    item: InventoryItem
    columns: Mapping[str, Any]
    pinned: int


def bit(column: str) -> int:
    """The bit of `pinned` that keeps feeds from changing the column."""
    return 1 << INVENTORY_COLUMNS.index(column)


def locked(items: Iterable[int]) -> list[InventoryItem]:
    """These items, which nobody else may write until the transaction ends, in the order of their ids."""
    rows = InventoryItem.select().where(InventoryItem.id << list(items)).order_by(InventoryItem.id)
    return list(rows.for_update() if is_postgres() else rows)


def write(source: Source, action: str, changes: Sequence[Change], who: str, *, cause: str = "person", **settings: Any) -> Run:
    """Write the changes and their journal, in the transaction that is open; the run that stands for them.

    `action`: pin, unpin, archive or unarchive. An item may be named once.
    """
    told = {"did": action, **settings}
    run = runs.start(source, "edit", cause=cause, started_by=who, settings=told, claimed=True)
    journal(run, action, changes)
    closing = {"state": "finished", "stage": "done", "counts": {"items": len(changes)}, "lease_until": None, "finished_at": clock.now()}
    Run.update(closing).where(Run.id == run.id).execute()
    return Run.get_by_id(run.id)


def journal(run: Run, action: str, changes: Sequence[Change], undoes: bool = False) -> None:
    """Write the changes and their journal as done by `run`, in the transaction that is open. Items of several sources may be among them.

    `undoes`: an act is taken back, so that what it archived has its place in the plan again, also beyond the limit.
    """
    now, lines = clock.now(), []
    skus: dict[int, list[str]] = {}
    for change in changes:
        item = change.item
        before = {column: lineage.told(getattr(item, column)) for column in change.columns}
        differ = [column for column, value in change.columns.items() if value != before[column]]
        _update(run, change, differ)
        was, now_is = ({column: side[column] for column in differ} for side in (before, change.columns))
        lines.append((item.merchant_id, item.source_id, run.id, item.id, item.sku, action, None, _json(was), _json(now_is), now))
        skus.setdefault(item.source_id, []).append(item.sku)
    bulk.insert("inventory_change", _JOURNAL, lines)
    for source_id, some in sorted(skus.items()):
        if action == "unarchive":  # the item may have left the feed meanwhile, which only a feed that is read whole tells
            stale.forget(source_id)
        stale.mark(source_id, some)
    archived = [change.item.id for change in changes if change.item.archived_at is not None and not undoes]
    keeping.by_hand(run, [change.item.id for change in changes], archived)


def fed_since(source_id: int, run_id: int) -> bool:
    """Whether a feed, or a revert, may have had another value for an item of the source since that run."""
    later = Run.select().where(Run.source == source_id, Run.id > run_id, Run.kind << FEEDS, Run.state.not_in(("no_change", "failed")))
    return bool(later.exists())


def value_before(
    item: InventoryItem, column: str, action: str, lines: Sequence[InventoryChange] | None = None, fed: Fed = fed_since
) -> tuple[bool, Any]:  # fmt: skip
    """(True, value) the column had before the person's latest `action` on it, or (False, None) when a feed may have had another since.

    Feeds pass over a kept value, so what they said meanwhile is not known here; the next one is asked. A missing item has none in stock.
    `lines` of the item, newest first, and `fed` as `fed_since`, where they were read before.
    """
    if item.missing_since is not None and column in MISSING:
        return True, MISSING[column]
    lines = lineage.lines_of([item.id]).get(item.id, []) if lines is None else lines
    value, run_id, bound = lineage.told(getattr(item, column)), 0, None
    for line in lines:
        if column not in lineage.touched(line) or (bound is not None and line.id >= bound):
            continue
        if line.action != action:
            undone = lineage.reverted_by(line, lines, column) if line.action in ("unpin", "unarchive") else None
            if undone is None or lineage.touched(undone)[column][0] != lineage.touched(line)[column][1]:
                break
            bound = undone.id  # both together changed nothing
            continue
        value, run_id = lineage.touched(line)[column][0], line.run_id
    if not run_id:
        return True, value
    return (False, None) if fed(item.source_id, run_id) else (True, value)


def _update(run: Run, change: Change, differ: Sequence[str]) -> None:
    sets = "".join(f'"{column}" = ?, ' for column in differ)
    sql = f"UPDATE inventory_item SET {sets}pinned = ?, content_hash = {UNKNOWN_HASH}, last_run_id = ?, changed_at = ? WHERE id = ?"
    values = [lineage.stored(column, change.columns[column]) for column in differ]
    bulk.run(sql, (*values, change.pinned, run.id, clock.now(), change.item.id))


def _json(values: Mapping[str, Any]) -> str | None:
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if values else None
