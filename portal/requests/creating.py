"""New fulfillment requests: their numbers, whether they leave by themselves, their dates. Many at once, in the caller's transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal import clock
from portal.models import CommittedStock, FulfillmentRequest, InventoryItem, Order, OrderLine, RequestEvent, RequestLine, Source
from portal.models.fields import new_public_id
from portal.requests import numbering, rules, shipping_codes, windows
from portal.requests.rules import OfSource
from portal.requests.states import FLAGGED

ROWS = 400  # in one INSERT; SQLite takes 32,766 values


@dataclass(frozen=True)
class NewLine:
    """What of an order line a source is asked for."""

    line: OrderLine
    item: InventoryItem
    quantity: int


@dataclass(frozen=True)
class New:
    """A request to be made. `nth`: as in `numbering.make`. `because`: what is kept of the decision."""

    order: Order
    source: Source
    lines: Sequence[NewLine]
    nth: int
    because: Mapping[str, Any]


def had(source: Source, numbers: Iterable[str]) -> dict[str, set[int]]:
    """{number: ids of the source's requests that carry it, or were sent with it}, of these numbers."""
    request, found = FulfillmentRequest, defaultdict(set)
    known = request.state.not_in((*FLAGGED, "voided")) | request.sent_at.is_null(False)
    query: Any = request.select(request.number, request.id).where(
        request.source == source.id, request.number << sorted(set(numbers)), known
    )
    for number, one_id in query.where(request.number << sorted(set(numbers))).tuples():
        found[number].add(one_id)
    return found


def flag(source: Source, number: str, taken: bool) -> tuple[str, str]:
    """("too_long" or "duplicate", why) of a number that cannot be sent to the source; ("", "") of one that can."""
    longest = rules.of_source(source).number.longest
    if longest is not None and len(number) > longest:
        return "too_long", f"Its number {number} has {len(number)} characters and {source.name} takes {longest}. It was not cut."
    if taken:
        return "duplicate", f"{source.name} already has a request with the number {number}. It could take this one for the same."
    return "", ""


def create(news: Sequence[New], who: str) -> list[FulfillmentRequest]:
    """The requests, in that order, with their lines, committed stock and first events.

    The caller holds the orders and the stock, and brings the orders' own lines and states up to date.
    """
    if not news:
        return []
    now = clock.now()
    of_source = {one.source.id: rules.of_source(one.source) for one in news}
    numbers = [numbering.make(of_source[one.source.id].number, one.order.number, one.order.reference, one.nth) for one in news]
    taken = {source_id: set(had(source, _of(news, numbers, source_id))) for source_id, source in _sources(news).items()}
    codes = shipping_codes.Book()
    rows = []
    for one, number in zip(news, numbers, strict=True):
        rows.append(_row(one, number, number in taken[one.source.id], of_source[one.source.id], codes, now, who))
        if rows[-1]["state"] not in FLAGGED:
            taken[one.source.id].add(number)
    codes.count([(one.source, one.order.shipping_text) for one in news])
    _insert(FulfillmentRequest, rows)
    query = FulfillmentRequest.select().where(FulfillmentRequest.public_id << [row["public_id"] for row in rows])
    made = {one.public_id: one for one in query}
    requests = [made[row["public_id"]] for row in rows]
    _write_lines(news, requests)
    _insert(RequestEvent, [event for one, request in zip(news, requests, strict=True) for event in _events(one, request, who, now)])
    return requests


def _sources(news: Sequence[New]) -> Mapping[int, Source]:
    return {one.source.id: one.source for one in news}


def _of(news: Sequence[New], numbers: Sequence[str], source_id: int) -> list[str]:
    return [number for one, number in zip(news, numbers, strict=True) if one.source.id == source_id]


def _row(one: New, number: str, taken: bool, of_source: OfSource, codes: shipping_codes.Book, now: datetime, who: str) -> dict[str, Any]:
    state, said = flag(one.source, number, taken)
    code = codes.of(one.source, one.order.shipping_text)
    if not state:
        said = codes.missing(one.source, one.order.shipping_text)
    by_itself = not state and not said and rules.auto_process(one.source, one.order.merchant)
    return {
        "public_id": new_public_id(), "merchant": one.order.merchant_id, "order": one.order.id, "source": one.source.id, "number": number,
        "said": said, "chosen_because": one.because, "created_at": now, "changed_at": now, "changed_by": who,
        "state": state or ("processing" if by_itself else "unprocessed"),
        "shipping_code": code.code if code else "", "carrier": code.carrier if code else "", "method": code.method if code else "",
        "cancel_after": now + timedelta(days=of_source.cancel_after_days) if of_source.cancel_after_days else None,
        "processed_at": now if by_itself else None, "not_before": windows.next_open(of_source.window, now) if by_itself else None,
    }  # fmt: skip


def _write_lines(news: Sequence[New], requests: Sequence[FulfillmentRequest]) -> None:
    """The lines of the requests, each with the stock that it commits."""
    rows = [
        {
            "public_id": new_public_id(), "request": request.id, "order_line": part.line.id, "item": part.item.id, "number": place,
            "sku": part.item.sku, "title": part.line.title or part.item.title or "", "upc": part.item.upc or "",
            "mpn": part.item.mpn or "", "unit_cost": part.item.cost, "ordered": part.quantity, "open": part.quantity,
        }
        for one, request in zip(news, requests, strict=True)
        for place, part in enumerate(one.lines, 1)
    ]  # fmt: skip
    _insert(RequestLine, rows)
    whose = {request.id: request for request in requests}
    _insert(
        CommittedStock,
        [
            {
                "merchant": whose[line.request_id].merchant_id, "source": whose[line.request_id].source_id, "line": line.id,
                "sku": line.sku, "committed": line.ordered, "quantity": line.ordered,
            }
            for line in RequestLine.select().where(RequestLine.request << list(whose)).order_by(RequestLine.id)
        ],
    )  # fmt: skip


def _events(one: New, request: FulfillmentRequest, who: str, now: datetime) -> list[dict[str, Any]]:
    units = sum(part.quantity for part in one.lines)
    words = f"{one.source.name}: {_count(units, 'unit')} on {_count(len(one.lines), 'line')}, as {request.number}. {request.said}".strip()
    created = {
        "request": request.id,
        "kind": "created",
        "words": words[:500],
        "cause": "person" if "@" in who else "rule",
        "who": who,
        "at": now,
    }
    if request.state != "processing":
        return [created]
    by_rule = {"kind": "processed", "words": BY_RULE, "cause": "rule", "who": ""}
    return [created, {**created, **by_rule}]


BY_RULE = "Auto Process is on, so nobody had to press Process."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _insert(table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    for start in range(0, len(rows), ROWS):
        table.insert_many(rows[start : start + ROWS]).execute()
