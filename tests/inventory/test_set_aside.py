"""Rows that cannot be used, or only in part: each with its number, its cells and every reason; and SKUs that stand twice."""

from __future__ import annotations

import json

import pytest

from portal.intake.aside import LONGEST_CELL
from portal.inventory import duplicates
from portal.models import SetAsideRow
from tests.feed_of import HEADERS, Feed, aside, leftovers, rows_of

WITH_UPC = [*HEADERS, "ean"]


@pytest.fixture
def feed(make_source):
    return Feed(make_source())


def reasons(row: SetAsideRow) -> dict[str, tuple[str, str]]:
    """field -> (column, value) of every problem of a row."""
    return {problem["field"]: (problem["column"], problem["value"]) for problem in row.problems}


def with_upc(feed: Feed) -> None:
    fields = {"sku": "item_no", "title": "name", "quantity": "qty", "cost": "price", "upc": "ean"}
    feed.map(headers=WITH_UPC, fields={name: {"columns": [column]} for name, column in fields.items()})


def test_every_problem_of_a_row_is_told_with_its_column_and_value(feed):
    rows = [["", "Lamp", "Kestrel", "2.5", "abc"], *rows_of(40)]
    run = feed.sync(rows)
    told = aside(run)
    assert list(told) == [2] and told[2].fatal == 1 and told[2].cells == rows[0]
    assert reasons(told[2]) == {"sku": ("item_no", ""), "quantity": ("qty", "2.5"), "cost": ("price", "abc")}
    assert all(problem["reason"] for problem in told[2].problems)
    assert (run.state, run.counts["rows"], run.counts["new"], run.counts["set_aside"]) == ("warnings", 41, 40, 1)


@pytest.mark.parametrize("quantity", ["-1", "1.5", "10000001", "99999999999999999999", "many"])
def test_a_quantity_that_cannot_be_meant_sets_the_row_aside(feed, quantity):
    rows = rows_of(40)
    rows[7][3] = quantity
    run = feed.sync(rows)
    assert reasons(aside(run)[9]) == {"quantity": ("qty", quantity)}
    assert "SKU-00007" not in feed.items() and len(feed.items()) == 39


def test_a_wrong_check_digit_is_noted_and_only_the_number_left_out(feed):
    with_upc(feed)
    rows = [[*row, "4006381333931"] for row in rows_of(3)]
    rows[1][5] = "4006381333932"
    run = feed.sync(rows, headers=WITH_UPC)
    told = aside(run)
    assert list(told) == [3] and told[3].fatal == 0 and reasons(told[3]) == {"upc": ("ean", "4006381333932")}
    assert [feed.items()[f"SKU-0000{n}"].upc for n in range(3)] == ["4006381333931", None, "4006381333931"]
    assert (run.state, run.counts["noted"], run.counts["set_aside"], run.counts["new"]) == ("finished", 1, 0, 3)


def test_counts_go_on_when_the_list_of_rows_is_full(feed, monkeypatch):
    monkeypatch.setattr(duplicates, "MOST_REPORTED", 3)
    run = feed.sync([["", "x", "y", 1, "1"]] * 5 + rows_of(20))
    assert run.counts["set_aside"] == 5
    assert list(aside(run)) == [2, 3, 4]


def test_cells_and_values_are_cut_before_they_fill_the_database(feed):
    rows = [["", "x" * 100_000, "K", "y" * 100_000, "1"], *rows_of(30)]
    told = aside(feed.sync(rows))[2]
    assert max(len(cell) for cell in told.cells) == LONGEST_CELL
    assert all(len(problem["value"]) <= LONGEST_CELL for problem in told.problems)


def test_a_problem_appears_in_the_rows_of_its_own_run_only(feed):
    rows = rows_of(30)
    rows[3][3] = "-1"
    first, second = feed.sync(rows), feed.sync(rows_of(30))
    assert list(aside(first)) == [5] and aside(second) == {}


def test_duplicates_past_one_chunk_of_skus_are_all_settled(feed, monkeypatch):
    monkeypatch.setattr(duplicates, "GROUPS", 3)
    rows = rows_of(20)
    run = feed.sync(rows + [[*row[:3], 9, row[4]] for row in rows[:11]])
    assert (run.counts["set_aside"], run.counts["new"], len(aside(run))) == (11, 20, 11)
    assert sorted(feed.quantities().values()) == [5] * 9 + [9] * 11
    assert leftovers() == (0, 0)


def test_a_row_that_repeats_a_sku_keeps_what_else_was_noted_about_it(feed):
    with_upc(feed)
    rows = [[*row, "4006381333931"] for row in rows_of(3)]
    rows[0][5] = "4006381333932"
    run = feed.sync([*rows, rows[0][:5] + ["4006381333931"]], headers=WITH_UPC)
    told = aside(run)
    assert list(told) == [2] and reasons(told[2]) == {"upc": ("ean", "4006381333932"), "sku": ("item_no", "SKU-00000")}
    assert told[2].fatal == 1 and told[2].cells[5] == "4006381333932"


def test_a_repeated_sku_whose_last_row_cannot_be_used_is_taken_from_the_one_before(feed):
    rows = rows_of(40)
    run = feed.sync([*rows, [*rows[0][:3], "-4", "1"]])
    assert feed.quantities()["SKU-00000"] == 5
    assert list(aside(run)) == [42] and reasons(aside(run)[42]) == {"quantity": ("qty", "-4")}


def test_summed_rows_add_up_each_warehouse(make_source):
    feed = Feed(make_source(), duplicates="sum")
    headers = ["item_no", "east", "west"]
    stores = [{"name": "East", "column": "east"}, {"name": "West", "column": "west"}]
    feed.map(headers=headers, fields={"sku": {"columns": ["item_no"]}}, warehouses=stores, duplicates="sum")
    run = feed.sync([["A", 1, 2], ["B", 5, 5], ["A", 10, ""], ["A", "", 4]], headers=headers)
    items = feed.items()
    assert (items["A"].quantity, json.loads(items["A"].warehouses)) == (17, {"East": 11, "West": 6})
    assert (items["B"].quantity, json.loads(items["B"].warehouses)) == (10, {"East": 5, "West": 5})
    assert (run.counts["noted"], run.counts["set_aside"]) == (2, 0)


def test_a_missing_item_has_no_units_in_any_warehouse(feed):
    headers = ["item_no", "east"]
    feed.map(headers=headers, fields={"sku": {"columns": ["item_no"]}}, warehouses=[{"name": "East", "column": "east"}])
    feed.sync([[f"S{n}", 4] for n in range(10)], headers=headers)
    feed.sync([[f"S{n}", 4] for n in range(9)], headers=headers)
    gone = feed.items()["S9"]
    assert (gone.quantity, gone.warehouses, gone.missing_since is None) == (0, None, False)
    feed.sync([[f"S{n}", 4] for n in range(10)], headers=headers)
    back = feed.items()["S9"]
    assert (back.quantity, json.loads(back.warehouses), back.missing_since) == (4, {"East": 4}, None)
