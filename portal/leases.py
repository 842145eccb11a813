"""A worker's hold on one run: lease, fence, heartbeat, checkpoint. Every write says WHERE id=? AND fence=?."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from peewee import InterfaceError, OperationalError

from portal import clock, turns
from portal.connectors import network
from portal.errors import Later, SupplierError
from portal.models import Run, RunMessage, database
from portal.models.database import is_postgres

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
HEARTBEAT_SECONDS = 15.0
LOOK_FOR_STOP = 1.0  # seconds between two looks while a server is read, which may be silent
WRITE_EVERY = 0.5  # seconds between two progress writes, and between two looks for a stop
LONGEST_MESSAGE = 500

shutdown = threading.Event()
"""Set when this process must end: each run finishes its chunk, keeps its checkpoint and is given back."""


class LostLease(Exception):
    """Another worker holds the run now. Whoever gets this writes nothing more."""


class Stopped(Exception):
    """A person asked to stop. What is applied stays; the rest is skipped."""


class GivenBack(Exception):
    """This process is ending, or another merchant is next; the run is continued from its checkpoint."""


class Work:
    """One run in this worker's hands: what a handler reads, and the only way it writes to the run.

    `run`, `source`, `integration` and `merchant` are rows as they were when the run was taken;
    `checkpoint` is a dict of JSON values that survives a killed worker.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.merchant = run.merchant
        self.source = run.source
        self.integration = run.integration
        self.checkpoint: dict[str, Any] = dict(run.checkpoint)
        self.lost = threading.Event()
        self._stages: dict[str, Any] = dict(run.stages)
        self._looked = self._wrote = self._stage_began = self._held_since = time.monotonic()
        self._stage_before = 0.0

    def stage(self, name: str, unit: str = "rows") -> None:
        """Begin a stage, or go on with it after an interruption. `unit` is what its progress counts: rows, bytes or items."""
        self._close_stage()
        entry = self._stages.setdefault(name, {"seconds": 0.0, "count": None})
        entry["unit"] = unit
        entry["started"] = clock.now().isoformat()
        self._stage_began, self._stage_before = time.monotonic(), float(entry["seconds"])
        self.save(stage=name, stages=self._stages, done_rows=0, total_rows=None)

    def progress(self, done: int, total: int | None = None, **more: int | str | None) -> None:
        """How far the stage has come. Written at most twice a second; each call also looks for a stop.

        `more` is kept with the stage: "pages" read and "of_pages" of a list that comes page by page, and what a page is "called".
        """
        self.run.done_rows, self.run.total_rows = done, total
        self._stages.get(self.run.stage, {}).update(more)
        if time.monotonic() - self._wrote >= WRITE_EVERY:
            self.save(done_rows=done, total_rows=total, **({"stages": self._stages} if more else {}))
        self.check_stop()

    def say(self, text: str, level: str = "info") -> None:
        """Add a line to the run's story. `level`: info, warning or error. Raises LostLease."""
        with self.transaction():
            RunMessage.create(run=self.run.id, level=level, text=text[:LONGEST_MESSAGE], at=clock.now())

    def check_stop(self) -> None:
        """Raises Stopped, GivenBack (this process ends, or another merchant is next) or LostLease when the handler must leave."""
        if self.lost.is_set():
            raise LostLease(self.run.public_id)
        if shutdown.is_set():
            raise GivenBack(self.run.public_id)
        if time.monotonic() - self._looked >= WRITE_EVERY:
            self.look_for_stop()

    def look_for_stop(self) -> None:
        """As `check_stop`, but asks the database now. Raises Stopped or GivenBack."""
        self._looked = time.monotonic()
        if self.is_to_stop():
            raise Stopped(self.run.public_id)
        if turns.should_make_way(self.run, self._looked - self._held_since):
            raise GivenBack(self.run.public_id)

    def is_to_stop(self) -> bool:
        """Whether a person asked to stop, as the database says now."""
        return bool(Run.select(Run.id).where(self._mine(), Run.cancel_requested == True).exists())  # noqa: E712

    def save_checkpoint(self, **values: Any) -> None:
        """Add `values` to the checkpoint, in the transaction that is open if one is. Raises LostLease."""
        self.save(checkpoint={**self.checkpoint, **values})

    def save(self, **columns: Any) -> None:
        """Write columns of the run. Raises LostLease when it is no longer ours, so that an open transaction is undone."""
        written = Run.update(columns).where(self._mine()).execute()
        if not written:
            self.lost.set()
            raise LostLease(self.run.public_id)
        self._wrote = time.monotonic()
        for name, value in columns.items():
            setattr(self.run, name, value)
        if "checkpoint" in columns:
            self.checkpoint = dict(columns["checkpoint"])

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction that can only be committed while the run is ours: its row is locked first. Raises LostLease."""
        checkpoint = self.checkpoint
        try:
            with database.atomic():
                self.save(fence=self.run.fence)
                yield
        except BaseException:
            self.checkpoint = checkpoint  # what was undone in the database is undone here too
            raise

    @contextmanager
    def staging(self) -> Iterator[None]:
        """For writing fresh rows, which on SQLite lie in a file of this hold's own and lock nobody out. Raises LostLease."""
        if is_postgres():
            with self.transaction():
                database.execute_sql("SET LOCAL synchronous_commit TO off")  # fresh rows do not outlive a crash of the server anyway
                yield
        elif self.lost.is_set():
            raise LostLease(self.run.public_id)
        else:
            yield

    def beat(self) -> bool:
        """Lengthen the lease; False when the run is no longer ours."""
        until = clock.now() + timedelta(seconds=LEASE_SECONDS)
        return bool(Run.update(lease_until=until).where(self._mine()).execute())

    def closing_columns(self) -> dict[str, Any]:
        """The stage columns as they stand when the handler leaves."""
        self._close_stage()
        return {"stages": self._stages}

    def _close_stage(self) -> None:
        entry = self._stages.get(self.run.stage)
        if entry is not None:
            entry["seconds"] = round(self._stage_before + time.monotonic() - self._stage_began, 3)
            entry["count"] = self.run.done_rows

    def _mine(self) -> Any:
        return (Run.id == self.run.id) & (Run.fence == self.run.fence) & (Run.state == "running")


def performed(work: Work, handler: Callable[[Work], Any]) -> Any:
    """What the handler returns. Raises Stopped where it gave up at the server, or was to wait, and a person had asked to stop."""
    try:
        return handler(work)
    except (SupplierError, Later) as error:
        if work.is_to_stop():
            raise Stopped(work.run.public_id) from error
        raise


@contextmanager
def heartbeat(work: Work) -> Iterator[None]:
    """Lengthens the lease of `work` from a thread of its own, on its own connection, while the block runs.

    While a run that only reads waits for a server, it also looks for a stop, and cuts the line then.
    """
    ended = threading.Event()
    thread = threading.Thread(target=_beat_until, args=(work, ended, threading.get_ident()), name=f"heartbeat-{work.run.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat_until(work: Work, ended: threading.Event, worker: int) -> None:
    reads = work.run.kind in turns.READS
    held_until, beaten = time.monotonic() + LEASE_SECONDS, time.monotonic()
    while not ended.wait(min(LOOK_FOR_STOP, HEARTBEAT_SECONDS) if reads else HEARTBEAT_SECONDS):
        if reads:
            _hang_up_if_stopped(work, worker)
            if time.monotonic() - beaten < HEARTBEAT_SECONDS:
                continue
        began = beaten = time.monotonic()
        try:
            with database.connection_context():
                mine = work.beat()
        except (OperationalError, InterfaceError) as error:
            log.warning("run %s: the lease could not be lengthened (%s)", work.run.public_id, type(error).__name__)
            mine = began < held_until
        else:
            held_until = began + LEASE_SECONDS
        if not mine:
            work.lost.set()
            return


def _hang_up_if_stopped(work: Work, worker: int) -> None:
    try:
        with database.connection_context():
            stop = work.is_to_stop()
    except (OperationalError, InterfaceError):  # the next look finds it, and the heartbeat says so
        return
    if stop:
        network.hang_up(worker)
