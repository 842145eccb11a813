"""What the last accepted feed of an integration held, remembered from one run to the next.

Forgotten the moment a run begins to write, and remembered anew when it has written everything: whatever breaks in between makes
the next feed be read whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from portal import clock
from portal.intake.hashing import sku_hash
from portal.inventory import roles, stage, stale
from portal.inventory.apply import summed
from portal.inventory.parsing import Tally
from portal.inventory.plan import WHOLE, Summary
from portal.inventory.stale import EVERYTHING, UNKNOWN
from portal.leases import Work
from portal.models import FeedState, Integration, Run, StaleRecord, bulk

MOST_STALE = 50_000
VOLATILE_DECODED, VOLATILE_WRITTEN = 0.5, 0.1
"""More than the first share of a feed is new by its bytes, less than the second of those differs: a value always changes in it."""
ORPHAN_HOURS = 24


@dataclass(frozen=True)
class Memory:
    """`path` of the last feed's record, "" for none; `compared` as in FeedState; `stale` SKUs; `counts`: (known, in stock) if they hold.

    `looked_at`: when this was asked; marks made since then stay for the next run.
    """

    path: str
    compared: str
    stale: Sequence[str]
    counts: tuple[int, int] | None
    looked_at: datetime


def recalled(work: Work) -> Memory:
    """What is remembered for the run's integration."""
    now = clock.now()
    state = FeedState.get_or_none(FeedState.integration == work.run.integration_id)
    marks = StaleRecord.select(StaleRecord.sku).where(StaleRecord.integration == work.run.integration_id).limit(MOST_STALE + 1)
    stale = [row.sku for row in marks]
    if state is None or len(stale) > MOST_STALE or EVERYTHING in stale:
        return Memory("", _compared(work, state), (), None, now)
    counts = None if state.known == UNKNOWN or stale else (state.known, state.in_stock)
    return Memory(str(stage.folder() / state.stored_name), state.compared, stale, counts, now)


def nothing(work: Work) -> Memory:
    """As if no feed had been accepted yet: for a run that must read its file whole."""
    state = FeedState.get_or_none(FeedState.integration == work.run.integration_id)
    return Memory("", _compared(work, state), (), None, clock.now())


def is_current(run: Run, accepted: Run) -> bool:
    """Whether the inventory still is what the accepted run's feed made of it."""
    state = FeedState.get_or_none(FeedState.integration == run.integration_id)
    marked = StaleRecord.select().where(StaleRecord.integration == run.integration_id).exists()
    return state is not None and state.run_id == accepted.id and not marked


def fresh_path(work: Work) -> Path:
    """Where the record of the feed that this run reads goes until the run has written everything."""
    return stage.folder() / (work.checkpoint.get("record") or f"run-{work.run.id}-{work.run.fence}.record")


def forget(work: Work) -> None:
    """The run begins to write: what was remembered holds no longer."""
    with work.transaction():
        FeedState.delete().where(FeedState.integration == work.run.integration_id).execute()
        stale.forget_counts(work.run.source_id)  # of the other feed of the source, too


def remember(work: Work, summary: Summary, counts: dict[str, int]) -> None:
    """The run has written everything but what it holds: its feed is what the next one is compared with."""
    fresh, integration_id = fresh_path(work), work.run.integration_id
    if work.checkpoint.get("waiting"):
        _keep_reading_held(work, fresh)
    if not fresh.is_file():  # a hold of everything, or a record that was lost: the next feed is read whole
        return
    name = f"integration-{integration_id}-{work.run.id}.record"
    fresh.replace(stage.folder() / name)
    looked_at = datetime.fromisoformat(work.checkpoint["looked_at"])
    # what the secondary speaks for changes by more than its own runs, so it is counted each time
    known, in_stock = summed(summary, counts) if roles.of(work.run).adds else (UNKNOWN, 0)
    with work.transaction():
        mine = StaleRecord.integration == integration_id
        StaleRecord.delete().where(mine, StaleRecord.marked_at < looked_at).execute()
        if not StaleRecord.select().where(mine, StaleRecord.sku == EVERYTHING).exists():
            FeedState.create(
                integration=integration_id, run_id=work.run.id, key=work.checkpoint["key"], compared=_next_compared(work, summary),
                stored_name=name, records=summary.usable, known=known, in_stock=in_stock, at=clock.now(),
            )  # fmt: skip
    for old in stage.folder().glob(f"integration-{integration_id}-*.record"):
        if old.name != name:
            old.unlink(missing_ok=True)


def _keep_reading_held(work: Work, fresh: Path) -> None:
    """Held rows are read again next time; held removals stay named, so that they are found missing again."""
    from portal.intake import feed_record  # numpy is loaded only where arrays are changed

    sql = "SELECT sku, action, marks FROM plan_row WHERE run_id = ? AND state = 'held'"
    held = bulk.run(sql, (work.run.id,)).fetchall()
    record = feed_record.load(fresh)
    if record is None or any(marks & WHOLE for _, _, marks in held):
        fresh.unlink(missing_ok=True)
        return
    record.read_again(sku_hash(sku) for sku, action, _ in held if action != "missing")
    missing = [sku for sku, action, _ in held if action == "missing"]
    record.joined(feed_record.FeedRecord.of([feed_record.READ_AGAIN] * len(missing), missing)).save(fresh, work.checkpoint["key"])


def _compared(work: Work, state: FeedState | None) -> str:
    if state is not None:
        return str(state.compared)
    return str(Integration.get_by_id(work.run.integration_id).policies.get("compared", "record"))


def _next_compared(work: Work, summary: Summary) -> str:
    """How the next feed is compared: by its mapped cells once the rows turn out to carry a value that always changes."""
    tally, compared = Tally.of(work), str(work.checkpoint["compared"])
    many = not work.checkpoint["whole"] and tally.decoded > VOLATILE_DECODED * max(tally.rows, 1)
    if compared == "record" and many and summary.listed < VOLATILE_WRITTEN * tally.decoded:
        work.say("Nearly every row differs from the last file, yet hardly a value does. From now on only the mapped columns are compared.")
        return "cells"
    return compared


def erase_orphans() -> int:
    """Files of runs that ended without taking them away, and records that nobody remembers any more; how many went."""
    oldest, erased = (clock.now() - timedelta(hours=ORPHAN_HOURS)).replace(tzinfo=UTC).timestamp(), 0
    for path in stage.folder().glob("*-*"):
        if path.stat().st_mtime < oldest and not _is_needed(path.name):
            path.unlink(missing_ok=True)
            erased += 1
    return erased


def _is_needed(name: str) -> bool:
    number = name.split("-")[1].split(".")[0]
    if name.startswith("run-") and number.isdigit():
        return bool(Run.select().where(Run.id == int(number), Run.state << ("queued", "running")).exists())
    return bool(FeedState.select().where(FeedState.stored_name == name).exists())
