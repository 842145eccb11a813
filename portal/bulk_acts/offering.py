"""Archive, un-archive, and taking either back: as a person does to single items (portal.inventory.archiving), by the thousand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal import clock
from portal.bulk_acts import chunks
from portal.exclusions.keeping import Keeping
from portal.inventory import archiving, by_hand, lineage
from portal.inventory.apply import UNKNOWN_HASH
from portal.inventory.by_hand import Change
from portal.inventory.role_sql import BY_FEED
from portal.leases import Work
from portal.models import BulkAct, InventoryChange, InventoryItem, bulk

BROUGHT_BACK = ("archived_at", "archived_by", "missing_since", "missing_in")
"""What un-archiving took away, beside the stock."""


def archive(work: Work, act: BulkAct) -> dict[str, int]:
    """Quantity 0 and out of the lists; {"done", "already", "gone"}."""
    who = act.by

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        sources = chunks.hold(ids)
        here = chunks.there(act, ids)
        chosen = chunks.there(act, ids, "i.archived_at IS NULL")
        now = clock.now()
        _journal_archived(work, chosen, who, now)
        bulk.run(
            f"""UPDATE inventory_item SET quantity = 0, warehouses = NULL, archived_at = ?, archived_by = ?,
            pinned = pinned | {archiving.HELD_BITS}, content_hash = {UNKNOWN_HASH}, last_run_id = ?, changed_at = ?
            WHERE id {bulk.any_of()}""",
            (now, who, work.run.id, now, bulk.as_list(chosen)),
        )
        chunks.mark(act, chosen, sources)
        kept = Keeping(work.run, lambda _name, _number: None)
        kept.look()
        kept.judge_those(chosen)
        chunks.note(act, chosen)
        return {"done": len(chosen), "already": len(here) - len(chosen), "gone": len(ids) - len(here)}

    return chunks.each(work, act, do)


def unarchive(work: Work, act: BulkAct) -> dict[str, int]:
    """Offered again, with the quantity before where no feed was read since; {"done", "already", "gone"}."""

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        chunks.hold(ids)
        here, chosen = chunks.there(act, ids), chunks.there(act, ids, "i.archived_at IS NOT NULL")
        by_hand.journal(work.run, "unarchive", archiving.offered(by_hand.locked(chosen)))
        chunks.note(act, chosen)
        return {"done": len(chosen), "already": len(here) - len(chosen), "gone": len(ids) - len(here)}

    return chunks.each(work, act, do)


def undo_archive(work: Work, act: BulkAct) -> dict[str, int]:
    """Un-archive what this act archived and nobody touched since; {"back", "kept", "lost"}."""

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        chunks.hold(ids)
        lines, here = _lines(act, ids), chunks.there(act, ids)
        items = [one for one in by_hand.locked(here) if _is_ours(one, lines.get(one.id))]
        by_hand.journal(work.run, "unarchive", archiving.offered(items), undoes=True)
        chunks.note(act, [one.id for one in items], chunks.UNDONE)
        return {"back": len(items), "kept": len(here) - len(items), "lost": len(ids) - len(here)}

    return chunks.each(work, act, do, done=chunks.DONE)


def undo_unarchive(work: Work, act: BulkAct) -> dict[str, int]:
    """Archive again what this act un-archived, as whoever had archived it; {"back", "kept", "lost"}."""

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        chunks.hold(ids)
        lines, here = _lines(act, ids), chunks.there(act, ids)
        items = [one for one in by_hand.locked(here) if one.archived_at is None and one.id in lines]
        by_hand.journal(work.run, "archive", [_away_again(one, lines[one.id]) for one in items])
        chunks.note(act, [one.id for one in items], chunks.UNDONE)
        return {"back": len(items), "kept": len(here) - len(items), "lost": len(ids) - len(here)}

    return chunks.each(work, act, do, done=chunks.DONE)


def _journal_archived(work: Work, ids: Sequence[int], who: str, now: Any) -> None:
    moved = [
        ("quantity", "i.quantity", bulk.differs("i.quantity", "0")), ("warehouses", "i.warehouses", "i.warehouses IS NOT NULL"),
        ("archived_at", "CAST(NULL AS text)", "1 = 1"), ("archived_by", "i.archived_by", bulk.differs("i.archived_by", bulk.text(who))),
    ]  # fmt: skip
    to = {"quantity": "0", "warehouses": "CAST(NULL AS text)", "archived_at": bulk.text(lineage.told(now)), "archived_by": bulk.text(who)}
    before, after = bulk.json_object(moved), bulk.json_object([(name, to[name], when) for name, _, when in moved])
    bulk.run(
        f"""INSERT INTO inventory_change (merchant_id, source_id, run_id, item_id, sku, action, row_number, before, after, at)
        SELECT i.merchant_id, i.source_id, ?, i.id, i.sku, 'archive', NULL, {before}, {after}, ?
        FROM inventory_item i WHERE i.id {bulk.any_of()} ORDER BY i.id""",
        (work.run.id, now, bulk.as_list(ids)),
    )


def _lines(act: BulkAct, ids: Sequence[int]) -> dict[int, InventoryChange]:
    """{item: the line of this act in its journal}."""
    rows = InventoryChange.select().where(InventoryChange.item_id << list(ids), InventoryChange.run << list(act.runs))
    return {one.item_id: one for one in rows.order_by(InventoryChange.id)}


def _is_ours(item: InventoryItem, line: InventoryChange | None) -> bool:
    """Whether the item is archived since this act, not un-archived and archived again."""
    return line is not None and item.archived_at is not None and lineage.told(item.archived_at) == (line.after or {}).get("archived_at")


def _away_again(item: InventoryItem, line: InventoryChange) -> Change:
    before = line.before or {}
    columns: dict[str, Any] = {"quantity": 0, "warehouses": None} | {name: before[name] for name in BROUGHT_BACK if name in before}
    by_feed = str(columns.get("archived_by", "")).startswith(BY_FEED)
    return Change(item, columns, item.pinned if by_feed else item.pinned | archiving.HELD_BITS)
