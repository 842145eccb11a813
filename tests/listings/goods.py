"""Products with items behind them, and channels with rules, for the tests of listings."""

from __future__ import annotations

from typing import Any

from portal import channels, clock
from portal.catalogue import products
from portal.listings import rules as listing_rules
from portal.models import Channel, Listing, Merchant, Product, Source
from tests.catalogue.stock import item
from tests.catalogue.stock import product as made

WHO = "ana@harbor.example"
RULES = {
    "currency": "USD", "cost_of": "stocked", "mode": "times", "markup": "1.3", "amount": "", "map_floor": "y", "ending": "99",
    "of": "total", "buffer": "", "cap": "", "backorder": "", "prefix": "", "suffix": "",
}  # fmt: skip


def shop(merchant: Merchant, kind: str = "csv", name: str = "Harbor outlet", **rules: str) -> Channel:
    """A channel with a price rule; `rules` as a person types them."""
    channel = channels.add(merchant, name, kind, clock.now(), False, WHO)
    listing_rules.save(channel, listing_rules.judged(RULES | rules), channel.version, WHO)
    return channels.find(merchant, channel.public_id)


def ruled(channel: Channel, **rules: str) -> Channel:
    """The channel with other rules."""
    fresh = channels.find(channel.merchant, channel.public_id)
    listing_rules.save(fresh, listing_rules.judged(listing_rules.typed(listing_rules.of(fresh)) | rules), fresh.version, WHO)
    return channels.find(channel.merchant, channel.public_id)


def goods(merchant: Merchant, sku: str, *behind: tuple[Source, dict[str, Any]], title: str = "Work lamp") -> Product:
    """A product with an item of each source behind it."""
    product = made(merchant, sku, title=title)
    for source, columns in behind:
        products.link(item(source, f"{sku}-{source.id}", **columns), product, WHO, beside=True)
    return product


def listed(channel: Channel, product: Product, **columns: Any) -> Listing:
    return Listing.create(channel=channel, product=product, **{"sku": product.sku, **columns})
