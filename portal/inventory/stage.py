"""Where a run's fresh rows and the records of feeds lie; and the taking away of rows that nobody waits for any more."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from portal import config
from portal.fields import INVENTORY_COLUMNS
from portal.leases import Work
from portal.models import bulk, database
from portal.models.staging import Stage

CHUNK = 5_000


def folder() -> Path:
    """Where SQLite's stages and the records of feeds are kept."""
    return config.current().data_dir / "state"


def opened(work: Work) -> Stage:
    """The stage of the run: the one its checkpoint names, else a new one of this hold."""
    name = work.checkpoint.get("stage") or f"run-{work.run.id}-{work.run.fence}.db"
    return Stage(work.run.id, folder() / name, INVENTORY_COLUMNS)


def erase(work: Work, run_id: int | None = None, keep_held: bool = False) -> None:
    """Remove the planned and held rows of a run in chunks. `keep_held`: all but what waits for a person's decision."""
    run_id = run_id or work.run.id
    if not keep_held:
        erase_rows(work, "staged_row", "row_number", run_id)
    erase_rows(work, "plan_row", "n", run_id, "AND t.state <> 'held'" if keep_held else "")


def erase_of_ended(run_id: int) -> None:
    """Remove what an ended run planned and set aside, in chunks."""
    for table, key in (("plan_row", "n"), ("set_aside_row", "row_number")):
        _erase_rows(database.atomic, table, key, run_id)


def erase_rows(work: Work, table: str, key: str, run_id: int, condition: str = "") -> None:
    """Delete a run's rows of one table in chunks along `key`."""
    _erase_rows(work.transaction, table, key, run_id, condition)


def _erase_rows(transaction: Callable[[], Any], table: str, key: str, run_id: int, condition: str = "") -> None:
    some = f"SELECT t.{key} FROM {table} t WHERE t.run_id = ? AND t.{key} > ? {condition} ORDER BY t.{key} LIMIT {CHUNK}"
    after: int | None = -1
    while after is not None:
        last = bulk.one(f"SELECT max({key}) FROM ({some}) AS doomed", (run_id, after))[0]
        if last is not None:
            with transaction():
                doomed = f"DELETE FROM {table} AS t WHERE t.run_id = ? AND t.{key} > ? AND t.{key} <= ? {condition}"
                bulk.run(doomed, (run_id, after, last))
            bulk.pause()
        after = last


def erase_earlier(work: Work, rows: str, delta: bool) -> None:
    """Remove what earlier runs of the integration left: interrupted for good, or held and now settled by this one.

    A delta settles only what it names itself: all else that an earlier one holds comes in no later file, and stays to be decided.
    `rows`: the table of this run's fresh rows.
    """
    earlier = (
        "SELECT DISTINCT run_id FROM {} WHERE run_id IN (SELECT id FROM run WHERE integration_id = ? AND id < ? AND kind = 'inventory')"
    )
    found: set[int] = set()
    for table in ("staged_row", "plan_row"):
        found |= {row[0] for row in bulk.run(earlier.format(table), (work.run.integration_id, work.run.id))}
    for run_id in sorted(found):
        if delta:
            named = f"SELECT s.sku FROM {rows} s WHERE s.run_id = {int(work.run.id)}"
            erase_rows(work, "staged_row", "row_number", run_id, f"AND t.sku IN ({named})")
            erase_rows(work, "plan_row", "n", run_id, f"AND (t.state <> 'held' OR t.sku IN ({named}))")
        else:
            erase(work, run_id)


def undecided(run_id: int) -> int:
    """How many rows that a run holds still wait for a person."""
    return int(bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND state = 'held'", (run_id,))[0])
