"""What a spreadsheet did to the values of the editor's columns, and the repairs that a click puts among their changes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal import mappings
from portal.errors import SupplierError
from portal.mappings import Sample
from portal.records import Damage
from portal.web.mapping_form import RuleDraft

BUTTONS = {"zeros": "Put the zeros back", "digits": "Restore the digits", "errors": "Leave the errors out"}
_FIRST = ("errors", "digits", "zeros")  # whole digits before their zeros


@dataclass(frozen=True)
class Hurt:
    """One damage of a line's column: what it says now, and the button that repairs it ("" when that is done, or nothing can)."""

    number: int
    words: str
    button: str
    repaired: bool


def of_sample(sample: Sample, rules: Mapping[str, Any]) -> list[Damage]:
    """The damage in the sample; none when it cannot be read, which the preview says."""
    try:
        return list(mappings.damage(sample, rules))
    except SupplierError:
        return []


def of_line(rule: RuleDraft, found: Iterable[Damage]) -> list[Hurt]:
    """What concerns the columns of one line."""
    hurts = []
    for number, one in enumerate(_of_columns(rule, found)):
        repair = one.repair["do"] if one.repair else ""
        repaired = any(step.get("do") == repair for step in rule.steps)
        hurts.append(Hurt(number, _repaired(one) if repaired else one.words, "" if repaired else BUTTONS.get(repair, ""), repaired))
    return hurts


def repair(rule: RuleDraft, number: int, found: Iterable[Damage]) -> None:
    """Put the repair of that damage before the line's other changes, once."""
    listed = _of_columns(rule, found)
    step = dict(listed[number].repair or {}) if number < len(listed) else {}
    if not step or any(one.get("do") == step["do"] for one in rule.steps):
        return
    done = [one.get("do") for one in rule.steps]
    at = max((n + 1 for n, do in enumerate(done) if do in _FIRST and _FIRST.index(do) < _FIRST.index(step["do"])), default=0)
    rule.steps.insert(at, step)


def sentences(lines: Sequence[tuple[str, Sequence[Hurt]]]) -> list[str]:
    """What the repairs do, for the preview: a sentence for each, with the name of our field."""
    return [f"{label}: {hurt.words}" for label, hurts in lines for hurt in hurts if hurt.repaired]


def _of_columns(rule: RuleDraft, found: Iterable[Damage]) -> list[Damage]:
    return [one for one in found if one.column in rule.columns]


def _repaired(one: Damage) -> str:
    do, left = one.repair["do"] if one.repair else "", one.count - one.restored
    values = f"{one.restored:,} of {one.of:,} values of “{one.column}”"
    if do == "errors":
        return f"{values} were errors of a spreadsheet program and count as empty."
    what = "got their lost zeros back" if do == "zeros" else "got all their digits back"
    others = f" {left:,} more {'stays' if left == 1 else 'stay'} short: no check digit proves it." if left else ""
    return f"{values} {what}.{others}"
