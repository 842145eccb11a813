"""Run results as CSV for people: every cell is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from peewee import JOIN

from portal import read_files
from portal.fields import INVENTORY_BY_KEY
from portal.inventory import arrivals, lineage, unknown
from portal.models import Integration, InventoryChange, InventoryItem, Run, SetAsideRow

CHUNK = 2_000
LISTS = ("images", "warehouses", "custom")  # columns that hold JSON
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "\0")


def cell_for_people(value: Any) -> str:
    """Text that no spreadsheet runs as a formula. Numbers stay numbers; a risky text gets a leading apostrophe.

    Never use this for a file that a machine reads: it changes the data.
    """
    if value is None:
        return ""
    if isinstance(value, int | float | Decimal):
        return str(value)
    text = str(value).replace("\0", "")
    return "'" + text if text.lstrip(" ").startswith(RISKY) else text


def shown(column: str, value: Any) -> Any:
    """A stored value as a person reads it: ten-thousandths become a decimal text, lists are spelled out, the rest stays."""
    if column in LISTS and value:
        found = json.loads(value)
        return ", ".join(f"{name}: {one}" for name, one in found.items()) if isinstance(found, dict) else ", ".join(found)
    field = INVENTORY_BY_KEY.get(column)
    if value is None or field is None or field.kind not in ("money", "measure"):
        return value
    sign, digits = ("-" if value < 0 else ""), f"{abs(value):05d}"
    whole, part = digits[:-4], digits[-4:].rstrip("0")
    if field.kind == "money":
        part = part.ljust(2, "0")
    return f"{sign}{whole}.{part}" if part else f"{sign}{whole}"


def label_of(column: str) -> str:
    """Our label of an item's column."""
    ours = {"warehouses": "Warehouses", "custom": "Custom fields", "missing_since": "Missing since", "archived_at": "Archived"}
    return INVENTORY_BY_KEY[column].label if column in INVENTORY_BY_KEY else ours.get(column, column)


def changes_csv(run: Run) -> Iterator[str]:
    """What a run changed: one line per item and column, in the order it was applied."""
    parts = _FileColumn(run)
    yield line(["SKU", "Item", "Action", "Field", "Was", "Is", *parts.heads])
    for change, title in _changes(run):
        columns = sorted({*(change.before or {}), *(change.after or {})} - set(lineage.NOTES)) or [""]
        for column in columns:
            before, after = (change.before or {}).get(column), (change.after or {}).get(column)
            label = label_of(column)
            yield line(
                [change.sku, title, change.action, label, shown(column, before), shown(column, after), *parts.of(change.row_number)],
            )


def set_aside_csv(run: Run) -> Iterator[str]:
    """Rows that were set aside or used without some values: number, every reason, then the row as it came."""
    parts = _FileColumn(run)
    yield line([*parts.heads, "SKU", "What happened", "Reasons", "Row as it came"])
    last = 0
    while True:
        rows = list(
            SetAsideRow.select()
            .where((SetAsideRow.run == run.id) & (SetAsideRow.row_number > last))
            .order_by(SetAsideRow.row_number)
            .limit(CHUNK),
        )
        for row in rows:
            happened = "Row set aside" if row.fatal else "Value left out"
            reasons = "; ".join(_reason(problem) for problem in row.problems)
            yield line([*parts.of(row.row_number), row.sku, happened, reasons, *row.cells])
        if len(rows) < CHUNK:
            return
        last = rows[-1].row_number


def unknown_csv(integration: Integration) -> Iterator[str]:
    """SKUs that the feed names and the source has no item of, with the row that named each last."""
    yield line(["SKU", "Run", "Row in file"])
    after = ""
    while True:
        found, after = unknown.listing(integration, after, CHUNK)
        numbers = {run.id: run.number for run in Run.select(Run.id, Run.number).where(Run.id << [one.run_id for one in found])}
        for one in found:
            yield line([one.sku, numbers.get(one.run_id, ""), one.row_number])
        if not after:
            return


class _FileColumn:
    """Where a row stands: its number, and the file's name where the run read several."""

    def __init__(self, run: Run) -> None:
        self._rows = read_files.Rows(run)
        self.heads = ["Row in file", "File"] if self._rows.parts else ["Row in file"]

    def of(self, number: int | None) -> list[Any]:
        if number is None or not self._rows.parts:
            return [number, *[None] * (len(self.heads) - 1)]
        placed = self._rows.at(number)
        return [placed.row, placed.document.name if placed.document else None]


def _reason(problem: dict[str, Any]) -> str:
    column = f"{problem['column']}: " if problem.get("column") else ""
    return f"{column}{problem['reason']} ({problem['value']!r})"


def _changes(run: Run) -> Iterator[tuple[InventoryChange, str]]:
    last = 0
    while True:
        rows = list(
            InventoryChange.select(InventoryChange, InventoryItem.title.alias("item_title"))
            .join(InventoryItem, JOIN.LEFT_OUTER, on=(InventoryItem.id == InventoryChange.item_id))
            .where((InventoryChange.run == run.id) & (InventoryChange.id > last))
            .order_by(InventoryChange.id)
            .limit(CHUNK)
            .objects(),
        )
        yield from ((row, row.item_title or "") for row in rows)
        if len(rows) < CHUNK:
            break
        last = rows[-1].id
    last = 0
    while added := arrivals.of_run(run, last, CHUNK):
        yield from ((row, row.item_title or "") for row in added)
        last = added[-1].item_id


def line(cells: Iterable[Any]) -> str:
    """One line of a CSV for people."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([cell_for_people(cell) for cell in cells])
    return out.getvalue()
