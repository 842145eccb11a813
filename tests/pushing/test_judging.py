"""What differs between an offer and a store, and when too much would change at once."""

from __future__ import annotations

import pytest

from portal.pushing.judging import Guard, Wanted, leaps, trips, wanted


@pytest.mark.parametrize(
    ("count", "live", "held"),
    [(30, 100, False), (31, 100, True), (19, 20, False), (20, 20, True), (20, 66, True), (20, 67, False), (0, 0, False)],
)
def test_the_guard_just_under_at_and_over(count: int, live: int, held: bool) -> None:
    assert trips(count, live, 30, 20) is held


@pytest.mark.parametrize(
    ("old", "new", "leap"),
    [(10_000, 15_000, False), (10_000, 15_001, True), (10_000, 5_000, False), (10_000, 4_999, True), (None, 5_000, False),
     (0, 5_000, False), (10_000, None, False)],
)  # fmt: skip
def test_a_leap_is_more_than_the_percentage(old: int | None, new: int | None, leap: bool) -> None:
    assert leaps(old, new, 50) is leap


def test_only_what_differs_is_wanted() -> None:
    assert wanted(5, 10_000, 5, 10_000, Guard()) == Wanted() and wanted(5, 10_000, 5, 10_099, Guard()).nothing, "stores round"
    assert wanted(5, 10_000, 4, 10_100, Guard()) == Wanted(4, 10_100)
    assert wanted(5, 10_000, 4, None, Guard()) == Wanted(4, None) and wanted(5, None, 5, 100, Guard()) == Wanted(None, 100)


def test_what_is_held_keeps_the_other_part_going() -> None:
    every = Guard(True, True, 50)
    assert wanted(5, 10_000, 0, 12_000, every) == Wanted(None, 12_000, True)
    assert wanted(5, 10_000, 3, 20_000, every) == Wanted(3, None, True)
    assert wanted(-1, 10_000, 0, 12_000, every) == Wanted(0, 12_000), "it was not sold before"
