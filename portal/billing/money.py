"""Money as whole numbers of a currency's smallest unit, and how a month is shared by its days. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from portal.errors import Invalid

_WHOLE = ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF")
_THREE = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
DIGITS = dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_THREE, 3)
"""Decimals of a currency where they are not two (ISO 4217, list one, "minor unit")."""

MOST = 10**13
_CURRENCY = re.compile(r"[A-Z]{3}")
_AMOUNT = re.compile(r"(\d{1,12})(?:\.(\d{1,3}))?")


@dataclass(frozen=True)
class Stay:
    """Days on a plan: from `since` into the day `until`, at whose end it is held no more. `price` of a month, in the smallest unit."""

    name: str
    price: int
    currency: str
    since: date
    until: date


@dataclass(frozen=True)
class Line:
    """One line of an invoice, its amount in the smallest unit of `currency`."""

    words: str
    amount: int
    currency: str


def read(text: str, currency: str) -> int:
    """A typed amount in the smallest unit: "29.90" USD is 2990. Raises Invalid ("price")."""
    found = _AMOUNT.fullmatch(text.strip())
    digits = DIGITS.get(currency, 2)
    if found is None or len(found[2] or "") > digits:
        sample = "29" if digits == 0 else f"29.{'90'.ljust(digits, '0')}"
        raise Invalid({"price": f"Enter an amount of {currency} such as {sample}, without other signs."})
    return int(found[1] + (found[2] or "").ljust(digits, "0"))


def told(amount: int, currency: str) -> str:
    """An amount for people: 299000 USD is "2,990.00"."""
    digits = DIGITS.get(currency, 2)
    whole, part = divmod(abs(amount), 10**digits)
    sign = "-" if amount < 0 else ""
    return f"{sign}{whole:,}" + (f".{part:0{digits}}" if digits else "")


def check_currency(text: str) -> str:
    """Three capitals. Raises Invalid ("currency")."""
    if not _CURRENCY.fullmatch(text):
        raise Invalid({"currency": "Enter a currency by its three letters, such as USD."})
    return text


def share(amount: int, part: int, whole: int) -> int:
    """`part` of `whole` of an amount that is not negative, halves rounded up."""
    return (2 * amount * part + whole) // (2 * whole)


def tax(net: int, rate: int) -> int:
    """`rate` in hundredths of a percent, halves rounded away from 0, so that a credit note takes back exactly what was charged."""
    return share(net, rate, 10_000) if net >= 0 else -share(-net, rate, 10_000)


def month_of(day: date) -> tuple[date, date]:
    """The first day of the day's month, and of the next one."""
    first = day.replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def lines(stays: Iterable[Stay], first: date) -> list[Line]:
    """What the month that begins on `first` costs: each plan for its days, in their order.

    A day is of the dearest plan that was held on it, of those in the currency of the one held at its end. The lines of a currency add up
    to what its days cost together, rounded once.
    """
    begin, end = month_of(first)
    days, month, made = (end - begin).days, f"{begin:%B %Y}", list[Line]()
    before: dict[str, int] = {}
    for stay, since, held in _runs(sorted(stays, key=lambda one: one.since), begin, days):
        words = f"{stay.name}, {month}"
        if held < days:
            words = f"{stay.name}, {since.day} to {since.day + held - 1} {month} ({held} of {days} days)"
        known = before.get(stay.currency, 0)
        before[stay.currency] = known + stay.price * held
        made.append(Line(words, share(before[stay.currency], 1, days) - share(known, 1, days), stay.currency))
    return made


def _runs(stays: Sequence[Stay], begin: date, days: int) -> Iterator[tuple[Stay, date, int]]:
    """(stay, first day, number of days) of days in a row that are of the same name and price."""
    run: tuple[Stay, date, int] | None = None
    for day in (begin + timedelta(days=number) for number in range(days)):
        stay = _dearest(stays, day)
        if run is not None and stay is not None and (stay.name, stay.price, stay.currency) == (run[0].name, run[0].price, run[0].currency):
            run = (run[0], run[1], run[2] + 1)
            continue
        if run is not None:
            yield run
        run = (stay, day, 1) if stay is not None else None
    if run is not None:
        yield run


def _dearest(stays: Sequence[Stay], day: date) -> Stay | None:
    last = next((one for one in reversed(stays) if one.since <= day < one.until), None)
    if last is None:
        return None
    held = [one for one in stays if one.since <= day <= one.until and one.currency == last.currency and one.price > last.price]
    return max(held, key=lambda one: one.price, default=last)
