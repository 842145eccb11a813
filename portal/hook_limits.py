"""How much one sender and one source may send, so that nobody fills the disk or guesses addresses.

Refusals are counted for each sender in this process's memory; what was taken is counted for each source in the database.
"""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from datetime import timedelta

from peewee import fn

from portal import clock
from portal.models import Document, Source, WebhookDelivery

WINDOW = 300.0  # seconds in which refusals of one sender are counted
MOST_REFUSED = 60
MOST_SENDERS = 10_000  # remembered at once; the ones longest quiet are forgotten first
MOST_A_MINUTE = 600  # deliveries of one source
MOST_WAITING = 5_000  # deliveries of one source that wait for a run, or for orders
MOST_BYTES = 1_000_000_000  # of one source's deliveries that are kept here
TAKEN = ("waiting", "taken", "read", "kept", "failed", "replaced", "left_out")
RETRY_AFTER = 60  # seconds that a sender is asked to wait


class Refusals:
    """Counts the refused requests of each sender. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def note(self, sender: str, now: float | None = None) -> bool:
        """Count one more; whether the sender has had MOST_REFUSED of them within the window already. A network of IPv6 is one sender."""
        sender = network_of(sender)
        moment = time.monotonic() if now is None else now
        with self._lock:
            began, count = self._of.pop(sender, (moment, 0))
            if moment - began > WINDOW:
                began, count = moment, 0
            self._of[sender] = (began, count + 1)
            while len(self._of) > MOST_SENDERS:
                self._of.popitem(last=False)
        return count >= MOST_REFUSED

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._of.clear()


def network_of(sender: str) -> str:
    """An IPv4 address as it is; of an IPv6 one the 64 bits that a single customer has; anything else as it is."""
    try:
        address = ipaddress.ip_address(sender.partition("%")[0])
    except ValueError:
        return sender
    if isinstance(address, ipaddress.IPv4Address):
        return sender
    plain = address.ipv4_mapped
    return str(plain) if plain else str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))


refusals = Refusals()


def over_quota(source: Source, size: int) -> str:
    """Why a delivery of `size` bytes more is not taken now, "" when it is."""
    mine = WebhookDelivery.select().where(WebhookDelivery.source == source)
    waiting = mine.where(WebhookDelivery.state << ("waiting", "kept")).count()
    if waiting >= MOST_WAITING:
        return f"{waiting:,} deliveries wait already"
    taken = mine.where(WebhookDelivery.state << TAKEN).order_by(WebhookDelivery.id.desc())
    before = taken.offset(MOST_A_MINUTE - 1).limit(1).first()
    if before is not None and before.at > clock.now() - timedelta(minutes=1):
        return f"{MOST_A_MINUTE:,} deliveries came within a minute"
    kept = Document.select(fn.SUM(Document.size)).where(
        Document.source == source, Document.origin == "webhook", Document.stored_name.is_null(False)
    )
    if (kept.scalar() or 0) + size > MOST_BYTES:
        return f"{MOST_BYTES // 1_000_000:,} MB of deliveries are kept here already"
    return ""
