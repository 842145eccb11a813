"""Get Inventory Secondary on screen: add it, turn it on at the end of its steps, take it away again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal import mappings, secondary, sources
from portal.errors import Problem, Refused, Stale, SupplierError
from portal.fields import INVENTORY_BY_KEY
from portal.inventory import export, roles, unknown
from portal.web import guards, review_page, steps
from portal.web.render import download, go, render, saved
from portal.web.review_page import Answer
from portal.web.typed import whole_number

blueprint = Blueprint("secondary", __name__, url_prefix="/sources/<source_id>/secondary")


@dataclass(frozen=True)
class Coming:
    """What the first sync will find. `skus`: different ones of the file, of which `known` are items of the source.

    `rows` is None when the sample cannot be read any more.
    """

    rows: int | None = None
    skus: int = 0
    known: int = 0
    set_aside: int = 0
    capped: bool = False
    problem: Problem | None = None

    @property
    def unknown(self) -> int:
        """SKUs that are no items, which a second file never makes."""
        return self.skus - self.known


@blueprint.get("")
@guards.signed_in
def add(source_id: str) -> Response:
    """What a second feed is for; or where its set-up stands, once it was added."""
    source = _source(source_id)
    there = secondary.of(source)
    if there is not None:
        return go(steps.onward(source, sources.SECONDARY))
    return render("secondary/add.html", source=source)


@blueprint.post("")
@guards.signed_in
@guards.once
def create(source_id: str) -> Response:
    """Add it, switched off, and go to its first step."""
    source = _source(source_id)
    secondary.add(source, g.user.email)
    return saved(steps.onward(source, sources.SECONDARY), "")


@blueprint.get("/unknown")
@guards.signed_in
def unknown_skus(source_id: str) -> Response:
    """SKUs that the second file names and that are no items of the source."""
    source = _source(source_id)
    integration = sources.integration(source, sources.SECONDARY)
    found, after = unknown.listing(integration, request.args.get("after", "")[:300])
    return render("secondary/unknown.html", source=source, integration=integration, found=found, after=after)


@blueprint.get("/unknown.csv")
@guards.signed_in
def unknown_csv(source_id: str) -> Response:
    """The same as a file."""
    source = _source(source_id)
    integration = sources.integration(source, sources.SECONDARY)
    return download("".join(export.unknown_csv(integration)).encode("utf-8-sig"), "not-in-your-inventory.csv")


@blueprint.get("/review")
@guards.signed_in
def review(source_id: str) -> Response:
    """Every answer with a way to change it, and what turning it on will do."""
    return _review_page(_at_review(source_id))


@blueprint.post("/review")
@guards.signed_in
@guards.once
def switch_on(source_id: str) -> Response:
    """Turn it on and start its first sync."""
    integration = _at_review(source_id)
    try:
        run = secondary.switch_on(integration, whole_number(request.form.get("version", "")), g.user.email)
    except Stale as stale:
        return _review_page(_at_review(source_id), stale, 409)
    tasks.ring()
    return saved(url_for("runs.show", run_id=run.public_id), "Get Inventory Secondary is on. Its first sync has started.")


@blueprint.route("/removal", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def removal(source_id: str) -> Response:
    """What goes and what stays; then take it away."""
    source = _source(source_id)
    integration = sources.integration(source, sources.SECONDARY)
    if request.method != "POST":
        return render("secondary/removal.html", source=source, integration=integration, losses=secondary.losses(integration))
    sources.remove_secondary(source, g.user.email)
    return saved(url_for("sources.integrations", source_id=source_id), "Get Inventory Secondary was removed. Your items stay as they are.")


def _source(source_id: str) -> Any:
    """The merchant's source, once it is set up. Raises NotFound, Refused."""
    source = sources.find(g.merchant, source_id)
    if source.state == "draft":
        raise Refused("This source is a draft. Finish its set-up first; a second file only changes items that are known.")
    return source


def _at_review(source_id: str) -> Any:
    integration = sources.integration(_source(source_id), sources.SECONDARY)
    secondary.require(integration, "review")
    return integration


def _review_page(integration: Any, stale: Stale | None = None, status: int = 200) -> Response:
    source = integration.source
    contested = roles.contested(source)
    return render(
        "secondary/review.html", "secondary/_review.html", status, source=source, integration=integration, stale=stale,
        answers=_answers(integration), coming=_coming(integration), schedule=review_page.schedule_words(integration.schedule),
        theirs=[INVENTORY_BY_KEY[key].label for key, mine in contested.items() if mine],
        ours=[INVENTORY_BY_KEY[key].label for key, mine in contested.items() if not mine],
    )  # fmt: skip


def _answers(integration: Any) -> list[Answer]:
    source, version = integration.source, mappings.current(integration)
    rules = version.rules if version else {}
    upload = secondary.BY_ITSELF not in secondary.steps(integration)
    words = review_page.schedule_words(integration.schedule) if integration.schedule or upload else "By hand only"
    return [
        Answer("File", review_page.file_words(source, integration.settings), "file", review_page.format_words(integration.settings)),
        Answer("Values", review_page.filled(rules), "mapping", review_page.mapping_lines(rules)),
        Answer("Schedule", words, "" if upload else "schedule"),
    ]


def _coming(integration: Any) -> Coming:
    version = mappings.current(integration)
    try:
        sample = mappings.sample_of(integration)
        if sample is None or version is None:
            return Coming()
        tally, skus = mappings.counts(sample, version.rules), mappings.sample_skus(sample, version.rules)
    except SupplierError as error:
        return Coming(problem=error.problem)
    known = secondary.known(integration.source, skus)
    return Coming(tally.rows, len(skus), known, tally.set_aside, not tally.whole)
