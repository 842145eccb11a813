"""What a worker process of the fault tests does, and the sabotage that each harness must notice. Runs in a child process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from portal import config, failpoints, runs
from portal.bulk_acts import chunks
from portal.exclusions import performing, room
from portal.inventory import apply, finding, fixes, parsing, plan, revert
from portal.leases import Work
from portal.models import Run, connect, database
from portal.models.runs import UNFINISHED
from portal.runs import Outcome
from tasks.work import HANDLERS

LONGEST = 90.0  # seconds; no worker of a test outlives it


@dataclass(frozen=True)
class Order:
    """What one process is told. `failpoint`: "name:n". `die_in_transaction`: killed there when it applies for the n-th time.

    `chunk`: rows in a transaction, 0 for the real sizes; `hold`: seconds in which several chunks share one. `sabotage`: fence,
    transaction or claim.
    """

    url: str
    data_dir: str
    failpoint: str = ""
    die_in_transaction: int = 0
    chunk: int = 0
    hold: float = 0.0
    sabotage: str = ""
    ledger: str = ""


def import_feeds(order: Order, begun: Connection) -> None:
    """Do inventory runs until none is left, as a worker that looks every 20 ms."""
    _prepare(order)
    begun.send(os.getpid())
    with database.connection_context():
        ends = time.monotonic() + LONGEST
        while Run.select().where(Run.state << UNFINISHED).exists() and time.monotonic() < ends:
            runs.work_available(HANDLERS)
            time.sleep(0.02)


def claim_and_sign(order: Order, begun: Connection) -> None:
    """Claim until nothing waits; each claim is one line "pid run fence" in the ledger, a file outside the database."""
    _prepare(order)
    begun.send(os.getpid())

    def sign(work: Work) -> Outcome:
        handle = os.open(order.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(handle, f"{os.getpid()} {work.run.id} {work.run.fence}\n".encode())
        os.close(handle)
        return Outcome("finished")

    with database.connection_context():
        ends = time.monotonic() + LONGEST
        while Run.select().where(Run.state << UNFINISHED).exists() and time.monotonic() < ends:
            runs.work_available({"connection_check": sign})


def _prepare(order: Order) -> None:
    config.use(config.read({"DATA_DIR": order.data_dir, "DATABASE_URL": order.url, "DEMO": "0"}))
    connect(order.url)
    name, _, number = order.failpoint.partition(":")
    failpoints._name, failpoints._left = name, int(number or 1)
    if order.chunk:
        finding.STRIDE = order.chunk
        for module in (plan, apply, fixes, revert, chunks):
            setattr(module, "CHUNK", order.chunk)  # noqa: B010
        performing.SPAN = room.CHUNK = order.chunk
        apply.LEAST = apply.MOST = order.chunk
        apply.LONGEST_HOLD = order.hold
        parsing.BLOCK = order.chunk * 40
    if order.die_in_transaction:
        _die_in_transaction(order.die_in_transaction)
    _SABOTAGE[order.sabotage]()


def _die_in_transaction(number: int) -> None:
    """SIGKILL with a chunk applied, its checkpoint not yet written, nothing committed."""
    left, real = [number], Work.save_checkpoint

    def save_checkpoint(work: Work, **values: Any) -> None:
        if "applied" in values or "seen" in values:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        real(work, **values)

    setattr(Work, "save_checkpoint", save_checkpoint)  # noqa: B010


def _no_fence() -> None:
    setattr(Work, "_mine", lambda work: Run.id == work.run.id)  # noqa: B010


def _no_transaction() -> None:
    @contextmanager
    def loose(work: Work) -> Iterator[None]:
        work.save(fence=work.run.fence)
        yield

    setattr(Work, "transaction", loose)  # noqa: B010


def _no_lock() -> None:
    def claim(_kinds: Any = None) -> Run | None:
        run = runs._waiting().order_by(Run.due_at, Run.id).first()
        return run if run is not None and runs._take(run) else None

    setattr(runs, "claim", claim)  # noqa: B010


_SABOTAGE = {"": lambda: None, "fence": _no_fence, "transaction": _no_transaction, "claim": _no_lock}
