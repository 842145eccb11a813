"""A store that gives us a key by itself: a page that says where it leads, the store's own message, and the way back."""

from __future__ import annotations

from flask import Blueprint, Response, g, url_for
from flask import request as web_request
from htmx_flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from portal import bigcommerce_app, connection_parts, connections, key_offers, setup_steps, sources
from portal.errors import Refused, SupplierError
from portal.web import guards
from portal.web.addresses import external
from portal.web.connecting import tested
from portal.web.render import go, render

blueprint = Blueprint("approvals", __name__)


@blueprint.get("/sources/<source_id>/approval")
@guards.signed_in
def leave(source_id: str) -> Response:
    """Before leaving: the store, what is asked for, and a plain link."""
    source = sources.find_line(g.merchant, source_id)
    setup_steps.require(source, "connection")
    if connection_parts.whole_settings(source).get("approval") == bigcommerce_app.KIND:
        return go(url_for("store_apps.show", source_id=source.public_id))
    callback, back = external("approvals.receive"), external("approvals.back")
    try:
        journey = key_offers.begin(source, g.session, callback, back)
    except Refused as refused:
        return _stopped("The store cannot give us a key here", str(refused), source_id)
    return render(
        "signing_in/leave.html", "signing_in/_leave.html", source=source, supplier=connections.supplier_of(source), journey=journey,
        grant=None, minutes=int(key_offers.LASTS.total_seconds() // 60),
    )  # fmt: skip


@blueprint.post("/wc-auth")
@guards.for_machines
def receive() -> Response:
    """The store's own program brings the key. WooCommerce keeps a key alive only after exactly 200."""
    web_request.max_content_length = key_offers.LONGEST_BODY
    try:
        taken = key_offers.receive(web_request.get_data(cache=False))
    except (RequestEntityTooLarge, ClientDisconnected):
        taken = False
    return Response('{"status":"taken"}\n' if taken else '{"status":"refused"}\n', 200 if taken else 404, mimetype="application/json")


@blueprint.get("/wc-auth/return")
@guards.signed_in
def back() -> Response:
    """Where the store sends the browser back to."""
    if request.args.get("success") != "1":
        return _stopped(
            "The store gave us no key", "It was declined in the store, or broken off. Nothing was changed. You can begin again."
        )
    try:
        source = key_offers.take(g.merchant, g.session, request.args.get("user_id", ""), g.user.email)
    except Refused as refused:
        return _stopped("The store gave us no key", str(refused))
    except SupplierError as error:
        return _stopped(error.problem.headline, f"{error.problem.body} The key was not kept.", said=error.problem.server_said)
    return tested(source, "The store gave us a key, and accepts it.")


def _stopped(headline: str, body: str, source_id: str = "", said: str = "") -> Response:
    place = url_for("connections.edit", source_id=source_id) if source_id else ""
    return render(
        "signing_in/stopped.html", "signing_in/_stopped.html", 422, headline=headline, body=body, said=said, place=place,
    )  # fmt: skip
