"""The operator's page: how the installation stands, line by line, with what to do. For staff; everybody else finds nothing there."""

from __future__ import annotations

from flask import Blueprint, Response, g

from portal import clock
from portal.operation import checks
from portal.web import guards
from portal.web.render import render

blueprint = Blueprint("operate", __name__)
WORDS = {checks.OK: ("ok", "In order"), checks.WARN: ("late", "Look at it"), checks.BAD: ("action", "Act now")}


@blueprint.get("/operate")
@guards.signed_in
@guards.staff_only
def show() -> Response:
    """What `flask --app app doctor` says, as a page."""
    lines = checks.everything()
    wanting = [line for line in lines if line.state != checks.OK]
    zone = g.user.time_zone or g.merchant.time_zone
    return render("operate/show.html", lines=lines, wanting=wanting, words=WORDS, at=clock.now(), zone=zone)
