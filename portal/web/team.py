"""The people of the workspace: who is in it, invitations, roles, access; and what each role may do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import RadioField, StringField

import tasks
from portal import api_tokens, people, person_links, roles
from portal.errors import Forbidden, Invalid, Refused
from portal.web import guards
from portal.web.addresses import external
from portal.web.forms import LedgerForm
from portal.web.render import render, saved
from portal.web.rights import RIGHT_OF

blueprint = Blueprint("team", __name__, url_prefix="/team")
ROLE_CHOICES = {name: role.word for name, role in roles.ROLES.items()}
ROLE_HINTS = {name: role.what for name, role in roles.ROLES.items()}


class InviteForm(LedgerForm):
    """Somebody new."""

    email = StringField("Email")
    role = RadioField("Role", choices=ROLE_CHOICES, default="operator", validate_choice=False)


class RoleForm(LedgerForm):
    """Another role for somebody."""

    role = RadioField("Role", choices=ROLE_CHOICES, validate_choice=False)


@blueprint.get("")
@guards.signed_in
def index() -> Response:
    """Everybody, with role, two-step sign-in and when they were seen; below it the invitations that are open."""
    used, most = people.seats(g.merchant)
    return render(
        "team/index.html", people=people.listing(g.merchant), invitations=people.invitations(g.merchant), roles=roles.ROLES, used=used,
        most=most, mails=person_links.can_mail(),
    )  # fmt: skip


@blueprint.get("/roles")
@guards.signed_in
def roles_table() -> Response:
    """The table of what each role may do, from the table that guards every page: rights that a page asks for."""
    named = {right for line in RIGHT_OF.values() for right in ((line,) if isinstance(line, str) else line)}
    rights = {right: words for right, words in roles.RIGHTS.items() if right in named}
    return render("team/roles.html", roles=roles.ROLES, rights=rights, has=roles.may)


@blueprint.get("/invitations/new")
@guards.signed_in
@guards.proved_recently
def invite() -> Response:
    """Whom to invite, and as what."""
    return _invite_page(InviteForm(), 200)


@blueprint.post("/invitations/new")
@guards.signed_in
@guards.proved_recently
def send_invitation() -> Response:
    """E-mail the link, or show it once where this installation sends none.

    Not `guards.once`, which would keep where to go and lose the link: sent twice, only the second link works.
    """
    form = InviteForm.read()
    try:
        token = people.invite(g.user, form.email.data or "", form.role.data or "", request.remote_addr or "")
    except (Invalid, Refused) as error:
        return _invite_page(form.refuse(error), 422)
    if not token:
        tasks.ring_for_people()
        return saved(url_for("team.index"), f"An invitation to {form.email.data} is on its way. Its link works for 2 hours.")
    return render("team/invited.html", email=form.email.data, link=external("joining.invitation", token=token))


@blueprint.post("/invitations")
@guards.signed_in
@guards.once
def take_back() -> Response:
    """End an invitation."""
    link = people.take_back(g.user, request.form.get("invitation", ""), request.remote_addr or "")
    return saved(url_for("team.index"), f"The invitation to {link.email} opens nothing any more.")


@blueprint.get("/<user_id>/role")
@guards.signed_in
@guards.proved_recently
def role(user_id: str) -> Response:
    """Which role the person shall have."""
    user = people.find(g.merchant, user_id)
    return _role_page(user, RoleForm(role=user.role), 200)


@blueprint.post("/<user_id>/role")
@guards.signed_in
@guards.proved_recently
@guards.once
def save_role(user_id: str) -> Response:
    """Give it, unless that would leave the workspace without an owner."""
    user, form = people.find(g.merchant, user_id), RoleForm.read()
    try:
        people.change_role(g.user, user, form.role.data or "", request.remote_addr or "")
    except (Invalid, Refused) as error:
        return _role_page(user, form.refuse(error), 422)
    except Forbidden as error:
        return _role_page(user, form.refuse(error), 403)
    return saved(url_for("team.index"), f"{user.email} is {roles.ROLES[form.role.data].one} now, and signs in again.")


@blueprint.get("/<user_id>/access")
@guards.signed_in
@guards.proved_recently
def access(user_id: str) -> Response:
    """What ending or giving back somebody's access means."""
    user = people.find(g.merchant, user_id)
    return _access_page(user, "", 200)


@blueprint.post("/<user_id>/access")
@guards.signed_in
@guards.proved_recently
@guards.once
def save_access(user_id: str) -> Response:
    """End it or give it back, as the page said."""
    user, disable = people.find(g.merchant, user_id), request.form.get("do") == "disable"
    try:
        people.set_disabled(g.user, user, disable, request.remote_addr or "")
    except (Refused, Forbidden) as error:
        return _access_page(user, str(error), 422)
    words = "is signed out everywhere and cannot sign in" if disable else "can sign in again"
    return saved(url_for("team.index"), f"{user.email} {words}.")


def _invite_page(form: Any, status: int) -> Response:
    return render("team/invite.html", "team/_invite.html", status, form=form, hints=ROLE_HINTS, mails=person_links.can_mail())


def _access_page(user: Any, problem: str, status: int) -> Response:
    told = {"own": user.id == g.user.id, "tokens": len(api_tokens.of_person(user))}
    return render("team/access.html", status=status, user=user, problem=problem, **told)


def _role_page(user: Any, form: Any, status: int) -> Response:
    told = {"own": user.id == g.user.id, "tokens": len(api_tokens.of_person(user))}
    return render("team/role.html", "team/_role.html", status, user=user, form=form, hints=ROLE_HINTS, **told)
