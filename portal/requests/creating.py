"""A new fulfillment request: its number, whether it goes out by itself, its dates. Inside the caller's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from portal import clock
from portal.models import CommittedStock, FulfillmentRequest, InventoryItem, Order, OrderLine, RequestEvent, RequestLine, Source
from portal.requests import numbering, rules, shipping_codes, windows
from portal.requests.states import FLAGGED


@dataclass(frozen=True)
class NewLine:
    """What of an order line a source is asked for."""

    line: OrderLine
    item: InventoryItem
    quantity: int


def flag(source: Source, number: str, apart_from: int | None = None) -> tuple[str, str]:
    """("too_long" or "duplicate", why) of a number that cannot be sent to the source; ("", "") of one that can."""
    longest = rules.of_source(source).number.longest
    if longest is not None and len(number) > longest:
        return "too_long", f"Its number {number} has {len(number)} characters and {source.name} takes {longest}. It was not cut."
    request = FulfillmentRequest
    had = request.state.not_in((*FLAGGED, "voided")) | request.sent_at.is_null(False)
    twins = request.select().where(request.source == source.id, request.number == number, had)
    if apart_from is not None:
        twins = twins.where(request.id != apart_from)
    if twins.exists():
        return "duplicate", f"{source.name} already has a request with the number {number}. It could take this one for the same."
    return "", ""


def create(order: Order, source: Source, lines: Sequence[NewLine], nth: int, because: Mapping[str, Any], who: str) -> FulfillmentRequest:
    """The request with its lines, its committed stock and its first events. `nth`: as in `numbering.make`.

    The caller holds the order and the stock, and brings the order's own lines and states up to date.
    """
    now, of_source = clock.now(), rules.of_source(source)
    number = numbering.make(of_source.number, order.number, order.reference, nth)
    state, said = flag(source, number)
    shipping_codes.saw(source, order.shipping_text)
    code = shipping_codes.of(source, order.shipping_text)
    if not state:
        said = shipping_codes.missing(source, order.shipping_text)
    by_itself = not state and not said and rules.auto_process(source, order.merchant)
    request = FulfillmentRequest.create(
        merchant=order.merchant_id, order=order.id, source=source.id, number=number, said=said, chosen_because=because,
        state=state or ("processing" if by_itself else "unprocessed"), created_at=now, changed_at=now, changed_by=who,
        shipping_code=code.code if code else "", carrier=code.carrier if code else "", method=code.method if code else "",
        cancel_after=now + timedelta(days=of_source.cancel_after_days) if of_source.cancel_after_days else None,
        processed_at=now if by_itself else None, not_before=windows.next_open(of_source.window, now) if by_itself else None,
    )  # fmt: skip
    _write_lines(order, source, request, lines)
    units = sum(one.quantity for one in lines)
    cause = "person" if "@" in who else "rule"
    _event(
        request,
        "created",
        f"{source.name}: {_count(units, 'unit')} on {_count(len(lines), 'line')}, as {number}. {said}".strip(),
        cause,
        who,
    )
    if by_itself:
        _event(request, "processed", "Auto Process is on, so nobody had to press Process.", "rule", "")
    return request


def _write_lines(order: Order, source: Source, request: FulfillmentRequest, lines: Sequence[NewLine]) -> None:
    for place, one in enumerate(lines, 1):
        made = RequestLine.create(
            request=request.id, order_line=one.line.id, item=one.item.id, number=place, sku=one.item.sku,
            title=one.line.title or one.item.title or "", upc=one.item.upc or "", mpn=one.item.mpn or "", unit_cost=one.item.cost,
            ordered=one.quantity, open=one.quantity,
        )  # fmt: skip
        CommittedStock.create(
            merchant=order.merchant_id, source=source.id, line=made.id, sku=one.item.sku, committed=one.quantity, quantity=one.quantity
        )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _event(request: FulfillmentRequest, kind: str, words: str, cause: str, who: str) -> None:
    RequestEvent.create(request=request.id, kind=kind, words=words[:500], cause=cause, who=who, at=clock.now())
