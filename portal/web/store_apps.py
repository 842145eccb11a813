"""A store's own app page: BigCommerce's control panel opens it, and a person confirms in the portal which store that was."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g
from htmx_flask import request

from portal import bigcommerce_app, connection_parts, connections, setup_steps, sources
from portal.errors import NotFound, Refused, SupplierError
from portal.web import guards
from portal.web.addresses import external
from portal.web.connecting import tested
from portal.web.headers import CONTENT_POLICY
from portal.web.render import render
from portal.web.typed import whole_number

blueprint = Blueprint("store_apps", __name__)
IN_A_FRAME = CONTENT_POLICY.replace("frame-ancestors 'none'", "frame-ancestors https://*.mybigcommerce.com https://*.bigcommerce.com")
"""BigCommerce shows an app's pages inside its control panel. These hold no form and nothing of anybody."""
OPENED = {
    "connected": ("This app works in the background", "It reads products and stock. Everything else is in the portal."),
    "waits": ("One step is left", "Confirm in the portal that this store is yours. Nothing is read before."),
    "none": ("The app is not connected", "The portal has no token of this store. Uninstall the app and install it again."),
}


@blueprint.get("/sources/<source_id>/app")
@guards.signed_in
def show(source_id: str) -> Response:
    """The addresses to register with the app, and the store that installed it and waits."""
    return _page(_source(source_id))


@blueprint.post("/sources/<source_id>/app")
@guards.signed_in
@guards.once
def confirm(source_id: str) -> Response:
    """Say that the store is ours: its token is proved and kept, and the connection tested."""
    source = _source(source_id)
    try:
        bigcommerce_app.confirm(source, whole_number(request.form.get("installation", "")), g.user.email)
    except Refused as refused:
        return _page(source, str(refused), 409)
    except SupplierError as error:
        return _page(source, f"{error.problem.headline}. {error.problem.body} The token was not kept.", 422)
    return tested(source, "The app's access token was accepted by the store.")


@blueprint.get("/bigcommerce/<source_id>/auth")
@guards.for_machines
def install(source_id: str) -> Response:
    """BigCommerce brings a code. Nothing is connected by this alone."""
    code, context, scope = (request.args.get(name, "") for name in ("code", "context", "scope"))
    redirect = external("store_apps.install", source_id=source_id)
    try:
        store = bigcommerce_app.install(source_id, code, context, scope, redirect)
    except Refused as refused:
        return _framed(source_id, "The app is not installed", str(refused), 422)
    except SupplierError as error:
        return _framed(source_id, error.problem.headline, error.problem.body, 422)
    words = f"Now confirm in the portal that store {store} is yours. Nothing is read before, and it waits for one hour."
    return _framed(source_id, "One step is left", words)


@blueprint.get("/bigcommerce/<source_id>/load")
@guards.for_machines
def load(source_id: str) -> Response:
    """What the control panel shows when the app is opened later. It is told only to the store itself, by its signed message."""
    try:
        state = bigcommerce_app.opened(source_id, request.args.get("signed_payload_jwt", ""))
    except Refused as refused:
        return _framed(source_id, "The app is not open", str(refused), 401)
    return _framed(source_id, *OPENED[state])


@blueprint.get("/bigcommerce/<source_id>/uninstall")
@guards.for_machines
def uninstall(source_id: str) -> Response:
    """The store removed the app: its token is dropped. Only the store's signed message does that, and only once."""
    try:
        done = bigcommerce_app.removed(source_id, request.args.get("signed_payload_jwt", ""))
    except Refused as refused:
        return _framed(source_id, "Nothing was removed", str(refused), 401)
    words = (
        "Its token was erased here, and the portal asks to sign in again."
        if done
        else "The app was installed again since. Nothing changed."
    )
    return _framed(source_id, "The app was removed", words)


def _source(source_id: str) -> Any:
    source = sources.find_line(g.merchant, source_id)
    setup_steps.require(source, "connection")
    if connection_parts.whole_settings(source).get("approval") != bigcommerce_app.KIND:
        raise NotFound("app")
    return source


def _page(source: Any, error: str = "", status: int = 200) -> Response:
    settings = connection_parts.whole_settings(source)
    ready = bool(settings.get("client_id")) and "client_secret" in connections.secrets_of(source)
    here = {name: external(f"store_apps.{name}", source_id=source.public_id) for name in ("install", "load", "uninstall")}
    return render(
        "store_apps/show.html", "store_apps/_show.html", status, source=source, here=here, ready=ready, error=error,
        waiting=bigcommerce_app.waiting(source) if ready else None, store=settings.get("store_hash", ""),
    )  # fmt: skip


def _framed(source_id: str, headline: str, body: str, status: int = 200) -> Response:
    place = external("store_apps.show", source_id=source_id)
    response = render("store_apps/framed.html", "store_apps/_framed.html", status, headline=headline, body=body, place=place)
    response.headers["Content-Security-Policy"] = IN_A_FRAME
    return response
