"""What pages tell: how a channel stands with its store; of one listing what was sent when, and why the store shows what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from portal import channels
from portal.listings.reckoning import amount
from portal.models import Channel, ChannelPush, Integration, Listing, ListingPush, Run
from portal.models.runs import UNFINISHED
from portal.pushing import OUTCOMES, STATES, settings

SHOWN = 20
TROUBLES = ("refused", "twice", "missing", "doubt")
"""States that a page lists, the worst first; what is held has a page of its own."""


@dataclass(frozen=True)
class Standing:
    """How a channel stands with its store. `last`: its newest run, `moving` whether that is under way, `waits` whether it waits to try
    again; `words` in a sentence.
    """

    push: ChannelPush
    last: Run | None
    moving: bool
    waits: bool
    state: str
    words: str
    troubles: Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """One send of a listing. `units`, `price`: "10 → 4", "" for what was left as it was."""

    at: datetime
    units: str
    price: str
    outcome: str
    words: str
    run: Run | None


def standing(channel: Channel) -> Standing:
    """How it stands, without asking the store."""
    push, newest = settings.of(channel), latest(channel, 1)
    last = newest[0] if newest else None
    moving = last is not None and last.state in UNFINISHED
    state, words = _words(channel, push, last, moving)
    waits = last is not None and last.state == "queued" and last.tries > 0
    return Standing(push, last, moving, waits, state, words, push.looked.get("trouble", {}))


def _words(channel: Channel, push: ChannelPush, last: Run | None, moving: bool) -> tuple[str, str]:
    if not channels.is_connected(channel):
        return "draft", "The channel is not connected yet. Nothing is sent."
    if moving and last is not None and last.tries and last.problem:
        return "late", f"The last try failed: {last.problem['headline']}. {last.problem['body']}"
    if moving and last is not None:
        looks = bool(last.settings.get("look"))
        return "running", "The store is being looked at. Nothing is sent." if looks else "Units and prices are being sent."
    if last is not None and last.state == "failed":
        return "action", f"The last run failed: {(last.problem or {}).get('body') or (last.problem or {}).get('headline', 'see the run')}"
    if push.state != "on":
        return "off", "Sending is off. The store keeps what it has."
    if push.held and not push.held.get("left_by"):
        return "held", "Too much would change at once. That waits for you; the rest was sent."
    left = " What you left alone is not sent." if push.held else ""
    return "on", f"Units and prices go to the store by themselves, once something changes.{left}"


def latest(channel: Channel, limit: int = 8) -> list[Run]:
    """The newest runs of it."""
    mine = Integration.select(Integration.id).where(Integration.source == channel.line_id, Integration.kind == channels.PUSH)
    return list(Run.select().where(Run.integration << mine).order_by(Run.id.desc()).limit(limit))


def troubles(channel: Channel) -> dict[str, Any]:
    """{state: [how many listings, [[SKU, public id, why] of some]]} of those that a person may mend or wait for. Reads all listings."""
    mine, found = Listing.channel == channel.id, {}
    counted: Any = (
        Listing.select(Listing.push_state, fn.COUNT(Listing.id)).where(mine, Listing.state != "ended").group_by(Listing.push_state)
    )
    for state, count in counted.tuples():
        if state in TROUBLES:
            some = Listing.select().where(mine, Listing.state != "ended", Listing.push_state == state).order_by(Listing.sku).limit(SHOWN)
            found[state] = [count, [[one.sku, one.public_id, one.push_said] for one in some]]
    return found


def of_page(channel: Channel, ids: Sequence[int]) -> dict[int, str]:
    """{listing: how it stands with the store, in words} of those on a page that a person may mend, or that wait."""
    if channel.line_id is None or not ids:
        return {}
    rows = Listing.select(Listing.id, Listing.push_state).where(Listing.id << list(ids), Listing.push_state << (*TROUBLES, "held"))
    return {row.id: STATES[row.push_state] for row in rows}


def of_listing(listing: Listing) -> list[Line]:
    """What the store was sent of it, the newest first."""
    rows = list(ListingPush.select().where(ListingPush.listing == listing.id).order_by(ListingPush.id.desc()).limit(SHOWN))
    found = {run.id: run for run in Run.select().where(Run.id << {row.run_id for row in rows if row.run_id})}
    return [
        Line(row.at, _change(row.old_quantity, row.new_quantity), _price(row), row.outcome,
             f"{OUTCOMES[row.outcome]}{f': {row.said}' if row.said else ''}", found.get(row.run_id or 0))
        for row in rows
    ]  # fmt: skip


def in_words(listing: Listing, units: int, price: int | None) -> str:
    """Why the store shows what it does, in a sentence. `units`, `price`: what is offered now. "" for a channel that is not sent to."""
    push = settings.of(listing.channel)
    if listing.channel.line_id is None or (push.state != "on" and listing.asked_at is None):
        return ""
    if listing.push_state in ("missing", "twice", "refused"):
        return f"{STATES[listing.push_state]}: {listing.push_said}"
    if listing.push_state == "held":
        return "It waits for you: too much would change at once on the channel."
    if push.state != "on":
        return "Sending is off for this channel, so the store keeps what it has."
    if listing.pushed_quantity is None:
        return "It is sent with the next run." if listing.push_state != "doubt" else listing.push_said
    price_waits = bool(push.prices) and price is not None and price != listing.pushed_price
    if listing.pushed_quantity != units or price_waits:
        return "What is offered changed since; it is sent with the next run."
    return "The store has what is offered. What it sells is counted there at once, and here once the order is pulled."


def has(listing: Listing, currency: str) -> str:
    """What the store had when we last looked or told it: "4 units, USD 12.00"."""
    units = (
        "units unknown"
        if listing.store_quantity is None
        else f"{listing.store_quantity:,} unit{'' if listing.store_quantity == 1 else 's'}"
    )
    return f"{units}, {currency} {amount(listing.store_price)}" if listing.store_price is not None else units


def _change(old: int | None, new: int | None) -> str:
    return "" if new is None else f"{'?' if old is None else f'{old:,}'} → {new:,}"


def _price(row: ListingPush) -> str:
    if row.new_price is None:
        return ""
    return f"{'?' if row.old_price is None else amount(row.old_price)} → {amount(row.new_price)}"


def samples(rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    """Samples of a look as a page shows them: sku, id, title, units and price as changes."""
    return [
        {"sku": sku, "id": public_id, "title": title, "units": _change(units, new_units) if units != new_units else "",
         "price": f"{'?' if price is None else amount(price)} → {amount(new_price)}"
         if new_price is not None and price != new_price else ""}
        for sku, public_id, title, units, new_units, price, new_price in rows
    ]  # fmt: skip
