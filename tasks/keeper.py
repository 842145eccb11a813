"""Who keeps the clock: one process of the installation rings the minute and starts what is due, while it holds the lease.

worker or scheduler ─▶ every few seconds `turn` ─▶ lease held? ─▶ what is due, the minute's tasks        silent for 30 s ─▶ another goes on
"""

from __future__ import annotations

import logging
import threading
import time
from datetime import datetime

from portal import deliveries, schedules
from portal.channels import telling
from portal.config import Config
from portal.models.database import database
from portal.operation import jumps, lead, presence
from portal.outbox import running
from tasks.doorbell import LANES
from tasks.indexing import AWAY

log = logging.getLogger(__name__)

LOOK_EVERY = 5.0  # seconds between two turns
MINUTE = 60.0
FAR_BEHIND = 50  # tasks that wait in a lane: the minute's are among them already

_rang = [float("-inf")]  # monotonic seconds of the last minute that this process rang
_leading = [False]


def turn(kind: str, threads: int) -> bool:
    """Show that this process lives; start what is due if the clock is its to keep. Whether it is. The database is open."""
    jumps.mend()
    presence.show(kind, threads)
    leading = lead.hold(presence.me(kind))
    if leading != _leading[0]:
        log.info("this process keeps the clock from now on" if leading else "another process keeps the clock now")
        _leading[0] = leading
    if not leading:
        return False
    schedules.start_due()
    deliveries.start_due()
    running.start_due()
    telling.start_due()
    return True


def ring_minute() -> None:
    """Put what is to be done each minute in the queue, if this process keeps the clock and the minute is over."""
    if not _leading[0]:
        return
    if time.monotonic() - _rang[0] >= MINUTE:
        _rang[0] = time.monotonic()
        presence.tidy()
        for lane in LANES:
            if lane.pending_count() < FAR_BEHIND:
                for task in lane.read_periodic(datetime.now()):  # noqa: DTZ005 - huey compares with its own local time
                    lane.enqueue(task)


def leave() -> None:
    """This process ends: what it held is free at once. A database that is away is only logged."""
    try:
        with database.connection_context():
            lead.give_back(presence.me())
            presence.leave()
    except AWAY as problem:
        log.error("the lease of the clock could not be given back: %s", type(problem).__name__)


def main(_config: Config, ending: threading.Event) -> int:
    """Keep the clock without doing runs, until `ending` is set."""
    while not ending.is_set():
        try:
            with database.connection_context():
                turn("scheduler", 0)
                ring_minute()
        except AWAY as problem:
            log.error("the database did not answer: %s", type(problem).__name__)
        ending.wait(LOOK_EVERY)
    leave()
    return 0
