"""List many products at once: which, what would become of each, listing them, and undoing that."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, StringField

import tasks
from portal import channels, run_report
from portal.errors import Invalid, Refused
from portal.listings import making
from portal.listings import rules as listing_rules
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("listing_batches", __name__)
HEADINGS = {
    "looking": "Looking at products", "ready": "Looked at", "applying": "Listing", "applied": "Listed",
    "undoing": "Taking back", "undone": "Taken back", "stopped": "Given up",
}  # fmt: skip


class BatchForm(LedgerForm):
    """Which products, and how their listings begin."""

    q = StringField("Products", description="Empty: all. Else how a Master SKU begins, a whole UPC, or a whole MPN")
    begin_as = RadioField("They begin", choices=making.BEGIN_AS, validate_choice=False)
    unpriced = BooleanField("List also what has no price yet", description="It is offered with 0 units until a cost comes")


@blueprint.route("/channels/<channel_id>/listings/batches/new", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def new(channel_id: str) -> Response:
    """Say which products; looking at them lists nothing."""
    channel = channels.find(g.merchant, channel_id)
    form = BatchForm.read(q=request.args.get("q", "")[:140], begin_as="live")
    if request.method == "POST":
        try:
            made = making.begin(channel, form.q.data or "", form.begin_as.data or "", bool(form.unpriced.data), g.user.email)
        except (Invalid, Refused) as refused:
            form.refuse(refused)
        else:
            tasks.ring()
            return saved(url_for("listing_batches.show", channel_id=channel_id, batch_id=made.public_id), "")
    return render(
        "listings/batch_new.html", "listings/_batch_new.html", 422 if request.method == "POST" else 200, channel=channel, form=form,
        rules=listing_rules.of(channel), last=making.listing(channel), headings=HEADINGS,
    )  # fmt: skip


@blueprint.get("/channels/<channel_id>/listings/batches/<batch_id>")
@guards.signed_in
def show(channel_id: str, batch_id: str) -> Response:
    """What would be listed, by kind, with samples; once applied, what was."""
    channel = channels.find(g.merchant, channel_id)
    batch = making.find(channel, batch_id)
    run, moving = making.run_of(batch), making.is_moving(batch)
    counts: dict[str, Any] = {**dict.fromkeys((*making.KINDS, "made", "passed_over", "taken_back", "kept", "gone"), 0), **batch.counts}
    kind = request.args.get("kind", "")
    kind = kind if kind in making.KINDS else next((one for one in making.KINDS if counts[one]), "create")
    return render(
        "listings/batch.html", "listings/_batch.html", channel=channel, batch=batch, run=run, moving=moving, counts=counts, kind=kind,
        kinds=making.KINDS, would=making.would(batch), may_undo=making.may_undo(batch),
        days=making.DAYS_TO_UNDO, heading=HEADINGS[batch.state],
        stuck=batch.state in making.ACTS.values() and not moving, begin_as=making.BEGIN_AS,
        report=run_report.report(run) if run is not None else None,
    )  # fmt: skip


@blueprint.post("/channels/<channel_id>/listings/batches/<batch_id>/apply")
@guards.signed_in
@guards.once
def apply(channel_id: str, batch_id: str) -> Response:
    """List them."""
    making.apply(_batch(channel_id, batch_id), g.user.email)
    return _on(channel_id, batch_id)


@blueprint.route("/channels/<channel_id>/listings/batches/<batch_id>/undo", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def undo(channel_id: str, batch_id: str) -> Response:
    """What undoing takes away, then doing it."""
    batch = _batch(channel_id, batch_id)
    if request.method == "POST":
        making.undo(batch, g.user.email)
        return _on(channel_id, batch_id)
    if not making.may_undo(batch):
        raise Refused(f"There is nothing to undo: it was not applied, was undone already, or is older than {making.DAYS_TO_UNDO} days.")
    return render("listings/batch_undo.html", channel=batch.channel, batch=batch)


@blueprint.post("/channels/<channel_id>/listings/batches/<batch_id>/go-on")
@guards.signed_in
@guards.once
def go_on(channel_id: str, batch_id: str) -> Response:
    """Go on with what stopped half-way."""
    making.go_on(_batch(channel_id, batch_id), g.user.email)
    return _on(channel_id, batch_id)


def _batch(channel_id: str, batch_id: str) -> Any:
    return making.find(channels.find(g.merchant, channel_id), batch_id)


def _on(channel_id: str, batch_id: str) -> Response:
    tasks.ring()
    return saved(url_for("listing_batches.show", channel_id=channel_id, batch_id=batch_id), "")
