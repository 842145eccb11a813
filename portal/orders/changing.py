"""What a person changes at an order that is here: its address, hold and release, a note, cancelling what was not shipped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal import audit, clock
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.models import FulfillmentRequest, Merchant, Order, OrderLine, database
from portal.orders import addresses
from portal.outbox import deciding as outbox
from portal.requests import answers, events
from portal.requests.states import ENDED, STATES

LONGEST_NOTE = 500
LIVE = ("open", "on_hold", "no_shipping_method")


def find(merchant: Merchant, public_id: str) -> Order:
    """The merchant's order of that id. Raises NotFound."""
    order = Order.get_or_none(Order.merchant == merchant, Order.public_id == public_id)
    if order is None:
        raise NotFound("order")
    order.merchant = merchant
    return order


def set_address(order: Order, typed: Mapping[str, Any], version: int, who: str) -> Order:
    """Ship the order elsewhere. An order that waited for its address alone goes on; what waits to leave is written anew.

    Raises Refused once a request of it went out: the supplier has the other address then; Invalid for an address with problems while a
    request waits to leave; and Stale.
    """
    with database.atomic():
        now = _held(order, version)
        if now.state not in LIVE:
            raise Refused("This order is not open any more. Its address was not changed.")
        if sent := _requests(now, sent=True):
            names = ", ".join(one.number for one in sent[:3])
            words = f"Request {names} was sent with the old address. Nothing was changed."
            raise Refused(f"{words} Ask the supplier to change it, or cancel the request there first.")
        ship_to, problems = addresses.normalise(typed)
        unsent = _requests(now, sent=False)
        if problems and unsent:
            raise Invalid({one["field"]: one["words"] for one in problems})
        for request in unsent:
            outbox.withdraw(request, who)
        state = "on_hold" if problems else "open" if now.state == "on_hold" and now.problems else now.state
        return _write(now, who, "order.address", ship_to=ship_to, problems=problems, state=state)


def hold(order: Order, version: int, who: str) -> Order:
    """Nothing of the order is routed until it is released; requests that were made go on. Raises Refused, Stale."""
    with database.atomic():
        now = _held(order, version)
        if now.state != "open":
            raise Refused("Only an open order can be put on hold.")
        return _write(now, who, "order.hold", state="on_hold")


def release(order: Order, version: int, who: str) -> Order:
    """Route the order again. Raises Refused while its address has problems, Stale."""
    with database.atomic():
        now = _held(order, version)
        if now.state != "on_hold":
            raise Refused("This order is not on hold.")
        if now.problems:
            raise Refused(f"Mend the address first: {now.problems[0]['words']}")
        return _write(now, who, "order.release", state="open")


def set_note(order: Order, text: str, version: int, who: str) -> Order:
    """The note that goes with what is sent from now on. Raises Invalid, Stale."""
    note = " ".join(text.split())
    if len(note) > LONGEST_NOTE:
        raise Invalid({"note": f"The note has {len(note)} characters; {LONGEST_NOTE} at most. Shorten it."})
    with database.atomic():
        return _write(_held(order, version), who, "order.note", note=note)


def cancel(order: Order, version: int, who: str) -> Order:
    """Cancel the whole order: what is unrouted, and requests that were not sent. Raises Refused where one was sent or is leaving, Stale.

    What a supplier may have cannot be cancelled from here: its requests are named, each to be cancelled or voided first.
    """
    with database.atomic():
        now = _held(order, version)
        if now.state not in LIVE:
            raise Refused("This order is not open any more.")
        if under_way := _requests(now, sent=True):
            names = ", ".join(f"{one.number} ({STATES[one.state]})" for one in under_way[:3])
            raise Refused(
                f"The supplier may have {names}. Cancel or void that request first, once the supplier agreed. Nothing was changed."
            )
        for request in _requests(now, sent=False):
            answers.void(request, None, who=who, confirmed=False, fill=False, reason="The order was canceled")
        OrderLine.update(cancelled=OrderLine.cancelled + OrderLine.unrouted, unrouted=0).where(OrderLine.order == now.id).execute()
        changed = _write(Order.get_by_id(now.id), who, "order.cancel", state="open")
        events.settle_order(changed.id, who)
    return Order.get_by_id(order.id)


def _requests(order: Order, sent: bool) -> list[FulfillmentRequest]:
    """Requests of the order that are not over: those whose bytes may have left, or those whose have not."""
    live = FulfillmentRequest.select().where(FulfillmentRequest.order == order.id, FulfillmentRequest.state.not_in(ENDED))
    untouched = ("unprocessed", "processing", "failed", "too_long", "duplicate")
    return [one for one in live if (one.state not in untouched or one.sending not in ("", "waiting", "cancelled", "rejected")) == sent]


def _held(order: Order, version: int) -> Order:
    """The order, locked; raises Stale when someone saved since `version`."""
    now = events.lock_order(order.id)
    if now.version != version:
        raise Stale(now.changed_by, now.changed_at)
    now.merchant = order.merchant
    return now


def _write(order: Order, who: str, action: str, **columns: Any) -> Order:
    before = {name: getattr(order, name) for name in columns}
    stamped = {**columns, "version": Order.version + 1, "changed_at": clock.now(), "changed_by": who}
    Order.update(stamped).where(Order.id == order.id).execute()
    audit.write(order.merchant, who, action, "order", order.public_id, before=before, after=columns)
    fresh: Order = Order.get_by_id(order.id)
    fresh.merchant = order.merchant
    return fresh
