"""Undoing a deletion where a file brought the SKU again meanwhile: that item keeps its values, and gets back what the old one had.

the old item's link and pins ─▶ the new item, where it has none of its own; out by the act's own rule: in again, also beyond the limit
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from portal.exclusions import room
from portal.exclusions.keeping import Keeping
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import by_hand
from portal.inventory.by_hand import Change
from portal.inventory.counted import IN, WAITING
from portal.inventory.restoring import Step
from portal.leases import Work
from portal.models import BulkAct, InventoryChange, InventoryItem, ItemPin, Product, ProductLink, bulk

PIN = ("public_id", "column", "value", "note", "made_by", "made_at", "expires_at")
LINK = ("product_id", "linking_id", "rule", "place", "told", "at", "by")


def give(
    work: Work, act: BulkAct, pairs: Sequence[tuple[InventoryChange, Step]], was: Mapping[int, Mapping[str, Any]], source_id: int
) -> list[int]:
    """The old numbers of those that got something back, in the transaction that is open. `pairs`: lines of which nothing was restored.

    `was`: {old number: what was kept beside the act}. The source is held.
    """
    old = {line.sku: line.item_id for line, step in pairs if not step.writes}
    if not old:
        return []
    rows = InventoryItem.select(InventoryItem.id).where(InventoryItem.source == source_id, InventoryItem.sku << list(old))
    kept = Keeping(work.run, lambda _name, _number: None)
    kept.look_at_all(act.merchant_id)  # before the items, as feeds do
    items = [one for one in by_hand.locked(row.id for row in rows) if one.added_at > act.chosen_at]
    linked = _link(items, old, was)
    pinned = _pin(work, items, old, was)
    given = set(linked) | set(pinned)
    if act.options.get("rule"):
        _include(work, kept, [one.id for one in items])
        given |= {one.id for one in items}
    return [old[one.sku] for one in items if one.id in given]


def _include(work: Work, kept: Keeping, ids: Sequence[int]) -> None:
    """What no other rule keeps out is in again at once; the old item was."""
    kept.judge(f"i.id {bulk.any_of()}", (bulk.as_list(ids),))
    sql = f"SELECT id FROM inventory_item WHERE id {bulk.any_of()} AND kept_out = {WAITING}"
    room.move(work.run, [row[0] for row in bulk.run(sql, (bulk.as_list(ids),)).fetchall()], WAITING, IN)


def _link(items: Sequence[InventoryItem], old: Mapping[str, int], was: Mapping[int, Mapping[str, Any]]) -> list[int]:
    told = {one.id: link for one in items if (link := was[old[one.sku]].get("link"))}
    has = {row.item_id for row in ProductLink.select(ProductLink.item).where(ProductLink.item << list(told))}
    alive = {row.id for row in Product.select(Product.id).where(Product.id << {link["product_id"] for link in told.values()})}
    rows = [
        (one.id, one.source_id, *(told[one.id][name] for name in LINK))
        for one in items
        if one.id in told and one.id not in has and told[one.id]["product_id"] in alive
    ]
    marks = ", ".join("?" * (len(LINK) + 2))
    bulk.run_many(f"INSERT INTO product_link (item_id, source_id, {', '.join(LINK)}) VALUES ({marks})", rows)
    return [row[0] for row in rows]


def _pin(work: Work, items: Sequence[InventoryItem], old: Mapping[str, int], was: Mapping[int, Mapping[str, Any]]) -> list[int]:
    changes, made = [], []
    for item in items:
        free = [pin for pin in was[old[item.sku]].get("pins", ()) if not item.pinned >> INVENTORY_COLUMNS.index(pin["column"]) & 1]
        if free:
            bits = sum(by_hand.bit(pin["column"]) for pin in free)
            changes.append(Change(item, {pin["column"]: pin["value"] for pin in free}, item.pinned | bits))
            head = {"merchant": item.merchant_id, "source": item.source_id, "item_id": item.id, "sku": item.sku}
            made += [head | {name: _moment(pin[name]) if name.endswith("_at") else pin[name] for name in PIN} for pin in free]
    if changes:
        by_hand.journal(work.run, "pin", changes)
        ItemPin.insert_many(made).execute()
    return [change.item.id for change in changes]


def _moment(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)
