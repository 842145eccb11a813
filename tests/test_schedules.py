"""When runs start by themselves: minutes, days and times across clock changes, and each run once."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from portal import clock, runs, schedules
from portal.errors import Invalid, Stale
from portal.models import Integration, Run, RunMessage, Source, database
from tests.databases import close_database
from tests.together import eight_at_once

WEEK = list(range(7))


def times(schedule, zone, count, after):
    return schedules.next_times(schedule, zone, count, datetime.fromisoformat(after))


def test_every_n_minutes_counts_from_the_given_moment():
    found = times({"every_minutes": 30}, "UTC", 3, "2026-11-25T09:12:40")
    assert found == [datetime(2026, 11, 25, 9, 42), datetime(2026, 11, 25, 10, 12), datetime(2026, 11, 25, 10, 42)]


def test_times_are_of_the_merchants_clock():
    found = times({"days": WEEK, "times": ["18:00", "08:00"]}, "America/New_York", 3, "2026-11-25T14:00:00")
    assert found == [datetime(2026, 11, 25, 23), datetime(2026, 11, 26, 13), datetime(2026, 11, 26, 23)]


def test_only_the_chosen_days_count():
    found = times({"days": [0, 4], "times": ["08:00"]}, "UTC", 3, "2026-11-25T09:00:00")  # a Wednesday
    assert [moment.weekday() for moment in found] == [4, 0, 4]


def test_a_day_that_is_already_tomorrow_over_there_is_not_left_out():
    assert times({"days": [3], "times": ["00:30"]}, "Pacific/Auckland", 1, "2026-11-25T11:00:00") == [datetime(2026, 11, 25, 11, 30)]


def test_a_time_that_the_clock_skips_runs_later_the_same_day():
    found = times({"days": WEEK, "times": ["02:30"]}, "America/New_York", 2, "2026-03-08T00:00:00")
    assert found == [datetime(2026, 3, 8, 7, 30), datetime(2026, 3, 9, 6, 30)]  # 03:30 EDT, then 02:30 EDT


def test_a_time_that_comes_twice_runs_once():
    found = times({"days": WEEK, "times": ["01:30"]}, "America/New_York", 2, "2026-11-01T00:00:00")
    assert found == [datetime(2026, 11, 1, 5, 30), datetime(2026, 11, 2, 6, 30)]


def test_two_times_that_a_skipped_hour_makes_one_run_once():
    found = times({"days": WEEK, "times": ["02:30", "03:30"]}, "America/New_York", 2, "2026-03-08T00:00:00")
    assert found == [datetime(2026, 3, 8, 7, 30), datetime(2026, 3, 9, 6, 30)]


def test_no_schedule_has_no_times():
    assert times({}, "UTC", 3, "2026-11-25T09:00:00") == []


@pytest.mark.parametrize(
    ("schedule", "field"),
    [
        ({"every_minutes": 4}, "every_minutes"),
        ({"every_minutes": 10_081}, "every_minutes"),
        ({"every_minutes": True}, "every_minutes"),
        ({"every_minutes": "30"}, "every_minutes"),
        ({"days": [], "times": ["08:00"]}, "days"),
        ({"days": [7], "times": ["08:00"]}, "days"),
        ({"days": [1], "times": []}, "times"),
        ({"days": [1], "times": ["8:00"]}, "times"),
        ({"days": [1], "times": ["24:00"]}, "times"),
        ({"days": [1], "times": ["08:60"]}, "times"),
        ({"days": [1], "times": ["٠٨:٠٠"]}, "times"),
    ],
)
def test_a_schedule_that_cannot_be_kept_says_which_field(schedule, field):
    with pytest.raises(Invalid) as refusal:
        schedules.check(schedule)
    assert list(refusal.value.errors) == [field]


@pytest.mark.parametrize("schedule", [{}, {"every_minutes": 5}, {"every_minutes": 10_080}, {"days": [0, 6], "times": ["00:00", "23:59"]}])
def test_schedules_that_can_be_kept(schedule):
    schedules.check(schedule)


@pytest.fixture
def due(make_source):
    """A live source whose inventory integration is due since a minute."""
    source = make_source(state="live")
    row = Integration.create(source=source, kind="get_inventory_primary", enabled=True, schedule={"every_minutes": 30})
    row.next_run_at = clock.now() - timedelta(minutes=1)
    row.save()
    return row


def test_a_due_integration_is_started_and_gets_its_next_time(due):
    assert schedules.start_due() == 1
    run = Run.get(Run.integration == due)
    assert (run.cause, run.kind, run.state) == ("schedule", "inventory", "queued")
    assert Integration.get_by_id(due.id).next_run_at > clock.now() + timedelta(minutes=28)
    assert schedules.start_due() == 0


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [("integration", "enabled", False), ("integration", "paused", True), ("source", "state", "paused"), ("source", "state", "deleted")],
)
def test_what_is_off_is_not_started(due, table, column, value):
    row = due if table == "integration" else due.source
    setattr(row, column, value)
    row.save()
    assert schedules.start_due() == 0
    assert Run.select().count() == 0


def test_a_run_still_going_makes_the_schedule_skip_one_and_say_so(due):
    going = runs.start_sync(due)
    assert schedules.start_due() == 0
    assert Run.select().count() == 1
    assert "left out" in RunMessage.get(RunMessage.run == going).text
    assert Integration.get_by_id(due.id).next_run_at > clock.now()


def test_eight_workers_at_once_start_it_once(due):
    database.close()
    started = eight_at_once(schedules.start_due)
    close_database()
    assert sorted(started) == [0] * 7 + [1]
    assert Run.select().count() == 1


def test_saving_a_schedule_sets_the_next_run_and_refuses_a_stale_form(due):
    saved = schedules.save(due, {"every_minutes": 60}, due.version, "owner@harbor.example")
    assert saved.next_run_at > clock.now() + timedelta(minutes=58)
    with pytest.raises(Stale):
        schedules.save(due, {"every_minutes": 15}, due.version, "owner@harbor.example")
    by_hand = schedules.save(saved, {}, saved.version, "owner@harbor.example")
    assert by_hand.next_run_at is None
    assert Source.get_by_id(due.source_id).id == due.source_id
