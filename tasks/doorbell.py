"""The Huey instance. A task that is lost costs nothing: the worker also looks for itself every few seconds.

Its storage is Redis where REDIS_URL names one, else the Postgres of the portal, or a file beside its SQLite.
"""

from __future__ import annotations

import sqlite3
import threading
from typing import Any

import psycopg
from huey import Huey
from huey.storage import PostgresStorage, SqliteStorage

from portal import config, turns

ADVISORY_LOCK = 7_174_207_002  # any fixed number that no other program of the database uses


REDIS_AWAY: tuple[type[Exception], ...] = ()
try:
    from redis.exceptions import RedisError

    REDIS_AWAY = (RedisError,)
except ImportError:  # a small installation needs none
    pass

AWAY: tuple[type[Exception], ...] = (OSError, sqlite3.Error, psycopg.Error, *REDIS_AWAY)
"""What its storage raises when it cannot be reached."""


class OpenedLater:
    """A Huey storage that opens at its first use, where the settings of the process say by then."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._opened: tuple[config.Config, Any] | None = None

    def __getattr__(self, attribute: str) -> Any:
        settings = config.current()
        with self._lock:  # threads that start together must not create its tables at once
            if self._opened is None or self._opened[0] is not settings:
                self._opened = (settings, self._open(settings))
            storage = self._opened[1]
        return getattr(storage, attribute)

    def _open(self, settings: config.Config) -> Any:
        if settings.redis_url:
            from huey.storage import RedisStorage
            from redis import ConnectionPool

            pool = ConnectionPool.from_url(settings.redis_url, socket_connect_timeout=2, socket_timeout=5)
            return RedisStorage(self._name, connection_pool=pool)
        if settings.database_url.startswith("sqlite:"):  # a file of its own, so that a big import never locks the doorbell
            return SqliteStorage(self._name, filename=str(settings.data_dir / "queue.db"))
        with psycopg.connect(settings.database_url, autocommit=True) as alone:  # nor processes; closing gives the lock back
            alone.execute("SELECT pg_advisory_lock(%s)", (ADVISORY_LOCK,))
            # who listens takes a connection more for each thread: the small lanes look twice a second instead
            return PostgresStorage(self._name, dsn=settings.database_url, blocking=self._name not in THREADS)


def _lane(name: str) -> Huey:
    return Huey(name, results=False, storage_class=OpenedLater)


huey = _lane("quayside")
"""Long work: runs that read or write a feed, and others that may take hours. As many threads as WORKERS says."""

sending = _lane("quayside_sending")
"""Runs that somebody waits for: orders and tracking numbers that leave, tests of a connection."""

quick = _lane("quayside_quick")
"""What takes a moment and must not wait: schedules, routing, looking for alerts."""

letters = _lane("quayside_letters")
"""E-mails to people and what is told of alerts: a mail server that hangs holds up nothing else."""

upkeep = _lane("quayside_upkeep")
"""What may take minutes and is nobody's turn: erasing, counting, files of feed links, files put away at suppliers."""

LANES: tuple[Huey, ...] = (huey, sending, quick, letters, upkeep)
THREADS = {"quayside_sending": turns.PROMPT_PLACES, "quayside_quick": 2, "quayside_letters": 1, "quayside_upkeep": 1}
"""Threads of each lane but the first in one worker process."""
