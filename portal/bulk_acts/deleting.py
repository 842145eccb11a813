"""Delete items, and bring them back within 7 days: each goes whole into the journal, with its link and its pins beside that.

An item with an open fulfillment request stays. Its feed's record is told that the item is gone, so that the next file really brings it
again, as a new item.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from portal import clock
from portal.bulk_acts import brought, chunks, excluding
from portal.bulk_acts.brought import LINK, PIN
from portal.inventory import lineage, restoring, stale
from portal.inventory.apply import UNKNOWN_HASH
from portal.inventory.restoring import Step
from portal.leases import Work
from portal.models import BulkAct, BulkItem, InventoryChange, InventoryItem, ItemPin, Product, ProductLink, Source, bulk

OPEN = """(EXISTS (SELECT 1 FROM request_line r WHERE r.item_id = i.id AND r.open + r.acknowledged > 0)
    OR EXISTS (SELECT 1 FROM committed_stock c WHERE c.source_id = i.source_id AND c.sku = i.sku AND c.quantity > 0))"""
"""SQL: whether a fulfillment request still waits for the item `i`."""

_KEPT = ("pinned",)


def delete(work: Work, act: BulkAct) -> dict[str, int]:
    """Take the items out; {"done", "held" (open requests), "gone"}. Where that was chosen, their SKUs are excluded first."""
    if act.options.get("exclude"):
        excluding.make_rule(work, act, f"NOT {OPEN}")

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        sources = chunks.hold(ids)
        here, chosen = chunks.there(act, ids), chunks.there(act, ids, f"NOT {OPEN}")
        _keep(act, chosen)
        _journal(work, chosen)
        chunks.mark(act, chosen, sources)
        per_source = bulk.run(
            f"SELECT source_id, count(*) FROM inventory_item WHERE id {bulk.any_of()} GROUP BY source_id", (bulk.as_list(chosen),)
        ).fetchall()
        bulk.run(f"DELETE FROM inventory_item WHERE id {bulk.any_of()}", (bulk.as_list(chosen),))
        for source_id, number in per_source:
            Source.update(item_count=Source.item_count - number).where(Source.id == source_id).execute()
            stale.forget_counts(source_id)
        chunks.note(act, chosen)
        return {"done": len(chosen), "held": len(here) - len(chosen), "gone": len(ids) - len(here)}

    return chunks.each(work, act, do)


def restore(work: Work, act: BulkAct) -> dict[str, int]:
    """Bring the deleted items back as they were; {"back", "brought", "kept"}.

    One whose SKU a later feed brought again keeps its values and gets link and pins back: "brought" of those that are "back".
    """

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        rows = InventoryChange.select().where(
            InventoryChange.item_id << list(ids), InventoryChange.run << list(act.runs), InventoryChange.action == "unadd"
        )
        lines = lineage.with_runs(rows.order_by(InventoryChange.id))
        alive = {one.id for one in Source.select(Source.id).where(Source.id << {one.source_id for one in lines}, Source.state != "deleted")}
        chunks.hold((), alive)
        was = {one.item_id: one.was or {} for one in BulkItem.select().where(BulkItem.act == act.id, BulkItem.item_id << list(ids))}
        back, given = list[int](), list[int]()
        for source_id in sorted(alive):
            mine = [one for one in lines if one.source_id == source_id]
            reckoned = list(zip(mine, restoring.reckon_lines(mine, lineage.COLUMNS, lock=True), strict=True))
            pairs = [(line.item_id, step) for line, step in reckoned if step.writes]
            steps = [step for _, step in pairs]
            restoring.write(work, steps, mark=False, source_id=source_id)
            _again(steps, [was[number] for number, _ in pairs], source_id)
            back += [number for number, _ in pairs]
            given += brought.give(work, act, reckoned, was, source_id)
        chunks.note(act, [*back, *given], chunks.UNDONE)
        number = len(back) + len(given)
        return {"back": number, "brought": len(given), "kept": len(ids) - number}

    if act.options.get("rule"):
        excluding.undo_exclude(work, act)  # else they would come back as excluded ones
    return chunks.each(work, act, do, done=chunks.DONE)


def _journal(work: Work, ids: Sequence[int]) -> None:
    """The whole item into its journal, as a revert that takes it out writes it (portal.inventory.restoring)."""
    times = (*lineage.TIMES, "added_at")
    pairs = [
        (name, bulk.moment(f'i."{name}"') if name in times else f'i."{name}"', f"{_text(name)} NOT IN ('')")
        for name in (*lineage.COLUMNS, *lineage.IDENTITY)
    ]
    bulk.run(
        f"""INSERT INTO inventory_change (merchant_id, source_id, run_id, item_id, sku, action, row_number, before, after, at)
        SELECT i.merchant_id, i.source_id, ?, i.id, i.sku, 'unadd', NULL, {bulk.json_object(pairs)}, NULL, ?
        FROM inventory_item i WHERE i.id {bulk.any_of()} ORDER BY i.id""",
        (work.run.id, clock.now(), bulk.as_list(ids)),
    )


def _text(column: str) -> str:
    return f"coalesce(CAST(i.\"{column}\" AS text), '')"


def _keep(act: BulkAct, ids: Sequence[int]) -> None:
    """Beside the act: what the journal's line does not hold, but for what is as it is of every item. Pins go with their items."""
    was: dict[int, dict[str, Any]] = {}
    columns = [getattr(InventoryItem, name) for name in _KEPT]
    for item in InventoryItem.select(InventoryItem.id, *columns).where(InventoryItem.id << list(ids)):
        if told := {name: value for name in _KEPT if (value := getattr(item, name))}:
            was.setdefault(item.id, {}).update(told)
    for link in ProductLink.select().where(ProductLink.item << list(ids)):
        was.setdefault(link.item_id, {})["link"] = {name: lineage.told(getattr(link, name)) for name in LINK}
    for pin in ItemPin.select().where(ItemPin.item_id << list(ids)):
        was.setdefault(pin.item_id, {}).setdefault("pins", []).append({name: lineage.told(getattr(pin, name)) for name in PIN})
    ItemPin.delete().where(ItemPin.item_id << list(ids)).execute()
    sql = "UPDATE bulk_item SET was = ? WHERE act_id = ? AND item_id = ?"
    bulk.run_many(sql, [(json.dumps(told), act.id, item) for item, told in was.items()])


def _again(steps: Sequence[Step], was: Sequence[Mapping[str, Any]], source_id: int) -> None:
    """Put back what was kept beside the act: pins, and the link where its product is still there."""
    merchant = Source.get_by_id(source_id).merchant_id
    products = {one["link"]["product_id"] for one in was if "link" in one}
    alive = {one.id for one in Product.select(Product.id).where(Product.id << products)}
    links, pins, bits = [], [], []
    for step, told in zip(steps, was, strict=True):
        link = told.get("link")
        if link and link["product_id"] in alive:
            links.append((step.item_id, source_id, *(link[name] for name in LINK)))
        head = (merchant, source_id, step.item_id, step.sku)
        pins += [(*head, *(_stored(name, one[name]) for name in PIN)) for one in told.get("pins", ())]
        if any(name in told for name in _KEPT):
            bits.append((told.get("pinned", 0), step.item_id))
    marks = ", ".join("?" * (len(LINK) + 2))
    bulk.run_many(f"INSERT INTO product_link (item_id, source_id, {', '.join(LINK)}) VALUES ({marks})", links)
    names = ("merchant_id", "source_id", "item_id", "sku", *PIN)
    quoted = ", ".join(f'"{name}"' for name in names)
    bulk.run_many(f"INSERT INTO item_pin ({quoted}) VALUES ({', '.join('?' * len(names))})", pins)
    kept = f"UPDATE inventory_item SET pinned = ?, content_hash = {UNKNOWN_HASH} WHERE id = ?"
    bulk.run_many(kept, bits)


def _stored(name: str, value: Any) -> Any:
    return json.dumps(value) if name == "value" and value is not None else value
