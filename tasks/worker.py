"""The worker process: Huey's threads answer the doorbell, and the main thread looks for waiting runs without it.

Each lane of `doorbell` has threads of its own, so that what is short and urgent never waits for what is long.
"""

from __future__ import annotations

import logging
import time
from types import FrameType
from typing import Any

from huey import Huey
from huey.consumer import Consumer, Scheduler

from portal import leases, runs
from portal.config import Config
from portal.models.database import database
from portal.routing import by_itself
from tasks import do_runs as ring_runs
from tasks import do_sending as ring_sending
from tasks import keeper, route_orders, work
from tasks.doorbell import LANES, THREADS, huey, quick, sending
from tasks.indexing import AWAY, Indexing

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0  # seconds between two looks for runs that nobody rang for
LONGEST_WAIT = 0.5  # seconds an idle thread sleeps between two looks at the doorbell
MINUTE = 60.0
ENOUGH = 5  # tasks that wait in the quick lane: routing is among them, or soon will be
LONGEST_GOODBYE = 6.0  # seconds that runs get to finish their chunk and give themselves back


class Idle(Scheduler):  # type: ignore[misc]
    """No task of ours waits for a time of its own, so nothing is looked for."""

    def loop(self, now: Any = None) -> None:  # noqa: ARG002 - Huey's own shape
        """One turn: wait for the end."""
        self.stop_flag.wait(MINUTE)


class Lane(Consumer):  # type: ignore[misc]
    """The threads of one lane. Signals are the first lane's."""

    scheduler_class = Idle

    def __init__(self, lane: Huey, threads: int) -> None:
        super().__init__(
            lane, workers=threads, periodic=False, max_delay=LONGEST_WAIT, shutdown_timeout=LONGEST_GOODBYE, graceful_signal="TERM"
        )

    def _set_signal_handlers(self) -> None:
        pass


class Worker(Lane):
    """The first lane and all others, with a look around every few seconds and an end that gives runs back."""

    def __init__(self, threads: int) -> None:
        super().__init__(huey, threads)
        self._looked = 0.0
        self._lanes = [Lane(lane, THREADS[lane.name]) for lane in LANES if lane is not huey]

    def start(self) -> None:
        """Begin the threads of every lane."""
        for lane in self._lanes:
            lane.start()
        super().start()

    def check_worker_health(self) -> Any:
        """Replace threads that died, in every lane."""
        for lane in self._lanes:
            lane.check_worker_health()
        return super().check_worker_health()

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
        for lane in self._lanes:
            lane.stop_flag.set()
        ends = time.monotonic() + LONGEST_GOODBYE
        super().stop(graceful=True)
        for lane in self._lanes:
            lane.shutdown_timeout = max(0.1, ends - time.monotonic())
            lane.stop(graceful=True)

    def _set_signal_handlers(self) -> None:
        Consumer._set_signal_handlers(self)

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
            routing, long, prompt = by_itself.waiting(), runs.reap(work.LONG), runs.reap(work.SENDING)
        if routing and quick.pending_count() < ENOUGH:
            route_orders()
        if prompt and sending.pending_count() < THREADS[sending.name]:
            ring_sending()
        if long and huey.pending_count() < threads:
            ring_runs()
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
