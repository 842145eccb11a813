"""Price and quantity of one listing, with each step in words. Pure: the model that the set-wise SQL of `offers` is held to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from portal.fields import MONEY_SCALE
from portal.listings.rules import FACTOR_SCALE, MOST_PRICE, TO_THE_CENT, Rules, plain

CENT = MONEY_SCALE // 100
MOST_UNITS = 1_000_000_000
"""Of one item, and of one listing: what a source says beyond is counted as so many."""


@dataclass(frozen=True)
class Item:
    """An item behind the product. `left_out`: why it does not count, "" where it does. Costs are ten-thousandths of `currency`."""

    source: str
    sku: str
    feed: int = 0
    committed: int = 0
    cost: int | None = None
    map_price: int | None = None
    currency: str = "USD"
    backorders: bool = False
    left_out: str = ""

    @property
    def units(self) -> int:
        """Left to sell: feed - committed, never below 0."""
        return min(MOST_UNITS, max(0, self.feed - self.committed))


@dataclass(frozen=True)
class Own:
    """What a listing says itself, None where the rule counts."""

    price: int | None = None
    buffer: int | None = None
    cap: int | None = None
    state: str = "live"


@dataclass(frozen=True)
class Told:
    """A number with the steps to it, each a sentence. `value`: None for no price, which the last step explains."""

    value: int | None
    steps: Sequence[str]


def lowest_allowed(currency: str, items: Sequence[Item]) -> int | None:
    """The MAP of a listing: the highest that one of its counting items of that currency names, None for none."""
    return max((one.map_price for one in items if not one.left_out and one.currency == currency and one.map_price), default=None)


def not_compared(currency: str, items: Sequence[Item]) -> list[str]:
    """MAPs of counting items in other currencies, each as "MAP 12.00 EUR of Kestrel": nothing is converted."""
    abroad = [one for one in items if not one.left_out and one.currency != currency and (one.map_price or 0) > 0]
    return sorted({f"MAP {amount(one.map_price or 0)} {one.currency} of {one.source}" for one in abroad})


def price(rules: Rules, own: Own, items: Sequence[Item]) -> Told:
    """The price: its own as it is, else by the rule, which gives none where no counting item has a cost in the channel's currency.

    Nor where it must not be below a MAP that is in another currency.
    """
    least, abroad = lowest_allowed(rules.currency, items), not_compared(rules.currency, items)
    unknown = f"{' and '.join(abroad)} {'is' if len(abroad) == 1 else 'are'} not compared: nothing is converted"
    if own.price is not None:
        below = f", below MAP {amount(least)}" if least is not None and own.price < least else ""
        return Told(own.price, [f"its own price {amount(own.price)}{below}{f'; {unknown}' if abroad else ''}"])
    if not rules.price.factor:
        return Told(None, ["the channel has no price rule yet"])
    if abroad and rules.price.map_floor:
        return Told(None, [_why_no_floor(rules, items)])
    used = _used(rules, items)
    if used is None or used.cost is None:
        return Told(None, [_why_no_cost(rules, items)])
    raw = (used.cost * rules.price.factor + FACTOR_SCALE // 2) // FACTOR_SCALE
    steps = [*([unknown] if abroad else []), _first(rules, used, raw)]
    if rules.price.amount:
        steps.append(f"{amount(raw)} + {amount(rules.price.amount)} = {amount(raw + rules.price.amount)}")
        raw += rules.price.amount
    if rules.price.map_floor and least is not None:
        steps.append(f"MAP {amount(least)} → {amount(least)}" if least > raw else f"not below MAP {amount(least)}")
        raw = max(raw, least)
    value = rounded(raw, rules.ending, least if rules.price.map_floor else None)
    if value != raw:
        steps.append(f"rounded to {amount(value)}")
    if value > MOST_PRICE:
        return Told(None, [*steps, f"more than {MOST_PRICE // MONEY_SCALE:,}, so it is taken for a mistake and not offered"])
    if value < CENT:
        return Told(None, [*steps, "less than 0.01, so it is not offered"])
    return Told(value, steps)


def _why_no_floor(rules: Rules, items: Sequence[Item]) -> str:
    named = " and ".join(
        sorted(
            f"{one.source} names MAP {amount(one.map_price or 0)} {one.currency}"
            for one in items
            if not one.left_out and one.currency != rules.currency and (one.map_price or 0) > 0
        )
    )
    return f"{named}, which is not converted, so a price by rule might be below it: give it its own price, or let the rule go below MAP"


def _used(rules: Rules, items: Sequence[Item]) -> Item | None:
    """The item whose cost the price is made of. Of an empty one by the rule "stocked" only where nothing could be sold at that price."""
    able = [one for one in items if not one.left_out and one.currency == rules.currency and one.cost]
    stocked = [one for one in able if one.units > 0]
    if rules.price.cost_of == "highest":
        return max(able, key=lambda one: one.cost or 0, default=None)
    if rules.price.cost_of == "stocked" and any(one.units > 0 for one in items if not one.left_out):
        able = stocked
    return min(able, key=lambda one: one.cost or 0, default=None)


def _why_no_cost(rules: Rules, items: Sequence[Item]) -> str:
    currency, counting = rules.currency, [one for one in items if not one.left_out]
    if any(one.currency == currency and one.cost for one in counting):
        have = " and ".join(sorted({one.source for one in counting if one.units > 0}))
        return f"the units are those of {have}, without a cost in {currency}; the cost of a source without stock is not used for them"
    others = sorted({one.currency for one in counting if one.currency != currency and one.cost})
    if others:
        return f"no source of it has a cost in {currency}: its costs are in {' and '.join(others)}, which are not converted"
    if not counting:
        return "no item behind the product counts, so there is no cost"
    return "no source of it names a cost above 0"


def _first(rules: Rules, used: Item, raw: int) -> str:
    factor = rules.price.factor
    name = f"cost {amount(used.cost or 0)} of {used.source}"
    if factor == FACTOR_SCALE:
        return name
    if rules.price.mode == "times":
        return f"{name} × {plain(Decimal(factor) / FACTOR_SCALE)} = {amount(raw)}"
    return f"{name} + {plain((Decimal(factor) / FACTOR_SCALE - 1) * 100)} % = {amount(raw)}"


def rounded(raw: int, ending: int, floor: int | None = None) -> int:
    """To the cent (a half goes up), or up to the next price with that ending in cents; never below `floor`."""
    if ending == TO_THE_CENT:
        value = (raw + CENT // 2) // CENT * CENT
        return value if floor is None or value >= floor else (floor + CENT - 1) // CENT * CENT
    end = ending * CENT
    return (raw - end + MONEY_SCALE - 1) // MONEY_SCALE * MONEY_SCALE + end


def quantity(rules: Rules, own: Own, items: Sequence[Item], priced: bool) -> Told:
    """The units to offer. `priced`: whether it has a price; what has none is not offered."""
    rule = rules.quantity
    counting = [one for one in items if not one.left_out]
    if rule.of == "best":
        best = max(counting, key=lambda one: one.units, default=None)
        found, steps = (best.units, [_left(best)]) if best else (0, [])
    else:
        found, steps = min(MOST_UNITS, sum(one.units for one in counting)), [_left(one) for one in counting]
        if len(steps) > 1:
            steps.append(f"together {found:,}")
    if not steps:
        steps = ["no item behind the product counts"]
    buffer = rule.buffer if own.buffer is None else own.buffer
    if buffer:
        steps.append(f"{found:,} − buffer {buffer:,} = {max(0, found - buffer):,}")
        found = max(0, found - buffer)
    waits = next((one.source for one in counting if one.backorders), "")
    if waits and found < rule.backorder:
        steps.append(f"{waits} allows backorders → {rule.backorder:,}")
        found = rule.backorder
    cap = rule.cap if own.cap is None else own.cap
    if cap is not None and found > cap:
        steps.append(f"at most {cap:,} → {cap:,}")
        found = cap
    if own.state != "live":
        return Told(0, [*steps, f"the listing is {own.state} → 0"])
    if not priced:
        return Told(0, [*steps, "there is no price → 0"])
    return Told(found, steps)


def _left(one: Item) -> str:
    held = f" − {one.committed:,} committed" if one.committed else ""
    capped = f" = {one.units:,}" if held or one.units != one.feed else ""
    return f"{one.feed:,} feed{held}{capped} of {one.source}, {one.sku}"


def amount(value: int) -> str:
    """Ten-thousandths as a plain number with at least two decimals: 12.40."""
    whole, part = divmod(value, MONEY_SCALE)
    return f"{whole}.{f'{part:04d}'.rstrip('0').ljust(2, '0')}"
