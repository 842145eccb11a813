"""Passkeys of a person: made, listed and removed; and signing in with one. The browser's part is static/passkeys.js."""

from __future__ import annotations

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import HiddenField, StringField

import tasks
from portal import passkeys
from portal.errors import Invalid, Refused
from portal.web import auth, guards, unsent
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("passkeys", __name__)
COOKIE = "passkey"


class PasskeyForm(LedgerForm):
    """What to call it, and what the browser made."""

    name = StringField("Name", description="Such as the device or the password manager that keeps it")
    credential = HiddenField()


@blueprint.post("/sign-in/passkey/options")
@guards.public
def ask() -> Response:
    """What the browser is asked to sign, for who is not signed in. The same for everybody."""
    token, options = passkeys.begin_sign_in()
    response = Response(options, mimetype="application/json")
    longest = int(passkeys.CHALLENGE_LASTS.total_seconds())
    response.set_cookie(guards.cookie_name(COOKIE), token, max_age=longest, **guards.cookie_settings())
    return response


@blueprint.post("/sign-in/passkey")
@guards.public
def enter() -> Response:
    """What the browser signed: both steps at once."""
    wanted = guards.local_path(request.values.get("next"))
    typed = unsent.unpacked(request.form.get(unsent.FIELD, ""))
    try:
        token = request.cookies.get(guards.cookie_name(COOKIE), "")
        user = passkeys.sign_in(token, request.form.get("credential", ""), request.remote_addr or "")
    except Refused as refused:
        tasks.ring_for_people()
        return auth.refused_page(refused, wanted, typed)
    if g.session is not None:
        auth.leave()
    response = auth.entered(user, wanted, typed)
    response.delete_cookie(guards.cookie_name(COOKIE), **guards.cookie_settings())
    return response


@blueprint.get("/profile/two-step/passkeys/new")
@guards.signed_in
@guards.proved_recently
def add() -> Response:
    """What it is to be called, and the button that makes it."""
    return _page(PasskeyForm(formdata=None), 200)


@blueprint.post("/profile/two-step/passkeys/options")
@guards.signed_in
@guards.proved_recently
def options() -> Response:
    """What the browser is asked to make."""
    return Response(passkeys.begin_making(g.user, g.session), mimetype="application/json")


@blueprint.post("/profile/two-step/passkeys/new")
@guards.signed_in
@guards.proved_recently
def make() -> Response:
    """Keep it. Recovery codes, where it is the first second step, are the answer, and shown nowhere else."""
    form = PasskeyForm.read()
    try:
        typed = (form.name.data or "", form.credential.data or "")
        codes = passkeys.finish_making(g.user, g.session, *typed, request.remote_addr or "")
    except Invalid as error:
        general = error.errors.pop("credential", "")
        return _page(form.refuse(general) if general else form.refuse(error), 422)
    tasks.ring_for_people()
    if codes:
        return render("two_step/codes.html", codes=codes)
    return saved(url_for("two_step.show"), "The passkey is kept. You can sign in with it now.")


@blueprint.post("/profile/two-step/passkeys/removal")
@guards.signed_in
@guards.proved_recently
@guards.once
def remove() -> Response:
    """It opens nothing any more."""
    gone = passkeys.remove(g.user, request.form.get("passkey", ""), request.remote_addr or "")
    tasks.ring_for_people()
    return saved(url_for("two_step.show"), f"The passkey {gone.name} opens nothing any more. Remove it from your device, too.")


def _page(form: PasskeyForm, status: int) -> Response:
    return render("two_step/passkey.html", status=status, form=form, site=passkeys.site())
