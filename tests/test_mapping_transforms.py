"""Small changes of a text, one after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean

from portal.mapping import TRANSFORMS, amounts, kinds
from portal.mapping.transforms import LONGEST_RESULT, compose, problem_of
from tests.endless import ends


def change(text, *steps, mark="."):
    for step in steps:
        assert problem_of(step) is None, problem_of(step)
    return compose(list(steps), mark)(text)


@pytest.mark.parametrize(
    ("text", "step", "expected"),
    [
        ("a   b\n c", {"do": "trim"}, "a b c"),
        ("Ab c", {"do": "case", "to": "upper"}, "AB C"),
        ("Ab c", {"do": "case", "to": "lower"}, "ab c"),
        ("men's BLUE coat", {"do": "case", "to": "title"}, "Men's Blue Coat"),
        ("12", {"do": "prefix", "text": "AC-"}, "AC-12"),
        ("12", {"do": "suffix", "text": "-US"}, "12-US"),
        ("a.b.c", {"do": "replace", "find": ".", "with": "-"}, "a-b-c"),
        ("Brand New", {"do": "replace", "find": "Brand"}, "New"),
        ("Tools > Hand > Saws", {"do": "split", "separator": ">", "nth": "2"}, "Hand"),
        ("Tools > Hand > Saws", {"do": "split", "separator": ">", "nth": -1}, "Saws"),
        ("Tools", {"do": "split", "separator": ">", "nth": 2}, ""),
        ("ABCDEF", {"do": "left", "count": 3}, "ABC"),
        ("ABCDEF", {"do": "right", "count": "3"}, "DEF"),
        ("123", {"do": "pad", "length": 6}, "000123"),
        ("1234567", {"do": "pad", "length": 6}, "1234567"),
        ("16", {"do": "convert", "from": "ounce", "to": "pound"}, "1"),
        ("1000", {"do": "convert", "from": "gram", "to": "kilogram"}, "1"),
        ("1", {"do": "convert", "from": "foot", "to": "inch"}, "12"),
        ("far", {"do": "convert", "from": "foot", "to": "inch"}, "far"),
        ("NEW", {"do": "table", "pairs": {"new": "N", "used": "U"}}, "N"),
        ("-3", {"do": "units"}, "0"),
        ("2.75", {"do": "units"}, "2"),
        ("-0.5", {"do": "units"}, "0"),
        ("1,014", {"do": "units"}, "1014"),
        ("call", {"do": "units"}, "call"),
        ("10|3", {"do": "subtract", "separator": "|"}, "7"),
        ("10|3|0.5", {"do": "subtract", "separator": "|"}, "6.5"),
        ("3|10", {"do": "subtract", "separator": "|"}, "-7"),
        ("10", {"do": "subtract", "separator": "|"}, "10"),
        ("false|10|3", {"do": "subtract", "separator": "|"}, "false|10|3"),
        ("10|", {"do": "subtract", "separator": "|"}, "10|"),
        ("odd", {"do": "table", "pairs": {"new": "N"}}, "odd"),
        ("odd", {"do": "table", "pairs": {"new": "N"}, "otherwise": "empty"}, ""),
        ("Fed  Ex", {"do": "table", "pairs": [["fed ex", "FEDEX"], ["", ""]]}, "FEDEX"),
    ],
)
def test_each_transform(text, step, expected):
    assert change(text, step) == expected


@pytest.mark.parametrize(
    ("text", "mark", "expected"),
    [
        ("5", ".", "5"),
        ("1,000", ".", "1000"),
        ("1.000", ",", "1000"),
        ("1.000,5", ",", "1000,5"),
        ("10+", ".", "10"),
        (">100", ".", "100"),
        ("> 1,000", ".", "1000"),
        (">=50", ".", "50"),
        ("over 20", ".", "20"),
        ("~30", ".", "30"),
        ("100 pcs", ".", "100"),
        ("<5", ".", "0"),
        ("less than 10", ".", "0"),
        ("In stock", ".", "7"),
        ("YES", ".", "7"),
        ("Out of stock", ".", "0"),
        ("sold-out", ".", "0"),
        ("n/a", ".", "0"),
        ("-", ".", "0"),
        ("-5", ".", "-5"),
        ("5-10", ".", "5-10"),
        ("soon", ".", "soon"),
    ],
)
def test_numbers_are_cleaned_up(text, mark, expected):
    assert change(text, {"do": "number", "in_stock": "7"}, mark=mark) == expected


def test_in_stock_without_a_number_stays_a_word():
    assert change("In stock", {"do": "number"}) == "In stock"
    assert change("<5", {"do": "number", "below": "4"}) == "4"
    assert change("no", {"do": "number", "out_of_stock": "1"}) == "1"


def test_steps_follow_each_other_and_stop_at_an_empty_text():
    steps = [{"do": "split", "separator": "/", "nth": 2}, {"do": "prefix", "text": "X-"}, {"do": "case", "to": "upper"}]
    assert change("a/b", *steps) == "X-B"
    assert change("a", *steps) == ""
    assert compose([], ".") is None


@given(st.integers(0, 10**9), st.sampled_from([(",", "."), (".", ","), (" ", ","), ("'", ".")]), st.sampled_from(["", "+", " units"]))
def test_grouped_numbers_are_cleaned_to_their_digits(number, marks, tail):
    thousands, decimal = marks
    text = f"{number:,}".replace(",", thousands)
    assert change(text + tail, {"do": "number"}, mark=decimal) == str(number)


@given(st.integers(0, 10**12), st.sampled_from(".,"))
def test_amounts_survive_writing_and_reading(amount, mark):
    assert amounts.scaled(amounts.plain(amount, mark), mark) == amount


@given(st.text(st.sampled_from("0123456789.,'-+()eE $€ "), max_size=20), st.sampled_from(".,"))
def test_any_scribble_is_a_number_or_unfit(text, mark):
    for read in (amounts.money_reader(mark), amounts.quantity_reader(mark), lambda text: amounts.scaled(text, mark)):
        try:
            got = read(text)
        except amounts.Unfit as unfit:
            assert unfit.reason
        else:
            assert got is None or isinstance(got, int)


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_the_fast_way_and_the_full_way_read_the_same_money(whole, part):
    text = f"{whole}.{part:06}"[:11]
    try:
        read = amounts.money_reader(".")(text)
    except amounts.Unfit as unfit:
        assert unfit.reason == amounts.TOO_SMALL
        read = unfit.value
    assert read == amounts.scaled(text, ".")


@given(st.sampled_from([8, 12, 13, 14]).flatmap(lambda n: st.text("0123456789", min_size=n, max_size=n)))
def test_our_check_digit_is_stdnums(digits):
    assert kinds.has_right_check_digit(digits) == ean.is_valid(digits)
    right = digits[:-1] + ean.calc_check_digit(digits[:-1])
    assert kinds.has_right_check_digit(right)


@pytest.mark.parametrize(
    "step",
    [
        None, "trim", {}, {"do": "regex"}, {"do": "case", "to": "odd"}, {"do": "prefix"}, {"do": "prefix", "text": "x" * 501},
        {"do": "prefix", "text": "a\nb"}, {"do": "prefix", "text": "a\0"}, {"do": "replace", "find": ""},
        {"do": "split", "separator": ",", "nth": 0},
        {"do": "split", "separator": ",", "nth": "x"}, {"do": "left", "count": -1}, {"do": "left", "count": "1.5"},
        {"do": "pad", "length": 41},
        {"do": "number", "in_stock": "many"}, {"do": "convert", "from": "gram", "to": "inch"}, {"do": "convert", "from": "gram"},
        {"do": "table"}, {"do": "table", "pairs": {}}, {"do": "table", "pairs": [["a"]]},
        {"do": "table", "pairs": {"a": "b"}, "otherwise": "x"},
        {"do": "table", "pairs": [["", ""]]}, {"do": "table", "pairs": 5},
    ],
)  # fmt: skip
def test_steps_that_cannot_be_used_say_why(step):
    assert problem_of(step)


def test_every_transform_says_what_it_is_for_the_editor():
    for key, transform in TRANSFORMS.items():
        assert transform.label
        for parameter in transform.parameters:
            assert parameter.kind in {"text", "number", "choice", "pairs"}, key
            assert bool(parameter.choices) == (parameter.kind == "choice")


def test_hostile_texts_and_steps_take_neither_time_nor_memory():
    with ends():
        hostile_texts()


def hostile_texts():
    grow = {"do": "replace", "find": "a", "with": "a" * 500}
    assert len(change("a" * 10_000_000, *[grow] * 20)) <= LONGEST_RESULT
    for text in ("1," * 500_000, "1 " * 500_000 + "x", "=" * 999_999, '="' * 300_000, "9" * 1_000_000, "(" * 500_000):
        for step in ({"do": "number"}, {"do": "convert", "from": "gram", "to": "pound"}, {"do": "trim"}):
            change(text, step)
        for read in (amounts.money_reader("."), amounts.quantity_reader(","), kinds.gtin, kinds.sku_reader(120)):
            try:
                read(text)
            except amounts.Unfit:
                continue


@pytest.mark.parametrize(("text", "mark"), [("0.00001", "."), ("$0.00004", "."), (",00001", ",")])
def test_an_amount_too_small_to_keep_is_noted(text, mark):
    with pytest.raises(amounts.Unfit) as caught:
        amounts.money_reader(mark)(text)
    assert (caught.value.reason, caught.value.fatal, caught.value.value) == (amounts.TOO_SMALL, False, 0)
    assert amounts.money_reader(".")("0.00000") == 0
    assert amounts.money_reader(".")("0.00005") == 1
