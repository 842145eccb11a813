"""Orders, requests and shipments as the API tells them. Money is text, times are ISO 8601 in UTC, ids are public ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from portal.mapping.amounts import plain


def order(one: Any, lines: Sequence[Any], requests: Sequence[Any]) -> dict[str, Any]:
    """An order."""
    return {
        "id": one.public_id, "number": one.number, "reference": one.reference, "state": one.state, "came_by": one.came_by,
        "routing": one.routing or "done", "routing_said": one.routing_said, "acknowledged": one.acknowledged, "shipped": one.shipped,
        "ordered_at": _time(one.ordered_at), "created_at": _time(one.created_at), "changed_at": _time(one.changed_at),
        "ship_to": one.ship_to, "bill_to": one.bill_to, "problems": one.problems, "shipping_method": one.shipping_text,
        "customer_reference": one.customer_reference, "note": one.note, "currency": one.currency, "total": _money(one.total),
        "lines": [
            {
                "number": line.number, "sku": line.sku, "title": line.title, "reference": line.reference, "price": _money(line.price),
                "quantity": line.quantity, "unrouted": line.unrouted, "routed": line.routed, "cancelled": line.cancelled,
                "unroutable": line.unroutable,
            }
            for line in lines
        ],
        "fulfillment_requests": [
            {"id": asked.public_id, "number": asked.number, "source_id": asked.source.public_id,
             "state": asked.state, "shipped": asked.shipped}
            for asked in requests
        ],
    }  # fmt: skip


def request(one: Any, lines: Sequence[Any]) -> dict[str, Any]:
    """A fulfillment request."""
    placed = one.order
    return {
        "id": one.public_id, "number": one.number, "order_number": placed.number, "source_id": one.source.public_id, "state": one.state,
        "shipped": one.shipped, "sending": one.sending or "not_sent", "generation": one.generation, "their_id": one.their_id,
        "created_at": _time(one.created_at), "sent_at": _time(one.sent_at), "acknowledged_at": _time(one.acknowledged_at),
        "cancel_after": _time(one.cancel_after), "shipping_code": one.shipping_code, "carrier": one.carrier, "method": one.method,
        "ship_to": placed.ship_to, "customer_reference": placed.customer_reference, "note": placed.note,
        "lines": [
            {
                "id": line.public_id, "number": line.number, "sku": line.sku, "title": line.title, "upc": line.upc, "mpn": line.mpn,
                "unit_cost": _money(line.unit_cost), "ordered": line.ordered, "open": line.open, "acknowledged": line.acknowledged,
                "shipped": line.shipped, "cancelled": line.cancelled, "voided": line.voided,
            }
            for line in lines
        ],
    }  # fmt: skip


def shipment(recorded: Any) -> dict[str, Any]:
    """What became of a parcel that was told."""
    one = recorded.shipment
    return {
        "id": one.public_id, "state": one.state, "outcome": recorded.kind, "said": recorded.words, "doubt": recorded.doubt,
        "reference": one.reference, "tracking_number": one.tracking_number, "carrier": one.carrier, "shipped_at": _time(one.shipped_at),
        "fulfillment_request_id": one.request.public_id if one.request is not None else None,
    }  # fmt: skip


def page(rows: Sequence[Mapping[str, Any]], cursor: str) -> dict[str, Any]:
    """A page and how to get the next."""
    return {"items": list(rows), "next_cursor": cursor or None}


def lease(one: Any, requests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A lease with what it holds."""
    return {"id": one.id, "ends_at": _time(one.ends_at), "requests": list(requests)}


def _time(value: datetime | None) -> str | None:
    return None if value is None else f"{value.isoformat(timespec='seconds')}Z"


def _money(value: int | None) -> str | None:
    return None if value is None else plain(value)
