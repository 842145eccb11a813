"""Alerts: what fires first, what was snoozed, what ended; one with what was told of it; and the way to where it is mended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, redirect, url_for
from htmx_flask import request

from portal import clock
from portal.alerts import listing, rules
from portal.errors import Invalid
from portal.operation import presence
from portal.web import guards
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("alerts", __name__)
LOOKS = {"action": ("action", ""), "warning": ("warnings", "Warning"), "news": ("ready", "News")}
"""A level -> the badge that it looks like, and its words where they differ."""
SILENT_SECONDS = 180


def _of_source(endpoint: str) -> Callable[[Any], str]:
    return lambda alert: url_for(endpoint, source_id=alert.source.public_id)


def _of_run(endpoint: str) -> Callable[[Any], str]:
    return lambda alert: url_for(endpoint, run_id=alert.facts["run"])


def _requests(name: str, value: str) -> Callable[[Any], str]:
    def place(alert: Any) -> str:
        asked: dict[str, Any] = {name: value, "source": alert.source.public_id if alert.source else None}
        return url_for("requests.index", **asked)

    return place


PLACES: dict[str, Callable[[Any], str]] = {
    "source": _of_source("sources.show"),
    "held": _of_run("held.show"),
    "columns": _of_run("columns.show"),
    "run": _of_run("runs.show"),
    "connection": _of_source("connections.edit"),
    "sign_in": _of_source("signing_in.leave"),
    "host_key": _of_source("connections.host_key"),
    "checks": _of_source("connections.checks"),
    "sending": _of_source("sending_ways.edit"),
    "orders": lambda _alert: url_for("orders.index", view="needs"),
    "requests": _requests("view", "needs"),
    "overdue": _requests("shipped", "awaiting"),
    "check": _requests("sending", "check_needed"),
    "shipments": lambda alert: url_for("shipments.index", source=alert.source.public_id),
    "answers": lambda _alert: url_for("requests.problems"),
    "channel": lambda alert: url_for("channels.show", channel_id=alert.channel.public_id),
    "push": lambda alert: url_for("pushing.held", channel_id=alert.channel.public_id),
    "usage": lambda _alert: url_for("usage.index"),
    "installation": lambda _alert: url_for("operate.show"),
}
"""facts["place"] of an alert -> the page where it is mended."""


@blueprint.app_template_global()
def firing_alerts() -> int:
    """How many fire, for the navigation."""
    return listing.firing(g.merchant) if g.get("merchant") else 0


@blueprint.app_template_global()
def worker_gone_since() -> Any:
    """Since when no worker was seen, None while one is there or before the first: a worker that stopped cannot send an alert."""
    if not g.get("merchant"):
        return None
    seen = presence.last_seen("worker")
    return seen if seen is not None and (clock.now() - seen).total_seconds() > SILENT_SECONDS else None


@blueprint.get("/alerts")
@guards.signed_in
def index() -> Response:
    """What fires first; or what was snoozed, or ended."""
    view = request.args.get("view", "")
    view = view if view in listing.VIEWS else "open"
    number = whole_number(request.args.get("page", "1"), 1)
    found = listing.page(g.merchant, view, number)
    return render(
        "alerts/index.html", "alerts/_list.html", found=found, view=view, here=url_for("alerts.index", view=view), looks=LOOKS,
        views=[(key, words, found.counts[key], url_for("alerts.index", view=key)) for key, words in listing.VIEWS.items()],
        next_url=url_for("alerts.index", view=view, page=found.next) if found.next else "", act_of=_act, snoozes=listing.SNOOZES,
        ended=listing.ENDED, titles=rules.RULES, first=number == 1, working=bool(presence.living("worker")),
    )  # fmt: skip


@blueprint.get("/alerts/<alert_id>")
@guards.signed_in
def show(alert_id: str) -> Response:
    """One alert: its words, the one act, answering it, and who was told."""
    alert = listing.find(g.merchant, alert_id)
    return render(
        "alerts/show.html", alert=alert, looks=LOOKS, states=listing.STATES, snoozes=listing.SNOOZES, ended=listing.ENDED,
        rule=rules.RULES[alert.rule], act=_act(alert), messages=listing.told(alert), message_states=listing.MESSAGES,
    )  # fmt: skip


@blueprint.get("/alerts/<alert_id>/mending")
@guards.signed_in
def mending(alert_id: str) -> Response:
    """To the page where it is mended: what messages link to."""
    return redirect(_place(listing.find(g.merchant, alert_id)), 302)  # type: ignore[return-value]


@blueprint.post("/alerts/<alert_id>/acknowledgement")
@guards.signed_in
@guards.once
def acknowledge(alert_id: str) -> Response:
    """I look after it."""
    listing.acknowledge(listing.find(g.merchant, alert_id), g.user.email)
    return saved(url_for("alerts.index"), "Acknowledged. It is told no more, unless it gets worse or becomes something else.")


@blueprint.post("/alerts/<alert_id>/snooze")
@guards.signed_in
@guards.once
def snooze(alert_id: str) -> Response:
    """Leave it for a while."""
    how = request.form.get("how", "")
    alert = listing.find(g.merchant, alert_id)
    try:
        listing.snooze(alert, how, g.user.email)
    except Invalid:
        return saved(url_for("alerts.show", alert_id=alert_id), "Choose for how long. Nothing was changed.")
    length = listing.SNOOZES[how][0]
    return saved(url_for("alerts.index"), f"Snoozed {'until it changes' if how == 'change' else f'for {length}'}. It is under Snoozed.")


@blueprint.post("/alerts/<alert_id>/waking")
@guards.signed_in
@guards.once
def wake(alert_id: str) -> Response:
    """Take back an acknowledgement or a snooze."""
    listing.wake(listing.find(g.merchant, alert_id))
    return saved(url_for("alerts.index"), "It is open again.")


def _act(alert: Any) -> tuple[str, str]:
    """(the words of the one act, where it leads)."""
    place = alert.facts.get("place", "")
    return ("See the channel" if listing.line_of(alert) else rules.act_of(place)), _place(alert)


def _place(alert: Any) -> str:
    line = listing.line_of(alert)
    if line is not None and alert.facts.get("place") not in ("run", "connection", "checks", "host_key", "sign_in"):
        return url_for("channels.show", channel_id=line.public_id)
    return PLACES[alert.facts.get("place") or "source"](alert)
