"""Sign in, sign out, and giving the password again before something delicate."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, redirect, url_for
from htmx_flask import request
from wtforms import PasswordField, StringField

from portal import accounts, person_links, two_step
from portal.errors import NotFound, Refused
from portal.web import guards, unsent
from portal.web.forms import LedgerForm
from portal.web.render import go, render, saved, wants_fragment

blueprint = Blueprint("auth", __name__)


class SignInForm(LedgerForm):
    """Email and password."""

    email = StringField("Email")
    password = PasswordField("Password")


class SecondForm(LedgerForm):
    """A code of the app, or a recovery code."""

    code = StringField("Code")


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


@blueprint.route("/sign-in/second", methods=["GET", "POST"])
@guards.public
def second() -> Response:
    """The second step: a code, or a recovery code, of the person whose password was right a moment ago."""
    wanted = guards.local_path(request.values.get("next"))
    try:
        link = person_links.open_link("step", request.cookies.get(guards.cookie_name("step"), ""))
    except NotFound:
        return go(url_for("auth.sign_in", next=wanted))
    if request.method == "GET" or link.user is None or link.user.disabled_at is not None:
        return go(url_for("auth.sign_in", next=wanted))
    form, typed = SecondForm.read(), unsent.unpacked(request.form.get(unsent.FIELD, ""))
    try:
        device = request.cookies.get(guards.cookie_name("device"), "")
        two_step.check(link.user, form.code.data or "", request.remote_addr or "", device)
        person_links.use(link)
    except Refused as refused:
        form.refuse(refused)
        return guards.with_form_cookie(_second_page(form, wanted, typed, 422))
    response = entered(link.user, wanted, typed)
    response.delete_cookie(guards.cookie_name("step"), **guards.cookie_settings())
    return response


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


@blueprint.app_errorhandler(guards.Unproved)
def unproved(_error: guards.Unproved) -> Response:
    """The password is asked for again before a form is taken: the page at once, with what was typed inside it."""
    typed = unsent.of_request()
    if typed is None:
        return go(url_for("auth.prove", next=guards.way_back()))
    response = render("auth/prove.html", None, 401, form=ProofForm(formdata=None), wanted=guards.way_back(), typed=typed)
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
    response.delete_cookie(guards.cookie_name("session"), **guards.cookie_settings())
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@blueprint.route("/prove", methods=["GET", "POST"])
@guards.signed_in
def prove() -> Response:
    """Ask for the password again, then go on."""
    wanted = guards.local_path(request.values.get("next"))
    form, typed = ProofForm.read(), unsent.unpacked(request.form.get(unsent.FIELD, ""))
    if request.method == "POST":
        try:
            accounts.prove(g.session, form.password.data or "", request.remote_addr or "")
            return render("auth/unsent.html", typed=typed, wanted=wanted, proved=True) if typed else saved(wanted, "")
        except Refused as refused:
            form.refuse(refused)
    return render("auth/prove.html", "auth/_prove.html", 422 if form.general else 200, form=form, wanted=wanted, typed=typed)


def _opened(form: SignInForm, wanted: str, typed: unsent.Unsent | None) -> Response:
    if g.session is not None:
        accounts.sign_out(g.session)
    device = request.cookies.get(guards.cookie_name("device"), "")
    user = accounts.check_password(form.email.data or "", form.password.data or "", request.remote_addr or "", device)
    if two_step.ways(user):
        return _asked(user, wanted, typed)
    return entered(user, wanted, typed)


def _asked(user: Any, wanted: str, typed: unsent.Unsent | None) -> Response:
    """The page of the second step, and the cookie that says whose it is."""
    token = two_step.begin(user, request.remote_addr or "")
    response = guards.with_form_cookie(_second_page(SecondForm(formdata=None), wanted, typed))
    response.set_cookie(guards.cookie_name("step"), token, max_age=300, **guards.cookie_settings())
    return response


def _second_page(form: SecondForm, wanted: str, typed: unsent.Unsent | None, status: int = 200) -> Response:
    return render("auth/second.html", "auth/_second.html", status, form=form, wanted=wanted, typed=typed)


def refused_page(refused: Refused, wanted: str, typed: unsent.Unsent | None) -> Response:
    """The sign-in page once more, with why not."""
    form = SignInForm(formdata=None)
    form.refuse(refused)
    return _with_form_cookie(form, wanted, 422, typed)


def leave() -> None:
    """End the session of this browser before another begins."""
    accounts.sign_out(g.session)


def entered(user: Any, wanted: str, typed: unsent.Unsent | None) -> Response:
    """The answer to somebody who proved everything: a session, and the page that was asked for."""
    token = accounts.begin_session(user, request.remote_addr or "", request.user_agent.string)
    response = _still_here(token, wanted, typed) if typed else go(wanted)
    return guards.with_device(guards.with_session(response, token), user.email)


def _still_here(token: str, wanted: str, typed: unsent.Unsent) -> Response:
    """What was typed before the session ended, to be sent again with the tokens of the new one."""
    session = accounts.session_for(token)
    if session is None:
        return go(wanted)
    g.session, g.user, g.merchant = session, session.user, session.user.merchant
    return render("auth/unsent.html", typed=typed, wanted=wanted, proved=False)


def _with_form_cookie(form: SignInForm, wanted: str, status: int, typed: unsent.Unsent | None) -> Response:
    """The page and, for a first visit, the cookie that its hidden field must equal (there is no session yet)."""
    guards.begin_form()
    told = {name: request.args.get(name) == "1" for name in ("ended", "done", "changed")}
    fragment = None if typed else "auth/_sign_in.html"
    return guards.with_form_cookie(render("auth/sign_in.html", fragment, status, form=form, wanted=wanted, typed=typed, **told))
