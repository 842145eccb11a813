"""The quantities of a line add up whatever happens to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.requests.counts import ACTS, BUCKETS, Counts, TooMany, share, shipped_axis


@given(st.integers(1, 50), st.lists(st.tuples(st.sampled_from(sorted(ACTS)), st.integers(1, 60)), max_size=30))
def test_any_sequence_of_acts_keeps_the_sum_and_never_clamps(ordered, acts):
    line = Counts(ordered, ordered)
    for act, units in acts:
        before, possible = line, line.possible(act)
        try:
            line, moves = line.after(act, units)
        except TooMany as error:
            assert (error.asked, error.possible) == (units, possible) and units > possible and line == before
        else:
            assert units <= possible and sum(move.quantity for move in moves) == units
            assert getattr(line, ACTS[act][1]) == getattr(before, ACTS[act][1]) + units
        assert sum(getattr(line, name) for name in BUCKETS) == line.ordered == ordered


def test_a_shipment_takes_what_was_accepted_first_and_a_cancellation_what_was_not():
    line, _ = Counts(5, 5).after("accept", 3)
    assert line.after("ship", 4)[0] == Counts(5, 1, 0, 4)
    assert line.after("cancel", 3)[0] == Counts(5, 0, 2, 0, 3)


@pytest.mark.parametrize("wrong", [(0, 0), (3, 2), (3, 4), (3, -1, 4), (2, 1, 1, 1, -1)])
def test_counts_that_do_not_add_up_cannot_be_made(wrong):
    with pytest.raises(ValueError, match="add up"):
        Counts(*wrong)


def test_axes():
    assert shipped_axis([Counts(2, 2), Counts(1, 0, 0, 1)]) == "partial"
    assert shipped_axis([Counts(2, 0, 0, 1, 1)]) == "shipped"
    assert shipped_axis([Counts(2, 0, 0, 0, 1, 1)]) == "canceled"
    assert shipped_axis([Counts(2, 1, 1)]) == "awaiting"
    assert [share(0, 2), share(1, 2), share(2, 2), share(0, 0)] == ["not_started", "partial", "completed", "not_started"]
