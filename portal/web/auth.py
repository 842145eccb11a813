"""Sign in, sign out, and giving the password again before something delicate."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, Response, current_app, g, redirect, url_for
from htmx_flask import request
from wtforms import PasswordField, StringField

from portal import accounts
from portal.errors import Refused
from portal.web import guards, unsent
from portal.web.forms import LedgerForm
from portal.web.render import go, render, saved, wants_fragment

blueprint = Blueprint("auth", __name__)


class SignInForm(LedgerForm):
    """Email and password."""

    email = StringField("Email")
    password = PasswordField("Password")


class ProofForm(LedgerForm):
    """The password once more."""

    password = PasswordField("Password")


@blueprint.route("/sign-in", methods=["GET", "POST"])
@guards.public
def sign_in() -> Response:
    """The sign-in page; a good password opens a new session and leads to the page that was asked for."""
    wanted = guards.local_path(request.values.get("next"))
    if g.session is not None and request.method == "GET":
        return redirect(wanted)  # type: ignore[return-value]
    form = SignInForm.read()
    typed = unsent.unpacked(request.form.get(unsent.FIELD, ""))  # never from the address: a link must not fill in a form
    if request.method == "POST":
        try:
            return _opened(form, wanted, typed)
        except Refused as refused:
            form.refuse(refused)
    return _with_form_cookie(form, wanted, 422 if form.general else 200, typed)


@blueprint.app_errorhandler(guards.Ended)
def ended(_error: guards.Ended) -> Response:
    """The session ended before a form was saved: the sign-in page at once, with what was typed inside it."""
    typed = unsent.of_request()
    if typed is None:
        return guards.to_sign_in()
    response = _with_form_cookie(SignInForm(formdata=None), guards.way_back(), 401, typed)
    if wants_fragment():
        response.headers["HX-Retarget"] = "body"
        response.headers["HX-Reswap"] = "innerHTML"
    return response


@blueprint.post("/sign-out")
@guards.signed_in
def sign_out() -> Response:
    """End this session here and on the server."""
    accounts.sign_out(g.session)
    response = go(url_for("auth.sign_in", done="1"))
    response.delete_cookie(guards.cookie_name("session"), **_cookie_settings())
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@blueprint.route("/prove", methods=["GET", "POST"])
@guards.signed_in
def prove() -> Response:
    """Ask for the password again, then go on."""
    wanted = guards.local_path(request.values.get("next"))
    form = ProofForm.read()
    if request.method == "POST":
        try:
            accounts.prove(g.session, form.password.data or "", request.remote_addr or "")
            return saved(wanted, "")
        except Refused as refused:
            form.refuse(refused)
    return render("auth/prove.html", "auth/_prove.html", 422 if form.general else 200, form=form, wanted=wanted)


def _opened(form: SignInForm, wanted: str, typed: unsent.Unsent | None) -> Response:
    if g.session is not None:
        accounts.sign_out(g.session)
    browser = request.user_agent.string
    _, token = accounts.sign_in(form.email.data or "", form.password.data or "", request.remote_addr or "", browser)
    response = _still_here(token, wanted, typed) if typed else go(wanted)
    longest = int(accounts.LONGEST_SESSION.total_seconds())
    response.set_cookie(guards.cookie_name("session"), token, max_age=longest, **_cookie_settings())
    response.delete_cookie(guards.cookie_name("form"), **_cookie_settings())
    return response


def _still_here(token: str, wanted: str, typed: unsent.Unsent) -> Response:
    """What was typed before the session ended, to be sent again with the tokens of the new one."""
    session = accounts.session_for(token)
    if session is None:
        return go(wanted)
    g.session, g.user, g.merchant = session, session.user, session.user.merchant
    return render("auth/unsent.html", typed=typed, wanted=wanted)


def _with_form_cookie(form: SignInForm, wanted: str, status: int, typed: unsent.Unsent | None) -> Response:
    """The page and, for a first visit, the cookie that its hidden field must equal (there is no session yet)."""
    name = guards.cookie_name("form")
    if g.session is None and not request.cookies.get(name):
        g.new_form_cookie = secrets.token_urlsafe(32)
    ended, done = request.args.get("ended") == "1", request.args.get("done") == "1"
    fragment = None if typed else "auth/_sign_in.html"
    response = render("auth/sign_in.html", fragment, status, form=form, wanted=wanted, ended=ended, done=done, typed=typed)
    if g.get("new_form_cookie"):
        response.set_cookie(name, g.new_form_cookie, **_cookie_settings())
    return response


def _cookie_settings() -> dict[str, Any]:
    return {"path": "/", "httponly": True, "samesite": "Lax", "secure": current_app.config["PORTAL"].production}
