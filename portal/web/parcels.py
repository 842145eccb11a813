"""Shipments: the list with what waits for a person, one with what it holds, matching it by hand, and typing one in."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import DateField, StringField
from wtforms.validators import Optional

import tasks
from portal import documents, runs, shipments, sources
from portal.channels import notices, telling
from portal.errors import Invalid, Refused, SupplierError
from portal.requests import listing as asked_for
from portal.requests.states import may
from portal.shipments import Cause, Notice, carriers, listing
from portal.shipments.listing import STATES, VIEWS
from portal.shipments.matching import Unmatched
from portal.web import guards
from portal.web.channels import LOOKS as TELLING_LOOKS
from portal.web.forms import LedgerForm
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("shipments", __name__)

LOOKS = {"matched": "ok", "unmatched": "action", "voided": "stopped", "ignored": "stopped"}
CAME_BY = {"file": "A file of theirs", "api": "The API", "webhook": "A webhook", "hand": "Typed in", "store": "The store"}


class MatchForm(LedgerForm):
    """Which request a shipment is of."""

    request = StringField("Request number")


class NewForm(LedgerForm):
    """A shipment by hand; the quantities of lines are read beside it."""

    tracking = StringField("Tracking number")
    carrier = StringField("Carrier")
    shipped_on = DateField("Shipment date", validators=[Optional()])


class VoidForm(LedgerForm):
    """Why it is taken back."""

    reason = StringField("Reason")


@blueprint.get("/shipments")
@guards.signed_in
def index() -> Response:
    """The newest first, or those that wait for a person."""
    known = sources.listing(g.merchant)
    given = {name: request.args.get(name, "").strip() for name in ("view", "q", "source", "after")}
    source = next((one for one in known if one.public_id == given["source"]), None)
    view = given["view"] if given["view"] in VIEWS else "all"
    found = listing.page(g.merchant, view, given["q"], source, given["after"])
    kept = {name: value for name, value in given.items() if value and name not in ("after", "view")}
    return render(
        "shipments/index.html", "shipments/_list.html", found=found, given=given, view=view, sources=known, source=source, looks=LOOKS,
        states=STATES, name_of=carriers.name_of, link=carriers.link,
        views=[(key, words, url_for("shipments.index", view=key, **kept)) for key, words in VIEWS.items()],
        next_url=url_for("shipments.index", after=found.next, view=view, **kept) if found.next else "",
    )  # fmt: skip


@blueprint.route("/shipments/<shipment_id>", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def show(shipment_id: str) -> Response:
    """What it holds; one that waits is matched here."""
    one, form = listing.find(g.merchant, shipment_id), MatchForm.read()
    if request.method == "POST":
        try:
            done = shipments.attach(one, listing.request_for(one, form.request.data or ""), g.user.email)
            return saved(url_for("shipments.show", shipment_id=done.shipment.public_id), done.words)
        except (Invalid, Unmatched) as refused:
            form.refuse(refused)
    return _page(one, form, 422 if request.method == "POST" else 200)


@blueprint.post("/shipments/<shipment_id>/ignored")
@guards.signed_in
@guards.once
def ignore(shipment_id: str) -> Response:
    """It is none of ours."""
    one = listing.find(g.merchant, shipment_id)
    shipments.ignore(one, g.user.email)
    return saved(url_for("shipments.index", view="unmatched"), f"{one.tracking_number} is ignored, also when it is told again.")


@blueprint.route("/shipments/<shipment_id>/void", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def void(shipment_id: str) -> Response:
    """It was wrong: its units count as not shipped again."""
    one, form = listing.find(g.merchant, shipment_id), VoidForm.read()
    if request.method == "POST":
        shipments.void(one, g.user.email, (form.reason.data or "").strip()[:300])
        return saved(url_for("shipments.show", shipment_id=shipment_id), f"{one.tracking_number} was taken back.")
    return render("shipments/void.html", one=one, form=form, items=listing.items(one))


@blueprint.route("/requests/<request_id>/shipments/new", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def new(request_id: str) -> Response:
    """A shipment that a person was told of."""
    asked, form = asked_for.find(g.merchant, request_id), NewForm.read()
    lines = asked_for.lines(asked)
    typed = {line.public_id: _typed(line) for line in lines}
    if request.method == "POST":
        try:
            done = _record(asked, form, lines, typed)
            return saved(url_for("requests.show", request_id=request_id), done.words)
        except Invalid as refused:
            form.refuse(refused)
    status = 422 if request.method == "POST" else 200
    return render(
        "shipments/new.html", "shipments/_new.html", status, asked=asked, source=asked.source, lines=lines, form=form, typed=typed
    )


@blueprint.route("/sources/<source_id>/tracking-file", methods=["GET", "POST"])
@guards.signed_in
@guards.takes_files
@guards.once
def upload(source_id: str) -> Response:
    """A tracking file of this source that came some other way, or one that was mended."""
    source, form = sources.find(g.merchant, source_id), LedgerForm.read()
    if request.method == "POST":
        try:
            return _uploaded(source)
        except (Invalid, Refused) as refused:
            form.refuse(refused)
        except SupplierError as error:
            form.refuse(f"{error.problem.headline}. {error.problem.body}")
    return render("shipments/upload.html", "shipments/_upload.html", 422 if request.method == "POST" else 200, source=source, form=form)


def _uploaded(source: Any) -> Response:
    file = request.files.get("file")
    if file is None or not file.filename:
        raise Invalid({"file": "Choose the file first."})
    document = documents.store_upload(source, file.stream, file.filename, origin="tracking")
    integration = sources.integration(source, "get_shipments")
    run = runs.start_sync(integration, cause="upload", started_by=g.user.email, settings={"document": document.id})
    tasks.ring_if_it_works()
    return saved(url_for("runs.show", run_id=run.public_id))


def _page(one: Any, form: LedgerForm, status: int = 200) -> Response:
    return render(
        "shipments/show.html", "shipments/_match.html", status, one=one, form=form, items=listing.items(one), looks=LOOKS, states=STATES,
        carrier=carriers.name_of(one.carrier_key) or one.carrier, link=carriers.link(one.carrier_key, one.tracking_number),
        came_by=CAME_BY[one.came_by], run=runs.find_of(g.merchant, one.run_id), asked=one.request, **_telling(one),
    )  # fmt: skip


def _telling(one: Any) -> dict[str, Any]:
    """What the channel of its order is told of it, for the page."""
    notice = telling.notice_of(one)
    return {
        "notice": notice, "channel": notice.channel if notice else None, "attempts": telling.attempts(notice) if notice else [],
        "telling_states": notices.NOTICE_STATES, "telling_outcomes": notices.OUTCOMES, "telling_acts": notices.ACTS,
        "telling_looks": TELLING_LOOKS,
    }  # fmt: skip


def _typed(line: Any) -> int:
    """A quantity as typed; what is left to ship on a GET. Below 0: not a number."""
    if request.method != "POST":
        return int(line.open + line.acknowledged)
    return whole_number(request.form.get(f"ship-{line.public_id}", "0").strip().replace(",", "") or "0")


def _record(asked: Any, form: NewForm, lines: list[Any], typed: dict[str, int]) -> shipments.Recorded:
    errors = {}
    if not (form.tracking.data or "").strip():
        errors["tracking"] = "Enter the tracking number."
    if min(typed.values()) < 0:
        errors["quantities"] = "Enter whole numbers, 0 or more."
    elif not any(typed.values()):
        errors["quantities"] = "Enter the quantity of at least one line."
    if not may("ship", asked.state):
        errors["quantities"] = "Nothing can have shipped of a request that was not sent, or is over."
    if errors:
        raise Invalid(errors)
    skus: dict[str, int | None] = {}
    for line in lines:
        if typed[line.public_id]:
            skus[line.sku] = (skus.get(line.sku) or 0) + typed[line.public_id]
    on: date | None = form.shipped_on.data
    notice = Notice(
        asked.number, (form.tracking.data or "").strip()[: carriers.LONGEST], tuple(skus.items()), (form.carrier.data or "").strip(),
        shipped_at=datetime.combine(on, time()) if on else None,
    )  # fmt: skip
    try:
        return shipments.add(asked, notice, Cause("hand", g.user.email))
    except Unmatched as why:
        raise Invalid({"quantities": f"{why}"}) from why
