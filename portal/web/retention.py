"""How long things are kept: the days of this workspace, the defaults beside them, and what the last sweeps removed."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

from portal import retention
from portal.errors import Invalid, Stale
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("retention", __name__, url_prefix="/settings/kept/days")


class DaysForm(VersionedForm):
    """A number of days of each kind, empty for the default."""

    files = StringField(retention.KINDS["files"][0])
    exchanges = StringField(retention.KINDS["exchanges"][0])
    persons = StringField(retention.KINDS["persons"][0])
    audit = StringField(retention.KINDS["audit"][0])


@blueprint.get("")
@guards.signed_in
def show() -> Response:
    """The days, and what they removed."""
    now = retention.of(g.merchant)
    days = {kind: "" if getattr(now, kind) is None else str(getattr(now, kind)) for kind in retention.KINDS}
    return _page(DaysForm(version=str(now.version), **days), 200)


@blueprint.post("")
@guards.signed_in
@guards.proved_recently
@guards.once
def save() -> Response:
    """Keep them; what is older goes with the next sweep."""
    form = DaysForm.read()
    try:
        retention.save(g.user, request.form, form.version_read(), request.remote_addr or "")
    except Invalid as error:
        return _page(form.refuse(error), 422)
    except Stale as stale:
        now = retention.of(g.merchant)
        return _page(form.keep(stale, now.version, {kind: getattr(now, kind) for kind in retention.KINDS}), 409)
    return saved(url_for("retention.show"), "Saved. What is older goes within the hour.")


def _page(form: Any, status: int) -> Response:
    hints = {kind: _hint(kind) for kind in retention.KINDS}
    return render("keeping/days.html", status=status, form=form, hints=hints, sweeps=retention.last_sweeps(g.merchant))


def _hint(kind: str) -> str:
    _, least, most = retention.KINDS[kind]
    default = retention.default_of(kind)
    usual = f"{default} days" if default is not None else "for good"
    return f"Days, from {least:,} to {most:,}. Empty: {usual}."
