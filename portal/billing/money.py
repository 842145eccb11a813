"""Money as whole numbers of a currency's smallest unit, and how a month is shared by its days. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
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
    """Days on a plan: from `since` to the day before `until`. `price` of a whole month, in the smallest unit."""

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
    """What the month that begins on `first` costs: each plan for its days, in their order. A day is of the plan held at its end."""
    begin, end = month_of(first)
    days, made = (end - begin).days, []
    for stay in sorted(stays, key=lambda one: one.since):
        since, until = max(stay.since, begin), min(stay.until, end)
        held = (until - since).days
        if held <= 0:
            continue
        month = f"{begin:%B %Y}"
        words = f"{stay.name}, {month}"
        if held < days:
            words = f"{stay.name}, {since.day} to {(until - timedelta(days=1)).day} {month} ({held} of {days} days)"
        made.append(Line(words, share(stay.price, held, days), stay.currency))
    return made
