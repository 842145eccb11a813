"""Feeds with a row for each SKU and warehouse: quantities are added up, warehouses kept, whatever of them the next file changes."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from portal import feed_import, mapping, runs
from portal.errors import Invalid
from portal.inventory import explain, fixes
from portal.models import Integration, InventoryItem, Run
from tests.feed_of import HANDLERS, Feed, aside, text_of

HEADERS = ["sku", "wh", "qty", "title"]
FIELDS = {"sku": {"columns": ["sku"]}, "quantity": {"columns": ["qty"]}, "title": {"columns": ["title"]}}
BY_ROW: dict[str, Any] = {"fields": FIELDS, "warehouse_rows": {"columns": ["wh"], "steps": []}}
ROWS: list[list[Any]] = [["A", "East", 5, "Lamp"], ["A", "West", 3, "Lamp"], ["B", "West", 2, "Rope"], ["C", "East", 0, "Peg"]]


@pytest.fixture
def feed(make_source):
    made = Feed(make_source())
    made.map(HEADERS, **BY_ROW)
    return made


def stock(feed: Feed) -> dict[str, tuple[int | None, Any]]:
    return {sku: (item.quantity, json.loads(item.warehouses or "null")) for sku, item in feed.items().items()}


def test_rows_of_a_sku_become_one_item_with_its_warehouses(feed):
    run = feed.sync(ROWS, HEADERS)
    assert (run.state, run.counts["rows"], run.counts["new"], run.counts["set_aside"], run.counts["noted"]) == ("finished", 4, 3, 0, 0)
    assert stock(feed) == {"A": (8, {"East": 5, "West": 3}), "B": (2, {"West": 2}), "C": (0, {"East": 0})}
    assert feed.items()["A"].title == "Lamp" and aside(run) == {}


@pytest.mark.parametrize("compared", ["record", "cells"])
def test_whatever_row_the_next_file_changes_the_sum_is_right(feed, compared):
    Integration.update(policies={"compared": compared}).execute()
    feed.sync(ROWS, HEADERS)
    steps = [
        ([["A", "East", 5, "Lamp"], ["A", "West", 4, "Lamp"], *ROWS[2:]], {"A": (9, {"East": 5, "West": 4})}),
        ([ROWS[0], *ROWS[2:]], {"A": (5, {"East": 5})}),  # West is gone, the row of East is byte for byte the same
        ([ROWS[0], *ROWS[2:], ["A", "North", 1, "Lamp"]], {"A": (6, {"East": 5, "North": 1})}),
        ([*ROWS[2:], ["A", "North", 1, "Lamp"], ROWS[0]], {"A": (6, {"East": 5, "North": 1})}),  # only the order
        ([*ROWS, ["B", "East", 7, "Rope"]], {"A": (8, {"East": 5, "West": 3}), "B": (9, {"East": 7, "West": 2})}),
        (ROWS, {"B": (2, {"West": 2})}),
        ([["B", "East", 2, "Rope"], ROWS[0], ROWS[1], ROWS[3]], {"B": (2, {"East": 2})}),  # moved between warehouses, the sum the same
    ]
    for rows, expected in steps:
        run = feed.sync(rows, HEADERS)
        assert run.accepted, run.problem
        found = stock(feed)
        assert {sku: found[sku] for sku in expected} == expected
        assert found["C"] == (0, {"East": 0})


def test_an_unchanged_file_changes_nothing_and_its_single_rows_are_not_read_again(feed):
    feed.sync(ROWS, HEADERS)
    run = feed.sync([*ROWS[2:], *ROWS[:2]], HEADERS)
    assert (run.counts["changed"], run.counts["unchanged"], run.state) == (0, 3, "finished")
    assert run.checkpoint["tally"]["known"] == 2 and run.checkpoint["tally"]["decoded"] == 2


@pytest.mark.parametrize(("policy", "east"), [("first", 5), ("last", 6), ("sum", 11)])
def test_a_warehouse_that_comes_twice_is_settled_as_the_mapping_says(feed, policy, east):
    feed.map(HEADERS, **BY_ROW, duplicates=policy)
    run = feed.sync([*ROWS, ["A", "East", 6, "Lamp"]], HEADERS)
    assert stock(feed)["A"] == (east + 3, {"East": east, "West": 3})
    told = aside(run)
    assert len(told) == 1 and next(iter(told.values())).fatal == (policy != "sum")
    assert run.counts["set_aside"] + run.counts["noted"] == 1 and run.state == "warnings"


def test_set_aside_leaves_the_whole_sku_out_and_its_stock_as_it_was(feed):
    feed.map(HEADERS, **BY_ROW, duplicates="set_aside")
    feed.sync(ROWS, HEADERS)
    run = feed.sync([*ROWS, ["A", "East", 6, "Lamp"]], HEADERS)
    assert (run.counts["set_aside"], run.counts["missing"]) == (3, 0)
    assert stock(feed)["A"] == (8, {"East": 5, "West": 3})


def test_a_row_that_names_no_warehouse_is_set_aside(feed):
    run = feed.sync([*ROWS, ["A", " ", 6, "Lamp"]], HEADERS)
    assert [(row.sku, row.problems[0]["reason"]) for row in aside(run).values()] == [("A", "Names no warehouse")]
    assert stock(feed)["A"] == (8, {"East": 5, "West": 3})


def test_more_than_any_stock_is_set_aside_and_no_error(feed):
    many = [["A", f"W{n}", 9_999_999, "Lamp"] for n in range(300)]
    run = feed.sync([*many, *ROWS[2:]], HEADERS)
    assert run.accepted and run.counts["set_aside"] == 300 and "A" not in stock(feed)


def test_names_go_through_their_changes(feed):
    table = {"do": "table", "pairs": {"East": "Hamburg"}, "otherwise": "keep"}
    feed.map(HEADERS, fields=FIELDS, warehouse_rows={"columns": ["wh"], "steps": [table]})
    feed.sync(ROWS, HEADERS)
    assert stock(feed)["A"] == (8, {"Hamburg": 5, "West": 3})


def test_a_file_of_changes_leaves_the_warehouses_that_it_does_not_name(feed):
    feed.sync(ROWS, HEADERS)
    Integration.update(policies={"feed": "delta"}).execute()
    feed.sync([["A", "West", 9, "Lamp"], ["D", "East", 1, "New"]], HEADERS)
    found = stock(feed)
    assert found["A"] == (14, {"East": 5, "West": 9}) and found["D"] == (1, {"East": 1})


def test_a_mended_row_stands_beside_its_other_warehouses(feed):
    many = [[f"S{n}", "East", 1, "Peg"] for n in range(100)]
    run = feed.sync([*many, *ROWS, ["A", "North", "x", "Lamp"], ["A", "South", "y", "Lamp"]], HEADERS)
    assert run.accepted and stock(feed)["A"] == (8, {"East": 5, "West": 3})
    lines = list(fixes.to_mend_csv(run))
    mended = lines[0] + lines[1].replace(",x,", ",2,") + lines[2].replace(",y,", ",1,")
    started, fresh = fixes.start(run, io.BytesIO(mended.encode()), "mended.csv", "owner")
    assert fresh
    runs.work_available({**HANDLERS, "fixed_rows": fixes.perform})
    done = Run.get_by_id(started.id)
    assert (done.state, done.counts["set_aside"]) == ("finished", 0), done.problem
    assert stock(feed)["A"] == (11, {"East": 5, "North": 2, "South": 1, "West": 3})


def test_the_quantity_is_explained(feed):
    feed.sync(ROWS, HEADERS)
    told = explain.of(InventoryItem.get(InventoryItem.sku == "A"), "quantity")
    assert told.rule == ["Column “qty”.", "Added up over the rows of the SKU, one a warehouse, named by: Column “wh”."]


@pytest.mark.parametrize(("change", "words"), [
    ({"warehouse_rows": {"columns": []}}, "Choose the column that names"), ({"warehouse_rows": {"columns": ["gone"]}}, "no column “gone”"),
    ({"fields": {"sku": {"columns": ["sku"]}}}, "Choose the column of the Quantity"),
    ({"warehouses": [{"name": "East", "column": "qty"}]}, "not both"),
    ({"fields": {"sku": {"columns": ["sku"]}, "quantity": {"fixed": "5"}}}, "Choose the column of the Quantity"),
])  # fmt: skip
def test_rules_that_cannot_be_used_are_refused(change, words):
    with pytest.raises(Invalid) as refused:
        mapping.check_rules({**BY_ROW, **change}, HEADERS)
    assert words in refused.value.errors["warehouses"]


def test_a_file_with_rows_by_warehouse_is_known_at_sight(merchant, tmp_path):
    path = tmp_path / "stock.csv"
    rows = [[f"S{n}", place, n, "Lamp"] for n in range(1, 40) for place in ("East", "West")]
    path.write_bytes(text_of(rows, ["sku", "location", "qty", "title"]))
    run = feed_import.import_file(merchant, "Kestrel", path, create=True)
    assert (run.state, run.counts["new"]) == ("finished", 39)
    item = InventoryItem.get(InventoryItem.sku == "S7")
    assert (item.quantity, json.loads(item.warehouses), item.bin_location) == (14, {"East": 7, "West": 7}, None)


def test_a_bin_of_each_sku_is_no_warehouse(merchant, tmp_path):
    path = tmp_path / "stock.csv"
    path.write_bytes(text_of([[f"S{n}", f"A-{n}", n, "Lamp"] for n in range(1, 40)], ["sku", "location", "qty", "title"]))
    feed_import.import_file(merchant, "Kestrel", path, create=True)
    item = InventoryItem.get(InventoryItem.sku == "S7")
    assert (item.quantity, item.warehouses, item.bin_location) == (7, None, "A-7")
