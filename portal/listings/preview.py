"""What rules would make of some products, before they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import fn

from portal.catalogue import keys, products
from portal.listings import reckoning
from portal.listings.detail import items_of
from portal.listings.reckoning import Own, Told
from portal.listings.rules import Rules
from portal.models import Channel, Listing, Product, ProductLink

MOST = 5


@dataclass(frozen=True)
class Sample:
    """A product as the channel would offer it by its rules alone."""

    product: Product
    sku: str
    price: Told
    quantity: Told


def samples(channel: Channel, rules: Rules, query: str = "") -> list[Sample]:
    """A few products: those whose Master SKU begins so, else the first that are listed, else the first with an item behind them."""
    return [_sample(one, rules) for one in _chosen(channel, query)]


def _chosen(channel: Channel, query: str) -> list[Product]:
    mine: Any = Product.select().where(Product.merchant == channel.merchant_id)
    if query:
        return list(mine.where(keys.begins(Product.sku, query)).order_by(Product.sku).limit(MOST))
    listed: Any = Listing.select(Listing.product).where(Listing.channel == channel.id).order_by(Listing.sku).limit(MOST)
    if found := [one for (one,) in listed.tuples()]:
        return list(mine.where(Product.id << found).order_by(Product.sku))
    linked = ProductLink.select(ProductLink.item).where(ProductLink.product == Product.id)
    return list(mine.where(fn.EXISTS(linked)).order_by(Product.sku).limit(MOST))


def _sample(product: Product, rules: Rules) -> Sample:
    items = items_of(products.behind(product))
    price = reckoning.price(rules, Own(), items)
    return Sample(product, rules.sku.of(product.sku), price, reckoning.quantity(rules, Own(), items, price.value is not None))
