"""When a source takes orders: days, hours and a cut-off by its own clock. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from portal.errors import Invalid
from portal.spoken import days

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")


@dataclass(frozen=True)
class Window:
    """`days`: 0 Monday to 6. Orders leave from `opens` until `closes`; one put in line at or after `cut_off` leaves the next day.

    Times are "HH:MM" of `zone`; `closes` "" is midnight, `cut_off` "" is `closes`.
    """

    days: tuple[int, ...]
    opens: str = "00:00"
    closes: str = ""
    cut_off: str = ""
    zone: str = "UTC"


def read(kept: Mapping[str, Any] | None) -> Window | None:
    """The window as kept: {"days", "opens", "closes", "cut_off", "zone"}; None: at any time."""
    return Window(**{**kept, "days": tuple(kept["days"])}) if kept else None


def errors_of(window: Window) -> dict[str, str]:
    """What is wrong with a window as typed, by field."""
    errors = {}
    for name in ("opens", "closes", "cut_off"):
        text = getattr(window, name)
        if text and not _TIME.fullmatch(text):
            errors[name] = "Enter a time such as 08:00 or 16:30."
    if not errors:
        if window.closes and window.closes <= window.opens:
            errors["closes"] = "The end of the hours must be later than their beginning."
        elif window.cut_off and not window.opens < window.cut_off <= (window.closes or "24:00"):
            errors["cut_off"] = "The cut-off must lie within the hours."
    if window.zone not in available_timezones():
        errors["zone"] = "Choose a time zone from the list."
    if not window.days or not set(window.days) <= set(range(7)):
        errors["days"] = "Choose at least one day."
    return errors


def check(window: Window) -> None:
    """Raises Invalid for a window that `errors_of` refuses."""
    if errors := errors_of(window):
        raise Invalid(errors)


def next_open(window: Window | None, at: datetime) -> datetime | None:
    """When something put in line at `at` may leave (naive UTC); None: at once. `at` is naive UTC."""
    if window is None:
        return None
    zone = ZoneInfo(window.zone)
    local = at.replace(tzinfo=UTC).astimezone(zone)
    ends = window.cut_off or window.closes
    now = f"{local:%H:%M}"
    if local.weekday() in window.days and window.opens <= now and (not ends or now < ends):
        return None
    today_still = local.weekday() in window.days and now < window.opens
    for ahead in range(0 if today_still else 1, 9):
        day = local.date() + timedelta(days=ahead)
        if day.weekday() in window.days:
            wall = datetime.combine(day, time.fromisoformat(window.opens), zone)
            return wall.astimezone(UTC).replace(tzinfo=None)
    raise AssertionError("a window has a day")


def is_open(window: Window | None, at: datetime) -> bool:
    """Whether something in line may leave at `at` (naive UTC): within days and hours; the cut-off is of putting in line."""
    if window is None:
        return True
    local = at.replace(tzinfo=UTC).astimezone(ZoneInfo(window.zone))
    return local.weekday() in window.days and window.opens <= f"{local:%H:%M}" < (window.closes or "24:00")


def in_words(window: Window | None) -> str:
    """As a person says it: "Monday to Friday, 08:00 to 17:00, cut-off 15:00 (America/New York)"."""
    if window is None:
        return "At any time"
    hours = "all day" if window.opens == "00:00" and not window.closes else f"{window.opens} to {window.closes or '24:00'}"
    cut_off = f", cut-off {window.cut_off}" if window.cut_off else ""
    named = days(window.days)
    return f"{named[0].upper()}{named[1:]}, {hours}{cut_off} ({window.zone.replace('_', ' ')})"
