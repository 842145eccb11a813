"""What the columns of a feed held, kept small, and what a later feed's columns say beside it: gone, doubled, moved, renamed.

A column's values are kept as the lowest hashes of their different texts, so that two files are compared without either.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from xxhash import xxh32_intdigest

from portal.records import Row

LOWEST = 2_000  # hashes kept of one column
MOST_HASHES = 40_000  # of all columns together
MOST_ROWS = 50_000
SAMPLES = 3
LONGEST_SAMPLE = 60
SURELY_MOVED = 0.5  # another column holds this much more of a column's old values than the column itself
_END = 1 << 32
_MADE_UP = re.compile(r"Column \d+( \(\d+\))?")


@dataclass(frozen=True)
class Column:
    """One column of a feed. `hashes`: the lowest of its values' hashes, all of those below `below`."""

    name: str
    shape: str
    hashes: frozenset[int]
    below: int
    samples: tuple[str, ...]

    def told(self) -> dict[str, Any]:
        """As a contract keeps it."""
        packed = b"".join(number.to_bytes(4, "big") for number in sorted(self.hashes))
        return {
            "name": self.name, "shape": self.shape, "sketch": base64.b64encode(packed).decode(), "below": self.below,
            "samples": list(self.samples),
        }  # fmt: skip

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Column:
        """The column that `told` gave."""
        packed = base64.b64decode(told["sketch"])
        hashes = frozenset(int.from_bytes(packed[at : at + 4], "big") for at in range(0, len(packed), 4))
        return cls(told["name"], told["shape"], hashes, told["below"], tuple(told["samples"]))


@dataclass(frozen=True)
class Drift:
    """Why a feed must not be read by the mapping made on an earlier one. `columns`: mapped ones that are gone, doubled or moved.

    `why`: missing, doubled, moved or count.
    """

    why: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Proposal:
    """A column of the new feed for one of the old. `overlap`: share (0 to 1) of the old one's values in it, or None."""

    column: str
    overlap: float | None


def sketched(headers: Sequence[str], rows: Iterable[Row], most: int = MOST_ROWS) -> list[Column]:
    """The columns of the first `most` rows, in their order."""
    keep = max(50, min(LOWEST, MOST_HASHES // max(len(headers), 1)))
    hashes: list[set[int]] = [set() for _ in headers]
    below = [_END] * len(headers)
    first: list[list[str]] = [[] for _ in headers]
    for row in islice(rows, most):
        for n, cell in enumerate(row.cells[: len(headers)]):
            text = cell.strip()
            if not text:
                continue
            if len(first[n]) < 50:
                first[n].append(text)
            number = xxh32_intdigest(text.encode("utf-8", "surrogatepass"))
            if number < below[n]:
                hashes[n].add(number)
                if len(hashes[n]) > 4 * keep:
                    hashes[n], below[n] = _lowest(hashes[n], keep)
    return [_column(name, first[n], hashes[n], below[n], keep) for n, name in enumerate(headers)]


def overlap(old: Column, new: Column) -> float:
    """The share of the old column's values that the new one holds, estimated where both kept every hash."""
    limit = min(old.below, new.below)
    theirs = {number for number in old.hashes if number < limit}
    return len(theirs & new.hashes) / len(theirs) if theirs else 0.0


def drift(old: Sequence[Column], new_names: Sequence[str], needed: Sequence[str], headerless: bool) -> Drift | None:
    """What the names alone say; None when they fit."""
    names = [column.name for column in old]
    if headerless and len(names) != len(new_names):
        return Drift("count", tuple(needed))
    if missing := tuple(name for name in needed if name not in new_names):
        return Drift("missing", missing)
    if doubled := tuple(name for name in needed if f"{name} (2)" in new_names and f"{name} (2)" not in names):
        return Drift("doubled", doubled)
    made_up = tuple(name for name in needed if _MADE_UP.fullmatch(name))
    if not headerless and made_up and list(new_names) != names:
        return Drift("moved", made_up)  # a column without a name is known by its place only
    return None


def moved(old: Sequence[Column], new: Sequence[Column], needed: Sequence[str]) -> Drift | None:
    """What the values say: a mapped column whose old values now stand in another."""
    before, now = {column.name: column for column in old}, {column.name: column for column in new}
    wrong = []
    for name in needed:
        if name in before and name in now:
            others = max((overlap(before[name], column) for column in new if column.name != name), default=0.0)
            if others - overlap(before[name], now[name]) >= SURELY_MOVED:
                wrong.append(name)
    return Drift("moved", tuple(wrong)) if wrong else None


def proposals(old: Sequence[Column], new: Sequence[Column], wanted: Sequence[str], kept: Sequence[str]) -> dict[str, list[Proposal]]:
    """Columns of the new feed for each wanted one, the likeliest first; a column that the mapping reads as before (`kept`) comes last.

    By the values it holds; equally many, by its place, then by its name.
    """
    before = {column.name: (place, column) for place, column in enumerate(old)}
    found = {}
    for name in wanted:
        place, column = before.get(name, (-1, None))
        ranked = []
        for at, one in enumerate(new):
            share = overlap(column, one) if column and column.hashes else None
            likeness = (one.name in kept, -round(share or 0.0, 2), at != place, _tidy(one.name) != _tidy(name), at)
            ranked.append((likeness, Proposal(one.name, share)))
        found[name] = [proposal for _, proposal in sorted(ranked, key=lambda pair: pair[0])]
    return found


def renamed(rules: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The rules reading other columns: old name -> new name, all at once."""

    def of(rule: Mapping[str, Any]) -> dict[str, Any]:
        return {**rule, "columns": [names.get(one, one) for one in rule["columns"]]} if rule.get("columns") else dict(rule)

    changed = dict(rules)
    changed["fields"] = {key: of(rule) for key, rule in (rules.get("fields") or {}).items()}
    if rules.get("custom"):
        changed["custom"] = [of(rule) for rule in rules["custom"]]
    if rules.get("warehouse_rows"):
        changed["warehouse_rows"] = of(rules["warehouse_rows"])
    if rules.get("warehouses"):
        changed["warehouses"] = [{**one, "column": names.get(one["column"], one["column"])} for one in rules["warehouses"]]
    return changed


def differences(old: Sequence[str], new: Sequence[str]) -> tuple[list[str], list[str]]:
    """(names that came, names that went)."""
    return [name for name in new if name not in old], [name for name in old if name not in new]


def _column(name: str, first: Sequence[str], hashes: set[int], below: int, keep: int) -> Column:
    if len(hashes) > keep:
        hashes, below = _lowest(hashes, keep)
    samples = tuple(text[:LONGEST_SAMPLE] for text in list(dict.fromkeys(first))[:SAMPLES])
    return Column(name, _shape(first), frozenset(hashes), below, samples)


def _lowest(hashes: set[int], keep: int) -> tuple[set[int], int]:
    ordered = sorted(hashes)
    return set(ordered[:keep]), ordered[keep]


def _shape(texts: Sequence[str]) -> str:
    if not texts:
        return "empty"
    for shape, fits in (("whole numbers", _WHOLE), ("numbers", _NUMBER), ("web addresses", _ADDRESS)):
        if sum(bool(fits.fullmatch(text)) for text in texts) >= 0.95 * len(texts):
            return shape
    return "texts"


_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,' ]*|[+-]?[.,][0-9]+")
_ADDRESS = re.compile(r"https?://\S+")


def _tidy(name: str) -> str:
    return "".join(_letters(name))


def _letters(name: str) -> Iterator[str]:
    return (sign for sign in name.casefold() if sign.isalnum())
