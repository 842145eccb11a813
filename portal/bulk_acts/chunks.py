"""An act, some items at a time: a chunk with its journal and its checkpoint is one transaction, and no feed writes them meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from portal import clock, failpoints, runs, turns
from portal.errors import Later, Problem
from portal.inventory import stale
from portal.leases import Work
from portal.models import BulkAct, BulkItem, Run, Source, bulk
from portal.models.database import is_postgres

CHUNK = 1_000
MOST_MARKED = 50_000
"""Items beyond which the next feed of their sources is read whole instead."""

WAIT = timedelta(seconds=15)
DONE, UNDONE = 1, 2
"""What `BulkItem.done` says."""

Do = Callable[[Sequence[int]], Mapping[str, int]]


def each(work: Work, act: BulkAct, do: Do, *, done: int = 0) -> dict[str, int]:
    """Call `do` with the ids of one chunk after the other, those of which `done` is as given; the sum of what it counts.

    Raises Later while a feed writes one of their sources, Stopped between two chunks.
    """
    which = (BulkItem.act == act.id) & (BulkItem.done == done)
    counts = dict(work.checkpoint.get("counts", {}))
    after, seen = int(work.checkpoint.get("after", 0)), int(work.checkpoint.get("seen", 0))
    total = seen + BulkItem.select().where(which, BulkItem.item_id > after).count()
    while True:
        work.look_for_stop()
        rows = BulkItem.select(BulkItem.item_id).where(which, BulkItem.item_id > after).order_by(BulkItem.item_id)
        ids = [row.item_id for row in rows.limit(CHUNK)]
        if not ids:
            return counts
        with work.transaction():
            told = do(ids)
            counts = counts | {name: counts.get(name, 0) + number for name, number in told.items()}
            after, seen = ids[-1], seen + len(ids)
            work.save_checkpoint(after=after, seen=seen, counts=counts)
        failpoints.reach("bulk-chunk")
        work.progress(seen, total)
        bulk.pause()


def hold(ids: Sequence[int], sources: Iterable[int] = ()) -> list[int]:
    """Keep these items and their sources from every other writer until the transaction ends; the sources. Raises Later (see `each`).

    `sources`: more of them, where the items are gone. Sources are held in the order of their ids, so that two acts never wait in a circle.
    """
    chosen = bulk.as_list(ids)
    found = {one for (one,) in bulk.run(f"SELECT DISTINCT source_id FROM inventory_item WHERE id {bulk.any_of()}", (chosen,)).fetchall()}
    held = sorted(found | set(sources))
    for source_id in held:
        if (writer := runs.writer_of(source_id) or _begun(source_id)) is not None:
            name = Source.get_by_id(source_id).name
            words = Problem("source_busy", f"It waits for run {writer.number:,} of {name}", "It goes on by itself once that has ended.")
            raise Later(words, clock.now() + WAIT)
    if is_postgres():
        bulk.run("SELECT id FROM inventory_item WHERE id = ANY(?) ORDER BY id FOR UPDATE", (chosen,)).fetchall()
    return held


def _begun(source_id: int) -> Run | None:
    """The run that gave its worker away with a plan of the source half carried out: its numbers hold only for the items it planned with."""
    planned = Run.stage << ("plan", "guard", *turns.RESUMED_FOR_FREE)
    return Run.get_or_none(Run.source == source_id, Run.state == "queued", Run.attempt > 0, Run.kind << runs.WRITERS, planned)


def mark(act: BulkAct, ids: Sequence[int], sources: Iterable[int]) -> None:
    """The feeds of these items' sources read them again, in the open transaction: of very many items, everything."""
    if act.counts.get("chosen", 0) > MOST_MARKED:
        for source_id in sources:
            stale.forget(source_id)
        return
    skus: dict[int, list[str]] = {}
    sql = f"SELECT source_id, sku FROM inventory_item WHERE id {bulk.any_of()}"
    for source_id, sku in bulk.run(sql, (bulk.as_list(ids),)).fetchall():
        skus.setdefault(source_id, []).append(sku)
    for source_id, some in sorted(skus.items()):
        stale.mark(source_id, some)


def there(act: BulkAct, ids: Sequence[int], which: str = "1 = 1") -> list[int]:
    """Those of the ids that are still the items that were chosen, and of which the condition on `i` holds. A number alone may be
    another item's by now."""
    sql = f"""SELECT i.id FROM inventory_item i JOIN source s ON s.id = i.source_id
        WHERE i.id {bulk.any_of()} AND i.merchant_id = ? AND i.added_at <= ? AND s.state <> 'deleted' AND {which} ORDER BY i.id"""
    return [one for (one,) in bulk.run(sql, (bulk.as_list(ids), act.merchant_id, act.chosen_at)).fetchall()]


def note(act: BulkAct, ids: Sequence[int], done: int = DONE) -> None:
    """Remember that the act changed these items, or that this was undone."""
    sql = f"UPDATE bulk_item SET done = ? WHERE act_id = ? AND item_id {bulk.any_of()}"
    bulk.run(sql, (done, act.id, bulk.as_list(ids)))


def was(act: BulkAct, item_id: int) -> dict[str, Any]:
    """What was kept of an item beside the act."""
    found = BulkItem.get_or_none(BulkItem.act == act.id, BulkItem.item_id == item_id)
    return dict(found.was or {}) if found is not None else {}
