"""A channel's units and prices on their way to its store: a look before anything, on and off, send now, and what is held."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, redirect, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, StringField

import tasks
from portal import channels, run_report
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.listings import rules as listing_rules
from portal.pushing import STATES, settings, story
from portal.web import guards
from portal.web.forms import LedgerForm, VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("pushing", __name__)
LOOKS = {"refused": "failed", "twice": "action", "missing": "action", "held": "held", "doubt": "waiting", "sent": "ok", "": "draft"}


class PushForm(VersionedForm):
    """Where and what is sent, and when it waits for a person."""

    place = RadioField("Set units at", validate_choice=False, choices=[])
    prices = BooleanField("Send prices, too", description="Off: the store's own prices stay, and only units are sent")
    share = StringField("Hold it above this share of live listings, %", description="Of those that would fall to 0 units, or move far")
    least = StringField("And at least so many listings", description="Fewer are always sent")
    move = StringField("A price moves far from, %", description="Up or down")


class SwitchForm(LedgerForm):
    """On or off."""


@blueprint.get("/channels/<channel_id>/push")
@guards.signed_in
def show(channel_id: str) -> Response:
    """How it stands, what a look found, what is held, and its runs."""
    channel = _of_store(channel_id)
    stands = story.standing(channel)
    push, counts = stands.push, _counts(stands.push)
    return render(
        "pushing/show.html", "pushing/_show.html", channel=channel, kinds=channels.NAMES, tab="push", stands=stands, push=push,
        face=settings.face(channel), connected=channels.is_connected(channel), counts=counts, rules=listing_rules.of(channel),
        samples={name: story.samples(rows) for name, rows in push.looked.get("samples", {}).items()}, states=STATES, looks=LOOKS,
        may_switch=settings.may_switch_on(push), runs=story.latest(channel), order=story.TROUBLES,
        report=run_report.report(stands.last) if stands.last is not None and stands.moving else None,
    )  # fmt: skip


@blueprint.post("/channels/<channel_id>/push/looks")
@guards.signed_in
@guards.once
def look(channel_id: str) -> Response:
    """Look at what it would do; sends nothing."""
    settings.start(_of_store(channel_id), g.user.email, look=True)
    return _begun(channel_id, "The store is being looked at. Nothing is sent.")


@blueprint.post("/channels/<channel_id>/push/runs")
@guards.signed_in
@guards.once
def send(channel_id: str) -> Response:
    """Send now what differs."""
    settings.send_now(_of_store(channel_id), g.user.email)
    return _begun(channel_id, "What differs is being sent.")


@blueprint.route("/channels/<channel_id>/push/switch", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def switch(channel_id: str) -> Response:
    """What turning it on (or off, with `to`) means, then doing it."""
    channel, on = _of_store(channel_id), request.values.get("to", "on") != "off"
    push = settings.of(channel)
    if request.method != "POST":
        if on and not settings.may_switch_on(push):
            raise Refused(f"Look first at what it would do. A look counts for {settings.LOOK_HOURS} hours. Nothing was sent.")
        counts = _counts(push)
        return render(
            "pushing/switch.html", channel=channel, push=push, on=on, counts=counts, face=settings.face(channel), form=SwitchForm()
        )
    settings.switch(channel, on, g.user.email)
    if not on:
        return saved(url_for("pushing.show", channel_id=channel_id), "Sending is off. The store keeps what it has.")
    settings.begin(channel, g.user.email)
    return _begun(channel_id, "Sending is on. What differs is being sent.")


@blueprint.route("/channels/<channel_id>/push/held", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def held(channel_id: str) -> Response:
    """What is held, then sending it all the same or leaving it."""
    channel = _of_store(channel_id)
    push = settings.of(channel)
    if request.method != "POST":
        if not push.held:
            return redirect(url_for("pushing.show", channel_id=channel_id))  # type: ignore[return-value]
        found = {name: story.samples(push.held.get("samples", {}).get(name, [])) for name in ("zero", "moves")}
        return render("pushing/held.html", channel=channel, push=push, held=push.held, samples=found, rules=listing_rules.of(channel))
    text = request.form.get("run", "")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
    if request.form.get("act", "") == "send":
        settings.release(channel, number, g.user.email)
        return _begun(channel_id, "What was held is being sent.")
    settings.leave(channel, number, g.user.email)
    return saved(url_for("pushing.show", channel_id=channel_id), "Left. It is not sent, and asks no more until it becomes more.")


@blueprint.route("/channels/<channel_id>/push/settings", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def edit(channel_id: str) -> Response:
    """Where, what, and from when on it waits for a person."""
    channel = _of_store(channel_id)
    push = settings.of(channel)
    form = _form(push)
    if request.method != "POST":
        return _edit_page(channel, push, form)
    try:
        typed = {name: str(form[name].data or "") for name in ("place", *settings.LIMITS)} | {"prices": "y" if form.prices.data else ""}
        settings.save(channel, typed, form.version_read(), g.user.email)
    except Invalid as refused:
        return _edit_page(channel, push, form.refuse(refused), 422)
    except Stale as stale:
        fresh = settings.of(channel)
        return _edit_page(channel, fresh, form.keep(stale, fresh.version, _kept(fresh)), 409)
    return saved(url_for("pushing.show", channel_id=channel_id))


def _of_store(channel_id: str) -> Any:
    channel = channels.find(g.merchant, channel_id)
    if channel.line_id is None:
        raise NotFound("store")
    return channel


def _counts(push: Any) -> dict[str, int]:
    """What the last look counted, {} before the first."""
    found = push.looked.get("counts")
    return {**dict.fromkeys(("listings", "differ", "zero", "moves", "missing", "twice", "refused"), 0), **found} if found else {}


def _begun(channel_id: str, words: str) -> Response:
    tasks.ring_if_it_works()
    return saved(url_for("pushing.show", channel_id=channel_id), words)


def _kept(push: Any) -> dict[str, Any]:
    return {"place": push.place, "prices": bool(push.prices), **{name: str(getattr(push, name)) for name in settings.LIMITS}}


def _form(push: Any) -> Any:
    form = PushForm.read(**_kept(push), version=str(push.version))
    form.place.choices = settings.places(push)
    return form


def _edit_page(channel: Any, push: Any, form: Any, status: int = 200) -> Response:
    return render(
        "pushing/edit.html", "pushing/_edit.html", status, channel=channel, push=push, form=form, face=settings.face(channel),
        kinds=channels.NAMES, tab="push",
    )  # fmt: skip
