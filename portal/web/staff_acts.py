"""What support staff change: reset, delete and restore a source, announce an outage, and view a workspace as its people do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import RadioField, StringField, TextAreaField

import tasks
from portal import clock, setup_steps
from portal.errors import Invalid, Refused
from portal.support import finding, fixing, outages, views
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("staff_acts", __name__, url_prefix="/staff")


class WhyForm(LedgerForm):
    """Why, and the ticket: the merchant reads both."""

    reason = StringField("Reason", description="The merchant reads it in the audit log")
    ticket = StringField("Ticket")


class DeleteForm(WhyForm):
    """And the name, typed."""

    typed_name = StringField("Name of the source")


class ResetForm(DeleteForm):
    """From which step, and what becomes of the items."""

    step = RadioField("Begin again at", choices=setup_steps.TITLES, validate_choice=False)
    items = RadioField("Items", choices={"keep": "Keep them", "delete": "Delete them"}, default="keep", validate_choice=False)


class OutageForm(LedgerForm):
    """Which host, and what to say."""

    host = StringField("Host", description="As their connections have it, such as sftp.kestrel.example")
    words = TextAreaField("What to say", description="What happened, what does not work meanwhile, when it may be over")


@blueprint.route("/sources/<source_id>/reset", methods=["GET", "POST"])
@guards.for_staff
@guards.once
def reset(source_id: str) -> Response:
    """Back to a step of the set-up: every choice named, counts, reason, ticket and the typed name."""
    source = finding.source_of(source_id)
    form = ResetForm.read() if request.method == "POST" else ResetForm(step=fixing.suggested(source), items="keep")
    form.step.choices = {key: setup_steps.TITLES[key] for key in fixing.RESETS}
    if request.method == "GET":
        return _page("reset", source, form)
    try:
        reason = _why(form, source)
        remove = {"keep": False, "delete": True}.get(form.items.data or "")
        if remove is None:
            raise Invalid({"items": "Choose whether the items are kept."})
        fixing.reset(source, form.step.data or "", remove, form.typed_name.data or "", reason, g.staff)
    except Invalid as refused:
        return _page("reset", source, form.refuse(refused), 422)
    except Refused as refused:
        return _page("reset", source, form.refuse(refused), 409)
    tasks.ring()
    return saved(
        url_for("staff.source", source_id=source_id), f"{source.name} is reset. It can be restored for {fixing.DAYS_TO_RESTORE} days."
    )


@blueprint.post("/sources/<source_id>/resets/<reset_id>/restoration")
@guards.for_staff
@guards.once
def take_back(source_id: str, reset_id: str) -> Response:
    """Bring a source back as it was before a reset."""
    source = finding.source_of(source_id)
    fixing.take_back(source, fixing.find_reset(source, reset_id), g.staff.email)
    tasks.ring()
    return saved(url_for("staff.source", source_id=source_id), f"{source.name} is as it was before the reset.")


@blueprint.route("/sources/<source_id>/deletion", methods=["GET", "POST"])
@guards.for_staff
@guards.once
def delete(source_id: str) -> Response:
    """Delete a source: hidden at once, restorable for 7 days."""
    source, form = finding.source_of(source_id), DeleteForm.read()
    if request.method == "GET":
        return _page("delete", source, form)
    try:
        reason = _why(form, source)
        fixing.delete(source, form.typed_name.data or "", reason, g.staff)
    except Invalid as refused:
        return _page("delete", source, form.refuse(refused), 422)
    except Refused as refused:
        return _page("delete", source, form.refuse(refused), 409)
    tasks.ring()
    words = f"{source.name} is deleted. It can be restored for {fixing.DAYS_TO_RESTORE} days."
    return saved(url_for("staff.source", source_id=source_id), words)


@blueprint.post("/sources/<source_id>/restoration")
@guards.for_staff
@guards.once
def undelete(source_id: str) -> Response:
    """Bring a deleted source back."""
    fresh = fixing.undelete(finding.source_of(source_id), g.staff)
    return saved(url_for("staff.source", source_id=source_id), f"{fresh.name} is restored.")


@blueprint.route("/outages", methods=["GET", "POST"])
@guards.for_staff
@guards.once
def outage() -> Response:
    """Say of a server that it does not work, to all who have a source there; what is said now, and was said before."""
    form = OutageForm.read() if request.method == "POST" else OutageForm(host=request.args.get("host", ""))
    if request.method == "GET":
        return _outages(form, 200)
    try:
        made = outages.announce(form.host.data or "", form.words.data or "", g.staff)
    except (Invalid, Refused) as refused:
        return _outages(form.refuse(refused), 422 if isinstance(refused, Invalid) else 409)
    return saved(url_for("staff_acts.outage"), f"The outage of {made.host} stands on the pages of all who have a source there.")


@blueprint.post("/outages/<outage_id>/end")
@guards.for_staff
@guards.once
def outage_over(outage_id: str) -> Response:
    """Take the notice off."""
    ended = outages.over(outage_id, g.staff)
    return saved(url_for("staff_acts.outage"), f"The notice about {ended.host} is off every page.")


@blueprint.route("/workspaces/<merchant_id>/view", methods=["GET", "POST"])
@guards.for_staff
@guards.once
def view(merchant_id: str) -> Response:
    """Look at a workspace as its people do, read-only, for 30 minutes."""
    merchant, form = finding.merchant_of(merchant_id), WhyForm.read()
    if request.method == "POST":
        try:
            views.begin(g.staff, merchant, fixing.why(form.reason.data or "", form.ticket.data or ""))
            return saved(url_for("sources.index"), "")
        except Invalid as refused:
            form.refuse(refused)
    status = 422 if form.problems() else 200
    return render("staff/view.html", status=status, merchant=merchant, form=form, grant=views.grant(merchant))


@blueprint.post("/view/end")
@guards.for_staff
def end_view() -> Response:
    """Look no more."""
    views.end(g.staff)
    return saved(url_for("staff.find"), "The view is ended.")


def _why(form: Any, source: Any) -> fixing.Why:
    """The reason, judged together with the typed name, so that everything that is wrong is said at once. Raises Invalid."""
    errors: dict[str, str] = {}
    try:
        reason = fixing.why(form.reason.data or "", form.ticket.data or "")
    except Invalid as refused:
        errors = dict(refused.errors)
        if " ".join((form.typed_name.data or "").split()) != source.name:
            errors["typed_name"] = f"The name does not match. Type {source.name}."
        raise Invalid(errors) from refused
    return reason


def _page(act: str, source: Any, form: LedgerForm, status: int = 200) -> Response:
    return render(
        f"staff/{act}.html", status=status, source=source, form=form, losses=finding.seen(source).losses, resets=fixing.RESETS,
        until=clock.now() + timedelta(days=fixing.DAYS_TO_RESTORE), days=fixing.DAYS_TO_RESTORE, counted_at=clock.now(),
    )  # fmt: skip


def _outages(form: Any, status: int) -> Response:
    host = form.host.data or ""
    return render("staff/outages.html", status=status, form=form, told=outages.listing(), affected=outages.affected(host) if host else None)
