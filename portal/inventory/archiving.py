"""Archived items: no longer offered, quantity 0, out of the lists. A person archives and un-archives, whoever archived.

While archived by a person, feeds pass the item over. Un-archived, the quantity before comes back at once if no feed was read
since; else it stays 0 until the next feed, which is read whole. What a feed archived counts as never missed, once a person un-archives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from portal import audit, clock
from portal.errors import Invalid
from portal.inventory import by_hand, lineage
from portal.inventory.by_hand import Change
from portal.inventory.role_sql import BY_FEED
from portal.models import InventoryChange, InventoryItem, ItemPin, Merchant, Source, database

HELD_AT_ZERO = ("quantity", "warehouses")
MOST = 500


def archive(merchant: Merchant, public_ids: Iterable[str], who: str) -> int:
    """Archive the merchant's items of these ids; how many were not yet. Raises Invalid when there are too many."""
    return _each_source(merchant, public_ids, who, "archive")


def unarchive(merchant: Merchant, public_ids: Iterable[str], who: str) -> int:
    """Offer the merchant's items of these ids again; how many were archived. Raises Invalid when there are too many."""
    return _each_source(merchant, public_ids, who, "unarchive")


def _each_source(merchant: Merchant, public_ids: Iterable[str], who: str, action: str) -> int:
    ids = list(dict.fromkeys(public_ids))
    if not ids:
        raise Invalid({"item": "Choose at least one item."})
    if len(ids) > MOST:
        raise Invalid({"item": f"Choose at most {MOST} items at once."})
    rows = InventoryItem.select(InventoryItem.id, InventoryItem.source).join(Source)
    mine = rows.where(InventoryItem.merchant == merchant.id, InventoryItem.public_id << ids, Source.state != "deleted")
    by_source: dict[int, list[int]] = {}
    for row in mine.order_by(InventoryItem.source, InventoryItem.id):
        by_source.setdefault(row.source_id, []).append(row.id)
    return sum(_do(Source.get_by_id(source_id), items, who, action) for source_id, items in by_source.items())


def _do(source: Source, ids: Sequence[int], who: str, action: str) -> int:
    with database.atomic():
        items = [item for item in by_hand.locked(ids) if (item.archived_at is None) == (action == "archive")]
        if not items:
            return 0
        changes = [_archived(item, who) for item in items] if action == "archive" else offered(items)
        run = by_hand.write(source, action, changes, who)
        told = {"items": len(items), "first": items[0].sku}
        audit.write(source.merchant, who, f"item.{action}", "run", run.public_id, after=told)
    return len(items)


def _archived(item: InventoryItem, who: str) -> Change:
    columns = {"quantity": 0, "warehouses": None, "archived_at": lineage.told(clock.now()), "archived_by": who}
    return Change(item, columns, item.pinned | HELD_BITS)


def offered(items: Sequence[InventoryItem]) -> list[Change]:
    """What un-archiving makes of archived items, all read at once."""
    ids = [item.id for item in items]
    lines = lineage.lines_of(ids)
    pins: dict[int, dict[str, Any]] = {}
    for one in ItemPin.select().where(ItemPin.item_id << ids, ItemPin.column << HELD_AT_ZERO):
        pins.setdefault(one.item_id, {})[one.column] = one.value
    fed = cache(by_hand.fed_since)
    return [_offered(item, pins.get(item.id, {}), lines.get(item.id, []), fed) for item in items]


def _offered(item: InventoryItem, pins: Mapping[str, Any], lines: Sequence[InventoryChange], fed: by_hand.Fed) -> Change:
    columns: dict[str, Any] = {"archived_at": None, "archived_by": ""}
    if item.archived_by.startswith(BY_FEED):  # else the next file that lacks it would archive it at once
        columns |= {"missing_since": None, "missing_in": 0}
    for column in HELD_AT_ZERO:
        known, value = by_hand.value_before(item, column, "archive", lines, fed)
        if column in pins:
            columns[column] = pins[column]
        elif known:
            columns[column] = value
    return Change(item, columns, item.pinned & ~HELD_BITS | _bits(pins))


def _bits(columns: Iterable[str]) -> int:
    return sum(by_hand.bit(column) for column in columns)


HELD_BITS = _bits(HELD_AT_ZERO)
"""What is pinned of an item that a person archived."""
