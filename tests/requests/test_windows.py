"""When something put in line may leave, by the source's own clock. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import Invalid
from portal.requests import windows
from portal.requests.windows import Window, in_words, is_open, next_open

WORK = Window((0, 1, 2, 3, 4), "08:00", "17:00", "15:00", "America/New_York")  # UTC-5 in November


def utc(text):
    return datetime.fromisoformat(f"2026-{text}")


@pytest.mark.parametrize(
    ("at", "leaves"),
    [
        ("11-27T14:00", None),  # Friday 09:00 there
        ("11-27T19:59", None),
        ("11-27T20:00", "11-30T13:00"),  # Friday at the cut-off: Monday 08:00
        ("11-28T14:00", "11-30T13:00"),  # Saturday
        ("11-30T05:30", "11-30T13:00"),  # Monday before it opens: the same day
        ("03-06T21:00", "03-09T12:00"),  # clocks go forward on 8 March: 08:00 is 12:00 UTC then
    ],
)
def test_days_hours_cut_off_and_the_change_of_clocks(at, leaves):
    assert next_open(WORK, utc(at)) == (utc(leaves) if leaves else None)


def test_without_a_window_at_once():
    assert next_open(None, utc("11-28T03:00")) is None and is_open(None, utc("11-28T03:00"))
    assert windows.read(None) is None and in_words(None) == "At any time"


def test_what_is_in_line_may_still_leave_after_the_cut_off():
    assert is_open(WORK, utc("11-27T21:30")) and not is_open(WORK, utc("11-27T22:00"))


def test_in_words():
    assert in_words(WORK) == "Monday to Friday, 08:00 to 17:00, cut-off 15:00 (America/New York)"
    assert in_words(Window((5, 6))) == "Sat, Sun, all day (UTC)"
    assert in_words(Window(tuple(range(7)), "06:00")) == "Every day, 06:00 to 24:00 (UTC)"


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (Window((), "08:00"), "days"),
        (Window((0,), "8"), "opens"),
        (Window((0,), "09:00", "08:00"), "closes"),
        (Window((0,), "09:00", "17:00", "18:00"), "cut_off"),
        (Window((0,), zone="Mars/Base"), "zone"),
    ],
)
def test_what_is_no_window(wrong, field):
    with pytest.raises(Invalid) as told:
        windows.check(wrong)
    assert list(told.value.errors) == [field]


ZONES = st.sampled_from(["UTC", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Europe/Berlin"])


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)), st.sets(st.integers(0, 6), min_size=1), st.integers(0, 22), ZONES)
def test_it_always_leaves_at_an_open_moment_within_eight_days(at, days, hour, zone):
    window = Window(tuple(days), f"{hour:02}:00", f"{hour + 1:02}:00", "", zone)
    leaves = next_open(window, at)
    assert is_open(window, leaves or at) or hour in (1, 2, 3)  # an hour that the clocks skip is not there on that day
    assert leaves is None or at < leaves <= at + timedelta(days=8)
