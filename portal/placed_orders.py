"""Orders that we placed in a supplier's own store: which of them are asked for their parcels, and how those parcels are read.

requests that were sent, and their ids there ─▶ "orders" of the connector ─▶ rows named as our fields ─▶ read as tracking files are
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from peewee import fn

from portal import clock, connections
from portal.connectors.store_tracking import COLUMNS
from portal.errors import NotFound
from portal.models import FulfillmentRequest, RequestLine, Source
from portal.requests.states import MAY

MOST = 1_000
"""Orders that one run asks for, the newest ones."""

CORRECTED_FOR = timedelta(days=14)
"""So long after all of a request has shipped its order is still asked for: a number may be corrected."""

RULES: Mapping[str, Any] = {"fields": {name: {"columns": [name], "steps": []} for name in COLUMNS}, "date_form": "YYYY-MM-DD"}
FORMAT: Mapping[str, Any] = {"kind": "jsonl", "columns": list(COLUMNS)}


def are_asked(source: Source) -> bool:
    """Whether the source's parcels are read from the store that our orders were placed in."""
    try:
        operation = connections.supplier_of(source).operations.get("get_shipments")
    except NotFound:  # no supplier was chosen, or the directory has it no more
        return False
    return operation is not None and bool(operation.texts.get("tracking"))


def of(source: Source, with_id: bool = True) -> list[dict[str, Any]]:
    """[{"id" at the store, "reference": our number, "done": all of it is known as shipped, "units": all that may ship}], newest first,
    at most MOST. Without `with_id` also those whose id there we do not know, where they may have it."""
    mine = (FulfillmentRequest.source == source) & (FulfillmentRequest.state << MAY["ship"])
    mine &= (FulfillmentRequest.their_id != "") if with_id else (FulfillmentRequest.sending.not_in(("", "waiting")))
    open_ = FulfillmentRequest.shipped != "shipped"
    lately = open_ | (FulfillmentRequest.changed_at > clock.now() - CORRECTED_FOR)
    rows = FulfillmentRequest.select().where(mine, lately).order_by(FulfillmentRequest.id.desc()).limit(MOST)
    found = list(rows)
    units = _units([one.id for one in found])
    return [{"id": one.their_id, "reference": one.number, "done": one.shipped == "shipped", "units": units.get(one.id, 0)} for one in found]


def _units(requests: list[int]) -> dict[int, int]:
    whole = fn.SUM(RequestLine.ordered - RequestLine.cancelled - RequestLine.voided)
    lines: Any = RequestLine.select(RequestLine.request, whole).where(RequestLine.request << requests).group_by(RequestLine.request)
    return {request: int(count) for request, count in lines.tuples()}
