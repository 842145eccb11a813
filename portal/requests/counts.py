"""The quantities of one request line, and how they may move: ordered = open + acknowledged + shipped + cancelled + voided. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

BUCKETS = {
    "open": "open",
    "acknowledged": "accepted, not shipped",
    "shipped": "shipped",
    "cancelled": "cancelled by the supplier",
    "voided": "withdrawn by us",
}
ACTS: dict[str, tuple[tuple[str, ...], str]] = {
    "accept": (("open",), "acknowledged"),
    "cancel": (("open", "acknowledged"), "cancelled"),
    "void": (("open", "acknowledged"), "voided"),
    "ship": (("acknowledged", "open"), "shipped"),
    "unship": (("shipped",), "acknowledged"),
}
"""act -> (the buckets that it takes from, in order; the one that it fills)."""


@dataclass(frozen=True)
class Move:
    """`quantity` units of a line went from one bucket to another."""

    source: str
    target: str
    quantity: int


class TooMany(Exception):
    """An act asks for more units than there are: an exception that a person sees, never clamped. `possible`: how many there are."""

    def __init__(self, act: str, asked: int, possible: int) -> None:
        super().__init__(f"{act} {asked} of {possible}")
        self.act, self.asked, self.possible = act, asked, possible


@dataclass(frozen=True)
class Counts:
    """Whole units, none below 0. Raises ValueError where they do not add up."""

    ordered: int
    open: int
    acknowledged: int = 0
    shipped: int = 0
    cancelled: int = 0
    voided: int = 0

    def __post_init__(self) -> None:
        parts = [getattr(self, name) for name in BUCKETS]
        if self.ordered <= 0 or min(parts) < 0 or sum(parts) != self.ordered:
            raise ValueError(f"{self} does not add up")

    @property
    def live(self) -> int:
        """What is still to be shipped or was: neither cancelled nor voided."""
        return self.ordered - self.cancelled - self.voided

    @property
    def held(self) -> int:
        """Units that the supplier must keep for it."""
        return self.open + self.acknowledged

    def possible(self, act: str) -> int:
        """How many units `act` could move."""
        return sum(int(getattr(self, name)) for name in ACTS[act][0])

    def after(self, act: str, quantity: int) -> tuple[Counts, Sequence[Move]]:
        """The counts once `act` moved `quantity` units, and the moves. Raises TooMany, ValueError for fewer than one."""
        if quantity < 1:
            raise ValueError(f"{act} {quantity}")
        if quantity > (possible := self.possible(act)):
            raise TooMany(act, quantity, possible)
        sources, target = ACTS[act]
        moves, values, left = [], {name: int(getattr(self, name)) for name in BUCKETS}, quantity
        for name in sources:
            taken = min(left, values[name])
            if taken:
                values[name] -= taken
                values[target] += taken
                moves.append(Move(name, target, taken))
                left -= taken
        return replace(self, **values), moves


def shipped_axis(lines: Sequence[Counts]) -> str:
    """awaiting, partial, shipped or canceled (PRODUCT 3.2) of a request with these lines."""
    live, shipped = sum(line.live for line in lines), sum(line.shipped for line in lines)
    if not live:
        return "canceled"
    return "shipped" if shipped == live else "partial" if shipped else "awaiting"


def share(done: int, of: int) -> str:
    """not_started, partial or completed (PRODUCT 2.6)."""
    return "not_started" if not done else "completed" if done == of else "partial"
