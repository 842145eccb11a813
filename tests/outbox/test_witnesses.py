"""What follows a doubt and a look, by the witness: the table of RELIABILITY 4.3, as data."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from portal.outbox import witnesses
from portal.outbox.witnesses import after_look, after_unknown

AT = datetime(2026, 11, 27, 9, 14, 7)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize("kind", ["unique", "listed"])
def test_where_they_have_a_list_we_look_after_the_settling_time(kind: str) -> None:
    coming = after_unknown(kind, since=AT, now=AT, times=1, settle=60)
    assert (coming.act, coming.at) == ("look", AT + MINUTE)


@pytest.mark.parametrize("kind", ["nothing", "rename", "list", "cleaned", "answer"])
def test_where_nothing_can_be_seen_a_person_is_asked_at_once(kind: str) -> None:
    assert after_unknown(kind, since=AT, now=AT, times=1).act == "check"


@pytest.mark.parametrize("kind", ["key", "promise"])
def test_the_same_key_is_sent_again_only_within_its_window(kind: str) -> None:
    window = timedelta(hours=1)
    again = after_unknown(kind, since=AT, now=AT, times=1, window=window)
    assert (again.act, again.at) == ("again", AT + MINUTE)
    assert after_unknown(kind, since=AT, now=AT + 40 * MINUTE, times=5, window=window).act == "check"


def test_a_look_that_finds_exactly_one_settles_it() -> None:
    assert after_look("listed", found=1, looks=1, since=AT).act == "sent"
    for count in (2, 7):
        assert after_look("unique", found=count, looks=1, since=AT).act == "check"


def test_we_look_three_times_and_then_ask_a_person() -> None:
    acts = [after_look("listed", found=0, looks=n, since=AT, settle=60) for n in (1, 2, 3)]
    assert [(one.act, one.at) for one in acts] == [("look", AT + 6 * MINUTE), ("look", AT + 16 * MINUTE), ("check", None)]
    assert after_look("listed", found=None, looks=3, since=AT).why == witnesses.UNSEEN


def test_a_reference_that_they_take_once_is_sent_again_when_it_is_not_there() -> None:
    assert after_look("unique", found=0, looks=1, since=AT).act == "again"
    assert after_look("unique", found=None, looks=1, since=AT).act == "look"


def test_pauses_between_tries_grow_to_an_hour() -> None:
    assert [witnesses.back_off(n) // MINUTE for n in (0, 1, 2, 3, 4, 5, 99)] == [1, 1, 5, 15, 30, 60, 60]
