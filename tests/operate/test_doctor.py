"""What doctor and the operator's page say: each line's state and what to do, and to whom they say it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from portal import accounts, clock, runs
from portal import config as settings
from portal.models import Run, RunningProcess, SchedulerLease, User, database
from portal.models.database import is_postgres
from portal.operation import checks, lead, notes, presence
from portal.outbox import stops
from tests.conftest import PASSWORD
from tests.databases import close_database

NAMES = [
    "version", "database", "migrations", "worker", "scheduler", "queue", "sending", "disk", "key", "backup", "restore_check", "suspended",
    "clock", "egress", "demo",
]  # fmt: skip


def lines() -> dict[str, checks.Line]:
    return {line.name: line for line in checks.everything()}


@pytest.fixture
def in_order(config, owner):
    """An installation that wants nothing."""
    presence.show("worker", 2)
    lead.hold(presence.me())
    notes.write(notes.BACKUP, folder="/backups/one", bytes=2_000_000)
    notes.write(notes.RESTORE_CHECK, good=True, made_at="2026-11-27 08:00")
    return config


@pytest.fixture
def doctor(app):
    def run(*words):
        answer = app.test_cli_runner().invoke(args=["doctor", *words])
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        database.connect(reuse_if_open=True)
        return answer.exit_code, answer.output

    return run


def test_an_installation_in_order_ends_with_0(in_order, doctor):
    found = lines()
    assert list(found) == NAMES
    wanting = {name: line.said for name, line in found.items() if line.state != "ok"}
    assert set(wanting) <= {"disk"}, wanting  # the machine of the test may have little left
    code, output = doctor("--json")
    told = json.loads(output)
    assert code == {"ok": 0, "warn": 1, "bad": 2}[told["state"]] and [line["name"] for line in told["lines"]] == NAMES
    assert doctor()[1].count("\n") >= len(NAMES)


def test_each_line_says_what_is_wrong_and_what_to_do(in_order, make_source, merchant):
    old = clock.now() - timedelta(days=40)
    RunningProcess.update(seen_at=clock.now() - timedelta(minutes=10)).execute()
    SchedulerLease.update(until=clock.now() - timedelta(minutes=10)).execute()
    waiting = runs.start(make_source(), "remove_inventory")
    Run.update(due_at=clock.now() - timedelta(minutes=20)).where(Run.id == waiting.id).execute()
    stops.stop_everything("An operator switched it off.")
    for name in (notes.BACKUP, notes.RESTORE_CHECK):
        notes.write(name, good=True, made_at="2026-10-01 08:00")
    database.execute_sql("UPDATE operator_note SET at = '2026-10-10 00:00:00'")
    in_order.secret_key_file.chmod(0o644)
    settings.use(replace(in_order, egress_allow="10.0.0.0/8, 192.168.4.7:22", demo=True, database_url="postgresql://a:postgres@h/d"))
    User.update(email=checks.DEMO_EMAIL).execute()
    found = lines()
    states = {name: line.state for name, line in found.items()}
    expected = {
        "worker": "bad", "scheduler": "bad", "queue": "warn", "sending": "warn", "key": "warn", "backup": "warn", "restore_check": "warn",
        "egress": "warn", "demo": "warn",
    }  # fmt: skip
    assert {name: states[name] for name in expected} == expected
    assert "10 min" in found["worker"].said and found["worker"].command == "flask --app app worker"
    assert "1 wait, the oldest for 20 min" in found["queue"].said
    assert "10.0.0.0/8" in found["egress"].fix and "192.168.4.7" not in found["egress"].fix
    assert all(line.fix for line in found.values() if line.state != "ok")
    assert old < clock.now() and "postgres" not in str(found["demo"].said)


def test_a_key_that_is_gone_or_wrong_and_a_clock_that_is_off_are_bad(in_order, monkeypatch):
    presence.RunningProcess.update(places={"drift": -21.5}).execute()
    assert lines()["clock"].state == "bad" and "21.5 s after" in lines()["clock"].said
    in_order.secret_key_file.rename(in_order.secret_key_file.with_suffix(".away"))
    assert lines()["key"].state == "bad" and "is not there" in lines()["key"].said
    from portal import vault

    vault.load(in_order.secret_key_file)
    assert lines()["key"].state == "bad" and "does not hold the key" in lines()["key"].said


def test_a_database_that_is_away_leaves_the_lines_that_need_none(in_order, doctor, tmp_path):
    from portal.models import connect

    here, url = database.obj, "postgresql://nobody@127.0.0.1:1/none" if is_postgres() else f"sqlite:///{tmp_path}/portal.db/no/x.db"
    close_database()
    try:
        if is_postgres():
            connect(url)
        else:
            database.initialize(type(here)(str(tmp_path / "no" / "such.db")))
        code = doctor_without_opening()
    finally:
        database.initialize(here)
    assert code == ["version", "database", "disk", "key"]


def doctor_without_opening() -> list[str]:
    found = checks.everything()
    assert found[1].state == "bad" and found[1].fix
    return [line.name for line in found]


def test_only_staff_find_the_page(client, app, merchant, in_order):
    missing, closed = client.get("/nothing-is-here"), client.get("/operate")
    assert closed.status_code == 404
    assert closed.data == missing.data
    assert 'href="/operate"' not in client.get("/sources").text
    staff = accounts.create_user(merchant, "staff@harbor.example", PASSWORD, role="reader", is_staff=True)
    inside = app.test_client().sign_in(staff.email, PASSWORD)
    page = inside.get("/operate")
    assert page.status_code == 200 and "Last restore test" in page.text and "flask --app app doctor" in page.text
    assert 'href="/operate"' in inside.get("/sources").text
    RunningProcess.delete().execute()
    assert "None was ever seen" in inside.get("/operate").text
