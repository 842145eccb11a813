"""Run kind channel_orders: paid and unshipped orders of a store come in, each once; what cannot be taken waits with its reason.

seen until, less an overlap ─▶ page of changed orders ─▶ take │ known: compared │ cannot: kept ─▶ seen until …
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Any

from portal import channels, clock, connections
from portal.connectors import stores
from portal.connectors.stores import StoreLine, StoreOrder
from portal.errors import Invalid, NotFound, Problem, Refused
from portal.leases import Work
from portal.listings import editing
from portal.models import Channel, ChannelOrder, Order, Run, database
from portal.orders import intake
from portal.orders.intake import LONGEST, NewLine, NewOrder, OtherContent
from portal.runs import Outcome

KIND = "channel_orders"
OVERLAP = timedelta(minutes=15)
"""Read again each time: stores list an order some time after the moment that they give it."""
COMPARED = {"lines": "its lines", "ship_to": "the ship-to address", "shipping_text": "the shipping method", "note": "the note"}


def perform(work: Work) -> Outcome:
    """The run handler. Raises SupplierError; what came in before stays, and the next run goes on from there."""
    channel = _channel_of(work)
    first = channel.seen_until is None
    since = (channel.seen_until or channel.take_from) - OVERLAP
    work.stage("pull", "items")
    counts: Counter[str] = Counter()
    with connections.open_for(channels.line_of(channel), work.run.id, operation=channels.PULL) as connector:
        store = stores.of(channel.kind, connector)
        for page in store.changed(since):
            work.check_stop()
            _take_page(work, channel, page, counts)
    if first:
        _first(work, channel)
    problem = None
    if counts["waiting"] or counts["differs"]:
        problem = Problem("refused", "Some orders wait for you", "They are listed on the channel's page with the reason. None is lost.")
    state = "warnings" if problem else "finished" if counts["taken"] else "no_change"
    return Outcome(state, dict(counts), problem)


def _channel_of(work: Work) -> Channel:
    if work.source is None:
        raise NotFound("channel")
    found = channels.of_line(work.source)
    found.merchant = work.merchant
    return found


def _first(work: Work, channel: Channel) -> None:
    """After the first pull that worked they go on by themselves, unless a person said how often."""
    if not channel.settings.get("asked"):
        channels.schedule_pulls(channel, channels.USUAL_MINUTES, work.run.started_by)
        work.say(f"From now on orders are pulled every {channels.USUAL_MINUTES} minutes.")


def _take_page(work: Work, channel: Channel, page: list[StoreOrder], counts: Counter[str]) -> None:
    if not page:
        return
    with work.transaction():
        for one in page:
            counts["read"] += 1
            if became := take(channel, one, work.run, work.run.started_by):
                counts[became] += 1
        latest = max(one.changed for one in page)
        behind = Channel.seen_until.is_null() | (Channel.seen_until < latest)
        Channel.update(seen_until=latest).where(Channel.id == channel.id, behind).execute()
        work.save(counts=dict(counts))
    work.progress(counts["read"])


def take(channel: Channel, one: StoreOrder, run: Run | None, who: str = "") -> str:
    """Take one order of the store in; what became of it: taken, known, differs, waiting, or "" where it is none of ours (yet).

    Joins the open transaction. Whatever is wrong with it, the order is kept and nothing is raised.
    """
    row = ChannelOrder.get_or_none(ChannelOrder.channel == channel.id, ChannelOrder.ref == one.ref[:60])
    if row is not None and row.state == "taken":
        return _again(row, one)
    if row is None and (one.state != "take" or one.placed < channel.take_from or not any(line.quantity > 0 for line in one.lines)):
        return ""
    if row is not None and row.state == "left":
        return ""
    if one.state != "take":
        assert row is not None
        gone = "It was canceled in the store." if one.state == "gone" else "In the store it is not to be shipped any more."
        _keep(channel, row, one, run, "left", f"{gone} It was never taken here.")
        return ""
    try:
        with database.atomic():
            order, new = intake.create(channel.merchant, _order(channel, one), who, channel.kind)
            _keep(channel, row, one, run, "taken", "", order)
        return "taken" if new else "known"
    except Invalid as error:
        why = " ".join(_in_words(key, words, one) for key, words in error.errors.items())
    except (OtherContent, Refused) as error:
        why = str(error)
    _keep(channel, row, one, run, "waiting", f"{why} It was not taken.")
    return "waiting"


def _again(row: ChannelOrder, one: StoreOrder) -> str:
    """An order that is here: what the store changed since is said; ours stays as it is. What was shipped meanwhile is no change."""
    seen = {"seen_at": clock.now()}
    if one.state == "wait" or "erased" in row.told:  # of an erased person nothing is kept again
        return ""
    if one.state == "gone":
        differs, told = "It was canceled in the store.", {**row.told, "gone": True}
    else:
        told = _told(one)
        parts = [words for key, words in COMPARED.items() if row.told.get(key) != told[key]]
        differs = f"The store changed {', '.join(parts)}." if parts else ""
    if told == row.told or not differs:
        ChannelOrder.update(seen).where(ChannelOrder.id == row.id).execute()
        return "known"
    words = f"{differs} Our order was not changed."
    ChannelOrder.update(told=told, differs=words[:500], **seen).where(ChannelOrder.id == row.id).execute()
    return "differs"


def _told(one: StoreOrder) -> dict[str, Any]:
    """The parts that are compared: what was ordered, not what of it is shipped."""
    plain: dict[str, Any] = asdict(one)
    lines = [[line.ref, line.sku, line.ordered] for line in one.lines]
    return {
        "lines": lines,
        "ship_to": {k: v for k, v in plain["ship_to"].items() if v},
        "shipping_text": one.shipping_text,
        "note": one.note,
    }


def _keep(
    channel: Channel, row: ChannelOrder | None, one: StoreOrder, run: Run | None, state: str, why: str, order: Order | None = None
) -> None:
    columns = {
        "number": one.number[:120], "state": state, "why": why[:1000], "order": order, "told": _told(one) | {"whole": _plain(one)},
        "run_id": run.id if run else None, "seen_at": clock.now(),
    }  # fmt: skip
    if state == "taken":
        columns["told"] = _told(one)
    if row is None:
        ChannelOrder.create(channel=channel, ref=one.ref[:60], **columns)
    else:
        ChannelOrder.update(columns).where(ChannelOrder.id == row.id).execute()


def _plain(one: StoreOrder) -> dict[str, Any]:
    return asdict(one) | {"changed": one.changed.isoformat(), "placed": one.placed.isoformat()}


def whole(row: ChannelOrder) -> StoreOrder:
    """The order as it was last read, of a row that waits."""
    told = dict(row.told["whole"])
    lines = [StoreLine(**line) for line in told.pop("lines")]
    changed, placed = (datetime.fromisoformat(told.pop(key)) for key in ("changed", "placed"))
    return StoreOrder(**told, changed=changed, placed=placed, lines=lines)


def _order(channel: Channel, one: StoreOrder) -> NewOrder:
    """The order as intake takes it, by Master SKU where the channel lists the SKU. Raises Refused for what a person must decide.

    Notes that are too long are cut, with the end said.
    """
    if one.odd:
        raise Refused(one.odd)
    lines = [line for line in one.lines if line.quantity > 0]
    if not lines:
        raise Refused("Nothing of it is left to ship in the store.")
    note = " ".join(one.note.split())
    masters = editing.masters(channel, [line.sku for line in lines])
    return NewOrder(
        one.number,
        [NewLine(masters.get(line.sku, line.sku), line.quantity, line.title[: LONGEST["title"]], line.price, line.ref) for line in lines],
        dict(one.ship_to), dict(one.bill_to), one.ref, channel.public_id, one.placed, one.shipping_text[: LONGEST["shipping_text"]],
        one.customer_reference[: LONGEST["customer_reference"]],
        note if len(note) <= LONGEST["note"] else f"{note[: LONGEST['note'] - 1]}…", one.currency, one.total,
    )  # fmt: skip


def _in_words(key: str, words: str, one: StoreOrder) -> str:
    """An error of intake at the line that it is of."""
    _, _, rest = key.partition(".")
    number, _, field = rest.partition(".")
    lines = [line for line in one.lines if line.quantity > 0]
    if not number.isdigit() or int(number) >= len(lines):
        return words
    title = lines[int(number)].title[:80] or "without a title"
    if field == "sku" and not lines[int(number)].sku.strip():
        return f"Line {int(number) + 1}, “{title}”, has no SKU in the store. Type it in here."
    return f"Line {int(number) + 1}, “{title}”: {words}"


def find(channel: Channel, public_id: str) -> ChannelOrder:
    """One order of the channel's list. Raises NotFound."""
    row = ChannelOrder.get_or_none(ChannelOrder.channel == channel.id, ChannelOrder.public_id == public_id)
    if row is None:
        raise NotFound("order")
    return row


def needing(channel: Channel, limit: int = 100) -> list[ChannelOrder]:
    """Orders that wait for a person, oldest first: those not taken, and those that the store changed."""
    needs = (ChannelOrder.state == "waiting") | (ChannelOrder.differs != "")
    return list(ChannelOrder.select().where(ChannelOrder.channel == channel.id, needs).order_by(ChannelOrder.id).limit(limit))


def leave(row: ChannelOrder, who: str) -> None:
    """A person does not want it here; it is not taken when it comes again."""
    mine = (ChannelOrder.id == row.id) & (ChannelOrder.state == "waiting")
    ChannelOrder.update(state="left", why=f"Left out by {who}.").where(mine).execute()


def seen(row: ChannelOrder) -> None:
    """A person saw what the store changed."""
    ChannelOrder.update(differs="").where(ChannelOrder.id == row.id).execute()


def order_of(row: ChannelOrder) -> Order | None:
    """Our order that it became."""
    return Order.get_or_none(Order.id == row.order_id) if row.order_id else None


def take_by_hand(channel: Channel, row: ChannelOrder, skus: Mapping[str, str], who: str) -> Order | None:
    """Take an order that waits, by a person's word: with these SKUs (by the store's id of a line), however odd it is.

    None where it still cannot be taken: the row then says why. Raises Refused where it does not wait any more.
    """
    with database.atomic():
        if row.state != "waiting":
            raise Refused("This order does not wait any more. Nothing was changed.")
        one = whole(row)
        lines = [replace(line, sku=skus.get(line.ref) or line.sku) for line in one.lines]
        take(channel, replace(one, lines=lines, odd=""), None, who)
    return order_of(ChannelOrder.get_by_id(row.id))
