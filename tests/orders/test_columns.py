"""Rows of a file become orders; one bad row keeps its whole order out, and says why."""

from __future__ import annotations

from portal.orders.columns import put_together
from portal.records import Row

HEADERS = ["Order", "SKU", "Qty", "City", "Price"]
RULES = {"number": "Order", "sku": "SKU", "quantity": "Qty", "city": "City", "price": "Price"}


def together(*rows: list[str], mark: str = "."):
    return put_together(HEADERS, [Row(n, cells) for n, cells in enumerate(rows, 2)], RULES, mark)


def told(*rows: list[str], mark: str = ".") -> dict[int, str]:
    made = together(*rows, mark=mark)
    assert not made.orders
    return {one.row: one.words for one in made.bad}


def test_rows_of_a_number_are_one_order_wherever_they_stand():
    made = together(["A", "HX-1", "2", "Bath", "1.50"], ["B", "HX-1", "1", "Ayr", ""], ["", "", "", "", ""], ["A", "HX-2", "1.0", "", "2"])
    assert not made.bad and [order.number for order, _ in made.orders] == ["A", "B"]
    first = made.orders[0][0]
    assert [(line.sku, line.quantity, line.price) for line in first.lines] == [("HX-1", 2, 15_000), ("HX-2", 1, 20_000)]
    assert first.ship_to == {"city": "Bath"}


def test_one_bad_row_keeps_its_order_out_whole_and_no_other():
    made = together(["A", "HX-1", "2", "", ""], ["B", "HX-1", "1", "", ""], ["A", "HX-2", "0", "", ""])
    assert [order.number for order, _ in made.orders] == ["B"]
    assert {one.row: one.words for one in made.bad} == {
        2: "Row 4 of the same order has a problem.",
        4: "The quantity is 0. It must be 1 or more.",
    }


def test_each_reason_is_a_sentence():
    assert told(["", "HX-1", "1", "", ""]) == {2: "It has no order number."}
    assert told(["A", "", "x", "", ""]) == {2: "It has no SKU. The quantity “x” cannot be used: not a number."}
    assert told(["A", "HX-1", "", "", ""]) == {2: "The quantity is missing. It must be 1 or more."}
    assert told(["A", "HX-1", "-1", "", ""])[2].endswith("below zero.")
    assert told(["A", "HX-1", "1.5", "", ""])[2].endswith("not a whole number of units.")
    assert told(["A", "HX-1", "1", "", "2,50"])[2].startswith("The price “2,50” cannot be used: written with the other decimal mark")
    assert told(["A", "H" * 121, "1", "", ""]) == {2: "SKU has 121 characters; 120 at most."}
    assert told(["A" * 61, "HX-1", "1", "", ""]) == {2: "Order number has 61 characters; 60 at most."}


def test_rows_of_one_order_that_contradict_each_other_are_told():
    found = told(["A", "HX-1", "1", "Bath", ""], ["A", "HX-2", "1", "Ayr", ""])
    assert found[3] == "City is “Ayr” here and “Bath” in row 2 of the same order."


def test_a_row_that_is_too_short_has_empty_cells():
    assert told(["A", "HX-1"]) == {2: "The quantity is missing. It must be 1 or more."}
