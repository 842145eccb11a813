"""Run kind channel_tracking: stores are told tracking numbers, each once; where nobody saw how that ended, the store is looked at first.

due ─▶ look: there already? told │ claimed, in the database ─▶ send ─▶ told · failed (refused) · waiting (not sent) · unknown ─▶ look …
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from itertools import takewhile
from typing import Any

from portal import channels, clock, connection_parts, connections, failpoints, runs
from portal.channels import notices
from portal.connectors import stores
from portal.connectors.sending import Sent, TooLate
from portal.connectors.stores import Parcel, Store, Told
from portal.errors import NotFound, Refused, SupplierError
from portal.leases import LostLease, Work
from portal.models import (
    Channel,
    ChannelAttempt,
    ChannelNotice,
    Integration,
    Order,
    OrderLine,
    RequestLine,
    Run,
    Shipment,
    ShipmentItem,
    Source,
)
from portal.outbox import witnesses
from portal.runs import Outcome
from portal.shipments import carriers

KIND = "channel_tracking"
FRESH = 30.0
"""Seconds of this process's own clock from the claim to the first byte; a worker that slept longer does not send, it looks anew."""
SETTLE = timedelta(minutes=7)
"""How long after a send whose end nobody saw the store's list does not count as without it: longer than FRESH and a whole request."""
DOUBTED = ("sending", "unknown")
BLAMED = ("sign_in_refused", "sign_in_ended", "key_refused", "sign_in_paused", "permission_denied")


def perform(work: Work) -> Outcome:
    """The run handler. Raises SupplierError where the store cannot be asked at all; what waits stays in line."""
    if work.source is None:
        raise NotFound("channel")
    channel = channels.of_line(work.source)
    channel.merchant = work.merchant
    work.stage("tell", "items")
    counts: Counter[str] = Counter()
    rows = list(_due(channel.id).order_by(ChannelNotice.id))
    if rows:
        with connections.open_for(work.source, work.run.id, operation=channels.TELL) as connector:
            store = stores.of(channel.kind, connector)
            for row in rows:
                work.check_stop()
                counts[_one(work, channel, store, row)] += 1
                work.save(counts=dict(counts))
                work.progress(sum(counts.values()), len(rows))
    bad = counts["failed"] or counts["unknown"]
    return Outcome("warnings" if bad else "finished" if counts else "no_change", dict(counts))


def _one(work: Work, channel: Channel, store: Store, row: ChannelNotice) -> str:
    """Do what is next for one notice; the state it ends in. Raises SupplierError where all others would fare the same."""
    shipment = Shipment.get_by_id(row.shipment_id)
    order = shipment.request.order if shipment.request else None
    back = _was_taken_back(shipment)
    if order is None or (shipment.state != "matched" and not (back and row.state in DOUBTED)):
        return _settle(work, row, "dropped", "The shipment was taken back or corrected away.")
    try:
        known = store.trackings(order.reference)
    except SupplierError as error:
        _attempt(work, row, "look", "absent", f"We could not look: {error.problem.headline}.")
        raise
    numbers: dict[str, list[Told]] = {}
    for one in known:
        numbers.setdefault(carriers.plain(one.number), []).append(one)
    here = numbers.get(shipment.tracking_key, [])
    parcel = _parcel(channel, shipment)
    left = _left(parcel, here)
    if here and (back or not left):
        _attempt(work, row, "look", "found", f"The store has {shipment.tracking_number}.")
        if back:
            return _settle(work, row, "told", "", their_id=here[0].their_id[:120], told_at=clock.now())
        return _told(work, store, row, order, here[0].their_id, parcel.lines)
    if row.state in DOUBTED and row.left_at is not None and clock.now() < row.left_at + SETTLE:
        _attempt(work, row, "look", "absent", "Not there yet. We look once more before anything is sent again.")
        return _later(work, row, "unknown", row.left_at + SETTLE, row.said)
    if back:
        return _settle(work, row, "dropped", "It was taken back, and the store does not have it.")
    old = _replaced(shipment, numbers)
    if isinstance(old, ChannelNotice):
        return _later(
            work, row, row.state, clock.now() + SETTLE, "Whether the store has the number that this one corrects is not known yet."
        )
    if not parcel.lines:
        return _settle(work, row, "failed", "Its lines do not say which lines of the store's order they are.")
    told = Parcel(**{**vars(parcel), "lines": left}) if here else parcel
    if old is None and row.state in DOUBTED:
        _attempt(work, row, "look", "absent", "The store does not have it, so it is told again.")
    return _send(work, store, row, order, told, old, parcel.lines)


def _send(work: Work, store: Store, row: ChannelNotice, order: Order, parcel: Parcel, old: Told | None, lines: Mapping[str, int]) -> str:
    """`lines`: all that the shipment held when this began; `parcel` may be the part of it that the store lacks."""
    act = "send" if old is None else "correct"
    with work.transaction():  # from here on it may have left, whoever dies
        mine = (ChannelNotice.id == row.id) & (ChannelNotice.state == row.state)
        columns = {"state": "sending", "left_at": clock.now(), "tries": ChannelNotice.tries + 1}
        if not ChannelNotice.update(columns).where(mine).execute():
            return row.state  # it changed meanwhile; the next run sees how
        attempt = ChannelAttempt.create(notice=row, act=act, run_id=work.run.id, at=clock.now())
        fresh = ChannelNotice.get_by_id(row.id)
    began = time.monotonic()
    failpoints.reach("channel-leaving")
    store.caller.leaving = lambda: _check_still_ours(work, fresh, began)
    try:
        ended = store.fulfil(order.reference, parcel) if old is None else store.correct(order.reference, old, parcel)
    finally:
        store.caller.leaving = lambda: None
    failpoints.reach("channel-answered")
    words = _words(ended, store)
    with work.transaction():
        closed = {"outcome": ended.outcome, "words": words[:500], "ended_at": clock.now()}
        ChannelAttempt.update(closed).where(ChannelAttempt.id == attempt.id).execute()
    if ended.outcome == "sent":
        return _told(work, store, row, order, ended.their_id, lines)
    return _became(work, row, ended, words)


def _check_still_ours(work: Work, row: ChannelNotice, began: float) -> None:
    """The last moment before a byte is written: whoever slept since it looked, or was taken over, sends nothing. Raises TooLate."""
    failpoints.reach("channel-connected")
    mine = (ChannelNotice.id == row.id) & (ChannelNotice.state == "sending") & (ChannelNotice.tries == row.tries)
    try:
        with work.transaction():
            ours = ChannelNotice.select().where(mine).exists()
    except LostLease as error:
        raise TooLate("telling the store; another worker does it now") from error
    slept = max(time.monotonic() - began, (clock.now() - (row.left_at or clock.now())).total_seconds())  # the machine itself may sleep
    if not ours or slept > FRESH:
        raise TooLate("telling the store; it is looked at anew")


def _became(work: Work, row: ChannelNotice, ended: Sent, words: str) -> str:
    if ended.outcome == "refused":
        return _settle(work, row, "failed", words)
    if ended.outcome == "unknown":
        return _later(work, row, "unknown", clock.now() + SETTLE, words)
    state = _later(work, row, "waiting", clock.now() + witnesses.back_off(row.tries + 1), words)
    if ended.problem is not None and ended.problem.code in BLAMED:
        raise SupplierError(ended.problem, permanent=True)
    return state


def _words(ended: Sent, store: Store) -> str:
    if ended.outcome == "sent":
        return f"It stands in {store.place} now."
    problem = ended.problem
    return f"{problem.headline}. {problem.body}" if problem else "It did not say why."


def _parcel(channel: Channel, shipment: Shipment) -> Parcel:
    lines: dict[str, int] = {}
    query: Any = (
        ShipmentItem.select(OrderLine.reference, ShipmentItem.quantity)
        .join(RequestLine, on=ShipmentItem.line == RequestLine.id)
        .join(OrderLine, on=RequestLine.order_line == OrderLine.id)
        .where(ShipmentItem.shipment == shipment.id, OrderLine.reference != "")
    )
    for reference, quantity in query.tuples():
        lines[reference] = lines.get(reference, 0) + (quantity or 0)
    carrier = carriers.name_of(shipment.carrier_key) or shipment.carrier
    link = carriers.link(shipment.carrier_key, shipment.tracking_number)
    notify = bool(channel.settings.get("notify", True))
    return Parcel(shipment.tracking_number, shipment.carrier_key, carrier, link or "", shipment.shipped_at, lines, notify)


def _left(parcel: Parcel, here: list[Told]) -> dict[str, int]:
    """Units that the store does not have under this number yet; none where it keeps no lines."""
    if any(one.lines is None for one in here):
        return {}
    has: dict[str, int] = {}
    for one in here:
        for line, count in (one.lines or {}).items():
            has[line] = has.get(line, 0) + count
    return {line: count - has.get(line, 0) for line, count in parcel.lines.items() if count > has.get(line, 0)}


def _replaced(shipment: Shipment, numbers: dict[str, list[Told]]) -> Told | ChannelNotice | None:
    """What stands in the store and is wrong: the number that this shipment corrects; its notice while that is in doubt."""
    old, seen = shipment.corrects, set[int]()
    while old is not None and old.id not in seen:
        seen.add(old.id)
        if there := numbers.get(old.tracking_key):
            return there[0]
        notice: ChannelNotice | None = ChannelNotice.get_or_none(ChannelNotice.shipment == old.id)
        left = notice.left_at if notice is not None and notice.told_at is None else None
        if left is not None and clock.now() < left + SETTLE:
            return notice
        old = old.corrects
    return None


def _told(work: Work, store: Store, row: ChannelNotice, order: Order, their_id: str, lines: Mapping[str, int]) -> str:
    done = ""
    if Order.get_by_id(order.id).shipped == "completed":
        done = store.finish(order.reference)
    if done and work.run.id:
        work.say(f"{order.number}: {done}")
    with work.transaction():
        state = _settle(work, row, "told", done, their_id=their_id[:120], told_at=clock.now())
        if any(count > lines.get(line, 0) for line, count in _parcel(row.channel, row.shipment).lines.items()):
            state = _settle(work, row, "waiting", "More of it was shipped meanwhile.", due_at=clock.now())
    return state


def _settle(work: Work, row: ChannelNotice, state: str, said: str, **columns: Any) -> str:
    with work.transaction():
        shown = {"told": "told", "failed": "failed", "dropped": ""}.get(state, "waiting")
        if _was_taken_back(Shipment.get_by_id(row.shipment_id)):
            if state == "failed":
                state, shown, said = "dropped", "", f"It was taken back, and the store did not take it: {said}"
            elif state != "dropped":
                shown, said = "failed", notices.STANDS_THERE
        ChannelNotice.update(state=state, said=said, **columns).where(ChannelNotice.id == row.id).execute()
        Shipment.update(channel_state=shown, channel_said=said[:300]).where(Shipment.id == row.shipment_id).execute()
    return state


def _was_taken_back(shipment: Shipment) -> bool:
    """By a person, not corrected to another number: then that one's notice takes it out of the store."""
    corrected = Shipment.select().where(Shipment.corrects == shipment.id, Shipment.state == "matched")
    return shipment.state == "voided" and not corrected.exists()


def _later(work: Work, row: ChannelNotice, state: str, due: Any, said: str) -> str:
    return _settle(work, row, state, said, due_at=due)


def _attempt(work: Work, row: ChannelNotice, act: str, outcome: str, words: str) -> None:
    with work.transaction():
        ChannelAttempt.create(
            notice=row, act=act, outcome=outcome, words=words[:500], run_id=work.run.id, at=clock.now(), ended_at=clock.now()
        )


def _due(channel_id: int | None = None) -> Any:
    due = (ChannelNotice.state << ("waiting", *DOUBTED)) & (ChannelNotice.due_at <= clock.now())
    return ChannelNotice.select().where(due if channel_id is None else due & (ChannelNotice.channel == channel_id))


def start_due() -> int:
    """Start a run for each channel whose store is to be told something; how many. After runs that failed it waits longer and longer."""
    ids = {line for (line,) in _due().join(Channel).select(Channel.line).where(Channel.state == "open").distinct().tuples()}
    if not ids:
        return 0
    started = 0
    rows = Integration.select(Integration, Source).join(Source).where(Integration.kind == channels.TELL, Integration.source << ids)
    for integration in rows:
        if connection_parts.sign_in_standing(integration.source) == "needed" or _waits_after_failures(integration):
            continue
        try:
            runs.start_sync(integration, cause="system")
            started += 1
        except runs.AlreadyRunning:
            continue
    return started


def _waits_after_failures(integration: Integration) -> bool:
    last = list(Run.select().where(Run.integration == integration).order_by(Run.id.desc()).limit(5))
    failed = len(list(takewhile(lambda run: run.state == "failed", last)))
    ended = last[0].finished_at if failed else None
    return ended is not None and ended + witnesses.back_off(failed) > clock.now()


def again(shipment: Shipment) -> None:
    """A person wants it tried again. The store is looked at first, as always. Raises Refused where nothing failed."""
    mine = (ChannelNotice.shipment == shipment.id) & (ChannelNotice.state << ("failed", "unknown", "waiting"))
    if shipment.state != "matched" or not ChannelNotice.update(due_at=clock.now()).where(mine).execute():
        raise Refused("There is nothing to try again: the store has it, or it was taken back.")
    ChannelNotice.update(state="waiting").where(mine, ChannelNotice.state == "failed").execute()
    Shipment.update(channel_state="waiting").where(Shipment.id == shipment.id).execute()


def notice_of(shipment: Shipment) -> ChannelNotice | None:
    """What the shipment's channel is to be told, None where there is nothing."""
    return ChannelNotice.get_or_none(ChannelNotice.shipment == shipment.id)


def attempts(notice: ChannelNotice) -> list[ChannelAttempt]:
    """Every look and send, oldest first."""
    return list(ChannelAttempt.select().where(ChannelAttempt.notice == notice.id).order_by(ChannelAttempt.id))


def of_order(order: Order) -> dict[int, ChannelNotice]:
    """The notices of an order's shipments, by shipment."""
    ours = Shipment.select(Shipment.id).where(Shipment.request << order.requests)
    return {one.shipment_id: one for one in ChannelNotice.select().where(ChannelNotice.shipment << ours)}


def needing(channel: Channel, limit: int = 100) -> list[ChannelNotice]:
    """Notices that are not told, those that failed first."""
    open_ = ChannelNotice.state << ("failed", "waiting", *DOUBTED)
    rows = ChannelNotice.select(ChannelNotice, Shipment).join(Shipment).where(ChannelNotice.channel == channel.id, open_)
    return list(rows.order_by(ChannelNotice.state != "failed", ChannelNotice.id).limit(limit))
