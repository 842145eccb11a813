"""The merchant's side of support: who looks now, and whether support may change things, for how long."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from wtforms import RadioField

import tasks
from portal import setup_steps, sources
from portal.errors import Invalid
from portal.support import fixing, outages, views
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("support", __name__, url_prefix="/settings/support")


class GrantForm(LedgerForm):
    """For how long support may change things."""

    how_long = RadioField("For how long", choices={key: words for key, (words, _) in views.GRANTS.items()}, validate_choice=False)


@blueprint.app_template_global()
def support_here() -> list[Any]:
    """Who of the support staff looks at this workspace now, for a notice on each page."""
    return views.at(g.merchant) if g.get("merchant") and g.get("viewing") is None else []


@blueprint.app_template_global()
def outages_here() -> list[Any]:
    """Servers of this workspace's sources that support says do not work."""
    return outages.of(g.merchant) if g.get("merchant") else []


@blueprint.app_template_global()
def reset_of(source: Any) -> Any:
    """(what support reset of this source and can be taken back, the title of the step), None for nothing."""
    made = fixing.open_reset(source)
    return (made, setup_steps.TITLES[made.step]) if made else None


@blueprint.post("/sources/<source_id>/resets/<reset>/restoration")
@guards.signed_in
@guards.once
def take_back(source_id: str, reset: str) -> Response:
    """Bring a source back as it was before support reset it."""
    source = sources.find(g.merchant, source_id)
    fixing.take_back(source, fixing.find_reset(source, reset), g.user.email)
    tasks.ring()
    return saved(url_for("sources.show", source_id=source_id), f"{source.name} is as it was before the reset.")


@blueprint.get("")
@guards.signed_in
def show() -> Response:
    """Who looks now, and what support may do."""
    return _page(GrantForm(how_long="8"))


@blueprint.post("")
@guards.signed_in
@guards.once
def allow() -> Response:
    """Let support change things for a while."""
    form = GrantForm.read()
    try:
        views.allow(g.user, form.how_long.data or "")
    except Invalid as error:
        return _page(form.refuse(error), 422)
    return saved(url_for("support.show"), "Support may change things here until the time that is shown.")


@blueprint.post("/end")
@guards.signed_in
@guards.once
def forbid() -> Response:
    """Let support change nothing from now on."""
    views.forbid(g.user)
    return saved(url_for("support.show"), "Support may change nothing here any more.")


def _page(form: GrantForm, status: int = 200) -> Response:
    return render("support/show.html", status=status, form=form, grant=views.grant(g.merchant), looking=views.at(g.merchant))
