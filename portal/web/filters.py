"""How numbers, times and sizes read on a page."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from flask import Flask, g
from markupsafe import Markup

from portal import clock, spoken
from portal.fields import MONEY_SCALE

NONE = "–"
BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"), ("curl/", "curl"))
SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS X", "Mac"), ("Linux", "Linux"))
IRREGULAR = {"entry": "entries", "try": "tries", "query": "queries", "property": "properties", "match": "matches", "address": "addresses"}


def install(app: Flask) -> None:
    """Register every filter of this module."""
    for filter_ in (number, when, moment, day, clock_time, day_time, at_time, money, size, seconds, plural, browser):
        app.jinja_env.filters[filter_.__name__] = filter_


def number(value: int | float | None) -> str:
    """48210 -> "48,210"; None -> a dash."""
    if value is None:
        return NONE
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def day(value: datetime | None) -> str:
    """A date that somebody told, which has no hour and no zone: "24 Nov 2026"."""
    return NONE if value is None else f"{value.day} {value:%b %Y}"


def plural(count: int | None, noun: str, several: str = "") -> str:
    """(1, "item") -> "1 item"; (48210, "item") -> "48,210 items"."""
    many = several or IRREGULAR.get(noun) or noun + "s"
    return f"{number(count or 0)} {noun if count == 1 else many}"


def money(value: int | None, currency: str = "") -> str:
    """Integer ten-thousandths -> "1,234.50"; more than two decimals only where they are not zero."""
    if value is None:
        return NONE
    amount = Decimal(value) / MONEY_SCALE
    text = f"{amount:,.4f}"
    text = text[:-2] if text.endswith("00") else text.rstrip("0")
    return f"{currency} {text}" if currency else text


def size(value: int | None) -> str:
    """Bytes -> "512 bytes", "4.2 kB", "31 MB" (decimal units)."""
    if value is None:
        return NONE
    if value < 1000:
        return plural(value, "byte")
    amount = float(value)
    for unit in ("kB", "MB", "GB", "TB"):
        amount /= 1000
        if amount < 999.5 or unit == "TB":
            break
    return f"{amount:.1f} {unit}" if amount < 9.95 else f"{amount:,.0f} {unit}"


def seconds(value: float | None) -> str:
    """0.01 -> "under 0.1 s", 0.24 -> "0.2 s", 41 -> "41 s", 372 -> "6 min 12 s", 7320 -> "2 h 2 min"."""
    if value is None:
        return NONE
    if value < 0.05:
        return "under 0.1 s"
    if value < 10:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole % 60 else "")
    return f"{whole // 3600} h" + (f" {whole % 3600 // 60} min" if whole % 3600 // 60 else "")


def when(value: datetime | None, never: str = NONE) -> str | Markup:
    """A time as people say it ("6 min ago", "in 24 min"), the exact one in its title."""
    if value is None:
        return never
    return _tagged(value, _relative((clock.now() - value).total_seconds(), value), exact=True)


def moment(value: datetime | None, never: str = NONE) -> str | Markup:
    """The exact time in the person's zone: "25 Nov 2025, 09:12"."""
    return never if value is None else _tagged(value, _exact(value))


def clock_time(value: datetime | None) -> str | Markup:
    """Only the time of day in the person's zone: "09:12"; with the date when it is not today."""
    if value is None:
        return NONE
    local, today = _local(value), _local(clock.now())
    return _tagged(value, f"{local:%H:%M}" if local.date() == today.date() else _exact(value))


def day_time(value: datetime | None) -> str | Markup:
    """A time as a sentence says it: "08:42", "yesterday 08:42", "Tuesday 08:42", "25 Nov 08:42"."""
    return NONE if value is None else _tagged(value, spoken.moment(value, zone().key, clock.now()))


def at_time(value: datetime | None) -> str | Markup:
    """The same with its little word: "at 08:42", "tomorrow at 08:42"."""
    return NONE if value is None else _tagged(value, spoken.at(value, zone().key, clock.now()))


def browser(agent: str | None) -> str:
    """A user agent as a person names it: "Firefox on Linux"."""
    text = agent or ""
    maker = next((name for mark, name in BROWSERS if mark in text), "")
    system = next((name for mark, name in SYSTEMS if mark in text), "")
    return " on ".join(part for part in (maker, system) if part) or text[:40] or "Unknown browser"


def saved_now() -> str:
    """ "Saved 09:14", in the person's zone."""
    return f"Saved {_local(clock.now()):%H:%M}"


def zone() -> ZoneInfo:
    """The person's own time zone, else the workspace's, else UTC."""
    user, merchant = g.get("user"), g.get("merchant")
    for name in (user.time_zone if user else "", merchant.time_zone if merchant else ""):
        try:
            if name:
                return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError):
            continue  # a zone that a tzdata release dropped: the next one in line is better than no page
    return ZoneInfo("UTC")


def _local(value: datetime) -> datetime:
    return value.replace(tzinfo=UTC).astimezone(zone())


def _exact(value: datetime) -> str:
    local = _local(value)
    return f"{local.day} {local:%b %Y, %H:%M}"


@lru_cache(4096)
def _stamp_and_title(value: datetime, there: ZoneInfo) -> tuple[str, str]:
    """A list shows the same few moments over and over."""
    local = value.replace(tzinfo=UTC).astimezone(there)
    return value.replace(tzinfo=UTC).isoformat(timespec="seconds"), f"{local.day} {local:%b %Y, %H:%M} {local.tzname()}"


def _tagged(value: datetime, words: str, exact: bool = False) -> Markup:
    stamp, title = _stamp_and_title(value, zone())
    if exact or title != words:
        return Markup('<time datetime="%s" title="%s">%s</time>') % (stamp, title, words)
    return Markup('<time datetime="%s">%s</time>') % (stamp, words)


def _relative(age: float, value: datetime) -> str:
    ahead, span = age < 0, abs(age)
    if span < 45:
        return "in a moment" if ahead and span > 5 else "now"
    for limit, unit, word in ((3570, 60, "min"), (86_400 - 1800, 3600, "h"), (7 * 86_400, 86_400, "day")):
        if span < limit:
            count = max(1, round(span / unit))
            amount = f"{count} {word}" if word != "day" else plural(count, "day")
            return f"in {amount}" if ahead else f"{amount} ago"
    local: Any = _local(value)
    return f"{local.day} {local:%b %Y}"
