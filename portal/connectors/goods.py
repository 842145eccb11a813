"""The goods of a store where a merchant sells: what it has under a SKU, and setting units and prices there, many at once.

SKUs ─▶ read ─▶ Ware …        Change … ─▶ set ─▶ how each part of each ended (see sending); values are absolute, so again does no harm
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Protocol, TypeVar

from portal.connectors import problems
from portal.connectors.caller import Caller
from portal.connectors.sending import Sent
from portal.connectors.spool import Progress

UNITS, PRICE = PARTS = ("units", "price")
LONGEST_LIST = 1_500
"""Characters of SKUs that one address holds."""
Ends = dict[tuple[str, str], Sent]
"""(their id, a part of PARTS) -> how setting it ended."""
T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """A location at which the store counts units."""

    id: str
    name: str


@dataclass(frozen=True)
class Ware:
    """What the store has under a SKU. `price`: ten-thousandths of the store's currency. `barred`, `priceless`: in words, why its units,
    or its price, cannot be set.

    `their_id` is "" for what cannot even be asked for. `twice`: other goods of the store have the SKU too. `more`: the store's other ids.
    """

    their_id: str
    sku: str
    units: int | None = None
    price: int | None = None
    barred: str = ""
    twice: bool = False
    more: Mapping[str, str] = field(default_factory=dict)
    priceless: str = ""


@dataclass(frozen=True)
class Change:
    """What a ware shall have; None leaves that part as it is."""

    ware: Ware
    units: int | None = None
    price: int | None = None


class Goods(Protocol):
    """One store's goods. Only `set` changes anything. `most`: changes that it takes at a time.

    `progress` is called while it waits for the store; what it raises breaks off what changes nothing.
    """

    caller: Caller
    host: str
    most: int
    progress: Progress

    def currency(self) -> str:
        """Of its prices, in three letters. Raises SupplierError."""

    def places(self) -> list[Place]:
        """Where it counts units; none where it has no such thing. Raises SupplierError, also where we may not write goods."""

    def read(self, asked: Mapping[str, str], place: str) -> list[Ware]:
        """All that has one of these SKUs, {SKU: their id or ""}. Raises SupplierError."""

    def set(self, changes: Sequence[Change], place: str) -> Ends:
        """Set units and prices; a change that is refused keeps no other out. Raises SupplierError before anything left."""


KINDS: Mapping[str, tuple[str, str]] = {
    "shopify": ("portal.connectors.goods_shopify", "ShopifyGoods"),
    "bigcommerce": ("portal.connectors.goods_bigcommerce", "BigCommerceGoods"),
    "woocommerce": ("portal.connectors.goods_woocommerce", "WooCommerceGoods"),
}


def of(kind: str, connector: Any) -> Goods:
    """The goods of the store behind an open connector. Raises KeyError for a kind that has none."""
    module, name = KINDS[kind]
    made: Goods = getattr(import_module(module), name)(connector)
    return made


def refused(headline: str, body: str) -> Sent:
    """The store will not take it so."""
    return Sent("refused", "", problem=problems.protocol_error(headline, body, permanent=True).problem)


def apart(items: Sequence[T], send: Callable[[Sequence[T]], Sent]) -> Iterator[tuple[T, Sent]]:
    """Send all at once; what is refused as a whole goes again by halves, so that only what is wrong stays out."""
    ended = send(items)
    if ended.outcome != "refused" or len(items) == 1:
        yield from ((one, ended) for one in items)
        return
    middle = len(items) // 2
    yield from apart(items[:middle], send)
    yield from apart(items[middle:], send)


def portions(skus: Sequence[str], most: int) -> Iterator[list[str]]:
    """The SKUs in lists of at most `most` that fit into an address."""
    some: list[str] = []
    for sku in skus:
        if some and (len(some) == most or sum(map(len, some)) + len(some) + len(sku) > LONGEST_LIST):
            yield some
            some = []
        some.append(sku)
    if some:
        yield some


def listable(skus: Sequence[str]) -> tuple[list[str], list[Ware]]:
    """SKUs that fit into a list with commas, and the others as what cannot be asked for."""
    odd = [Ware("", sku, barred="The store cannot be asked for a SKU that holds a comma.") for sku in skus if "," in sku]
    return [sku for sku in skus if "," not in sku], odd


def marked(wares: Sequence[Ware]) -> list[Ware]:
    """The wares, with `twice` where several have one SKU."""
    times: dict[str, set[str]] = {}
    for one in wares:
        times.setdefault(one.sku, set()).add(one.their_id)
    return [replace(one, twice=one.twice or len(times[one.sku]) > 1) for one in wares]


def money(value: int) -> str:
    """Ten-thousandths as stores take a price: at least two decimals."""
    whole, part = divmod(value, 10_000)
    return f"{whole}.{f'{part:04d}'.rstrip('0').ljust(2, '0')}"
