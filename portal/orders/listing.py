"""Lists of orders: who needs a person, who waits, and where each one stands in a sentence.

filters ─▶ orders ─▶ their lines and requests, read once for a page ─▶ Row, Row, …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any

from peewee import fn

from portal.errors import Invalid
from portal.models import AnswerProblem, FulfillmentRequest, Merchant, Order, OrderLine, RequestLine, Source
from portal.requests.states import FLAGGED
from portal.requests.states import STATES as REQUEST_STATES

STATES = {
    "open": "Open", "on_hold": "On Hold", "no_shipping_method": "No Shipping Method", "failed": "Failed", "draft": "Draft",
    "closed": "Closed", "canceled": "Canceled", "not_managed": "Not Managed",
}  # fmt: skip
VIEWS = {"needs": "Needs you", "waiting": "Waiting", "all": "All"}
PAGE_SIZE = 50
LONGEST_QUERY = 120
OVER = ("closed", "canceled", "not_managed", "draft")
_ODD_REQUESTS = ("failed", *FLAGGED)


@dataclass(frozen=True)
class Asked:
    """What a list is asked for. `view`: a key of VIEWS; `source`: its id or None; `query`: a number, a SKU, or part of name or address."""

    view: str = "all"
    query: str = ""
    state: str = ""
    came_by: str = ""
    source: int | None = None
    cursor: str = ""


@dataclass(frozen=True)
class Row:
    """An order in a list. `stands`: where it is, in a sentence. `needs`: whether a person must do something."""

    order: Order
    units: int
    shipped: int
    lines: Sequence[OrderLine]
    sources: Sequence[str]
    stands: str
    needs: bool


@dataclass(frozen=True)
class Page:
    """One page of orders; cursors are "" at an end."""

    rows: Sequence[Row] = field(default_factory=list)
    next_cursor: str = ""
    previous_cursor: str = ""


def counts(merchant: Merchant) -> Mapping[str, int]:
    """{key of VIEWS: how many orders}."""
    return {view: _of(merchant, Asked(view)).count() for view in VIEWS}


def search(merchant: Merchant, asked: Asked) -> Page:
    """A page of orders: the oldest first where somebody waits for something, else the newest first. Raises Invalid for a strange cursor."""
    oldest_first = asked.view in ("needs", "waiting")
    way, last = _read(asked.cursor)
    upwards = oldest_first != (way == "p")
    query = _of(merchant, asked)
    if last:
        query = query.where(Order.id > last if upwards else Order.id < last)
    found = list(query.order_by(Order.id.asc() if upwards else Order.id.desc()).limit(PAGE_SIZE + 1))
    more, found = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if way == "p":
        found.reverse()
    first = not last or (way == "p" and not more)
    after = f"n{found[-1].id}" if found and (more or way == "p") else ""
    return Page(rows(found), after, "" if first or not found else f"p{found[0].id}")


def rows(orders: Sequence[Order]) -> list[Row]:
    """The orders with what a list says of them; four queries for all of them."""
    ids = [order.id for order in orders]
    lines: dict[int, list[OrderLine]] = {one: [] for one in ids}
    requests: dict[int, list[FulfillmentRequest]] = {one: [] for one in ids}
    for line in OrderLine.select().where(OrderLine.order << ids).order_by(OrderLine.number):
        lines[line.order_id].append(line)
    asked = FulfillmentRequest.select(FulfillmentRequest, Source).join(Source).where(FulfillmentRequest.order << ids)
    for request in asked.order_by(FulfillmentRequest.id):
        requests[request.order_id].append(request)
    ours = FulfillmentRequest.select(FulfillmentRequest.id).where(FulfillmentRequest.order << ids)
    told: Any = AnswerProblem.select(AnswerProblem.request).where(AnswerProblem.settled_at.is_null(), AnswerProblem.request << ours)
    problems = {request for (request,) in told.tuples()}
    sums: Any = RequestLine.select(FulfillmentRequest.order, fn.SUM(RequestLine.shipped)).join(FulfillmentRequest)
    shipped: dict[int, int] = dict(sums.where(FulfillmentRequest.order << ids).group_by(FulfillmentRequest.order).tuples())
    return [_row(order, lines[order.id], requests[order.id], int(shipped.get(order.id) or 0), problems) for order in orders]


def _row(order: Order, lines: Sequence[OrderLine], requests: Sequence[FulfillmentRequest], shipped: int, problems: set[int]) -> Row:
    words = _wants(order, requests, problems)
    return Row(
        order, sum(line.quantity for line in lines), shipped, lines, list(dict.fromkeys(one.source.name for one in requests)),
        words or _stands(order, requests), bool(words),
    )  # fmt: skip


def _wants(order: Order, requests: Sequence[FulfillmentRequest], problems: set[int]) -> str:
    """What a person is needed for, "" for nothing."""
    if order.state in OVER:
        return ""
    if order.problems:
        more = len(order.problems) - 1
        return f"{order.problems[0]['words']}" + (f" And {more} more." if more else "")
    if order.state == "failed":
        return order.routing_said or "It failed when it came in."
    if order.state == "no_shipping_method":
        return f"“{order.shipping_text}” is not mapped to a shipping method."
    for request in requests:
        if request.sending == "check_needed":
            return f"We do not know whether {request.source.name} has {request.number}."
        if request.state in _ODD_REQUESTS:
            return request.said or f"{request.number} at {request.source.name}: {REQUEST_STATES[request.state]}."
        if request.id in problems:
            return f"{request.source.name} answered for {request.number} in a way that could not be used."
    return order.routing_said if order.state == "open" and order.routing == "problem" else ""


def _stands(order: Order, requests: Sequence[FulfillmentRequest]) -> str:
    """Where an order is that needs nobody."""
    if order.state == "on_hold":
        return "Held by a person. Nothing more is routed until it is released."
    if order.state in ("canceled", "not_managed", "draft"):
        return {"canceled": "Nothing of it will be shipped.", "not_managed": "It is not managed here.", "draft": "Not routed yet."}[
            order.state
        ]
    if order.state == "closed":
        return "Everything was shipped."
    if order.routing:
        return "Waits to be routed to a source."
    first = next((one for one in requests if one.state == "unprocessed"), None)
    if first:
        return f"Waits for Process at {first.source.name}."
    waiting = next((one for one in requests if one.state == "processing"), None)
    if waiting:
        return f"In line for {waiting.source.name}."
    return {"partial": "Partly shipped."}.get(order.shipped) or (
        "Accepted, waits to be shipped." if order.acknowledged == "completed" else "Sent, waits for an answer."
    )


def _of(merchant: Merchant, asked: Asked) -> Any:
    query = Order.select().where(Order.merchant == merchant.id)
    if asked.view == "needs":
        query = query.where(_needing(merchant))
    elif asked.view == "waiting":
        query = query.where(Order.state.not_in(OVER), ~_needing(merchant))
    if asked.state in STATES:
        query = query.where(Order.state == asked.state)
    if asked.came_by:
        query = query.where(Order.came_by == asked.came_by)
    if asked.source is not None:
        query = query.where(
            Order.id << FulfillmentRequest.select(FulfillmentRequest.order).where(FulfillmentRequest.source == asked.source)
        )
    return query.where(_matching(merchant, asked.query)) if asked.query.strip() else query


def _needing(merchant: Merchant) -> Any:
    """The condition that `_wants` says something of the order."""
    ours, request = FulfillmentRequest.merchant == merchant.id, FulfillmentRequest
    odd = request.select(request.order).where(ours, (request.state << _ODD_REQUESTS) | (request.sending == "check_needed"))
    told = (
        AnswerProblem.select(request.order).join(request).where(AnswerProblem.settled_at.is_null(), AnswerProblem.merchant == merchant.id)
    )
    either = [
        Order.problems.cast("TEXT") != "[]",
        Order.state << ("failed", "no_shipping_method"),
        (Order.state == "open") & (Order.routing == "problem"),
        Order.id << odd,
        Order.id << told,
    ]
    return Order.state.not_in(OVER) & reduce(or_, either)


def _matching(merchant: Merchant, text: str) -> Any:
    words = text.strip()[:LONGEST_QUERY]
    with_sku = OrderLine.select(OrderLine.order).join(Order).where(Order.merchant == merchant.id, OrderLine.sku == words)
    numbered = FulfillmentRequest.select(FulfillmentRequest.order).where(
        FulfillmentRequest.merchant == merchant.id, FulfillmentRequest.number == words
    )
    either = [
        Order.number.startswith(words), Order.reference == words, Order.customer_reference == words,
        Order.ship_to.cast("TEXT").contains(words),
        Order.id << with_sku, Order.id << numbered,
    ]  # fmt: skip
    return reduce(or_, either)


def _read(cursor: str) -> tuple[str, int]:
    if not cursor:
        return "n", 0
    way, number = cursor[0], cursor[1:]
    if way not in "np" or not (number.isascii() and number.isdigit()) or len(number) > 18:
        raise Invalid({"page": "That page is not there. This is the first one."})
    return way, int(number)
