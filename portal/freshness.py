"""By when the next feed of an integration is expected: its rule, the moment that follows from it, and those after.

A feed counts when a run accepted it, "no change" too. Paused, switched off, a draft, or by hand without a rule: nothing is expected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal import clock, policies, schedules
from portal.errors import Invalid
from portal.models import Integration

PART = "freshness"
FEEDS = ("get_inventory_primary", "get_inventory_secondary")
EXPECTED = {"schedule": "Follow the schedule", "hours": "At most so many hours old", "times": "By set times"}
LONGEST_HOURS = 24 * 90
LONGEST_GRACE = 24 * 60
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True)
class Rule:
    """When a feed is late. `days` (0 is Monday) and `times` ("HH:MM") are of the merchant's clock.

    `schedule`: one interval after the next planned run. `hours`: that long after the last accepted feed. `times`: at each of them a
    feed must have been accepted since the one before. `grace_minutes` come on top of each. `same_file_counts`: the same file again is
    as good as a new one.
    """

    expected: str = "schedule"
    hours: int = 24
    days: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    times: tuple[str, ...] = ("08:00",)
    grace_minutes: int = 0
    same_file_counts: bool = True

    @property
    def calendar(self) -> dict[str, Any]:
        """Its days and times as a schedule."""
        return {"days": list(self.days), "times": list(self.times)}


def rule(integration: Integration) -> Rule:
    """The integration's rule: the default, or what its policies say."""
    kept: dict[str, Any] = dict((integration.policies or {}).get(PART) or {})
    return Rule(**kept | {name: tuple(kept[name]) for name in ("days", "times") if name in kept})


def check(chosen: Rule) -> None:
    """Raise Invalid, keyed expected, hours, days, times or grace_minutes, for a rule that cannot be kept."""
    errors: dict[str, str] = {}
    if chosen.expected not in EXPECTED:
        errors["expected"] = "Choose when a file counts as late."
    if chosen.expected == "hours" and not 1 <= chosen.hours <= LONGEST_HOURS:
        errors["hours"] = f"Enter a number of hours from 1 to {LONGEST_HOURS:,}."
    if chosen.expected == "times":
        errors |= schedules.errors_of(chosen.calendar)
    if not 0 <= chosen.grace_minutes <= LONGEST_GRACE:
        errors["grace_minutes"] = f"Enter a number of minutes from 0 to {LONGEST_GRACE:,}."
    if errors:
        raise Invalid(errors)


def save(integration: Integration, chosen: Rule, version: int, who: str) -> Integration:
    """Keep a rule. Raises Invalid as `check` does, and Stale."""
    check(chosen)
    return policies.save(integration, PART, _kept(chosen), version, who)


def is_expected(integration: Integration, chosen: Rule | None = None) -> bool:
    """Whether feeds are expected of it now: live, switched on, not paused, and with something to go by."""
    on = integration.enabled and not integration.paused and integration.source.state == "live" and integration.kind in FEEDS
    return bool(on and ((chosen or rule(integration)).expected != "schedule" or integration.schedule))


def expected_by(integration: Integration, now: datetime | None = None, chosen: Rule | None = None) -> datetime | None:
    """When its next feed has to be accepted at the latest (naive UTC); past that moment it is late. None while nothing is expected.

    `chosen`: reckon by this rule instead of the saved one.
    """
    chosen = chosen or rule(integration)
    if not is_expected(integration, chosen):
        return None
    return _due(integration, chosen, last_fresh(integration, chosen), integration.watched_since or now or clock.now())


def late_since(integration: Integration, now: datetime | None = None) -> datetime | None:
    """Since when it is late; None when it is not. A rest before does not count."""
    now = now or clock.now()
    return passed(integration, expected_by(integration, now), now)


def passed(integration: Integration, by: datetime | None, now: datetime) -> datetime | None:
    """Since when it is late, given the moment by which a feed was expected of it."""
    return max(by, integration.watched_since or now) if by is not None and by < now else None


def is_old(integration: Integration, now: datetime) -> bool:
    """Whether its last feed would be late were it not for a rest since."""
    last = last_fresh(integration, rule(integration))
    due = None if last is None else _due(integration, rule(integration), last, last)
    return due is not None and due < now


def last_fresh(integration: Integration, chosen: Rule) -> datetime | None:
    """When the last feed came that counts as fresh by the rule; None before the first."""
    last: datetime | None = integration.last_accepted_at
    return last if chosen.same_file_counts or last is None else integration.file_since or last


def coming(integration: Integration, chosen: Rule, now: datetime, count: int = 3) -> list[datetime]:
    """The next expected-by times past `now`, if each planned run is accepted; of what rests, as if it began now."""
    first = _due(integration, chosen, last_fresh(integration, chosen), integration.watched_since or now)
    if first is None:
        return []
    found = [first] if first > now else []
    return [*found, *(moment for moment in _later(integration, chosen, now, count + 2) if moment > max(found, default=now))][:count]


def _due(integration: Integration, chosen: Rule, last: datetime | None, begun: datetime) -> datetime | None:
    """When a feed is due after the `last` one that counts, where feeds are expected since `begun`."""
    grace, zone = timedelta(minutes=chosen.grace_minutes), integration.source.merchant.time_zone
    if chosen.expected == "hours":
        return (last or begun) + timedelta(hours=chosen.hours) + grace
    anew = last is None or last < begun
    start = begun if last is None or anew else last
    if chosen.expected == "schedule":
        planned = schedules.next_times(integration.schedule, zone, 2, start)
        return planned[1] + grace if planned else None
    if anew or integration.accepted_late:  # what came late answers the time that it missed, not the one that comes
        return schedules.next_times(chosen.calendar, zone, 1, start - grace)[0] + grace
    return schedules.next_times(chosen.calendar, zone, 2, start - grace - _TICK)[1] + grace


def _later(integration: Integration, chosen: Rule, now: datetime, count: int) -> list[datetime]:
    """The moments that follow if the runs planned after `now` are each accepted."""
    grace, zone = timedelta(minutes=chosen.grace_minutes), integration.source.merchant.time_zone
    if chosen.expected == "times":
        return [moment + grace for moment in schedules.next_times(chosen.calendar, zone, count, now - grace)]
    planned, after = [], integration.next_run_at
    if integration.schedule and after is not None and after > now:
        planned = [after]
    planned += schedules.next_times(integration.schedule, zone, count, max(planned, default=now))
    if chosen.expected == "hours":
        return [moment + timedelta(hours=chosen.hours) + grace for moment in planned]
    return [moment + grace for moment in planned[2:]]


def _kept(chosen: Rule) -> Mapping[str, Any]:
    """What the policies keep of a rule: only what it says; {} for the default."""
    kept: dict[str, Any] = {} if chosen.expected == "schedule" else {"expected": chosen.expected}
    if chosen.expected == "hours":
        kept["hours"] = chosen.hours
    if chosen.expected == "times":
        kept |= chosen.calendar
    if chosen.grace_minutes:
        kept["grace_minutes"] = chosen.grace_minutes
    return kept if chosen.same_file_counts else kept | {"same_file_counts": False}
