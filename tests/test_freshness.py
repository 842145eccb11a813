"""By when a feed is expected: every rule just before, at and after its moment; across clock changes; and what the clock notes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

import tasks
from portal import clock, freshness, lateness, pausing, runs, source_status
from portal.errors import Invalid, Problem, Stale, SupplierError
from portal.freshness import Rule
from portal.models import Integration, LatePeriod, Merchant, Run, Source, database
from portal.runs import Outcome
from tests.databases import close_database
from tests.feed_of import Feed, rows_of
from tests.together import eight_at_once

WEDNESDAY = datetime(2026, 11, 25, 8, 42)
SECOND = timedelta(seconds=1)
HOURLY, WEEK = {"every_minutes": 60}, list(range(7))
DAILY = {"days": WEEK, "times": ["08:00"]}


class Time:
    """A clock that stands still until it is set."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = WEDNESDAY
        patch.setattr(clock, "now", lambda: self.now)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch, db: str) -> Time:
    return Time(monkeypatch)


@pytest.fixture
def feed(make_source: Any, time: Time) -> Feed:
    """A live source whose feed has been watched for a month and was last accepted on Wednesday 08:42."""
    made = Feed(make_source())
    put(watched_since=WEDNESDAY - timedelta(days=30), last_accepted_at=WEDNESDAY, file_since=WEDNESDAY, schedule=HOURLY)
    return made


def put(**columns: Any) -> None:
    Integration.update(**columns).execute()


def one() -> Any:
    return Integration.get()


def ends(run: Run, state: str = "finished", accepted: bool = True) -> Run:
    """The queued `run` is done and ends so."""
    runs.perform(runs.claim(), {"inventory": lambda _work: Outcome(state, {}, accepted=accepted)})
    return Run.get_by_id(run.id)


def accept(state: str = "finished") -> Run:
    return ends(runs.start_sync(one()), state)


RULES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "every hour: the next run and one more": ({}, HOURLY, "2026-11-25 10:42"),
    "every five minutes": ({}, {"every_minutes": 5}, "2026-11-25 08:52"),
    "daily: tomorrow's run and one more": ({}, DAILY, "2026-11-27 08:00"),
    "workdays only": ({}, {"days": [0, 1, 2, 3, 4], "times": ["08:00", "18:00"]}, "2026-11-26 08:00"),
    "a schedule and grace": ({"grace_minutes": 15}, HOURLY, "2026-11-25 10:57"),
    "at most two hours": ({"expected": "hours", "hours": 2}, HOURLY, "2026-11-25 10:42"),
    "hours and grace": ({"expected": "hours", "hours": 2, "grace_minutes": 30}, HOURLY, "2026-11-25 11:12"),
    "hours, files come by hand": ({"expected": "hours", "hours": 72}, {}, "2026-11-28 08:42"),
    "by 12:00: today's has come": ({"expected": "times", "days": WEEK, "times": ["12:00"]}, HOURLY, "2026-11-26 12:00"),
    "by 08:42, to the minute": ({"expected": "times", "days": WEEK, "times": ["08:42"]}, {}, "2026-11-26 08:42"),
    "by 08:00 Mondays and Fridays": ({"expected": "times", "days": [0, 4], "times": ["08:00"]}, {}, "2026-11-30 08:00"),
    "within the grace of 08:30": ({"expected": "times", "days": WEEK, "times": ["08:30"], "grace_minutes": 15}, {}, "2026-11-26 08:45"),
}


@pytest.mark.parametrize("name", RULES)
def test_every_rule_just_before_at_and_after_its_moment(feed: Feed, time: Time, name: str) -> None:
    policy, schedule, told = RULES[name]
    put(policies={"freshness": policy}, schedule=schedule)
    by = datetime.fromisoformat(told)
    assert freshness.expected_by(one()) == by
    for moment, state in ((by - SECOND, "ok"), (by, "ok"), (by + SECOND, "late")):
        time.now = moment
        assert source_status.of(feed.source).state == state, moment
        lateness.mind()
        assert one().late_since == (None if state == "ok" else by)
    assert one().expected_by == by


def test_what_came_late_answers_the_time_it_missed_and_not_the_next(feed: Feed, time: Time) -> None:
    put(policies={"freshness": {"expected": "times", "days": WEEK, "times": ["08:00"]}}, schedule=DAILY)
    lateness.mind()
    assert one().expected_by == datetime(2026, 11, 27, 8), "the file of 08:42 was for Thursday's 08:00"
    put(last_accepted_at=datetime(2026, 11, 25, 7, 50), expected_by=datetime(2026, 11, 26, 8))
    time.now = datetime(2026, 11, 26, 8, 0, 30)  # before the clock has noticed
    accept()
    assert one().accepted_late and freshness.expected_by(one()) == datetime(2026, 11, 27, 8)
    lateness.mind()
    time.now = datetime(2026, 11, 26, 9)
    accept()
    assert not one().accepted_late and freshness.expected_by(one()) == datetime(2026, 11, 28, 8), "an hourly feed has answered Friday's"


@pytest.mark.parametrize(
    ("zone", "accepted", "policy", "by"),
    [
        ("America/New_York", "2026-03-07 14:00", {"times": ["02:30"]}, "2026-03-09 06:30"),  # Sunday's 02:30 does not exist: 03:30 EDT
        ("America/New_York", "2026-03-07 06:00", {"times": ["02:30"]}, "2026-03-08 07:30"),
        ("America/New_York", "2026-10-31 04:00", {"times": ["01:30"]}, "2026-11-01 05:30"),  # it comes twice: the first time
        ("America/New_York", "2026-11-01 05:30", {"times": ["01:30"]}, "2026-11-02 06:30"),
        ("Europe/Amsterdam", "2026-03-28 06:00", {"times": ["08:00"]}, "2026-03-29 06:00"),  # 08:00 CET, then 08:00 CEST
        ("Europe/Amsterdam", "2026-10-24 05:00", {"times": ["08:00"], "grace_minutes": 30}, "2026-10-25 07:30"),
        ("Pacific/Auckland", "2026-11-25 10:00", {"days": [3], "times": ["00:30"]}, "2026-12-02 11:30"),
    ],
)
def test_times_are_of_the_merchants_clock_also_when_it_changes(feed: Feed, zone: str, accepted: str, policy: Any, by: str) -> None:
    Merchant.update(time_zone=zone).execute()
    put(last_accepted_at=datetime.fromisoformat(accepted), watched_since=datetime(2026, 1, 1))
    put(policies={"freshness": {"expected": "times", "days": WEEK} | policy})
    assert freshness.expected_by(one()) == datetime.fromisoformat(by)


def test_absence_alone_makes_late_although_no_run_ever_happens(feed: Feed, time: Time) -> None:
    put(last_accepted_at=None, watched_since=None, file_since=None)
    assert source_status.of(feed.source).state == "ready"
    tasks.mind_freshness.call_local()
    assert (one().watched_since, one().expected_by) == (WEDNESDAY, datetime(2026, 11, 25, 10, 42))
    time.now = datetime(2026, 11, 25, 10, 43)
    tasks.mind_freshness.call_local()
    assert one().late_since == datetime(2026, 11, 25, 10, 42) and Run.select().count() == 0
    status = source_status.of(feed.source)
    assert status.state == "late" and status.sentence.startswith("No file has been accepted yet. The first was expected by 10:42.")


def test_a_real_tick_notes_each_change_once_and_an_accepted_run_ends_it(feed: Feed, time: Time) -> None:
    tasks.mind_freshness.call_local()
    time.now = WEDNESDAY + timedelta(hours=3)
    for _ in range(3):
        tasks.mind_freshness.call_local()
    period = LatePeriod.get()
    assert (period.since, period.cause, period.noted_at, period.ended_at) == (datetime(2026, 11, 25, 10, 42), "absent", time.now, None)
    feed.sync(rows_of(3))
    came = time.now
    assert source_status.of(feed.source).state == "ok", "at once, not with the next tick"
    time.now += timedelta(seconds=40)
    for _ in range(2):
        tasks.mind_freshness.call_local()
    period = LatePeriod.get()
    assert (period.ended_at, period.ended) == (came, "accepted") and one().late_since is None
    assert feed.sync(rows_of(3)).state == "no_change"
    time.now += timedelta(minutes=119)
    assert source_status.of(feed.source).state == "ok", "no change is fresh too"


def test_a_feed_that_comes_between_two_looks_and_is_late_again_is_two_periods(feed: Feed, time: Time) -> None:
    time.now = WEDNESDAY + timedelta(hours=3)
    lateness.mind()
    put(last_accepted_at=WEDNESDAY + timedelta(hours=4))
    time.now = WEDNESDAY + timedelta(hours=7)
    lateness.mind()
    told = [(row.since.hour, row.ended_at and row.ended_at.hour, row.ended) for row in LatePeriod.select().order_by(LatePeriod.id)]
    assert told == [(10, 12, "accepted"), (14, None, "")]


@pytest.mark.parametrize("rests", ["paused", "source", "off", "hand"])
def test_what_rests_is_never_late_and_counts_from_when_it_goes_on(feed: Feed, time: Time, rests: str) -> None:
    time.now = WEDNESDAY + timedelta(hours=3)
    lateness.mind()
    rest = {"paused": {"paused": True}, "off": {"enabled": False}, "hand": {"schedule": {}}}
    on = {"paused": {"paused": False}, "off": {"enabled": True}, "hand": {"schedule": HOURLY}}
    pausing.pause_source(feed.source, "owner") if rests == "source" else put(**rest[rests])
    assert source_status.of(Source.get()).state != "late", "at once"
    lateness.mind()
    assert (one().late_since, one().watched_since, one().expected_by) == (None, None, None)
    assert (LatePeriod.get().ended, LatePeriod.get().ended_at) == ("rested", time.now)
    time.now = back = WEDNESDAY + timedelta(days=3)
    lateness.mind()
    pausing.resume_source(Source.get(), "owner") if rests == "source" else put(**on[rests])
    assert source_status.of(Source.get()).state == "ready", "its stock is old, and nothing was expected meanwhile"
    lateness.mind()
    assert (one().late_since, one().expected_by) == (None, back + timedelta(hours=2))
    time.now = back + timedelta(hours=2) + SECOND
    lateness.mind()
    assert source_status.of(Source.get()).state == "late" and LatePeriod.select().count() == 2


def test_a_draft_is_never_late(feed: Feed, time: Time) -> None:
    Source.update(state="draft").execute()
    time.now += timedelta(days=9)
    assert lateness.mind() == 0 and freshness.expected_by(one()) is None


def test_an_age_that_the_merchant_set_also_counts_through_a_rest(feed: Feed, time: Time) -> None:
    put(policies={"freshness": {"expected": "hours", "hours": 2}}, watched_since=None)
    time.now = back = WEDNESDAY + timedelta(days=1)
    lateness.mind()
    time.now = back + timedelta(minutes=1)
    lateness.mind()
    assert source_status.of(feed.source).state == "late" and one().late_since == back, "not since a time in which nothing was expected"


def test_a_rule_that_changes_while_it_is_late_moves_the_same_period(feed: Feed, time: Time) -> None:
    time.now = WEDNESDAY + timedelta(hours=3)
    lateness.mind()
    kept = freshness.save(one(), Rule("hours", hours=1), one().version, "owner")
    lateness.mind()
    assert kept.policies["freshness"] == {"expected": "hours", "hours": 1}
    assert [row.since for row in LatePeriod.select()] == [WEDNESDAY + timedelta(hours=1)] == [one().late_since]
    freshness.save(one(), Rule("hours", hours=48), one().version, "owner")
    lateness.mind()
    assert LatePeriod.get().ended == "rule" and one().late_since is None


def test_a_removed_integration_leaves_no_open_period(feed: Feed, time: Time) -> None:
    time.now = WEDNESDAY + timedelta(hours=3)
    lateness.mind()
    put(late_since=None, enabled=False)
    lateness.mind()
    assert LatePeriod.get().ended == "rested"


def test_a_feed_accepted_while_the_clock_looks_is_not_called_late(feed: Feed, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    time.now = WEDNESDAY + timedelta(hours=3)
    real = lateness._watched

    def meanwhile() -> list[Any]:
        found = real()
        put(last_accepted_at=time.now)
        return found

    monkeypatch.setattr(lateness, "_watched", meanwhile)
    assert lateness.mind() == 0 and one().late_since is None and LatePeriod.select().count() == 0


def test_eight_workers_at_once_note_it_once(feed: Feed, time: Time) -> None:
    time.now = WEDNESDAY + timedelta(hours=3)
    database.close()
    noted = eight_at_once(lateness.mind)
    close_database()
    assert sorted(noted) == [0] * 7 + [1] and LatePeriod.select().count() == 1


def test_the_same_file_for_too_long_is_late_where_it_does_not_count(feed: Feed, time: Time) -> None:
    put(policies={"freshness": {"expected": "hours", "hours": 24, "same_file_counts": False}}, last_accepted_at=None, file_since=None)
    feed.sync(rows_of(3))
    for hours in (10, 23, 30):
        time.now = WEDNESDAY + timedelta(hours=hours)
        assert feed.sync(rows_of(3)).state == "no_change"
        lateness.mind()
    assert (one().last_accepted_at, one().file_since) == (time.now, WEDNESDAY)
    status = source_status.of(feed.source)
    assert status.state == "late" and status.sentence.startswith("The supplier has sent the same file since yesterday 08:42.")
    assert "You set 24 h as late." in status.sentence and "Stock is as of 14:42." in status.then
    assert (LatePeriod.get().cause, one().late_since) == ("same_file", WEDNESDAY + timedelta(hours=24))
    feed.map()  # a new mapping reads the same bytes anew
    assert feed.sync(rows_of(3)).state == "finished" and one().file_since == WEDNESDAY
    feed.sync(rows_of(3, quantity=6))
    assert one().file_since == time.now and source_status.of(feed.source).state == "ok"


def test_by_default_the_same_file_again_is_fresh(feed: Feed, time: Time) -> None:
    feed.sync(rows_of(3))
    time.now = WEDNESDAY + timedelta(hours=2)
    feed.sync(rows_of(3))
    time.now += timedelta(hours=1)
    lateness.mind()
    assert source_status.of(feed.source).state == "ok" and one().late_since is None


@pytest.mark.parametrize(
    ("code", "permanent", "state"),
    [("sign_in_refused", True, "action"), ("host_key_changed", True, "action"), ("columns_missing", True, "action"),
     ("too_few_rows", True, "action"), ("timed_out", False, "late"), ("file_missing", False, "late")],
)  # fmt: skip
def test_late_becomes_action_needed_only_when_a_person_must_act(feed: Feed, time: Time, code: str, permanent: bool, state: str) -> None:
    problem = Problem(code, "It did not work", "Why.")
    Source.update(supplier="sftp-file").execute()

    def fails(_work: Any) -> Outcome:
        raise SupplierError(problem, permanent)

    runs.start_sync(one())
    for _ in range(6):
        time.now += timedelta(minutes=61)
        while (run := runs.claim()) is not None:
            runs.perform(run, {"inventory": fails})
    lateness.mind()
    assert Run.get().state == "failed" and one().late_since is not None
    status = source_status.of(Source.get())
    assert status.state == state and "It did not work" in status.sentence
    assert "Stock is as of " in status.then


def test_a_held_feed_shows_as_held_and_is_not_accepted(feed: Feed, time: Time) -> None:
    ends(runs.start_sync(one()), "held", accepted=False)
    time.now = WEDNESDAY + timedelta(hours=3)
    lateness.mind()
    status = source_status.of(feed.source)
    assert status.state == "held" and status.late_since == one().late_since == datetime(2026, 11, 25, 10, 42)


def test_a_run_that_no_worker_takes_does_not_hide_that_it_is_late(feed: Feed, time: Time) -> None:
    runs.start_sync(one())
    assert source_status.of(feed.source).state == "syncing"
    time.now = WEDNESDAY + timedelta(hours=3)
    status = source_status.of(feed.source)
    assert status.state == "late" and "A run waits for a worker since 08:42." in status.sentence
    run = runs.claim()
    assert source_status.of(feed.source).state == "syncing"
    time.now += timedelta(minutes=10)
    assert source_status.of(feed.source).state == "late", f"the worker of {run} is gone"


def test_the_sentence_says_what_we_look_for_and_what_comes_next(feed: Feed, time: Time) -> None:
    Source.update(supplier="sftp-file").execute()
    settings = {"pattern": "stock_*.csv", "match": "newest"}
    silence = {"hours": 24, "act": "zero"}
    put(settings=settings, schedule={"every_minutes": 30}, policies={"freshness": {"expected": "hours", "hours": 2}, "silence": silence})
    put(next_run_at=datetime(2026, 11, 25, 15, 12))
    time.now = WEDNESDAY + timedelta(hours=6)
    status = source_status.of(Source.get())
    assert status.sentence == "No new file since 08:42. We look for stock_*.csv every 30 min. You set 2 h as late."
    assert status.then == "Stock is as of 08:42. Next try at 15:12."
    assert status.rule_acts == "Without a new file your rule acts tomorrow at 08:42: set stock to 0."
    Merchant.update(time_zone="Europe/Amsterdam").execute()
    assert (
        "since 09:42" in source_status.of(Source.get()).sentence and "since 17:42" in source_status.of(Source.get(), "Asia/Tokyo").sentence
    )


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        (Rule("soon"), "expected"), (Rule("hours", hours=0), "hours"), (Rule("hours", hours=2161), "hours"),
        (Rule("times", days=()), "days"), (Rule("times", times=("8:00",)), "times"), (Rule(grace_minutes=-1), "grace_minutes"),
        (Rule(grace_minutes=1441), "grace_minutes"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_kept_says_which_field(feed: Feed, chosen: Rule, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        freshness.save(one(), chosen, one().version, "owner")
    assert list(refused.value.errors) == [field] and "freshness" not in one().policies


@pytest.mark.parametrize(
    "chosen", [Rule(), Rule("hours", hours=2160, grace_minutes=1440), Rule("times", days=(0,), times=("00:00",), same_file_counts=False)]
)
def test_a_rule_is_kept_and_read_back(feed: Feed, chosen: Rule) -> None:
    assert freshness.rule(freshness.save(one(), chosen, one().version, "owner")) == chosen
    with pytest.raises(Stale):
        freshness.save(one(), chosen, one().version - 1, "owner")


@pytest.mark.parametrize(
    ("chosen", "times"),
    [
        (Rule(), ["10:42", "11:42", "12:42"]),
        (Rule("hours", hours=2), ["10:42", "11:42", "12:42"]),
        (Rule("hours", hours=2, grace_minutes=30), ["11:12", "12:12", "13:12"]),
        (Rule("times", times=("08:00", "12:00", "18:00")), ["18:00", "08:00", "12:00"]),
    ],
)
def test_the_next_expected_by_times_if_every_planned_run_is_accepted(feed: Feed, time: Time, chosen: Rule, times: list[str]) -> None:
    put(next_run_at=WEDNESDAY + timedelta(hours=1))
    assert [f"{moment:%H:%M}" for moment in freshness.coming(one(), chosen, time.now)] == times
    time.now = WEDNESDAY + timedelta(hours=20)
    put(next_run_at=time.now + timedelta(minutes=10))
    late = freshness.coming(one(), chosen, time.now)
    assert len(late) == 3 and late == sorted(late) and late[0] > time.now


def test_one_tick_asks_the_same_number_of_questions_for_any_number_of_feeds(feed: Feed, make_source: Any, counting: Any) -> None:
    lateness.mind()

    def queries() -> int:
        with counting() as seen:
            lateness.mind()
        return len(seen)

    before = queries()
    for n in range(50):
        source = make_source(f"Source {n}", state="live")
        values = {"enabled": True, "schedule": HOURLY, "last_accepted_at": WEDNESDAY, "watched_since": WEDNESDAY}
        Integration.create(source=source, kind="get_inventory_secondary", expected_by=datetime(2026, 11, 25, 10, 42), **values)
    assert before == queries() == 2
