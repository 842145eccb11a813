"""The worker's thread that keeps the search index: it takes in what runs and people have written, and steps back while runs work."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time

import psycopg
from peewee import InterfaceError, OperationalError

from portal import leases
from portal.inventory import search_index
from portal.models import Run, database
from tasks import doorbell

log = logging.getLogger(__name__)

AWAY: tuple[type[Exception], ...] = (
    OperationalError,
    InterfaceError,
    psycopg.OperationalError,
    sqlite3.OperationalError,
    *doorbell.REDIS_AWAY,
)
LOOK_EVERY = 1.0  # seconds between two looks for something new
STEP_BACK = 0.25  # seconds of rest after each short transaction while a run works, so that first loads keep their speed


class Indexing(threading.Thread):
    """Indexes until this process ends. What a killed one had not finished, the next one goes on with."""

    def __init__(self) -> None:
        super().__init__(name="indexing", daemon=True)

    def run(self) -> None:
        """Look, index, wait; a database that is away is only logged. Ends at once where the database may have no index."""
        prepared = False
        while not leases.shutdown.wait(LOOK_EVERY):
            try:
                with database.connection_context():
                    prepared = prepared or search_index.prepare()
                    if not prepared:
                        return
                    if search_index.waiting():
                        search_index.catch_up(leave=_leave)
            except AWAY as problem:
                log.error("the search index waits: the database did not answer (%s)", type(problem).__name__)


def _leave() -> bool:
    """Whether this process ends. Waits a little first while a run works."""
    if leases.shutdown.is_set():
        return True
    if Run.select(Run.id).where(Run.state == "running").exists():
        time.sleep(STEP_BACK)
    return leases.shutdown.is_set()
