"""For programs that watch the portal: does the process live, may it be given requests, and its numbers."""

from __future__ import annotations

import hmac
import json
from typing import Any

from flask import Blueprint, Response, abort, current_app, request

from portal.operation import checks
from portal.web import guards, measuring

blueprint = Blueprint("probes", __name__)
WITHOUT_DATABASE = ("/healthz", "/readyz")
LOOPBACK = ("127.0.0.1", "::1")


def needs_no_database() -> bool:
    """Whether this request must be answered also while the database is away."""
    return request.path in WITHOUT_DATABASE


@blueprint.get("/healthz")
@guards.for_machines
def healthz() -> Response:
    """The process lives and answers. It looks at nothing else, so that a database that is away restarts no web process."""
    return Response("ok\n", mimetype="text/plain")


@blueprint.get("/readyz")
@guards.for_machines
def readyz() -> Response:
    """200 when requests can be answered: the database answers and is up to date, the key can be read, the disk has room; else 503."""
    told = checks.ready()
    good = set(told.values()) == {"ok"}
    body = json.dumps({"ready": good, "checks": told}) + "\n"
    return Response(body, 200 if good else 503, mimetype="application/json")


@blueprint.get("/metrics")
@guards.for_machines
def metrics() -> Response:
    """Prometheus' text format. What others may not see is not there for them: the same 404."""
    if not _may_see():
        abort(404)
    return Response(measuring.exposed(), mimetype="text/plain; version=0.0.4")


def _may_see() -> bool:
    settings = current_app.config["PORTAL"]
    if settings.metrics_token_file is not None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        expected = _token(settings.metrics_token_file)
        return bool(expected) and hmac.compare_digest(given.encode(), expected.encode())
    # a proxy on this machine makes everybody come from loopback, so without a token only a trial may be looked at
    return not settings.production and request.remote_addr in LOOPBACK and not request.headers.get("X-Forwarded-For")


def _token(path: Any) -> str:
    try:
        return str(path.read_text("utf-8")).strip()
    except OSError:
        return ""
