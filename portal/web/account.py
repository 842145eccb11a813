"""The person's own profile and the settings of the workspace."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, PasswordField, RadioField, SelectField, StringField

import tasks
from portal import accounts, person_links, recovery, two_step, workspaces
from portal.errors import Invalid, Refused, Stale
from portal.requests import auto_process
from portal.web import filters, guards
from portal.web.forms import LedgerForm, VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("account", __name__)
AREAS = {"Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific"}
blueprint.add_app_template_filter(workspaces.session_name)


class LookForm(LedgerForm):
    """How pages look and which clock they use."""

    theme = RadioField("Theme", choices=accounts.THEMES)
    time_zone = SelectField("Time zone", validate_choice=False)
    search_key = BooleanField("Go to the search box with the / key")


class EmailForm(LedgerForm):
    """Another address to sign in with."""

    email = StringField("New email")


class PasswordForm(LedgerForm):
    """The old password and the new one."""

    current = PasswordField("Current password")
    new = PasswordField("New password")


class WorkspaceForm(VersionedForm):
    """What holds for every source unless the source says otherwise."""

    name = StringField("Workspace name")
    time_zone = SelectField("Time zone", validate_choice=False)
    auto_process = BooleanField("Auto Process Fulfillment Requests")


@blueprint.get("/profile")
@guards.signed_in
def profile() -> Response:
    """Look, time zone, password and the places where this person is signed in."""
    return _profile(_look_form(), PasswordForm())


@blueprint.post("/profile")
@guards.signed_in
@guards.once
def save_profile() -> Response:
    """Keep theme and time zone."""
    form = _look_form()
    try:
        accounts.save_profile(g.user, form.theme.data or "", form.time_zone.data or "", bool(form.search_key.data))
    except Invalid as refused:
        return _profile(form.refuse(refused), PasswordForm(), "account/_look.html", 422)  # type: ignore[arg-type]
    return saved(url_for("account.profile"))


@blueprint.post("/profile/password")
@guards.signed_in
@guards.once
def save_password() -> Response:
    """Take a new password; every other session of this person ends."""
    form = PasswordForm.read()
    try:
        accounts.change_password(g.user, form.current.data or "", form.new.data or "", g.session, request.remote_addr or "")
    except (Invalid, Refused) as refused:
        return _profile(_look_form(empty=True), form.refuse(refused), "account/_password.html", 422)
    return saved(url_for("account.profile"), "Password changed. Your other sessions are signed out.")


@blueprint.post("/profile/email")
@guards.signed_in
@guards.proved_recently
@guards.once
def save_email() -> Response:
    """Send a link to the new address and a notice to the present one."""
    form = EmailForm.read()
    try:
        there = recovery.ask_email(g.user, form.email.data or "", request.remote_addr or "")
    except (Invalid, Refused) as refused:
        return _profile(_look_form(empty=True), PasswordForm(), "account/_email.html", 422, email=form.refuse(refused))
    tasks.ring_for_people()
    return saved(url_for("account.profile"), f"A link is on its way to {there}. Until it is opened nothing changes.")


@blueprint.post("/profile/sessions/others")
@guards.signed_in
@guards.once
def end_others() -> Response:
    """Sign out every other browser of this person."""
    ended = recovery.end_others(g.user, g.session, request.remote_addr or "")
    return saved(url_for("account.profile"), f"{filters.plural(ended, 'other browser')} signed out." if ended else "There was no other.")


@blueprint.post("/profile/sessions")
@guards.signed_in
@guards.once
def end_session() -> Response:
    """Sign out one other browser of this person."""
    workspaces.end_session(g.user, request.form.get("session", ""))
    return saved(url_for("account.profile"), "That browser is signed out.")


@blueprint.get("/settings")
@guards.signed_in
def workspace() -> Response:
    """The workspace's settings; everyone reads them, owners and admins change them."""
    form = WorkspaceForm(obj=g.merchant)
    form.time_zone.choices = _zones(g.merchant.time_zone)
    return render("account/workspace.html", "account/_workspace.html", form=form)


@blueprint.post("/settings")
@guards.signed_in
@guards.once
def save_workspace() -> Response:
    """Keep the workspace's settings, unless someone else saved first."""
    form = WorkspaceForm.read()
    form.time_zone.choices = _zones(g.merchant.time_zone)
    ask_first = auto_process.would_send_everywhere(g.merchant, bool(form.auto_process.data)).exists()
    try:
        workspaces.save(
            g.merchant, form.name.data or "", form.time_zone.data or "", bool(form.auto_process.data) and not ask_first,
            version=form.version_read(), who=g.user.email, address=request.remote_addr or "",
        )  # fmt: skip
    except Invalid as refused:
        return render("account/workspace.html", "account/_workspace.html", 422, form=form.refuse(refused))
    except Stale as stale:
        now = workspaces.fresh(g.merchant)
        form.keep(stale, now.version, {"name": now.name, "time_zone": now.time_zone, "auto_process": now.auto_process})
        return render("account/workspace.html", "account/_workspace.html", 409, form=form)
    return saved(url_for("auto_process.of_workspace"), "") if ask_first else saved(url_for("account.workspace"))


def _profile(look: LookForm, password: Any, fragment: str | None = None, status: int = 200, email: Any = None) -> Response:
    told = {"look": look, "password": password, "email": email or EmailForm(formdata=None)}
    context = told | {"sessions": accounts.sessions_of(g.user), "mails": person_links.can_mail(), "two_step": two_step.ways(g.user)}
    return render("account/profile.html", fragment, status, **context)


def _look_form(empty: bool = False) -> LookForm:
    form = LookForm(obj=g.user) if empty else LookForm.read(g.user)
    form.time_zone.choices = {"": f"As the workspace ({_spaced(g.merchant.time_zone)})"} | _zones(g.user.time_zone)
    return form


def _zones(chosen: str) -> dict[str, str]:
    """One name for each zone: places, UTC, and whatever is chosen now."""
    names = {name for name in available_timezones() if name.split("/")[0] in AREAS}
    return {name: _spaced(name) for name in sorted(names | {"UTC"} | ({chosen} - {""}))}


def _spaced(name: str) -> str:
    return name.replace("_", " ")
