"""Pages behind links that work once: joining by an invitation, choosing a new password, confirming a new address."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import PasswordField, StringField

import tasks
from portal import accounts, people, person_links, recovery, roles
from portal.errors import Invalid, NotFound, Refused
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import go, render

blueprint = Blueprint("joining", __name__)


class NewPasswordForm(LedgerForm):
    """A password that is chosen."""

    password = PasswordField("Password")


class ResetForm(LedgerForm):
    """Who forgot the password."""

    email = StringField("Email")


@blueprint.route("/invitation/<token>", methods=["GET", "POST"])
@guards.public
def invitation(token: str) -> Response:
    """Choose a password and join. A link that ended says so."""
    guards.begin_form()
    form = NewPasswordForm.read()
    try:
        link = person_links.open_link("invite", token)
        if request.method == "POST":
            opened = people.accept(token, form.password.data or "", request.remote_addr or "", request.user_agent.string)
            if g.session is not None:
                accounts.sign_out(g.session)
            return guards.with_session(go(url_for("sources.home")), opened)
    except NotFound:
        return _ended("invitation", "Ask who invited you for a new one.")
    except (Invalid, Refused) as error:
        form.refuse(error)
    told = {
        "merchant_name": link.merchant.name if link.merchant else "",
        "email": link.email,
        "role": roles.ROLES[link.role],
        "here": request.path,
    }
    return _page("joining/invitation.html", form, 422 if form.problems() else 200, **told)


@blueprint.route("/reset", methods=["GET", "POST"])
@guards.public
def ask_reset() -> Response:
    """Ask for a link to a new password. The answer is the same whether the account exists."""
    guards.begin_form()
    form = ResetForm.read()
    if request.method == "POST":
        try:
            recovery.ask_reset(form.email.data or "", request.remote_addr or "")
            tasks.ring_for_people()
            return _page("joining/asked.html", form, 200)
        except Refused as error:
            form.refuse(error)
    return _page("joining/ask_reset.html", form, 422 if form.problems() else 200, mails=person_links.can_mail())


@blueprint.route("/reset/<token>", methods=["GET", "POST"])
@guards.public
def reset(token: str) -> Response:
    """Choose the new password; every session ends, and the person signs in anew."""
    guards.begin_form()
    form = NewPasswordForm.read()
    try:
        link = person_links.open_link("reset", token)
        if request.method == "POST":
            recovery.reset(token, form.password.data or "", request.remote_addr or "")
            answer = go(url_for("auth.sign_in", changed="1"))
            return guards.with_device(answer, link.user.email) if link.user else answer
    except NotFound:
        return _ended("link", "Ask for a new one.", url_for("joining.ask_reset"))
    except Invalid as error:
        form.refuse(error)
    return _page("joining/reset.html", form, 422 if form.problems() else 200, email=link.email, here=request.path)


@blueprint.route("/new-address/<token>", methods=["GET", "POST"])
@guards.public
def new_address(token: str) -> Response:
    """Confirm a new address. A page first, because programs follow links in e-mails."""
    guards.begin_form()
    form = LedgerForm.read()
    try:
        link = person_links.open_link("email", token)
        if request.method == "POST":
            recovery.confirm_email(token, request.remote_addr or "")
            tasks.ring_for_people()
            return go(url_for("auth.sign_in", changed="1"))
    except NotFound:
        return _ended("link", "Change the address on your profile once more.", "/profile")
    except Refused as error:
        form.refuse(error)
    return _page("joining/new_address.html", form, 422 if form.problems() else 200, email=link.email, here=request.path)


def _page(page: str, form: Any, status: int, **told: Any) -> Response:
    return guards.with_form_cookie(render(page, status=status, form=form, **told))


def _ended(what: str, then: str, at: str = "") -> Response:
    return guards.with_form_cookie(render("joining/ended.html", status=404, what=what, then=then, at=at))
