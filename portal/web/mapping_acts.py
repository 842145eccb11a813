"""What the buttons of the mapping editor do to a Draft: add, remove, move. Nothing is saved. Pure.

do=add-step:f.sku · do=up-step:f.sku:1 · do=remove-value:f.sku:0:4 · do=add:w · do=show:needs
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.web.mapping_form import COLUMN, MOST_ENTRIES, Draft, RuleDraft

LONGEST_NAME = 80


def act(draft: Draft, do: str, new_step: Mapping[str, Any] | None = None, seen: Sequence[str] = ()) -> Draft:
    """Do what the button named `do` says, on the draft itself; an unknown name changes nothing.

    `new_step`: the step that add-step puts last. `seen`: their values that fill-values adds to a value table.
    """
    verb, *rest = do.split(":")
    place, numbers = (rest or [""])[0], [int(part) for part in rest[1:] if part.isdecimal()]
    rule = draft.rule(place)
    if verb in _OF_DRAFT:
        _OF_DRAFT[verb](draft, ":".join(rest))
    elif rule is not None and verb in _OF_RULE:
        _OF_RULE[verb](rule, numbers)
    elif rule is not None and verb == "add-step" and new_step:
        rule.steps.append(dict(new_step))
    elif rule is not None and verb == "fill-values" and numbers:
        _fill(rule, numbers[0], seen)
    return draft


def place_of(do: str) -> str:
    """The row that a button belongs to; "" for one of the whole editor."""
    parts = do.split(":")
    return parts[1] if len(parts) > 1 and parts[1][:2] in ("f.", "w.", "x.", "r.") else ""


def _open(draft: Draft, place: str) -> None:
    if place not in draft.opened:
        draft.opened.append(place)


def _close(draft: Draft, place: str) -> None:
    draft.opened = [one for one in draft.opened if one != place]


def _show(draft: Draft, which: str) -> None:
    draft.show = "needs" if which == "needs" else "all"


def _add(draft: Draft, rest: str) -> None:
    """One more row of a kind, ready for the column named, if one is: "x" or "x:Colour"."""
    kind, _, column = rest.partition(":")
    rows = draft.listed(kind)
    if kind in ("w", "x") and len(rows) < MOST_ENTRIES:
        rows.append(RuleDraft(f"{kind}.{len(rows)}", name=column[:LONGEST_NAME], choice=COLUMN + column if column else ""))


def _remove(draft: Draft, place: str) -> None:
    """Take a row out; those after it move up, with their open panels."""
    kind, _, number = place.partition(".")
    rows = draft.listed(kind) if kind in ("w", "x") else []
    if not number.isdecimal() or int(number) >= len(rows):
        return
    gone = int(number)
    del rows[gone]
    moved = {f"{kind}.{n + (n >= gone)}": f"{kind}.{n}" for n in range(len(rows))}
    draft.opened = [moved.get(one, one) for one in draft.opened if one != place]
    for n, rule in enumerate(rows):
        rule.place = f"{kind}.{n}"


def _add_column(rule: RuleDraft, _: Sequence[int]) -> None:
    if len(rule.more) < MOST_ENTRIES:
        rule.more.append("")


def _remove_column(rule: RuleDraft, numbers: Sequence[int]) -> None:
    if numbers and numbers[0] < len(rule.more):
        del rule.more[numbers[0]]


def _remove_step(rule: RuleDraft, numbers: Sequence[int]) -> None:
    if numbers and numbers[0] < len(rule.steps):
        del rule.steps[numbers[0]]


def _up_step(rule: RuleDraft, numbers: Sequence[int]) -> None:
    if numbers and 0 < numbers[0] < len(rule.steps):
        n = numbers[0]
        rule.steps[n - 1], rule.steps[n] = rule.steps[n], rule.steps[n - 1]


def _down_step(rule: RuleDraft, numbers: Sequence[int]) -> None:
    _up_step(rule, [numbers[0] + 1] if numbers else [])


def _add_value(rule: RuleDraft, numbers: Sequence[int]) -> None:
    table = _table(rule, numbers)
    if table is not None and len(table) < MOST_ENTRIES:
        table.append(["", ""])


def _remove_value(rule: RuleDraft, numbers: Sequence[int]) -> None:
    table = _table(rule, numbers)
    if table is not None and len(numbers) > 1 and numbers[1] < len(table):
        del table[numbers[1]]


def _fill(rule: RuleDraft, number: int, seen: Sequence[str]) -> None:
    """Their values not in the table yet, each with nothing beside it to type into."""
    table = _table(rule, [number])
    if table is not None:
        known = {their for their, _ in table}
        table[:] = [pair for pair in table if any(pair)] + [[value, ""] for value in seen if value not in known]
        del table[MOST_ENTRIES:]


def _table(rule: RuleDraft, numbers: Sequence[int]) -> list[list[str]] | None:
    if not numbers or numbers[0] >= len(rule.steps):
        return None
    pairs: list[list[str]] = rule.steps[numbers[0]].setdefault("pairs", [])
    return pairs


_OF_DRAFT: dict[str, Callable[[Draft, str], None]] = {
    "open": _open,
    "close": _close,
    "show": _show,
    "add": _add,
    "remove": _remove,
}

_OF_RULE: dict[str, Callable[[RuleDraft, Sequence[int]], None]] = {
    "add-column": _add_column,
    "remove-column": _remove_column,
    "remove-step": _remove_step,
    "up-step": _up_step,
    "down-step": _down_step,
    "add-value": _add_value,
    "remove-value": _remove_value,
}
