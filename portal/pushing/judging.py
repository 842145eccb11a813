"""What a push would do to a listing, and when that is too much to do unasked. Pure.

offer + what the store has ─▶ Wanted (units, price, what is held)        counts ─▶ trips ─▶ a person decides
"""

from __future__ import annotations

from dataclasses import dataclass

ONE_CENT = 100


@dataclass(frozen=True)
class Guard:
    """What is held: `zero`: whatever falls to 0 units; `moves`: whatever price moves by more than `move` percent."""

    zero: bool = False
    moves: bool = False
    move: int = 50


@dataclass(frozen=True)
class Wanted:
    """The parts that are to be set, None for what stays; `held` says that a part of it waits for a person."""

    units: int | None = None
    price: int | None = None
    held: bool = False

    @property
    def nothing(self) -> bool:
        """Whether nothing is to be set."""
        return self.units is None and self.price is None


def wanted(units: int | None, price: int | None, offer_units: int, offer_price: int | None, guard: Guard) -> Wanted:
    """What differs between a store (`units`, `price`; None where it does not tell) and an offer, less what the guard holds.

    `offer_price` None: no price is to be set. Prices are ten-thousandths; less than a cent is no difference, as stores round.
    """
    new_units = offer_units if units != offer_units else None
    new_price = offer_price if offer_price is not None and (price is None or abs(price - offer_price) >= ONE_CENT) else None
    empties = guard.zero and new_units is not None and falls(units, offer_units)
    moved = guard.moves and new_price is not None and leaps(price, new_price, guard.move)
    return Wanted(None if empties else new_units, None if moved else new_price, empties or moved)


def falls(units: int | None, new: int) -> bool:
    """Whether something that was sold would not be any more."""
    return units is not None and units > 0 and new == 0


def leaps(price: int | None, new: int | None, percent: int) -> bool:
    """Whether a price moves by more than so many percent, up or down."""
    return bool(price) and new is not None and price is not None and abs(new - price) * 100 > percent * price


def trips(count: int, live: int, share: int, least: int) -> bool:
    """Whether so many of the live listings are too many: at least `least`, and more than `share` percent."""
    return count >= least and count * 100 > share * live
