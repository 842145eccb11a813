"""The guard table: each row just under, at and over its limit, with its default and with a limit of the merchant's own."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

import pytest

from portal.errors import SupplierError
from portal.inventory import guards
from portal.inventory.guards import Facts, Limits

GOOD = {"rows": 1000, "usable": 1000, "before": 1000, "history": (1000,), "known": 1000, "in_stock": 1000, "priced": 1000, "days": 90}
FIRST = {"before": None, "history": (), "known": 0, "in_stock": 0, "priced": 0, "days": 0}

TABLE = [
    ("rows_present", {"usable": 1}, "apply"),
    ("rows_present", {"usable": 0}, "refuse"),
    ("rows_present", {"rows": 0, "usable": 0}, "refuse"),
    ("too_few_rows", {"rows": 501}, "apply"),
    ("too_few_rows", {"rows": 500}, "apply"),
    ("too_few_rows", {"rows": 499}, "refuse"),
    ("too_few_rows", {"rows": 2, "before": 3, "history": (3,)}, "apply"),
    ("too_few_rows", {"rows": 1, "before": 3, "history": (3,)}, "refuse"),
    ("too_few_rows", {"rows": 499, "before": 900, "history": (900, 1000, 5000)}, "refuse"),  # the median, neither last nor most
    ("too_few_rows", {"rows": 500, "before": 900, "history": (900, 1000, 5000)}, "apply"),
    ("too_few_rows", {"rows": 400, "before": 800, "history": ()}, "apply"),  # no history told: the last run alone
    ("too_few_rows", {"rows": 399, "before": 800, "history": ()}, "refuse"),
    ("too_many_bad_rows", {"bad_quantity": 49}, "apply"),
    ("too_many_bad_rows", {"bad_quantity": 50}, "apply"),
    ("too_many_bad_rows", {"bad_quantity": 51}, "refuse"),
    ("broken_rows", {"rows": 9999, "broken": 9}, "apply"),
    ("broken_rows", {"rows": 10_000, "broken": 10}, "apply"),
    ("broken_rows", {"rows": 10_000, "broken": 11}, "refuse"),
    ("skus_lost", {"lost": 99}, "apply"),
    ("skus_lost", {"lost": 100}, "apply"),
    ("skus_lost", {"lost": 101}, "hold"),
    ("skus_lost", {"known": 100, "lost": 24}, "apply"),
    ("skus_lost", {"known": 100, "lost": 25}, "apply"),
    ("skus_lost", {"known": 100, "lost": 26}, "hold"),
    ("lost_slowly", {"high": 1300, "lost": 24}, "apply"),
    ("lost_slowly", {"high": 1300, "lost": 25}, "apply"),
    ("lost_slowly", {"high": 1300, "lost": 26}, "hold"),
    ("lost_slowly", {"high": 1400, "lost": 0}, "apply"),  # nothing goes, so nothing can be held
    ("lost_slowly", {"high": 100, "known": 80, "lost": 5}, "apply"),
    ("lost_slowly", {"high": 100, "known": 80, "lost": 6}, "hold"),
    ("lost_slowly", {"high": 900, "lost": 99}, "apply"),  # more than the high: nothing was lost
    ("zeroed", {"zeroed": 199}, "apply"),
    ("zeroed", {"zeroed": 200}, "apply"),
    ("zeroed", {"zeroed": 201}, "hold"),
    ("zeroed", {"in_stock": 100, "zeroed": 49}, "apply"),
    ("zeroed", {"in_stock": 100, "zeroed": 50}, "apply"),
    ("zeroed", {"in_stock": 100, "zeroed": 51}, "hold"),
    ("prices_moved", {"price_moved": 299}, "apply"),
    ("prices_moved", {"price_moved": 300}, "apply"),
    ("prices_moved", {"price_moved": 301}, "hold"),
    ("prices_moved", {"priced": 0}, "apply"),
    ("match_rate", {"matched": 501}, "apply"),
    ("match_rate", {"matched": 500}, "apply"),
    ("match_rate", {"matched": 499}, "hold"),
    ("match_rate", {"matched": 499, "days": 29}, "apply"),
    ("match_rate", {"matched": 499, "days": 30}, "hold"),
    ("duplicates", {"duplicates": 4}, "apply"),
    ("duplicates", {"duplicates": 5}, "apply"),
    ("duplicates", {"duplicates": 6}, "warn"),
]
# a limit of one's own, the facts at it, the one fact that goes over, and the verdict then
OWN = [
    ("too_few_rows", "fewest_rows", 30, {"rows": 300}, {"rows": 299}, "refuse"),
    ("too_many_bad_rows", "bad_quantities", 0.7, {"bad_quantity": 7}, {"bad_quantity": 8}, "refuse"),
    ("broken_rows", "broken_rows", 0, {"broken": 0}, {"broken": 1}, "refuse"),
    ("skus_lost", "lost", 29, {"lost": 290}, {"lost": 291}, "hold"),
    ("skus_lost", "lost_floor", 400, {"lost": 400}, {"lost": 401}, "hold"),
    ("lost_slowly", "lost_in_week", 40, {"high": 1500, "lost": 100}, {"high": 1500, "lost": 101}, "hold"),
    ("zeroed", "zeroed", 57, {"zeroed": 570}, {"zeroed": 571}, "hold"),
    ("zeroed", "zeroed_floor", 900, {"zeroed": 900}, {"zeroed": 901}, "hold"),
    ("prices_moved", "prices_moved", 1.1, {"price_moved": 11}, {"price_moved": 12}, "hold"),
    ("match_rate", "match_rate", 90, {"matched": 900}, {"matched": 899}, "hold"),
    ("duplicates", "duplicates", 2.3, {"duplicates": 23}, {"duplicates": 24}, "warn"),
]


def verdict_of(name, facts, limits=None):
    return {one.name: one for one in guards.judge(Facts(**{**GOOD, **facts}), limits or Limits())}[name]


@pytest.mark.parametrize(("name", "facts", "verdict"), TABLE)
def test_each_guard_under_at_and_over_its_limit(name, facts, verdict):
    assert verdict_of(name, facts).verdict == verdict


@pytest.mark.parametrize(("name", "limit", "value", "at", "past", "verdict"), OWN)
def test_each_limit_can_be_another(name, limit, value, at, past, verdict):
    limits = replace(Limits(), **{limit: value})
    assert verdict_of(name, at, limits).verdict == "apply"
    assert verdict_of(name, past, limits).verdict == verdict


def test_every_limit_stands_in_the_table():
    assert {one.name for one in fields(Limits)} - {"price_step"} == {limit for _, limit, *_ in OWN}  # the plan counts by price_step


@pytest.mark.parametrize(("name", "facts", "verdict"), TABLE)
def test_every_verdict_says_limit_seen_and_what_it_was_judged_against(name, facts, verdict):
    told = verdict_of(name, facts).told()
    assert isinstance(told["limit"], int) and isinstance(told["seen"], int)
    assert f"{told['seen']:,}" in told["sentence"] or told["seen"] == 0
    history = {"too_few_rows": "median", "skus_lost": "known", "lost_slowly": "high", "zeroed": "in_stock", "prices_moved": "priced"}
    assert name not in history or history[name] in told["against"]


@pytest.mark.parametrize("name", ["skus_lost", "zeroed", "prices_moved", "lost_slowly", "match_rate", "too_few_rows"])
def test_a_first_run_has_nothing_to_be_judged_against(name):
    facts = Facts(**{**GOOD, **FIRST, "rows": 3, "usable": 3, "matched": 0, "high": 0})
    assert name not in {verdict.name for verdict in guards.judge(facts)}


def test_a_refusal_comes_before_a_hold_and_a_hold_before_a_warning():
    found = guards.judge(Facts(**{**GOOD, "rows": 10, "usable": 10, "lost": 990, "duplicates": 9}))
    assert [verdict.verdict for verdict in found if verdict.verdict != "apply"] == ["refuse", "hold", "warn"]


@pytest.mark.parametrize(("name", "facts", "verdict"), [row for row in TABLE if row[2] in ("refuse", "hold")])
def test_words_fit_the_screen_and_are_a_known_failure(name, facts, verdict):
    big = {key: value * 1000 if isinstance(value, int) and key not in ("days",) else value for key, value in {**GOOD, **facts}.items()}
    big["history"] = tuple(rows * 1000 for rows in big["history"])
    for found in (verdict_of(name, facts), {one.name: one for one in guards.judge(Facts(**big))}[name]):
        problem = found.problem
        assert problem and problem.act and problem.act_at
        assert len(problem.headline) <= 60 and len(problem.body.split()) <= 40
        assert SupplierError(problem).problem.code


def test_limits_come_from_the_policies_of_the_integration():
    integration = SimpleNamespace(policies={"guards": {"lost": 12.5, "gone_by_now": 1}, "feed": "delta"})
    assert guards.limits(integration) == replace(Limits(), lost=12.5)
    assert guards.limits(SimpleNamespace(policies={})) == Limits()


def test_a_limit_in_tenths_of_a_percent_is_met_exactly():
    for tenths in range(1001):
        assert not guards.over(tenths, 1000, tenths / 10) and guards.over(tenths + 1, 1000, tenths / 10)
