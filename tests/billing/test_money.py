"""Money in whole numbers, and a month shared by its days."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.billing import money
from portal.billing.money import Stay
from portal.errors import Invalid


@pytest.mark.parametrize(
    ("text", "currency", "amount", "told"),
    [("29.90", "USD", 2990, "29.90"), ("29", "USD", 2900, "29.00"), ("1980", "JPY", 1980, "1,980"), ("1.5", "KWD", 1500, "1.500")],
)
def test_amounts_are_read_and_told_in_the_decimals_of_their_currency(text: str, currency: str, amount: int, told: str) -> None:
    assert money.read(text, currency) == amount and money.told(amount, currency) == told


@pytest.mark.parametrize(
    ("text", "currency"), [("1.999", "USD"), ("1.5", "JPY"), ("-1", "USD"), ("1,000", "USD"), ("", "USD"), ("x", "EUR")]
)
def test_what_is_no_amount_is_refused(text: str, currency: str) -> None:
    with pytest.raises(Invalid, match="such as"):
        money.read(text, currency)


def test_halves_round_up_and_a_credit_takes_back_exactly_the_tax() -> None:
    assert (money.share(2900, 15, 30), money.share(1, 1, 2), money.share(100, 1, 3)) == (1450, 1, 33)
    assert (money.tax(250, 1900), money.tax(-250, 1900), money.told(-5, "USD")) == (48, -48, "-0.05")


@given(st.integers(0, 10**9), st.integers(0, 2000))
def test_the_tax_of_a_credit_note_is_that_of_its_invoice(net: int, rate: int) -> None:
    assert money.tax(-net, rate) == -money.tax(net, rate)


def test_a_month_is_shared_by_its_days_and_the_words_say_how() -> None:
    first, middle = date(2026, 11, 1), date(2026, 11, 15)
    stays = [Stay("Growth", 9900, "USD", middle, date.max), Stay("Starter", 2900, "USD", date(2026, 9, 3), middle)]
    assert [(one.words, one.amount) for one in money.lines(stays, first)] == [
        ("Starter, 1 to 14 November 2026 (14 of 30 days)", 1353), ("Growth, 15 to 30 November 2026 (16 of 30 days)", 5280),
    ]  # fmt: skip
    assert [(one.words, one.amount) for one in money.lines(stays, date(2026, 12, 1))] == [("Growth, December 2026", 9900)]
    assert money.lines(stays, date(2026, 8, 1)) == []


@given(st.integers(0, 10**7), st.lists(st.integers(1, 27), unique=True, max_size=5), st.sampled_from([date(2026, 2, 1), date(2026, 11, 1)]))
def test_stays_on_one_price_add_up_to_the_month(price: int, cuts: list[int], first: date) -> None:
    edges = [date(2020, 1, 1), *(first + timedelta(days=cut) for cut in sorted(cuts)), date.max]
    stays = [Stay(f"Plan {n}", price, "USD", since, until) for n, (since, until) in enumerate(zip(edges, edges[1:], strict=False))]
    assert sum(one.amount for one in money.lines(stays, first)) == price
    assert money.lines([replace(one, name="Plan") for one in stays], first) == money.lines(
        [Stay("Plan", price, "USD", *edges[:: len(edges) - 1])], first
    )


def test_a_day_costs_the_dearest_plan_that_was_held_on_it() -> None:
    day, later = date(2026, 11, 10), date(2026, 11, 20)
    stays = [
        Stay("Free", 0, "USD", date(2026, 1, 1), day), Stay("Big", 3000, "USD", day, day), Stay("Free", 0, "USD", day, later),
        Stay("Yen", 9000, "JPY", later, later), Stay("Free", 0, "USD", later, date.max),
    ]  # fmt: skip
    found = money.lines(stays, date(2026, 11, 1))
    assert [(one.words, one.amount) for one in found if one.amount] == [("Big, 10 to 10 November 2026 (1 of 30 days)", 100)]
