"""A request as the lines of an order document: the fields that a layout, a store's order or a call is made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from zoneinfo import ZoneInfo

from portal.models import FulfillmentRequest, Merchant, Order, RequestLine

Line = dict[str, Any]


def order_lines(request: FulfillmentRequest) -> list[Line]:
    """The lines of one request with the keys of fields.ORDER_FIELDS: see `order_lines_of`."""
    return order_lines_of([request])[request.id]


def order_lines_of(requests: Iterable[FulfillmentRequest]) -> dict[int, list[Line]]:
    """Per request id its lines that are neither cancelled nor voided, each a mapping of ORDER_FIELDS keys.

    Money in integer ten-thousandths, dates as the merchant's own day, quantities as int, else text; None where nothing is known.
    """
    known = list(requests)
    ids = [one.id for one in known]
    orders = {one.id: one for one in Order.select().where(Order.id << [one.order_id for one in known])}
    zones = {one.id: ZoneInfo(one.time_zone or "UTC") for one in Merchant.select().where(Merchant.id << {one.merchant_id for one in known})}
    lines: dict[int, list[RequestLine]] = defaultdict(list)
    for line in RequestLine.select().where(RequestLine.request << ids).order_by(RequestLine.request, RequestLine.number):
        lines[line.request_id].append(line)
    return {
        one.id: [
            _whole(one, orders[one.order_id], zones[one.merchant_id]) | _own(line)
            for line in lines[one.id]
            if line.ordered - line.cancelled - line.voided > 0
        ]
        for one in known
    }


def _whole(request: FulfillmentRequest, order: Order, zone: ZoneInfo) -> Line:
    """What is the same on each line of a request."""
    to = order.ship_to
    return {
        "po_number": request.number, "po_date": _day(order.ordered_at, zone), "order_number": order.number,
        "customer_reference": order.customer_reference or None,
        "ship_name": to.get("name"), "ship_company": to.get("company"), "ship_address_1": to.get("address_1"),
        "ship_address_2": to.get("address_2"), "ship_city": to.get("city"),
        "ship_state": to.get("state_code") or to.get("state"), "ship_postal": to.get("postal"),
        "ship_country": to.get("country_code") or to.get("country"), "ship_phone": to.get("phone"), "ship_email": to.get("email"),
        "shipping_code": request.shipping_code or None, "carrier": request.carrier or None, "method": request.method or None,
        "cancel_after": _day(request.cancel_after, zone), "note": order.note or None,
    }  # fmt: skip


def _own(line: RequestLine) -> Line:
    quantity = line.ordered - line.cancelled - line.voided
    return {
        "line_number": line.number, "sku": line.sku, "upc": line.upc or None, "mpn": line.mpn or None, "title": line.title or None,
        "quantity": quantity, "unit_cost": line.unit_cost, "line_total": None if line.unit_cost is None else line.unit_cost * quantity,
    }  # fmt: skip


def _day(moment: Any, zone: ZoneInfo) -> Any:
    return None if moment is None else moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).date()
