"""Turning Auto Process on: a page that says how many requests will be sent now, before they are."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal import sources, workspaces
from portal.errors import NotFound, Refused, Stale
from portal.requests import auto_process
from portal.requests.process import Done
from portal.web import guards
from portal.web.filters import plural
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("auto_process", __name__)


@blueprint.route("/sources/<source_id>/auto-process/<name>", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def of_source(source_id: str, name: str) -> Response:
    """Of one source. `name`: the setting that turns it on, auto-process or override."""
    source = sources.find(g.merchant, source_id)
    if name not in auto_process.SWITCHES:
        raise NotFound("setting")
    back = url_for("settings.show", source_id=source_id)
    here = url_for("auto_process.of_source", source_id=source_id, name=name)
    if request.method != "POST":
        return _page(auto_process.would_send(source, name, name == "auto-process"), here, back, source.version, source)
    try:
        done = auto_process.switch_source(source, name, _version(), g.user.email)
    except Stale as stale:
        raise _changed(stale) from stale
    return _done(back, done)


@blueprint.route("/settings/auto-process", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def of_workspace() -> Response:
    """Of every source that does not override it."""
    back, merchant = url_for("account.workspace"), workspaces.fresh(g.merchant)
    if request.method != "POST":
        return _page(auto_process.would_send_everywhere(merchant, True), url_for("auto_process.of_workspace"), back, merchant.version, None)
    try:
        done = auto_process.switch_workspace(merchant, _version(), g.user.email)
    except Stale as stale:
        raise _changed(stale) from stale
    return _done(back, done)


def _changed(stale: Stale) -> Refused:
    return Refused(f"{stale.who} changed the settings while you looked. Auto Process is as it was; open the settings again.")


def _version() -> int:
    return whole_number(request.form.get("version", ""))


def _page(query: Any, here: str, back: str, version: int, source: Any) -> Response:
    counted = auto_process.by_source(query)
    return render(
        "auto_process/confirm.html", counted=counted, total=sum(counted.values()), here=here, back=back, version=version, source=source
    )  # fmt: skip


def _done(back: str, done: Done) -> Response:
    tasks.ring_if_it_works()
    left = f" {plural(len(done.refused), 'request')} could not be: {done.refused[0][1]}" if done.refused else ""
    return saved(back, f"Auto Process is on. {plural(len(done.processed), 'fulfillment request')} in line for sending.{left}")
