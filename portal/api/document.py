"""Every operation of the API in one table, and the OpenAPI 3.1 document made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.api.shapes import Shape, listed, record, text, whole
from portal.orders.addresses import FIELDS
from portal.orders.intake import LARGEST_QUANTITY, LONGEST, MOST_LINES
from portal.orders.listing import STATES as ORDER_STATES
from portal.outbox.pulling import LONGEST as LONGEST_LEASE
from portal.outbox.pulling import MOST, SHORTEST
from portal.requests.states import STATES as REQUEST_STATES

ROOT = "/api/v1"
MOST_ON_A_PAGE = 200
ID = text(32, 1, pattern="^[a-z0-9]+$")
MONEY = text(20, 1, pattern=r"^[0-9]{1,9}(\.[0-9]{1,4})?$", description="An amount as a text, such as 4.90; at most 4 decimals")
_DAY = r"(19[7-9]|20[0-9])[0-9]-[01][0-9]-[0-3][0-9]"
_CLOCK, _ZONE = r"[0-2][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?", r"(Z|[+-][01][0-9]:[0-5][0-9])"
TIME = text(
    40,
    format="date-time",
    pattern=f"^{_DAY}T{_CLOCK}{_ZONE}$",
    description="A time with its zone, 1970 to 2099, such as 2026-11-27T09:30:00Z",
)
ADDRESS = record({key: text(500 if longest > 60 else 250) for key, (_, longest) in FIELDS.items()})
ORDER = record(
    {
        "number": text(LONGEST["number"], 1), "reference": text(LONGEST["reference"]), "ordered_at": TIME,
        "shipping_method": text(LONGEST["shipping_text"]), "customer_reference": text(LONGEST["customer_reference"]),
        "note": text(LONGEST["note"]), "currency": text(3, 3, pattern="^[A-Z]{3}$"), "total": MONEY, "ship_to": ADDRESS, "bill_to": ADDRESS,
        "lines": listed(
            record(
                {
                    "sku": text(LONGEST["sku"], 1), "quantity": whole(1, LARGEST_QUANTITY), "title": text(LONGEST["title"]),
                    "price": MONEY, "reference": text(60),
                },
                ("sku", "quantity"),
            ), MOST_LINES, 1,
        ),
    },
    ("number", "lines", "ship_to"),
)  # fmt: skip
ACKNOWLEDGEMENT = record(
    {
        "their_id": text(200), "lines": listed(
            record({
                "id": ID, "sku": text(120, 1), "accepted": whole(0, LARGEST_QUANTITY), "rejected": whole(0, LARGEST_QUANTITY),
                "code": text(60), "reason": text(200),
            }), MOST_LINES,
        ),
    },
)  # fmt: skip
SHIPMENT = record(
    {
        "source_id": ID, "reference": text(120, 1), "tracking_number": text(80, 1), "carrier": text(60), "method": text(60),
        "shipped_at": TIME,
        "cost": MONEY, "note": text(500),
        "items": listed(record({"sku": text(120, 1), "quantity": whole(1, LARGEST_QUANTITY)}, ("sku",)), MOST_LINES),
    },
    ("reference", "tracking_number"),
)  # fmt: skip
LEASE = record({"source_id": ID, "count": whole(1, MOST), "seconds": whole(SHORTEST, LONGEST_LEASE)})
CONFIRM = record({"source_id": ID})

KEY = text(200, 1, pattern="^[!-~]+$")
CURSOR = ("cursor", text(20, 1, pattern="^c[0-9]{1,18}$"), "next_cursor of the page before")
LIMIT = ("limit", whole(1, MOST_ON_A_PAGE, default=50), "How many on a page")
LEASE_ID = text(32, 32, pattern="^[0-9a-f]{32}$")


@dataclass(frozen=True)
class Operation:
    """`path`: below ROOT. `scope`: a key of api_tokens.SCOPES, "" for none. `body`: its shape, None for a GET. `answers`: status -> words.

    `query`: (name, shape, words).
    """

    method: str
    path: str
    name: str
    words: str
    scope: str
    answers: Mapping[int, str]
    body: Shape | None = None
    query: tuple[tuple[str, Shape, str], ...] = field(default_factory=tuple)


OPERATIONS: tuple[Operation, ...] = (
    Operation("POST", "/orders", "add_order", "Add an order. The same order again is the one that is here (200).", "orders:write",
              {201: "The order, new", 200: "The order, which was here already", 409: "The number is taken by another content"}, ORDER),
    Operation("GET", "/orders", "list_orders", "Orders, the oldest first.", "orders:read", {200: "A page of orders"}, None,
              (CURSOR, LIMIT, ("number", text(60, 1), "This number only"),
               ("state", text(20, 1, enum=list(ORDER_STATES)), "This state only"))),
    Operation("GET", "/orders/{id}", "read_order", "One order.", "orders:read", {200: "The order"}),
    Operation("GET", "/fulfillment-requests", "list_requests", "Fulfillment requests, the oldest first. A token of one source sees those "
              "that it was sent, or may have been.", "requests:read", {200: "A page of fulfillment requests"}, None,
              (CURSOR, LIMIT, ("number", text(120, 1), "This number only"), ("source_id", ID, "Of this source only"),
               ("state", text(20, 1, enum=list(REQUEST_STATES)), "This state only"))),
    Operation("GET", "/fulfillment-requests/{id}", "read_request", "One fulfillment request.", "requests:read", {200: "The request"}),
    Operation("POST", "/fulfillment-requests/{id}/acknowledgements", "acknowledge", "Accept or reject lines, by totals; no lines: "
              "everything open is accepted. What cannot be used is told in problems, and a person sees it.", "requests:write",
              {200: "The request as it is now, and the problems"}, ACKNOWLEDGEMENT),
    Operation("POST", "/fulfillment-requests/lease", "lease", "Lease requests that are due, for a while. Confirm them once you have them; "
              "those that are not confirmed are offered again.", "requests:write",
              {200: "The lease; its requests may be none", 409: "The source does not fetch its requests, or sending rests"}, LEASE),
    Operation("POST", "/leases/{id}/confirm", "confirm_lease", "You have what the lease held.", "requests:write",
              {200: "The requests, which count as sent", 409: "The lease ended and others have its requests"}, CONFIRM),
    Operation("POST", "/shipments", "add_shipment", "Tell a parcel. What matches no request is kept for a person.", "shipments:write",
              {201: "The shipment, matched or not", 200: "It was known already"}, SHIPMENT),
)  # fmt: skip

_EVERY = {400: "The request cannot be read", 401: "No token, or one that opens nothing", 403: "The token may not do this",
          404: "Not here", 422: "Something in it cannot be used", 429: "Too many requests"}  # fmt: skip
_OF_BODY = {409: "The Idempotency-Key came before with another content", 413: "It is too large", 415: "It is not JSON"}


def openapi(server: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document. `server`: the address of ROOT."""
    paths: dict[str, Any] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    about = "Orders in, fulfillment requests out, acknowledgements and shipments back. Money is text, times are ISO 8601 in UTC."
    return {
        "openapi": "3.1.0",
        "info": {"title": "Quayside", "version": "1", "description": about},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "A token qs_live_… or qs_src_…"}},
            "schemas": {"Problem": _PROBLEM},
        },
    }


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"}, "title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "object", "properties": {"at": {"type": "string"}, "words": {"type": "string"}}}},
    },
}  # fmt: skip


def _operation(one: Operation) -> dict[str, Any]:
    told: dict[str, Any] = {
        "operationId": one.name, "summary": one.words, "description": f"Needs the scope {one.scope}.", "responses": _responses(one),
        "parameters": _parameters(one),
    }  # fmt: skip
    if one.body is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": one.body}}}
    return told


def _responses(one: Operation) -> dict[str, Any]:
    good = {status: words for status, words in one.answers.items() if status < 400}
    bad = {
        **_EVERY,
        **(_OF_BODY if one.body is not None else {}),
        **{status: words for status, words in one.answers.items() if status > 399},
    }
    content = {"application/json": {"schema": {"type": "object"}}}
    told = {str(status): {"description": words, "content": content} for status, words in good.items()}
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return told | {str(status): {"description": words, "content": problem} for status, words in sorted(bad.items())}


def _parameters(one: Operation) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    if "{id}" in one.path:
        told.append({"name": "id", "in": "path", "required": True, "schema": LEASE_ID if "leases" in one.path else ID})
    told += [{"name": name, "in": "query", "required": False, "schema": shape, "description": words} for name, shape, words in one.query]
    if one.method == "POST":
        words = "The same key with the same content gets the first answer again, for 7 days"
        told.append({"name": "Idempotency-Key", "in": "header", "required": False, "schema": KEY, "description": words})
    return told
