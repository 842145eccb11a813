"""Usage and limits: what the plan holds, how much is used, how that is counted, and where it leads."""

from __future__ import annotations

from flask import Blueprint, Response, g

from portal import plans, sources, usage
from portal.exclusions import saving
from portal.inventory import counted
from portal.inventory.counted import Tally
from portal.web import guards
from portal.web.render import render

blueprint = Blueprint("usage", __name__)


@blueprint.get("/usage")
@guards.signed_in
def index() -> Response:
    """The meter, the formula, a line for each source, the rules, and the days before."""
    tallies = counted.by_source(g.merchant.id)
    tally, limits, days = sum(tallies.values(), Tally()), plans.limits(g.merchant.id), usage.history(g.merchant.id)
    return render(
        "usage/index.html", tally=tally, limits=limits, limit=limits["skus"], used=plans.usage(g.merchant), dimensions=plans.DIMENSIONS,
        rows=[(one, tallies.get(one.id, Tally())) for one in sources.listing(g.merchant)], days=days, formula=plans.FORMULA,
        formula_said=plans.FORMULA_SAID, forecast=usage.forecast(days, tally.counted, limits["skus"]),
        rules=len(saving.listing(g.merchant)),
    )  # fmt: skip
