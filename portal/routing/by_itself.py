"""Orders that are routed without a person: new ones at once, those that found no source again once something has changed."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from peewee import IntegrityError, fn

from portal import clock
from portal.models import CommittedStock, Integration, Merchant, Order, Source
from portal.requests.rules import of_workspace
from portal.routing.making import route_many

log = logging.getLogger(__name__)

BATCH = 50  # orders in one transaction
AGAIN_AFTER = timedelta(hours=1)
"""How long an order that found no source waits at most before it is tried again, whatever changed."""


def waiting() -> bool:
    """Whether an order waits for its first try."""
    return bool(_merchants("waiting"))


def route_new() -> int:
    """Route the orders that came in, of every merchant who wants that; how many were tried. A worker calls it."""
    return sum(_route(merchant, Order.routing == "waiting") for merchant in _merchants("waiting"))


def route_again() -> int:
    """Try again what found no source, where stock, sources or rules changed since, and in any case each hour. The clock calls it."""
    tried = 0
    for merchant in _merchants("problem"):
        since = max(filter(None, [_stirred(merchant), clock.now() - AGAIN_AFTER]))
        old = Order.routed_at.is_null() | (Order.routed_at < since)
        tried += _route(merchant, (Order.routing == "problem") & old)
    return tried


def _merchants(routing: str) -> list[Merchant]:
    whose = Order.select(Order.merchant).where(Order.state == "open", Order.routing == routing)
    return [one for one in Merchant.select().where(Merchant.id << whose).order_by(Merchant.id) if of_workspace(one).itself]


def _stirred(merchant: Merchant) -> datetime | None:
    """When something last changed that could give an order a source: a feed, a source or the rules, units that came free."""
    ours = Source.select(Source.id).where(Source.merchant == merchant.id)
    told = [
        merchant.changed_at,
        Integration.select(fn.MAX(Integration.last_accepted_at)).where(Integration.source << ours).scalar(),
        Integration.select(fn.MAX(Integration.changed_at)).where(Integration.source << ours).scalar(),
        Source.select(fn.MAX(Source.changed_at)).where(Source.merchant == merchant.id).scalar(),
        CommittedStock.select(fn.MAX(CommittedStock.released_at)).where(CommittedStock.source << ours).scalar(),
    ]
    return max((one for one in map(_moment, told) if one is not None), default=None)


def _moment(value: Any) -> datetime | None:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _route(merchant: Merchant, which: Any) -> int:
    """Route the merchant's open orders that meet the condition, the oldest first; how many."""
    begun, tried, last = clock.now(), 0, 0
    while True:
        fresh = Order.routed_at.is_null() | (Order.routed_at < begun)
        query: Any = Order.select(Order.id).where(Order.merchant == merchant.id, Order.state == "open", which, fresh, Order.id > last)
        ids = [one_id for (one_id,) in query.order_by(Order.id).limit(BATCH).tuples()]
        if not ids:
            return tried
        last = ids[-1]
        try:
            route_many(merchant, ids)
        except IntegrityError:  # two gave the same number to one source at once; each by itself sees the other's
            for one_id in ids:
                _route_alone(merchant, one_id)
        tried += len(ids)


def _route_alone(merchant: Merchant, order_id: int) -> None:
    try:
        route_many(merchant, [order_id])
    except IntegrityError as problem:
        log.error("order %d could not be routed: %s", order_id, problem)
        said = "It could not be written. It is tried again within the hour; nothing of it was sent."
        Order.update(routing="problem", routing_said=said, routed_at=clock.now()).where(Order.id == order_id).execute()
