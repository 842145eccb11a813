"""One scheduler at a time, over all machines: a lease in the database, taken over half a minute after its holder fell silent."""

from __future__ import annotations

from datetime import datetime, timedelta

from portal import clock
from portal.models import SchedulerLease, database
from portal.models.database import is_postgres

CLOCK = "clock"
LEASE_SECONDS = 30.0
TOO_FAR = timedelta(minutes=1)
"""Longer ahead than a lease can be: the clock was put back, and the lease ends a lease's length from now unless its holder lives."""


def hold(me: str, name: str = CLOCK) -> bool:
    """Take the lease, or lengthen it; False while another living process has it. Ask again every few seconds."""
    now = _now()
    until = now + timedelta(seconds=LEASE_SECONDS)
    here = SchedulerLease.name == name
    if SchedulerLease.update(until=until).where(here, SchedulerLease.holder == me).execute():
        return True
    held = SchedulerLease.get_or_none(here)
    if held is None:
        row = {"name": name, "holder": me, "taken_at": now, "until": until}
        SchedulerLease.insert(row).on_conflict_ignore().execute()
        return SchedulerLease.select().where(here, SchedulerLease.holder == me).exists()
    if held.until >= now:
        if held.until > until + TOO_FAR:
            SchedulerLease.update(until=until).where(here, SchedulerLease.until == held.until).execute()
        return False
    taken = {"holder": me, "until": until, "taken_at": now, "fence": SchedulerLease.fence + 1}
    return bool(SchedulerLease.update(taken).where(here, SchedulerLease.until < now, SchedulerLease.fence == held.fence).execute())


def give_back(me: str, name: str = CLOCK) -> None:
    """This process ends: another may keep the clock at once."""
    ended = _now() - timedelta(seconds=1)
    SchedulerLease.update(until=ended).where(SchedulerLease.name == name, SchedulerLease.holder == me).execute()


def holder(name: str = CLOCK) -> SchedulerLease | None:
    """The lease as it stands."""
    return SchedulerLease.get_or_none(SchedulerLease.name == name)


def silence(name: str = CLOCK) -> float | None:
    """Seconds since the holder last lengthened its lease; None where nobody ever had it."""
    held = holder(name)
    return None if held is None else round(LEASE_SECONDS - (held.until - _now()).total_seconds(), 1)


def _now() -> datetime:
    """The database's time where it is a server: machines whose clocks differ must agree on whose lease is over."""
    if not is_postgres():
        return clock.now()
    told: datetime = database.execute_sql("SELECT clock_timestamp() AT TIME ZONE 'UTC'").fetchone()[0]
    return told
