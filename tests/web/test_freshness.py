"""Freshness on the screens: the list, the source, its integrations, the ribbon, and the page of the rule."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from portal import clock, lateness
from portal.models import Integration, LatePeriod, Merchant, Run, Source, User
from tests.web.test_schedule import HTMX, KIND, at, fresh

NOW = datetime(2026, 11, 25, 14)  # a Wednesday


@pytest.fixture
def wednesday(monkeypatch: pytest.MonkeyPatch) -> None:
    gap, real = clock.now() - NOW, clock.now
    monkeypatch.setattr(clock, "now", lambda: real() - gap)


@pytest.fixture
def make(make_source: Callable[..., Source], wednesday: None) -> Callable[..., Source]:
    """make(name, hours): a live SFTP source whose hourly feed was last accepted so many hours ago (None: never)."""

    def live(name: str = "Northwind", hours: float | None = 0.5, **columns: Any) -> Source:
        source = make_source(name, state="live", supplier="sftp-file", item_count=48_210)
        last = None if hours is None else clock.now() - timedelta(hours=hours)
        given = {"schedule": {"every_minutes": 60}, "next_run_at": clock.now() + timedelta(minutes=42), "enabled": True} | columns
        settings = {"match": "newest", "pattern": "stock_*.csv"}
        begun = clock.now() - timedelta(days=9)
        Integration.create(source=source, kind=KIND, settings=settings, last_accepted_at=last, watched_since=begun, **given)
        return source

    return live


def run_of(source: Source, ago: timedelta, **columns: Any) -> Run:
    """An inventory run of the source, created so long ago, its last one."""
    integration, created = fresh(source), clock.now() - ago
    run = Run.create(
        merchant=source.merchant, source=source, integration=integration, number=Run.select().count() + 1, kind="inventory",
        created_at=created, finished_at=created, **columns,
    )  # fmt: skip
    Integration.update(last_run_id=run.id).where(Integration.id == integration.id).execute()
    return run


def words(text: str) -> str:
    """A page as it reads: no tags, single spaces."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def test_the_list_counts_filters_and_sorts_by_who_needs_you(client: Any, make: Any) -> None:
    make("Alder")
    make("Birch", 6)
    make("Cedar", 30)
    run_of(make("Dogwood", 3), timedelta(hours=1), state="held")
    problem = {"headline": "The server does not know this key", "body": "Why."}
    run_of(make("Elm"), timedelta(hours=1), state="failed", problem=problem)
    text = client.get("/sources").text
    names = re.findall(r'class="row-link"[^>]*>(\w+)<', text)
    assert names == ["Elm", "Dogwood", "Cedar", "Birch", "Alder"]
    for chip in ("All 5", "Action needed 1", "Held for review 1", "Late 2", "Up to date 1"):
        assert f">{chip}</a>" in text
    assert "since 10:00" in words(text) and "stock as of 11:00" in words(text)
    late = client.get("/sources?state=late").text
    assert re.findall(r'class="row-link"[^>]*>(\w+)<', late) == ["Cedar", "Birch"]
    Integration.update(last_accepted_at=clock.now()).execute()
    assert "No source is: Late" in client.get("/sources?state=late").text


def test_the_list_names_the_worst_with_its_stock_and_next_try(client: Any, make: Any) -> None:
    make("Birch", 6)
    text = words(client.get("/sources").text)
    assert "Birch: Late No new file since 08:00. We look for stock_*.csv every hour." in text
    assert "Stock is as of 08:00. Next try at 14:42." in text and "See the source" in text


def test_the_overview_says_by_when_the_next_file_is_expected(client: Any, make: Any) -> None:
    source = make()
    text = words(client.get(f"/sources/{source.public_id}").text)
    assert "Up to date. 48,210 items as of 13:30 , next at 14:42 , expected by 15:30 ." in text


def test_the_overview_of_a_late_source_says_since_when_and_what_comes_next(client: Any, make: Any) -> None:
    policies = {"freshness": {"expected": "hours", "hours": 2}, "silence": {"hours": 24, "act": "zero"}}
    source = make(hours=6, policies=policies)
    text = words(client.get(f"/sources/{source.public_id}").text)
    assert "Late" in text and "You set 2 h as late." in text and "next try at 14:42" in text and "expected by" not in text
    assert "Without a new file your rule acts tomorrow at 08:00: set stock to 0." in text


def test_the_times_are_of_the_persons_clock(client: Any, make: Any, owner: User) -> None:
    User.update(time_zone="Asia/Tokyo").where(User.id == owner.id).execute()
    source = make(hours=6)
    assert "No new file since 17:00" in words(client.get(f"/sources/{source.public_id}").text)


def test_the_integrations_each_show_their_own_state_and_time(client: Any, make: Any) -> None:
    source = make(hours=6)
    second = Integration.create(source=source, kind="get_inventory_secondary", enabled=True, last_accepted_at=clock.now())
    rows = re.findall(r"<tr id=.*?</tr>", client.get(f"/sources/{source.public_id}/integrations").text, re.DOTALL)
    primary, secondary = [words(row) for row in rows[:2]]
    assert "Late since 10:00" in primary and "When it is late" in primary
    assert "Up to date" in secondary and second.kind in rows[1]
    part = client.get(f"/sources/{source.public_id}/integrations/{KIND}", headers=HTMX).text
    assert "Late since 10:00" in words(part)


def test_the_ribbon_marks_where_an_expected_feed_did_not_come_and_says_it_in_words(client: Any, make: Any) -> None:
    source = make(hours=0.5)
    for hours in (9, 8, 1):
        run_of(source, timedelta(hours=hours), state="finished", counts={"rows": 12_000})
    LatePeriod.create(
        integration=fresh(source), since=NOW - timedelta(hours=6), cause="absent", ended_at=NOW - timedelta(hours=1), ended="accepted"
    )
    text = client.get(f"/sources/{source.public_id}").text
    looks = re.findall(r'<rect class="(\w+)"', text)
    assert looks == ["ok", "ok", "gap", "ok"], "in the order of time"
    assert "Last 3 runs" in text and "none was accepted in time (1 time)" in text
    assert "Nothing accepted by 08:00; accepted at 13:00, 5 h later" in text


def test_a_late_period_before_the_oldest_shown_run_is_left_out(client: Any, make: Any) -> None:
    source = make()
    for hours in range(40, 9, -1):
        run_of(source, timedelta(hours=hours), state="no_change", counts={"rows": 10})
    then = {"integration": fresh(source), "cause": "absent", "ended": "accepted"}
    LatePeriod.create(since=NOW - timedelta(hours=60), ended_at=NOW - timedelta(hours=50), **then)
    LatePeriod.create(since=NOW - timedelta(hours=20, minutes=30), ended_at=NOW - timedelta(hours=20), **then)
    looks = re.findall(r'<rect class="(\w+)"', client.get(f"/sources/{source.public_id}").text)
    assert len(looks) == 31 and looks.count("gap") == 1


def test_a_source_whose_feed_never_came_says_so_without_any_run(client: Any, make: Any) -> None:
    source = make(hours=None)
    lateness.mind()
    text = client.get(f"/sources/{source.public_id}").text
    assert "Late" in text and '<svg class="ribbon' not in text
    assert "No file has been accepted yet. The first was expected by " in words(text)


def test_the_list_asks_the_database_the_same_number_of_questions_for_200_sources(client: Any, make: Any, counting: Any) -> None:
    def ask() -> int:
        with counting() as queries:
            assert client.get("/sources").status_code == 200
        return len(queries)

    make("First", 6)
    ask()
    few = ask()
    for n in range(199):
        make(f"Source {n}", n % 7)
    assert few == ask() and client.get("/sources").text.count('class="row-link"') == 200


def test_the_rules_page_shows_the_default_and_the_next_three_times(client: Any, make: Any) -> None:
    source = make()
    page = client.get(at(source, "freshness"))
    text = words(page.text)
    assert page.status_code == 200 and "Next three expected-by times" in text and "Never so far." in text
    for told in ("Wednesday 25 Nov, 15:30", "Wednesday 25 Nov, 16:42", "Wednesday 25 Nov, 17:42"):
        assert told in text
    assert f'href="{at(source, "freshness")}"' in client.get(at(source)).text, "linked from Edit schedule"
    settings = client.get(f"/sources/{source.public_id}/settings").text
    assert f'href="{at(source, "freshness")}"' in settings and "By the schedule" in settings


@pytest.mark.parametrize(
    ("sent", "kept", "told"),
    [
        ({"expected": "hours", "hours": " 2 "}, {"expected": "hours", "hours": 2}, "At most 2 h old"),
        (
            {"expected": "times", "days": ["0", "1", "2", "3", "4"], "times": "8:00 18:30", "grace_minutes": "15"},
            {"expected": "times", "days": [0, 1, 2, 3, 4], "times": ["08:00", "18:30"], "grace_minutes": 15},
            "By 08:00 and 18:30, Monday to Friday, and 15 min",
        ),
        ({"expected": "schedule", "same_file": "y"}, {"same_file_counts": False}, "By the schedule"),
    ],
)
def test_a_rule_is_saved_and_stands_in_the_settings(client: Any, make: Any, sent: Any, kept: Any, told: str, owner: User) -> None:
    source = make()
    answer = client.send_form(at(source, "freshness"), sent)
    assert (answer.status_code, answer.headers["Location"]) == (303, at(source, "freshness"))
    assert fresh(source).policies["freshness"] == kept and fresh(source).changed_by == owner.email
    assert told in words(client.get(f"/sources/{source.public_id}/settings").text)
    client.send_form(at(source, "freshness"), {"expected": "schedule", "grace_minutes": "0", "same_file": None})
    assert "freshness" not in fresh(source).policies


@pytest.mark.parametrize("headers", [{}, HTMX])
@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ({"expected": "hours", "hours": "0"}, "Enter a number of hours from 1 to 2,160."),
        ({"expected": "hours", "hours": "soon"}, "Enter a number of hours from 1 to 2,160."),
        ({"expected": "times", "days": None}, "Choose at least one day."),
        ({"expected": "times", "days": ["9"]}, "Choose at least one day."),
        ({"expected": "times", "times": "25:00"}, "Enter 1 to 48 times"),
        ({"expected": "sometimes"}, "Choose when a file counts as late."),
        ({"grace_minutes": "-5"}, "Enter a number of minutes from 0 to 1,440."),
    ],
)
def test_what_cannot_be_kept_is_told_and_stays_as_typed(client: Any, make: Any, sent: Any, told: str, headers: Any) -> None:
    source = make()
    answer = client.send_form(at(source, "freshness"), sent, headers=headers)
    assert answer.status_code == 422 and told in answer.text and "freshness" not in fresh(source).policies
    for name in ("hours", "times", "grace_minutes"):
        assert name not in sent or f'value="{sent[name]}"' in answer.text


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_rule_can_be_looked_at_before_it_is_saved(client: Any, make: Any, headers: Any, merchant: Merchant) -> None:
    Merchant.update(time_zone="America/New_York").where(Merchant.id == merchant.id).execute()
    source = make()
    sent = {"expected": "times", "days": ["3"], "times": "08:00", "act": "look"}
    answer = client.send_form(at(source, "freshness"), sent, headers=headers)
    assert answer.status_code == 200 and "Thursday 3 Dec, 08:00" in answer.text and "Not saved yet." in answer.text
    assert "freshness" not in fresh(source).policies


def test_two_people_saving_at_once_see_each_other(client: Any, member_client: Any, make: Any, member: User) -> None:
    source = make()
    address = at(source, "freshness")
    mine = client.form_values(client.get(address).text, address) | {"expected": "hours", "hours": "4"}
    member_client.send_form(address, {"expected": "hours", "hours": "2"})
    answer = client.post(address, data=mine)
    assert answer.status_code == 409 and member.email in answer.text and "At most 2 h old" in answer.text
    assert fresh(source).policies["freshness"]["hours"] == 2


def test_orders_have_no_such_rule(client: Any, make: Any) -> None:
    source = make()
    Integration.create(source=source, kind="send_orders")
    assert client.get(at(source, "freshness", "send_orders")).status_code == 404


def test_what_rests_says_why_nothing_is_expected(client: Any, make: Any) -> None:
    source = make(paused=True)
    assert "Nothing is expected now: it is paused." in words(client.get(at(source, "freshness")).text)
    by_hand = make("Kestrel", schedule={})
    assert "Files come by hand, so none is late." in words(client.get(at(by_hand, "freshness")).text)
