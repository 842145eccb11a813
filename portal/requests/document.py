"""A request as the lines of an order document: the fields that a layout, a store's order or a call is made of."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from portal.models import FulfillmentRequest, InventoryItem, Merchant, Order, RequestLine, Source

Line = dict[str, Any]


def order_lines(request: FulfillmentRequest) -> list[Line]:
    """The lines of one request with the keys of fields.ORDER_FIELDS: see `order_lines_of`."""
    return order_lines_of([request])[request.id]


def order_lines_of(requests: Iterable[FulfillmentRequest]) -> dict[int, list[Line]]:
    """Per request id its lines that are neither cancelled nor voided, each a mapping of ORDER_FIELDS keys.

    Money in integer ten-thousandths, dates as the merchant's own day, quantities as int, else text; None where nothing is known.
    "custom" holds the custom fields of the line's item, by name.
    """
    known = list(requests)
    ids = [one.id for one in known]
    orders = {one.id: one for one in Order.select().where(Order.id << [one.order_id for one in known])}
    zones = {one.id: ZoneInfo(one.time_zone or "UTC") for one in Merchant.select().where(Merchant.id << {one.merchant_id for one in known})}
    lines: dict[int, list[RequestLine]] = defaultdict(list)
    for line in RequestLine.select().where(RequestLine.request << ids).order_by(RequestLine.request, RequestLine.number):
        lines[line.request_id].append(line)
    custom = _custom_of({line.item_id for some in lines.values() for line in some if line.item_id is not None})
    currency = {one.id: one.currency for one in Source.select(Source.id, Source.currency).where(Source.id << {r.source_id for r in known})}
    made: dict[int, list[Line]] = {}
    for one in known:
        left = [line for line in lines[one.id] if line.ordered - line.cancelled - line.voided > 0]
        whole = _whole(one, orders[one.order_id], zones[one.merchant_id])
        own = [{**_own(line), "custom": custom.get(line.item_id, {})} for line in left]
        totals = [line["line_total"] for line in own]
        whole |= {"order_total": None if None in totals else sum(totals), "currency": currency[one.source_id]}
        made[one.id] = [whole | line for line in own]
    return made


def _custom_of(ids: set[int]) -> dict[int, dict[str, str]]:
    """The custom fields of these items, of those that have any."""
    found = InventoryItem.select(InventoryItem.id, InventoryItem.custom).where(InventoryItem.id << ids, InventoryItem.custom.is_null(False))
    return {one.id: json.loads(one.custom) for one in found if one.custom}


def _whole(request: FulfillmentRequest, order: Order, zone: ZoneInfo) -> Line:
    """What is the same on each line of a request."""
    to = order.ship_to
    first, last = _names(to)
    return {
        "po_number": request.number, "po_date": _day(order.ordered_at, zone), "order_number": order.number,
        "customer_reference": order.customer_reference or None,
        "ship_name": to.get("name"), "ship_first_name": first, "ship_last_name": last,
        "ship_company": to.get("company"), "ship_address_1": to.get("address_1"),
        "ship_address_2": to.get("address_2"), "ship_city": to.get("city"),
        "ship_state": to.get("state_code") or to.get("state"), "ship_state_code": to.get("state_code"),
        "ship_state_name": to.get("state"), "ship_postal": to.get("postal"),
        "ship_country": to.get("country_code") or to.get("country"), "ship_country_name": to.get("country"),
        "ship_phone": to.get("phone"), "ship_email": to.get("email"),
        "shipping_code": request.shipping_code or None, "carrier": request.carrier or None, "method": request.method or None,
        "cancel_after": _day(request.cancel_after, zone), "note": order.note or None,
    }  # fmt: skip


def _names(to: dict[str, Any]) -> tuple[str | None, str | None]:
    """(first, last) as the order told them; else the last word of the name is the last name."""
    if to.get("first_name") or to.get("last_name"):
        return to.get("first_name"), to.get("last_name")
    first, _, last = str(to.get("name") or "").strip().rpartition(" ")
    return (first or last or None), last or None


def _own(line: RequestLine) -> Line:
    quantity = line.ordered - line.cancelled - line.voided
    return {
        "line_number": line.number, "sku": line.sku, "upc": line.upc or None, "mpn": line.mpn or None, "title": line.title or None,
        "quantity": quantity, "unit_cost": line.unit_cost, "line_total": None if line.unit_cost is None else line.unit_cost * quantity,
    }  # fmt: skip


def _day(moment: Any, zone: ZoneInfo) -> Any:
    return None if moment is None else moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date()
