"""Where an operator turned it on: errors go to Sentry, and spans of requests and runs to an OpenTelemetry collector.

Neither package is loaded otherwise. What leaves carries names, ids and counts; values of variables, bodies, cookies and addresses
with their query stay here, and each text passes the same net as log lines.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

from portal import logs
from portal.config import Config
from portal.errors import Refused

log = logging.getLogger(__name__)
KEPT_OF_REQUEST = ("method",)
LEFT_OUT = ("vars", "cookies", "env", "headers", "query_string", "data", "params", "extra", "body")
MISSING = "{setting} is set, but the package {package} is not installed. Install requirements-production.lock, or unset it."

_tracer: list[Any] = []


def begin_reporting(settings: Config, part: str) -> None:
    """Turn on what the settings name, for this process. `part`: web, worker or scheduler. Raises Refused when a package is missing."""
    if settings.sentry_dsn:
        _sentry(settings.sentry_dsn, part)
    if settings.otel_endpoint:
        _opentelemetry(settings.otel_endpoint, part)


def scrubbed(event: Any, _hint: Any = None) -> Any:
    """A report without secrets: texts are blotted, and of the request only its method is kept."""
    if isinstance(event, dict):
        kept = {name: value for name, value in event.items() if name not in LEFT_OUT}
        if "request" in kept and isinstance(kept["request"], dict):
            kept["request"] = {name: value for name, value in kept["request"].items() if name in KEPT_OF_REQUEST}
        return {name: scrubbed(value) for name, value in kept.items()}
    if isinstance(event, list | tuple):
        return [scrubbed(value) for value in event]
    return logs.blotted(event) if isinstance(event, str) else event


def begin(name: str, **attributes: Any) -> Any:
    """A span that begins now, or None where no collector is set. `attributes`: names and numbers; None is left out."""
    if not _tracer:
        return None
    return _tracer[0].start_span(name, attributes=_told({**logs.ids(), **attributes}))


def end(span: Any, **attributes: Any) -> None:
    """The span ends, with more that is known of it by now."""
    if span is not None:
        span.set_attributes(_told(attributes))
        span.end()


def _told(attributes: dict[str, Any]) -> dict[str, Any]:
    return {
        f"quayside.{name}": value if isinstance(value, int | float) else logs.blotted(str(value))
        for name, value in attributes.items()
        if value is not None
    }


def _sentry(dsn: str, part: str, transport: Any = None) -> None:
    sentry = _package("sentry_sdk", "SENTRY_DSN", "sentry-sdk")
    sentry.init(
        dsn=dsn, include_local_variables=False, include_source_context=False, max_request_body_size="never",
        max_breadcrumbs=0, server_name="", before_send=scrubbed, before_send_transaction=scrubbed, traces_sample_rate=0.0,
        auto_enabling_integrations=False, transport=transport,
    )  # fmt: skip
    sentry.set_tag("part", part)


def _opentelemetry(endpoint: str, part: str, exporter: Any = None) -> None:
    trace = _package("opentelemetry.sdk.trace", "OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry-sdk")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    resources = importlib.import_module("opentelemetry.sdk.resources")
    if exporter is None:
        wire = _package(
            "opentelemetry.exporter.otlp.proto.http.trace_exporter", "OTEL_EXPORTER_OTLP_ENDPOINT", "opentelemetry-exporter-otlp-proto-http"
        )
        exporter = wire.OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider = trace.TracerProvider(resource=resources.Resource({"service.name": f"quayside-{part}"}))
    provider.add_span_processor(export.BatchSpanProcessor(exporter))
    _tracer[:] = [provider.get_tracer("quayside")]


def _package(module: str, setting: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as missing:
        raise Refused(MISSING.format(setting=setting, package=package)) from missing
