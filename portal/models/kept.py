"""The connection of a request. With SQLite each thread of the web process keeps its own from one request to the next.

To open one anew reads the whole schema, sets the pragmas and, when it is the last to close, moves the journal: a third of a small page.
Postgres has a pool for that.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from portal.models.database import MEMORY, Sqlite, database

CACHE = -8_000
"""KiB of pages that a kept connection holds, for one page of the portal needs little."""

_abandoned: list[Any] = []
"""Connections to a file that another stands in the place of: closed, they would take the other one's journal away."""


def take() -> bool:
    """Open this thread's connection; whether the request must `give_back`. One that a caller opened stays the caller's."""
    here: Any = database.obj
    if not _is_file(here):
        return bool(database.connect(reuse_if_open=True))
    if not database.is_closed():
        if not hasattr(here._state, "kept"):
            return False
        if here._state.kept == _file(here) and not _leaves_something(here):
            return True
        _part_with(here)
    database.connect()
    database.execute_sql(f"PRAGMA cache_size = {CACHE}")
    here._state.kept = _file(here)
    return True


def give_back(failed: bool) -> None:
    """The request is over. A connection is kept only if nothing of it is left there: no transaction, open query or table of its own."""
    here: Any = database.obj
    if not _is_file(here) or not hasattr(here._state, "kept"):
        database.close()
    elif failed or database.is_closed() or _leaves_something(here):
        _part_with(here)


def _is_file(here: Any) -> bool:
    return isinstance(here, Sqlite) and here.database != MEMORY


def _part_with(here: Any) -> None:
    file = vars(here._state).pop("kept")
    if database.is_closed():
        return
    if file != _file(here):
        _abandoned.append(here._state.conn)
        here._state.reset()
    else:
        database.close()


def _leaves_something(here: Any) -> bool:
    connection: sqlite3.Connection = here._state.conn
    if here.in_transaction() or connection.in_transaction:
        return True
    connection.interrupt()  # without an open query it does nothing; with one, the next statement fails
    try:
        ((tables,),) = connection.execute("SELECT count(*) FROM sqlite_temp_master")
    except sqlite3.OperationalError:
        return True
    return bool(tables)


def _file(here: Any) -> tuple[int, int] | None:
    """Which file stands there now."""
    try:
        told = Path(here.database).stat()
    except FileNotFoundError:
        return None
    return told.st_dev, told.st_ino
