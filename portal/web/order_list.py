"""The list of orders: who needs a person first, then who waits."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

from portal import sources
from portal.errors import Invalid
from portal.orders import listing
from portal.orders.intake import CAME_BY
from portal.web import guards
from portal.web.render import render

blueprint = Blueprint("orders", __name__)

LOOKS = {
    "open": "queued", "on_hold": "paused", "no_shipping_method": "late", "failed": "failed", "draft": "draft", "closed": "finished",
    "canceled": "stopped", "not_managed": "not_tried",
}  # fmt: skip


@blueprint.get("/orders")
@guards.signed_in
def index() -> Response:
    """Orders: those that need somebody, those that wait, or all of them."""
    counts = listing.counts(g.merchant)
    asked = {name: request.args.get(name, "").strip()[:200] for name in ("view", "q", "state", "came_by", "source", "page")}
    known = sources.listing(g.merchant)
    chosen = next((one for one in known if one.public_id == asked["source"]), None)
    filtered = any(asked[name] for name in ("q", "state", "came_by", "source"))
    if asked["view"] not in listing.VIEWS:
        asked["view"] = "all" if filtered else "needs" if counts["needs"] else "waiting" if counts["waiting"] else "all"
    problem = ""
    try:
        found = listing.search(g.merchant, _asked(asked, chosen))
    except Invalid as error:
        problem, asked["page"] = error.errors["page"], ""
        found = listing.search(g.merchant, _asked(asked, chosen))
    return render(
        "orders/index.html", "orders/_list.html", counts=counts, asked=asked, found=found, problem=problem, filtered=filtered,
        views=listing.VIEWS, states=listing.STATES, came_by=CAME_BY, sources=known, chosen=chosen, looks=LOOKS,
        next_url=_page_url(asked, found.next_cursor), prev_url=_page_url(asked, found.previous_cursor),
    )  # fmt: skip


def _asked(asked: dict[str, str], chosen: Any) -> listing.Asked:
    came_by = asked["came_by"] if asked["came_by"] in CAME_BY else ""
    source = chosen.id if chosen else None
    return listing.Asked(asked["view"], asked["q"], asked["state"], came_by, source, asked["page"])


def _page_url(asked: dict[str, str], cursor: str) -> str:
    kept: dict[str, Any] = {name: value for name, value in {**asked, "page": cursor}.items() if value}
    return url_for("orders.index", **kept) if cursor else ""
