"""What watches the portal is told the truth: that it lives, whether it may be given requests, and its numbers, to those who may."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from portal import clock, runs
from portal import config as settings
from portal.models import Run, database
from portal.models.database import is_postgres
from portal.operation import presence
from tests.databases import close_database

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-token-for-the-monitor"


def numbers(answer: Any) -> dict[tuple[str, ...], float]:
    """{(name, label values…): number} of a /metrics answer, read by the package's own parser."""
    families = text_string_to_metric_families(answer.text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_it_lives_and_is_ready(anonymous):
    assert anonymous.get("/healthz").text == "ok\n"
    answer = anonymous.get("/readyz")
    assert answer.status_code == 200
    assert json.loads(answer.text) == {"ready": True, "checks": dict.fromkeys(("database", "migrations", "key", "disk"), "ok")}


def test_without_a_database_it_lives_and_is_not_ready(app, anonymous, tmp_path):
    close_database()
    url = "postgresql://nobody@127.0.0.1:1/none" if is_postgres() else f"sqlite:///{tmp_path}/away/portal.db"
    here = database.obj
    from portal.models import connect

    connect(url)
    (tmp_path / "away").rmdir() if (tmp_path / "away").exists() else None
    try:
        assert anonymous.get("/healthz").status_code == 200
        answer = anonymous.get("/readyz")
        assert answer.status_code == 503 and json.loads(answer.text)["checks"]["database"] == "away"
        assert "127.0.0.1" not in answer.text
    finally:
        database.initialize(here)


def test_a_missing_script_or_key_makes_it_not_ready(anonymous, config):
    config.secret_key_file.rename(config.secret_key_file.with_suffix(".away"))
    assert json.loads(anonymous.get("/readyz").text)["checks"]["key"] == "unreadable"
    config.secret_key_file.with_suffix(".away").rename(config.secret_key_file)
    name = database.execute_sql("SELECT max(name) FROM schema_migration").fetchone()[0]
    database.execute_sql(f"DELETE FROM schema_migration WHERE name = '{name}'")
    try:
        answer = anonymous.get("/readyz")
        assert answer.status_code == 503 and json.loads(answer.text)["checks"]["migrations"] == "pending"
    finally:
        database.execute_sql(f"INSERT INTO schema_migration (name, applied) VALUES ('{name}', '2026-11-27 00:00:00')")


def test_the_numbers_of_runs_sends_and_requests(anonymous, client, make_source, merchant):
    source = make_source()
    done = runs.start(source, "connection_check", claimed=True)
    ended = {"state": "finished", "counts": {"rows": 512}, "started_at": clock.now() - timedelta(seconds=4), "finished_at": clock.now()}
    Run.update(ended).where(Run.id == done.id).execute()
    waiting = runs.start(source, "remove_inventory")
    Run.update(due_at=clock.now() - timedelta(seconds=90)).where(Run.id == waiting.id).execute()
    presence.show("worker", 3)
    client.get("/sources")
    anonymous.get("/no-such-page")
    told = numbers(anonymous.get("/metrics"))
    assert told["quayside_runs_ended", "connection_check", "finished"] == 1
    assert told["quayside_run_rows", "connection_check"] == 512
    assert 3.5 < told["quayside_run_seconds", "connection_check"] < 5
    assert told["quayside_runs_waiting", "remove_inventory"] == 1
    assert 89 < told[("quayside_queue_oldest_seconds",)] < 120
    assert (told[("quayside_workers",)], told[("quayside_worker_threads",)]) == (1, 3)
    assert told["quayside_http_requests_total", "page", "200"] >= 1
    assert told[("quayside_sending_on",)] == 1
    assert told["quayside_http_seconds_count", "page"] >= 1


def test_only_a_monitor_sees_the_numbers(app, anonymous, config, tmp_path):
    missing = anonymous.get("/no-such-page")
    assert anonymous.get("/metrics").status_code == 200  # from this machine, on trial
    for environment in ({"REMOTE_ADDR": "203.0.113.9"}, {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}):
        refused = anonymous.get("/metrics", environ_overrides=environment)
        assert refused.status_code == 404
    app.config["PORTAL"] = replace(config, production=True)
    assert anonymous.get("/metrics").status_code == 404  # behind a proxy everybody comes from this machine
    (tmp_path / "token").write_text(TOKEN + "\n")
    app.config["PORTAL"] = replace(config, metrics_token_file=tmp_path / "token")
    assert anonymous.get("/metrics").status_code == 404
    assert anonymous.get("/metrics", headers={"Authorization": "Bearer " + TOKEN[:-1]}).status_code == 404
    assert anonymous.get("/metrics", headers={"Authorization": "Bearer " + TOKEN}).status_code == 200
    (tmp_path / "token").write_text("\n")
    assert anonymous.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404
    assert missing.status_code == 302 or missing.status_code == 404


def test_a_request_keeps_a_proxys_id_and_refuses_an_odd_one(anonymous):
    assert anonymous.get("/healthz", headers={"X-Request-ID": "abc-123.DEF"}).headers["X-Request-ID"] == "abc-123.DEF"
    made = anonymous.get("/healthz", headers={"X-Request-ID": "x" * 65}).headers["X-Request-ID"]
    assert len(made) == 16 and made != anonymous.get("/healthz").headers["X-Request-ID"]


def test_several_web_processes_add_up(tmp_path):
    """Two processes count in one folder, and a third one reads the sum: what the `web` verb sets up."""
    count = "from portal.web.measuring import REQUESTS; REQUESTS.labels('page', '200').inc(3)"
    read = (
        "from prometheus_client import CollectorRegistry, generate_latest, multiprocess as m\n"
        "r = CollectorRegistry(); m.MultiProcessCollector(r); print(generate_latest(r).decode())"
    )
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", count], cwd=ROOT, env=environment, check=True, timeout=60)
    told = subprocess.run([sys.executable, "-c", read], cwd=ROOT, env=environment, check=True, timeout=60, capture_output=True, text=True)
    assert 'quayside_http_requests_total{route="page",status="200"} 6.0' in told.stdout


@pytest.mark.parametrize("part", ["text", "json"])
def test_the_form_of_the_log_is_chosen(part):
    assert settings.log_format({"LOG_FORMAT": part}) == part and settings.log_format({"LOG_FORMAT": "yaml"}) == "text"
