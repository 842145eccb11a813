"""Each request gets an id, is counted by what it was for and how it ended, and leaves a line in a JSON log.

The counts are of this process, or of all web processes of this machine where the `web` verb gave them a folder to add up in.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, g
from htmx_flask import request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import GaugeMetricFamily

from portal import config, logs, tracing
from portal.operation import gauges

log = logging.getLogger("portal.requests")

GIVEN = re.compile(r"[A-Za-z0-9._-]{8,64}")
CLASSES = {"assets": "asset", "api": "api", "probes": "probe"}
MACHINES = ("hooks.receive", "hooks.receive_more", "channel_files.feed")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

REQUESTS = Counter("quayside_http_requests", "Requests answered, by what they were for and how they ended.", ["route", "status"])
DURATION = Histogram("quayside_http_seconds", "Seconds until the answer was made.", ["route"], buckets=SECONDS)


def install(app: Flask) -> None:
    """Watch each request of `app`. Installed first, so that refused ones are counted too."""
    app.before_request(begin)
    app.after_request(finish)
    app.teardown_request(lambda _error: logs.begin_request(""))


def begin() -> None:
    """Give the request its id: the one that a proxy gave, when it looks like one."""
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if GIVEN.fullmatch(given) else secrets.token_hex(8)
    g.began = time.perf_counter()
    logs.begin_request(g.request_id)
    g.span = tracing.begin("request", method=request.method, route=_rule())


def finish(response: Response) -> Response:
    """Count it, and say which it was."""
    seconds = time.perf_counter() - g.get("began", time.perf_counter())
    kind = _class()
    REQUESTS.labels(kind, str(response.status_code)).inc()
    DURATION.labels(kind).observe(seconds)
    tracing.end(g.pop("span", None), status=response.status_code)
    if "request_id" in g:
        response.headers["X-Request-ID"] = g.request_id
    if config.current().log_format == "json" and kind not in ("asset", "probe"):
        told = {"method": request.method, "route": _rule(), "status": response.status_code, "ms": round(seconds * 1000, 1)}
        log.info("%s %s", request.method, _rule(), extra=told)
    return response


def exposed() -> bytes:
    """What a monitor reads: this machine's requests, and the whole installation as the database knows it."""
    registry = CollectorRegistry()
    if config.current().metrics_dir is not None:
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        for one in (REQUESTS, DURATION):
            registry.register(one)
    registry.register(_Installation())
    return bytes(generate_latest(registry))


class _Installation:
    def collect(self) -> Iterator[Any]:
        """The gauges of the database, in the package's form."""
        for one in gauges.everything():
            family = GaugeMetricFamily(one.name, one.meaning, labels=list(one.labels))
            for values, number in one.samples:
                family.add_metric([str(value) for value in values], number)
            yield family


def _rule() -> str:
    """The route as it is written in the code: an address may hold ids and tokens."""
    return request.url_rule.rule if request.url_rule is not None else "(none)"


def _class() -> str:
    """asset, api, probe, hook, form, fragment, page, or none for what no route answers."""
    if request.endpoint is None:
        return "none"
    if request.endpoint in MACHINES:
        return "hook"
    if request.blueprint in CLASSES:
        return CLASSES[request.blueprint]
    if request.method not in ("GET", "HEAD"):
        return "form"
    return "fragment" if request.htmx else "page"
