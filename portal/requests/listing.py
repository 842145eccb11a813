"""Fulfillment requests as a person looks for them: found through the merchant, what needs a person first, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import Case, fn

from portal import clock
from portal.errors import NotFound
from portal.models import AnswerProblem, FulfillmentRequest, InventoryItem, Merchant, Order, RequestLine, Source
from portal.requests import stock
from portal.requests.states import SENDING, SHIPPED, STATES

PAGE = 50
VIEWS = {"needs": "Needs you", "waiting": "Waiting", "all": "All"}
REASONS = {
    "check": "Check needed: we do not know whether they have it",
    "problem": "Their answer could not be used",
    "failed": "Failed: mend it and process it again",
    "number": "Its number cannot be sent",
    "process": "Waits for Process",
    "cancel": "Its cancel-after date passed before it was sent",
    "late": "No answer by the time that was expected",
}


@dataclass(frozen=True)
class Asked:
    """What a person looks for. `view`: a key of VIEWS, "" for what needs them and then what waits. `text`: of a number."""

    view: str = ""
    state: str = ""
    shipped: str = ""
    sending: str = ""
    source: Source | None = None
    text: str = ""
    after: str = ""


@dataclass(frozen=True)
class Page:
    """`rows`: requests, each with `needs` (a key of REASONS or "") and `units`. `next`: the place of the next page, "" on the last."""

    rows: list[FulfillmentRequest]
    next: str
    counts: Mapping[str, int]


def find(merchant: Merchant, public_id: str) -> FulfillmentRequest:
    """The merchant's request of that id. Raises NotFound, for another merchant's too."""
    found = FulfillmentRequest.get_or_none(FulfillmentRequest.merchant == merchant.id, FulfillmentRequest.public_id == public_id)
    if found is None:
        raise NotFound("fulfillment request")
    found.merchant = merchant
    return found


def chosen(merchant: Merchant, public_ids: list[str]) -> list[FulfillmentRequest]:
    """Those of the merchant's requests with these ids; the rest is left out."""
    query = FulfillmentRequest.select().where(FulfillmentRequest.merchant == merchant.id, FulfillmentRequest.public_id << public_ids)
    return list(query.order_by(FulfillmentRequest.id))


def page(merchant: Merchant, asked: Asked) -> Page:
    """One page of requests, the newest first; without a view what went wrong comes first, then what waits for Process, then the rest."""
    request, needs = FulfillmentRequest, _needs(clock.now())
    rank = Case(None, [((needs == ""), 0), ((needs == "process"), 1)], 2)
    query = request.select(request, needs.alias("needs"), _units.alias("units")).where(*_meets(merchant, asked, needs))
    if asked.after:
        place, last = _place(asked.after)
        query = query.where((rank < place) | ((rank == place) & (request.id < last)) if not asked.view else request.id < last)
    ordered = [request.id.desc()] if asked.view else [rank.desc(), request.id.desc()]
    rows = list(query.order_by(*ordered).limit(PAGE + 1))
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    return Page(rows, f"{_rank(rows[-1].needs)}-{rows[-1].id}" if more else "", _counts(merchant, asked, needs))


def needs_of(request: FulfillmentRequest) -> str:
    """Why one request needs a person: a key of REASONS, or ""."""
    query: Any = FulfillmentRequest.select(_needs(clock.now())).where(FulfillmentRequest.id == request.id)
    return str(query.scalar() or "")


def open_of_source(source: Source) -> tuple[int, int]:
    """(requests of the source with something open or accepted, those of them that need a person)."""
    needs = _needs(clock.now())
    query = FulfillmentRequest.select().where(FulfillmentRequest.source == source.id, _held)
    return int(query.count()), int(query.where(needs != "").count())


def of_order(order: Order) -> list[FulfillmentRequest]:
    """The requests of an order, oldest first."""
    return list(FulfillmentRequest.select().where(FulfillmentRequest.order == order.id).order_by(FulfillmentRequest.id))


def lines(request: FulfillmentRequest) -> list[RequestLine]:
    """The lines of a request in their order."""
    return list(RequestLine.select().where(RequestLine.request == request.id).order_by(RequestLine.number))


def available_of(item: InventoryItem) -> tuple[int, int, int]:
    """(feed, committed, available) of an item."""
    held = stock.committed(item.source_id, [item.sku]).get(item.sku, 0)
    feed = item.quantity or 0
    return feed, held, max(0, feed - held)


_line = RequestLine.alias()
_held = fn.EXISTS(_line.select(1).where(_line.request == FulfillmentRequest.id, _line.open + _line.acknowledged > 0))
_units = RequestLine.select(fn.SUM(RequestLine.ordered)).where(RequestLine.request == FulfillmentRequest.id)


def _needs(now: datetime) -> Any:
    """SQL: why a request needs a person, "" where it does not."""
    request = FulfillmentRequest
    problem = AnswerProblem.select(1).where(AnswerProblem.request == request.id, AnswerProblem.settled_at.is_null())
    unsent = request.state << ("unprocessed", "processing")
    return Case(
        None,
        [
            (request.sending == "check_needed", "check"),
            (fn.EXISTS(problem), "problem"),
            (request.state == "failed", "failed"),
            (request.state << ("too_long", "duplicate"), "number"),
            (unsent & request.cancel_after.is_null(False) & (request.cancel_after <= now), "cancel"),
            (request.state == "unprocessed", "process"),
            ((request.state == "processed") & request.due_at.is_null(False) & (request.due_at <= now), "late"),
        ],
        "",
    )


def _meets(merchant: Merchant, asked: Asked, needs: Any) -> list[Any]:
    request = FulfillmentRequest
    met: list[Any] = [request.merchant == merchant.id]
    for name, known in (("state", STATES), ("shipped", SHIPPED), ("sending", SENDING)):
        value = getattr(asked, name)
        if value in known and value:
            met.append(getattr(request, name) == value)
    if asked.source is not None:
        met.append(request.source == asked.source.id)
    if asked.text:
        met.append(request.number.contains(asked.text) | (request.their_id == asked.text))
    return [*met, *_view(asked.view, needs)]


def _view(view: str, needs: Any) -> list[Any]:
    if view == "needs":
        return [needs != ""]
    if view == "waiting":
        return [needs == "", _held]
    return [] if view == "all" else [(needs != "") | _held]


def _counts(merchant: Merchant, asked: Asked, needs: Any) -> Mapping[str, int]:
    query = FulfillmentRequest.select().where(
        FulfillmentRequest.merchant == merchant.id, *([FulfillmentRequest.source == asked.source.id] if asked.source else [])
    )
    return {view: int(query.where(*_view(view, needs)).count()) for view in VIEWS}


def _rank(needs: str) -> int:
    return 0 if not needs else 1 if needs == "process" else 2


def _place(after: str) -> tuple[int, int]:
    """(rank, id) of a page's beginning; the first page for what is no place."""
    rank, _, last = after.partition("-")
    if rank in ("0", "1", "2") and last.isascii() and last.isdigit() and len(last) < 19:
        return int(rank), int(last)
    return 3, 0
