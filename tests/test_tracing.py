"""What leaves for Sentry and for a collector carries no secret, and neither package is loaded unless it is asked for."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from portal import logs, tracing

ROOT = Path(__file__).resolve().parents[1]
CANARY = "hunter2canary"


@pytest.fixture
def sentry(monkeypatch):
    """What Sentry's own client would put on the wire, caught by a transport of ours."""
    import sentry_sdk
    from sentry_sdk.transport import Transport

    sent = []

    class Kept(Transport):
        def capture_envelope(self, envelope):
            sent.append(envelope.serialize())

    tracing._sentry("https://key@sentry.example/1", "worker", transport=Kept)
    yield sent
    sentry_sdk.get_client().close()
    sentry_sdk.init(dsn=None, default_integrations=False, auto_enabling_integrations=False)  # else it patches Flask for all tests to come


def fail_with(password: str) -> None:
    kept = {"password": password}
    raise ValueError(f"https://acme:{password}@files.example/feed.csv refused Authorization: Bearer {kept['password']}")


def test_a_report_holds_the_frames_and_no_secret(sentry):
    import sentry_sdk

    sentry_sdk.set_context("request", {"headers": {"Cookie": CANARY}, "data": CANARY, "query_string": f"token={CANARY}"})
    try:
        fail_with(CANARY)
    except ValueError:
        logging.getLogger("portal.web").error("password=%s failed", CANARY, exc_info=True)
    assert len(sentry) == 1
    assert b"fail_with" in sentry[0] and b"ValueError" in sentry[0]
    assert CANARY.encode() not in sentry[0]


def test_without_the_scrubbing_the_secret_would_have_left(sentry, monkeypatch):
    """The check above can fail."""
    monkeypatch.setattr(logs, "blotted", lambda text: text)
    try:
        fail_with(CANARY)
    except ValueError:
        logging.getLogger("portal.web").error("failed", exc_info=True)
    assert CANARY.encode() in sentry[0]


def test_spans_of_requests_and_runs_carry_ids_and_no_secret():
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter = InMemorySpanExporter()
    tracing._opentelemetry("http://collector.example", "web", exporter)
    try:
        with logs.of("request", "req-12345678"), logs.of("run", "run-abc"):
            span = tracing.begin("request", route="/sources", server=f"sftp://a:{CANARY}@host", nothing=None)
        tracing.end(span, status=200)
        tracing._tracer[0].span_processor.force_flush()
    finally:
        tracing._tracer.clear()
    (told,) = exporter.get_finished_spans()
    kept = {
        "quayside.route": "/sources", "quayside.server": "sftp://a:***@host", "quayside.status": 200,
        "quayside.request": "req-12345678", "quayside.run": "run-abc",
    }  # fmt: skip
    assert dict(told.attributes) == kept and tracing.begin("request") is None


def test_neither_package_is_loaded_when_nothing_is_set():
    program = (
        "import sys\nfrom portal import config, tracing\ntracing.begin_reporting(config.read({}), 'web')\n"
        "import portal.runs\nprint([m for m in sys.modules if m.split('.')[0] in ('sentry_sdk', 'opentelemetry', 'redis', 'minio')])"
    )
    told = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert told.stdout.strip() == "[]"


def test_a_missing_package_is_said_before_anything_starts(monkeypatch):
    from portal import config
    from portal.errors import Refused

    monkeypatch.setitem(sys.modules, "sentry_sdk", None)
    with pytest.raises(Refused, match="SENTRY_DSN is set, but the package sentry-sdk is not installed"):
        tracing.begin_reporting(config.read({"SENTRY_DSN": "https://key@sentry.example/1"}), "web")


def test_a_json_line_has_its_ids_and_no_secret():
    try:
        fail_with(CANARY)
    except ValueError:
        record = logging.LogRecord("portal.runs", logging.ERROR, __file__, 1, 'said "%s" password=%s', ("so", CANARY), sys.exc_info())
    record.status, record.kind = 503, f"token={CANARY}"
    with logs.of("run", "r4"):
        line = logs.AsJson().format(record)
    told = json.loads(line)
    assert (told["run"], told["level"], told["status"], told["message"]) == ("r4", "ERROR", 503, 'said "so" password=***')
    assert "request" not in told and "fail_with" in told["traceback"] and told["at"].endswith("+00:00")
    assert CANARY not in line and "\n" not in line
