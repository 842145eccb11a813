"""Held for review: what a run did not apply, so that a person can decide; it closes itself once a newer feed came."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

from portal import run_report, runs
from portal.errors import Refused
from portal.inventory import held, silence
from portal.web import guards
from portal.web.render import download, render, wants_fragment

blueprint = Blueprint("held", __name__)
LONGEST_SEARCH = 120


@blueprint.get("/runs/<run_id>/held")
@guards.signed_in
def show(run_id: str) -> Response:
    """Everything needed to decide about one held run; `q` looks for a SKU among what waits."""
    run = _held(run_id)
    if wants_fragment() and request.htmx.target == "held-standing":
        return _standing(run)
    query = request.args.get("q", "").strip()[:LONGEST_SEARCH]
    after = max(0, request.args.get("after", 0, type=int))
    rows, following = held.waiting(run, query, after)
    counts = held.kinds(run)
    return render(
        "held/show.html", "held/_rows.html", run=run, source=run.source, title=run_report.title_of(run), counts=counts,
        waits=sum(counts.values()),
        verdicts=held.verdicts(run), settled=held.settled_by(run), rows=rows, q=query, chart=held.chart(run),
        next_url=url_for("held.show", run_id=run_id, q=query or None, after=following) if following else "",
        first_url=url_for("held.show", run_id=run_id, q=query or None) if after else "",
        document=held.document(run), message=held.message(run), report=run_report.report(run),
        promise=silence.promise(run.integration), kept=_kept(counts),
    )  # fmt: skip


def _standing(run: Any) -> Response:
    """The notice alone: asked for every ten seconds by a page that is open."""
    promise, counts = silence.promise(run.integration), held.kinds(run)
    return render(
        "held/_standing.html", "held/_standing.html", run=run, source=run.source, settled=held.settled_by(run), promise=promise,
        counts=counts, waits=sum(counts.values()),
    )  # fmt: skip


@blueprint.get("/runs/<run_id>/held.csv")
@guards.signed_in
def csv(run_id: str) -> Response:
    """Everything that waits, as a file."""
    run = _held(run_id)
    return download("".join(held.csv(run)).encode("utf-8-sig"), f"run-{run.number}-held.csv")


def _held(run_id: str) -> Any:
    run = runs.find(g.merchant, run_id)
    if run.state != "held":
        raise Refused("This run holds nothing back.")
    return run


def _kept(counts: dict[str, int]) -> str:
    """What did not happen, in words."""
    if counts["whole"]:
        return "Nothing of the file was applied."
    kept = ["Nothing was removed"] if counts["missing"] else []
    kept += ["No item was set to 0"] if counts["zero"] else []
    kept += ["No held price was changed"] if counts["price"] else []
    return ". ".join(kept) + "." if kept else ""
