"""Channels: the list, adding one, how one is, what waits for a person, and its end."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

from flask import Blueprint, Response, g, redirect, url_for
from htmx_flask import request
from wtforms import BooleanField, DateField, RadioField, SelectField, StringField

import tasks
from portal import channels, clock, run_words, runs
from portal.channels import notices, pulling, telling
from portal.errors import Invalid, Refused, Stale
from portal.listings import editing, links, offers
from portal.pushing import story
from portal.shipments import listing
from portal.web import filters, guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("channels", __name__)

EVERY = {"0": "Only when you say so"} | {str(one): f"Every {one} minutes" for one in channels.EVERY}
LOOKS = {"waiting": "queued", "sending": "running", "unknown": "late", "told": "ok", "failed": "action", "dropped": "stopped"}


class ChannelForm(VersionedForm):
    """A channel's own settings; how it is reached is its connection."""

    name = StringField("Name", description="Only you see it. At most 80 characters")
    kind = RadioField("Where you sell", choices=channels.NAMES, validate_choice=False)
    currency = StringField("Currency", default="USD", description="Of the prices there. Three letters")
    take_from = DateField("Take orders placed from", description="Older ones stay in the store alone, so that nothing ships twice")
    notify = BooleanField("Let the store mail buyers their tracking number", default=True)
    every = SelectField("Pull orders", choices=EVERY, validate_choice=False)

    def begins(self) -> datetime:
        """The first moment from which orders are taken: midnight of the merchant's clock. Raises Invalid."""
        if self.take_from.data is None:
            raise Invalid({"take_from": "Enter the date, such as 2026-11-27."})
        return datetime.combine(self.take_from.data, time(), filters.zone()).astimezone(UTC).replace(tzinfo=None)


class NameForm(VersionedForm):
    """What a channel without a store has of its own settings."""

    name = StringField("Name", description="Only you see it. At most 80 characters")


class RemovalForm(VersionedForm):
    """The end of a channel."""


@blueprint.get("/channels")
@guards.signed_in
def index() -> Response:
    """Every channel with how it is."""
    rows = [(one, channels.standing(one)) for one in channels.listing(g.merchant)]
    listed = {one.id: editing.in_words(editing.count(one, *offers.OFFERED)) for one, _ in rows}
    return render("channels/index.html", rows=rows, kinds=channels.NAMES, listed=listed, files=channels.FILES)


@blueprint.route("/channels/new", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def add() -> Response:
    """A new channel; its connection comes next."""
    form = ChannelForm.read(take_from=_local(clock.now()))
    if request.method == "POST":
        try:
            kind = form.kind.data or ""
            begins = clock.now() if kind in channels.FILES else form.begins()
            made = channels.add(
                g.merchant, form.name.data or "", kind, begins, bool(form.notify.data), g.user.email, form.currency.data or ""
            )  # fmt: skip
            if kind in channels.FILES:
                return saved(url_for("listing_rules.edit", channel_id=made.public_id), "Channel saved. Say how its prices are made.")
            return saved(url_for("connections.edit", source_id=channels.line_of(made).public_id), "Channel saved. Connect it now.")
        except Invalid as error:
            form.refuse(error)
    hints = {"csv": "A file that you take along", "feed": "An address from which a shop fetches your listings"}
    return render("channels/add.html", "channels/_add.html", 422 if request.method == "POST" else 200, form=form, hints=hints)


@blueprint.get("/channels/<channel_id>")
@guards.signed_in
def show(channel_id: str) -> Response:
    """How it is, and what waits for a person. Of a channel without a store: its listings."""
    channel = channels.find(g.merchant, channel_id)
    if channel.line_id is None:
        return redirect(url_for("listings.index", channel_id=channel_id))  # type: ignore[return-value]
    standing, pulls = channels.standing(channel), channels.integration(channel, channels.PULL)
    every = pulls.schedule.get("every_minutes")
    return render(
        "channels/show.html", "channels/_show.html", channel=channel, line=channels.line_of(channel), standing=standing,
        kinds=channels.NAMES, tab="orders",
        connected=channels.is_connected(channel), every=EVERY.get(str(every or 0), ""), next_pull=pulls.next_run_at,
        orders=pulling.needing(channel), untold=telling.needing(channel), states=notices.NOTICE_STATES, looks=LOOKS,
        pushes=story.standing(channel),
        runs=runs.listing(g.merchant, channels.line_of(channel), 8), titles=run_words.TITLES, running=standing.state == "running",
    )  # fmt: skip


@blueprint.post("/channels/<channel_id>/pulls")
@guards.signed_in
@guards.once
def pull(channel_id: str) -> Response:
    """Pull orders now."""
    return _start(channel_id, channels.PULL, "Orders are being pulled.")


@blueprint.post("/channels/<channel_id>/tellings")
@guards.signed_in
@guards.once
def tell(channel_id: str) -> Response:
    """Tell the store now what waits to be told."""
    return _start(channel_id, channels.TELL, "The store is being told.")


def _start(channel_id: str, kind: str, words: str) -> Response:
    channel = channels.find(g.merchant, channel_id)
    if not channels.is_connected(channel):
        raise Refused("This channel is not connected yet. Nothing was asked of the store. Connect it first.")
    runs.start_sync(channels.integration(channel, kind), started_by=g.user.email)
    tasks.ring_if_it_works()
    return saved(url_for("channels.show", channel_id=channel_id), words)


@blueprint.route("/channels/<channel_id>/settings", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def settings(channel_id: str) -> Response:
    """Its name, from when orders are taken, how often."""
    channel = channels.find(g.merchant, channel_id)
    if channel.line_id is None:
        return _rename(channel)
    form = ChannelForm.read(**_kept(channel), version=str(channel.version))
    if request.method != "POST":
        return _settings_page(channel, form)
    every = int(form.every.data) if (form.every.data or "") in EVERY else -1
    try:
        channels.change(channel, form.name.data or "", form.begins(), bool(form.notify.data), every, form.version_read(), g.user.email)
    except Invalid as error:
        return _settings_page(channel, form.refuse(error), 422)
    except Stale as error:
        fresh = channels.find(g.merchant, channel_id)
        return _settings_page(fresh, form.keep(error, fresh.version, _kept(fresh)), 409)
    return saved(url_for("channels.show", channel_id=channel_id))


def _rename(channel: Any) -> Response:
    form, status = NameForm.read(name=channel.name, version=str(channel.version)), 200
    if request.method == "POST":
        try:
            channels.rename(channel, form.name.data or "", form.version_read(), g.user.email)
            return saved(url_for("channels.show", channel_id=channel.public_id))
        except Invalid as error:
            form, status = form.refuse(error), 422
        except Stale as error:
            channel = channels.find(g.merchant, channel.public_id)
            form, status = form.keep(error, channel.version, {"name": channel.name}), 409
    return render("channels/name.html", "channels/_name.html", status, channel=channel, form=form, kinds=channels.NAMES, tab="settings")


def _kept(channel: Any) -> dict[str, Any]:
    every = channels.integration(channel, channels.PULL).schedule.get("every_minutes", 0)
    taken = _local(channel.take_from)
    return {"name": channel.name, "kind": channel.kind, "take_from": taken, "notify": channel.settings.get("notify"), "every": str(every)}


def _local(moment: datetime) -> Any:
    return moment.replace(tzinfo=UTC).astimezone(filters.zone()).date()


def _settings_page(channel: Any, form: Any, status: int = 200) -> Response:
    line = channels.line_of(channel)
    return render(
        "channels/settings.html",
        "channels/_settings.html",
        status,
        channel=channel,
        line=line,
        form=form,
        kinds=channels.NAMES,
        tab="settings",
    )


@blueprint.route("/channels/<channel_id>/removal", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def removal(channel_id: str) -> Response:
    """What removing it would do, then doing it."""
    channel = channels.find(g.merchant, channel_id)
    if request.method == "POST":
        channels.remove(channel, g.user.email)
        return saved(url_for("channels.index"), f"{channel.name} was removed. Its orders are still here.")
    return render(
        "channels/removal.html", channel=channel, standing=channels.standing(channel), form=RemovalForm(), files=channels.FILES,
        listed=editing.count(channel), told=editing.in_words(editing.count(channel)), link=links.of(channel),
    )  # fmt: skip


# orders that wait


@blueprint.get("/channels/<channel_id>/orders/<store_order_id>")
@guards.signed_in
def order(channel_id: str, store_order_id: str) -> Response:
    """One order of the store that could not be taken: its lines, and the reason."""
    channel = channels.find(g.merchant, channel_id)
    return _order_page(channel, pulling.find(channel, store_order_id), {})


@blueprint.post("/channels/<channel_id>/orders/<store_order_id>")
@guards.signed_in
@guards.once
def take(channel_id: str, store_order_id: str) -> Response:
    """Take it with the SKUs that were typed."""
    channel = channels.find(g.merchant, channel_id)
    row = pulling.find(channel, store_order_id)
    typed = {name.removeprefix("sku-"): text.strip() for name, text in request.form.items() if name.startswith("sku-")}
    made = pulling.take_by_hand(channel, row, typed, g.user.email)
    if made is None:
        return _order_page(channel, pulling.find(channel, store_order_id), typed, 422)
    tasks.ring_if_it_works()
    return saved(url_for("order.show", order_id=made.public_id), f"Order {made.number} was taken.")


@blueprint.post("/channels/<channel_id>/orders/<store_order_id>/left")
@guards.signed_in
@guards.once
def leave(channel_id: str, store_order_id: str) -> Response:
    """It is not wanted here."""
    channel = channels.find(g.merchant, channel_id)
    row = pulling.find(channel, store_order_id)
    pulling.leave(row, g.user.email)
    return saved(url_for("channels.show", channel_id=channel_id), f"{row.number} is left out, also when the store tells of it again.")


@blueprint.post("/channels/<channel_id>/orders/<store_order_id>/seen")
@guards.signed_in
@guards.once
def seen(channel_id: str, store_order_id: str) -> Response:
    """A person has seen what the store changed."""
    channel = channels.find(g.merchant, channel_id)
    pulling.seen(pulling.find(channel, store_order_id))
    return saved(url_for("channels.show", channel_id=channel_id), "Noted. Our order is as it was.")


def _order_page(channel: Any, row: Any, typed: dict[str, str], status: int = 200) -> Response:
    whole = pulling.whole(row) if row.state == "waiting" else None
    return render(
        "channels/order.html", "channels/_order.html", status, channel=channel, row=row, whole=whole, typed=typed, kinds=channels.NAMES,
        took=pulling.order_of(row),
    )  # fmt: skip


@blueprint.post("/shipments/<shipment_id>/telling")
@guards.signed_in
@guards.once
def again(shipment_id: str) -> Response:
    """Try again to tell the channel of this shipment; the store is looked at first."""
    one = listing.find(g.merchant, shipment_id)
    telling.again(one)
    telling.start_due()
    tasks.ring_if_it_works()
    return saved(url_for("shipments.show", shipment_id=shipment_id), "The store is asked first whether it has the number.")
