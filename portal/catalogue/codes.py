"""Identifiers as a person types them, and what spreadsheet programs did to them: told, mended only where a person says so. Pure.

A code ─▶ right: kept · damaged and provable (lost zeros, all digits there): offered · anything else: refused, with why
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from portal.mapping import kinds, mending
from portal.mapping.amounts import Unfit

CUT = r"[0-9][0-9.,eE+]*[eE]\+[0-9][0-9.,eE+]*"
"""As a regular expression of Python and of Postgres."""

_WHOLE = re.compile(CUT, re.ASCII)
_ZEROS = (8, 12, 13, 14)
CUT_WORDS = "A spreadsheet program turned it into a number and cut its digits, as in 4.00638E+12."


@dataclass(frozen=True)
class Judged:
    """What a typed code is. `value`: to be kept, "" for none. `problem`: why it is not; `offer`: what it was before the damage, proved."""

    value: str
    problem: str = ""
    offer: str = ""


def is_cut(text: str | None) -> bool:
    """Whether a code looks like a number in scientific notation: several different codes may look the same so."""
    return bool(text and _WHOLE.fullmatch(text))


def gtin(text: str) -> Judged:
    """A typed UPC, EAN or GTIN. Its check digit must be right; lost zeros and a number with all its digits are offered, not mended."""
    typed = text.strip()
    if not typed:
        return Judged("")
    if is_cut(typed):
        whole = mending.whole_digits(typed.upper()) or ""
        offer = whole if len(whole) in _ZEROS and mending.fits(whole) else ""
        return Judged("", CUT_WORDS if offer else f"{CUT_WORDS} Enter the digits as they are printed under the bars.", offer)
    digits = re.sub(r"[\s-]", "", typed)
    if offer := _with_zeros(digits):
        return Judged("", f"It has {len(digits)} digits: zeros in front are lost, as spreadsheet programs do it.", offer)
    try:
        kept = kinds.gtin(typed)
    except Unfit as unfit:
        return Judged("", f"{unfit.reason}. Enter the 8, 12, 13 or 14 digits as they are printed under the bars.")
    return Judged(kept or "")


def mpn(text: str) -> Judged:
    """A typed part number, kept to the letter."""
    typed = text.strip()
    if not is_cut(typed):
        return Judged(typed)
    return Judged("", f"{CUT_WORDS} Enter it as the maker writes it.", mending.whole_digits(typed.upper()) or "")


def _with_zeros(digits: str) -> str:
    """A code whose lost zeros its check digit proves."""
    return next((one for length in (12, 8) if (one := mending.with_zeros(digits, length))), "")
