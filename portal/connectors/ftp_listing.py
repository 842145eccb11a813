"""Reading what FTP servers say about a folder: MLSD's facts, and the older LIST in Unix or DOS form."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from portal.records import FileEntry

_HEAD = r"([-dl])[-rwxsStTl]{9}[+.@]?\s+(?:\d+\s+)?"
_DATE = r"(?:[A-Z][a-z]{2}\s+\d{1,2}|\d{1,2}\s+[A-Z][a-z]{2})\s+(?:\d{4}|\d{1,2}:\d\d)|\d{4}-\d\d-\d\d\s+\d{1,2}:\d\d"
# A known form of date first: owners may be numbers too (a server in a chroot), and only the date tells them from the size.
_UNIX = (
    re.compile(_HEAD + rf"(?:\S+\s+){{0,2}}?(\d+)\s+({_DATE})\s(.+)"),
    re.compile(_HEAD + r"(?:\S+\s+){0,2}?(\d+)\s+(\S+\s+\S+(?:\s+\d[\d:]+)?)\s(.+)"),
)
_UNIX_DATES = (
    (re.compile(r"([A-Z][a-z]{2})\s+(\d{1,2})\s+(\d{4}|\d{1,2}:\d\d)"), "month first"),
    (re.compile(r"(\d{1,2})\s+([A-Z][a-z]{2})\s+(\d{4}|\d{1,2}:\d\d)"), "day first"),
    (re.compile(r"(\d{4})-(\d\d)-(\d\d)\s+(\d{1,2}:\d\d)"), "iso"),
)
_DOS = re.compile(r"(\d\d)-(\d\d)-(\d\d(?:\d\d)?)\s+(\d\d):(\d\d)\s*([AP]M)?\s+(<DIR>|\d+)\s+(.+)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def mlsd_entry(line: str) -> FileEntry | None:
    """One MLSD line; None for the folder itself, its parent, and lines that are not facts. Times are UTC (RFC 3659)."""
    facts_text, blank, name = line.rstrip("\r\n").partition(" ")
    pairs = (fact.partition("=") for fact in facts_text.lower().split(";") if fact)
    facts = {key: value for key, _, value in pairs}
    kind = facts.get("type", "")
    if not blank or not name or kind in ("", "cdir", "pdir"):
        return None
    size = int(facts["size"]) if re.fullmatch(r"\d{1,18}", facts.get("size", "")) else None
    return FileEntry(name, size, moment(facts.get("modify", "")), kind == "dir")


def moment(text: str) -> datetime | None:
    """A time as MDTM and MLSD write it, YYYYMMDDHHMMSS with or without a fraction, UTC."""
    if not re.match(r"\d{14}", text):
        return None
    try:
        return datetime.strptime(text[:14], "%Y%m%d%H%M%S")
    except ValueError:
        return None


def list_entry(line: str, now: datetime) -> FileEntry | None:
    """One LIST line in Unix or DOS form, else None. Its time has no zone; it is taken as UTC, which orders files rightly."""
    line = line.rstrip("\r\n")
    if match := next((found for form in _UNIX if (found := form.fullmatch(line))), None):
        kind, size, date, name = match.groups()
        name = name.partition(" -> ")[0] if kind == "l" else name
        return FileEntry(name, None if kind == "l" else int(size), _unix_date(date, now), kind == "d")
    if match := _DOS.fullmatch(line):
        month, day, year, hour, minute, half, size, name = match.groups()
        hours = int(hour) % 12 + (12 if half == "PM" else 0) if half else int(hour)
        when = _date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day), hours, int(minute))
        return FileEntry(name, None if size == "<DIR>" else int(size), when, size == "<DIR>")
    return None


def _unix_date(text: str, now: datetime) -> datetime | None:
    for form, kind in _UNIX_DATES:
        match = form.fullmatch(text)
        if match and kind == "iso":
            hour, minute = match[4].split(":")
            return _date(int(match[1]), int(match[2]), int(match[3]), int(hour), int(minute))
        if match:
            month, day = (match[1], match[2]) if kind == "month first" else (match[2], match[1])
            return _short_date(month, int(day), match[3], now)
    return None


def _short_date(month: str, day: int, last: str, now: datetime) -> datetime | None:
    """ "Nov 20 2024" or "Nov 20 08:42", the latter within the last year (a day ahead is a zone's difference)."""
    if month not in _MONTHS:
        return None
    number = _MONTHS.index(month) + 1
    hour, colon, minute = last.partition(":")
    if not colon:
        return _date(int(last), number, day, 0, 0)
    this_year = _date(now.year, number, day, int(hour), int(minute))
    if this_year and this_year <= now + timedelta(days=1):
        return this_year
    return _date(now.year - 1, number, day, int(hour), int(minute))


def _date(year: int, month: int, day: int, hour: int, minute: int) -> datetime | None:
    try:
        return datetime(year, month, day, hour, minute)
    except ValueError:
        return None
