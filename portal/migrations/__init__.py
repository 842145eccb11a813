"""Numbered scripts that build the schema, applied in order and one process at a time."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playhouse.migrations import Runner

from portal.models.database import database, is_postgres

FOLDER = Path(__file__).parent
ADVISORY_LOCK = 7_174_207_001  # any fixed number that no other program of the database uses


@contextmanager
def alone() -> Iterator[None]:
    """Hold the connected database for changing its schema; other processes that ask wait here."""
    with database.connection_context():
        if is_postgres():
            database.execute_sql("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            try:
                yield
            finally:
                database.execute_sql("SELECT pg_advisory_unlock(%s)", (ADVISORY_LOCK,))
        else:
            with Path(f"{database.obj.database}.lock").open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield


def apply() -> list[str]:
    """Run what was not run yet, inside `alone()`; the names of the scripts that ran. A failed script leaves nothing behind."""
    ran = list(_runner().up())
    if ran and not is_postgres():
        _partial_indexes_last()
    return ran


def pending() -> list[str]:
    """Names of the scripts that this database still needs."""
    return [script.name for script in _runner().status() if script.applied is None]


def _partial_indexes_last() -> None:
    """Make the small indexes of rare items anew. Of indexes that look equal to it, SQLite takes the one that was made last, and a script
    that rebuilds a table makes them in any order: at a million items, "missing" by the wrong one takes seconds.
    """
    partial = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'inventory_item' AND sql LIKE '% WHERE %'"
    with database.atomic():
        for name, sql in database.execute_sql(partial).fetchall():
            database.execute_sql(f'DROP INDEX "{name}"')
            database.execute_sql(sql)


def _runner() -> Runner:
    return Runner(database.obj, str(FOLDER))
