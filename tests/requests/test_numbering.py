"""Numbers of requests: from, -1 -2, forbidden characters, prefix and suffix, length. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.requests.numbering import Rules, errors_of, make, read, too_long


def test_from_the_order_or_its_reference():
    assert make(Rules(), "1001", "SHOP-7", 0) == "1001"
    assert make(Rules("reference"), "1001", "SHOP-7", 2) == "SHOP-7-2"
    assert make(Rules("reference"), "1001", "", 0) == "1001"


def test_rules_of_a_source():
    rules = read({"before": "QS", "after": "/A", "forbidden": "# -", "instead": "_"})
    assert make(rules, "#10 01", "", 1) == "QS_10_01_1/A"
    assert make(read({"forbidden": "#", "instead": ""}), "#1001", "", 0) == "1001"


def test_too_long_is_told_and_nothing_is_cut():
    rules = Rules(longest=6)
    assert not too_long(rules, make(rules, "123456", "", 0))
    assert make(rules, "1234567", "", 0) == "1234567" and too_long(rules, "1234567")


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        (Rules("customer"), "begins"),
        (Rules(before="x" * 21), "before"),
        (Rules(after="a\tb"), "after"),
        (Rules(forbidden="-#"), "instead"),
        (Rules(before="#", forbidden="#"), "before"),
        (Rules(longest=0), "longest"),
        (Rules(before="ABC", longest=3), "longest"),
        (Rules(instead="--"), "instead"),
    ],
)
def test_rules_that_cannot_be(rules, field):
    assert list(errors_of(rules)) == [field]


@given(st.text(max_size=60), st.text("#/ -_", max_size=5), st.integers(0, 12))
def test_no_forbidden_character_is_left(number, forbidden, nth):
    rules = Rules(forbidden=forbidden, instead="" if "_" in forbidden else "_")
    assert not set(make(rules, number, "", nth)) & set(forbidden)
