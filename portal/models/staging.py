"""Fresh rows of one run: on SQLite in a file of their own, so that staging locks nobody out; on Postgres in an unlogged table."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from portal.models import bulk
from portal.models.database import database, is_postgres

COLUMNS = ("run_id", "row_number", "used", "content_hash")
UNUSED, USED, GONE = 0, 1, 2
"""What `used` says: set aside, to be compared, or a SKU of the last feed that this one does not name."""


class Stage:
    """The fresh rows of one run. `path`: SQLite's file. `columns`: those of an item, in the order rows give them."""

    def __init__(self, run_id: int, path: Path, columns: Sequence[str]) -> None:
        self.run_id, self.path, self.columns = run_id, path, tuple(columns)
        self._file: sqlite3.Connection | None = None

    @property
    def table(self) -> str:
        """The table's name in SQL, inside `attached()`."""
        return "fresh_row" if is_postgres() else "stage.fresh_row"

    def clear(self) -> None:
        """Begin with no rows."""
        if is_postgres():
            bulk.run("DELETE FROM fresh_row WHERE run_id = ?", (self.run_id,))
            return
        self.close()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        with self._open() as file:
            names = ", ".join(f'"{name}"' for name in self.columns)
            file.execute(f"CREATE TABLE fresh_row (run_id, row_number INTEGER PRIMARY KEY, used, content_hash, {names})")

    @property
    def stamp(self) -> int | None:
        """What `add` takes: None for tuples, else lines for Postgres that begin with this number."""
        return self.run_id if is_postgres() else None

    def add(self, rows: Sequence[Sequence[Any]] | bytes) -> None:
        """Insert rows of (row number, used, content hash, *item values): tuples, or lines of COPY after the stamp (see `stamp`)."""
        if isinstance(rows, bytes):
            bulk.copy("fresh_row", (*COLUMNS, *self.columns), rows)
            return
        if is_postgres():
            bulk.insert("fresh_row", (*COLUMNS, *self.columns), [(self.run_id, *row) for row in rows])
            return
        marks = ", ".join("?" * (len(self.columns) + 3))
        with self._open() as file:
            file.executemany(f"INSERT INTO fresh_row VALUES ({self.run_id}, {marks})", rows)

    def add_gone(self, skus: Iterable[str], after: int) -> int:
        """Insert the SKUs that the feed no longer names, at rows below `after` (0 or less); the lowest row number."""
        at = self.columns.index("sku")
        blank: list[Any] = [None] * len(self.columns)
        rows = []
        for sku in skus:
            after -= 1
            blank[at] = sku
            rows.append((after, GONE, 0, *blank))
        self.add(rows)
        return after

    def change(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Execute SQL on `fresh_row` once for each row of parameters; the last ones are `run_id = ? AND row_number = ?`."""
        if is_postgres():
            bulk.run_many(sql, rows)
            return
        with self._open() as file:
            file.executemany(sql, rows)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query of `fresh_row`."""
        if is_postgres():
            return list(bulk.run(sql, params).fetchall())
        with self._open() as file:
            return file.execute(sql, params).fetchall()

    def finish(self) -> None:
        """All rows are in: make them durable, so that another worker can go on with them."""
        if is_postgres():
            bulk.analyze("fresh_row")
            return
        self.close()
        handle = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def is_whole(self, rows: int) -> bool:
        """Whether all of that many rows are still there (another machine, or a restarted Postgres, may not have them)."""
        if not is_postgres() and not self.path.is_file():
            return False
        return bool(self.rows("SELECT count(*) FROM fresh_row WHERE run_id = ?", (self.run_id,))[0][0] == rows)

    @contextmanager
    def attached(self) -> Iterator[str]:
        """The rows beside all other tables in this connection's SQL; yields the table's name. Not inside a transaction."""
        if is_postgres():
            yield self.table
            return
        self.close()
        database.execute_sql("ATTACH DATABASE ? AS stage", (str(self.path),))
        try:
            yield self.table
        finally:
            database.execute_sql("DETACH DATABASE stage")

    def close(self) -> None:
        """Let go of SQLite's file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def erase(self) -> None:
        """The rows are no longer needed."""
        if is_postgres():
            bulk.run("DELETE FROM fresh_row WHERE run_id = ?", (self.run_id,))
            return
        self.close()
        self.path.unlink(missing_ok=True)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """SQLite's file, one transaction; without a journal, as a run that is killed begins it anew."""
        if self._file is None:
            self._file = sqlite3.connect(self.path, isolation_level=None)
            self._file.execute("PRAGMA journal_mode = OFF")
            self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute("BEGIN")
        yield self._file
        self._file.execute("COMMIT")
