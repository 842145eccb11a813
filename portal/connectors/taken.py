"""The lines of an order: what a store has of them before it leaves, and what it says that it took. Pure.

document ─▶ wanted {key: units}      their stock ─▶ short      their answer ─▶ differences, in sentences
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from portal.connectors import answers

MOST_NAMED = 5
LONGEST_KEY = 80


@dataclass(frozen=True)
class Taken:
    """How the lines that they took are found and compared, by paths.

    `ours`: the list in our document, `theirs`: in their answer; in a line `key` and `their_key` say which item, `quantity` and
    `their_quantity` how many. `cut`: true where their answer holds only a part of the lines. `path` with {id}: their list of the lines,
    as "lines", where their answer does not tell them. `cancel_path` with {id}, `cancel_method`
    and `cancel_body`: the request that cancels their order; `canceled` is true in the answer that proves it.
    """

    ours: str = ""
    theirs: str = ""
    key: str = ""
    their_key: str = ""
    quantity: str = "quantity"
    their_quantity: str = "quantity"
    cut: str = ""
    path: str = ""
    cancel_path: str = ""
    cancel_method: str = "PUT"
    cancel_body: str = ""
    canceled: str = ""

    @property
    def cancels(self) -> bool:
        """Whether their order can be cancelled by their API."""
        return bool(self.cancel_path)

    def differences(self, document: bytes, answer: Any) -> list[str] | None:
        """What they took other than we sent, a clause each; None where their answer does not tell the lines, or not all of them.

        Letters of a key may be large or small: stores look them up so.
        """
        lines = _list(answer, self.theirs)
        if lines is None or (self.cut and answers.at(answer, self.cut)):
            return None
        sent = wanted(document, self.ours, self.key, self.quantity)
        took, names, nameless = dict[str, Decimal](), dict[str, str](), Decimal(0)
        for line in lines:
            key, units = _key(line, self.their_key), _units(line, self.their_quantity)
            if units is None:
                return None
            if not key:
                nameless += units
                continue
            took[key.casefold()] = took.get(key.casefold(), Decimal(0)) + units
            names[key.casefold()] = key
        told = [
            f"{_shown(key)}: {_count(units, 'was', 'were')} sent, they took {_number(took.get(key.casefold(), Decimal(0)))}"
            for key, units in sent.items()
            if took.get(key.casefold(), Decimal(0)) != units
        ]
        ours = {key.casefold() for key in sent}
        told += [f"{_shown(names[key])}: not sent, they took {_number(units)}" for key, units in took.items() if key not in ours and units]
        if nameless:
            told.append(f"{_number(nameless)} of a line that names no item")
        return _some(told)


@dataclass(frozen=True)
class Stock:
    """What is asked before an order leaves: `path` with {keys}, `items` of its answer, in an item `their_key` and `left`.

    `left` is a path to the number of units that are left; what is no number there says that there is no limit. `ours`, `key` and
    `quantity`: as in Taken.
    """

    path: str = ""
    ours: str = ""
    key: str = ""
    their_key: str = ""
    left: str = ""
    quantity: str = "quantity"
    items: str = ""

    def asked(self, document: bytes) -> list[str]:
        """The keys of the document's lines that a list of keys can hold."""
        return [key for key in wanted(document, self.ours, self.key, self.quantity) if "," not in key]

    def short(self, document: bytes, items: Iterable[Mapping[str, Any]]) -> list[str]:
        """What they have too little of, or do not know, a clause each."""
        known: dict[str, Decimal | None] = {}
        for one in items:
            left = answers.at(one, self.left)
            known[_key(one, self.their_key).casefold()] = _decimal(left) if isinstance(left, int | float | str) else None
        told = []
        for key, units in wanted(document, self.ours, self.key, self.quantity).items():
            if "," in key:
                continue  # cannot be asked for in a list; what they took of it is compared afterwards
            if key.casefold() not in known:
                told.append(f"{_shown(key)}: the store does not know it")
            elif (left_now := known[key.casefold()]) is not None and left_now < units:
                told.append(f"{_shown(key)}: {_number(units)} to order, {_number(max(left_now, Decimal(0)))} left")
        return _some(told)


def wanted(document: bytes, ours: str, key: str, quantity: str) -> dict[str, Decimal]:
    """{key: units} of the lines of a JSON document, in their order. Raises Unreadable for one that was made by another layout."""
    lines = _list(answers.read(document, "json"), ours)
    if lines is None:
        raise answers.Unreadable(f"The document has no lines at {ours}")
    found: dict[str, Decimal] = {}
    for line in lines:
        name, units = _key(line, key), _units(line, quantity)
        if not name or units is None:
            raise answers.Unreadable(f"A line of the document has no {key} or {quantity}")
        found[name] = found.get(name, Decimal(0)) + units
    return found


def _list(body: Any, path: str) -> list[Mapping[str, Any]] | None:
    found = answers.at(body, path)
    return found if isinstance(found, list) and all(isinstance(one, Mapping) for one in found) else None


def _key(line: Mapping[str, Any], path: str) -> str:
    found = answers.at(line, path)
    return str(found).strip() if isinstance(found, str | int) and not isinstance(found, bool) else ""


def _units(line: Mapping[str, Any], path: str) -> Decimal | None:
    return _decimal(answers.at(line, path))


def _decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _some(told: list[str]) -> list[str]:
    more = len(told) - MOST_NAMED
    return [*told[:MOST_NAMED], f"and {more} more"] if more > 0 else told


def _shown(key: str) -> str:
    return key if len(key) <= LONGEST_KEY else f"{key[:LONGEST_KEY]}…"


def _number(units: Decimal) -> str:
    return f"{units.normalize():f}"


def _count(units: Decimal, one: str, many: str) -> str:
    return f"{_number(units)} {one if units == 1 else many}"
