"""Process: a request may leave. By a person, one or many; or by itself where Auto Process is on.

unprocessed, failed, flagged ─▶ number, shipping code and order looked at again ─▶ processing, not before the source's window opens
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal import clock
from portal.errors import Invalid, Refused
from portal.models import FulfillmentRequest, Merchant, Order, ShippingCode, Source, database
from portal.models.database import is_postgres
from portal.requests import creating, rules, sending, shipping_codes, windows
from portal.requests.events import lock_order, record
from portal.requests.states import FLAGGED, STATES, may

CHUNK = 100  # requests in one transaction


@dataclass
class Done:
    """`processed`: those that are in line now. `refused`: (request, why it is not)."""

    processed: list[FulfillmentRequest] = field(default_factory=list)
    refused: list[tuple[FulfillmentRequest, str]] = field(default_factory=list)


def process(requests: Sequence[FulfillmentRequest], who: str, cause: str = "person") -> Done:
    """Put requests in line for sending. Nothing is sent twice: what is in line or sent already is refused with a reason."""
    done = Done()
    ordered = sorted(requests, key=lambda one: (one.order_id, one.id))
    for start in range(0, len(ordered), CHUNK):
        with database.atomic():
            _process(ordered[start : start + CHUNK], who, cause, done)
    return done


def _process(some: Sequence[FulfillmentRequest], who: str, cause: str, done: Done) -> None:
    """Those of one transaction: their orders are held, then each is looked at as it is now."""
    query = Order.select().where(Order.id << sorted({one.order_id for one in some})).order_by(Order.id)
    orders = {one.id: one for one in (query.for_update() if is_postgres() else query)}
    fresh = list(FulfillmentRequest.select().where(FulfillmentRequest.id << [one.id for one in some]).order_by(FulfillmentRequest.id))
    sources = {one.id: one for one in Source.select().where(Source.id << {one.source_id for one in fresh})}
    taken = {key: creating.had(source, [one.number for one in fresh if one.source_id == key]) for key, source in sources.items()}
    codes, now, groups = shipping_codes.Book(), clock.now(), defaultdict[tuple[int, str, bool], list[FulfillmentRequest]](list)
    for one in fresh:
        one.source, order = sources[one.source_id], orders[one.order_id]
        others = taken[one.source_id].setdefault(one.number, set())
        flagged, why = _why_not(one, order, bool(others - {one.id}), codes)
        if why:
            done.refused.append((one, why))
            if may("process", one.state):
                _write(one, state=flagged or ("unprocessed" if one.state in FLAGGED else one.state), said=why, changed_by=who)
            continue
        others.add(one.id)
        groups[one.source_id, shipping_codes.fold(order.shipping_text), one.state == "failed"].append(one)
    for (source_id, _, again), group in groups.items():
        code = codes.of(sources[source_id], orders[group[0].order_id].shipping_text)
        _put_in_line(group, code, again, now, who, cause)
        done.processed += group


def _why_not(request: FulfillmentRequest, order: Order, taken: bool, codes: shipping_codes.Book) -> tuple[str, str]:
    """(the state that flags it or "", why it may not); ("", "") when it may."""
    if not may("process", request.state):
        return "", f"It is {STATES[request.state]} already."
    if order.state not in ("open", "closed"):
        return "", "Its order is not open."
    flagged, why = creating.flag(request.source, request.number, taken)
    return flagged, why or codes.missing(request.source, order.shipping_text)


def _put_in_line(group: Sequence[FulfillmentRequest], code: ShippingCode | None, again: bool, now: datetime, who: str, cause: str) -> None:
    """Requests of one source and one way of shipping: their columns, and a line in the timeline of each."""
    not_before = windows.next_open(rules.of_source(group[0].source).window, now)
    columns: dict[str, Any] = {"state": "processing", "processed_at": now, "not_before": not_before, "said": "", "changed_by": who}
    if code is not None:
        columns |= {"shipping_code": code.code, "carrier": code.carrier, "method": code.method}
    stamped = {**columns, "changed_at": now, "version": FulfillmentRequest.version + 1}
    FulfillmentRequest.update(stamped).where(FulfillmentRequest.id << [one.id for one in group]).execute()
    sending.note([one.id for one in group], "resent" if again else "processed", creating.BY_RULE if cause == "rule" else "", who, cause)
    for one in group:
        for name, value in columns.items():
            setattr(one, name, value)


def renumber(request: FulfillmentRequest, number: str, who: str) -> FulfillmentRequest:
    """Give a request that never left another number; it waits for Process then. Raises Invalid, keyed number; Refused."""
    number = number.strip()
    with database.atomic():
        lock_order(request.order_id)
        fresh = FulfillmentRequest.get_by_id(request.id)
        if not may("renumber", fresh.state):
            raise Refused(f"It is {STATES[fresh.state]}, so its number stays: the supplier may know it by that.")
        if not number or len(number) > 120 or not number.isprintable():
            raise Invalid({"number": "Enter a number of 1 to 120 characters."})
        forbidden = sorted(set(number) & set(rules.of_source(fresh.source).number.forbidden))
        if forbidden:
            raise Invalid({"number": f"{fresh.source.name} does not take {' '.join(forbidden)} in a number."})
        _, why = creating.flag(fresh.source, number, bool(creating.had(fresh.source, [number]).get(number, set()) - {fresh.id}))
        if why:
            raise Invalid({"number": why})
        before = fresh.number
        said = shipping_codes.Book().missing(fresh.source, fresh.order.shipping_text)
        _write(fresh, number=number, state="unprocessed", said=said, changed_by=who)
        return record(fresh, "note", cause="person", who=who, words=f"Its number was {before} and is {number} now. It waits for Process.")


def all_waiting(merchant: Merchant, source: Source | None = None) -> Any:
    """The query of the merchant's requests that only wait for Process; of one source where it is given."""
    request = FulfillmentRequest
    live = Source.select(Source.id).where(Source.merchant == merchant.id, Source.state != "deleted")
    whose = request.source == source.id if source is not None else request.source << live
    return (
        request.select()
        .where(request.merchant == merchant.id, whose, request.state == "unprocessed", request.said == "")
        .order_by(request.id)
    )


def would_leave(merchant: Merchant, source: Source | None = None) -> Any:
    """The query of requests that turning Auto Process on puts in line at once: of one source, or of all that follow the global setting."""
    if source is not None:
        return all_waiting(merchant, source)
    following = Source.select(Source.id).where(Source.merchant == merchant.id, Source.override_global == False)  # noqa: E712
    return all_waiting(merchant).where(FulfillmentRequest.source << following)


def by_itself() -> int:
    """Put in line what waited only for a shipping code that is there now, where Auto Process is on; how many. The clock calls it."""
    request = FulfillmentRequest
    coded = ShippingCode.select(ShippingCode.source).where(ShippingCode.code != "")
    query = request.select().where(request.state == "unprocessed", request.said.contains("has no shipping code"), request.source << coded)
    codes = shipping_codes.Book()
    ready = [
        one
        for one in query.order_by(request.id)
        if rules.auto_process(one.source, one.source.merchant) and not codes.missing(one.source, one.order.shipping_text)
    ]
    return len(process(ready, "", "rule").processed)


def _write(request: FulfillmentRequest, **columns: Any) -> None:
    stamped = {**columns, "changed_at": clock.now(), "version": FulfillmentRequest.version + 1}
    FulfillmentRequest.update(stamped).where(FulfillmentRequest.id == request.id).execute()
    for name, value in columns.items():
        setattr(request, name, value)
