"""Conditions as both databases judge them, held against plain Python: wildcards, capitals, accents, %, _, absent values, exact money."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal.errors import Invalid
from portal.exclusions import conditions, patterns, rules
from portal.models import Exclusion, InventoryItem, bulk
from tests.catalogue.stock import item
from tests.exclusions.judge import CATEGORIES, means

LETTERS = "aAbB%_*?[]^-\\.+(){}|$'\"/ éÉeßẞσςΣİıI1ΩΩ\u0301ǅ中"
texts = st.text(st.sampled_from(LETTERS), max_size=8)
patterns_ = st.text(st.sampled_from(LETTERS), min_size=1, max_size=6)
numbers = st.sampled_from([None, -1, 0, 1, 49_999, 50_000, 50_001, 2**53])
text_conditions = st.builds(
    lambda field, op, value: {"field": field, "op": op, "value": value, "name": "Bin's \"x\""},
    st.sampled_from(list(rules.TEXTS)), st.sampled_from([op for op in rules.TEXT_OPS if op not in rules.WITHOUT_VALUE]), patterns_,
)  # fmt: skip
number_conditions = st.builds(
    lambda field, op, value: {"field": field, "op": op, "value": value},
    st.sampled_from([*rules.MONEY, *rules.UNITS]), st.sampled_from([op for op in rules.NUMBER_OPS if op not in rules.WITHOUT_VALUE]),
    numbers.filter(lambda one: one is not None),
)  # fmt: skip
bare_conditions = st.builds(
    lambda field, op: {"field": field, "op": op, "name": "n"}, st.sampled_from(list(rules.FIELDS)), st.sampled_from(rules.WITHOUT_VALUE)
)  # fmt: skip
groups = st.builds(
    lambda match, some: {"match": match, "conditions": some}, st.sampled_from(["any", "all"]),
    st.lists(st.one_of(text_conditions, number_conditions, bare_conditions), min_size=1, max_size=3),
)  # fmt: skip
definitions = st.builds(
    lambda match, some: {"match": match, "groups": some}, st.sampled_from(["any", "all"]), st.lists(groups, min_size=1, max_size=3)
)  # fmt: skip
items = st.fixed_dictionaries({
    **{name: st.one_of(st.none(), texts) for name in ("title", "brand", "status", "condition", "mpn", *CATEGORIES)},
    **dict.fromkeys(("cost", "list_price", "msrp", "map_price", "quantity"), numbers),
    "custom": st.one_of(st.none(), texts.map(lambda one: json.dumps({"Bin's \"x\"": one}, ensure_ascii=False))),
})  # fmt: skip


def judged(definition, row) -> bool:
    sql, values = conditions.fits(Exclusion(kind="rule", definition=definition, source=None))
    return bool(bulk.one(f"SELECT count(*) FROM inventory_item i WHERE i.id = ? AND {sql}", (row.id, *values))[0])


@pytest.fixture
def row(make_source):
    return item(make_source(), "A-1%_é")


def test_both_databases_judge_as_plain_python_does(row):
    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(definitions, items)
    def examples(definition, values):
        InventoryItem.update(values).where(InventoryItem.id == row.id).execute()
        assert judged(definition, row) == means(definition, InventoryItem.get_by_id(row.id)), rules.said(definition)

    examples()


def test_patterns_meet_their_texts_as_plain_python_says(row):
    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(["is", "fits", "contains"]), patterns_, texts)
    @example("fits", "a*b*a*b*a*b*", "ab" * 200)
    @example("is", "100%_off", "100%_OFF")
    @example("is", "100%_off", "100 5off")
    @example("fits", "caf?", "CAFÉ")
    @example("fits", "[a]*", "[A]bc")
    @example("contains", "\\", "a\\b")
    def examples(op, pattern, text):
        InventoryItem.update(title=text).where(InventoryItem.id == row.id).execute()
        definition = {"match": "all", "groups": [{"match": "all", "conditions": [{"field": "title", "op": op, "value": pattern}]}]}
        assert judged(definition, row) == means(definition, InventoryItem.get_by_id(row.id)), (op, pattern, text)

    examples()


def typed(field, op, value="", name=""):
    return {"match": "all", "groups": [{"match": "all", "conditions": [{"field": field, "op": op, "value": value, "name": name}]}]}


def test_capitals_do_not_matter_and_accents_do():
    assert patterns.glob("É*") == "[Éé]*" and patterns.regex("É*") == "^[Éé].*$"
    assert patterns.regex("100%_(a)") == "^100\\%\\_\\([aA]\\)$" and patterns.glob("[x]") == "[[][xX]]"


def test_money_is_exact_and_what_cannot_be_read_is_said():
    assert rules.read(typed("cost", "less", "4.9999"))["groups"][0]["conditions"][0]["value"] == 49_999
    assert rules.said(rules.read(typed("cost", "less", "5"))) == "Cost is less than 5"
    assert rules.said(rules.read(typed("cost", "less", "5.1"))) == "Cost is less than 5.10"
    for field, op, value, sentence in (
        ("cost", "less", "4.99999", "at most 4 digits"), ("cost", "less", "USD 5", "an amount"), ("cost", "less", "NaN", "amount"),
        ("quantity", "less", "1.5", "whole number"), ("brand", "is", " ", "Enter what"), ("brand", "less", "5", "cannot be asked"),
        ("brand", "fits", "*a" * 9, "at most 8 stars"), ("custom", "is", "x", "your own field"), ("no", "is", "x", "Choose a field"),
        ("cost", "less", "1e400", "amount"), ("cost", "less", "1e999999", "amount"), ("cost", "less", "1" * 31, "amount"),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            rules.read(typed(field, op, value))
        assert sentence in refused.value.errors["g0c0"]
    with pytest.raises(Invalid) as refused:
        rules.read({"groups": [{"conditions": [{"field": ""}]}]})
    assert "would keep everything out" in refused.value.errors["groups"]


def test_a_rule_is_said_in_words():
    told = rules.read({"match": "any", "groups": [
        {"match": "all", "conditions": [{"field": "brand", "op": "is", "value": "Acme"}, {"field": "cost", "op": "less", "value": "5"}]},
        {"match": "any", "conditions": [{"field": "custom", "name": "Bin", "op": "filled"}]},
    ]})  # fmt: skip
    assert rules.said(told) == "(Brand is Acme and Cost is less than 5) or Bin (your own field) is not empty"
