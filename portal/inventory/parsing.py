"""The reading process, seen from a run: start it, stage what it says, settle SKUs that stand twice."""

from __future__ import annotations

import atexit
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal import failpoints
from portal.errors import Problem, SupplierError
from portal.intake import frames
from portal.intake.job import Job
from portal.inventory import duplicates
from portal.leases import Work
from portal.models import SetAsideRow, bulk
from portal.models.staging import Stage

ROOT = Path(__file__).resolve().parents[2]
ASIDE_COLUMNS = ("run_id", "row_number", "sku", "fatal", "problems", "cells")
BYTES_A_SECOND = 500_000  # slower than any real feed is read; a feed that needs longer is made to
LEAST_SECONDS = 60
CHUNK = 5_000
BLOCK = 1 << 20  # bytes that are cut at a time


@dataclass
class Tally:
    """Counts of a reading. `known`: rows that the last accepted feed held too; `decoded`: the others; `gone`: SKUs it no longer names.

    `staged`: rows that lie in the stage, `usable` those of them that are compared.
    """

    rows: int = 0
    staged: int = 0
    usable: int = 0
    set_aside: int = 0
    noted: int = 0
    bad_quantity: int = 0
    unreadable: int = 0
    duplicates: int = 0
    known: int = 0
    decoded: int = 0
    gone: int = 0

    @classmethod
    def of(cls, work: Work) -> Tally:
        """The tally that the run's checkpoint holds."""
        return cls(**work.checkpoint.get("tally", {}))

    @property
    def fresh(self) -> int:
        """Rows that lie in the stage, of whatever use."""
        return self.staged + self.gone


@dataclass
class Heading:
    """What the reading process found at the file's head. `whole`: no record of an earlier feed served."""

    headers: Sequence[str] = ()
    key: str = ""
    compared: str = ""
    whole: bool = True


class Parsing:
    """Takes the frames of one reading process."""

    def __init__(self, work: Work, stage: Stage) -> None:
        self.work, self.stage = work, stage
        self.tally, self.heading = Tally(), Heading()
        self.doubled: list[list[int]] = []
        self.cells: dict[int, str] = {}
        self._lowest = 0

    def read(self, job: Job, policy: str, sku_column: str) -> Tally:
        """Stage the job's file whole, from the start even after an interruption. Raises SupplierError, Stopped, LostLease."""
        self._restart(None)
        with _process(job) as told:
            for kind, value in told:
                getattr(self, f"_{kind}")(value)
        settled = duplicates.Settling(self.work, self.stage, self.tally, self.cells)
        settled.settle(self.doubled, policy, sku_column)
        self.stage.finish()
        return self.tally

    def _head(self, value: dict[str, Any]) -> None:
        self.heading = Heading(value["headers"], value["key"], value["compared"], not value["before"])

    def _rows(self, value: tuple[list[Any], list[Any], dict[str, Any]]) -> None:
        staged, aside, done = value
        work, counts = self.work, done["counts"]
        if staged:
            self._stage(staged)
        if aside:
            with work.transaction():
                bulk.insert("set_aside_row", ASIDE_COLUMNS, [(work.run.id, *row) for row in aside])
        for name, count in counts.items():
            setattr(self.tally, name, count)
        failpoints.reach("staged-chunk")
        share = done["bytes"] / max(done["size"], 1)
        work.progress(counts["rows"], max(counts["rows"], int(counts["rows"] / share)) if share else None)

    def _stage(self, rows: Sequence[Any]) -> None:
        with self.work.staging():
            self.stage.add(rows)
        self.tally.staged += len(rows)
        self.tally.usable += sum(row[1] for row in rows)

    def _restart(self, _: None) -> None:
        """Forget what was staged: another worker's half, or records that did not come apart."""
        self.tally, self.doubled, self.cells, self._lowest = Tally(), [], {}, 0
        with self.work.staging():
            self.stage.clear()
        aside = SetAsideRow.select().where(SetAsideRow.run == self.work.run.id)
        while numbers := [row.row_number for row in aside.order_by(SetAsideRow.row_number).limit(CHUNK)]:
            with self.work.transaction():
                SetAsideRow.delete().where(SetAsideRow.run == self.work.run.id, SetAsideRow.row_number <= numbers[-1]).execute()

    def _gone(self, skus: list[str]) -> None:
        with self.work.staging():
            self._lowest = self.stage.add_gone(skus, self._lowest)
        self.tally.gone += len(skus)
        self.work.check_stop()

    def _cells(self, rows: list[tuple[int, str]]) -> None:
        self.cells |= dict(rows)

    def _end(self, value: dict[str, Any]) -> None:
        self.doubled = value["doubled"]
        self.tally.known, self.tally.decoded, self.tally.rows = value["matched"], value["decoded"], value["rows"]
        self.tally.unreadable = value["unreadable"]

    def _refused(self, value: tuple[dict[str, Any], bool]) -> None:
        problem, permanent = value
        raise SupplierError(Problem(**problem), permanent)


def job_seconds(size: int) -> int:
    """Processor seconds that reading a file of so many bytes may take."""
    return max(LEAST_SECONDS, size // BYTES_A_SECOND)


class _Readers:
    """The process that starts readers, ours as long as we live. Started when first needed, and again when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def ready(self) -> socket.socket:
        """The socket that it takes jobs on. It gets no setting and no secret of ours."""
        if self._control is None or self._process is None or self._process.poll() is not None:
            ours, theirs = socket.socketpair()
            environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
            command = [sys.executable, "-m", "portal.intake.child", str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=[theirs.fileno()])
            theirs.close()
            self._control = ours
        return self._control

    def close(self) -> None:
        """Let the readers' process end, as this one does."""
        with self._lock:
            if self._control is not None and self._process is not None:
                self._control.close()
                self._process.terminate()  # a fork of ours may hold its socket open
                self._process.wait()
                self._control = self._process = None

    def start(self, job: Job) -> socket.socket:
        """Hand a job over; the socket its frames come from."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            socket.send_fds(self.ready(), [b"J"], [theirs.fileno()])
        text = job.dump()
        ours.sendall(len(text).to_bytes(4, "little") + text)
        return ours


_readers = _Readers()
atexit.register(_readers.close)


def make_ready() -> None:
    """Start the readers' process while there is other work to do."""
    with _readers._lock:
        _readers.ready()


@contextmanager
def _process(job: Job) -> Iterator[Iterator[tuple[str, Any]]]:
    """The frames of a reader, which ends with the block. Raises SupplierError reading_stopped when it was stopped or broke."""
    with _readers.start(job) as told, told.makefile("rb", 1 << 16) as out:
        yield _until_the_end(out)


def _until_the_end(out: Any) -> Iterator[tuple[str, Any]]:
    last, status = "", -signal.SIGKILL
    try:
        for kind, value in frames.read(out):
            if kind == "status":
                status = value
                break
            last = kind
            yield kind, value
    except EOFError:
        last = ""
    if last not in ("end", "refused"):
        raise SupplierError(_broke(status), permanent=True)


def _broke(status: int) -> Problem:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        body = "It took far longer than a file of its size may. We stopped reading and used none of it. Your stock is as it was."
        return Problem("reading_stopped", "Reading the file took too long", body, "Review the feed", "file")
    body = f"The reading process ended with status {status}. We used none of the file. Your stock is as it was."
    return Problem("reading_stopped", "The file could not be read to its end", body, "Review the feed", "file")
