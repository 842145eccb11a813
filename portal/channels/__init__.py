"""Channels: where the merchant sells. Orders are pulled from there, and tracking numbers go back; listings say what is offered there.

add ─▶ line (connected as a source is) ─▶ pulling: orders in ─▶ … shipped ─▶ telling: tracking numbers out
    └▶ no line: a CSV export or a feed link, which holds listings alone
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import IntegrityError, fn

from portal import audit, clock, connection_parts, schedules, sources
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.models import (
    Channel,
    ChannelNotice,
    ChannelOrder,
    Connection,
    FeedLink,
    Integration,
    Merchant,
    OauthGrant,
    Order,
    Run,
    SealedSecret,
    Source,
    database,
)
from portal.models.runs import UNFINISHED
from portal.sources import CHANNEL_LINE

KINDS = {"shopify": "Shopify", "bigcommerce": "BigCommerce", "woocommerce": "WooCommerce"}
"""Kinds that are connected. Each is an entry of the directory that has a [channel]."""
FILES = {"csv": "CSV export", "feed": "HTTP feed link"}
"""Kinds that are not: a shop takes the listings as a file. They have no line."""
NAMES = KINDS | FILES
PULL, TELL, PUSH = "get_channel_orders", "send_tracking", "send_listings"
"""The integrations of a channel's line; the last only once units and prices go there (portal.pushing)."""
EVERY = (5, 15, 30, 60)
"""Minutes between two pulls that can be chosen; 0: only by hand."""
USUAL_MINUTES = 15
NAME_SPACE = "sales channel: "
"""Names of channels are unique among themselves, and free of those of sources."""


@dataclass(frozen=True)
class Standing:
    """How a channel is. `state`: a key of portal.web's looks; `words` in a sentence. Counts of what waits for a person or for its turn."""

    state: str
    words: str
    taken: int
    waiting: int
    differs: int
    telling: int
    failed: int
    last_pull: Run | None


def find(merchant: Merchant, public_id: str) -> Channel:
    """The merchant's channel of that id. Raises NotFound, for a removed one and another merchant's too."""
    found = Channel.get_or_none(Channel.merchant == merchant, Channel.public_id == public_id, Channel.state == "open")
    if found is None:
        raise NotFound("channel")
    found.merchant = merchant
    return found


def listing(merchant: Merchant) -> list[Channel]:
    """The merchant's channels by name."""
    return list(Channel.select().where(Channel.merchant == merchant, Channel.state == "open").order_by(fn.LOWER(Channel.name), Channel.id))


def line_of(channel: Channel) -> Source:
    """The row that holds its connection. Raises NotFound for a channel that is not connected to anything."""
    if channel.line is None:
        raise NotFound("connection")
    return channel.line


def of_line(line: Source) -> Channel:
    """The channel whose line this is. Raises NotFound."""
    found = Channel.get_or_none(Channel.line == line, Channel.state == "open")
    if found is None:
        raise NotFound("channel")
    return found


def of_order(order: Order) -> Channel | None:
    """The channel that the order was pulled from, removed or not; None for an order that came another way."""
    return Channel.get_or_none(Channel.merchant == order.merchant_id, Channel.public_id == order.channel) if order.channel else None


def add(merchant: Merchant, name: str, kind: str, take_from: datetime, notify: bool, who: str, currency: str = "USD") -> Channel:
    """A new channel; of a store, its connection is still to be made. Raises Invalid."""
    name, currency = sources.tidy_name(name), currency.strip().upper()
    errors = {"name": sources.name_error(name), "kind": "" if kind in NAMES else "Choose where you sell."}
    if not re.fullmatch("[A-Z]{3}", currency):
        errors["currency"] = "Use the three letters of a currency, such as USD."
    if errors := {key: words for key, words in errors.items() if words}:
        raise Invalid(errors)
    key = sources.name_key(NAME_SPACE + name)
    try:
        with database.atomic():
            _refuse_taken(merchant, name)
            if kind in FILES:
                made: Channel = Channel.create(
                    merchant=merchant, name=name, kind=kind, currency=currency, take_from=take_from, changed_by=who
                )
                audit.write(merchant, who, "channel.create", "channel", made.public_id, after={"name": name, "kind": kind})
                return made
            line = Source.create(merchant=merchant, name=name, name_key=key, kind=CHANNEL_LINE, state="live", supplier=kind, changed_by=who)
            Connection.create(source=line, settings=_defaults(line), changed_by=who)
            for integration in (PULL, TELL):
                Integration.create(source=line, kind=integration, enabled=True, changed_by=who)
            made = Channel.create(
                merchant=merchant, line=line, name=name, kind=kind, currency=currency, take_from=take_from, settings={"notify": notify},
                changed_by=who,
            )  # fmt: skip
            audit.write(merchant, who, "channel.create", "channel", made.public_id, after={"name": name, "kind": kind})
    except IntegrityError as error:
        raise Invalid({"name": f"You already have a channel called {name}. Use another name."}) from error
    return made


def _refuse_taken(merchant: Merchant, name: str, but: Channel | None = None) -> None:
    """Raises Invalid where another open channel has that name, however it is written. Behind the merchant's row, so that none slips by."""
    Merchant.update(id=Merchant.id).where(Merchant.id == merchant.id).execute()
    names = {sources.name_key(one.name) for one in listing(merchant) if but is None or one.id != but.id}
    if sources.name_key(name) in names:
        raise Invalid({"name": f"You already have a channel called {name}. Use another name."})


def rename(channel: Channel, name: str, version: int, who: str) -> None:
    """Give a channel that has no store another name. Raises Invalid, Stale."""
    name = sources.tidy_name(name)
    if words := sources.name_error(name):
        raise Invalid({"name": words})
    with database.atomic():
        _refuse_taken(channel.merchant, name, channel)
        stamped = {"name": name, "version": Channel.version + 1, "changed_at": clock.now(), "changed_by": who}
        if not Channel.update(stamped).where(Channel.id == channel.id, Channel.version == version).execute():
            fresh = Channel.get_by_id(channel.id)
            raise Stale(fresh.changed_by, fresh.changed_at)
        before = {"name": channel.name}
        audit.write(channel.merchant, who, "channel.change", "channel", channel.public_id, before=before, after={"name": name})


def _defaults(line: Source) -> dict[str, str]:
    settings = connection_parts.supplier_of(line).settings
    return {one.key: one.default for one in settings if one.default and not one.secret and one.kind != "check"}


def change(channel: Channel, name: str, take_from: datetime, notify: bool, every: int, version: int, who: str) -> None:
    """Keep a channel's own settings. `every`: minutes between two pulls, 0 by hand only. Raises Invalid, Stale."""
    name = sources.tidy_name(name)
    errors = {"name": sources.name_error(name), "every": "" if every in (0, *EVERY) else "Choose how often."}
    if errors := {key: words for key, words in errors.items() if words}:
        raise Invalid(errors)
    columns = {"name": name, "take_from": take_from, "settings": {**channel.settings, "notify": notify, "asked": True}}
    before = {"name": channel.name, "take_from": channel.take_from.isoformat(), "notify": channel.settings.get("notify")}
    after = {"name": name, "take_from": take_from.isoformat(), "notify": notify}
    try:
        with database.atomic():
            stamped = {**columns, "version": Channel.version + 1, "changed_at": clock.now(), "changed_by": who}
            if not Channel.update(stamped).where(Channel.id == channel.id, Channel.version == version).execute():
                fresh = Channel.get_by_id(channel.id)
                raise Stale(fresh.changed_by, fresh.changed_at)
            key = sources.name_key(NAME_SPACE + name)
            Source.update(name=name, name_key=key).where(Source.id == channel.line_id).execute()
            audit.write(channel.merchant, who, "channel.change", "channel", channel.public_id, before=before, after=after)
            schedule_pulls(channel, every, who)
    except IntegrityError as error:
        raise Invalid({"name": f"You already have a channel called {name}. Use another name."}) from error


def schedule_pulls(channel: Channel, every: int, who: str) -> None:
    """Pull so often by itself; 0 never."""
    pulls = integration(channel, PULL)
    wanted = {"every_minutes": every} if every else {}
    if pulls.schedule != wanted:
        schedules.save(pulls, wanted, pulls.version, who)


def integration(channel: Channel, kind: str) -> Integration:
    """One integration of its line. Raises NotFound for a kind that is none."""
    found = Integration.get_or_none(Integration.source == channel.line_id, Integration.kind == kind)
    if found is None:
        raise NotFound("integration")
    found.source = line_of(channel)
    return found


def is_connected(channel: Channel) -> bool:
    """Whether a connection was saved; whether it works, the last run says. What is no store needs none."""
    if channel.line_id is None:
        return False
    line = line_of(channel)
    settings = Connection.get(Connection.source == line).settings
    signed_in = connection_parts.sign_in_standing(line) != "needed"
    supplier = connection_parts.supplier_of(line)
    kept = {row.field for row in SealedSecret.select(SealedSecret.field).where(SealedSecret.source == channel.line_id)}
    place = "shop" if channel.kind == "shopify" else "store_hash" if channel.kind == "bigcommerce" else "base"
    return bool(settings.get(place)) and signed_in and bool(kept & supplier.secret_keys)


def standing(channel: Channel) -> Standing:
    """How it is, and what waits."""
    if channel.line_id is None:
        return Standing("ok", "Offers its listings as a file.", 0, 0, 0, 0, 0, None)
    orders = _counts(ChannelOrder.select(ChannelOrder.state, fn.COUNT(ChannelOrder.id)).where(ChannelOrder.channel == channel.id))
    notices = _counts(
        ChannelNotice.select(ChannelNotice.state, fn.COUNT(ChannelNotice.id)).where(ChannelNotice.channel == channel.id),
        ChannelNotice.state,
    )
    differs = ChannelOrder.select().where(ChannelOrder.channel == channel.id, ChannelOrder.differs != "").count()
    last = Run.select().where(Run.source == channel.line_id, Run.kind == "channel_orders").order_by(Run.id.desc()).first()
    waiting, failed = orders.get("waiting", 0), notices.get("failed", 0)
    needs = [
        f"{count:,} {one if count == 1 else many}"
        for count, one, many in (
            (waiting, "order was not taken", "orders were not taken"), (differs, "changed in the store", "changed in the store"),
            (failed, "tracking number was not taken", "tracking numbers were not taken"),
        )
        if count
    ]  # fmt: skip
    telling = sum(notices.get(state, 0) for state in ("waiting", "sending", "unknown"))
    state, words = _words(channel, last, needs)
    return Standing(state, words, orders.get("taken", 0), waiting, differs, telling, failed, last)


def _counts(query: Any, column: Any = ChannelOrder.state) -> Mapping[str, int]:
    return dict(query.group_by(column).tuples())


def _words(channel: Channel, last: Run | None, needs: list[str]) -> tuple[str, str]:
    if not is_connected(channel):
        return "draft", "Not connected yet. Nothing is read from the store."
    if last is None:
        return "draft", "Connected. No orders were pulled yet."
    if last.state in UNFINISHED:
        return "running", "Orders are being pulled."
    if last.state == "failed":
        return "action", f"The last pull failed: {(last.problem or {}).get('headline', 'see the run')}. No order was lost."
    if needs:
        return "action", f"Waits for you: {', '.join(needs)}."
    return "ok", "Orders come in."


def remove(channel: Channel, who: str) -> None:
    """End a channel: its credentials and its feed link are erased and nothing is asked of the store any more; orders of it stay.

    Its listings go a little later, a few at a time (portal.listings.making.erase_removed).
    """
    with database.atomic():
        for run in Run.select().where(Run.source == channel.line_id, Run.source.is_null(False), Run.state << UNFINISHED):
            raise Refused(f"Run {run.number} of this channel is not finished. Wait for its end or stop it, then remove the channel.")
        for table in (SealedSecret, OauthGrant):
            table.delete().where(table.source == channel.line_id).execute()
        off = {"enabled": False, "schedule": {}, "next_run_at": None}
        Integration.update(off).where(Integration.source == channel.line_id).execute()
        Source.update(state="deleted", deleted_at=clock.now(), changed_by=who).where(Source.id == channel.line_id).execute()
        FeedLink.delete().where(FeedLink.channel == channel.id).execute()
        Channel.update(state="removed", changed_at=clock.now(), changed_by=who).where(Channel.id == channel.id).execute()
        unsent = ChannelNotice.state << ("waiting", "failed")
        words = "The channel was removed before the store was told."
        ChannelNotice.update(state="dropped", said=words).where(ChannelNotice.channel == channel.id, unsent).execute()
        audit.write(channel.merchant, who, "channel.remove", "channel", channel.public_id, before={"name": channel.name})
