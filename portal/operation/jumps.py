"""A clock that was put back: what was written before lies in the future now, and would be waited for.

leases of runs and sends ─▶ end as soon as their holders do not lengthen them · runs that waited ─▶ due · intervals ─▶ from now on
A clock that was put forward needs nothing: leases end early once, whoever held them is stopped by its fence, and nothing starts twice.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from portal import clock, leases, schedules
from portal.models import Run, RunningProcess, Submission, database
from portal.outbox import claim

log = logging.getLogger(__name__)

TOO_FAR = timedelta(minutes=5)
"""Ahead of now, what no machine whose clock is kept by NTP would write."""


def mend() -> bool:
    """Put right what a clock that went back left in the future; whether one did. Called before this process shows itself."""
    now = clock.now()
    if not RunningProcess.select().where(RunningProcess.seen_at > now + TOO_FAR).exists():
        return False
    log.warning("the clock was put back: leases and schedules are reckoned anew")
    with database.atomic():
        _shorten()
        waiting = (Run.state == "queued") & (Run.tries == 0) & Run.problem.is_null() & (Run.created_at > now) & (Run.due_at > now)
        Run.update(due_at=now).where(waiting).execute()
        RunningProcess.delete().where(RunningProcess.seen_at > now + TOO_FAR).execute()  # who lives shows itself again
    schedules.pull_back(now)
    return True


def _shorten() -> None:
    now = clock.now()
    held = timedelta(seconds=leases.LEASE_SECONDS)
    Run.update(lease_until=now + held).where(Run.state == "running", Run.lease_until > now + held + TOO_FAR).execute()
    sends = timedelta(seconds=claim.LEASE_SECONDS)
    Submission.update(lease_until=now + sends).where(Submission.lease_until > now + sends + TOO_FAR).execute()
