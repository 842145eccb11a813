"""Rows to mend: the file to take along, and the upload of what was mended."""

from __future__ import annotations

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal import runs
from portal.errors import NotFound, Refused, SupplierError
from portal.inventory import fixes
from portal.web import guards
from portal.web.render import download, saved

blueprint = Blueprint("fixes", __name__)


@blueprint.get("/runs/<run_id>/rows-to-mend.csv")
@guards.signed_in
def rows(run_id: str) -> Response:
    """The rows that wait, under the headers of their file, with every reason."""
    run = runs.find(g.merchant, run_id)
    if not fixes.open_rows(run):
        raise NotFound("rows")
    return download("".join(fixes.to_mend_csv(run)).encode("utf-8-sig"), f"run-{run.number}-rows-to-mend.csv")


@blueprint.post("/runs/<run_id>/mended-rows")
@guards.signed_in
@guards.takes_files
@guards.once
def upload(run_id: str) -> Response:
    """Take the mended rows in, in a run of its own."""
    run, sent = runs.find(g.merchant, run_id), request.files.get("file")
    if sent is None or not sent.filename:
        raise Refused("Choose the file with the mended rows first. Nothing was changed.")
    try:
        started, fresh = fixes.start(run, sent.stream, sent.filename, g.user.email)
    except SupplierError as error:
        raise Refused(f"{error.problem.headline}. {error.problem.body}") from error
    if not fresh:
        return saved(
            url_for("runs.show", run_id=started.public_id),
            f"This file was already accepted, by run {started.number:,}. Nothing was taken twice.",
        )
    tasks.ring()
    return saved(url_for("runs.show", run_id=started.public_id), "The mended rows are being taken in.")
