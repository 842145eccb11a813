"""Shipments as a person looks for them: found through the merchant, what waits for a person first, page by page."""

from __future__ import annotations

from dataclasses import dataclass

from peewee import JOIN

from portal.errors import Invalid, NotFound
from portal.models import FulfillmentRequest, Merchant, Shipment, ShipmentItem, Source
from portal.shipments import carriers

PAGE = 50
VIEWS = {"unmatched": "Wait for you", "matched": "Matched", "all": "All"}
STATES = {"matched": "Matched", "unmatched": "Not matched", "voided": "Corrected or taken back", "ignored": "Ignored"}


@dataclass(frozen=True)
class Page:
    """`rows`: the newest first. `next`: the place of the next page, "" on the last.

    `waiting`: all that wait for a person. `any`: whether there are shipments at all.
    """

    rows: list[Shipment]
    next: str
    waiting: int
    any: bool


def find(merchant: Merchant, public_id: str) -> Shipment:
    """The merchant's shipment of that id. Raises NotFound, for another merchant's too."""
    found = Shipment.get_or_none(Shipment.merchant == merchant, Shipment.public_id == public_id)
    if found is None:
        raise NotFound("shipment")
    return found


def page(merchant: Merchant, view: str = "", text: str = "", source: Source | None = None, after: str = "") -> Page:
    """One page. `view`: a key of VIEWS; `text`: of a tracking number or reference, from its beginning; `after`: as `Page.next` gave it."""
    mine = Shipment.merchant == merchant
    query = Shipment.select(Shipment, FulfillmentRequest, Source).join(FulfillmentRequest, JOIN.LEFT_OUTER).switch(Shipment).join(Source)
    query = query.where(mine)
    if source is not None:
        query = query.where(Shipment.source == source)
    if view in ("unmatched", "matched"):
        query = query.where(Shipment.state == view)
    if text:
        key = carriers.plain(text)
        query = query.where((Shipment.tracking_key.startswith(key) if key else Shipment.id < 0) | (Shipment.reference == text.strip()))
    if after.isascii() and after.isdigit() and len(after) < 19:
        query = query.where(Shipment.id < int(after))
    rows = list(query.order_by(Shipment.id.desc()).limit(PAGE + 1))
    there = bool(rows) or Shipment.select().where(mine).exists()
    return Page(rows[:PAGE], str(rows[PAGE - 1].id) if len(rows) > PAGE else "", waiting_of(merchant), there)


def waiting_of(merchant: Merchant) -> int:
    """How many shipments wait for a person."""
    return int(Shipment.select().where(Shipment.merchant == merchant, Shipment.state == "unmatched").count())


def items(shipment: Shipment) -> list[ShipmentItem]:
    """What is in it."""
    return list(ShipmentItem.select().where(ShipmentItem.shipment == shipment).order_by(ShipmentItem.id))


def of_request(request: FulfillmentRequest) -> list[Shipment]:
    """Its shipments, oldest first; those corrected away among them."""
    return list(Shipment.select().where(Shipment.request == request).order_by(Shipment.id))


def request_for(shipment: Shipment, typed: str) -> FulfillmentRequest:
    """The request that a person means for a waiting shipment: of the same source, by public id or number. Raises Invalid."""
    wanted = typed.strip()
    mine = FulfillmentRequest.select().where(FulfillmentRequest.source == shipment.source_id)
    for match in (FulfillmentRequest.public_id == wanted, FulfillmentRequest.number == wanted):
        found = list(mine.where(match).order_by(FulfillmentRequest.id.desc()).limit(5))
        if len(found) == 1:
            return found[0]
        if found:
            raise Invalid({"request": f"{len(found)} requests have the number {wanted}. Open the right one and add the shipment there."})
    raise Invalid(
        {"request": f"{shipment.source.name} has no request with the number “{wanted}”. Enter it as the request's page shows it."}
    )
