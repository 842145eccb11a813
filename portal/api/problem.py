"""application/problem+json (RFC 9457): what went wrong, in the words that a person gets too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response

TITLES = {
    400: "The request cannot be read", 401: "A token is needed", 403: "This token may not do this", 404: "Not here",
    405: "This address does something else", 409: "This cannot be done now", 413: "It is too large", 415: "It is not JSON",
    422: "Something in it cannot be used", 429: "Too many requests", 500: "That did not work, and it is our fault",
}  # fmt: skip
DETAILS = {
    400: "Send a request as the OpenAPI document at /api/v1/openapi.json says. Nothing was done.",
    404: "There is nothing of that id or at that address, for this token.",
    405: "It does not take this method. Nothing was done.",
    413: "At most 1 MB is taken. Nothing was done.",
    500: "Nothing of this request was kept. Send it again, with the same Idempotency-Key.",
}


def problem(status: int, detail: str = "", errors: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Response:
    """The answer. `errors`: place in the body, such as "lines.0.quantity" -> words."""
    chosen = status if status in TITLES else 400
    told: dict[str, Any] = {
        "type": "about:blank", "title": TITLES[chosen], "status": status, "detail": detail or DETAILS.get(chosen) or TITLES[chosen]
    }  # fmt: skip
    if errors:
        told["errors"] = [{"at": at, "words": words} for at, words in errors.items()]
    return Response(json.dumps(told) + "\n", status, headers=dict(headers or {}), content_type="application/problem+json")
