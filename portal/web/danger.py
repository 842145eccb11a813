"""Remove Inventory and Delete Source: a page with counts and the typed name, then a background run. And the way back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

import tasks
from portal import clock, removals, sources
from portal.errors import Invalid, Refused
from portal.listings import editing
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("danger", __name__)


class ConfirmForm(LedgerForm):
    """The name of the source, typed by the person who takes something away."""

    typed_name = StringField("Name of the source")


@blueprint.route("/sources/<source_id>/removal", methods=["GET", "POST"])
@guards.signed_in
@guards.proved_recently
@guards.once
def removal(source_id: str) -> Response:
    """Remove Inventory: what goes and what stays, then the run that clears it."""
    source, form = sources.find(g.merchant, source_id), ConfirmForm.read()
    if request.method == "GET":
        return _confirm_page("removal", source, form)
    try:
        run = removals.remove_inventory_of(source, form.typed_name.data or "", g.user.email)
    except Invalid as refused:
        return _confirm_page("removal", source, form.refuse(refused), 422)
    except Refused as refused:
        return _confirm_page("removal", source, form.refuse(refused), 409)
    tasks.ring()
    return saved(url_for("runs.show", run_id=run.public_id), f"The inventory of {source.name} is being removed.")


@blueprint.route("/sources/<source_id>/deletion", methods=["GET", "POST"])
@guards.signed_in
@guards.proved_recently
@guards.once
def deletion(source_id: str) -> Response:
    """Delete Source: hidden at once, restorable for 7 days, erased after that."""
    source, form = sources.find(g.merchant, source_id), ConfirmForm.read()
    if request.method == "GET":
        return _confirm_page("deletion", source, form)
    try:
        removals.delete(source, form.typed_name.data or "", g.user.email)
    except Invalid as refused:
        return _confirm_page("deletion", source, form.refuse(refused), 422)
    except Refused as refused:
        return _confirm_page("deletion", source, form.refuse(refused), 409)
    tasks.ring()
    return saved(url_for("danger.deleted"), f"{source.name} is deleted. You can restore it for {removals.DAYS_TO_RESTORE} days.")


@blueprint.get("/sources/deleted")
@guards.signed_in
def deleted() -> Response:
    """Deleted sources that can still be restored."""
    return render("danger/deleted.html", gone=removals.deleted(g.merchant), days=removals.DAYS_TO_RESTORE)


@blueprint.post("/sources/<source_id>/restoration")
@guards.signed_in
@guards.once
def restoration(source_id: str) -> Response:
    """Bring a deleted source back as it was."""
    gone = removals.find_deleted(g.merchant, source_id)
    fresh = removals.restore(gone, g.user.email)
    renamed = "" if fresh.name == gone.name else f" Another source is called {gone.name} now, so its name has a mark."
    return saved(url_for("sources.show", source_id=source_id), f"{fresh.name} is restored.{renamed}")


def _confirm_page(act: str, source: Any, form: LedgerForm, status: int = 200) -> Response:
    erased_at = clock.now() + timedelta(days=removals.DAYS_TO_RESTORE)
    return render(
        f"danger/{act}.html", "danger/_confirm.html", status, source=source, form=form, act=act, losses=removals.losses(source),
        listed=editing.fed_by(source), in_words=editing.in_words,
        counted_at=clock.now(), erased_at=erased_at, days=removals.DAYS_TO_RESTORE,
    )  # fmt: skip
