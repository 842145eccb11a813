"""What repeats in an XML or JSON document, and which of it is the item: a tree of paths with counts and samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from portal.feeds.sniff import names_our_field

MOST_PATHS = 2_000
LONGEST_PATH = 500  # of what may be chosen
MOST_SAMPLES = 3
LONGEST_SAMPLE = 60
_DEEPEST_SCORED = 2


@dataclass
class Branch:
    """One path of the document: how often it was seen, whether it holds more paths, and some of its values."""

    path: str
    count: int = 0
    holds: bool = False
    samples: list[str] = field(default_factory=list)
    fields: dict[str, int] = field(default_factory=dict)  # plain values inside, up to two levels down -> how deep

    @property
    def named(self) -> float:
        """How many values inside name one of our fields; those further in count less."""
        return sum(1 if depth == 1 else 0.6 for name, depth in self.fields.items() if names_our_field(name))


class Tree:
    """Collects branches while a document is walked."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self.branches: dict[str, Branch] = {}

    def meet(self, path: str) -> Branch | None:
        """The branch of the path, a new one for a new path; None when there are too many."""
        branch = self.branches.get(path)
        if branch is None and len(self.branches) < MOST_PATHS:
            branch = self.branches[path] = Branch(path)
        return branch

    def saw(self, path: str, holds: bool, value: str = "") -> None:
        """Count one element or value at the path."""
        branch = self.meet(path)
        if branch is None:
            return
        branch.count += 1
        branch.holds = branch.holds or holds
        if value and len(branch.samples) < MOST_SAMPLES and value[:LONGEST_SAMPLE] not in branch.samples:
            branch.samples.append(value[:LONGEST_SAMPLE])

    def finish(self) -> None:
        """Tell each branch which plain values are in it."""
        for path, branch in self.branches.items():
            if branch.holds:
                continue
            above, name = path, path.rpartition(self._separator)[2]
            for depth in range(1, _DEEPEST_SCORED + 2):
                above = above.rpartition(self._separator)[0]
                if above in self.branches:
                    self.branches[above].fields.setdefault(name, depth)


@dataclass(frozen=True)
class Choice:
    """The path of the rows and, relative to it, the list inside each that gives a row of its own ("" = none)."""

    row_path: str
    variants: str
    words: str


def choose(branches: Sequence[Branch], separator: str, lists: Iterable[str] | None = None) -> Choice | None:
    """The branch that is the item. `lists`: paths that may be rows at all; None = all that hold others."""
    allowed = None if lists is None else set(lists)
    usable = [one for one in branches if may_be_chosen(one.path)]
    candidates = [one for one in usable if one.holds and one.fields and (allowed is None or one.path in allowed)]
    if not candidates:
        return None
    best = max(candidates, key=_score)
    above = [one for one in candidates if best.path.startswith(one.path + separator) and _is_parent(one, best)]
    item = min(above, key=lambda one: len(one.path)) if above else best
    variants = variants_of(item, candidates, separator)
    words = f"{item.path}: {item.count:,} seen" + (f", a row for each of its {variants.lstrip(separator)}." if variants else ".")
    return Choice(item.path, variants, words)


def may_be_chosen(path: str) -> bool:
    """Whether a format can hold the path."""
    return len(path) <= LONGEST_PATH and path.isprintable()


def keyed(branches: Sequence[Branch], separator: str) -> Choice | None:
    """Items that stand under their own keys, {"A1": {…}, "A2": {…}}: three and more that hold the same values, each once."""
    groups: dict[str, list[Branch]] = {}
    for one in branches:
        above = one.path.rpartition(separator)[0]
        if one.holds and one.fields and one.count == 1 and above and may_be_chosen(f"{above}{separator}*"):
            groups.setdefault(above, []).append(one)
    for above, inside in groups.items():
        alike = set.intersection(*(set(one.fields) for one in inside))
        if len(inside) > 2 and len(alike) > 1 and any(map(names_our_field, alike)):
            return Choice(f"{above}{separator}*", "", f"{above}: {len(inside):,} items, each under its own key.")
    return None


def _score(branch: Branch) -> float:
    direct = sum(depth == 1 for depth in branch.fields.values())
    return (0.5 + branch.named + 0.05 * min(direct, 10)) * math.log2(1 + branch.count)


def _is_parent(parent: Branch, child: Branch) -> bool:
    """Whether the child is a variant of the parent rather than the parent a group of items."""
    direct = sum(depth == 1 and names_our_field(name) for name, depth in parent.fields.items())
    return parent.count > 1 and direct > 1 and child.count <= 100 * parent.count


def variants_of(item: Branch, candidates: Sequence[Branch], separator: str) -> str:
    """The repeated list inside the item that names most of what a row of its own needs."""
    inside = [one for one in candidates if one.fields and one.path.startswith(item.path + separator) and one.count > item.count]
    inside = [one for one in inside if sum(names_our_field(name, VARYING) for name in one.fields)]
    best = max(inside, key=lambda one: (one.named, -len(one.path)), default=None)
    return best.path[len(item.path) + len(separator) :] if best else ""


VARYING = ("sku", "upc", "mpn", "quantity")
