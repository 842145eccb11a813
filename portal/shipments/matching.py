"""Which lines of which request a shipment is of; where that is not certain, why not, and what it could be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from portal.models import FulfillmentRequest, Order, RequestLine, Shipment, Source
from portal.requests.events import counts
from portal.requests.states import SENDING, STATES, may
from portal.shipments import carriers

MOST_SUGGESTIONS = 5


class Unmatched(Exception):
    """The shipment waits for a person. `str(error)` says why; `.suggestions`: [{"request": public id, "number", "why"}]."""

    def __init__(self, why: str, suggestions: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(why)
        self.suggestions = list(suggestions)


@dataclass
class Parcel:
    """Units by line that one shipment holds. `order`: ids in the order of the request."""

    units: dict[int, int] = field(default_factory=dict)


def request_of(source: Source, reference: str, skus: Sequence[str]) -> FulfillmentRequest:
    """The source's request of that reference: our number, the supplier's own, or the order's where it is at this source once.

    Raises Unmatched. Another source's or merchant's request is as one that is not there.
    """
    wanted = reference.strip()
    mine = FulfillmentRequest.select().where(FulfillmentRequest.source == source)
    for match in (
        FulfillmentRequest.number == wanted,
        (FulfillmentRequest.their_id == wanted) & (FulfillmentRequest.their_id != ""),
        FulfillmentRequest.order << Order.select(Order.id).where(Order.merchant == source.merchant_id, Order.number == wanted),
    ):
        found = list(mine.where(match).order_by(FulfillmentRequest.id.desc()).limit(20))
        live = [one for one in found if may("ship", one.state)] or found
        if len(live) == 1:
            return live[0]
        if live:
            raise Unmatched(f"{len(live)} requests of this source belong to “{wanted}”. Choose the one it is.", suggestions(live))
    raise Unmatched(f"No request of this source has the reference “{wanted}”.", _likely(source, wanted, skus))


def check_state(request: FulfillmentRequest) -> None:
    """Raises Unmatched for a request of which nothing can have been shipped."""
    if not may("ship", request.state):
        words = f"Request {request.number} is {STATES[request.state].lower()}"
        raise Unmatched(f"{words}, so nothing of it should have shipped. Ask the supplier.", suggestions([request]))
    if request.state == "processing" and request.sending in ("", "waiting"):
        words = f"Request {request.number} was not sent yet ({SENDING[request.sending].lower()})"
        raise Unmatched(f"{words}, so nothing of it should have shipped. Ask the supplier.", suggestions([request]))


def parcel(
    request: FulfillmentRequest, lines: Sequence[RequestLine], told: Sequence[tuple[str, int | None]], inside: Mapping[int, int]
) -> Parcel:
    """Units by line of what was told as (SKU, quantity). Nothing told: all that is not shipped; no quantity: all of that SKU.

    `inside`: units that this very shipment holds already, by line. Raises Unmatched for an unknown SKU.
    """
    made = Parcel()
    if not told:
        for line in lines:
            _add(made, line, counts(line).held + inside.get(line.id, 0))
        return made
    for sku, quantity in told:
        same = lines_of(lines, sku)
        if not same:
            words = f"Request {request.number} has no line with the SKU “{sku}”"
            raise Unmatched(f"{words}; it has {', '.join(line.sku for line in lines[:5])}.", suggestions([request]))
        room = {line.id: counts(line).held + inside.get(line.id, 0) - made.units.get(line.id, 0) for line in same}
        left = sum(room.values()) if quantity is None else quantity
        for line in same:  # a SKU that stands in several lines fills them one after the other
            taken = left if line is same[-1] else min(left, room[line.id])
            _add(made, line, taken)
            left -= taken
    return made


def _add(made: Parcel, line: RequestLine, units: int) -> None:
    if units > 0:
        made.units[line.id] = made.units.get(line.id, 0) + units


def lines_of(lines: Sequence[RequestLine], sku: str) -> list[RequestLine]:
    """The lines that a SKU means: their own, whatever its case; else the UPC or the MPN of one line alone."""
    wanted = sku.strip()
    for same in (
        [line for line in lines if line.sku == wanted],
        [line for line in lines if line.sku.casefold() == wanted.casefold()],
    ):
        if same:
            return same
    digits = wanted.lstrip("0")
    by_code = [line for line in lines if (line.upc and digits and line.upc.lstrip("0") == digits) or (line.mpn and line.mpn == wanted)]
    return by_code if len({line.sku for line in by_code}) == 1 else []


def over(lines: Sequence[RequestLine], made: Parcel, inside: Mapping[int, int]) -> list[tuple[RequestLine, int, int]]:
    """(line, units told, units possible) of each line of which more was told than can have shipped."""
    return [
        (line, made.units[line.id], possible)
        for line in lines
        if line.id in made.units and made.units[line.id] > (possible := counts(line).possible("ship") + inside.get(line.id, 0))
    ]


def reused(request: FulfillmentRequest, tracking_key: str) -> Shipment | None:
    """A shipment of another request of the workspace with that number, to another address: one parcel cannot go to both."""
    others = Shipment.select().where(
        Shipment.merchant == request.merchant_id, Shipment.tracking_key == tracking_key, Shipment.state == "matched",
        Shipment.request != request.id,
    )  # fmt: skip
    here = _place(request)
    return next((one for one in others.limit(20) if one.request and _place(one.request) != here), None)


def _place(request: FulfillmentRequest) -> tuple[str, ...]:
    ship_to = request.order.ship_to
    return tuple("".join(filter(str.isalnum, str(ship_to.get(key, "")).casefold())) for key in ("name", "address_1", "postal"))


def suggestions(requests: Sequence[FulfillmentRequest], why: str = "") -> list[dict[str, str]]:
    """What a person could attach the shipment to."""
    return [
        {
            "request": one.public_id,
            "number": one.number,
            "why": why or f"{STATES[one.state]}, {one.order.ship_to.get('name', '')}".rstrip(", "),
        }
        for one in requests[:MOST_SUGGESTIONS]
    ]


def _likely(source: Source, wanted: str, skus: Sequence[str]) -> list[dict[str, str]]:
    """Requests of the source whose number is nearly that, or which wait for just those SKUs."""
    plain = carriers.plain(wanted)
    waiting = FulfillmentRequest.select().where(
        FulfillmentRequest.source == source, FulfillmentRequest.shipped << ("awaiting", "partial"),
        FulfillmentRequest.state << ("processing", "processed", "acknowledged"),
    )  # fmt: skip
    recent = list(waiting.order_by(FulfillmentRequest.id.desc()).limit(2_000))
    near = [one for one in recent if plain and carriers.plain(one.number) == plain]
    near += [one for one in recent if plain and one not in near and len(plain) > 3 and (plain in carriers.plain(one.number))]
    if near or not skus:
        return suggestions(near, "Its number is nearly the same")
    having = RequestLine.select(RequestLine.request).where(
        RequestLine.sku << list(skus)[:50], RequestLine.open + RequestLine.acknowledged > 0
    )
    return suggestions(
        list(waiting.where(FulfillmentRequest.id << having).order_by(FulfillmentRequest.id).limit(MOST_SUGGESTIONS)),
        "It waits for these SKUs",
    )
