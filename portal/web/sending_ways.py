"""How orders leave for a source: by which way and where to, what their server can do; and Test send."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, StringField

import tasks
from portal import runs, sources
from portal.errors import Invalid, Stale
from portal.outbox import others, story, testing, way_settings, ways
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("sending_ways", __name__, url_prefix="/sources/<source_id>/sending")


class WayForm(VersionedForm):
    """By which way, where to, and where tests go."""

    leave_by = RadioField("Orders leave", choices=ways.LEAVE_BY, validate_choice=False)
    email_to = StringField("E-mail addresses", description="Several are separated by commas")
    email_attach = RadioField("Attached to the e-mail", choices=way_settings.ATTACHED, validate_choice=False)
    webhook_url = StringField("Address of their webhook", description="Begins with https://")
    takes_id_once = BooleanField("They take a message with the same webhook-id once, and said so")
    witness = RadioField("Their server", choices=way_settings.WITNESSES, validate_choice=False)
    answer_hours = StringField("They answer within, hours", description="An acknowledgement or shipment is expected by then. Empty: 24")
    test_place = StringField("Place for tests", description="A folder, e-mail address or webhook that is not the real one")


@blueprint.get("")
@guards.signed_in
def edit(source_id: str) -> Response:
    """The settings as they are, and the last tests."""
    source = sources.find(g.merchant, source_id)
    return _page(source, _form(source))


@blueprint.post("")
@guards.signed_in
@guards.once
def save(source_id: str) -> Response:
    """Keep them."""
    source = sources.find(g.merchant, source_id)
    form = _form(source)
    typed = {name: form[name].data for name in way_settings.KEYS}
    typed = {name: value.strip() if isinstance(value, str) else value for name, value in typed.items()}
    if not way_settings.has_folders(source):
        del typed["witness"]
    try:
        way_settings.save(source, typed, form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(source, form.refuse(refused), 422)
    except Stale as stale:
        integration, now = way_settings.of(source)
        return _page(source, form.keep(stale, integration.version, now), 409)
    return saved(url_for("sending_ways.edit", source_id=source_id))


@blueprint.post("/secret")
@guards.signed_in
@guards.once
def make_secret(source_id: str) -> Response:
    """A new secret for signing, shown once on this very answer."""
    source = sources.find(g.merchant, source_id)
    text = others.make_secret(source, g.user.email)
    response = _page(source, _kept(source), secret=text)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/tests")
@guards.signed_in
@guards.once
def test(source_id: str) -> Response:
    """Send a test: of the request that is named, else of the sample order."""
    source = sources.find(g.merchant, source_id)
    named = request.form.get("request", "")
    one = story.find(g.merchant, named) if named else None
    row = testing.send(source, one if one is not None and one.source_id == source.id else None, g.user.email)
    try:
        runs.start_sync(sources.integration(source, "send_orders"), started_by=g.user.email)
    except runs.AlreadyRunning:
        pass_on = "The run that is under way takes it along."
    else:
        pass_on = "It leaves now."
    tasks.ring()
    return saved(url_for("sending_ways.edit", source_id=source_id), f"Test {row.reference} is in line. {pass_on} No real order is touched.")


def _form(source: Any) -> Any:
    integration, now = way_settings.of(source)
    return WayForm.read(version=str(integration.version), **_shown(now))


def _kept(source: Any) -> Any:
    integration, now = way_settings.of(source)
    return WayForm(formdata=None, version=str(integration.version), **_shown(now))


def _shown(now: dict[str, Any]) -> dict[str, Any]:
    hours = now["answer_hours"]
    return {
        **{name: str(now[name] or "") for name in ("leave_by", "email_to", "webhook_url", "test_place")},
        "witness": str(now["witness"] or "rename"),
        "email_attach": str(now["email_attach"] or "file"), "takes_id_once": bool(now["takes_id_once"]), "answer_hours": str(hours or ""),
    }  # fmt: skip


def _page(source: Any, form: Any, status: int = 200, secret: str = "") -> Response:
    return render(
        "sending/edit.html", "sending/_form.html", status, source=source, form=form, secret=secret, stop=story.stop_at(source),
        has_secret=others.secret_of(source) is not None, folders=way_settings.has_folders(source), tests=testing.latest(source),
        states=story.STATES,
    )  # fmt: skip
