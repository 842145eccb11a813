"""Moments, spans and days as a person says them, in a given time zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


def moment(at: datetime | None, zone: str, now: datetime) -> str:
    """ "08:42" today, "yesterday 08:42", "Tuesday 08:42" within six days, else "25 Nov 08:42"; "an unknown time" for None."""
    if at is None:
        return "an unknown time"
    local, today = _local(at, zone), _local(now, zone).date()
    days = (local.date() - today).days
    if days == 0:
        return f"{local:%H:%M}"
    if days in (-1, 1):
        return f"{'yesterday' if days < 0 else 'tomorrow'} {local:%H:%M}"
    if abs(days) < 7:
        return f"{DAYS[local.weekday()]} {local:%H:%M}"
    return f"{local.day} {local:%b %H:%M}" if local.year == today.year else f"{local.day} {local:%b %Y %H:%M}"


def at(moment_: datetime, zone: str, now: datetime) -> str:
    """ "at 08:42", "tomorrow at 08:42", "Tuesday at 08:42", "25 Nov at 08:42"."""
    *day, clock_time = moment(moment_, zone, now).split(" ")
    return " ".join([*day, "at", clock_time])


def span(length: timedelta) -> str:
    """ "under 1 min", "35 min", "6 h", "1 h 30 min", "3 days": at most two days in hours."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 1:
        return "under 1 min"
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    if hours < 6 and rest:
        return f"{hours} h {rest} min"
    return f"{hours} h" if hours < 48 else f"{hours // 24:,} days"


def days(chosen: Iterable[int]) -> str:
    """ "every day", "Monday to Friday", "Mon, Wed, Sat"; 0 is Monday."""
    known = sorted(set(chosen))
    if known == list(range(7)):
        return "every day"
    if len(known) > 2 and known == list(range(known[0], known[-1] + 1)):
        return f"{DAYS[known[0]]} to {DAYS[known[-1]]}"
    return ", ".join(DAYS[day] if len(known) == 1 else DAYS[day][:3] for day in known)


def series(words: Iterable[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    known = list(words)
    return known[0] if len(known) == 1 else f"{', '.join(known[:-1])} and {known[-1]}"


def _local(at: datetime, zone: str) -> datetime:
    return at.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
