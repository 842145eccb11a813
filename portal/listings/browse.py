"""The listings of a channel, a page at a time: by SKU, searched, and narrowed by what they are offered at.

Price and quantity are reckoned when they are asked for, so a narrowed list is looked through piece by piece, each page for a bounded time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.catalogue import keys
from portal.inventory import paging
from portal.listings import editing, offers
from portal.listings.offers import Offer
from portal.models import Channel, Listing, Product

PAGE = 50
PIECE = 250
"""Listings that are looked at together while a list is narrowed."""
MOST_OF_A_CODE = 500
SECONDS = 0.05
"""After so long a page is answered with what was found until there, and where to go on."""
BY = {"sku": "Listing SKU", "master": "Master SKU", "code": "UPC or MPN"}
SHOWS: dict[str, tuple[str, Callable[[Offer], bool]]] = {
    "no_price": ("No price", lambda one: one.price is None and one.state != "ended"),
    "no_stock": ("No stock", lambda one: one.quantity == 0 and one.state == "live"),
    "below_map": ("Below MAP", lambda one: one.is_below_map and one.state != "ended"),
    "foreign": ("Costs in another currency", lambda one: one.foreign == 1 and one.state != "ended"),
    "foreign_map": ("MAP in another currency", lambda one: one.foreign_map == 1 and one.state != "ended"),
    "own_price": ("With its own price", lambda one: one.own_price is not None),
}
"""What a list can be narrowed to beside a state -> its words, and which offers are meant."""
CHOICES = {"": "All", **editing.STATES, **{key: words for key, (words, _) in SHOWS.items()}}


@dataclass(frozen=True)
class Page:
    """Offers in the order of what they were looked for by. `following`: where the next page begins, "" for the last.

    `by`: key of BY. `looked`: listings that were looked at. `cut`: the time was up before the page was full or the list at its end.
    """

    rows: list[Offer] = field(default_factory=list)
    following: str = ""
    by: str = "sku"
    looked: int = 0
    cut: bool = False


def page(channel: Channel, query: str = "", by: str = "", show: str = "", after: str = "") -> Page:
    """A page of listings. `by`: key of BY; "": the first by which the query finds any. `show`: key of CHOICES."""
    ways = [by] if by in BY else list(BY) if query and not after else ["sku"]
    found = Page()
    for way in ways:
        found = _walked(channel, query, way, show, after)
        if found.rows or found.cut:
            return found
    return found if len(ways) == 1 else Page()


def _walked(channel: Channel, query: str, by: str, show: str, after: str) -> Page:
    began, rows, looked = time.monotonic(), [], 0
    meant = SHOWS[show][1] if show in SHOWS else None
    size = PIECE if meant else PAGE + 1
    while True:
        places = _places(channel, query, by, show if show in editing.STATES else "", after, size)
        ids = [number for _, number in places if number is not None]
        found = [one for one in offers.of_ids(channel, ids) if meant is None or meant(one)]
        rows += found
        looked += len(places)
        whole = len(places) < size
        if len(rows) > PAGE or (len(rows) == PAGE and not whole):
            return Page(rows[:PAGE], _place(rows[PAGE - 1], by), by, looked)
        if whole:
            return Page(rows, "", by, looked)
        after = places[-1][0]
        if time.monotonic() - began > SECONDS:
            return Page(rows, after, by, looked, cut=True)


def _place(one: Offer, by: str) -> str:
    return one.master_sku if by == "master" else one.sku


def _places(channel: Channel, query: str, by: str, state: str, after: str, size: int) -> Sequence[tuple[str, int | None]]:
    """(place, listing or None where a product is not listed) of the next `size` to look at."""
    if by == "master":
        return _of_products(channel, query, state, after, size)
    mine = Listing.select(Listing.sku, Listing.id).where(Listing.channel == channel.id)
    if state:
        mine = mine.where(Listing.state == state)
    if after:
        mine = mine.where(Listing.sku > after)
    if by == "code":
        mine = mine.where(Listing.product << _of_code(channel, query))
    return _beginning(mine, Listing.sku, query if by == "sku" else "", size)


def _of_code(channel: Channel, query: str) -> list[int]:
    """Products of that MPN or UPC, each asked for by itself: together SQLite would walk through all of them."""
    codes = [Product.mpn == query]
    if query.isascii() and query.isdigit() and len(query) in (8, 12, 13, 14):
        codes.append(Product.gtin == keys.gtin(query))
    rows: Any = Product.select(Product.id).where(Product.merchant == channel.merchant_id)
    return [one for code in codes for (one,) in rows.where(code).limit(MOST_OF_A_CODE).tuples()]


def _of_products(channel: Channel, query: str, state: str, after: str, size: int) -> Sequence[tuple[str, int | None]]:
    some = Product.select(Product.sku, Product.id).where(Product.merchant == channel.merchant_id)
    if after:
        some = some.where(Product.sku > after)
    found = _beginning(some, Product.sku, query, size)
    mine: Any = Listing.select(Listing.product, Listing.id).where(
        Listing.channel == channel.id, Listing.product << [one for _, one in found]
    )
    if state:
        mine = mine.where(Listing.state == state)
    listed: dict[int, int] = dict(mine.tuples())
    return [(sku, listed.get(product)) for sku, product in found]


def _beginning(query: Any, column: Any, text: str, size: int) -> list[Any]:
    """The first rows whose column begins so, as typed or in capitals; each way by itself, so that either is one stretch of the index."""
    if not text:
        return list(query.order_by(column).limit(size).tuples())
    found: set[Any] = set()
    for one in {text, text.upper()}:
        meant = (column >= one) & (column < paging.above(one)) if paging.is_bytewise() else keys.begins(column, one)
        found |= set(query.where(meant).order_by(column).limit(size).tuples())
    return (
        sorted(found)[:size] if paging.is_bytewise() else list(query.where(keys.begins(column, text)).order_by(column).limit(size).tuples())
    )
