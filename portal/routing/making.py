"""Routing: `preview` decides and writes nothing; `route` decides under locks and writes the requests in the same transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from portal import clock
from portal.errors import Refused
from portal.models import FulfillmentRequest, InventoryItem, Merchant, Order, OrderLine, database
from portal.models.database import is_postgres
from portal.requests import creating, stock
from portal.requests.creating import New, NewLine
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
        decided = []
        for order in held:
            told = _decide(order, lines.get(order.id, []), market, been.get(order.id, {}))
            market.take(told.picks)
            decided.append((order, lines.get(order.id, []), told))
        made = _make(decided, market, who)
        _write_orders(decided, made, who)
        return [Routed(order, made.get(order.id, []), _words(told, some, market)) for order, some, told in decided]


Decided = Sequence[tuple[Order, Sequence[OrderLine], Decision]]
"""Orders with the lines that were open, and what was decided of them."""


def _words(told: Decision, lines: Sequence[OrderLine], market: Market) -> str:
    return in_words(told, lambda place: market.sources[place].name) if lines else "Everything of it is at a source already."


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


def _make(decided: Decided, market: Market, who: str) -> Mapping[int, list[FulfillmentRequest]]:
    """{order: its new requests}: one for each source that was picked, in the order of the lines."""
    wanted = [pick.offer.item for _, _, told in decided for pick in told.picks]
    items = {one.id: one for start in range(0, len(wanted), 10_000) for one in _items(wanted[start : start + 10_000])}
    before = _counts([order.id for order, _, told in decided if told.picks])
    news = []
    for order, lines, told in decided:
        by_id, by_place = {line.id: line for line in lines}, _by_place(told)
        first = before.get(order.id, 0)
        alone = first + len(by_place) == 1
        for n, (place, picks) in enumerate(by_place.items(), 1):
            parts = [NewLine(by_id[pick.line], items[pick.offer.item], pick.quantity) for pick in picks]
            because = _because(order, by_id, picks, told)
            news.append(New(order, market.sources[place], parts, 0 if alone else first + n, because))
    found: dict[int, list[FulfillmentRequest]] = {}
    for request in creating.create(news, who):
        found.setdefault(request.order_id, []).append(request)
    return found


def _items(ids: Sequence[int]) -> Any:
    return InventoryItem.select().where(InventoryItem.id << list(set(ids)))


def _counts(order_ids: Sequence[int]) -> Mapping[int, int]:
    request = FulfillmentRequest
    query: Any = request.select(request.order, fn.COUNT(request.id)).where(request.order << list(order_ids)).group_by(request.order)
    return dict(query.tuples())


def _by_place(told: Decision) -> Mapping[int, list[Pick]]:
    found: dict[int, list[Pick]] = {}
    for pick in told.picks:
        found.setdefault(pick.place, []).append(pick)
    return found


def _write_orders(decided: Decided, made: Mapping[int, Sequence[FulfillmentRequest]], who: str) -> None:
    """The orders' own lines and states after that."""
    now = clock.now()
    whole = [line.id for _, lines, told in decided for line in lines if line.id not in told.unroutable]
    if whole:
        moved = {"routed": OrderLine.routed + OrderLine.unrouted, "unrouted": 0, "unroutable": ""}
        OrderLine.update(moved).where(OrderLine.id << whole).execute()
    for _, lines, told in decided:
        for line in lines:
            why = told.unroutable.get(line.id, "")[:500]
            if why and why != line.unroutable:
                OrderLine.update(unroutable=why).where(OrderLine.id == line.id).execute()
    groups: dict[tuple[str, bool], list[int]] = {}
    for order, _, told in decided:
        said = _short(" ".join(dict.fromkeys(told.unroutable.values())))
        groups.setdefault((said, order.id in made or said != order.routing_said), []).append(order.id)
    for (said, changed), ids in groups.items():
        columns: dict[str, Any] = {"routing": "problem" if said else "", "routing_said": said, "routed_at": now}
        if changed:
            columns |= {"version": Order.version + 1, "changed_at": now, "changed_by": who}
        Order.update(columns).where(Order.id << ids).execute()


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
