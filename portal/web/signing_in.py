"""Signing in at a supplier by OAuth2: a page that says where it leads, and the way back."""

from __future__ import annotations

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

from portal import connections, oauth, setup_steps, sources
from portal.errors import Refused, SupplierError
from portal.web import guards
from portal.web.addresses import external
from portal.web.connecting import tested
from portal.web.render import render

blueprint = Blueprint("signing_in", __name__)


@blueprint.get("/sources/<source_id>/sign-in")
@guards.signed_in
def leave(source_id: str) -> Response:
    """Before leaving: the host, what is asked for, and a plain link. (A form may not lead to another host: CSP form-action.)"""
    source = sources.find_line(g.merchant, source_id)
    setup_steps.require(source, "connection")
    try:
        journey = oauth.begin(source, g.session, external("signing_in.back"))
    except (Refused, SupplierError) as refused:
        body = f"{refused.problem.headline}. {refused.problem.body}" if isinstance(refused, SupplierError) else str(refused)
        place = url_for("connections.edit", source_id=source_id)
        headline = "Save the connection first"
        return render("signing_in/stopped.html", "signing_in/_stopped.html", 422, headline=headline, body=body, place=place)
    return render(
        "signing_in/leave.html", "signing_in/_leave.html", source=source, supplier=connections.supplier_of(source), journey=journey,
        grant=oauth.grant_of(source), minutes=int(oauth.STATE_LASTS.total_seconds() // 60),
    )  # fmt: skip


@blueprint.get("/oauth/return")
@guards.signed_in
def back() -> Response:
    """Where the supplier sends the browser back to. Without a usable state nothing happens."""
    answer = {key: values[0] for key, values in request.args.lists()}
    try:
        if any(len(values) > 1 for _, values in request.args.lists()):  # RFC 6749 3.1
            raise Refused("What came back says something twice, which no supplier does. Nothing was saved. Begin again.")
        found = oauth.finish(g.merchant, g.session, answer, g.user.email)
    except Refused as refused:
        return render("signing_in/stopped.html", "signing_in/_stopped.html", 422, headline="You are not signed in there", body=str(refused))
    except SupplierError as error:
        words = error.problem
        return render(
            "signing_in/stopped.html", "signing_in/_stopped.html", 422, headline=words.headline, body=words.body, said=words.server_said
        )
    lacking = f"Not granted: {', '.join(found.refused)}. What needs it stays off." if found.refused else "The connection is tested now."
    return tested(found.source, f"Signed in. {lacking}")
