"""Fulfillment requests: the list, one with its timeline, and Process."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal import sources
from portal.requests import answers, auto_process, events, listing, process, why
from portal.requests.counts import BUCKETS
from portal.requests.listing import REASONS, VIEWS, Asked
from portal.requests.states import SENDING, SHIPPED, STATES, may
from portal.shipments import listing as parcels
from portal.shipments.carriers import carrier_of
from portal.web import guards
from portal.web.filters import plural
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("requests", __name__)

LOOKS = {
    "unprocessed": "queued", "processing": "running", "processed": "finished", "acknowledged": "ok", "failed": "failed",
    "canceled": "stopped", "voided": "stopped", "too_long": "action", "duplicate": "action",
    "awaiting": "waiting", "partial": "running", "shipped": "ok",
}  # fmt: skip
"""A state of either axis -> the badge that it looks like."""
FILTERS = ("view", "state", "shipped", "sending")


@blueprint.get("/requests")
@guards.signed_in
def index() -> Response:
    """What needs a person first, then what waits; or as filtered."""
    known = sources.listing(g.merchant)
    given = {name: request.args.get(name, "").strip() for name in (*FILTERS, "q", "source", "after")}
    source = next((one for one in known if one.public_id == given["source"]), None)
    view = given["view"] if given["view"] in VIEWS else ""
    filtered = bool(given["q"] or given["state"] or given["shipped"] or given["sending"])
    asked = Asked(
        view or ("all" if filtered else ""), given["state"], given["shipped"], given["sending"], source, given["q"], given["after"]
    )  # fmt: skip
    page = listing.page(g.merchant, asked)
    facts = why.facts(g.merchant.time_zone, [one.source_id for one in page.rows])
    kept = {name: value for name, value in given.items() if value and name not in ("after", "view")}
    return render(
        "requests/index.html", "requests/_list.html", found=page, given=given, view=view, filtered=filtered, sources=known, source=source,
        looks=LOOKS, states=STATES, shipped=SHIPPED, sending=SENDING, reasons=REASONS,
        why_not={one.id: why.not_sent(one, facts) for one in page.rows}, problems=len(answers.open_problems(g.merchant)),
        views=[(key, words, page.counts[key], url_for("requests.index", view=key, **kept)) for key, words in VIEWS.items()],
        next_url=url_for("requests.index", after=page.next, view=given["view"] or None, **kept) if page.next else "",
    )  # fmt: skip


@blueprint.post("/requests/process")
@guards.signed_in
@guards.once
def process_chosen() -> Response:
    """Process the ticked ones; each that is not taken says why."""
    chosen = listing.chosen(g.merchant, request.form.getlist("request")[:500])
    back = guards.local_path(request.form.get("back") or url_for("requests.index"))
    if not chosen:
        return saved(back, "Nothing was ticked, so nothing was processed.")
    return saved(back, _said(process.process(chosen, g.user.email)))


@blueprint.get("/requests/waiting")
@guards.signed_in
def waiting() -> Response:
    """How many wait for Process, by source, before all of them are processed."""
    source = _asked_source()
    counted = auto_process.by_source(process.all_waiting(g.merchant, source))
    return render("requests/waiting.html", counted=counted, total=sum(counted.values()), source=source)


@blueprint.post("/requests/waiting")
@guards.signed_in
@guards.once
def process_waiting() -> Response:
    """Process all that wait, at most as many as the page said: what came since waits for the next look."""
    most = whole_number(request.form.get("total", ""), 0)
    done = process.process(list(process.all_waiting(g.merchant, _asked_source()).limit(most)), g.user.email)
    return saved(url_for("requests.index"), _said(done) or "Nothing waited for Process any more.")


def _asked_source() -> Any:
    wanted = request.values.get("source", "")
    return sources.find(g.merchant, wanted) if wanted else None


@blueprint.get("/requests/<request_id>")
@guards.signed_in
def show(request_id: str) -> Response:
    """Lines, timeline, why it is where it is, and what can be done."""
    one = listing.find(g.merchant, request_id)
    lines = listing.lines(one)
    return render(
        "requests/show.html", one=one, source=one.source, order=one.order, lines=lines, timeline=events.timeline(one), looks=LOOKS,
        states=STATES, shipped=SHIPPED, sending=SENDING, buckets=BUCKETS, skus={line.public_id: line.sku for line in lines},
        why_not=why.not_sent(one, why.facts(g.merchant.time_zone, [one.source_id])), acts=_acts(one, lines),
        parcels=parcels.of_request(one),
        carrier_of=carrier_of, reason=listing.needs_of(one), reasons=REASONS, problems=answers.open_problems(g.merchant, one),
    )  # fmt: skip


@blueprint.post("/requests/<request_id>/process")
@guards.signed_in
@guards.once
def process_one(request_id: str) -> Response:
    """Process this one."""
    one = listing.find(g.merchant, request_id)
    return saved(url_for("requests.show", request_id=request_id), _said(process.process([one], g.user.email)))


@blueprint.get("/requests/answers")
@guards.signed_in
def problems() -> Response:
    """What suppliers told and nobody could use."""
    return render("requests/problems.html", problems=answers.open_problems(g.merchant))


@blueprint.post("/requests/answers")
@guards.signed_in
@guards.once
def settle_problem() -> Response:
    """A person has seen to one of them."""
    row = answers.settle_problem(g.merchant, request.form.get("problem", ""), g.user.email)
    if request.form.get("back") == "request" and row.request is not None:
        return saved(url_for("requests.show", request_id=row.request.public_id), "Settled. Nothing else was changed by that.")
    return saved(url_for("requests.problems"), "Settled. Nothing else was changed by that.")


def _acts(one: Any, lines: list[Any]) -> list[str]:
    """What may be done now, as the page's buttons."""
    held = sum(line.open + line.acknowledged for line in lines)
    told = answers.may_be_there(one) and one.state not in ("canceled", "voided", "failed")
    acts = [act for act in ("process", "renumber") if may(act, one.state)]
    if told and sum(line.open for line in lines):
        acts.append("acknowledge")
    if told and held:
        acts += ["ship", "cancel"]
    return acts + (["void"] if may("void", one.state) and held else [])


def _said(done: process.Done) -> str:
    """What became of it, in a notice; the doorbell is rung for what may leave."""
    words = []
    if done.processed:
        tasks.ring_if_it_works()
        later = sum(one.not_before is not None for one in done.processed)
        words.append(f"{plural(len(done.processed), 'fulfillment request')} in line for sending.")
        words += [f"{later:,} of them {'waits' if later == 1 else 'wait'} for the hours of the source."] if later else []
    if done.refused:
        first, why_not = done.refused[0]
        words.append(f"{plural(len(done.refused), 'request')} not processed. {first.number}: {why_not}")
    return " ".join(words)
