"""What stores tell of the parcels of orders that we placed there, as rows: reference, tracking number, carrier, date, SKU, quantity.

orders ─▶ the shipments of each ─▶ their lines named by SKU ─▶ rows        a parcel without a number, or of unknown lines, is said instead
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from portal.connectors import problems

Item = Mapping[str, Any]
COLUMNS = ("order_reference", "tracking_number", "carrier", "shipped_at", "sku", "quantity")
"""Columns of the rows, named as our own fields."""

MOST_LISTED = 250
MADE = "SUCCESS"
"""The one status of a Shopify fulfillment that says that something left (FulfillmentStatus; others are CANCELLED, ERROR, FAILURE)."""

META = "_wc_shipment_tracking_items"


@dataclass(frozen=True)
class Placed:
    """An order that we placed: its id at the store, our reference, whether all of it is known as shipped, and its units (0: unknown)."""

    id: str
    reference: str
    done: bool = False
    units: int = 0

    @classmethod
    def read(cls, told: Item) -> Placed:
        """One of the "orders" of a connector's settings."""
        return cls(str(told["id"]), str(told["reference"]), bool(told.get("done")), int(told.get("units") or 0))


Ask = Callable[[str], Any]
"""The answer of a GET below the base address as plain values, None where there is none (204, 404)."""
Say = Callable[[str], None]


def bigcommerce(orders: Sequence[Placed], ask: Ask, say: Say) -> Iterator[Item]:
    """Rows of `GET /v2/orders/{id}/shipments`, whose items name lines of `GET /v2/orders/{id}/products`. Raises SupplierError."""
    for order in orders:
        shipments = _listed(ask(f"/v2/orders/{order.id}/shipments?limit={MOST_LISTED}"), order)
        if not shipments:
            continue
        skus = {one.get("id"): one.get("sku") for one in _listed(ask(f"/v2/orders/{order.id}/products?limit={MOST_LISTED}"), order)}
        for one in shipments:
            lines = [(skus.get(line.get("order_product_id")), line.get("quantity")) for line in one.get("items") or []]
            carrier = one.get("tracking_carrier") or one.get("shipping_provider")
            yield from _rows(order, one.get("tracking_number"), carrier, _day_of_mail(one.get("date_created")), lines, say)


def woocommerce(orders: Sequence[Placed], names: Sequence[str], ask: Ask, say: Say) -> Iterator[Item]:
    """Rows of the first way that the store has: a tracking plugin by its namespace, WooCommerce's own fulfillments, the order's meta.

    `names`: the namespaces and routes that the store publishes at /wp-json/. What was found is said. Raises SupplierError.
    """
    plugin = next((one for one in ("wc-shipment-tracking/v3", "wc-ast/v3") if one in names), "")
    own = not plugin and any("/fulfillments" in one for one in names)
    where = f"the namespace {plugin}" if plugin else "WooCommerce's own fulfillments" if own else f"each order's meta data ({META})"
    say(f"The store tells tracking numbers by {where}.")
    for order in orders:
        if own:
            yield from _fulfillments(order, ask, say)
            continue
        path = f"/wp-json/{plugin}/orders/{order.id}/shipment-trackings" if plugin else f"/wp-json/wc/v3/orders/{order.id}"
        told = ask(path)
        yield from _trackings(order, _listed(told if plugin else _meta(told), order), say)


def shopify(orders: Sequence[Placed], node_of: Callable[[str], Item | None], say: Say) -> Iterator[Item]:
    """Rows of the fulfillments of orders, each with its lines. One with several numbers counts once, under its first number."""
    for order in orders:
        node = node_of(order.id)
        if not node:
            say(f"{order.reference}: the store has no order {order.id} any more, or does not show it to us.")
        for one in (node or {}).get("fulfillments") or []:
            if one.get("status") != MADE:
                continue
            if ((one.get("fulfillmentLineItems") or {}).get("pageInfo") or {}).get("hasNextPage"):
                say(f"{order.reference}: a parcel has more than 40 lines. Nothing of it was recorded; add it by hand.")
                continue
            tracked = [told for told in one.get("trackingInfo") or [] if told.get("number")]
            first: Item = tracked[0] if tracked else {}
            lines = [((line.get("lineItem") or {}).get("sku"), line.get("quantity")) for line in one["fulfillmentLineItems"]["nodes"]]
            if len(tracked) > 1 and not order.done:
                more = ", ".join(str(told["number"]) for told in tracked[1:])
                say(f"{order.reference}: the store names {len(tracked)} numbers for the same lines; {more} counted nothing more.")
            yield from _rows(order, first.get("number"), first.get("company"), str(one.get("createdAt") or "")[:10], lines, say)


def _fulfillments(order: Placed, ask: Ask, say: Say) -> Iterator[Item]:
    found = [one for one in _listed(ask(f"/wp-json/wc/v3/orders/{order.id}/fulfillments"), order) if one.get("is_fulfilled")]
    whole = ask(f"/wp-json/wc/v3/orders/{order.id}") if found else None
    skus = {one.get("id"): one.get("sku") for one in (whole or {}).get("line_items") or []}
    for one in found:
        meta = {told.get("key"): told.get("value") for told in one.get("meta_data") or []}
        lines = [(skus.get(line.get("item_id")), line.get("qty")) for line in meta.get("_items") or []]
        day = str(meta.get("_date_fulfilled") or one.get("date_updated") or "")[:10]
        yield from _rows(order, meta.get("_tracking_number"), meta.get("_shipping_provider"), day, lines, say)


def _trackings(order: Placed, found: Sequence[Item], say: Say) -> Iterator[Item]:
    """A plugin's numbers. They name no lines, so that one number is of the whole order, and several are a person's to share out."""
    if len(found) > 1:
        if not order.done:
            numbers = ", ".join(str(one.get("tracking_number")) for one in found)
            say(f"{order.reference}: the store names {numbers} and not which of them holds what. Nothing was recorded; add them by hand.")
        return
    for one in found:
        carrier = one.get("tracking_provider") or one.get("custom_tracking_provider")
        yield from _rows(order, one.get("tracking_number"), carrier, _day(one.get("date_shipped")), [("", None)], say)


def _meta(whole: Any) -> Any:
    told = [one.get("value") for one in (whole or {}).get("meta_data") or [] if one.get("key") == META]
    return told[0] if told and isinstance(told[0], list) else None


def _rows(order: Placed, number: Any, carrier: Any, day: str, lines: Sequence[tuple[Any, Any]], say: Say) -> Iterator[Item]:
    """A row for each line of a parcel. Without a number, or with a line that has no SKU, it is said, and none of it is a row."""
    if not number:
        if not order.done:
            say(f"{order.reference}: a parcel has no tracking number in the store yet. It is read once it has one.")
        return
    if not lines or any(sku in (None, "") and units is not None for sku, units in lines):
        say(f"{order.reference}: the store does not name each SKU in parcel {number}. Nothing of it was recorded; add it by hand.")
        return
    for sku, units in lines:
        values = (order.reference, str(number), str(carrier or ""), day, str(sku or ""), "" if units is None else str(units))
        yield dict(zip(COLUMNS, values, strict=True))


def _listed(told: Any, order: Placed) -> list[Item]:
    if told is None:
        return []
    if not isinstance(told, list) or not all(isinstance(one, Mapping) for one in told):
        raise problems.protocol_error("The answer cannot be read", f"Of order {order.reference} no list came. Nothing was used.")
    if len(told) >= MOST_LISTED:
        raise problems.protocol_error("The list is too long", f"Order {order.reference} has {MOST_LISTED} parts or more. Nothing was used.")
    return told


def _day(told: Any) -> str:
    """A day as WooCommerce's plugins write it: 2026-11-27, or seconds since 1970, which is left out."""
    text = str(told or "")[:10]
    return text if len(text) == 10 and text[4] == "-" else ""


def _day_of_mail(told: Any) -> str:
    """BigCommerce writes dates as mail does (RFC 2822)."""
    try:
        return f"{parsedate_to_datetime(str(told)):%Y-%m-%d}" if told else ""
    except ValueError:
        return ""
