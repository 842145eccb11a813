"""What becomes of an alert, look by look: flapping, cool-down, acknowledging, snoozing, ending; and two that look at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from portal.alerts import deciding, evaluate, listing
from portal.alerts.findings import Finding
from portal.errors import Invalid, Refused
from portal.models import Alert, AlertMessage, AnswerProblem, Integration, Merchant, Source, User
from tests.alerts.noted import HOUR, MINUTE, NOW, Time, ended, live, look, only, problem, told
from tests.together import eight_at_once


@pytest.fixture
def source(time: Time, make_source: Callable[..., Source], owner: User, mailing: None) -> Source:
    """A source with one answer that could not be used, and an owner who is told of that at once."""
    made = make_source("Kestrel", state="live")
    answer(made)
    return made


def answer(source: Source) -> AnswerProblem:
    return AnswerProblem.create(merchant=source.merchant, source=source, cause="file", words="Too many.")


def settle() -> None:
    AnswerProblem.update(settled_at=NOW).execute()


def again() -> None:
    AnswerProblem.update(settled_at=None).execute()


def test_it_ends_by_itself_once_it_was_over_for_five_minutes(time: Time, source: Source) -> None:
    assert time.look(MINUTE) == "firing"
    settle()
    assert time.look(MINUTE) == "firing"
    assert time.look(4 * MINUTE + timedelta(seconds=59)) == "firing"
    assert time.look(timedelta(seconds=1)) == "resolved"
    assert (only().ended, only().resolved_at) == ("gone", time.now)


def test_what_flaps_is_one_alert_and_one_message(time: Time, source: Source) -> None:
    time.look(MINUTE)
    for _ in range(10):
        settle()
        assert time.look(3 * MINUTE) == "firing"
        again()
        assert time.look(MINUTE) == "firing"
    assert (only().times, told()) == (1, [("fired", "waiting")])


def test_what_comes_back_after_its_end_is_the_same_alert_and_is_told_after_the_cool_down(time: Time, source: Source) -> None:
    time.look(MINUTE)
    first = only().first_seen_at
    Alert.update(told_at=time.now).execute()
    AlertMessage.update(state="sent").execute()
    settle()
    time.look(MINUTE)
    time.look(5 * MINUTE)
    again()
    assert time.look(MINUTE) == "firing"
    assert (only().times, only().first_seen_at > first, told()) == (
        2,
        True,
        [("fired", "sent"), ("resolved", "waiting"), ("fired", "waiting")],
    )
    assert AlertMessage.select().order_by(AlertMessage.id.desc()).first().due_at == first + 6 * HOUR


def test_the_end_of_what_was_not_told_this_time_is_not_told(time: Time, source: Source) -> None:
    time.look(MINUTE)
    Alert.update(told_at=time.now).execute()
    AlertMessage.update(state="sent").execute()
    for act in (settle, again, settle):
        act()
        time.look(MINUTE)
        time.look(5 * MINUTE)
        AlertMessage.update(state="sent").where(AlertMessage.kind == "resolved").execute()
    assert told() == [("fired", "sent"), ("resolved", "sent"), ("fired", "dropped")]


def test_acknowledged_it_is_quiet_until_there_is_more_of_it(time: Time, source: Source) -> None:
    answer(source)
    time.look(MINUTE)
    listing.acknowledge(only(), "ana@harbor.example")
    AnswerProblem.update(settled_at=NOW).where(AnswerProblem.id == 1).execute()
    assert time.look(MINUTE) == "acknowledged"
    assert only().headline == "1 answer of Kestrel could not be used"
    answer(source)
    assert time.look(MINUTE) == "firing"
    assert (only().times, only().turn) == (1, 2)


def test_an_acknowledged_held_feed_is_not_the_next_one(time: Time, make_source: Any, owner: User, mailing: None) -> None:
    one = live(make_source("Kestrel"))
    ended(one, "held", created_at=time.now)
    time.look(MINUTE)
    listing.acknowledge(only(), "ana")
    assert time.look(MINUTE) == "acknowledged"
    ended(one, "held", created_at=time.now)
    assert time.look(MINUTE) == "firing"


@pytest.mark.parametrize(("how", "length"), [("hour", HOUR), ("day", 24 * HOUR)])
def test_snoozed_it_is_quiet_for_so_long_and_fires_again(time: Time, source: Source, how: str, length: timedelta) -> None:
    time.look(MINUTE)
    listing.snooze(only(), how, "ana")
    assert time.look(length - timedelta(seconds=1)) == "snoozed"
    answer(source)
    assert time.look(timedelta(seconds=1)) == "firing"
    assert told() == [("fired", "waiting")] * 2


def test_snoozed_until_it_changes(time: Time, source: Source) -> None:
    time.look(MINUTE)
    listing.snooze(only(), "change", "ana")
    assert time.look(100 * HOUR) == "snoozed"
    answer(source)
    assert time.look(MINUTE) == "firing"


def test_a_snoozed_alert_ends_by_itself_too_and_then_takes_no_answer(time: Time, source: Source) -> None:
    time.look(MINUTE)
    listing.snooze(only(), "day", "ana")
    settle()
    time.look(MINUTE)
    assert time.look(5 * MINUTE) == "resolved"
    for act in (lambda: listing.acknowledge(only(), "ana"), lambda: listing.snooze(only(), "day", "ana"), lambda: listing.wake(only())):
        with pytest.raises(Refused, match="over"):
            act()
    assert told() == [("fired", "dropped")]
    with pytest.raises(Invalid):
        listing.snooze(only(), "week", "ana")


def test_a_worse_level_wakes_what_was_acknowledged(time: Time, make_source: Any, mailing: None) -> None:
    from portal.models import Connection

    source = make_source("Kestrel", state="live")
    Connection.update(certificate_ends=NOW + 3 * 24 * HOUR).where(Connection.source == source).execute() or Connection.create(
        source=source, certificate_ends=NOW + 3 * 24 * HOUR
    )
    time.look(MINUTE)
    listing.acknowledge(only(), "ana")
    assert time.look(24 * HOUR) == "acknowledged"
    assert time.look(3 * 24 * HOUR) == "firing"
    assert (only().level, only().headline) == ("action", "Kestrel's certificate ended")


def test_the_same_look_twice_writes_nothing(time: Time, source: Source, counting: Any) -> None:
    time.look(MINUTE)
    with counting() as seen:
        time.look(MINUTE)
    assert not [one for one in seen if "INSERT" in one or ("UPDATE" in one and "alert" in one)]


def test_eight_that_look_at_once_make_one_alert_and_one_message(time: Time, source: Source) -> None:
    tallies = eight_at_once(lambda: evaluate.evaluate(time.now))
    assert sum(one.fired for one in tallies) == 1
    assert (Alert.select().count(), told()) == (1, [("fired", "waiting")])
    settle()
    time.look(MINUTE)
    time.now += 5 * MINUTE
    AlertMessage.update(state="sent").execute()
    assert sum(one.resolved for one in eight_at_once(lambda: evaluate.evaluate(time.now))) == 1
    assert told() == [("fired", "sent"), ("resolved", "waiting")]


def test_lists_show_what_fires_and_the_worst_first(time: Time, source: Source, merchant: Merchant, other_merchant: Merchant) -> None:
    live(source, late_since=NOW - HOUR)
    ended(Integration.get(), "failed", problem=problem("sign_in_refused"))
    time.now += MINUTE
    look(time.now)
    listing.acknowledge(Alert.get(Alert.rule == "answers_unused"), "ana")
    page = listing.page(merchant)
    assert [one.rule for one in page.rows] == ["sign_in_ended", "feed_late", "answers_unused"]
    assert (dict(page.counts), page.next, listing.firing(merchant)) == ({"open": 3, "snoozed": 0, "ended": 0}, 0, 2)
    assert listing.page(other_merchant).rows == []


@pytest.mark.parametrize("state", ["firing", "acknowledged", "snoozed"])
def test_a_worse_level_is_told_whatever_its_state(state: str) -> None:
    near = Finding(1, "limit_near", "skus", "90%", "", mark="near")
    alert = Alert(**deciding.begun(near, NOW), state=state, turn=1, times=1, snoozed_until=NOW + HOUR)
    full = replace(near, level="action", mark="full")
    found = deciding.met(alert, full, NOW + MINUTE)
    assert (found.tell, found.columns["level"], found.columns["turn"]) == ("fired", "action", 2)
    worse = Alert(**deciding.begun(full, NOW), state="firing", turn=2, times=1)
    assert (deciding.met(worse, full, NOW).tell, deciding.met(worse, near, NOW).tell) == ("", "")
