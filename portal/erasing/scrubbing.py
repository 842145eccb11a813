"""What was overwritten leaves the database's own file as well: SQLite keeps freed pages and a log of the last writes as they were.

On Postgres dead rows go with its own VACUUM.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from portal.models import database
from portal.models.database import MEMORY, is_postgres


@contextmanager
def scrubbed() -> Iterator[None]:
    """Inside the block freed bytes become zeros; after it the log is emptied, as far as nobody reads in it. Outside any transaction."""
    if is_postgres():
        yield
        return
    before = database.execute_sql("PRAGMA secure_delete").fetchone()[0]
    database.execute_sql("PRAGMA secure_delete = ON")
    try:
        yield
    finally:
        database.execute_sql(f"PRAGMA secure_delete = {int(before)}")
    if database.obj.database != MEMORY and not database.in_transaction():
        database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
