"""Fulfillment sources: the list, adding one, its overview and its integrations."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, redirect, url_for
from htmx_flask import request
from wtforms import RadioField, StringField

import tasks
from portal import channels, circuit, connections, deliveries, plans, ribbon, runs, secondary, setup_steps, source_status, sources
from portal.errors import Invalid, Refused
from portal.inventory import counted, silence
from portal.requests import listing
from portal.web import filters, guards, schedule, steps
from portal.web.forms import LedgerForm
from portal.web.render import render, saved, wants_fragment

blueprint = Blueprint("sources", __name__)

CHIPS = {
    "": "All", "action": "Action needed", "held": "Held for review", "late": "Late", "syncing": "Syncing", "ok": "Up to date",
    "ready": "Ready", "paused": "Paused", "draft": "Draft",
}  # fmt: skip
MAPPING_STEPS = {
    "get_inventory_primary": "inventory",
    "get_inventory_secondary": "inventory",
    "send_orders": "orders",
    "get_shipments": "shipments",
    "get_acknowledgements": "acknowledgements",
}
KIND_HINTS = {
    "dropship_supplier": "Ships your orders from its own stock",
    "internal_warehouse": "Your own stock and your own people. Backorders start allowed",
    "external_warehouse": "Your stock, held and shipped by a warehouse company",
    "data_source": "Only tells about products; ships nothing",
}


class SourceForm(LedgerForm):
    """Name and type of a source."""

    name = StringField("Name", description="Only you see this name. At most 80 characters")
    kind = RadioField("Type", choices=sources.KINDS, default="dropship_supplier", validate_choice=False)


@blueprint.get("/")
@guards.signed_in
def home() -> Any:
    """The portal opens with the sources."""
    return redirect(url_for("sources.index"))


@blueprint.get("/sources")
@guards.signed_in
def index() -> Response:
    """Every source, the ones that need someone first."""
    everything = source_status.needs_you_first(source_status.of_all(g.merchant, sources.listing(g.merchant), filters.zone().key))
    tallies = counted.of_sources([one.source.id for one in everything])
    q, state = request.args.get("q", "").strip()[:100], request.args.get("state", "")
    named = [one for one in everything if sources.name_key(q) in one.source.name_key]
    return render(
        "sources/index.html",
        "sources/_list.html",
        everything=everything,
        shown=[one for one in named if not state or one.state == state],
        chips=[(key, words, sum(not key or one.state == key for one in named)) for key, words in CHIPS.items()],
        q=q,
        state=state if state in CHIPS else "",
        worst=next((one for one in everything if one.state in ("action", "held", "late")), None),
        methods={one.source.id: _method(one.source) for one in everything},
        tallies=tallies,
        tally=sum(tallies.values(), counted.Tally()),
        limit=plans.limits(g.merchant.id)["skus"],
    )


@blueprint.get("/sources/<source_id>/row")
@guards.signed_in
def row(source_id: str) -> Response:
    """One row of the list, which asks for itself again while its source is syncing."""
    source = sources.find(g.merchant, source_id)
    if not wants_fragment():
        return redirect(url_for("sources.show", source_id=source_id))  # type: ignore[return-value]
    return render(
        "sources/_row.html", one=source_status.of(source, filters.zone().key), method=_method(source),
        tallies=counted.of_sources([source.id]),
    )  # fmt: skip


@blueprint.get("/sources/new")
@guards.signed_in
def add() -> Response:
    """Phase 1: the form for a new source."""
    return _add_page(SourceForm())


@blueprint.post("/sources/new")
@guards.signed_in
@guards.once
def create() -> Response:
    """Save a new source; it exists as a draft from here."""
    form = SourceForm.read()
    try:
        source = sources.create(g.merchant, form.name.data or "", form.kind.data or "", g.user.email)
    except Invalid as error:
        return _add_page(form.refuse(error), 422)
    return saved(url_for("sources.show", source_id=source.public_id))


@blueprint.get("/sources/<source_id>")
@guards.signed_in
def show(source_id: str) -> Response:
    """Overview: where the source stands, its last runs, and how set-up goes on. The line of a channel leads to its channel."""
    source = sources.find_line(g.merchant, source_id)
    if source.kind == sources.CHANNEL_LINE:
        return redirect(url_for("channels.show", channel_id=channels.of_line(source).public_id))  # type: ignore[return-value]
    return render(
        "sources/show.html",
        source=source,
        tab="overview",
        standing=source_status.of(source, filters.zone().key),
        kinds=sources.KINDS,
        integrations=sources.integrations(source),
        ribbon=ribbon.of(source, g.merchant, filters.zone().key),
        silent=_silent(source),
        rest=circuit.of(source),
        step=setup_steps.next_step(source),
        titles=setup_steps.TITLES,
        asked=listing.open_of_source(source),
        refused=deliveries.refused_lately(source) if source.supplier and connections.is_webhook(source) else 0,
    )


@blueprint.get("/sources/<source_id>/integrations")
@guards.signed_in
def integrations(source_id: str) -> Response:
    """What the source does: inventory in, orders out, shipments in."""
    source = sources.find(g.merchant, source_id)
    rows = _integration_rows(source)
    may_add = source.state != "draft" and bool(rows) and secondary.of(source) is None
    why_not = connections.no_second(source) if may_add else ""
    return render(
        "sources/integrations.html", source=source, tab="integrations", rows=rows, may_add=may_add and not why_not, why_not=why_not
    )


@blueprint.get("/sources/<source_id>/integrations/<kind>")
@guards.signed_in
def integration(source_id: str, kind: str) -> Response:
    """One integration's row alone, refreshed while it runs; a page of the same without htmx."""
    source = sources.find(g.merchant, source_id)
    chosen = sources.integration(source, kind)
    rows = [line for line in _integration_rows(source) if line["integration"].id == chosen.id]
    return render(
        "sources/integrations.html", "sources/_integration.html", source=source, tab="integrations", rows=rows, line=rows[0],
        may_add=False, why_not="",
    )  # fmt: skip


@blueprint.post("/sources/<source_id>/integrations/<kind>/runs")
@guards.signed_in
@guards.once
def run_sync(source_id: str, kind: str) -> Response:
    """Run Sync: start the integration's run now."""
    source = sources.find(g.merchant, source_id)
    chosen = sources.integration(source, kind)
    if source.state == "draft":
        raise Refused("This source is a draft. Finish its set-up first; Save at the end starts the first sync.")
    try:
        run = runs.start_sync(chosen, started_by=g.user.email)
    except runs.AlreadyRunning as busy:
        return saved(url_for("runs.show", run_id=busy.run.public_id), f"A sync is already running (started {busy.ago} ago)")
    tasks.ring()
    return saved(url_for("runs.show", run_id=run.public_id), "Sync started")


def _silent(source: Any) -> Any:
    """The run in which the rule for silence acted, while no feed was accepted since."""
    return next((run for one in sources.integrations(source) if (run := silence.acted(one))), None)


def _add_page(form: LedgerForm, status: int = 200) -> Response:
    return render("sources/add.html", "sources/_add.html", status, form=form, hints=KIND_HINTS)


def _method(source: Any) -> str:
    return ", ".join(connections.supplier_of(source).methods) if source.supplier else "No supplier chosen yet"


def _integration_rows(source: Any) -> list[dict[str, Any]]:
    status = source_status.of(source, filters.zone().key)
    return [_integration_row(source, one, status) for one in sources.integrations(source)]


def _integration_row(source: Any, one: Any, status: Any) -> dict[str, Any]:
    supplier = connections.supplier_of(source)
    operation, feed = MAPPING_STEPS[one.kind], status.feeds.get(one.id)
    adding = one.kind == sources.SECONDARY and not one.enabled
    return {
        "integration": one,
        "title": sources.INTEGRATION_KINDS[one.kind],
        "state": _integration_state(source, one, feed),
        "adding": adding,
        "cannot": (supplier.cannot or {}).get(operation, "") if not supplier.supports.get(operation) else "",
        "schedule": schedule.in_words(one),
        "run": feed.run if feed else None,
        "feed": feed,
        "mapping_at": steps.feed_page(one, "mapping") if feed else steps.page(source, operation),
        "file_at": _file_at(source, one) if feed else "",
        "go_on": steps.onward(source, one.kind) if adding else "",
        "runs_now": one.kind in runs.SYNC_KINDS,
        "is_feed": one.kind in sources.INVENTORY_KINDS,
    }


def _file_at(source: Any, one: Any) -> tuple[str, str]:
    """(words, address) of where its file is chosen, or sent by a person."""
    if connections.is_webhook(source):
        return "See the deliveries", url_for("hooks.list_deliveries", source_id=source.public_id)
    if connections.is_upload(source):
        endpoint = "connections.edit" if one.kind == sources.PRIMARY else "connections.upload_second"
        return "Upload a file", url_for(endpoint, source_id=source.public_id)
    return "Edit file", steps.feed_page(one, "file")


def _integration_state(source: Any, one: Any, feed: Any) -> str:
    if not one.enabled:
        return "off"
    if one.paused:
        return "paused"
    if source.state == "draft":
        return "draft"
    return feed.state if feed else "on"
