"""Routing: the preview of one order, and how a workspace wants orders routed."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, StringField

import tasks
from portal import orders, routing, workspaces
from portal.errors import Invalid, Refused, Stale
from portal.requests import listing, rules
from portal.requests.policies import BY, SILENT, SPLITS, Policy
from portal.requests.rules import Workspace
from portal.requests.states import STATES
from portal.routing import offers
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved
from portal.web.requests import LOOKS
from portal.web.typed import whole_number

blueprint = Blueprint("routing", __name__)


class RoutingForm(VersionedForm):
    """How orders are routed; the order of sources is read beside it."""

    itself = BooleanField("Route new orders by itself", description="Off: each order waits until a person routes it.")
    by = RadioField("Which source is asked first", choices=BY)
    split = RadioField("Splitting", choices=SPLITS)
    silent = RadioField("Sources without Send Orders", choices=SILENT)
    release_after_days = StringField("Release committed stock after, days", description="Of requests that nobody answers. 0 keeps it.")


@blueprint.get("/orders/<order_id>/routing")
@guards.signed_in
def preview(order_id: str) -> Response:
    """Which source would get which line, and why each other one loses. Writes nothing."""
    return _preview(order_id)


@blueprint.post("/orders/<order_id>/routing/now")
@guards.signed_in
@guards.once
def route(order_id: str) -> Response:
    """Route what is unrouted, as the preview says."""
    order = orders.find(g.merchant, order_id)
    try:
        done = routing.route(order, g.user.email, again=request.form.get("again") == "1")
    except Refused as refused:
        return _preview(order_id, str(refused), 409)
    tasks.ring_if_it_works()
    return saved(url_for("order.show", order_id=order_id), done.words)


@blueprint.get("/settings/routing")
@guards.signed_in
def settings() -> Response:
    """How this workspace routes; everyone reads it, owners and admins change it."""
    return _settings(_form(rules.of_workspace(g.merchant)))


@blueprint.post("/settings/routing")
@guards.signed_in
@guards.once
def save_settings() -> Response:
    """Keep it, unless someone else saved first."""
    form = _form(rules.of_workspace(g.merchant))
    try:
        rules.save_workspace(g.merchant, _typed(form), form.version_read(), g.user.email)
    except Invalid as refused:
        return _settings(form.refuse(refused), 422)
    except Stale as stale:
        now = workspaces.fresh(g.merchant)
        form.keep(stale, now.version, _values(rules.of_workspace(now)))
        return _settings(form, 409)
    return saved(url_for("routing.settings"))


def _preview(order_id: str, problem: str = "", status: int = 200) -> Response:
    order, again = orders.find(g.merchant, order_id), request.values.get("again") == "1"
    told = routing.preview(order, again)
    picks: dict[int, list[Any]] = {line.id: [] for line in told.lines}
    for pick in told.decision.picks:
        picks[pick.line].append(pick)
    return render(
        "routing/preview.html", "routing/_preview.html", status, order=order, told=told, picks=picks, again=again, problem=problem,
        requests=listing.of_order(order), looks=LOOKS, states=STATES,
    )  # fmt: skip


def _form(now: Workspace) -> Any:
    return RoutingForm.read(**_values(now), version=str(g.merchant.version))


def _values(now: Workspace) -> dict[str, Any]:
    policy = now.policy
    return {
        "itself": now.itself, "by": policy.by, "split": policy.split, "silent": policy.silent,
        "release_after_days": str(now.release_after_days),
    }  # fmt: skip


def _typed(form: Any) -> Workspace:
    """The rules that the form asks for, unchecked."""
    places = {source.public_id: place for place, source in enumerate(_in_order(), 1)}
    return Workspace(
        bool(form.itself.data),
        Policy(form.by.data or "", form.split.data or "", form.silent.data or ""),
        list(places),
        whole_number((form.release_after_days.data or "").strip()),
    )


def _in_order() -> list[Any]:
    """The sources as they are asked, or as the form numbers them: a number that comes twice keeps their order."""
    known = offers.listed(g.merchant)
    typed = {one.public_id: whole_number(request.form.get(f"place-{one.public_id}", "").strip(), 999_999) for one in known}
    return sorted(known, key=lambda one: typed[one.public_id]) if request.method == "POST" else known


def _settings(form: VersionedForm, status: int = 200) -> Response:
    return render(
        "routing/settings.html", "routing/_settings.html", status, form=form, sources=_in_order(), by=BY, splits=SPLITS, silents=SILENT
    )
