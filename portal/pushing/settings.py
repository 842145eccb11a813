"""How a channel's listings go to its store: off until a person looked at what it would do; the place, the prices, the guard's limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from peewee import IntegrityError

from portal import audit, channels, clock, connection_parts, runs
from portal.errors import Invalid, Refused, Stale
from portal.models import Channel, ChannelPush, Integration, Listing, Run, database
from portal.models.runs import UNFINISHED

LOOK_HOURS = 24
"""How long a look counts for switching it on."""
LIMITS = {"share": (1, 100), "least": (1, 100_000), "move": (1, 1_000)}


def of(channel: Channel) -> ChannelPush:
    """How the channel does it; never kept before somebody came to it."""
    found: ChannelPush | None = ChannelPush.get_or_none(ChannelPush.channel == channel.id)
    return found or ChannelPush(channel=channel)


def kept(channel: Channel) -> ChannelPush:
    """The same, with a row of its own."""
    push = of(channel)
    if push.id is None:
        try:
            with database.atomic():
                push.save(force_insert=True)
        except IntegrityError:  # somebody else came at the same moment
            push = ChannelPush.get(ChannelPush.channel == channel.id)
    return push


def face(channel: Channel) -> Mapping[str, str]:
    """What the entry says of it: "needs", "price", and "place", "" where it has none. Raises Refused for a channel that cannot."""
    supplier = connection_parts.supplier_of(channels.line_of(channel)) if channel.line_id is not None else None
    found = supplier.channel.listings if supplier is not None and supplier.channel is not None else {}
    if not found:
        raise Refused(f"{channel.name} takes its listings as a file. Nothing can be sent to it.")
    return {"place": "", **found}


def integration(channel: Channel) -> Integration:
    """Whose runs these are: one at a time."""
    line = channels.line_of(channel)
    found = Integration.get_or_none(Integration.source == line, Integration.kind == channels.PUSH)
    made: Integration = found or Integration.create(source=line, kind=channels.PUSH, enabled=True)
    made.source = line
    return made


def start(channel: Channel, who: str, cause: str = "person", **wishes: Any) -> Run:
    """Begin a run. `wishes`: {"look": True} to look only, "released": what a person lets through. Raises Refused, AlreadyRunning."""
    face(channel)
    if not channels.is_connected(channel):
        raise Refused("This channel is not connected yet. Nothing was asked of the store. Connect it first.")
    with database.atomic():
        run = runs.start_sync(integration(channel), cause=cause, started_by=who, settings=wishes)
        kept(channel)
    return run


def send_now(channel: Channel, who: str) -> Run:
    """A person wants it sent now. Raises Refused, AlreadyRunning."""
    if of(channel).state != "on":
        raise Refused("Sending is off for this channel. Look at what it would do, then turn it on. Nothing was sent.")
    return start(channel, who)


def begin(channel: Channel, who: str) -> Run:
    """The first sending after it was turned on: what the look counted was seen, so that much of it is not held. Raises Refused."""
    counts = of(channel).looked.get("counts", {})
    return start(channel, who, released={name: int(counts.get(name, 0)) for name in ("zero", "moves")})


def save(channel: Channel, typed: Mapping[str, str], version: int, who: str) -> None:
    """Keep what was typed: "place", "prices" ("y" or ""), "share", "least", "move". Raises Invalid, Stale."""
    push = kept(channel)
    columns = _judged(push, typed)
    before = {name: getattr(push, name) for name in columns}
    if columns["place"] != push.place or columns["prices"] != push.prices:
        columns |= {"looked_at": None}  # what was looked at was another push
    with database.atomic():
        stamped = {**columns, "version": ChannelPush.version + 1, "changed_at": clock.now(), "changed_by": who}
        if not ChannelPush.update(stamped).where(ChannelPush.id == push.id, ChannelPush.version == version).execute():
            fresh = ChannelPush.get_by_id(push.id)
            raise Stale(fresh.changed_by, fresh.changed_at)
        after = {name: columns[name] for name in before}
        audit.write(channel.merchant, who, "channel.push_settings", "channel", channel.public_id, before=before, after=after)


def _judged(push: ChannelPush, typed: Mapping[str, str]) -> dict[str, Any]:
    errors: dict[str, str] = {}
    columns: dict[str, Any] = {"prices": int(typed.get("prices") == "y")}
    for name, (low, high) in LIMITS.items():
        text = (typed.get(name) or "").strip().removesuffix("%").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 7 and low <= int(text) <= high):
            errors[name] = f"Enter a whole number from {low:,} to {high:,}."
        else:
            columns[name] = int(text)
    named = dict(places(push))
    place = typed.get("place") or push.place
    if place and place not in named:
        errors["place"] = "Choose one of the list."
    columns |= {"place": place, "place_name": named.get(place, "")}
    if errors:
        raise Invalid(errors)
    return columns


def places(push: ChannelPush) -> Sequence[tuple[str, str]]:
    """[(the store's id, its name)] of the locations that the last look found, and of the chosen one."""
    found = [(str(one[0]), str(one[1])) for one in push.looked.get("places", [])]
    return found if not push.place or push.place in dict(found) else [*found, (push.place, push.place_name)]


def may_switch_on(push: ChannelPush) -> bool:
    """Whether a person saw not long ago what it would do."""
    return push.looked_at is not None and clock.now() < push.looked_at + timedelta(hours=LOOK_HOURS)


def switch(channel: Channel, on: bool, who: str) -> None:
    """Turn it on or off. Raises Refused for on without a look, or with a run under way that was to be off.

    Off leaves the store as it is; what is under way ends with the batch that it is at.
    """
    push = kept(channel)
    if on and not may_switch_on(push):
        raise Refused(f"Look first at what it would do: the last look is missing or older than {LOOK_HOURS} hours. Nothing was sent.")
    with database.atomic():
        state, other = ("on", "off") if on else ("off", "on")
        columns: dict[str, Any] = {"state": state, "due_at": None, "compared_at": None, "held": {}, "version": ChannelPush.version + 1}
        columns |= {"changed_at": clock.now(), "changed_by": who}
        if not ChannelPush.update(columns).where(ChannelPush.id == push.id, ChannelPush.state == other).execute():
            return
        audit.write(channel.merchant, who, "channel.push_on" if on else "channel.push_off", "channel", channel.public_id)
        for run in [] if on else Run.select().where(Run.integration == integration(channel), Run.state << UNFINISHED):
            runs.request_stop(run, who)


def forget(channel: Channel, push: ChannelPush, base: str) -> None:
    """It is another store, at `base`: sending is off, and nothing is known of what it has. Joins the open transaction."""
    columns: dict[str, Any] = {"state": "off", "place": "", "place_name": "", "looked": {"base": base}, "looked_at": None, "held": {}}
    ChannelPush.update({**columns, "version": ChannelPush.version + 1}).where(ChannelPush.id == push.id).execute()
    for name, value in columns.items():
        setattr(push, name, value)
    unknown = {"pushed_price": None, "pushed_quantity": None, "store_price": None, "store_quantity": None, "asked_at": None}
    Listing.update(their_id="", push_state="", push_said="", **unknown).where(Listing.channel == channel.id).execute()


def release(channel: Channel, run_number: int, who: str) -> Run:
    """Send what is held all the same: what a person saw of that run, and no more. Raises Refused where something else is held by now."""
    push = _held(channel, run_number)
    counts = {name: int(push.held.get(name, 0)) for name in ("zero", "moves")}
    with database.atomic():
        run = start(channel, who, released=counts)
        audit.write(channel.merchant, who, "channel.push_release", "channel", channel.public_id, after=counts)
    return run


def leave(channel: Channel, run_number: int, who: str) -> None:
    """What is held stays unsent and asks no more, until it becomes more than that. Raises Refused."""
    push = _held(channel, run_number)
    with database.atomic():
        ChannelPush.update(held={**push.held, "left_by": who}).where(ChannelPush.id == push.id).execute()
        audit.write(channel.merchant, who, "channel.push_leave", "channel", channel.public_id, after={"run": run_number})


def _held(channel: Channel, run_number: int) -> ChannelPush:
    push = of(channel)
    if push.state != "on" or push.held.get("run") != run_number:
        raise Refused("This is not held any more, or something else is by now. Nothing was sent. Look at the page again.")
    return push
