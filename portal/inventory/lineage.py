"""Reading the journal of an item: what each line touched, which line a present value goes back to, what it was before.

The journal is read backwards: an item as it is now ─▶ undo its lines, newest first ─▶ the item as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any

from portal.fields import INVENTORY_BY_KEY, INVENTORY_COLUMNS
from portal.models import InventoryChange, InventoryItem, Run

TIMES = ("missing_since", "archived_at")
NOTES = ("missing_in", "secondary")
"""What feeds note for themselves (see models.inventory); it goes back with a revert, and is not shown."""

SHOWN = (*INVENTORY_COLUMNS, *TIMES, "archived_by")
COLUMNS = (*SHOWN, *NOTES)
"""All that a run may change of an item."""

IDENTITY = ("public_id", "added_at", "added_run_id", "added_row", "last_run_id", "last_row")
"""What an item that is taken out needs besides to come back as itself."""

ARRIVALS, DEPARTURES = ("add", "readd"), ("unadd",)
_ENDS = {"unpin": "pin", "unarchive": "archive"}
FIRST = 0
"""As a line's id: before every line. An item that a run added without a line of its own began there."""

Values = dict[str, Any]

_LABELS = {
    "warehouses": "Warehouses", "custom": "Your own fields", "missing_since": "Missing from the file since",
    "archived_at": "Archived", "archived_by": "Archived by", "missing_in": "Files that lack it", "secondary": "Kept by the secondary feed",
}  # fmt: skip


def told(value: Any) -> Any:
    """A value as the journal writes it."""
    return value.isoformat(" ") if isinstance(value, datetime) else value


def stored(column: str, value: Any) -> Any:
    """The journal's value as the database keeps it."""
    return datetime.fromisoformat(value) if value is not None and column in (*TIMES, "added_at") else value


def values_of(item: InventoryItem) -> Values:
    """All of an item that a run may change, as the journal writes it."""
    return {column: told(getattr(item, column)) for column in COLUMNS}


def touched(line: InventoryChange) -> dict[str, tuple[Any, Any]]:
    """Column -> (before, after) of one line. That an item went missing or came back is told by the action alone.

    What `missing_since` was before an item came back is not in older lines: None, see `missing_before`.
    """
    before, after = line.before or {}, line.after or {}
    changes = {column: (before.get(column), after.get(column)) for column in (*before, *after) if column in COLUMNS}
    if line.action == "missing":
        changes.setdefault("missing_since", (None, told(line.at)))
    elif line.action == "back":
        changes.setdefault("missing_since", (None, None))
    return changes


def lines_of(items: Iterable[int], *, after: int = FIRST, since: datetime | None = None) -> dict[int, list[InventoryChange]]:
    """Item id -> its lines past the line `after`, or later than `since`, newest first, each with its run."""
    ids = list(items)
    if not ids:
        return {}
    rows = InventoryChange.select().where(InventoryChange.item_id << ids, InventoryChange.id > after)
    if since is not None:
        rows = rows.where(InventoryChange.at > since)
    found: dict[int, list[InventoryChange]] = {}
    for row in with_runs(rows.order_by(InventoryChange.id.desc())):
        found.setdefault(row.item_id, []).append(row)
    return found


def with_runs(rows: Iterable[InventoryChange]) -> list[InventoryChange]:
    """The lines, each with its run: each run is read once, for thousands of lines may be of one."""
    lines = list(rows)
    wanted = {line.run_id for line in lines}
    columns = (Run.id, Run.public_id, Run.number, Run.kind, Run.state, Run.settings, Run.started_by, Run.cause, Run.finished_at)
    known = {run.id: run for run in Run.select(*columns).where(Run.id << list(wanted))} if wanted else {}
    for line in lines:
        line.run = known[line.run_id]
    return lines


def label(column: str) -> str:
    """A column's name on screen."""
    field = INVENTORY_BY_KEY.get(column)
    return field.label if field else _LABELS[column]


def in_force(column: str, lines: Sequence[InventoryChange], at_least: int = FIRST) -> InventoryChange | None:
    """The line that a column's present value goes back to: the newest, a change and its revert counting as neither.

    `lines`: newest first. None: no line since `at_least` (that id itself included) counts.
    """
    bound = None
    for line in lines:
        if line.id < at_least or (bound is not None and line.id >= bound) or column not in touched(line):
            continue
        undone = reverted_by(line, lines, column)
        if undone is None:
            return line
        bound = undone.id
    return None


def reverted_by(line: InventoryChange, lines: Sequence[InventoryChange], column: str) -> InventoryChange | None:
    """The line that `line` took back, if it is of a revert, of a pin's end or of an un-archiving: of several pins the first."""
    older = [one for one in lines if one.id < line.id and column in touched(one)]
    if line.action in _ENDS:
        undone = list(takewhile(lambda one: one.action == _ENDS[line.action], older))
        return undone[-1] if undone else None
    if line.run.kind != "revert":
        return None
    target = line.run.settings.get("reverts")
    return next((one for one in older if one.run_id == target), None)


def missing_before(back: InventoryChange) -> Any:
    """Since when the item of a "back" line had been missing."""
    earlier = InventoryChange.select().where(InventoryChange.item_id == back.item_id, InventoryChange.id < back.id)
    for line in earlier.order_by(InventoryChange.id.desc()):
        if (since := touched(line).get("missing_since", (None, None))[1]) is not None:
            return since
    return None


def rewound(present: Mapping[str, Any] | None, lines: Sequence[InventoryChange]) -> Values | None:
    """An item (None: not there) with `lines`, newest first, taken back; None where it was not there yet.

    Of an item that was taken out since, `added_at` is told too: it may have come, without a line, after the oldest of `lines`.
    """
    state = None if present is None else dict(present)
    for line in lines:
        if line.action in ARRIVALS:
            state = None
        elif line.action in DEPARTURES:
            kept = line.before or {}
            state = {column: kept.get(column) for column in COLUMNS} | {
                "archived_by": kept.get("archived_by") or "", "added_at": kept.get("added_at"),
                **{name: kept.get(name) or 0 for name in NOTES},
            }  # fmt: skip
        elif state is not None:
            state |= {column: was for column, (was, _) in touched(line).items()}
            if line.action == "back" and "missing_since" not in (line.before or {}):
                state["missing_since"] = missing_before(line)
    return state
