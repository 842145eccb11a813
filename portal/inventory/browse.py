"""Finding inventory items: search, filters, keyset pages, and where each value of an item came from."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from peewee import JOIN

from portal import read_files
from portal.errors import Invalid, NotFound
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import arrivals, finding, paging, queries, search_index
from portal.inventory.paging import SORTS, Place, Scope, Seen
from portal.models import InventoryChange, InventoryItem, Merchant, Run, Source

PAGE_SIZE = 50
MOST_EXACT = 100
_SHOWN = (
    InventoryItem.id, InventoryItem.public_id, InventoryItem.sku, InventoryItem.title, InventoryItem.upc, InventoryItem.mpn,
    InventoryItem.quantity, InventoryItem.cost, InventoryItem.missing_since, InventoryItem.archived_at, InventoryItem.archived_by,
    InventoryItem.changed_at, InventoryItem.source, InventoryItem.kept_out,
)  # fmt: skip


@dataclass(frozen=True)
class Page:
    """One page of items. `exact` are hits on a whole SKU, UPC or MPN, shown before the rest on the first page.

    `unknown`: of several codes that were asked for at once, those that no item carries.
    """

    items: list[Any]
    exact: list[Any]
    next_cursor: str
    previous_cursor: str
    unknown: tuple[str, ...] = ()


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

    `query` matches words anywhere in SKU, MPN, title and brand (see `queries`), a whole UPC in any of its lengths, and whole SKUs and
    MPNs, also several at once. `cursor` is what an earlier Page gave; one that was tampered with raises Invalid.
    """
    asked, sort = queries.read(query), sort if sort in SORTS else "sku"
    backwards, after = _read_cursor(cursor, sort)
    filters = stock if stock in paging.STOCK_FILTERS else ""
    scope = Scope(_sources(merchant, source), filters, SORTS[sort], SORTS[sort].descending != backwards, after)
    exact = _exact(merchant, scope, asked)
    found = finding.page(merchant.id, scope, asked, {item.id for item in exact}, PAGE_SIZE + 1)
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if backwards:
        found.reverse()
    first = after is None or (backwards and not more)
    return Page(
        _rows(seen[paging.ID] for seen in found),
        exact if first else [],
        _write_cursor("n", sort, found[-1]) if found and (more or backwards) else "",
        "" if first or not found else _write_cursor("p", sort, found[0]),
        queries.unknown(asked, [(item.sku, item.mpn, item.upc) for item in exact]) if first and len(exact) < MOST_EXACT else (),
    )


def is_behind(merchant: Merchant) -> bool:
    """Whether so much is not indexed yet that a search of the merchant's items takes longer. It finds everything all the same."""
    return search_index.usable() and search_index.behind(_sources(merchant, None)) is None


def find(merchant: Merchant, public_id: str) -> InventoryItem:
    """The merchant's item with its source, or NotFound. Items of deleted sources are not found."""
    item: InventoryItem | None = _live(merchant, public_id).first()
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


def _live(merchant: Merchant, public_id: str) -> Any:
    rows = InventoryItem.select(InventoryItem, Source).join(Source, JOIN.INNER).where(InventoryItem.public_id == public_id)
    return rows.where((InventoryItem.merchant == merchant.id) & (Source.merchant == merchant.id) & (Source.state != "deleted"))


def _sources(merchant: Merchant, source: Source | None) -> tuple[int, ...]:
    rows = Source.select(Source.id).where((Source.merchant == merchant.id) & (Source.state != "deleted"))
    return tuple(row.id for row in (rows if source is None else rows.where(Source.id == source.id)).order_by(Source.id))


def _exact(merchant: Merchant, scope: Scope, asked: queries.Query) -> list[Any]:
    """Items whose whole SKU, UPC or MPN was asked for and that meet the filter, wherever the page is."""
    anywhere = Scope(scope.sources, scope.stock, SORTS["sku"], False)
    ids = finding.Finder(merchant.id, anywhere, asked).codes(MOST_EXACT)
    return _rows(seen[paging.ID] for seen in islice(paging.choose(anywhere, ids), MOST_EXACT)) if ids else []


def _rows(ids: Iterable[int]) -> list[Any]:
    """The items of these ids, in this order, with what a list shows of them."""
    order = list(ids)
    known = {item.id: item for item in InventoryItem.select(*_SHOWN).where(InventoryItem.id << order)}
    sources = {one.id: one for one in Source.select().where(Source.id << {item.source_id for item in known.values()})}
    for item in known.values():
        item.source = sources[item.source_id]
    return [known[item] for item in order if item in known]


def _write_cursor(direction: str, sort: str, seen: Seen) -> str:
    value = seen[paging.VALUE]
    told = value.isoformat(" ") if hasattr(value, "isoformat") else value
    return base64.urlsafe_b64encode(json.dumps([direction, sort, told, seen[paging.ID]]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, sort: str) -> tuple[bool, Place | None]:
    if not cursor:
        return False, None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        direction, told_sort, value, item_id = json.loads(base64.urlsafe_b64decode(padded))
        if told_sort != sort or direction not in ("n", "p") or type(item_id) is not int or abs(item_id) >= 2**63:
            raise ValueError(cursor)
        value = paging.read_value(SORTS[sort], value)
    except (ValueError, TypeError, KeyError) as error:
        raise Invalid({"page": "This page link is out of date. Start from the first page."}) from error
    return direction == "p", (value, item_id)
