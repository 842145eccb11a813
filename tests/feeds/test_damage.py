"""What spreadsheet programs do to codes is found and counted; undone only where it is certain, and what is lost is said to be lost."""

from __future__ import annotations

import pytest

from portal.feeds import damage
from portal.mapping import mending
from portal.mapping.transforms import compose

UPCS = ["036000291452", "012345678905", "042100005264", "076123400003", "036000291452", "885909950805"]


def found(header: str, values: list[str], **known: list[str]) -> dict[str, damage.Damage]:
    return {one.kind: one for one in damage.find([header, "other"], [[value, "x"] for value in values], **known)}


def fixed(value: str, step: dict[str, str], mark: str = ".") -> str:
    change = compose([step], mark)
    assert change is not None
    return change(value)


def test_lost_zeros_are_counted_and_what_the_check_digit_proves_is_restored():
    shorter = [code.lstrip("0") for code in UPCS] + ["36000291453"]
    one = found("upc", shorter)["lost_zeros"]
    assert (one.count, one.restored, one.of, one.repair) == (6, 5, 7, {"do": "zeros", "length": "12"})
    assert "The check digits prove 5 of them." in one.words
    assert [fixed(value, one.repair) for value in shorter] == [*UPCS, "36000291453"]


@pytest.mark.parametrize(("short", "length", "whole"), [
    ("36000291452", "12", "036000291452"), ("36000291452", "13", "0036000291452"), ("36000291452", "14", "00036000291452"),
    ("3600029145", "12", "3600029145"), ("12345670", "12", "12345670"), ("012345678905", "14", "012345678905"),
    ("1234565", "8", "01234565"),
    ("", "12", ""), ("ABC", "12", "ABC"), ("17", "12", "17"), ("00000000000", "12", "00000000000"), ("٣٦٠٠٠٢٩١٤٥٢", "12", "٣٦٠٠٠٢٩١٤٥٢"),
])  # fmt: skip
def test_zeros_are_put_back_only_where_the_check_digit_proves_it(short, length, whole):
    assert (mending.with_zeros(short, int(length)) or short) == whole


def test_short_numbers_that_fit_by_chance_are_no_lost_zeros():
    chance = [f"{n:010}"[1:] for n in range(1_000_000_000, 1_000_000_300)]
    assert sum(map(mending.fits, chance)) > 20
    assert "lost_zeros" not in found("upc", UPCS * 40 + chance)


def test_cut_digits_are_said_to_be_lost_with_how_to_export():
    one = found("sku", ["1.23457E+11", "AB-1", "AB-2"])["scientific"]
    assert (one.count, one.of, one.restored, one.repair) == (1, 3, 0, None)
    assert "cannot be restored" in one.words and "format the column as Text" in one.words
    assert fixed("1.23457E+11", {"do": "digits"}) == "1.23457E+11"


@pytest.mark.parametrize(("text", "mark", "whole"), [
    ("4.006381333931E+12", ".", "4006381333931"), ("4,006381333931E+12", ",", "4006381333931"), ("1.234567e6", ".", "1234567"),
    ("4.00638E+12", ".", None), ("4.006381333930E+13", ".", None), ("1.5E+1", ".", None), ("12E3", ".", None), ("4E+12", ".", None),
    ("1.23456789012346E+17", ".", None), ("10442.0", ".", "10442"), ("10442,0", ",", "10442"), ("10,000", ".", None),
    ("10442,0", ".", None),
    ("10.50", ".", None), (".0", ".", None), ("", ".", None),
])  # fmt: skip
def test_numbers_are_restored_only_when_every_digit_is_there(text, mark, whole):
    assert mending.whole_digits(text, mark) == whole


def test_exact_numbers_and_decimals_get_a_repair():
    exact = found("ean", ["4.006381333931E+12", "4.00638E+12", "4006381333931"])
    assert (exact["exact"].restored, exact["exact"].repair, exact["scientific"].count) == (1, {"do": "digits"}, 1)
    pandas = found("sku", ["10442.0", "10443.0", "10444.0"])["decimals"]
    assert (pandas.count, pandas.repair) == (3, {"do": "digits"})
    assert found("qty", ["10442.0", "10443.0", "10444.0"]) == {}


def test_skus_turned_into_dates_cannot_be_restored_and_a_column_of_dates_is_none():
    one = found("sku", ["2-Jan", "3-X", "4-X"])["dates"]
    assert (one.count, one.repair) == (1, None) and "took codes for dates" in one.words
    assert found("sku", ["2026-11-01", "2026-11-02"]) == {}
    assert found("Code 7", ["2-Jan", "3-X", "4-X"]) == {}
    assert set(found("Code 7", ["2-Jan", "3-X", "4-X"], ids=["Code 7"])) == {"dates"}


def test_errors_of_any_column_are_found_and_left_out():
    one = found("price", ["5", "#N/A", "#REF!", "#####", "#12"])["errors"]
    assert (one.count, one.of, one.repair) == (3, 5, {"do": "errors"})
    assert [fixed(value, one.repair) for value in ("#N/A", "#value!", "#####", "#12", "#NAMES", "5")] == ["", "", "", "#12", "#NAMES", "5"]


def test_damage_far_down_the_file_is_counted():
    rows = [[UPCS[0], "x"]] * 1_500 + [["36000291452", "#N/A"]] * 5
    kinds = {one.kind: (one.count, one.of) for one in damage.find(["upc", "note"], iter(rows))}
    assert kinds == {"lost_zeros": (5, 1_505), "errors": (5, 1_505)}


def test_an_error_is_never_taken_for_out_of_stock():
    assert fixed("#N/A", {"do": "number"}) == "#N/A"
    assert fixed("n/a", {"do": "number"}) == "0"
