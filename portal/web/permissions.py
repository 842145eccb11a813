"""Which right each page and act needs. A view without a line here opens for nobody, and a test says which line is missing.

signed in ─▶ came from us ─▶ line of RIGHT_OF ─▶ the role has it? ─▶ view
                                                └ no: of this workspace? 403 with who may : 404, as if it were not there
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g
from htmx_flask import request
from werkzeug.exceptions import HTTPException

from portal import api_tokens, channels, people, removals, roles, runs, sources
from portal.alerts import listing as alerts
from portal.billing import invoices
from portal.bulk_acts import acts
from portal.catalogue import linking, products
from portal.channels import pulling
from portal.errors import Forbidden, NotFound
from portal.exclusions import saving as exclusions
from portal.exporting import exports
from portal.inventory import browse
from portal.listings import editing, making
from portal.orders import changing, files
from portal.requests import listing as requests
from portal.shipments import listing as shipments
from portal.support import views
from portal.web import guards
from portal.web.rights import RIGHT_OF

PROVED = frozenset({"credentials", "delete", "people", "owners"})
"""Whoever acts by one of these rights gave the password within the last 10 minutes: a browser left open does none of it."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def _source(merchant: Any, values: dict[str, Any]) -> Any:
    try:
        return sources.find_line(merchant, values["source_id"])
    except NotFound:
        return removals.find_deleted(merchant, values["source_id"])


FINDERS: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "alert_id": lambda merchant, values: alerts.find(merchant, values["alert_id"]),
    "source_id": _source,
    "run_id": lambda merchant, values: runs.find(merchant, values["run_id"]),
    "item_id": lambda merchant, values: browse.find(merchant, values["item_id"]),
    "order_id": lambda merchant, values: changing.find(merchant, values["order_id"]),
    "request_id": lambda merchant, values: requests.find(merchant, values["request_id"]),
    "order_file_id": lambda merchant, values: files.find(merchant, values["order_file_id"]),
    "shipment_id": lambda merchant, values: shipments.find(merchant, values["shipment_id"]),
    "token_id": lambda merchant, values: api_tokens.find(merchant, values["token_id"]),
    "channel_id": lambda merchant, values: channels.find(merchant, values["channel_id"]),
    "store_order_id": lambda merchant, values: pulling.find(channels.find(merchant, values["channel_id"]), values["store_order_id"]),
    "product_id": lambda merchant, values: products.find(merchant, values["product_id"]),
    "listing_id": lambda merchant, values: editing.find(channels.find(merchant, values["channel_id"]), values["listing_id"]),
    "batch_id": lambda merchant, values: making.find(channels.find(merchant, values["channel_id"]), values["batch_id"]),
    "user_id": lambda merchant, values: people.find(merchant, values["user_id"]),
    "linking_id": lambda merchant, values: linking.find(merchant, values["linking_id"]),
    "invoice_id": lambda merchant, values: invoices.find(merchant, values["invoice_id"]),
    "exclusion_id": lambda merchant, values: exclusions.find(merchant, values["exclusion_id"]),
    "export_id": lambda merchant, values: exports.find(merchant, values["export_id"]),
    "act_id": lambda merchant, values: acts.find(merchant, values["act_id"]),
}
"""Part of an address that names an object -> its look-up through the merchant, which raises NotFound.

Asked only before a refusal, so that somebody who may not act learns nothing about another workspace.
"""


class NoRight(Exception):
    """A view that nobody gave a right."""


def install(app: Flask) -> None:
    """Guard every view of `app`; give templates `may("operate")`, `may_open("runs.stop", "POST")` and `may_reach(address)`."""
    app.before_request(require)
    app.jinja_env.globals.update(may=may, may_open=may_open, may_reach=may_reach, who_may=roles.who, role_one=_one)


def require() -> Response | None:
    """Stop who may not, and ask for the password again before what is delicate.

    Raises Forbidden in words that say who may, NotFound for a thing that is not this workspace's, NoRight.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if view is None or g.user is None or getattr(view, "is_public", False):
        return None
    if guards.is_for_staff(request.endpoint):
        return None
    right = right_of(request.endpoint or "", request.method)
    only_looks = g.viewing is not None and request.method not in SAFE_METHODS and g.user.role != views.WRITES
    if may(right) and not only_looks:
        return guards.ask_proof() if request.method not in SAFE_METHODS and right in PROVED else None
    for name in request.view_args or {}:
        if name.endswith("_id"):
            _find(name, dict(request.view_args or {}))
    people.note_refusal(g.user, request.endpoint or "", request.method, request.remote_addr or "")
    raise Forbidden(why_not(right))


def right_of(endpoint: str, method: str = "GET") -> str:
    """The right that `method` on `endpoint` needs. Raises NoRight, with the line to add."""
    line = RIGHT_OF.get(endpoint)
    if line is None:
        raise NoRight(
            f'{endpoint} has no right. Add to RIGHT_OF in portal/web/rights.py:  "{endpoint}": "see",  '
            f'or one of {", ".join(roles.RIGHTS)}; with two methods: ("see", "operate") for reading and acting.'
        )
    if isinstance(line, str):
        return line
    return line[0] if method in SAFE_METHODS else line[1]


def may(right: str) -> bool:
    """Whether the signed-in person has `right`."""
    return g.user is not None and roles.may(g.user.role, right)


def may_open(endpoint: str, method: str = "GET") -> bool:
    """Whether the signed-in person may ask for `endpoint` with `method`."""
    return may(right_of(endpoint, method))


def may_reach(address: str, method: str = "GET") -> bool:
    """Whether the signed-in person may ask for that address. One that is not a page of ours is nothing to refuse."""
    try:
        endpoint, _ = current_app.url_map.bind(request.host).match(urlsplit(address).path, method)
    except HTTPException:
        return True
    if guards.is_for_staff(endpoint):
        return g.staff is not None
    return getattr(current_app.view_functions[endpoint], "is_public", False) or may_open(endpoint, method)


def why_not(right: str) -> str:
    """What the signed-in person lacks, and whom to ask."""
    if g.viewing is not None:
        return f"You view {g.merchant.name} as support. That includes looking, and what an owner lets support change; not this."
    names = people.who_may(g.merchant, right)
    ask = f"Ask {roles.whom_to_ask(right)}" + (f", such as {names[0]}" if names else "")
    return f"“{roles.RIGHTS[right]}” is not part of your role here, {roles.word(g.user.role)}. {ask}."


def _one(role: str) -> str:
    return roles.ROLES[role].one if role in roles.ROLES else role


def _find(name: str, values: dict[str, Any]) -> None:
    if name not in FINDERS:
        raise NoRight(f'addresses with <{name}> have no look-up. Add to FINDERS in portal/web/permissions.py:  "{name}": …find,')
    FINDERS[name](g.merchant, values)
