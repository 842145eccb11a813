"""The date forms that suppliers use, written and read without guessing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime

DATE_FORMS: dict[str, str] = {
    "YYYY-MM-DD": "%Y-%m-%d",
    "MM/DD/YYYY": "%m/%d/%Y",
    "DD/MM/YYYY": "%d/%m/%Y",
    "DD.MM.YYYY": "%d.%m.%Y",
    "YYYYMMDD": "%Y%m%d",
    "MMDDYYYY": "%m%d%Y",
    "DD-MON-YYYY": "%d-%b-%Y",
}
AMBIGUOUS = "Could be day first or month first; choose the date form"
UNREADABLE = "Not a date"

_NUMBERS = re.compile(r"(\d{1,4})([-/.])(\d{1,2})\2(\d{2,4})")
_COMPACT = re.compile(r"(20\d{2})(\d{2})(\d{2})$")
_TIME = re.compile(r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?\s?(?:[AaPp][Mm])?\s?(?:Z|UTC|[+-]\d{2}:?\d{2})?$")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAY_MONTH = re.compile(r"(\d{1,2})[-. ]\s?([A-Za-z]{3,9})[-,. ]\s?(\d{4})$")
_MONTH_DAY = re.compile(r"([A-Za-z]{3,9})[-. ]\s?(\d{1,2}),?[- ]\s?(\d{4})$")


class NotADate(ValueError):
    """The text is no date, or could be two. `str(error)` says which."""


def written(value: date, form: str) -> str:
    """A date in one of DATE_FORMS; month names are English and capital: 05-NOV-2026."""
    if form == "DD-MON-YYYY":
        return f"{value.day:02}-{_MONTHS[value.month - 1][:3].upper()}-{value.year:04}"
    return value.strftime(DATE_FORMS[form])


def read(text: str, form: str = "") -> date:
    """The date of a text, its time of day dropped. Without `form` only what cannot be two dates. Raises NotADate."""
    text = _TIME.sub("", text.strip()).strip()
    if len(text) > 30:
        raise NotADate(UNREADABLE)
    try:
        return _read_as(text, form) if form else _read_plain(text)
    except NotADate:
        raise
    except ValueError:
        raise NotADate(UNREADABLE) from None


def _read_as(text: str, form: str) -> date:
    if form == "DD-MON-YYYY":
        return _named(text)
    if form in {"MM/DD/YYYY", "DD/MM/YYYY", "DD.MM.YYYY"}:
        found = _NUMBERS.fullmatch(text)
        if not found:
            raise NotADate(UNREADABLE)
        first, second, year = int(found[1]), int(found[3]), _year(found[4])
        return date(year, first, second) if form.startswith("MM") else date(year, second, first)
    if form in {"YYYYMMDD", "MMDDYYYY"} and not re.fullmatch(r"\d{8}", text):
        raise NotADate(UNREADABLE)  # with a lost zero, 1152026 would be two dates
    return datetime.strptime(text, DATE_FORMS[form]).date()


def _read_plain(text: str) -> date:
    if found := _COMPACT.match(text):
        return date(int(found[1]), int(found[2]), int(found[3]))
    found = _NUMBERS.fullmatch(text)
    if not found:
        return _named(text)
    first, mark, second, last = int(found[1]), found[2], int(found[3]), found[4]
    if len(found[1]) == 4:
        return date(first, second, int(last))
    if mark == "." or first > 12 or first == second:
        return date(_year(last), second, first)
    if second > 12:
        return date(_year(last), first, second)
    raise NotADate(AMBIGUOUS)


def _year(text: str) -> int:
    if len(text) == 3:
        raise NotADate(UNREADABLE)
    return int(text) + 2000 if len(text) == 2 else int(text)


def _named(text: str) -> date:
    if found := _DAY_MONTH.match(text):
        return date(int(found[3]), _month(found[2]), int(found[1]))
    if found := _MONTH_DAY.match(text):
        return date(int(found[3]), _month(found[1]), int(found[2]))
    raise NotADate(UNREADABLE)


def _month(name: str) -> int:
    short = "sep" if name.lower() == "sept" else name.lower()
    for number, month in enumerate(_MONTHS, 1):
        if short in {month, month[:3]}:
            return number
    raise NotADate(UNREADABLE)


def likely_form(values: Iterable[str]) -> str:
    """The form that a whole column shows ("MM/DD/YYYY" when one value has a 13th day in second place), or "" if none is needed."""
    day_first = month_first = doubtful = 0
    for value in values:
        found = _NUMBERS.fullmatch(_TIME.sub("", value.strip()).strip())
        if not found or len(found[1]) == 4 or found[2] == ".":
            continue
        doubtful += 1
        day_first += int(found[1]) > 12
        month_first += int(found[3]) > 12
    if not doubtful or bool(day_first) == bool(month_first):
        return ""
    return "DD/MM/YYYY" if day_first else "MM/DD/YYYY"
