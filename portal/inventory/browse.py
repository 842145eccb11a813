"""Finding inventory items: search, filters, keyset pages, and where each value of an item came from."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import Any

from peewee import JOIN

from portal import read_files
from portal.errors import Invalid, NotFound
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import arrivals
from portal.models import InventoryChange, InventoryItem, Merchant, Run, Source

PAGE_SIZE = 50
LONGEST_QUERY = 200
EVERYTHING = "everything"  # archived items too; lists leave them out but for their own filter

SORTS: dict[str, tuple[Any, bool]] = {
    "sku": (InventoryItem.sku, False),
    "quantity": (InventoryItem.quantity, True),
    "cost": (InventoryItem.cost, True),
    "changed": (InventoryItem.changed_at, True),
}
STOCK_FILTERS = ("in", "out", "missing", "archived")


@dataclass(frozen=True)
class Page:
    """One page of items. `exact` are hits on a whole SKU, UPC or MPN, shown before the rest."""

    items: list[Any]
    exact: list[Any]
    next_cursor: str
    previous_cursor: str


@dataclass(frozen=True)
class Change:
    """One line of an item's history: what a run did to it, from which file and row."""

    at: Any
    action: str
    run: Any
    document: Any
    row_number: int | None
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def search(
    merchant: Merchant,
    *,
    source: Source | None = None,
    query: str = "",
    stock: str = "",
    sort: str = "sku",
    cursor: str = "",
) -> Page:
    """One page of at most PAGE_SIZE items of live, paused or draft sources, ordered by `sort` then age.

    `query` matches the start of a SKU or MPN, a whole UPC, or every word in the title. `cursor` is
    what an earlier Page gave; one that was tampered with raises Invalid.
    """
    query = query.strip()[:LONGEST_QUERY]
    scope = _scope(merchant, source, stock)
    exact = _exact_hits(scope, query) if query and not cursor else []
    if query:
        scope = scope.where(_matches(query))
    if exact:
        scope = scope.where(InventoryItem.id.not_in([item.id for item in exact]))
    return _page(scope, exact, sort if sort in SORTS else "sku", cursor)


def find(merchant: Merchant, public_id: str) -> InventoryItem:
    """The merchant's item with its source, or NotFound. Items of deleted sources are not found."""
    item: InventoryItem | None = _scope(merchant, None, EVERYTHING).where(InventoryItem.public_id == public_id).first()
    if item is None:
        raise NotFound(public_id)
    return item


def history(item: InventoryItem, limit: int = 50) -> list[Change]:
    """The newest `limit` changes of an item, newest first, each with its run and document."""
    rows = (
        InventoryChange.select(InventoryChange, Run)
        .join(Run)
        .where((InventoryChange.merchant == item.merchant_id) & (InventoryChange.item_id == item.id) & (InventoryChange.sku == item.sku))
        .order_by(InventoryChange.id.desc())
        .limit(limit)
    )
    changes = list(rows)
    if len(changes) < limit and (arrival := arrivals.of_item(item)) and not any(row.action == "readd" for row in changes):
        changes.append(arrival)
    runs = {row.run.id: read_files.Rows(row.run) for row in changes}
    return [_change(row, runs[row.run.id]) for row in changes]


def _change(row: InventoryChange, rows: read_files.Rows) -> Change:
    placed = rows.at(row.row_number or 0)
    return Change(row.at, row.action, row.run, placed.document, placed.row or None, row.before or {}, row.after or {})


def origins(item: InventoryItem) -> dict[str, Change]:
    """Column -> the change that set its present value. Columns never written are absent."""
    found: dict[str, Change] = {}
    for change in history(item, limit=1000):
        for column in change.after:
            if column in INVENTORY_COLUMNS:
                found.setdefault(column, change)
    return found


def _scope(merchant: Merchant, source: Source | None, stock: str) -> Any:
    rows = (
        InventoryItem.select(InventoryItem, Source)
        .join(Source, JOIN.INNER)
        .where((InventoryItem.merchant == merchant.id) & (Source.merchant == merchant.id) & (Source.state != "deleted"))
    )
    if source is not None:
        rows = rows.where(InventoryItem.source == source.id)
    if stock != EVERYTHING:
        rows = rows.where(InventoryItem.archived_at.is_null(stock != "archived"))
    if stock == "in":
        rows = rows.where(InventoryItem.quantity > 0)
    elif stock == "out":
        rows = rows.where(InventoryItem.quantity == 0)
    elif stock == "missing":
        rows = rows.where(InventoryItem.missing_since.is_null(False))
    return rows


def _exact_hits(scope: Any, query: str) -> list[Any]:
    whole = (InventoryItem.sku == query) | (InventoryItem.upc == query) | (InventoryItem.mpn == query)
    return list(scope.where(whole).order_by(InventoryItem.id).limit(PAGE_SIZE))


def _matches(query: str) -> Any:
    words = [InventoryItem.title.contains(word) for word in query.split()]
    return InventoryItem.sku.startswith(query) | InventoryItem.mpn.startswith(query) | (InventoryItem.upc == query) | reduce(and_, words)


def _page(scope: Any, exact: list[Any], sort: str, cursor: str) -> Page:
    backwards, after = _read_cursor(cursor, sort)
    column, descending = SORTS[sort]
    downwards = descending != backwards
    if after is not None:
        scope = scope.where(_beyond(column, after, downwards))
    rows = list(scope.order_by(*_order(column, downwards)).limit(PAGE_SIZE + 1))
    more = len(rows) > PAGE_SIZE
    rows = rows[:PAGE_SIZE]
    if backwards:
        rows.reverse()
    has_next = more if not backwards else True
    has_previous = (after is not None) if not backwards else more
    return Page(
        rows,
        exact,
        _write_cursor("n", sort, rows[-1]) if rows and has_next else "",
        _write_cursor("p", sort, rows[0]) if rows and has_previous else "",
    )


def _order(column: Any, downwards: bool) -> tuple[Any, Any]:
    """Empty values come last going down and first going up, on both databases."""
    if downwards:
        return column.desc(nulls="LAST"), InventoryItem.id.desc()
    return column.asc(nulls="FIRST"), InventoryItem.id.asc()


def _beyond(column: Any, after: tuple[Any, int], downwards: bool) -> Any:
    value, item_id = after
    tie = InventoryItem.id < item_id if downwards else InventoryItem.id > item_id
    if value is None:
        same = column.is_null() & tie
        return same if downwards else same | column.is_null(False)
    if downwards:
        return (column < value) | ((column == value) & tie) | column.is_null()
    return (column > value) | ((column == value) & tie)


def _write_cursor(direction: str, sort: str, item: Any) -> str:
    value = getattr(item, SORTS[sort][0].name)
    told = value.isoformat(" ") if hasattr(value, "isoformat") else value
    return base64.urlsafe_b64encode(json.dumps([direction, sort, told, item.id]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, sort: str) -> tuple[bool, tuple[Any, int] | None]:
    if not cursor:
        return False, None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        direction, told_sort, value, item_id = json.loads(base64.urlsafe_b64decode(padded))
        value = SORTS[sort][0].python_value(value) if isinstance(value, str) else value
        if told_sort != sort or direction not in "np" or not isinstance(item_id, int):
            raise ValueError(cursor)
    except (ValueError, TypeError, KeyError) as error:
        raise Invalid({"page": "This page link is out of date. Start from the first page."}) from error
    return direction == "p", (value, item_id)
