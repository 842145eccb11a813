"""Where JSON of shipments and answers has its items and their lines, whatever lies around them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portal import notice_shapes
from portal.fields import SHIPMENT_FIELDS

ONE = {"po": "1001", "tracking": "1Z999AA10123456784", "lines": [{"sku": "A", "qty": 2}]}
TWO = {**ONE, "lines": [{"sku": "A", "qty": 2}, {"sku": "B", "qty": 1}]}
FLAT = {"po": "1001", "tracking": "1Z999AA10123456784", "sku": "A", "qty": 1}
SHAPES = {
    "one notice of one line": (ONE, "$", "lines"),
    "one notice of two": (TWO, "$", "lines"),
    "several notices": ([ONE, TWO], "$", "lines"),
    "a page of a list": ({"count": 2, "shipments": [ONE, TWO]}, "$.shipments", "lines"),
    "a list without lines": ({"count": 2, "shipments": [FLAT, FLAT]}, "$.shipments", ""),
    "inside an event": ({"event": "shipped", "data": TWO}, "$", "data.lines"),
    "labels are no lines": ({**FLAT, "labels": [{"url": "a"}, {"url": "b"}]}, "$", ""),
}


@pytest.mark.parametrize("name", SHAPES)
def test_the_items_and_their_lines_are_found(name: str, tmp_path: Path) -> None:
    told, root, lines = SHAPES[name]
    place = tmp_path / "told.json"
    place.write_text(json.dumps(told))
    found = notice_shapes.shape(place, place.name, SHIPMENT_FIELDS)
    assert (found.row_path, found.variants) == (root, lines)


def test_columns_of_inner_parts_are_matched_and_saved_ones_first() -> None:
    headers = ["data.po", "data.tracking", "data.ship_to.name", "data.lines.sku", "data.lines.qty"]
    rows = [["1001", "1Z999AA10123456784", "Ada", "A", "2"]]
    found = {one.field: one.column for one in notice_shapes.propose(SHIPMENT_FIELDS, headers, rows)}
    assert found == {
        "tracking_number": "data.tracking", "order_reference": "data.po", "carrier": None, "shipped_at": None, "sku": "data.lines.sku",
        "quantity": "data.lines.qty",
    }  # fmt: skip
    saved: dict[str, Any] = {"fields": {"order_reference": {"columns": ["data.ship_to.name"]}}}
    assert {one.field: one.column for one in notice_shapes.propose(SHIPMENT_FIELDS, headers, rows, saved)}["order_reference"] == headers[2]


def test_a_second_part_of_an_item_is_known() -> None:
    assert notice_shapes.repeats("parcels.lines.sku", ["po", "parcels.lines.sku", "parcels.lines 2.sku", "parcels 2.lines.sku"]) == [2, 3]
    assert notice_shapes.repeats("sku", ["sku", "lines 2.sku"]) == []
