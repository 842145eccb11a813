"""Delete the workspace: what goes, named in numbers, an export offered first, the typed name; and for 7 days the way back."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

from portal import clock, closing
from portal.errors import Invalid, Refused
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("closing", __name__, url_prefix="/settings/kept/deletion")


class NameForm(LedgerForm):
    """The name of the workspace, typed by the owner who deletes it."""

    typed_name = StringField("Name of the workspace")


@blueprint.get("")
@guards.signed_in
def show() -> Response:
    """What goes; or, once it was deleted, until when it can be brought back."""
    if g.merchant.closing_at is not None:
        return render("keeping/closing.html")
    return _page(NameForm(formdata=None), 200)


@blueprint.post("")
@guards.signed_in
@guards.proved_recently
@guards.once
def close() -> Response:
    """Delete it, with 7 days in which it can be brought back."""
    form = NameForm.read()
    try:
        closing.close(g.user, form.typed_name.data or "", request.remote_addr or "")
    except (Invalid, Refused) as error:
        return _page(form.refuse(error), 422)
    return saved(url_for("closing.show"), "")


@blueprint.post("/back")
@guards.signed_in
@guards.proved_recently
@guards.once
def bring_back() -> Response:
    """Take the deletion back."""
    closing.reopen(g.user, request.remote_addr or "")
    return saved(url_for("keeping.show"), "The workspace is back, as it was.")


def _page(form: LedgerForm, status: int) -> Response:
    told: dict[str, Any] = {"losses": closing.losses(g.merchant), "counted_at": clock.now(), "ends_at": clock.now() + closing.GRACE}
    return render("keeping/deletion.html", status=status, form=form, days=closing.GRACE.days, **told)
