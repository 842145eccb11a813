"""One listing explained: every item behind its product, which of them count, and the steps to its price and quantity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.catalogue import products
from portal.catalogue.products import Behind
from portal.inventory import counted
from portal.listings import reckoning
from portal.listings import rules as listing_rules
from portal.listings.reckoning import Item, Own, Told
from portal.listings.rules import Rules
from portal.models import Listing
from portal.requests import stock

BARRED = {"paused": "its source is paused", "draft": "its source is not set up yet"}


@dataclass(frozen=True)
class Explained:
    """What a listing is offered at, and why."""

    price: Told
    quantity: Told
    items: Sequence[Item]
    map_price: int | None
    abroad: Sequence[str]
    map_abroad: Sequence[str]

    @property
    def is_below_map(self) -> bool:
        """Whether its price is below MAP."""
        return self.price.value is not None and self.map_price is not None and self.price.value < self.map_price


def explain(listing: Listing, rules: Rules | None = None) -> Explained:
    """Price and quantity of a listing as they are now. `rules`: others than its channel's."""
    rules = rules or listing_rules.of(listing.channel)
    items = items_of(products.behind(listing.product))
    own = Own(listing.price, listing.buffer, listing.cap, listing.state)
    price = reckoning.price(rules, own, items)
    abroad = sorted({f"{one.source} ({one.currency})" for one in items if not one.left_out and one.cost and one.currency != rules.currency})
    quantity = reckoning.quantity(rules, own, items, price.value is not None)
    return Explained(
        price,
        quantity,
        items,
        reckoning.lowest_allowed(rules.currency, items),
        abroad,
        reckoning.not_compared(rules.currency, items),
    )


def items_of(rows: Sequence[Behind]) -> list[Item]:
    """The items behind a product as the rules see them."""
    held: dict[tuple[int, str], int] = {}
    for source in {one.source.id for one in rows}:
        found = stock.committed(source, [one.item.sku for one in rows if one.source.id == source])
        held |= {(source, sku): units for sku, units in found.items()}
    return [
        Item(
            one.source.name, one.item.sku, one.item.quantity or 0, held.get((one.source.id, one.item.sku), 0), one.item.cost,
            one.item.map_price, one.source.currency, one.source.allow_backorders, left_out(one),
        )
        for one in rows
    ]  # fmt: skip


def left_out(one: Behind) -> str:
    """Why an item does not count, "" where it does."""
    if one.item.archived_at is not None:
        return "it is archived"
    if one.item.kept_out in counted.WHY:
        return counted.WHY[one.item.kept_out]
    if one.item.missing_since is not None:
        return "the last file of its source lacks it"
    return "" if one.source.state == "live" else BARRED.get(one.source.state, "its source is deleted")
