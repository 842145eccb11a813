"""Room in the plan: how much there is, and letting in what waits for it, the longest waiting first.

New items at the limit wait ─▶ room appears (exclusion, archive, delete, a higher plan) ─▶ they come in, by whichever run made the room,
or by one of kind "room". Nothing that is in is ever taken out for want of room.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal import clock, failpoints, runs
from portal.inventory import counted
from portal.inventory.counted import IN, WAITING
from portal.leases import Work
from portal.models import Merchant, PlanLimit, Run, bulk
from portal.models.database import is_postgres
from portal.models.runs import UNFINISHED
from portal.runs import Outcome

KIND = "room"
CHUNK = 2_000
HAD_A_PLACE = datetime(2000, 1, 1)
"""Since when an item waits that was in, was archived and came back: before all that never were in, so that it is the next to come in."""
RULES, LIMIT = 7_174_301, 7_174_302
"""Of Postgres's advisory locks: what holds the rules, and the limit, of a merchant until the transaction ends. SQLite has one writer."""


def lock(space: int, merchant_id: int, shared: bool = False) -> None:
    """Hold the rules or the limit of a merchant in the transaction that is open: `shared` while they are read, else while they change."""
    if is_postgres():
        bulk.run(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(?, ?)", (space, int(merchant_id) % (1 << 31)))


def limit_of(merchant_id: int) -> int | None:
    """How many SKUs the plan holds; None for no limit."""
    row = PlanLimit.get_or_none(PlanLimit.merchant == merchant_id)
    return None if row is None else row.skus


def left(merchant_id: int) -> int | None:
    """How many more SKUs the plan holds, 0 when it is full or over; None for no limit."""
    limit = limit_of(merchant_id)
    return None if limit is None else max(0, limit - counted.of_merchant(merchant_id).counted)


_WAIT = f"""i.merchant_id = ? AND i.kept_out = {WAITING} AND i.archived_at IS NULL
    AND EXISTS (SELECT 1 FROM source s WHERE s.id = i.source_id AND s.state <> 'deleted')"""


def anyone_waits(merchant_id: int) -> bool:
    """Whether an item waits for room."""
    return bool(bulk.run(f"SELECT 1 FROM inventory_item i WHERE {_WAIT} LIMIT 1", (merchant_id,)).fetchone())


def waits_longest(merchant_id: int, chosen: str, scope: Sequence[Any]) -> bool:
    """Whether, of all that wait for room, an item `i` of the condition waits longest."""
    sql = f"SELECT CASE WHEN {chosen} THEN 1 ELSE 0 END FROM inventory_item i WHERE {_WAIT} ORDER BY i.kept_out_since, i.id LIMIT 1"
    first = bulk.run(sql, (*scope, merchant_id)).fetchone()
    return bool(first and first[0])


def let_in_some(run: Run) -> int:
    """Let in the longest waiting, as many as there is room for, in the transaction that is open; how many came in."""
    whose = run.merchant_id
    if not anyone_waits(whose):
        return 0
    lock(LIMIT, whose)
    free = left(whose)
    number = CHUNK if free is None else min(free, CHUNK)
    locked = " FOR UPDATE SKIP LOCKED" if is_postgres() else ""  # who holds an item that waits lets it in himself, later
    sql = f"SELECT i.id FROM inventory_item i WHERE {_WAIT} ORDER BY i.kept_out_since, i.id LIMIT ?{locked}"
    ids = [row[0] for row in bulk.run(sql, (whose, number)).fetchall()] if number else []
    move(run, ids, WAITING, IN)
    return len(ids)


def move(run: Run, ids: Sequence[int], was: int, became: int, since: datetime | None = None) -> None:
    """Journal and write what becomes of these items, in the transaction that is open. They are as `was` says, and held.

    `since`: what orders those that wait, where it is not now.
    """
    if not ids:
        return
    now, chosen = clock.now(), bulk.as_list(ids)
    bulk.run(
        f"""INSERT INTO kept_out_change (merchant_id, source_id, run_id, item_id, sku, was, became, exclusion_id, at)
        SELECT i.merchant_id, i.source_id, ?, i.id, i.sku, {was}, {became}, NULL, ? FROM inventory_item i
        WHERE i.id {bulk.any_of()} AND i.kept_out = {was} ORDER BY i.id""",
        (run.id, now, chosen),
    )
    bulk.run(
        f"UPDATE inventory_item SET kept_out = {became}, exclusion_id = NULL, kept_out_since = ? "
        f"WHERE id {bulk.any_of()} AND kept_out = {was}",
        (since or now, chosen),
    )


def let_in(work: Work) -> int:
    """Let in all that has room, a chunk a transaction, as the last thing a run does; how many came in. Counted in its checkpoint."""
    before = int(work.checkpoint.get("let_in", 0))
    while True:
        work.check_stop()
        with work.transaction():
            came = let_in_some(work.run)
            if came:
                before += came
                work.save_checkpoint(let_in=before)
        failpoints.reach("room-chunk")
        if not came:
            return before
        work.progress(before)
        bulk.pause()


def start_due(merchant_id: int | None = None) -> int:
    """Start the run that lets in what waits, for each merchant that has both room and somebody waiting; how many began."""
    waiting: list[int] = [merchant_id] if merchant_id is not None else _merchants_that_wait()
    begun = 0
    for whose in waiting:
        busy = Run.select().where(Run.merchant == whose, Run.kind == KIND, Run.state << UNFINISHED)
        if busy.exists() or not anyone_waits(whose) or left(whose) == 0:
            continue
        runs.start(None, KIND, merchant=Merchant.get_by_id(whose), cause="system")
        begun += 1
    return begun


def _merchants_that_wait() -> list[int]:
    """Along the index of what waits, a step for each merchant."""
    found, after = list[int](), -1
    sql = f"SELECT min(merchant_id) FROM inventory_item WHERE kept_out = {WAITING} AND merchant_id > ?"
    while (row := bulk.one(sql, (after,))[0]) is not None:
        after = int(row)
        found.append(after)
    return found


def perform(work: Work) -> Outcome:
    """Run handler: let in what has room."""
    work.stage("let_in", "items")
    came = let_in(work)
    work.say(said(came, *standing(work.run.merchant_id)))
    return Outcome("finished", {"let_in": came})


def standing(merchant_id: int) -> tuple[int, int | None]:
    """(items that wait for room, the limit)."""
    return counted.of_merchant(merchant_id).waiting, limit_of(merchant_id)


def said(came: int, waiting: int, limit: int | None) -> str:
    """What happened to those that waited, in a sentence or two."""
    held = "" if limit is None else f": the plan holds {limit:,}"
    came_in = f"{came:,} item{'s' * (came != 1)} that waited came in." if came else "Nothing that waited came in."
    return came_in + (f" {waiting:,} still wait{'s' * (waiting == 1)}{held}." if waiting else "")


def told(new: int, limit: int | None) -> str:
    """That new items wait: "2,310 new items wait: the plan holds 10,000"."""
    wait = "new item waits" if new == 1 else "new items wait"
    return f"{new:,} {wait}: the plan holds {limit or 0:,}"
