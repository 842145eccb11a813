"""A store where a merchant sells: its orders as they changed, and the tracking numbers that it is told.

changed ─▶ StoreOrder …        trackings ─▶ Told        Parcel ─▶ fulfil or correct ─▶ Sent (see sending)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import Any, Protocol

from portal.connectors import problems, sending
from portal.connectors.caller import Caller
from portal.connectors.sending import Sent

Say = Callable[[str], None]


@dataclass(frozen=True)
class StoreLine:
    """A line of an order. `quantity`: still to be shipped; `ordered`: what was ordered and not refunded. `price`: ten-thousandths."""

    ref: str
    sku: str
    title: str
    quantity: int
    ordered: int
    price: int | None = None


@dataclass(frozen=True)
class StoreOrder:
    """An order as the store tells it. `state`: take (paid, and something is to be shipped), wait (not yet, or no more) or gone (canceled).

    Addresses by the keys of portal.orders.addresses.FIELDS; `changed`, `placed` naive UTC; `total` ten-thousandths. `odd`: in words, why
    a person must decide about it.
    """

    ref: str
    number: str
    state: str
    changed: datetime
    placed: datetime
    lines: Sequence[StoreLine] = ()
    ship_to: Mapping[str, Any] = field(default_factory=dict)
    bill_to: Mapping[str, Any] = field(default_factory=dict)
    shipping_text: str = ""
    customer_reference: str = ""
    note: str = ""
    currency: str = "USD"
    total: int | None = None
    odd: str = ""


@dataclass(frozen=True)
class Parcel:
    """What the store is told of one shipment. `lines`: the store's own id of a line -> units. `link`: where the buyer follows it, or ""."""

    number: str
    carrier_key: str = ""
    carrier: str = ""
    link: str = ""
    shipped_at: datetime | None = None
    lines: Mapping[str, int] = field(default_factory=dict)
    notify: bool = True


@dataclass(frozen=True)
class Told:
    """A tracking number that the store has. `lines` None: the store does not keep which lines it is of."""

    number: str
    their_id: str
    lines: Mapping[str, int] | None = None


class Store(Protocol):
    """One store. `place`: where tracking numbers go there, in words. Only `fulfil` and `correct` change anything, each by one request,
    which goes by `caller`."""

    place: str
    caller: Caller

    def changed(self, since: datetime) -> Iterator[list[StoreOrder]]:
        """Orders that changed since then, oldest change first, a page at a time. Raises SupplierError."""

    def trackings(self, ref: str) -> list[Told]:
        """The tracking numbers that the order has in the store. Raises SupplierError."""

    def fulfil(self, ref: str, parcel: Parcel) -> Sent:
        """Tell the store of a shipment, once; see sending.Sends. Raises SupplierError before anything left."""

    def correct(self, ref: str, old: Told, parcel: Parcel) -> Sent:
        """Put the parcel's number in the place of one that the store has, once. Raises SupplierError before anything left."""

    def finish(self, ref: str) -> str:
        """Called once all of the order is shipped: what was done in the store because of that, in words, or ""."""


KINDS: Mapping[str, tuple[str, str]] = {
    "shopify": ("portal.connectors.store_shopify", "ShopifyStore"),
    "bigcommerce": ("portal.connectors.store_bigcommerce", "BigCommerceStore"),
    "woocommerce": ("portal.connectors.store_woocommerce", "WooCommerceStore"),
}


def of(kind: str, connector: Any) -> Store:
    """The store behind an open connector. Raises KeyError for a kind that is none."""
    module, name = KINDS[kind]
    made: Store = getattr(import_module(module), name)(connector)
    return made


def refused(reference: str, headline: str, body: str) -> Sent:
    """Nothing was sent, as the store could only refuse it."""
    return Sent("refused", reference, problem=problems.protocol_error(headline, body, permanent=True).problem)


def unknown(reference: str, host: str) -> Sent:
    """It may have arrived."""
    return Sent("unknown", reference, problem=sending.not_known(host))


def amount(told: Any) -> int | None:
    """A price as stores write it ("19.99"), in ten-thousandths; None for what is none."""
    try:
        value = Decimal(str(told))
    except InvalidOperation:
        return None
    return int((value * 10_000).to_integral_value()) if value.is_finite() and abs(value) < 10**11 else None


def moment(told: Any) -> datetime | None:
    """A moment of ISO 8601 (without a zone it is UTC) or RFC 2822, as naive UTC; None for what is none."""
    text = str(told or "").strip()
    try:
        found = datetime.fromisoformat(text) if text[:4].isdigit() else parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError):
        return None
    return found if found.tzinfo is None else found.astimezone(UTC).replace(tzinfo=None)


def times(order: Mapping[str, Any], changed: str, placed: str) -> tuple[datetime, datetime]:
    """(when it changed, when it was placed). Raises SupplierError for an order that does not tell the former."""
    at = moment(order.get(changed))
    if at is None:
        raise problems.protocol_error("The answer cannot be read", f"An order does not tell {changed}. Nothing was taken.")
    return at, moment(order.get(placed)) or at


def iso(at: datetime) -> str:
    """Naive UTC as stores take it."""
    return at.isoformat(timespec="seconds") + "Z"


def units(told: Any) -> int:
    """A number of units; 0 for what is none."""
    try:
        return int(told)
    except (TypeError, ValueError):
        return 0
