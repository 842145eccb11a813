"""What was sent against what a store took, and what it has: by key and units, and never guessed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portal.connectors.answers import Unreadable
from portal.connectors.taken import Stock, Taken

HOW = Taken("lines", "items", "sku", "sku")
STOCK = Stock("/p?sku={keys}", "lines", "sku", "sku", "left")


def order(*lines: tuple[str, Any]) -> bytes:
    return json.dumps({"lines": [{"sku": sku, "quantity": units} for sku, units in lines]}).encode()


def took(*lines: tuple[Any, Any]) -> dict[str, Any]:
    return {"items": [{"sku": sku, "quantity": units} for sku, units in lines]}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (took(("A", 2), ("B", 1)), []),
        (took(("b", "1.00"), ("A", 1), ("A", 1.0)), []),
        (took(("A", 2)), ["B: 1 was sent, they took 0"]),
        (took(("A", 2), ("B", 1), ("C", 0)), []),
        (took(("A", 2), (None, 1)), ["B: 1 was sent, they took 0", "1 of a line that names no item"]),
        (took(("A", 2), ("B", None)), None),
        (took(("A", 2), ("B", True)), None),
        (took(("A", 2), ("B", "NaN")), None),
        ({"id": 3}, None),
        (None, None),
        ({"items": "none"}, None),
    ],
)
def test_the_lines_that_they_took(answer: Any, told: Any) -> None:
    assert HOW.differences(order(("A", 2), ("B", 1)), answer) == told


def test_the_same_item_in_two_lines_of_ours_is_one_item() -> None:
    assert HOW.differences(order(("A", 2), ("A", 1)), took(("A", 3))) == []


def test_many_differences_are_counted_and_a_list_that_was_cut_tells_nothing() -> None:
    many = HOW.differences(order(*((f"S{n}", 1) for n in range(9))), took())
    assert many is not None and many[-1] == "and 4 more" and len(many) == 6
    assert Taken("lines", "items", "sku", "sku", cut="more").differences(order(("A", 1)), {**took(("A", 1)), "more": True}) is None


@pytest.mark.parametrize("document", [b"", b"<a/>", b"{}", b'{"lines": [{"quantity": 1}]}', b'{"lines": [{"sku": "A"}]}'])
def test_a_document_of_another_layout_is_not_guessed_at(document: bytes) -> None:
    with pytest.raises(Unreadable):
        HOW.differences(document, took(("A", 1)))


def test_stock_that_is_no_number_has_no_limit_and_keys_with_commas_are_not_asked_for() -> None:
    items = [{"sku": "A", "left": False}, {"sku": "b", "left": 1}]
    assert STOCK.short(order(("A", 5), ("B", 1), ("C,1", 1)), items) == []
    assert STOCK.asked(order(("A", 5), ("C,1", 1))) == ["A"]
    assert STOCK.short(order(("B", 2), ("X", 1)), [{"sku": "B", "left": -3}]) == ["B: 2 to order, 0 left", "X: the store does not know it"]
