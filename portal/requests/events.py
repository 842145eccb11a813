"""The one place where quantities of request lines change: lines, order lines, committed stock, states and the event, together or not.

acts by line ─▶ counts ─▶ lines │ order lines (fill or kill) │ committed stock ─▶ states of request and order ─▶ event
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal import clock
from portal.models import CommittedStock, FulfillmentRequest, Order, OrderLine, RequestEvent, RequestLine, database
from portal.models.database import is_postgres
from portal.requests import confirming
from portal.requests.counts import BUCKETS, Counts, Move, share, shipped_axis
from portal.requests.states import ENDED, SENT

KINDS = {
    "created": "Created",
    "processed": "Put in line for sending",
    "sending": "Sending",
    "sent": "Sent",
    "unknown": "Check needed",
    "rejected": "Refused by the supplier",
    "resent": "To be sent again",
    "accept": "Accepted by the supplier",
    "cancel": "Canceled by the supplier",
    "void": "Voided",
    "ship": "Shipped",
    "unship": "Shipment corrected",
    "note": "Note",
}
RELEASED_BY = {"ship": "shipment", "cancel": "cancel", "void": "void"}

Acts = Sequence[tuple[str, int, int]]
"""(act of portal.requests.counts.ACTS, id of the line, units), done in this order."""


def counts(line: RequestLine) -> Counts:
    """The quantities of a line."""
    return Counts(line.ordered, *(getattr(line, name) for name in BUCKETS))


def lock_order(order_id: int) -> Order:
    """The order, its row held until the open transaction ends: whoever changes it, its requests or its stock does this first."""
    query = Order.select().where(Order.id == order_id)
    return query.for_update().get() if is_postgres() else query.get()


def record(
    request: FulfillmentRequest, kind: str, acts: Acts = (), *, cause: str, who: str = "", fill: bool = True, words: str = "",
    document_id: int | None = None, run_id: int | None = None, row: int | None = None,
) -> FulfillmentRequest:  # fmt: skip
    """Do the acts and write the event; the request as it is then. `kind`: a key of KINDS.

    `fill`: what is cancelled or voided is free to be routed again, else it is cancelled at the order too ("kill").
    Joins the transaction that is open. Raises TooMany, and nothing was done then.
    """
    with database.atomic():
        order = lock_order(request.order_id)
        lines = {line.id: line for line in RequestLine.select().where(RequestLine.request == request.id).order_by(RequestLine.number)}
        moves = [(lines[line_id], move) for act, line_id, units in acts for move in _moved(lines[line_id], act, units)]
        for line in {line.id: line for line, _ in moves}.values():
            RequestLine.update({name: getattr(line, name) for name in BUCKETS}).where(RequestLine.id == line.id).execute()
            _hold(line, kind)
        _give_back(moves, fill)
        RequestEvent.create(
            request=request.id, kind=kind, cause=cause, who=who, words=words[:500], document_id=document_id, run=run_id, row=row,
            at=clock.now(),
            moves=[{"line": line.public_id, "from": move.source, "to": move.target, "quantity": move.quantity} for line, move in moves],
        )  # fmt: skip
        if any(act in confirming.ANSWERS for act, _, _ in acts):
            confirming.answered(request)
        settle(request.id, who)
        settle_order(order.id, who)
    return FulfillmentRequest.get_by_id(request.id)


def _moved(line: RequestLine, act: str, units: int) -> Sequence[Move]:
    after, moves = counts(line).after(act, units)
    for name in BUCKETS:
        setattr(line, name, getattr(after, name))
    return moves


def _hold(line: RequestLine, kind: str) -> None:
    """The stock that the line commits follows what is still to be shipped, unless age released it."""
    held = counts(line).held
    columns: dict[str, Any] = {"quantity": held, "changed_at": clock.now()}
    columns |= {"released_at": None if held else clock.now(), "released_because": "" if held else RELEASED_BY.get(kind, kind)}
    not_by_age = (CommittedStock.line == line.id) & (CommittedStock.released_because != "age")
    CommittedStock.update(columns).where(not_by_age).execute()


def _give_back(moves: Sequence[tuple[RequestLine, Move]], fill: bool) -> None:
    for line, move in moves:
        if move.target in ("cancelled", "voided"):
            freed = {"unrouted": OrderLine.unrouted + move.quantity} if fill else {"cancelled": OrderLine.cancelled + move.quantity}
            OrderLine.update(routed=OrderLine.routed - move.quantity, **freed).where(OrderLine.id == line.order_line_id).execute()


def settle(request_id: int, who: str = "") -> None:
    """Bring the states of a request into line with its lines (PRODUCT 3.1, 3.2). The caller holds its order."""
    request = FulfillmentRequest.get_by_id(request_id)
    lines = [counts(line) for line in RequestLine.select().where(RequestLine.request == request_id)]
    columns: dict[str, Any] = {"shipped": shipped_axis(lines)}
    if not sum(line.live for line in lines):
        if request.state not in ENDED:
            ended = "voided" if all(line.voided == line.ordered for line in lines) else "canceled"
            columns |= {"state": ended, f"{ended}_at": clock.now()}
    elif request.state in SENT:
        answered = not sum(line.open for line in lines)
        columns["state"] = "acknowledged" if answered else "processed"
        columns["acknowledged_at"] = (request.acknowledged_at or clock.now()) if answered else None
    if changed := {name: value for name, value in columns.items() if getattr(request, name) != value}:
        changed |= {"changed_at": clock.now(), "changed_by": who, "version": FulfillmentRequest.version + 1}
        FulfillmentRequest.update(changed).where(FulfillmentRequest.id == request_id).execute()


def settle_order(order_id: int, who: str = "") -> None:
    """Bring the states of an order into line with its lines and requests. The caller holds it."""
    order = Order.get_by_id(order_id)
    lines = list(OrderLine.select().where(OrderLine.order == order_id))
    requested = RequestLine.select().join(FulfillmentRequest).where(FulfillmentRequest.order == order_id)
    asked = [counts(line) for line in requested]
    live = sum(line.quantity - line.cancelled for line in lines)
    shipped, accepted = sum(one.shipped for one in asked), sum(one.acknowledged + one.shipped for one in asked)
    columns: dict[str, Any] = {"shipped": share(shipped, live), "acknowledged": share(accepted, live)}
    if not sum(line.unrouted for line in lines):
        columns |= {"routing": "", "routing_said": ""}
    elif order.routing == "":
        columns["routing"] = "waiting"
    if order.state in ("open", "closed", "canceled"):
        columns["state"] = "canceled" if not live else "closed" if shipped == live else "open"
    if changed := {name: value for name, value in columns.items() if getattr(order, name) != value}:
        changed |= {"changed_at": clock.now(), "changed_by": who, "version": Order.version + 1}
        Order.update(changed).where(Order.id == order_id).execute()


def timeline(request: FulfillmentRequest) -> list[Mapping[str, Any]]:
    """The events of a request, oldest first: {"at", "kind", "label", "words", "who", "cause", "moves"}."""
    rows = RequestEvent.select().where(RequestEvent.request == request.id).order_by(RequestEvent.id)
    return [
        {
            "at": one.at,
            "kind": one.kind,
            "label": KINDS[one.kind],
            "words": one.words,
            "who": one.who,
            "cause": one.cause,
            "moves": one.moves,
        }
        for one in rows
    ]
