"""What left for a supplier and what came back; and the page for what we do not know."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

import tasks
from portal import runs, sources
from portal.errors import Invalid, NotFound, Refused
from portal.outbox import deciding, stops, story
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import download, render, saved

blueprint = Blueprint("sending", __name__)


class TheirNumber(LedgerForm):
    """What the supplier calls the order."""

    their_id = StringField(
        "Their number", description="What they call it, for the shipment that will name it. Leave it empty if they gave none."
    )


@blueprint.app_template_global("sending_of")
def sending_of(one: Any) -> dict[str, Any]:
    """For requests/_sending.html: every submission of a request, and what keeps its source from sending."""
    return {"chapters": story.chapters(one), "stop": story.stop_of(one), "may_test": story.may_test(one)}


@blueprint.get("/requests/<request_id>/sent/<submission_id>/<int:place>")
@guards.signed_in
def document(request_id: str, submission_id: str, place: int) -> Response:
    """The exact bytes of one file or message as rendered before the first try."""
    story.find(g.merchant, request_id)
    part = story.part(g.merchant, submission_id, place)
    if part.erased_at is not None:
        raise NotFound("document")
    return download(bytes(part.content), part.name or f"order-{place}", part.content_type or "application/octet-stream")


@blueprint.get("/requests/<request_id>/check")
@guards.signed_in
def check(request_id: str) -> Response:
    """We do not know whether it arrived: what we know, and what can be done."""
    return _page(request_id, TheirNumber.read())


@blueprint.post("/requests/<request_id>/check")
@guards.signed_in
@guards.once
def they_have_it(request_id: str) -> Response:
    """A person asked: it is there."""
    one, form = story.find(g.merchant, request_id), TheirNumber.read()
    try:
        row = deciding.they_have_it(one, form.their_id.data or "", g.user.email)
    except Invalid as refused:
        return _page(request_id, form.refuse(refused), 422)
    count = len(story.numbers(row))
    words = f"{one.number} counts as sent." if count == 1 else f"All {count:,} requests of the file count as sent."
    return saved(_back(request_id), f"{words} Nothing was sent now.")


@blueprint.get("/requests/<request_id>/check/again")
@guards.signed_in
def confirm_again(request_id: str) -> Response:
    """What sending it again means, before it is done."""
    one = story.find(g.merchant, request_id)
    row = deciding.in_doubt(one)
    return render("requests/send_again.html", one=one, source=one.source, row=row, numbers=story.numbers(row), back=_back(request_id))


@blueprint.post("/requests/<request_id>/check/again")
@guards.signed_in
@guards.once
def send_again(request_id: str) -> Response:
    """A person asked: it is not there. It goes out anew, under the same number."""
    one = story.find(g.merchant, request_id)
    ids = deciding.send_again(one, g.user.email)
    tasks.ring_if_it_works()
    words = f"{one.number} is in line again." if len(ids) == 1 else f"{len(ids):,} requests are in line again."
    return saved(_back(request_id), f"{words} It leaves with the next run of Send Orders.")


@blueprint.post("/requests/<request_id>/check/look")
@guards.signed_in
@guards.once
def look_again(request_id: str) -> Response:
    """Look at the supplier now."""
    one = story.find(g.merchant, request_id)
    deciding.look_again(one, g.user.email)
    try:
        runs.start_sync(sources.integration(one.source, "send_orders"), started_by=g.user.email)
    except runs.AlreadyRunning:
        return saved(
            url_for("sending.check", request_id=request_id), "A run of Send Orders is under way; it looks, too. Nothing is sent again."
        )
    tasks.ring()
    return saved(url_for("sending.check", request_id=request_id), "We are looking. Nothing is sent again.")


@blueprint.post("/sources/<source_id>/sending/permission")
@guards.signed_in
@guards.once
def allow(source_id: str) -> Response:
    """Let a source send again that was stopped after several doubts."""
    source = sources.find(g.merchant, source_id)
    if not stops.allow(source, g.user.email):
        raise Refused("Sending to this source was not stopped, or it is the whole installation that rests. Nothing was changed.")
    tasks.ring_if_it_works()
    back = guards.local_path(request.form.get("back") or "") or url_for("sources.show", source_id=source_id)
    return saved(back, f"{source.name} gets orders again. What is in doubt stays so until it is found or you decide.")


def _page(request_id: str, form: LedgerForm, status: int = 200) -> Response:
    one = story.find(g.merchant, request_id)
    row = deciding.in_doubt(one)
    return render(
        "requests/check.html", "requests/_they_have_it.html", status, one=one, source=one.source, row=row, form=form,
        numbers=story.numbers(row), known=story.what_we_know(one, row), message=story.message(one, row),
        can_look=deciding.can_look(row), looking=row.next_at is not None, back=_back(request_id),
    )  # fmt: skip


def _back(request_id: str) -> str:
    return url_for("requests.show", request_id=request_id)
