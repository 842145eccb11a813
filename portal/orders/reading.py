"""One order in full: where each line went, its requests, its parcels, and everything that happened, in one order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.channels import notices
from portal.models import (
    AuditLine,
    ChannelAttempt,
    ChannelNotice,
    FulfillmentRequest,
    Order,
    OrderLine,
    RequestEvent,
    RequestLine,
    Shipment,
    ShipmentItem,
    Source,
)
from portal.requests import why
from portal.requests.events import KINDS, counts

ACTS = {
    "order.create": "Came in", "order.address": "Address changed", "order.hold": "Put on hold", "order.release": "Released",
    "order.note": "Note changed", "order.cancel": "Canceled",
}  # fmt: skip


@dataclass(frozen=True)
class Went:
    """A part of a line at a source. `held`: accepted or open, neither shipped nor gone."""

    request: FulfillmentRequest
    quantity: int
    shipped: int
    gone: int
    held: int


@dataclass(frozen=True)
class Line:
    """A line and where its units are."""

    line: OrderLine
    went: Sequence[Went]
    shipped: int


@dataclass(frozen=True)
class Happened:
    """One entry of the timeline. `label`: what, `words`: more of it, "" for nothing; `about`: the number of the request or ""."""

    at: datetime
    label: str
    words: str
    who: str
    about: str = ""


@dataclass(frozen=True)
class Whole:
    """An order as its page shows it. `why`: {request id: why it is not sent, "" once it was}."""

    order: Order
    lines: Sequence[Line]
    requests: Sequence[FulfillmentRequest]
    why: Mapping[int, str]
    shipments: Sequence[tuple[Shipment, Sequence[ShipmentItem]]]
    timeline: Sequence[Happened]


def whole(order: Order, zone: str) -> Whole:
    """Everything that is known of an order; times in sentences are said in `zone`."""
    asked = FulfillmentRequest.select(FulfillmentRequest, Source).join(Source).where(FulfillmentRequest.order == order.id)
    requests = list(asked.order_by(FulfillmentRequest.id))
    known = why.facts(zone, [one.source_id for one in requests])
    return Whole(
        order, _lines(order, requests), requests, {one.id: why.not_sent(one, known) for one in requests}, _shipments(requests),
        timeline(order, requests),
    )  # fmt: skip


def _lines(order: Order, requests: Sequence[FulfillmentRequest]) -> list[Line]:
    by_id = {one.id: one for one in requests}
    parts: dict[int, list[Went]] = {}
    shipped: dict[int, int] = {}
    for row in RequestLine.select().where(RequestLine.request << list(by_id)).order_by(RequestLine.request, RequestLine.number):
        now = counts(row)
        part = Went(by_id[row.request_id], now.ordered, now.shipped, now.cancelled + now.voided, now.held)
        parts.setdefault(row.order_line_id, []).append(part)
        shipped[row.order_line_id] = shipped.get(row.order_line_id, 0) + now.shipped
    lines = OrderLine.select().where(OrderLine.order == order.id).order_by(OrderLine.number)
    return [Line(line, parts.get(line.id, []), shipped.get(line.id, 0)) for line in lines]


def _shipments(requests: Sequence[FulfillmentRequest]) -> list[tuple[Shipment, list[ShipmentItem]]]:
    by_id = {one.id: one for one in requests}
    found = list(Shipment.select().where(Shipment.request << list(by_id), Shipment.state == "matched").order_by(Shipment.id))
    items: dict[int, list[ShipmentItem]] = {one.id: [] for one in found}
    for item in ShipmentItem.select().where(ShipmentItem.shipment << list(items)).order_by(ShipmentItem.id):
        items[item.shipment_id].append(item)
    for one in found:
        one.request = by_id[one.request_id]
    return [(one, items[one.id]) for one in found]


def timeline(order: Order, requests: Sequence[FulfillmentRequest]) -> list[Happened]:
    """What happened to the order and its requests, oldest first."""
    by_id = {one.id: one for one in requests}
    audited = AuditLine.select().where(
        AuditLine.merchant == order.merchant_id, AuditLine.object_kind == "order", AuditLine.object_id == order.public_id
    )
    told = [Happened(one.at, ACTS[one.action], _said(one), one.who) for one in audited if one.action in ACTS]
    events = RequestEvent.select().where(RequestEvent.request << list(by_id)).order_by(RequestEvent.id)
    told += [Happened(one.at, KINDS[one.kind], one.words, one.who, by_id[one.request_id].number) for one in events]
    told += _told_to_channel(by_id)
    return sorted(told, key=lambda one: one.at)


def _told_to_channel(requests: Mapping[int, FulfillmentRequest]) -> list[Happened]:
    """Every look at the store where it was bought, and every time that it was told a tracking number."""
    rows = (
        ChannelAttempt.select(ChannelAttempt, ChannelNotice, Shipment)
        .join(ChannelNotice)
        .join(Shipment)
        .where(Shipment.request << list(requests))
        .order_by(ChannelAttempt.id)
    )
    return [
        Happened(one.at, f"{notices.ACTS[one.act]}: {notices.OUTCOMES[one.outcome]}", one.words, "", one.notice.shipment.tracking_number)
        for one in rows
    ]


def _said(line: AuditLine) -> str:
    """What an audit line adds to its label."""
    after = line.after or {}
    if line.action == "order.create":
        problems = after.get("problems") or 0
        return f"With {problems} address problems, so it is on hold." if problems else ""
    if line.action == "order.note":
        return str(after.get("note") or "The note was taken out.")
    if line.action == "order.address":
        left = after.get("problems") or []
        return " ".join(one["words"] for one in left) if left else "Nothing is wrong with it any more."
    return ""
