"""Pins: a person keeps a value of an item whatever the feeds say, until a moment or until it is taken off.

While pinned, feeds pass over the value. When the pin ends, the value before it comes back at once if no feed was read
since; else the pinned value stays until the next feed, which reads the item's row again even if it looks the same. Of an item that is
missing from the file the quantity goes to 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal import audit, clock
from portal.errors import Invalid, NotFound, Refused
from portal.fields import INVENTORY_BY_KEY, INVENTORY_FIELDS
from portal.inventory import by_hand
from portal.inventory.archiving import HELD_AT_ZERO
from portal.inventory.by_hand import Change
from portal.mapping.rules import constant
from portal.models import InventoryItem, ItemPin, Source, database

LONGEST_NOTE = 200
PAGE_SIZE = 100
AT_ONCE = 500

PINNABLE = {field.key: field.label for field in INVENTORY_FIELDS if field.key not in ("sku", "images")}


def pin(item: InventoryItem, column: str, text: str, note: str, until: datetime | None, who: str) -> ItemPin:
    """Keep `text` as the value of a column; written at once. A pin that the column has already is replaced.

    `until`: naive UTC; None is until taken off. Raises Invalid (column, value, note, until) or Refused.
    """
    value = _checked(item, column, text, note, until)
    if item.archived_at is not None and column in HELD_AT_ZERO:
        raise Refused("This item is archived, so its quantity stays 0. Un-archive it first.")
    with database.atomic():
        fresh = _here(item)
        change = Change(fresh, {column: value}, fresh.pinned | by_hand.bit(column))
        by_hand.write(item.source, "pin", [change], who, column=column)
        ItemPin.delete().where(ItemPin.item_id == item.id, ItemPin.column == column).execute()
        made = ItemPin.create(
            merchant=item.merchant_id, source=item.source_id, item_id=item.id, sku=item.sku, column=column, value=value,
            note=note.strip(), made_by=who, made_at=clock.now(), expires_at=until,
        )  # fmt: skip
        told = {"column": column, "value": value, "until": until}
        audit.write(item.source.merchant, who, "item.pin", "item", item.public_id, before={column: getattr(fresh, column)}, after=told)
    return made


def unpin(item: InventoryItem, column: str, who: str) -> bool:
    """Take a pin off; whether the value before it is back already. Raises NotFound."""
    with database.atomic():
        pins = list(ItemPin.select().where(ItemPin.item_id == item.id, ItemPin.column == column, ItemPin.source == item.source_id))
        if not pins:
            raise NotFound("pin")
        known, _ = by_hand.value_before(item, column, "pin")
        _end(item.source, pins, who, "person")
        audit.write(item.source.merchant, who, "item.unpin", "item", item.public_id, before={column: pins[0].value})
    return known


def of_item(item: InventoryItem) -> dict[str, ItemPin]:
    """The pins of an item by column."""
    return {one.column: one for one in ItemPin.select().where(ItemPin.item_id == item.id, ItemPin.source == item.source_id)}


def of_source(source: Source, after: int = 0) -> tuple[list[Any], int | None]:
    """PAGE_SIZE pins of the source past the pin id `after`, oldest first, each with its item, and where the next page starts."""
    rows = (
        ItemPin.select(ItemPin, InventoryItem.public_id.alias("item_public_id"), InventoryItem.title.alias("item_title"))
        .join(InventoryItem, on=(InventoryItem.id == ItemPin.item_id))
        .where(ItemPin.source == source.id, InventoryItem.source == source.id, ItemPin.id > after)
    )
    found = list(rows.order_by(ItemPin.id).limit(PAGE_SIZE + 1).objects())
    return found[:PAGE_SIZE], found[PAGE_SIZE - 1].id if len(found) > PAGE_SIZE else None


def count(source: Source) -> int:
    """How many pins the source has."""
    return int(ItemPin.select().where(ItemPin.source == source.id).count())


def end_due(now: datetime | None = None) -> int:
    """End the pins whose time is over; how many. Two workers may do this at once: each pin ends once."""
    ended = 0
    due = ItemPin.select().where(ItemPin.expires_at <= (now or clock.now())).order_by(ItemPin.id).limit(AT_ONCE)
    by_source: dict[int, list[ItemPin]] = {}
    for one in due:
        by_source.setdefault(one.source_id, []).append(one)
    for source_id, pins in by_source.items():
        with database.atomic():
            ended += _end(Source.get_by_id(source_id), pins, "Quayside", "system")
    return ended


def _end(source: Source, pins: Sequence[ItemPin], who: str, cause: str) -> int:
    """Take these pins off, in the transaction that is open; how many were still there."""
    items = {item.id: item for item in by_hand.locked(one.item_id for one in pins) if item.source_id == source.id}
    ids = [one.id for one in pins]
    there = list(ItemPin.select().where(ItemPin.id << ids).order_by(ItemPin.id))  # after the lock: another worker may have been first
    ItemPin.delete().where(ItemPin.id << ids).execute()
    by_item: dict[int, list[ItemPin]] = {}
    for one in there:
        by_item.setdefault(one.item_id, []).append(one)
    changes = [_without(items[item_id], mine) for item_id, mine in by_item.items() if item_id in items]
    if changes:
        by_hand.write(source, "unpin", changes, who, cause=cause)
    return len(there)


def _without(item: InventoryItem, pins: Sequence[ItemPin]) -> Change:
    columns, pinned = {}, item.pinned
    for one in pins:
        if item.archived_at is not None and one.column in HELD_AT_ZERO:
            continue
        pinned &= ~by_hand.bit(one.column)
        known, value = by_hand.value_before(item, one.column, "pin")
        if known:
            columns[one.column] = value
    return Change(item, columns, pinned)


def _here(item: InventoryItem) -> InventoryItem:
    found = by_hand.locked([item.id])
    if not found or found[0].sku != item.sku:
        raise NotFound("item")
    return found[0]


def _checked(item: InventoryItem, column: str, text: str, note: str, until: datetime | None) -> Any:
    if column not in PINNABLE:
        raise Invalid({"column": "Choose the field to pin."})
    errors, value = {}, None
    try:
        unit = item.weight_unit if column == "weight" else item.dimension_unit if column in ("length", "width", "height") else None
        value = constant(INVENTORY_BY_KEY[column], text, unit)
    except Invalid as invalid:
        errors["value"] = invalid.errors[column]
    if column == "quantity" and value is None and not errors:
        errors["value"] = "Enter the quantity to keep, such as 0."
    if len(note.strip()) > LONGEST_NOTE:
        errors["note"] = f"Use at most {LONGEST_NOTE} characters."
    if until is not None and until <= clock.now():
        errors["until"] = "Choose a time that is still to come, or leave it empty."
    if errors:
        raise Invalid(errors)
    return value
