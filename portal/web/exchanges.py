"""What was said to a supplier's API and what it answered."""

from __future__ import annotations

from flask import Blueprint, Response, g
from htmx_flask import request

from portal import exchanges, runs, sources
from portal.web import guards
from portal.web.render import render

blueprint = Blueprint("exchanges", __name__)


@blueprint.get("/sources/<source_id>/exchanges")
@guards.signed_in
def index(source_id: str) -> Response:
    """The newest exchanges of a source, or of one of its runs (?run=)."""
    source = sources.find_line(g.merchant, source_id)
    run = runs.find(g.merchant, request.args["run"]) if request.args.get("run") else None
    found = exchanges.latest(source, run.id if run else None)
    return render(
        "exchanges/index.html", "exchanges/_list.html", source=source, run=run, rows=[(one, exchanges.letter(one)) for one in found],
        keep_days=exchanges.KEEP_DAYS, shown=exchanges.SHOWN, most=exchanges.MOST_OF_A_RUN,
    )  # fmt: skip
