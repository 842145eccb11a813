"""The number of a fulfillment request, as a source takes it. Pure.

order number or channel reference ─▶ -1, -2 … where an order yields several ─▶ forbidden characters ─▶ prefix, suffix ─▶ too long?
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FROM = {"number": "The order number", "reference": "The channel’s reference, the order number where there is none"}
LONGEST = 120
LONGEST_PART = 20


@dataclass(frozen=True)
class Rules:
    """How a source's numbers are made. `forbidden`: characters, each replaced by `instead`. `longest`: None as long as may be."""

    begins: str = "number"
    before: str = ""
    after: str = ""
    forbidden: str = ""
    instead: str = "-"
    longest: int | None = None


def read(kept: Mapping[str, Any] | None) -> Rules:
    """The rules as kept: what is not as by default."""
    return Rules(**(kept or {}))


def errors_of(rules: Rules) -> dict[str, str]:
    """What is wrong with rules as typed, by field."""
    errors = {}
    if rules.begins not in FROM:
        errors["begins"] = "Choose where the number comes from."
    for name in ("before", "after", "forbidden"):
        text = getattr(rules, name)
        if len(text) > LONGEST_PART or not text.isprintable():
            errors[name] = f"Enter at most {LONGEST_PART} characters, without line breaks or tabs."
    if len(rules.instead) > 1 or not rules.instead.isprintable():
        errors["instead"] = "Enter one character, or nothing to leave them out."
    elif rules.instead and rules.instead in rules.forbidden:
        errors["instead"] = f"“{rules.instead}” is itself one of the characters that are not allowed."
    if not errors:
        for name in ("before", "after"):
            if any(sign in rules.forbidden for sign in getattr(rules, name)):
                errors[name] = "It holds a character that you do not allow."
    if rules.longest is not None and not 1 <= rules.longest <= LONGEST:
        errors["longest"] = f"Enter a whole number from 1 to {LONGEST}, or nothing."
    elif rules.longest is not None and rules.longest <= len(rules.before) + len(rules.after):
        errors["longest"] = "Prefix and suffix alone are as long as that, so no number could fit."
    return errors


def make(rules: Rules, order_number: str, reference: str, nth: int) -> str:
    """The number; `nth`: 0 for the only request of its order so far, else 1, 2 … for "-1", "-2" …"""
    stem = (reference or order_number) if rules.begins == "reference" else order_number
    text = stem + (f"-{nth}" if nth else "")
    return f"{rules.before}{clean(rules, text)}{rules.after}"


def clean(rules: Rules, text: str) -> str:
    """The text with forbidden characters replaced."""
    return "".join(rules.instead if sign in rules.forbidden else sign for sign in text)


def too_long(rules: Rules, number: str) -> bool:
    """Whether the source takes no number of that length."""
    return rules.longest is not None and len(number) > rules.longest
