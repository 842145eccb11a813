"""Who is meant: orders by e-mail, name, telephone or order number, and how much else speaks of the same person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from portal.erasing.terms import Terms, digits, plain
from portal.models import FulfillmentRequest, Merchant, Order, OrderLine, RequestLine, Submission, SubmissionMember
from portal.orders.changing import LIVE

CHUNK = 500
MOST_SHOWN = 200
LONGEST = 254
UNDER_WAY = ("waiting", "claimed", "uploading", "uploaded", "check_needed")


@dataclass(frozen=True)
class Found:
    """The orders of a person: `orders`, the newest first, and of them those that are `open`, by public id. `terms`: what they tell."""

    orders: Sequence[Order]
    open: frozenset[str]
    terms: Terms = field(default_factory=Terms)


def orders(merchant: Merchant, typed: str) -> list[Order]:
    """Orders whose address, number or reference is what was typed, the newest first."""
    text = plain(typed[:LONGEST])
    if not text:
        return []
    number = digits(typed)
    holds = Order.ship_to.cast("TEXT").contains(typed.strip()) | Order.bill_to.cast("TEXT").contains(typed.strip())
    found = [order for order in each_order(merchant, holds if "@" in typed else None) if _fits(order, typed.strip(), text, number)]
    return found[::-1]


def each_order(merchant: Merchant, narrowed: Any = None) -> Iterator[Order]:
    """Every order of the merchant (of which `narrowed` is true), the oldest first, a chunk at a time."""
    mine = Order.merchant == merchant.id if narrowed is None else (Order.merchant == merchant.id) & narrowed
    last = 0
    while True:
        rows = list(Order.select().where(mine, Order.id > last).order_by(Order.id).limit(CHUNK))
        yield from rows
        if len(rows) < CHUNK:
            return
        last = rows[-1].id


def of(chosen: Sequence[Order]) -> Found:
    """What these orders tell of their person, and which of them are not finished."""
    terms = Terms()
    for order in chosen:
        for address in (order.ship_to, order.bill_to):
            terms.add(address)
    return Found(chosen, frozenset(order.public_id for order in chosen if is_open(order)), terms)


def is_open(order: Order) -> bool:
    """Whether something of it is still to be routed, sent, answered or shipped: its address is needed for that."""
    waits = (OrderLine.order == order.id) & (OrderLine.unrouted > 0)
    if order.state in (*LIVE, "draft") and OrderLine.select().where(waits).exists():
        return True
    lines = RequestLine.select().join(FulfillmentRequest).where(FulfillmentRequest.order == order.id)
    if lines.where(RequestLine.open + RequestLine.acknowledged > 0).exists():
        return True
    leaves = Submission.select().join(SubmissionMember).join(FulfillmentRequest).where(FulfillmentRequest.order == order.id)
    return bool(leaves.where(Submission.state << UNDER_WAY).exists())


def _fits(order: Order, typed: str, text: str, number: str) -> bool:
    if typed in (order.number, order.reference, order.customer_reference):
        return True
    for address in (order.ship_to, order.bill_to):
        told = {key: str(address.get(key) or "") for key in ("email", "name", "phone")}
        either = [text == plain(told["email"]), text == plain(told["name"]), bool(number) and number == digits(told["phone"])]
        if reduce(or_, either):
            return True
    return False
