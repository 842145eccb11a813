"""The worker process: Huey's threads answer the doorbell, and the main thread looks for waiting runs without it."""

from __future__ import annotations

import logging
import time
from types import FrameType
from typing import Any

from huey.consumer import Consumer

from portal import leases, runs
from portal.config import Config
from portal.models.database import database
from portal.routing import by_itself
from tasks import huey, keeper, ring, work
from tasks.indexing import AWAY, Indexing

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0  # seconds between two looks for runs that nobody rang for
LONGEST_WAIT = 0.5  # seconds an idle thread sleeps between two looks at the doorbell
LONGEST_GOODBYE = 6.0  # seconds that runs get to finish their chunk and give themselves back


class Worker(Consumer):  # type: ignore[misc]
    """Huey's consumer with a look around every few seconds and an end that gives runs back."""

    def __init__(self, threads: int) -> None:
        super().__init__(
            huey, workers=threads, periodic=False, max_delay=LONGEST_WAIT, shutdown_timeout=LONGEST_GOODBYE, graceful_signal="TERM"
        )
        self._looked = 0.0

    def loop(self, health_check_ts: float | None = None) -> Any:
        """One turn of the main thread, ten a second."""
        if time.monotonic() - self._looked >= LOOK_EVERY:
            self._looked = time.monotonic()
            look_around(self.workers)
            ring_minute()
        return super().loop(health_check_ts)

    def stop(self, graceful: bool = False) -> None:  # noqa: ARG002 - ending is always graceful
        """End: runs in hand finish their chunk and go back into the queue."""
        leases.shutdown.set()
        super().stop(graceful=True)

    def _handle_signal(self, signum: int, _frame: FrameType | None) -> None:
        leases.shutdown.set()
        self._signum, self._graceful, self._restart = signum, True, False


def look_around(threads: int) -> None:
    """Start what is due, if the clock is ours; ring for new orders and runs that wait or lost their worker, unless enough rings wait.

    A database that is away is only logged.
    """
    try:
        with database.connection_context():
            keeper.turn("worker", threads)
            waiting = by_itself.waiting() or bool(runs.reap())
        if waiting and huey.pending_count() < threads:
            ring()
    except AWAY as problem:
        log.error("the database did not answer: %s", type(problem).__name__)


def ring_minute() -> None:
    """The minute's tasks, where this process keeps the clock. A database or a queue that is away is only logged."""
    try:
        with database.connection_context():
            keeper.ring_minute()
    except AWAY as problem:
        log.error("the minute was not rung: %s", type(problem).__name__)


def main(config: Config) -> int:
    """Work until SIGTERM or SIGINT. The caller has connected the database and loaded the key."""
    worker = Worker(config.workers)
    worker._set_signal_handlers()  # before the first run is taken, not after
    Indexing().start()
    log.info("worker with %d threads for %s", config.workers, ", ".join(work.HANDLERS))
    try:
        worker.run()
    finally:
        keeper.leave()
    return 0
