"""Routing: `preview` decides and writes nothing; `route` decides under locks and writes the requests in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal import clock
from portal.errors import Refused
from portal.models import FulfillmentRequest, InventoryItem, Merchant, Order, OrderLine, database
from portal.models.database import is_postgres
from portal.requests import creating, stock
from portal.requests.creating import NewLine
from portal.requests.rules import of_workspace
from portal.routing import offers
from portal.routing.deciding import Decision, Need, Pick, decide, in_words
from portal.routing.offers import Market

STATES = {
    "draft": "It is a draft, so it is not routed.",
    "on_hold": "It is on hold, so it is not routed. Release it first.",
    "closed": "It is closed: everything of it was shipped.",
    "canceled": "It is canceled, so nothing of it is routed.",
    "failed": "It failed when it came in, so it is not routed.",
    "no_shipping_method": "It has no shipping method, so it is not routed.",
    "not_managed": "It is not managed here, so it is not routed.",
}


@dataclass(frozen=True)
class Preview:
    """What `route` would do now. `lines`: those with something unrouted. `refused`: why the order is not routed at all, or ""."""

    order: Order
    lines: Sequence[OrderLine]
    decision: Decision
    market: Market
    words: str
    refused: str = ""

    def name_of(self, place: int) -> str:
        """The name of a source."""
        return str(self.market.sources[place].name)


@dataclass(frozen=True)
class Routed:
    """What was done with an order: its new requests, and a sentence."""

    order: Order
    requests: Sequence[FulfillmentRequest]
    words: str


def preview(order: Order, again: bool = False) -> Preview:
    """Decide as `route` would, without writing. `again`: sources from which a line came back may be asked again."""
    lines = _open_lines([order.id]).get(order.id, [])
    market = offers.read(order.merchant, {line.sku for line in lines})
    been = {} if again else offers.been_there([order.id]).get(order.id, {})
    decision = _decide(order, lines, market, been)
    words = in_words(decision, lambda place: market.sources[place].name) if lines else "Everything of it is at a source."
    return Preview(order, lines, decision, market, words, STATES.get(order.state, ""))


def route(order: Order, who: str, again: bool = False) -> Routed:
    """Turn what is unrouted of an open order into requests at sources. `again`: as in `preview`. Raises Refused."""
    if order.state in STATES:
        raise Refused(STATES[order.state])
    return route_many(order.merchant, [order.id], who, again)[0]


def route_many(merchant: Merchant, order_ids: Sequence[int], who: str = "", again: bool = False) -> list[Routed]:
    """Route several orders of one merchant, one after the other, in one transaction; those that are not open are left out.

    Orders are held first, lowest id first, then the stock of their SKUs: whoever routes the same SKU waits and sees this one's.
    """
    with database.atomic():
        held = _lock(merchant, order_ids)
        lines = _open_lines([order.id for order in held])
        skus = {line.sku for of_order in lines.values() for line in of_order}
        stock.lock(merchant.id, skus)
        market, been = offers.read(merchant, skus, hold=True), {} if again else offers.been_there([order.id for order in held])
        return [_route(order, lines.get(order.id, []), market, been.get(order.id, {}), who) for order in held]


def _lock(merchant: Merchant, order_ids: Sequence[int]) -> list[Order]:
    query = Order.select().where(Order.id << list(order_ids), Order.merchant == merchant.id, Order.state == "open").order_by(Order.id)
    held = list(query.for_update() if is_postgres() else query)
    for order in held:
        order.merchant = merchant
    return held


def _open_lines(order_ids: Sequence[int]) -> Mapping[int, list[OrderLine]]:
    """{order: its lines with something unrouted}."""
    found: dict[int, list[OrderLine]] = {}
    for line in OrderLine.select().where(OrderLine.order << list(order_ids), OrderLine.unrouted > 0).order_by(OrderLine.number):
        found.setdefault(line.order_id, []).append(line)
    return found


def _decide(order: Order, lines: Sequence[OrderLine], market: Market, been: Mapping[tuple[int, str], str]) -> Decision:
    needs = [Need(line.id, line.sku, line.unrouted) for line in lines]
    return decide(needs, market.places(order.currency), market.of({line.sku for line in lines}, been), of_workspace(order.merchant).policy)


def _route(order: Order, lines: Sequence[OrderLine], market: Market, been: Mapping[tuple[int, str], str], who: str) -> Routed:
    decision = _decide(order, lines, market, been)
    made = _make(order, {line.id: line for line in lines}, decision, market, who)
    market.take(decision.picks)
    for line in lines:
        why = decision.unroutable.get(line.id, "")[:500]
        done = {} if why else {"routed": OrderLine.routed + line.unrouted, "unrouted": 0}
        if done or line.unroutable != why:
            OrderLine.update({"unroutable": why, **done}).where(OrderLine.id == line.id).execute()
    said = " ".join(dict.fromkeys(decision.unroutable.values()))
    now = clock.now()
    columns: dict[str, Any] = {"routing": "problem" if said else "", "routing_said": _short(said), "routed_at": now}
    if made or said != order.routing_said:
        columns |= {"version": Order.version + 1, "changed_at": now, "changed_by": who}
    Order.update(columns).where(Order.id == order.id).execute()
    words = in_words(decision, lambda place: market.sources[place].name) if lines else "Everything of it is at a source already."
    return Routed(order, made, words)


def _make(order: Order, lines: Mapping[int, OrderLine], decision: Decision, market: Market, who: str) -> list[FulfillmentRequest]:
    """A request for each source that was picked, in the order of the lines."""
    by_place: dict[int, list[Pick]] = {}
    for pick in decision.picks:
        by_place.setdefault(pick.place, []).append(pick)
    if not by_place:
        return []
    items = {one.id: one for one in InventoryItem.select().where(InventoryItem.id << [pick.offer.item for pick in decision.picks])}
    before = FulfillmentRequest.select().where(FulfillmentRequest.order == order.id).count()
    alone = before + len(by_place) == 1
    return [
        creating.create(
            order, market.sources[place], [NewLine(lines[pick.line], items[pick.offer.item], pick.quantity) for pick in picks],
            0 if alone else before + n, _because(order, lines, picks, decision), who,
        )
        for n, (place, picks) in enumerate(by_place.items(), 1)
    ]  # fmt: skip


def _because(order: Order, lines: Mapping[int, OrderLine], picks: Sequence[Pick], decision: Decision) -> Mapping[str, Any]:
    """What is kept of the decision: {"by", "lines": [{"number", "sku", "feed", "committed", "backorder", "why", "lost"}]}."""
    return {
        "by": of_workspace(order.merchant).policy.by,
        "lines": [
            {
                "number": lines[pick.line].number, "sku": pick.offer.sku, "feed": pick.offer.feed, "committed": pick.offer.committed,
                "quantity": pick.quantity, "backorder": pick.backorder, "why": pick.because,
                "lost": [list(one) for one in decision.lost[pick.line]],
            }
            for pick in picks
        ],
    }  # fmt: skip


def _short(text: str) -> str:
    return text if len(text) <= 500 else text[:499].rstrip() + "…"
