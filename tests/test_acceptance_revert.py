"""Acceptance check 5 of the product, through the command line's way in: import, revert, compare every byte."""

from __future__ import annotations

import json
from typing import Any

from portal import runs
from portal.inventory import revert
from portal.models import InventoryItem, Run, SetAsideRow
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of

WRITER = ("content_hash", "last_run_id", "last_row", "changed_at")  # who wrote an item last is not what the item is


def inventory_bytes(feed: Feed, but: set[str]) -> bytes:
    """Every column of every item, written out; without the SKUs in `but`."""
    rows = InventoryItem.select().where(InventoryItem.source == feed.source).order_by(InventoryItem.sku).dicts()
    told = [{name: value for name, value in row.items() if name not in WRITER} for row in rows if row["sku"] not in but]
    return json.dumps(told, default=str, sort_keys=True).encode()


def test_revert_restores_byte_identical_inventory_except_skus_touched_later_listed(make_source: Any) -> None:
    feed = Feed(make_source())

    def sync(rows: list[list[Any]]) -> Run:
        started = feed.start(rows)
        runs.work_available(HANDLERS)
        return Run.get_by_id(started.id)

    sync(rows_of(400))
    sync(rows_of(395))  # five items are missing, one of them comes back in the bad file
    before = inventory_bytes(feed, but=set())

    bad = rows_of(390) + rows_of(10, start=395)
    for row in bad[:60]:
        row[1], row[3], row[4] = row[1] + " (new)", row[3] + 40, "77.25"
    bad[70][3] = 0
    wrong = sync(bad + rows_of(20, start=1_000))
    assert wrong.state == "finished" and inventory_bytes(feed, but=set()) != before

    later = [list(row) for row in bad + rows_of(20, start=1_000)]
    later[7][3], later[9][4], later[-1][3] = 1, "1.00", 99
    touched = {later[7][0], later[9][0], later[-1][0]}
    assert sync(later).counts["changed"] == 3

    started = revert.start(wrong, revert.Choice(), "ana@harbor.example")
    runs.work_available(HANDLERS)
    done = Run.get_by_id(started.id)

    assert done.state == "warnings"
    assert {row.sku for row in SetAsideRow.select().where(SetAsideRow.run == done.id)} == touched
    kept = {item["sku"] for item in json.loads(before)} & touched
    expected = json.dumps([item for item in json.loads(before) if item["sku"] not in kept], sort_keys=True).encode()
    assert inventory_bytes(feed, but=touched) == expected
