"""What the workspace keeps, and how it is taken along: the page that leads to each, and exports of everything."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal.errors import Refused
from portal.exporting import exports
from portal.web import guards
from portal.web.render import download as as_file
from portal.web.render import render, saved
from portal.web.typed import TypedErrors

blueprint = Blueprint("keeping", __name__, url_prefix="/settings/kept")
BLOCK = 1 << 18


@blueprint.get("")
@guards.signed_in
def show() -> Response:
    """What can be done with all that is kept here."""
    return render("keeping/show.html")


@blueprint.route("/exports", methods=["GET", "POST"])
@guards.signed_in
@guards.proved_recently
@guards.once
def list_exports() -> Response:
    """The exports that are kept, and a new one."""
    if request.method != "POST":
        return _exports(TypedErrors(), 200)
    try:
        exports.start(g.user, request.form.get("with_files") == "1", request.remote_addr or "")
    except Refused as refused:
        return _exports(TypedErrors([("", str(refused))]), 422)
    tasks.ring()
    return saved(url_for("keeping.list_exports"), "The export is being written. It is listed here once it is ready.")


@blueprint.post("/exports/<export_id>/zip")
@guards.signed_in
@guards.proved_recently
def download(export_id: str) -> Response:
    """The zip. A form asks for it, not a link, as the audit log is told: reading never writes."""
    made = exports.find(g.merchant, export_id)
    path = exports.take(made, g.user, request.remote_addr or "")
    response = as_file(_blocks(path), f"{g.merchant.name} {made.made_at:%Y-%m-%d}.zip", "application/zip")
    response.content_length = made.size or 0
    return response


def _exports(form: TypedErrors, status: int) -> Response:
    return render("keeping/exports.html", status=status, form=form, made=exports.listing(g.merchant), days=exports.KEPT.days)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
