"""Two-step sign-in of a person: setting up an app, recovery codes shown once, turning it off; and requiring it of everybody."""

from __future__ import annotations

from typing import Any

import segno
from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import HiddenField, StringField

import tasks
from portal import passkeys, two_step
from portal.errors import Invalid
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("two_step", __name__, url_prefix="/profile/two-step")


REQUIRED = ("Two-step sign-in is a choice now.", "Two-step sign-in is required now.", "A passkey is required now.")
CODE_HINT = "The six digits of your present app, or one of your recovery codes"


class AppForm(LedgerForm):
    """A code that proves that the app has the key."""

    key = HiddenField()
    code = StringField("Code", description="The six digits that the app shows now")
    current = StringField("Code that you have had so far", description=CODE_HINT)


class CurrentForm(LedgerForm):
    """A code that proves that the person has the second step."""

    current = StringField("Code", description=CODE_HINT)


@blueprint.get("")
@guards.signed_in
def show() -> Response:
    """What the person has, and what can be set up."""
    return _show(200)


@blueprint.get("/app")
@guards.signed_in
@guards.proved_recently
def begin() -> Response:
    """A new key as picture and text. It is kept nowhere before a code proves that the app has it."""
    return _app_page(AppForm(key=two_step.new_key()), 200)


@blueprint.post("/app")
@guards.signed_in
@guards.proved_recently
def turn_on() -> Response:
    """Use the app; the recovery codes are the answer, and shown nowhere else."""
    form = AppForm.read()
    try:
        typed = (form.key.data or "", form.code.data or "")
        codes = two_step.enable(g.user, *typed, g.session, request.remote_addr or "", form.current.data or "")
    except Invalid as error:
        if not two_step.is_key(form.key.data or ""):
            form.key.raw_data, form.key.data = None, two_step.new_key()
        return _app_page(form.refuse(error), 422)
    tasks.ring_for_people()
    return render("two_step/codes.html", codes=codes)


@blueprint.post("/codes")
@guards.signed_in
@guards.proved_recently
def new_codes() -> Response:
    """Ten new recovery codes in place of the old ones."""
    form = CurrentForm.read(prefix="codes-")
    try:
        codes = two_step.renew_codes(g.user, form.current.data or "", request.remote_addr or "")
    except Invalid as error:
        return _show(422, renew=form.refuse(error))
    tasks.ring_for_people()
    return render("two_step/codes.html", codes=codes)


@blueprint.post("/app/end")
@guards.signed_in
@guards.proved_recently
@guards.once
def turn_off() -> Response:
    """Sign in without the app from now on."""
    form = CurrentForm.read(prefix="off-")
    try:
        two_step.disable(g.user, form.current.data or "", request.remote_addr or "")
    except Invalid as error:
        return _show(422, off=form.refuse(error))
    tasks.ring_for_people()
    return saved(url_for("two_step.show"), "The app is not asked for any more.")


@blueprint.post("/required")
@guards.signed_in
@guards.proved_recently
@guards.once
def require() -> Response:
    """Say whether everybody of the workspace needs a second step."""
    required = {"1": 1, "2": two_step.ONLY_PASSKEYS}.get(request.form.get("required", ""), 0)
    two_step.require(g.user, required, request.remote_addr or "")
    return saved(url_for("team.index"), REQUIRED[required])


def _show(status: int, renew: LedgerForm | None = None, off: LedgerForm | None = None) -> Response:
    told: dict[str, Any] = {"ways": two_step.ways(g.user), "left": two_step.codes_left(g.user), "needed": two_step.must_set_up(g.user)}
    told |= {"keys": passkeys.of(g.user), "only_passkeys": g.merchant.two_step_required == two_step.ONLY_PASSKEYS}
    told |= {"suspended": two_step.suspended_codes(g.user)}
    told |= {"renew": renew or CurrentForm(prefix="codes-"), "off": off or CurrentForm(prefix="off-")}
    return render("two_step/show.html", status=status, **told)


def _app_page(form: AppForm, status: int) -> Response:
    key = form.key.data or ""
    picture = segno.make(two_step.address_of(g.user, key), error="m").svg_data_uri(scale=5, border=4, dark="#000", light="#fff")
    groups = " ".join(key[at : at + 4] for at in range(0, len(key), 4))
    return render("two_step/app.html", status=status, form=form, picture=picture, key=groups, ways=two_step.ways(g.user))
