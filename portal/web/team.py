"""The people of the workspace, and what each role may do."""

from __future__ import annotations

from flask import Blueprint, Response

from portal import roles
from portal.web import guards
from portal.web.render import render

blueprint = Blueprint("team", __name__, url_prefix="/team")


@blueprint.get("/roles")
@guards.signed_in
def roles_table() -> Response:
    """The table of what each role may do, from the same table that guards every page."""
    return render("team/roles.html", roles=roles.ROLES, rights=roles.RIGHTS, has=roles.may)
