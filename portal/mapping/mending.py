"""Undoing what spreadsheet programs did to codes, where nothing is lost: each answers only what is certain."""

from __future__ import annotations

import re

SHORTEST_MANTISSA = 6  # decimals; a spreadsheet shows at most five, and those are cut
MOST_LOST = 4  # leading zeros that a code may have lost
CODE_LENGTHS = ("8", "12", "13", "14")
_SHORT_CODES = frozenset({8, 12, 13})  # lengths that are codes by themselves
_EXACT = re.compile(r"(\d)[.,](\d+)E\+?(\d{1,2})", re.I)
_SHEET_ERROR = re.compile(r"#(?:REF|NAME|VALUE|DIV/0|NULL|NUM|N/A|#{4,8})[!?]?$", re.I)


def whole_digits(text: str, mark: str = ".") -> str | None:
    """ "4.006381333931E+12" -> "4006381333931" and "10442.0" -> "10442"; None where digits are missing or nothing is to be done."""
    if text.endswith(mark + "0") and text[:-2].isdecimal():
        return text[:-2]
    found = _EXACT.fullmatch(text)
    if found and len(found[2]) >= SHORTEST_MANTISSA and len(found[2]) == int(found[3]):
        return found[1] + found[2]
    return None


def with_zeros(text: str, length: int) -> str | None:
    """A code with its lost leading zeros, when its check digit proves it; None for any other text."""
    short = length - MOST_LOST <= len(text) < length and len(text) not in _SHORT_CODES
    return text.rjust(length, "0") if short and text.isascii() and text.isdecimal() and fits(text) and text.strip("0") else None


def fits(digits: str) -> bool:
    """Whether the last digit is the GS1 check digit of the others; zeros before them change nothing."""
    total = sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(reversed(digits)))
    return total % 10 == 0


def is_error(text: str) -> bool:
    """Whether it is an error message of a spreadsheet, such as #N/A."""
    return text[:1] == "#" and bool(_SHEET_ERROR.match(text))
