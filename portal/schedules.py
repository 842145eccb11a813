"""When integrations run by themselves: every N minutes, or on days at times of the merchant's clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portal import audit, clock, connection_parts, runs
from portal.errors import Invalid, Stale
from portal.models import Integration, Merchant, RunMessage, Source, database
from portal.runs import SYNC_KINDS, AlreadyRunning
from portal.spoken import DAYS as DAYS

SHORTEST_MINUTES = 5
LONGEST_MINUTES = 7 * 24 * 60
MOST_TIMES = 48


def check(schedule: Mapping[str, Any]) -> None:
    """Raise Invalid, keyed every_minutes, days or times, unless it is {"every_minutes": N} or {"days": […], "times": […]} or {}.

    Days are 0 (Monday) to 6; times are "HH:MM".
    """
    errors = errors_of(schedule)
    if errors:
        raise Invalid(errors)


def next_times(schedule: Mapping[str, Any], zone: str, count: int = 3, after: datetime | None = None) -> list[datetime]:
    """The next `count` moments (naive UTC) past `after` (default: now), soonest first; none for an empty schedule.

    A wall time that a clock change skips runs as much later as the clock jumped; one that comes twice runs once, the
    first time.
    """
    after = after or clock.now()
    if not schedule:
        return []
    found: list[datetime] = []
    for moment in _moments(schedule, ZoneInfo(zone), after):
        if moment > after and moment not in found:
            found.append(moment)
        if len(found) == count:
            break
    return found


def next_time(integration: Integration, merchant: Merchant, after: datetime | None = None) -> datetime | None:
    """When the integration should run next, by its own schedule."""
    times = next_times(integration.schedule, merchant.time_zone, 1, after)
    return times[0] if times else None


def save(integration: Integration, schedule: Mapping[str, Any], version: int, who: str) -> Integration:
    """Keep a schedule and work out the next run; {} means by hand only. Raises Invalid, or Stale when someone saved since `version`."""
    check(schedule)
    source = integration.source
    times = next_times(schedule, source.merchant.time_zone, 1)
    columns = {
        "schedule": dict(schedule), "next_run_at": times[0] if times else None, "version": Integration.version + 1,
        "changed_at": clock.now(), "changed_by": who,
    }  # fmt: skip
    with database.atomic():
        mine = (Integration.id == integration.id) & (Integration.version == version)
        if not Integration.update(columns).where(mine).execute():
            fresh = Integration.get_by_id(integration.id)
            raise Stale(fresh.changed_by, fresh.changed_at)
        before, after = {"schedule": integration.schedule}, {"schedule": dict(schedule)}
        audit.write(source.merchant, who, "integration.schedule", "integration", integration.public_id, before=before, after=after)
    return Integration.get_by_id(integration.id)


def plan_anew(source: Source) -> None:
    """Set the next run of each scheduled integration from now; what was due while the source rested is not made up for."""
    for integration in Integration.select().where(Integration.source == source, Integration.enabled == True):  # noqa: E712
        if integration.schedule:
            coming = next_time(integration, source.merchant)
            Integration.update(next_run_at=coming).where(Integration.id == integration.id).execute()


def pull_back(now: datetime) -> None:
    """The clock was put back: what runs each so many minutes is due that long from now at the latest.

    What runs at set times is left: it ran at the one that comes again, or comes at the next.
    """
    for integration in Integration.select().where(Integration.on(), Integration.next_run_at > now):
        if every := integration.schedule.get("every_minutes"):
            soon = now.replace(second=0, microsecond=0) + timedelta(minutes=every)
            mine = (Integration.id == integration.id) & (Integration.next_run_at > soon)
            Integration.update(next_run_at=soon).where(mine).execute()


def start_due(now: datetime | None = None) -> int:
    """Start every scheduled run that is due; how many were started. Two workers may do this at once: each run starts once."""
    now = now or clock.now()
    return sum(_start(integration, now) for integration in list(_due(now)))


def _start(integration: Integration, now: datetime) -> bool:
    if connection_parts.sign_in_standing(integration.source) == "needed":
        return False  # it stays due, and starts once someone signed in
    following = next_time(integration, integration.source.merchant, now)
    mine = (Integration.id == integration.id) & (Integration.next_run_at == integration.next_run_at)
    with database.atomic():
        if not Integration.update(next_run_at=following).where(mine).execute():
            return False  # another worker was first
        try:
            runs.start_sync(integration, cause="schedule")
        except AlreadyRunning as running:
            text = "The run that was due now by schedule was left out: this one is not finished."
            RunMessage.create(run=running.run.id, text=text, level="warning", at=now)
            return False
    return True


def _due(now: datetime) -> Any:
    on = Integration.on()
    due = (
        (Integration.next_run_at <= now) & (Integration.kind << list(SYNC_KINDS)) & (Source.state == "live") & Merchant.closing_at.is_null()
    )
    return Integration.select(Integration, Source, Merchant).join(Source).join(Merchant).where(on & due).order_by(Integration.next_run_at)


def _moments(schedule: Mapping[str, Any], zone: ZoneInfo, after: datetime) -> Iterator[datetime]:
    if every := schedule.get("every_minutes"):
        first = after.replace(second=0, microsecond=0)
        while True:
            first += timedelta(minutes=every)
            yield first
    times = [time.fromisoformat(text) for text in schedule["times"]]
    start = after.replace(tzinfo=UTC).astimezone(zone).date() - timedelta(days=1)
    for day in (start + timedelta(days=n) for n in range(400)):
        if day.weekday() in schedule["days"]:
            local = (datetime.combine(day, at, zone) for at in times)
            yield from sorted(moment.astimezone(UTC).replace(tzinfo=None) for moment in local)


def errors_of(schedule: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with a schedule, by field: see `check`."""
    if not schedule:
        return {}
    if "every_minutes" in schedule:
        every = schedule["every_minutes"]
        fits = isinstance(every, int) and not isinstance(every, bool) and SHORTEST_MINUTES <= every <= LONGEST_MINUTES
        return {} if fits else {"every_minutes": f"Enter a number of minutes from {SHORTEST_MINUTES} to {LONGEST_MINUTES:,}."}
    days, times = schedule.get("days") or [], schedule.get("times") or []
    errors = {}
    if not days or any(isinstance(day, bool) or day not in range(7) for day in days):
        errors["days"] = "Choose at least one day."
    if not times or len(times) > MOST_TIMES or not all(_is_time(text) for text in times):
        errors["times"] = f"Enter 1 to {MOST_TIMES} times such as 08:30, separated by commas."
    return errors


def _is_time(text: Any) -> bool:
    if not isinstance(text, str) or len(text) != 5 or text[2] != ":" or not (text[:2] + text[3:]).isdecimal() or not text.isascii():
        return False
    return int(text[:2]) < 24 and int(text[3:]) < 60
