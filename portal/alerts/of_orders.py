"""Rules of orders: without a source, not sent, in doubt, not shipped, and what suppliers and stores told that fits nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from peewee import fn

from portal.alerts.findings import LIVE, Finding, Group, Look, counted
from portal.models import (
    AnswerProblem,
    Channel,
    ChannelNotice,
    ChannelOrder,
    CommittedStock,
    FulfillmentRequest,
    Integration,
    Merchant,
    Order,
    SendingStop,
    Shipment,
    Source,
)

UNSENT = ("unprocessed", "processing", "failed", "too_long", "duplicate")
EXPECTED, UNSHIPPED = ("processed", "acknowledged"), ("awaiting", "partial")
_WHOSE = (Source.id, Source.name, Source.merchant, Merchant.time_zone)
TOLD_FOR = timedelta(days=1)


def unrouted(look: Look) -> Iterator[Finding]:
    """Open orders with lines for which no source was found, by workspace."""
    whose = (Merchant.id, Merchant.time_zone)
    for over, mine in look.policies.groups("orders_unrouted", Order.merchant):
        query: Any = Order.select(fn.COUNT(Order.id), fn.MIN(Order.id), fn.MIN(Order.created_at), *whose).join(Merchant)
        open_ = (Order.routing != "") & (Order.state << ("open", "no_shipping_method"))
        old = Order.created_at < look.now - timedelta(hours=over)
        for count, first, oldest, merchant, zone in query.where(open_, old, mine).group_by(*whose).tuples():
            headline = f"{counted(count, 'order')} {'waits' if count == 1 else 'wait'} for a source"
            body = f"The oldest came {look.at(oldest, zone)}. Nothing of them was sent. Each order's page says what it lacks."
            facts = {"place": "orders", "count": count}
            yield Finding(merchant, "orders_unrouted", "orders", headline, body, mark=f"{count} from {first}", facts=facts)


def unsent(look: Look) -> Iterator[Finding]:
    """Requests that are not at their source, but for those that wait for its hours or are in doubt."""
    request = FulfillmentRequest
    for over, whose in look.policies.groups("orders_unsent", Source.merchant):
        long_ago = look.now - timedelta(hours=over)
        old = (request.state << UNSENT) & (request.created_at < long_ago) & (request.sending != "check_needed")
        open_ = request.not_before.is_null() | (request.not_before < long_ago)
        for one in _groups(request, request.created_at, old & open_ & whose):
            headline = f"{counted(one.count, 'request')} to {one.name} {one.one_or('was', 'were')} not sent"
            since = f"The oldest was made {look.at(one.oldest, one.zone)}."
            body = f"{since} {one.one_or('It waits', 'They wait')} for a person, or failed. Nothing was sent twice."
            yield one.finding("orders_unsent", "requests", headline, body)


def in_doubt(look: Look) -> Iterator[Finding]:
    """Requests of which nobody knows whether they arrived."""
    request = FulfillmentRequest
    for one in _groups(request, request.changed_at, request.sending == "check_needed"):
        headline = f"We do not know if {one.name} has {one.one_or('an order', f'{one.count:,} orders')}"
        them, since = one.one_or("it", "them"), look.at(one.oldest, one.zone)
        body = f"We sent {them} (since {since}) and got no whole answer, so we do not send again by ourselves. Ask {one.name}, then decide."
        yield one.finding("check_needed", "check", headline, body)


def overdue(look: Look) -> Iterator[Finding]:
    """Requests that were sent and are not shipped whole."""
    request = FulfillmentRequest
    for over, whose in look.policies.groups("shipment_overdue", Source.merchant):
        old = (request.state << EXPECTED) & (request.shipped << UNSHIPPED) & (request.sent_at < look.now - timedelta(days=over))
        for one in _groups(request, request.sent_at, old & whose):
            headline = f"{counted(one.count, 'shipment')} of {one.name} {one.one_or('is', 'are')} overdue"
            since = f"The oldest was sent {look.at(one.oldest, one.zone)}."
            body = f"{since} No order was changed or cancelled. Ask {one.name}, or enter the shipment."
            yield one.finding("shipment_overdue", "overdue", headline, body)


def unmatched(look: Look) -> Iterator[Finding]:
    """Shipments that a person must match."""
    for one in _groups(Shipment, Shipment.created_at, Shipment.state == "unmatched"):
        headline = f"{counted(one.count, 'shipment')} of {one.name} {one.one_or('fits', 'fit')} no request"
        body = f"The oldest came {look.at(one.oldest, one.zone)}. No customer was told of {one.one_or('it', 'them')}. Match, or ignore."
        yield one.finding("shipments_unmatched", "shipments", headline, body)


def answers(look: Look) -> Iterator[Finding]:
    """Answers of sources that could not be used as told."""
    for one in _groups(AnswerProblem, AnswerProblem.at, AnswerProblem.settled_at.is_null()):
        headline = f"{counted(one.count, 'answer')} of {one.name} could not be used"
        body = f"The oldest came {look.at(one.oldest, one.zone)}. No order was changed by {one.one_or('it', 'them')}. See what was told."
        yield one.finding("answers_unused", "answers", headline, body)


def stops(look: Look) -> Iterator[Finding]:
    """Sources to which nothing is sent, and the stop of the whole installation where a merchant sends at all."""
    query: Any = SendingStop.select(SendingStop.id, SendingStop.why, SendingStop.since, *_WHOSE).join(Source).join(Merchant)
    for stop, why, since, source, name, merchant, zone in query.where(LIVE).tuples():
        body = f"Since {look.at(since, zone)}: {why} Orders wait; none is lost and none is sent twice."
        facts = {"place": "sending"}
        yield Finding(
            merchant, "sending_stopped", f"source {source}", f"Sending to {name} rests", body, source, mark=str(stop), facts=facts
        )
    whole = SendingStop.get_or_none(SendingStop.source.is_null())
    if whole is None:
        return
    sends = (Integration.kind == "send_orders") & (Integration.enabled == True) & LIVE  # noqa: E712
    merchants: Any = Integration.select(Merchant.id, Merchant.time_zone).join(Source).join(Merchant).where(sends).distinct()
    for merchant, zone in merchants.tuples():
        body = f"Since {look.at(whole.since, zone)} nothing leaves this installation. Orders wait; none is lost. Its operator ends that."
        facts = {"place": "requests"}
        yield Finding(merchant, "sending_stopped", "installation", "Sending is stopped", body, mark=str(whole.id), facts=facts)


def channel_orders(look: Look) -> Iterator[Finding]:
    """Orders of stores that could not be taken."""
    for over, whose in look.policies.groups("channel_orders", Channel.merchant):
        old = (ChannelOrder.state == "waiting") & (ChannelOrder.created_at < look.now - timedelta(hours=over))
        for one in _of_channels(ChannelOrder, old & whose):
            headline = f"{counted(one.count, 'order')} of {one.name} could not be taken"
            stay = one.one_or("It stays in the store; nothing of it", "They stay in the store; nothing of them")
            body = f"The oldest came {look.at(one.oldest, one.zone)}. {stay} was sent. The channel's page says what is lacking."
            yield one.finding("channel_orders", "channel", headline, body, "channel")


def tracking(look: Look) -> Iterator[Finding]:
    """Tracking numbers that a store does not have, or may not have."""
    for one in _of_channels(ChannelNotice, ChannelNotice.state << ("failed", "unknown")):
        since = f"It began {look.at(one.oldest, one.zone)}: {one.name} refused {one.one_or('it', 'them')}, or gave no whole answer."
        body = f"{since} The shipments stand here, and customers may not know of them."
        yield one.finding("tracking_untold", "channel", f"{one.name} lacks {counted(one.count, 'tracking number')}", body, "channel")


def released(look: Look) -> Iterator[Finding]:
    """Stock that was released in the last day because nobody answered for it."""
    stock = CommittedStock
    for one in _groups(stock, stock.released_at, (stock.released_because == "age") & (stock.released_at > look.now - TOLD_FOR)):
        body = f"{one.name} never answered, so it counts as in stock again. The requests stay as they are: ask what became of them."
        yield one.finding("stock_released", "source", f"Stock of {counted(one.count, 'line')} of {one.name} was released", body)


def _groups(table: Any, at: Any, mine: Any) -> Iterator[Group]:
    """What there is of each live source that has any. `at`: the column of age."""
    query = table.select(fn.COUNT(table.id), fn.MIN(table.id), fn.MIN(at), *_WHOSE).join(Source, on=table.source == Source.id)
    yield from (Group(*row) for row in query.join(Merchant).where(mine, LIVE).group_by(*_WHOSE).tuples())


def _of_channels(table: Any, mine: Any) -> Iterator[Group]:
    """What there is of each open channel that has any."""
    whose = (Channel.id, Channel.name, Channel.merchant, Merchant.time_zone)
    query = table.select(fn.COUNT(table.id), fn.MIN(table.id), fn.MIN(table.created_at), *whose).join(Channel).join(Merchant)
    yield from (Group(*row) for row in query.where(mine, Channel.state == "open").group_by(*whose).tuples())
