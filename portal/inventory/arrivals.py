"""Items that a run added, as lines of the journal would tell it. None is written: an item carries the run and row it came from."""

from __future__ import annotations

from collections.abc import Iterable

from portal.fields import INVENTORY_COLUMNS
from portal.inventory import lineage
from portal.models import InventoryChange, InventoryItem, Run


def of_run(run: Run, after: int, limit: int) -> list[InventoryChange]:
    """The next `limit` items that the run added, past the item id `after`, each as its line; `item_title` and `item_public_id` on it."""
    items = InventoryItem.select().where(InventoryItem.added_run_id == run.id, InventoryItem.id > after)
    return _lines(items.order_by(InventoryItem.id).limit(limit))


def of_item(item: InventoryItem) -> InventoryChange | None:
    """The line of the item's arrival, with its run; None when that run is no longer known."""
    run = Run.get_or_none(Run.id == item.added_run_id)
    if run is None:
        return None
    line = _lines([item])[0]
    line.run = run
    return line


def _lines(rows: Iterable[InventoryItem]) -> list[InventoryChange]:
    items = list(rows)
    since = lineage.lines_of([item.id for item in items])
    return [_line(item, since.get(item.id, [])) for item in items]


def _line(item: InventoryItem, later: list[InventoryChange]) -> InventoryChange:
    """The values it came with: those it has now, with its later lines undone, newest first."""
    values = {column: getattr(item, column) for column in INVENTORY_COLUMNS}
    for change in later:
        values |= {column: value for column, value in (change.before or {}).items() if column in values}
    line = InventoryChange(
        merchant=item.merchant_id, source=item.source_id, run=item.added_run_id, item_id=item.id, sku=item.sku, action="add",
        row_number=item.added_row, before=None, after={column: value for column, value in values.items() if value is not None},
        at=item.added_at,
    )  # fmt: skip
    vars(line).update(item_title=item.title, item_public_id=item.public_id)  # as a join of both tables would
    return line
