"""Erase a person: who is meant, what speaks of them, and the run that erases it. And somebody who signs in here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

import tasks
from portal import people
from portal.erasing import blanking, finding, persons, users
from portal.errors import Forbidden, Invalid, Refused
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("erasing", __name__, url_prefix="/settings/kept/persons")


class SearchForm(LedgerForm):
    """Whom to look for, and why they are erased."""

    typed = StringField("Email, telephone, name or order number", description="A name is searched whole, as it stands on orders")
    reason = StringField("Why they are erased", description="Such as “asked for by letter on 3 March”. Do not name the person")


class UserForm(LedgerForm):
    """The address of somebody who signs in here, typed, and why."""

    typed = StringField("Email")
    reason = StringField("Why they are erased", description="Such as “left, and asked for it”. Do not name the person")


@blueprint.get("")
@guards.signed_in
@guards.proved_recently
def index() -> Response:
    """The search, and who was erased before."""
    return _page(SearchForm(formdata=None), None, 200)


@blueprint.post("/search")
@guards.signed_in
@guards.proved_recently
def search() -> Response:
    """What there is of the person; nothing is changed. By POST, so that no address of theirs stands in a log or a history."""
    form = SearchForm.read()
    if not (form.typed.data or "").strip():
        return _page(form.refuse(Invalid({"typed": "Type whom to look for."})), None, 422)
    return _page(form, finding.orders(g.merchant, form.typed.data or ""), 200)


@blueprint.post("")
@guards.signed_in
@guards.proved_recently
@guards.once
def erase() -> Response:
    """Let a run erase the person of the orders that were ticked."""
    form, typed = SearchForm.read(), request.form.get("typed", "")
    try:
        persons.start(g.user, typed, request.form.getlist("order"), form.reason.data or "", request.remote_addr or "")
    except (Invalid, Refused) as error:
        return _page(form.refuse(error), finding.orders(g.merchant, typed), 422)
    tasks.ring()
    return saved(url_for("erasing.index"), "The person is being erased. It is listed here once it is done.")


@blueprint.route("/users/<user_id>", methods=["GET", "POST"])
@guards.signed_in
@guards.proved_recently
@guards.once
def user(user_id: str) -> Response:
    """Erase somebody who signs in here: what goes, what stays, and the typed address."""
    person, form = people.find(g.merchant, user_id), UserForm.read()
    if request.method != "POST":
        return render("erasing/user.html", user=person, form=form)
    try:
        users.start(g.user, person, form.typed.data or "", form.reason.data or "", request.remote_addr or "")
    except (Invalid, Refused, Forbidden) as error:
        return render("erasing/user.html", status=422, user=person, form=form.refuse(error))
    return saved(url_for("team.index"), "The person is erased. What they did stays in the audit log, under a mark.")


def _page(form: Any, found: Sequence[Any] | None, status: int) -> Response:
    told: dict[str, Any] = {"found": found, "counts": Counter[str](), "whole": True, "open": frozenset()}
    if found is not None:
        known = finding.of(found[: finding.MOST_SHOWN])
        if "@" in (form.typed.data or ""):
            known.terms.add({"email": form.typed.data})
        told["open"] = known.open
        if known.terms:
            told["counts"], told["whole"] = blanking.count(g.merchant, known.terms)
    return render("erasing/index.html", status=status, form=form, before=persons.listing(g.merchant), most=finding.MOST_SHOWN, **told)
