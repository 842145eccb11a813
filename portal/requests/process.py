"""Process: a request may leave. By a person, one or many; or by itself where Auto Process is on.

unprocessed, failed, flagged ─▶ number, shipping code and order looked at again ─▶ processing, not before the source's window opens
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from portal import clock
from portal.errors import Invalid, Refused
from portal.models import FulfillmentRequest, Merchant, Order, ShippingCode, Source, database
from portal.requests import creating, rules, shipping_codes, windows
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
            for one in ordered[start : start + CHUNK]:
                order = lock_order(one.order_id)
                fresh = FulfillmentRequest.get_by_id(one.id)
                why = _process(fresh, order, who, cause)
                if why:
                    done.refused.append((fresh, why))
                else:
                    done.processed.append(fresh)
    return done


def _process(request: FulfillmentRequest, order: Order, who: str, cause: str) -> str:
    """Why it may not, or "" and it is done. The order is held."""
    if not may("process", request.state):
        return f"It is {STATES[request.state]} already."
    if order.state not in ("open", "closed"):
        return "Its order is not open."
    source = request.source
    flagged, why = creating.flag(source, request.number, apart_from=request.id)
    if not why:
        why = shipping_codes.missing(source, order.shipping_text)
    if why:
        _write(request, state=flagged or ("unprocessed" if request.state in FLAGGED else request.state), said=why, changed_by=who)
        return why
    now = clock.now()
    not_before = windows.next_open(rules.of_source(source).window, now)
    columns: dict[str, Any] = {"state": "processing", "processed_at": now, "not_before": not_before, "said": "", "changed_by": who}
    if (code := shipping_codes.of(source, order.shipping_text)) is not None:
        columns |= {"shipping_code": code.code, "carrier": code.carrier, "method": code.method}
    again = request.state == "failed"
    _write(request, **columns)
    words = "Auto Process is on, so nobody had to press Process." if cause == "rule" else ""
    record(request, "resent" if again else "processed", cause=cause, who=who, words=words)
    return ""


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
        _, why = creating.flag(fresh.source, number, apart_from=fresh.id)
        if why:
            raise Invalid({"number": why})
        before = fresh.number
        said = shipping_codes.missing(fresh.source, fresh.order.shipping_text)
        _write(fresh, number=number, state="unprocessed", said=said, changed_by=who)
        return record(fresh, "note", cause="person", who=who, words=f"Its number was {before} and is {number} now. It waits for Process.")


def would_leave(merchant: Merchant, source: Source | None = None) -> Any:
    """The query of requests that turning Auto Process on puts in line at once: of one source, or of all that follow the global setting."""
    request = FulfillmentRequest
    whose = (
        request.source == source.id
        if source is not None
        else request.source << Source.select(Source.id).where(Source.merchant == merchant.id, Source.override_global == False)  # noqa: E712
    )
    live = Source.select(Source.id).where(Source.merchant == merchant.id, Source.state != "deleted")
    waits = (request.state == "unprocessed") & (request.said == "") & (request.source << live)
    return request.select().where(request.merchant == merchant.id, whose, waits).order_by(request.id)


def by_itself() -> int:
    """Put in line what waited only for a shipping code that is there now, where Auto Process is on; how many. The clock calls it."""
    request = FulfillmentRequest
    coded = ShippingCode.select(ShippingCode.source).where(ShippingCode.code != "")
    query = request.select().where(request.state == "unprocessed", request.said.contains("has no shipping code"), request.source << coded)
    ready = [
        one
        for one in query.order_by(request.id)
        if rules.auto_process(one.source, one.source.merchant) and not shipping_codes.missing(one.source, one.order.shipping_text)
    ]
    return len(process(ready, "", "rule").processed)


def _write(request: FulfillmentRequest, **columns: Any) -> None:
    stamped = {**columns, "changed_at": clock.now(), "version": FulfillmentRequest.version + 1}
    FulfillmentRequest.update(stamped).where(FulfillmentRequest.id == request.id).execute()
    for name, value in columns.items():
        setattr(request, name, value)
