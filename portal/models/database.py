"""The one database handle. SQLite: WAL, foreign keys, synchronous FULL. Postgres: pooled psycopg 3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from peewee import DatabaseProxy, Model, SqliteDatabase
from playhouse.postgres_ext import PooledPsycopg3Database

database = DatabaseProxy()

SQLITE_PRAGMAS = {"journal_mode": "wal", "foreign_keys": 1, "busy_timeout": 10_000, "synchronous": "full", "cache_size": -64_000}


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


def _sqlite(path: str) -> SqliteDatabase:
    if path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    return SqliteDatabase(path, pragmas=SQLITE_PRAGMAS, lock_type="IMMEDIATE")


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
    return PooledPsycopg3Database(parts.path.lstrip("/"), max_connections=20, stale_timeout=300, timeout=10, **known, **options)
