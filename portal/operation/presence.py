"""Which processes live: each worker and scheduler writes its row every few seconds."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from datetime import datetime, timedelta
from typing import Any

from portal import clock, config
from portal.models import RunningProcess, database
from portal.models.database import is_postgres
from portal.operation import VERSION

SEEN_WITHIN = timedelta(seconds=60)
FORGOTTEN_AFTER = timedelta(days=1)

_mine: list[tuple[int, str]] = []


def me(kind: str = "worker") -> str:
    """The name of this process, the same as long as it lives."""
    if not _mine or _mine[0][0] != os.getpid():
        _mine[:] = [(os.getpid(), f"{kind}:{socket.gethostname()[:100]}:{os.getpid()}:{secrets.token_hex(4)}")]
    return _mine[0][1]


def show(kind: str, threads: int) -> None:
    """Note that this process lives now, and what its machine has left. `threads`: runs that it does side by side."""
    now = clock.now()
    seen = {"seen_at": now, "places": places(), "threads": threads}
    row = {"name": me(kind), "kind": kind, "host": socket.gethostname()[:100], "pid": os.getpid(), "version": VERSION, "began_at": now}
    RunningProcess.insert(row | seen).on_conflict(conflict_target=[RunningProcess.name], update=seen).execute()


def leave() -> None:
    """This process ends."""
    RunningProcess.delete().where(RunningProcess.name == me()).execute()


def living(kind: str | None = None) -> list[RunningProcess]:
    """Processes that were seen within the last minute, the ones seen last first."""
    query = RunningProcess.select().where(RunningProcess.seen_at >= clock.now() - SEEN_WITHIN)
    return list(query.where(*([RunningProcess.kind == kind] if kind else [])).order_by(RunningProcess.seen_at.desc()))


def last_seen(kind: str) -> datetime | None:
    """When any process of that kind was seen last."""
    newest = RunningProcess.select().where(RunningProcess.kind == kind).order_by(RunningProcess.seen_at.desc()).first()
    return newest.seen_at if newest else None


def tidy() -> int:
    """Forget processes that were not seen for a day; how many."""
    return int(RunningProcess.delete().where(RunningProcess.seen_at < clock.now() - FORGOTTEN_AFTER).execute())


def places() -> dict[str, Any]:
    """What this machine has: the folder of the settings, the bytes free in it, and its clock's drift from the database's in seconds."""
    folder = config.current().data_dir
    return {"folder": str(folder), "free": shutil.disk_usage(folder).free if folder.is_dir() else 0, "drift": drift()}


def drift() -> float:
    """Seconds that this machine's clock is ahead of the database's; 0 where both are one machine (SQLite)."""
    if not is_postgres():
        return 0.0
    before = clock.now()
    told: datetime = database.execute_sql("SELECT clock_timestamp() AT TIME ZONE 'UTC'").fetchone()[0]
    return round((before + (clock.now() - before) / 2 - told).total_seconds(), 3)
