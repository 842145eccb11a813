"""The tracking numbers that channels are to be told: put in line in the transaction that records a shipment."""

from __future__ import annotations

from peewee import Case

from portal import clock
from portal.models import Channel, ChannelNotice, Order, Shipment

SETTLED = ("told", "dropped", "failed")
NOTICE_STATES = {
    "waiting": "Waits to be told", "sending": "Being told", "unknown": "May have arrived", "told": "Told", "failed": "Not told",
    "dropped": "Nothing to tell",
}  # fmt: skip
OUTCOMES = {
    "": "Under way", "found": "It was there", "absent": "It was not there", "sent": "Taken", "refused": "Refused",
    "not_sent": "Did not arrive", "unknown": "No whole answer came",
}  # fmt: skip
ACTS = {"look": "Looked in the store", "send": "Told the store", "correct": "Corrected in the store"}
STANDS_THERE = "It was taken back here, and the store may still show it. Take it out there."


def put_in_line(shipment: Shipment, order: Order | None) -> None:
    """Tell the order's channel of this shipment, or of what is new in it; nothing where it came from none. Joins the open transaction."""
    if order is None or not order.channel:
        return
    channel = Channel.get_or_none(Channel.merchant == order.merchant_id, Channel.public_id == order.channel)
    if channel is None or channel.state != "open":
        return
    # What is on its way stays so: whoever settles it waits for this row, and sees then that the shipment holds more.
    state = Case(None, [(ChannelNotice.state << SETTLED, "waiting")], ChannelNotice.state)
    again = {"state": state, "due_at": clock.now(), "said": ""}
    if not ChannelNotice.update(again).where(ChannelNotice.shipment == shipment.id).execute():
        ChannelNotice.create(channel=channel, shipment=shipment, created_at=clock.now(), due_at=clock.now())
    Shipment.update(channel_state="waiting", channel_said="").where(Shipment.id == shipment.id).execute()


def taken_back(shipment: Shipment) -> None:
    """A shipment that was wrong: what the store was not told yet is not told; where it was, a person hears that it stands there."""
    mine = ChannelNotice.shipment == shipment.id
    words = "It was taken back before the store was told."
    if ChannelNotice.update(state="dropped", said=words).where(mine, ChannelNotice.state << ("waiting", "failed")).execute():
        Shipment.update(channel_state="", channel_said=words).where(Shipment.id == shipment.id).execute()
    elif ChannelNotice.select().where(mine, ChannelNotice.state << ("told", "sending", "unknown")).exists():
        ChannelNotice.update(said=STANDS_THERE).where(mine).execute()
        Shipment.update(channel_state="failed", channel_said=STANDS_THERE).where(Shipment.id == shipment.id).execute()
