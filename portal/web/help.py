"""The help page: what the words mean, and what to give to the person who runs this installation."""

from __future__ import annotations

from flask import Blueprint, Response

from portal.inventory.guards import DEFAULTS
from portal.web import guards
from portal.web.render import render

blueprint = Blueprint("help", __name__)


@blueprint.get("/help")
@guards.signed_in
def show() -> Response:
    """The words of the product, the keyboard, and how to report something."""
    return render("help/show.html", limits=DEFAULTS)
