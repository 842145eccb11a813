"""The schedule page with its next three runs, and pausing an integration or a source."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from portal import clock, runs, schedules, sources
from portal.models import AuditLine, Integration, Merchant, Run, Source, User

HTMX = {"HX-Request": "true"}
KIND = "get_inventory_primary"


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    """A live SFTP source whose inventory comes every hour."""
    source = make_source(state="live", supplier="sftp-file")
    hourly = {"every_minutes": 60}
    Integration.create(source=source, kind=KIND, enabled=True, schedule=hourly, next_run_at=clock.now() + timedelta(minutes=5))
    return source


@pytest.fixture
def wednesday(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Wednesday 25 November 2026, 14:00 UTC, and the clock goes on from there."""
    gap = clock.now() - datetime(2026, 11, 25, 14)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() - gap)


def at(source: Source, rest: str = "schedule", kind: str = KIND) -> str:
    return f"/sources/{source.public_id}/integrations/{kind}/{rest}"


def fresh(source: Source) -> Integration:
    return Integration.get(Integration.source == source, Integration.kind == KIND)


def test_the_page_shows_the_saved_schedule_and_the_next_three_runs(wednesday: None, client: Any, source: Source) -> None:
    text = client.get(at(source)).text
    assert "Next three runs" in text and 'value="60"' in text
    for words in ("Wednesday 25 Nov, 14:05", "Wednesday 25 Nov, 15:05", "Wednesday 25 Nov, 16:05"):
        assert words in text, "as the worker has them planned, not counted from this moment"
    assert "Wednesday 25 Nov, 17:05" not in text


def test_minutes_are_saved_and_the_next_run_follows(client: Any, source: Source, owner: User) -> None:
    answer = client.send_form(at(source), {"how": "every", "every_minutes": " 1,440 "})
    assert (answer.status_code, answer.headers["Location"]) == (303, at(source))
    kept = fresh(source)
    assert kept.schedule == {"every_minutes": 1440} and kept.changed_by == owner.email
    assert timedelta(hours=23, minutes=58) < kept.next_run_at - clock.now() <= timedelta(days=1)
    assert "Saved " in client.get(at(source)).text


def test_days_and_times_are_of_the_workspaces_clock(wednesday: None, client: Any, source: Source, merchant: Merchant) -> None:
    Merchant.update(time_zone="America/New_York").where(Merchant.id == merchant.id).execute()
    client.send_form(at(source), {"how": "days", "days": ["0", "2"], "times": "8:00 18:30,08:00"})
    kept = fresh(source)
    assert kept.schedule == {"days": [0, 2], "times": ["08:00", "18:30"]} and kept.next_run_at == datetime(2026, 11, 25, 23, 30)
    text = client.get(at(source)).text
    assert "America/New York" in text and 'value="08:00, 18:30"' in text
    assert "Wednesday 25 Nov, 18:30" in text and "Monday 30 Nov, 08:00" in text and "Monday 30 Nov, 18:30" in text


def test_by_hand_only_means_no_next_run(client: Any, source: Source) -> None:
    client.send_form(at(source), {"how": "hand"})
    assert (fresh(source).schedule, fresh(source).next_run_at) == ({}, None)
    assert "None by itself. Run Sync starts one." in client.get(at(source)).text


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"how": "every", "every_minutes": "4"}, "Enter a number of minutes from 5"),
        ({"how": "every", "every_minutes": "soon"}, "Enter a number of minutes from 5"),
        ({"how": "every", "every_minutes": "٣٠"}, "Enter a number of minutes from 5"),
        ({"how": "days", "days": None}, "Choose at least one day."),
        ({"how": "days", "days": ["9"]}, "Choose at least one day."),
        ({"how": "days", "times": "25:00"}, "Enter 1 to 48 times"),
        ({"how": "days", "times": ""}, "Enter 1 to 48 times"),
        ({"how": "weekly"}, "Choose when it runs."),
    ],
)
def test_what_cannot_be_kept_is_told_and_stays_as_typed(client: Any, source: Source, sent: Any, words: str, headers: Any) -> None:
    answer = client.send_form(at(source), sent, headers=headers)
    assert answer.status_code == 422 and words in answer.text and (headers or "<title>Error: " in answer.text)
    for name in ("every_minutes", "times"):
        assert name not in sent or f'value="{sent[name]}"' in answer.text
    assert fresh(source).schedule == {"every_minutes": 60}


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_schedule_can_be_looked_at_before_it_is_saved(wednesday: None, client: Any, source: Source, headers: Any) -> None:
    answer = client.send_form(at(source), {"how": "every", "every_minutes": "30", "act": "look"}, headers=headers)
    assert answer.status_code == 200 and "Wednesday 25 Nov, 14:30" in answer.text and "Not saved yet." in answer.text
    assert fresh(source).schedule == {"every_minutes": 60}
    sent = client.form_values(answer.text, at(source))
    assert client.post(at(source), data=sent).status_code == 303 and fresh(source).schedule == {"every_minutes": 30}


def test_two_people_saving_at_once_see_each_other(client: Any, member_client: Any, source: Source, member: User) -> None:
    mine = client.form_values(client.get(at(source)).text, at(source)) | {"how": "every", "every_minutes": "30"}
    member_client.send_form(at(source), {"how": "days", "days": ["0"], "times": "08:00"})
    answer = client.post(at(source), data=mine)
    assert answer.status_code == 409 and member.email in answer.text and "they have <b>Monday at 08:00</b>" in answer.text
    assert fresh(source).schedule == {"days": [0], "times": ["08:00"]}
    assert client.post(at(source), data=client.form_values(answer.text, at(source))).status_code == 303
    assert fresh(source).schedule == {"every_minutes": 30}


def test_what_is_uploaded_has_no_schedule(client: Any, source: Source) -> None:
    Source.update(supplier="file-upload").where(Source.id == source.id).execute()
    page = client.get(at(source)).text
    assert "Files come when somebody uploads them" in page and "Save schedule" not in page
    token = client.form_values(page, "/sign-out")["csrf_token"]
    assert client.post(at(source), data={"csrf_token": token, "how": "every", "every_minutes": "30"}).status_code == 409
    assert fresh(source).schedule == {"every_minutes": 60}


def test_the_page_says_why_nothing_runs(client: Any, source: Source) -> None:
    for state, words in (("draft", "The source is a draft"), ("paused", "The source is paused")):
        Source.update(state=state).where(Source.id == source.id).execute()
        assert words in client.get(at(source)).text
    assert client.get(at(source, kind="send_orders")).status_code == 404


def test_a_paused_integration_runs_nothing_until_it_is_resumed(client: Any, source: Source, owner: User) -> None:
    answer = client.send_form(at(source, "pause"), page=at(source))
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/sources/{source.public_id}/integrations")
    Integration.update(next_run_at=clock.now() - timedelta(hours=5)).execute()
    assert fresh(source).paused and schedules.start_due() == 0
    assert "Paused, so nothing runs by itself." in client.get(at(source)).text
    assert client.send_form(at(source, "pause"), page=at(source)).status_code == 303
    assert not fresh(source).paused and fresh(source).next_run_at > clock.now() + timedelta(minutes=58), "nothing is made up for"
    assert [line.action for line in AuditLine.select().where(AuditLine.who == owner.email).order_by(AuditLine.id)][-2:] == [
        "integration.pause",
        "integration.resume",
    ]


def test_the_menu_of_the_integration_pauses_and_resumes_too(client: Any, source: Source) -> None:
    for expected in (True, False):
        client.send_form(at(source, "pause"), page=f"/sources/{source.public_id}/integrations")
        assert fresh(source).paused is expected


def test_pausing_ends_a_run_that_only_waits_to_try_again_and_leaves_one_that_moves(client: Any, source: Source) -> None:
    run = runs.start_sync(sources.integration(source, KIND))
    Run.update(tries=1, due_at=clock.now() + timedelta(minutes=9)).execute()
    client.send_form(at(source, "pause"), page=at(source))
    assert Run.get_by_id(run.id).state == "stopped"
    client.send_form(at(source, "pause"), page=at(source))
    moving = runs.start_sync(sources.integration(source, KIND))
    client.send_form(at(source, "pause"), page=at(source))
    assert (Run.get_by_id(moving.id).state, Run.get_by_id(moving.id).cancel_requested) == ("queued", False)


def test_a_whole_source_is_paused_and_resumed_in_its_settings(member_client: Any, source: Source) -> None:
    settings, there = f"/sources/{source.public_id}/settings", f"/sources/{source.public_id}/pause"
    assert member_client.send_form(there, page=settings).headers["Location"] == f"/sources/{source.public_id}"
    Integration.update(next_run_at=clock.now() - timedelta(hours=5)).execute()
    assert Source.get_by_id(source.id).state == "paused" and schedules.start_due() == 0
    assert "Resume" in member_client.get(settings).text
    member_client.send_form(there, page=settings)
    assert Source.get_by_id(source.id).state == "live" and fresh(source).next_run_at > clock.now() + timedelta(minutes=58)


@pytest.mark.parametrize("twice", ["0", "1"])
def test_pausing_what_is_paused_changes_nothing(client: Any, source: Source, twice: str) -> None:
    token = client.form_values(client.get(at(source)).text, "/sign-out")["csrf_token"]
    for _ in range(2):
        for there in (at(source, "pause"), f"/sources/{source.public_id}/pause"):
            assert client.post(there, data={"csrf_token": token, "paused": twice}).status_code == 303
    assert (fresh(source).paused, Source.get_by_id(source.id).state) == ((True, "paused") if twice == "1" else (False, "live"))
    assert AuditLine.select().where(AuditLine.action.endswith("pause")).count() == (2 if twice == "1" else 0)


def test_a_draft_and_what_is_switched_off_cannot_be_paused(client: Any, source: Source) -> None:
    token = client.form_values(client.get(at(source)).text, "/sign-out")["csrf_token"]
    Integration.update(enabled=False).execute()
    assert client.post(at(source, "pause"), data={"csrf_token": token}).status_code == 409
    Source.update(state="draft").where(Source.id == source.id).execute()
    for there in (at(source, "pause"), f"/sources/{source.public_id}/pause"):
        answer = client.post(there, data={"csrf_token": token})
        assert answer.status_code == 409 and "nothing runs by itself" in answer.text
    assert (fresh(source).paused, Source.get_by_id(source.id).state) == (False, "draft")
