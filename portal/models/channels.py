"""Channels: where goods are sold, the orders that were pulled from there, and the tracking numbers that go back."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.orders import Order
from portal.models.shipments import Shipment
from portal.models.sources import Source


class Channel(Table):
    """One place where a merchant sells. `kind`: shopify, bigcommerce, woocommerce, csv or feed.

    `line`: a row of Source of kind sales_channel that holds the connection, its secrets, integrations and runs; it is no source of
    fulfillment and is listed as none. NULL for csv and feed, from which nothing is asked. `state`: open or removed.
    `currency`: of every price of its listings. `take_from`: orders placed before are not taken.
    `seen_until`: all changes in the store up to then were read. `settings`: of its kind, explained by portal.channels.
    `touched_at`: when a person last changed its listings or their rules; `shown_at`: of which moment the newest of its files is that a
    shop fetched or a person downloaded.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="channels", on_delete="CASCADE", index=False)
    line = ForeignKeyField(Source, null=True, unique=True, backref="channels", on_delete="CASCADE")
    name = CharField(max_length=80)
    kind = CharField(max_length=20)
    state = CharField(max_length=10, default="open")
    currency = CharField(max_length=3, default="USD")
    settings = JsonText(default=dict)
    take_from = UtcTime(default=now)
    seen_until = UtcTime(null=True)
    version = IntegerField(default=1)
    created_at = UtcTime(default=now)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")
    touched_at = UtcTime(null=True)
    shown_at = UtcTime(null=True)

    class Meta:
        indexes = ((("merchant", "state", "id"), False),)


class ChannelOrder(Table):
    """An order of the store as it was last read; one row for each that was to be shipped, so that none is lost.

    `state`: taken (`order` is ours), waiting (it could not be taken: `why`), or left (a person wants it not, or the store did away
    with it before it was taken). `differs`: in words, what the store changed after it was taken, "" for nothing or once a person saw it.
    `told`: the parts that were compared and, while it waits, what it takes to try again. `ref`: the store's own id.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    channel = ForeignKeyField(Channel, backref="orders", on_delete="CASCADE", index=False)
    ref = CharField(max_length=60)
    number = CharField(max_length=120, default="")
    order = ForeignKeyField(Order, null=True, backref="+", on_delete="SET NULL")
    state = CharField(max_length=10)
    why = CharField(max_length=1000, default="")
    differs = CharField(max_length=500, default="")
    told = JsonText(default=dict)
    run_id = BigIntegerField(null=True)
    seen_at = UtcTime(default=now)
    created_at = UtcTime(default=now)

    class Meta:
        table_name = "channel_order"
        indexes = ((("channel", "ref"), True), (("channel", "state", "id"), False))


ChannelOrder.add_index(ChannelOrder.channel, ChannelOrder.created_at, where=ChannelOrder.state == "waiting", name="channel_order_waiting")


class ChannelNotice(Table):
    """The tracking number of one shipment that its channel is to be told. Made in the transaction that records the shipment.

    `state`: waiting, sending (it left, or was about to: `left_at`), unknown (it left and no whole answer came), told, failed (the
    store refused it: `said`) or dropped (nothing to tell any more). `their_id`: the store's own name of it. `tries`: sends so far.
    `due_at`: not before.
    """

    id = BigAutoField()
    channel = ForeignKeyField(Channel, backref="notices", on_delete="CASCADE", index=False)
    shipment = ForeignKeyField(Shipment, unique=True, backref="notices", on_delete="CASCADE")
    state = CharField(max_length=10, default="waiting")
    their_id = CharField(max_length=120, default="")
    said = TextField(default="")
    tries = IntegerField(default=0)
    left_at = UtcTime(null=True)
    due_at = UtcTime(default=now)
    told_at = UtcTime(null=True)
    created_at = UtcTime(default=now)

    class Meta:
        table_name = "channel_notice"
        indexes = ((("channel", "state", "due_at"), False),)


ChannelNotice.add_index(
    ChannelNotice.channel, ChannelNotice.created_at, where=ChannelNotice.state << ("failed", "unknown"), name="channel_notice_failed"
)


class ChannelAttempt(Table):
    """One look at a store for a tracking number, or one send of it; never changed after it ended.

    `act`: look, send or correct. `outcome`: "" under way, found, absent, sent, refused, not_sent or unknown.
    """

    id = BigAutoField()
    notice = ForeignKeyField(ChannelNotice, backref="attempts", on_delete="CASCADE")
    at = UtcTime(default=now)
    act = CharField(max_length=10)
    outcome = CharField(max_length=10, default="")
    words = CharField(max_length=500, default="")
    run_id = BigIntegerField(null=True)
    ended_at = UtcTime(null=True)

    class Meta:
        table_name = "channel_attempt"
