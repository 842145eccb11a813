"""Numbers as people write them: thousands signs, decimal marks, currencies; read into integer ten-thousandths."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from portal.fields import LARGEST_QUANTITY, MONEY_SCALE

LARGEST_AMOUNT = 1_000_000_000 * MONEY_SCALE
PLACES = 4
_LONGEST_NUMBER = 40

NOT_A_NUMBER = "Not a number"
OTHER_MARK = "Written with the other decimal mark than the one set for this file"
SHORTENED = "A spreadsheet has shortened this number (E+)"
BELOW_ZERO = "Below zero"
TOO_LARGE_QUANTITY = f"More than {LARGEST_QUANTITY:,} units"
TOO_LARGE_AMOUNT = f"More than {LARGEST_AMOUNT // MONEY_SCALE:,}"
TOO_SMALL = "Smaller than 0.0001, kept as 0"
FRACTION = "Not a whole number of units"

# Words that feeds write where there is no number; money and measures count them as empty.
NO_NUMBER = frozenset({"-", "--", "n/a", "na", "#n/a", "null", "none", "nan", "tbd", "tba"})

_CURRENCY = r"(?:[A-Z]{3}|[A-Z]{0,3}[$€£¥₹₽₩₺₫]|kr\.?|Kč|zł|Fr\.?|Rs\.?)"
_EXPONENT = re.compile(r"[-+]?\d+(?:[.,]\d+)?[eE]\+\d+$")


class Unfit(Exception):
    """A value that cannot be kept as it is. `fatal`: its row is set aside; else `value` stands in its place."""

    def __init__(self, reason: str, fatal: bool = True, value: Any = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.fatal = fatal
        self.value = value


@cache
def _number(mark: str) -> re.Pattern[str]:
    thousands = ",'’ \u00a0\u202f" if mark == "." else ".'’ \u00a0\u202f"
    return re.compile(
        rf"(?P<open>[-−+(]?)\s?(?:{_CURRENCY}\s?)?(?P<minus>[-−]?)"
        rf"(?P<whole>\d{{1,3}}(?:[{thousands}]\d{{3}})+|\d*)(?:{re.escape(mark)}(?P<part>\d*))?"
        rf"\s?(?:{_CURRENCY})?(?P<close>[-−)]?)$"
    )


def is_shortened(text: str) -> bool:
    """Whether a spreadsheet turned a long number into 1.23457E+11."""
    return bool(_EXPONENT.match(text))


def scaled(text: str, mark: str) -> int:
    """The number in ten-thousandths, rounded half away from zero. Raises Unfit."""
    found = _number(mark).match(text) if len(text) <= _LONGEST_NUMBER else None
    if not found or not (found["whole"] or found["part"]):
        raise Unfit(_why_not(text, mark))
    whole = "".join(filter(str.isdecimal, found["whole"]))
    part = found["part"] or ""
    amount = int(whole + part[:PLACES].ljust(PLACES, "0"))
    amount += part[PLACES : PLACES + 1] >= "5"
    negative = found["open"] in "-−(" and found["open"] or found["minus"] or found["close"]
    return -amount if negative else amount


def _why_not(text: str, mark: str) -> str:
    if is_shortened(text):
        return SHORTENED
    other = "," if mark == "." else "."
    if len(text) <= _LONGEST_NUMBER and other in text and _number(other).match(text):
        return OTHER_MARK
    return NOT_A_NUMBER


def plain(amount: int, mark: str = ".") -> str:
    """Ten-thousandths as the shortest text: 125000 -> "12.5"."""
    whole, part = divmod(abs(amount), MONEY_SCALE)
    text = f"{whole}{mark}{part:04}".rstrip("0").removesuffix(mark)
    return f"-{text}" if amount < 0 else text


def money_reader(mark: str) -> Callable[[str], int | None]:
    """text -> ten-thousandths of the currency; a number below 0 or none sets the row aside, one too small is noted."""

    def money(text: str) -> int | None:
        whole, _, part = text.partition(mark)
        if whole.isdecimal() and len(text) < 10 and (not part or (part.isdecimal() and len(part) <= PLACES)):
            return int(whole + (part + "0000")[:PLACES])
        if text.lower() in NO_NUMBER:
            return None
        amount = scaled(text, mark)
        if amount < 0:
            raise Unfit(BELOW_ZERO)
        if amount > LARGEST_AMOUNT:
            raise Unfit(TOO_LARGE_AMOUNT)
        if amount == 0 and _has_tail(text, mark):
            raise Unfit(TOO_SMALL, False, 0)
        return amount

    return money


def quantity_reader(mark: str) -> Callable[[str], int]:
    """text -> whole units from 0 to LARGEST_QUANTITY; 2.0 is 2; anything else sets the row aside."""

    def quantity(text: str) -> int:
        if text.isdecimal() and len(text) < 8:
            return int(text)
        amount = scaled(text, mark)
        if amount < 0:
            raise Unfit(BELOW_ZERO)
        if amount % MONEY_SCALE or _has_tail(text, mark):
            raise Unfit(FRACTION)
        if amount > LARGEST_QUANTITY * MONEY_SCALE:
            raise Unfit(TOO_LARGE_QUANTITY)
        return amount // MONEY_SCALE

    return quantity


def _has_tail(text: str, mark: str) -> bool:
    """Whether anything but zeros follows the decimal mark, beyond the places that `scaled` keeps too."""
    return any(digit in "123456789" for digit in text.partition(mark)[2])
