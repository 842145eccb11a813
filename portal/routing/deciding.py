"""Which source ships which line, why each other one lost, and why a line finds none. Pure.

A line goes whole or not at all: to one source, or in parts to several where splitting is allowed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from portal.requests.policies import Policy


@dataclass(frozen=True)
class Need:
    """What is to be routed of an order line. `sku`: a Master SKU."""

    line: int
    sku: str
    quantity: int


@dataclass(frozen=True)
class Place:
    """A source. `rank`: its place in the merchant's order, 0 first. `barred`: why it takes no orders now, "" when it does.

    `sends`: Send Orders is on. `same_money`: its prices are in the order's currency.
    """

    key: int
    name: str
    rank: int
    barred: str = ""
    backorders: bool = False
    sends: bool = True
    same_money: bool = True


@dataclass(frozen=True)
class Offer:
    """What a source has of one SKU. `feed`: its own quantity, None when not told; `committed`: to open requests.

    `gone`: why the item cannot be ordered, "" when it can. `cost`: ten-thousandths each, None when not told.
    """

    place: int
    sku: str
    item: int
    feed: int | None
    committed: int = 0
    cost: int | None = None
    gone: str = ""

    @property
    def available(self) -> int:
        """feed - committed, never below 0."""
        return max(0, (self.feed or 0) - self.committed)


@dataclass(frozen=True)
class Pick:
    """`quantity` of a line from a source; `backorder`: how many of them it does not have."""

    line: int
    place: int
    offer: Offer
    quantity: int
    backorder: int = 0
    because: str = ""


@dataclass
class Decision:
    """`picks`, in the order of lines. `lost`: {line: [(source, why)]}. `unroutable`: {line: why}."""

    picks: list[Pick] = field(default_factory=list)
    lost: dict[int, list[tuple[str, str]]] = field(default_factory=dict)
    unroutable: dict[int, str] = field(default_factory=dict)


def decide(needs: Sequence[Need], places: Iterable[Place], offers: Iterable[Offer], policy: Policy) -> Decision:
    """Route the lines of one order. The offers' stock is shared by its lines; nothing is changed."""
    return _Case(needs, places, offers, policy).decide()


class _Case:
    """One order while it is decided. `left`: units of (source, SKU) that no line took yet."""

    def __init__(self, needs: Sequence[Need], places: Iterable[Place], offers: Iterable[Offer], policy: Policy) -> None:
        self.needs, self.policy = list(needs), policy
        self.places: Mapping[int, Place] = {place.key: place for place in places}
        self.offers = {(offer.place, offer.sku): offer for offer in offers if offer.place in self.places}
        self.left = {key: offer.available for key, offer in self.offers.items()}
        self.decision = Decision()
        self.open = {key: self._closed(key) == "" for key in self.places}

    def decide(self) -> Decision:
        rounds: list[tuple[bool, bool]] = [(silent, backorder) for silent in self._silents() for backorder in (False, True)]
        waiting = list(self.needs)
        for silent, backorder in rounds:
            able = [key for key, place in self.places.items() if self.open[key] and (place.sends or silent)]
            waiting = self._whole(waiting, able, backorder)
            if waiting and not backorder and self.policy.split == "needed":
                waiting = self._in_parts(waiting, able)
        for need in waiting:
            self.decision.unroutable[need.line] = self._why_none(need)
        self.decision.picks.sort(key=lambda pick: [need.line for need in self.needs].index(pick.line))
        for need in self.needs:
            self.decision.lost[need.line] = self._losers(need)
        return self.decision

    def _silents(self) -> Sequence[bool]:
        return (False, True) if self.policy.silent == "last" else (False,)

    def _closed(self, key: int) -> str:
        place = self.places[key]
        if place.barred:
            return place.barred
        return "Send Orders is not on, so it would not be told" if not place.sends and self.policy.silent == "never" else ""

    def _whole(self, waiting: list[Need], able: Sequence[int], backorder: bool) -> list[Need]:
        """Give the most lines to one source, then again, until none can take a whole line; what is left."""
        single = self.policy.split == "never"
        while waiting:
            fits = [(key, fit) for key in able if (fit := self._fit(key, waiting, backorder))]
            if single:
                fits = [(key, fit) for key, fit in fits if len(fit) == len(waiting) == len(self.needs)]
            if not fits:
                return waiting
            most = max(len(fit) for _, fit in fits)
            best = min((one for one in fits if len(one[1]) == most), key=lambda one: self._preference(one[0], one[1]))
            for need in best[1]:
                self._pick(need, best[0], need.quantity)
            waiting = [need for need in waiting if need not in best[1]]
        return waiting

    def _fit(self, key: int, waiting: Sequence[Need], backorder: bool) -> list[Need]:
        """The lines that the source can take whole, one after the other."""
        left, fit = dict(self.left), []
        for need in waiting:
            if not self._sells(key, need.sku):
                continue
            if left[key, need.sku] >= need.quantity or (backorder and self.places[key].backorders):
                left[key, need.sku] = max(0, left[key, need.sku] - need.quantity)
                fit.append(need)
        return fit

    def _in_parts(self, waiting: list[Need], able: Sequence[int]) -> list[Need]:
        """Lines that no single source has whole, where several together do; what is left."""
        unfit = []
        for need in waiting:
            having = [key for key in able if self._sells(key, need.sku) and self.left[key, need.sku]]
            if sum(self.left[key, need.sku] for key in having) < need.quantity:
                unfit.append(need)
                continue
            missing = need.quantity
            for key in sorted(having, key=lambda key: self._preference(key, [need])):
                taken = min(missing, self.left[key, need.sku])
                if taken:
                    self._pick(need, key, taken, "No single source has all of it.")
                    missing -= taken
        return unfit

    def _pick(self, need: Need, key: int, quantity: int, because: str = "") -> None:
        stock = self.left[key, need.sku]
        self.left[key, need.sku] = max(0, stock - quantity)
        self.decision.picks.append(
            Pick(need.line, key, self.offers[key, need.sku], quantity, max(0, quantity - stock), because)
        )  # fmt: skip

    def _sells(self, key: int, sku: str) -> bool:
        offer = self.offers.get((key, sku))
        return offer is not None and not offer.gone

    def _preference(self, key: int, needs: Sequence[Need]) -> tuple[bool, int, int]:
        place = self.places[key]
        if self.policy.by == "order":
            return (False, 0, place.rank)
        costs = [self.offers[key, need.sku].cost for need in needs]
        unknown = not place.same_money or None in costs
        total = sum((cost or 0) * need.quantity for cost, need in zip(costs, needs, strict=True))
        return (unknown, 0 if unknown else total, place.rank)

    def _why_none(self, need: Need) -> str:
        """Why no source takes the line, from what each that knows its SKU says."""
        known = [self.offers[key, need.sku] for key in self.places if (key, need.sku) in self.offers]
        if not known:
            return f"No source has an item with the Master SKU {need.sku}."
        live = [one for one in known if self.open[one.place] and not one.gone]
        if not live:
            return "; ".join(f"{self.places[one.place].name}: {self._closed(one.place) or one.gone}" for one in known[:4]) + "."
        total = sum(self._left_for(one, need) for one in live)
        if total >= need.quantity and self.policy.split == "never":
            return "No single source can ship the whole order, and splitting orders is off."
        there = ", ".join(f"{self.places[one.place].name} {self._left_for(one, need):,}" for one in live[:4])
        return f"{need.quantity:,} ordered and {total:,} available ({there}); no source with it allows backorders."

    def _losers(self, need: Need) -> list[tuple[str, str]]:
        won = [pick for pick in self.decision.picks if pick.line == need.line]
        chosen = {pick.place for pick in won}
        return [
            (place.name, self._why_lost(place, need, won))
            for place in sorted(self.places.values(), key=lambda place: place.rank)
            if place.key not in chosen and ((place.key, need.sku) in self.offers or not place.barred)
        ]  # fmt: skip

    def _why_lost(self, place: Place, need: Need, won: Sequence[Pick]) -> str:
        offer = self.offers.get((place.key, need.sku))
        if offer is None:
            return "has no item with this Master SKU"
        if closed := self._closed(place.key) or offer.gone:
            return closed
        left = self._left_for(offer, need)
        if left < need.quantity:
            other = f", {offer.available - left:,} for another line of this order" if left < offer.available else ""
            short = f"has {left:,} of {need.quantity:,} (feed {offer.feed or 0:,} - committed {offer.committed:,}{other})"
            if not place.backorders:
                return f"{short} and allows no backorders"
            if not won or not any(pick.backorder for pick in won):
                return short if won else f"{short}; it could only be a backorder"
        if not won:
            return "could ship this line, but not the whole order, and splitting is off"
        return self._why_worse(place, offer, won[0])

    def _left_for(self, offer: Offer, need: Need) -> int:
        """What the source has for the line: available, without what other lines of the order take."""
        mine = sum(pick.quantity - pick.backorder for pick in self.decision.picks if pick.offer is offer and pick.line == need.line)
        return self.left[offer.place, offer.sku] + mine

    def _why_worse(self, place: Place, offer: Offer, won: Pick) -> str:
        """The source could ship the line as the winner does, and was not chosen."""
        winner = self.places[won.place]
        if winner.sends and not place.sends:
            return "Send Orders is not on, so it comes last"
        theirs = [pick for pick in self.decision.picks if pick.place == won.place]
        if len(theirs) > 1 and not all(self._could(place.key, pick) for pick in theirs):
            return f"{winner.name} ships {len(theirs)} lines of this order together"
        if self.policy.by == "order":
            return f"comes after {winner.name} in your order of sources"
        if not place.same_money:
            return "its prices are in another currency, so they cannot be compared"
        if offer.cost is None:
            return "its cost is not known"
        if won.offer.cost is not None and winner.same_money and offer.cost > won.offer.cost:
            return f"costs {_money(offer.cost)}, {winner.name} {_money(won.offer.cost)}"
        if len(theirs) > 1:
            return f"the lines that {winner.name} ships together cost less there"
        return f"costs the same, and comes after {winner.name} in your order of sources"

    def _could(self, key: int, pick: Pick) -> bool:
        sku = next(need.sku for need in self.needs if need.line == pick.line)
        return self._sells(key, sku) and (self.offers[key, sku].available >= pick.quantity or self.places[key].backorders)


def _money(cost: int) -> str:
    text = f"{cost / 10_000:,.4f}"
    return text[:-2] if text.endswith("00") else text


def in_words(decision: Decision, name_of: Callable[[int], str]) -> str:
    """What becomes of the order, in a sentence."""
    if not decision.picks:
        return "Nothing of it can be routed."
    names = list(dict.fromkeys(name_of(pick.place) for pick in decision.picks))
    left = ("; 1 line waits", f"; {len(decision.unroutable):,} lines wait")[len(decision.unroutable) > 1] if decision.unroutable else ""
    return f"Goes to {' and '.join(names)}{left}."
