"""Acceptance check 7: a dry run's plan equals the applied plan, whatever the file does, and a dry run writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.inventory import plan
from portal.models import Run
from tests.feed_of import Feed, rows_of, text_of

ROWS = 400


def changed(rows: list[list[Any]]) -> list[list[Any]]:
    """Some more, some less, some with another price, one new, one without stock."""
    rows = [list(row) for row in rows]
    rows[3][3], rows[7][3], rows[11][4], rows[13][3] = 9, 1, "7.25", 0
    return [*rows, ["NEW-1", "Lantern", "Kestrel", 4, "19.00"]]


def doubled(rows: list[list[Any]]) -> list[list[Any]]:
    return [*changed(rows), [*rows[5][:3], 77, rows[5][4]], [*rows[6][:3], 78, rows[6][4]]]


def set_aside(rows: list[list[Any]]) -> list[list[Any]]:
    rows = changed(rows)
    rows[20][3], rows[21][3], rows[22][4], rows[23][0] = "many", "-4", "dear", ""
    return rows


SECOND_FILES: dict[str, Callable[[list[list[Any]]], list[list[Any]]]] = {
    "changes": changed,
    "doubled SKUs": doubled,
    "rows set aside": set_aside,
    "removals": lambda rows: changed(rows)[:-20],
    "held removals": lambda rows: changed(rows)[:-120],
    "held zeros": lambda rows: [[*row[:3], 0, row[4]] for row in rows],
    "held prices": lambda rows: [[*row[:4], "999.00"] for row in rows],
    "refused as too short": lambda rows: rows[: ROWS // 4],
    "the same file": lambda rows: rows,
    "another order": lambda rows: rows[::-1],
}
WOULD = {"finished": "applied", "warnings": "applied", "held": "held", "failed": "refused", "no_change": "no_change"}


def equal(dry: Run, applied: Run) -> None:
    """The plan, the verdicts and what waits are the same in a dry run and in the sync of its file."""
    assert dry.state == "finished" and dry.plan_hash and dry.plan_hash == applied.plan_hash
    assert dry.checkpoint["would"] == WOULD[applied.state], applied.problem
    if applied.state == "no_change":
        assert dry.plan_hash == plan.NOTHING
        return
    told = [{key: one[key] for key in ("name", "limit", "seen", "verdict", "sentence")} for one in dry.verdicts]
    assert told == [{key: one[key] for key in told[0]} for one in applied.verdicts]
    if applied.state == "failed":
        return
    counts, done = dry.counts, applied.counts
    assert (counts["rows"], counts["set_aside"], counts["noted"]) == (done["rows"], done["set_aside"], done["noted"])
    assert (counts["missing"], counts["unchanged"], counts["waits"]) == (done["missing"], done["unchanged"], done["held"])
    if not counts["waits"]:
        assert (counts["add"], counts["change"] + counts["zero"], counts["back"]) == (done["new"], done["changed"], done["back"])


@pytest.mark.parametrize("policy", ["last", "sum", "set_aside"])
def test_check_7_the_plan_of_a_first_load_equals_the_applied_plan(make_source: Any, policy: str) -> None:
    feed = Feed(make_source(), duplicates=policy)
    dry = feed.dry_run(doubled(set_aside(rows_of(ROWS))))
    assert dry.counts["add"] > ROWS - 10 and feed.items() == {}
    equal(dry, feed.sync_with(dry))


@pytest.mark.parametrize("name", SECOND_FILES)
def test_check_7_the_plan_of_a_later_file_equals_the_applied_plan(make_source: Any, name: str) -> None:
    feed = Feed(make_source())
    assert feed.sync(rows_of(ROWS)).state == "finished"
    assert feed.sync(rows_of(ROWS, quantity=6)).state == "finished"  # so that a sync reads only what is new
    before = {sku: item.quantity for sku, item in feed.items().items()}
    dry = feed.dry_run(SECOND_FILES[name](rows_of(ROWS, quantity=6)))
    assert {sku: item.quantity for sku, item in feed.items().items()} == before
    applied = feed.sync_with(dry)
    equal(dry, applied)
    assert dry.checkpoint["whole"] is True and applied.checkpoint.get("whole", False) is False  # read otherwise, planned alike


def test_check_7_after_a_hold_and_removals_the_next_plans_are_equal_too(make_source: Any) -> None:
    feed = Feed(make_source())
    feed.sync(rows_of(ROWS))
    assert feed.sync(rows_of(ROWS - 100, quantity=6)).state == "held"
    for rows in (rows_of(ROWS - 100, quantity=7), rows_of(ROWS - 4, quantity=7), rows_of(ROWS, quantity=8), changed(rows_of(ROWS))):
        dry = feed.dry_run(rows)
        equal(dry, feed.sync_with(dry))


def test_check_7_with_a_mapping_that_was_saved_meanwhile(make_source: Any) -> None:
    feed = Feed(make_source())
    feed.sync(rows_of(ROWS))
    rules = {"fields": {"sku": {"columns": ["item_no"]}, "quantity": {"columns": ["qty"], "steps": [{"do": "trim"}]}}}
    dry = feed.dry_run(changed(rows_of(ROWS)), rules=rules | {"duplicates": "last"})
    feed.map(**rules)
    equal(dry, feed.sync_with(dry))


def test_a_file_that_only_looks_different_plans_nothing(make_source: Any) -> None:
    feed = Feed(make_source())
    feed.sync(rows_of(ROWS))
    dry = feed.dry_run(text_of(rows_of(ROWS)).replace(b"Kestrel", b'"Kestrel"'))
    assert (dry.plan_hash, dry.checkpoint["would"], dry.counts["unchanged"]) == (plan.NOTHING, "applied", ROWS)
    equal(dry, feed.sync_with(dry))
