"""The one database handle. SQLite: WAL, foreign keys, synchronous FULL. Postgres: pooled psycopg 3."""

from __future__ import annotations

import fcntl
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from peewee import DatabaseProxy, Model, OperationalError, SqliteDatabase
from playhouse.postgres_ext import PooledPsycopg3Database

database = DatabaseProxy()

SQLITE_PRAGMAS = {
    "journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 4, "synchronous": "full", "cache_size": -64_000, "wal_autocheckpoint": 10_000,
}  # fmt: skip
PATIENCE = 10.0  # seconds that a writer waits for another one
BUSY = "database is locked"
MEMORY = ":memory:"


class Sqlite(SqliteDatabase):
    """Waits for another writer by asking again each 1 to 4 ms: SQLite itself soon asks only each 100 ms, and a long import starves it.

    Who waits holds a shared lock of a file beside the database, so that a long writer of any process can see it and make way. The
    system drops the lock of a process that dies.
    """

    def begin(self, lock_type: str | None = None) -> None:
        """Begin a transaction as soon as no other is open, within PATIENCE. Raises OperationalError."""
        self._patiently(lambda: super(Sqlite, self).begin(lock_type))

    def execute_sql(self, sql: str, params: Any = None) -> Any:
        """As peewee's; a statement by itself waits as `begin` does."""
        if self.in_transaction():
            return super().execute_sql(sql, params)  # type: ignore[no-untyped-call]
        return self._patiently(lambda: super(Sqlite, self).execute_sql(sql, params))  # type: ignore[no-untyped-call]

    def others_wait(self) -> bool:
        """Whether a writer of any process waits for the one that writes now."""
        if self.database == MEMORY:
            return False
        with self._waiting_room() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def _waiting_room(self) -> IO[bytes]:
        return Path(f"{self.database}.waiting").open("ab")

    def _patiently(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except OperationalError as error:
            if str(error) != BUSY:
                raise
        until = time.monotonic() + PATIENCE
        with self._waiting_room() as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            while True:
                time.sleep(random.uniform(0.001, 0.004))  # noqa: S311 - no secret
                try:
                    return act()
                except OperationalError as error:
                    if str(error) != BUSY or time.monotonic() > until:
                        raise


class Table(Model):
    """Every model's parent."""

    class Meta:
        database = database
        legacy_table_names = False

    if TYPE_CHECKING:  # peewee adds `<name>_id` and back references while the program runs

        def __getattr__(self, name: str) -> Any: ...


def connect(url: str) -> Any:
    """Point `database` at `url` (sqlite:///path or postgresql://user:password@host:port/name) and return it.

    A Postgres address may name a socket folder: postgresql:///name?host=/folder&user=postgres.
    Raises ValueError for another kind of address.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        database.initialize(_sqlite(url.removeprefix("sqlite:///")))
    elif parts.scheme in ("postgres", "postgresql"):
        database.initialize(_postgres(url))
    else:
        raise ValueError(f"DATABASE_URL must begin with sqlite:/// or postgresql://, not {parts.scheme!r}")
    return database.obj


def is_postgres() -> bool:
    """Whether the connected database is Postgres (the bulk path differs)."""
    return isinstance(database.obj, PooledPsycopg3Database)


def _sqlite(path: str) -> Sqlite:
    if path != MEMORY:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return Sqlite(path, pragmas=SQLITE_PRAGMAS, lock_type="IMMEDIATE")


def _postgres(url: str) -> PooledPsycopg3Database:
    parts = urlsplit(url)
    options = dict(pair.split("=", 1) for pair in parts.query.split("&") if "=" in pair)
    given = {
        "user": unquote(parts.username) if parts.username else unquote(options.pop("user", "")) or None,
        "password": unquote(parts.password) if parts.password else None,
        "host": parts.hostname or unquote(options.pop("host", "")) or None,
        "port": parts.port or None,
    }
    known = {key: value for key, value in given.items() if value is not None}
    return PooledPsycopg3Database(parts.path.lstrip("/"), max_connections=40, stale_timeout=300, timeout=10, **known, **options)
