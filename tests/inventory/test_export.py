"""Downloads for people are safe to open in a spreadsheet."""

from __future__ import annotations

import pytest

from portal.inventory.export import cell_for_people, label_of, shown


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@sum(a1)", "\t=1", "\r=1", "\n=1", "  =1", "\0=1"])
def test_a_text_that_a_spreadsheet_would_run_is_made_plain(text: str) -> None:
    assert cell_for_people(text).startswith("'")


def test_numbers_and_plain_text_stay_as_they_are() -> None:
    assert [cell_for_people(value) for value in (-5, 1.5, "NW-1", "", None)] == ["-5", "1.5", "NW-1", "", ""]


def test_ten_thousandths_become_decimal_texts() -> None:
    assert [shown("cost", value) for value in (125_000, 1, -45_600, 0, None)] == ["12.50", "0.0001", "-4.56", "0.00", None]
    assert shown("weight", 15_000) == "1.5"
    assert shown("quantity", 3) == 3


def test_lists_are_spelled_out_for_people() -> None:
    assert shown("images", '["https://a.example/1.jpg","https://a.example/2.jpg"]') == "https://a.example/1.jpg, https://a.example/2.jpg"
    assert shown("warehouses", '{"East":47,"West":0}') == "East: 47, West: 0"
    assert shown("custom", '{"Department":"Office \\u201cA\\u201d"}') == "Department: Office “A”"
    assert [shown("images", value) for value in (None, "")] == [None, ""]


def test_every_column_of_an_item_has_a_label_for_people():
    assert [label_of(column) for column in ("warehouses", "custom", "quantity")] == ["Warehouses", "Custom fields", "Quantity"]
