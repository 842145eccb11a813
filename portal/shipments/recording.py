"""A shipment as it was told becomes one, once: matched to lines, or waiting for a person with a reason.

notice ─▶ request ─▶ lines ─▶ told before? ─▶ more of it │ another number for the same parcel │ new ─▶ `requests.record`

However often and in whatever order the same notices come, the end is the same: of a parcel's line the most that was told counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from portal import clock
from portal.channels import notices
from portal.models import FulfillmentRequest, RequestLine, Shipment, ShipmentItem, Source, database
from portal.models.database import is_postgres
from portal.requests import events
from portal.shipments import carriers, matching
from portal.shipments.matching import Unmatched

KINDS = {
    "new": "New shipment",
    "more": "More of a known shipment",
    "known": "Known already",
    "corrected": "Another tracking number for a known shipment",
    "unmatched": "Waits for a person",
}
CAME_BY = {"file": "From a file", "api": "By the API", "webhook": "By webhook", "hand": "Typed in", "store": "From the store"}
_CAUSES = {"file": "file", "api": "api", "webhook": "webhook", "hand": "person", "store": "supplier"}
LONGEST_REFERENCE = 120


@dataclass(frozen=True)
class Notice:
    """What a supplier told of one parcel. `items`: (SKU, quantity or None for all of it); none at all: the whole request.

    `shipped_at` naive UTC. `cost`: ten-thousandths.
    """

    reference: str
    tracking_number: str
    items: Sequence[tuple[str, int | None]] = ()
    carrier: str = ""
    method: str = ""
    shipped_at: datetime | None = None
    cost: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Cause:
    """What told it. `came_by`: a key of CAME_BY."""

    came_by: str
    who: str = ""
    document_id: int | None = None
    run_id: int | None = None
    row: int | None = None


@dataclass(frozen=True)
class Recorded:
    """What became of a notice. `kind`: a key of KINDS; `words`: a sentence; `doubt`: of its tracking number, or ""."""

    kind: str
    shipment: Shipment
    words: str
    doubt: str = ""
    moved: Mapping[int, int] = field(default_factory=dict)


def record(source: Source, notice: Notice, cause: Cause) -> Recorded:
    """Take a notice in, in one transaction; joins the one that is open. Never raises for what was told: that waits as unmatched."""
    key = carriers.plain(notice.tracking_number)
    seen = carriers.recognise(notice.tracking_number, notice.carrier)
    with database.atomic():
        try:
            if not key:
                raise Unmatched("It has no tracking number.")
            if (wrong := next(((sku, units) for sku, units in notice.items if units is not None and units < 1), None)) is not None:
                raise Unmatched(f"{wrong[1]:,} units of {wrong[0]} were told as shipped, which is no quantity of a parcel.")
            request = matching.request_of(source, notice.reference, [sku for sku, _ in notice.items])
            events.lock_order(request.order_id)
            request = FulfillmentRequest.get_by_id(request.id)
            matching.check_state(request)
            return _matched(source, request, notice, key, seen, cause)
        except Unmatched as why:
            return _waiting(source, notice, key, seen, cause, why)


def add(request: FulfillmentRequest, notice: Notice, cause: Cause) -> Recorded:
    """A shipment of this very request. Raises Unmatched where its lines cannot take it; nothing was kept then."""
    key = carriers.plain(notice.tracking_number)
    with database.atomic():
        events.lock_order(request.order_id)
        request = FulfillmentRequest.get_by_id(request.id)
        if not key:
            raise Unmatched("It has no tracking number.")
        matching.check_state(request)
        return _matched(request.source, request, notice, key, carriers.recognise(notice.tracking_number, notice.carrier), cause)


def attach(shipment: Shipment, request: FulfillmentRequest, who: str) -> Recorded:
    """A person says which request a waiting shipment is of. Raises Unmatched where its lines cannot take it; nothing changed then.

    So it does where the shipment no longer waits: what was counted once is never counted again.
    """
    with database.atomic():
        events.lock_order(request.order_id)
        _one_at_a_time(shipment.source)
        waits = Shipment.get_or_none(Shipment.id == shipment.id, Shipment.state << ("unmatched", "ignored"))
        if waits is None:
            raise Unmatched(f"{shipment.tracking_number} no longer waits: it was matched, or taken back. Nothing was counted again.")
        shipment, request = waits, FulfillmentRequest.get_by_id(request.id)
        matching.check_state(request)
        items = [(item.sku, item.quantity) for item in shipment.items if item.sku]
        notice = Notice(
            request.number, shipment.tracking_number, items, shipment.carrier, shipment.method, shipment.shipped_at, shipment.cost,
            shipment.note,
        )  # fmt: skip
        seen = carriers.recognise(notice.tracking_number, notice.carrier)
        done = _matched(shipment.source, request, notice, shipment.tracking_key, seen, Cause("hand", who))
        Shipment.delete().where(Shipment.id == shipment.id).execute()
    return done


def void(shipment: Shipment, who: str, why: str = "") -> Shipment:
    """A shipment that was wrong: what it shipped counts as accepted and not shipped again. Does nothing the second time."""
    with database.atomic():
        if shipment.request is not None:
            events.lock_order(shipment.request.order_id)
        now = Shipment.get_by_id(shipment.id)
        if now.state == "matched" and now.request is not None:
            acts = [("unship", item.line_id, item.quantity) for item in now.items if item.line_id and item.quantity]
            words = f"{_named(now)} was taken back{': ' + why if why else ''}."
            events.record(now.request, "unship", acts, cause="person", who=who, words=words)
        Shipment.update(state="voided", why=why[:500], changed_at=clock.now()).where(Shipment.id == now.id).execute()
        notices.taken_back(now)
    return Shipment.get_by_id(shipment.id)


def ignore(shipment: Shipment, who: str) -> None:
    """A person does not want a waiting shipment; the same told again stays ignored."""
    words = f"Ignored by {who}."
    Shipment.update(state="ignored", why=words[:500], changed_at=clock.now()).where(
        Shipment.id == shipment.id, Shipment.state == "unmatched"
    ).execute()


def _matched(source: Source, request: FulfillmentRequest, notice: Notice, key: str, seen: carriers.Recognised, cause: Cause) -> Recorded:
    lines = list(RequestLine.select().where(RequestLine.request == request.id).order_by(RequestLine.number))
    there = Shipment.get_or_none(Shipment.request == request.id, Shipment.tracking_key == key)
    if there is not None and there.state == "voided":
        return _told_again(there, f"{_named(there)} was corrected or taken back before.")
    inside = _inside(there)
    parcel = matching.parcel(request, lines, notice.items, inside)
    more = {line: units - inside.get(line, 0) for line, units in parcel.units.items() if units > inside.get(line, 0)}
    if there is not None and not more:
        return _told_again(there, f"{_named(there)} is known.")
    if there is None and (other := matching.reused(request, key)):
        number = other.request.number if other.request else ""
        words = f"Tracking number {notice.tracking_number} is used for request {number}, which goes to another address."
        raise Unmatched(words, matching.suggestions([request]))
    if excess := matching.over(lines, parcel, inside):
        corrected = _same_parcel(request, parcel) if there is None else None
        if corrected is not None:
            return _corrected(source, request, notice, key, seen, cause, corrected)
        line, told, possible = excess[0]
        words = f"Request {request.number} has {possible} of {line.sku} left to ship, and {told} were told as shipped."
        raise Unmatched(f"{words} Nothing was counted.", matching.suggestions([request]))
    if not more:
        whole = None if notice.items else _the_only(request)
        if whole is not None:
            return _corrected(source, request, notice, key, seen, cause, whole)
        raise Unmatched(f"Everything of request {request.number} is shipped already, under other numbers.", matching.suggestions([request]))
    shipment = there or _make(source, request, notice, key, seen, cause)
    return _ship(request, shipment, more, lines, seen, cause, new=there is None)


def _ship(
    request: FulfillmentRequest, shipment: Shipment, more: Mapping[int, int], lines: Sequence[RequestLine], seen: carriers.Recognised,
    cause: Cause, new: bool,
) -> Recorded:  # fmt: skip
    names = {line.id: line.sku for line in lines}
    for line, units in more.items():
        _hold_item(shipment, line, names[line], units)
    what = ", ".join(f"{units} x {names[line]}" for line, units in more.items())
    words = f"{_named(shipment)}: {what}."
    events.record(
        request, "ship", [("ship", line, units) for line, units in more.items()], cause=_CAUSES[cause.came_by], who=cause.who, words=words,
        document_id=cause.document_id, run_id=cause.run_id, row=cause.row,
    )  # fmt: skip
    notices.put_in_line(shipment, request.order)
    if not new:
        Shipment.update(told=Shipment.told + 1, changed_at=clock.now()).where(Shipment.id == shipment.id).execute()
    return Recorded("new" if new else "more", shipment, words, seen.doubt, more)


def _hold_item(shipment: Shipment, line: int, sku: str, units: int) -> None:
    known = ShipmentItem.get_or_none(ShipmentItem.shipment == shipment.id, ShipmentItem.line == line)
    if known is None:
        ShipmentItem.create(shipment=shipment, line=line, sku=sku, quantity=units)
    else:
        ShipmentItem.update(quantity=ShipmentItem.quantity + units).where(ShipmentItem.id == known.id).execute()


def _same_parcel(request: FulfillmentRequest, parcel: matching.Parcel) -> Shipment | None:
    """The one shipment that holds exactly these units: another number for it is a correction, not a second parcel."""
    matched = Shipment.select().where(Shipment.request == request.id, Shipment.state == "matched")
    same = [one for one in matched if _inside(one) == parcel.units]
    return same[0] if len(same) == 1 else None


def _the_only(request: FulfillmentRequest) -> Shipment | None:
    """The shipment of a request that went in one parcel: told whole again under another number, that one is meant."""
    matched = list(Shipment.select().where(Shipment.request == request.id, Shipment.state == "matched").limit(2))
    return matched[0] if len(matched) == 1 else None


def _corrected(
    source: Source, request: FulfillmentRequest, notice: Notice, key: str, seen: carriers.Recognised, cause: Cause, old: Shipment
) -> Recorded:
    shipment = _make(source, request, notice, key, seen, cause, corrects=old)
    for item in old.items:
        ShipmentItem.create(shipment=shipment, line=item.line_id, sku=item.sku, quantity=item.quantity)
    words = f"{_named(old)} has another number now: {_named(shipment)}. The quantities stay as they were."
    Shipment.update(state="voided", why=f"Corrected to {shipment.tracking_number}."[:500], changed_at=clock.now()).where(
        Shipment.id == old.id
    ).execute()
    notices.put_in_line(shipment, request.order)
    events.record(
        request, "unship", (), cause=_CAUSES[cause.came_by], who=cause.who, words=words, document_id=cause.document_id, run_id=cause.run_id,
        row=cause.row,
    )  # fmt: skip
    return Recorded("corrected", shipment, words, seen.doubt)


def _make(
    source: Source, request: FulfillmentRequest | None, notice: Notice, key: str, seen: carriers.Recognised, cause: Cause,
    corrects: Shipment | None = None, why: Unmatched | None = None,
) -> Shipment:  # fmt: skip
    return Shipment.create(
        merchant=source.merchant_id, source=source, request=request, state="matched" if request else "unmatched",
        reference=notice.reference.strip()[:LONGEST_REFERENCE], tracking_number=notice.tracking_number.strip()[: carriers.LONGEST],
        tracking_key=key, carrier=notice.carrier.strip()[:60], carrier_key=seen.key, method=notice.method.strip()[:60],
        shipped_at=notice.shipped_at, cost=notice.cost, note=notice.note.strip()[:500], why=str(why or seen.doubt)[:500],
        suggestions=why.suggestions if why else [], corrects=corrects, came_by=cause.came_by, document_id=cause.document_id,
        run_id=cause.run_id, row=cause.row, created_by=cause.who,
    )  # fmt: skip


def _waiting(source: Source, notice: Notice, key: str, seen: carriers.Recognised, cause: Cause, why: Unmatched) -> Recorded:
    """Keep it for a person, once, however often it is told."""
    _one_at_a_time(source)
    same = Shipment.select().where(
        Shipment.source == source, Shipment.reference == notice.reference.strip()[:LONGEST_REFERENCE], Shipment.tracking_key == key,
        Shipment.state << ("unmatched", "ignored"),
    )  # fmt: skip
    items = [(sku.strip()[:120], units if units is None or units > 0 else None) for sku, units in notice.items]
    for one in same:
        if [(item.sku, item.quantity) for item in one.items.order_by(ShipmentItem.id)] == items:
            if one.state == "unmatched":
                told = {"why": str(why)[:500], "suggestions": why.suggestions}
                Shipment.update(told).where(Shipment.id == one.id).execute()
            return _told_again(Shipment.get_by_id(one.id), str(why), "unmatched" if one.state == "unmatched" else "known")
    shipment = _make(source, None, notice, key, seen, cause, why=why)
    for sku, quantity in items:
        ShipmentItem.create(shipment=shipment, sku=sku, quantity=quantity)
    return Recorded("unmatched", shipment, str(why), seen.doubt)


def _one_at_a_time(source: Source) -> None:
    """Two that tell the same unknown shipment at once must not both keep it."""
    if is_postgres():
        database.execute_sql("SELECT id FROM source WHERE id = %s FOR NO KEY UPDATE", (source.id,))


def _told_again(shipment: Shipment, words: str, kind: str = "known") -> Recorded:
    Shipment.update(told=Shipment.told + 1).where(Shipment.id == shipment.id).execute()
    return Recorded(kind, shipment, words)


def _inside(shipment: Shipment | None) -> dict[int, int]:
    if shipment is None:
        return {}
    return {item.line_id: item.quantity for item in shipment.items if item.line_id and item.quantity}


def _named(shipment: Shipment) -> str:
    carrier = carriers.name_of(shipment.carrier_key) or shipment.carrier
    return f"{carrier} {shipment.tracking_number}".strip()
