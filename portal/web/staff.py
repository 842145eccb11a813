"""The support console: sign in, find a workspace or a source, see its state, runs and exchanges, test it, release a lease, the fleet."""

from __future__ import annotations

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import PasswordField, StringField

import tasks
from portal import clock, run_report, setup_steps
from portal.errors import NotFound, Refused
from portal.records import CHECK_NAMES
from portal.support import finding, fixing, fleet, staff, views
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import go, render, saved

blueprint = Blueprint("staff", __name__, url_prefix="/staff")


class StaffSignInForm(LedgerForm):
    """Everything at once, so that no answer tells which of it was wrong."""

    email = StringField("Email")
    password = PasswordField("Password")
    code = StringField("Code", description="The six digits that your app shows now")


@blueprint.route("/sign-in", methods=["GET", "POST"])
@guards.public
def sign_in() -> Response:
    """Sign in as support staff. Who is signed in to a workspace finds nothing here."""
    if g.session is not None:
        raise NotFound("page")
    form = StaffSignInForm.read()
    if request.method == "POST":
        try:
            typed = (form.email.data or "", form.password.data or "", form.code.data or "")
            token = staff.sign_in(*typed, request.remote_addr or "", request.user_agent.string)
        except Refused as refused:
            form.refuse(refused)
        else:
            response = go(url_for("staff.find"))
            response.set_cookie(
                guards.cookie_name("staff"), token, max_age=int(staff.LONGEST.total_seconds()), **guards.cookie_settings()
            )  # fmt: skip
            return response
    guards.begin_form()
    return guards.with_form_cookie(render("staff/sign_in.html", status=422 if form.general else 200, form=form))


@blueprint.post("/sign-out")
@guards.for_staff
def sign_out() -> Response:
    """End this session, and the view that is open."""
    views.end(g.staff)
    staff.sign_out(g.staff_session)
    response = go(url_for("staff.sign_in"))
    response.delete_cookie(guards.cookie_name("staff"), **guards.cookie_settings())
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@blueprint.get("")
@guards.for_staff
def find() -> Response:
    """Search for a workspace or a source."""
    asked = request.args.get("q", "")
    return render("staff/find.html", asked=asked, found=finding.search(asked))


@blueprint.get("/workspaces/<merchant_id>")
@guards.for_staff
def workspace(merchant_id: str) -> Response:
    """One workspace: people, sources and where they stand."""
    merchant = finding.merchant_of(merchant_id)
    finding.note_look(g.staff, merchant, "merchant", merchant.public_id)
    return render(
        "staff/workspace.html", seen=finding.workspace(merchant), grant=views.grant(merchant), looking=views.at(merchant),
        words={"live": "Live", "draft": "Draft", "paused": "Paused"},
    )  # fmt: skip


@blueprint.get("/sources/<source_id>")
@guards.for_staff
def source(source_id: str) -> Response:
    """One source: state, last test with its timings, runs, exchanges, and what can be mended."""
    found = finding.source_of(source_id)
    finding.note_look(g.staff, found.merchant, "source", found.public_id)
    seen = finding.seen(found)
    return render(
        "staff/source.html", "staff/_checks.html", seen=seen, source=found, labels=dict(CHECK_NAMES), steps=setup_steps.TITLES,
        title_of=run_report.title_of, now=clock.now(), testing=seen.test is not None and seen.test.state in run_report.UNFINISHED,
    )  # fmt: skip


@blueprint.post("/sources/<source_id>/test")
@guards.for_staff
@guards.once
def test(source_id: str) -> Response:
    """Test the connection once more."""
    found = finding.source_of(source_id)
    fixing.test(found, g.staff)
    tasks.ring()
    return saved(url_for("staff.source", source_id=source_id), "The test is queued.")


@blueprint.post("/runs/<run_id>/release")
@guards.for_staff
@guards.once
def release(run_id: str) -> Response:
    """Take a run out of the hands of a worker that hangs."""
    run = finding.run_of(run_id)
    fixing.release(run, g.staff)
    tasks.ring()
    where = url_for("staff.source", source_id=run.source.public_id) if run.source else url_for("staff.fleet_page")
    return saved(where, f"Run {run.number:,} is released. The next free worker goes on from its checkpoint.")


@blueprint.get("/fleet")
@guards.for_staff
def fleet_page() -> Response:
    """What is held, in doubt, stuck or waiting, over all workspaces."""
    return render("staff/fleet.html", fleet=fleet.look(), title_of=run_report.title_of, now=clock.now(), most=fleet.MOST)
