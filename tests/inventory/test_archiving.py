"""Archived by hand: quantity 0, out of the lists, and back again, whoever archived."""

from __future__ import annotations

import pytest

from portal import clock, runs
from portal.errors import Invalid
from portal.inventory import archiving, browse, pins
from portal.models import InventoryChange, InventoryItem, Run, StaleRecord
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of

WHO = "ana@harbor.example"


@pytest.fixture
def feed(make_source):
    made = Feed(make_source())
    sync(made, rows_of(5))
    StaleRecord.delete().execute()
    return made


def sync(feed, rows):
    run = feed.start(rows)
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def ids(feed, *skus):
    return [item.public_id for sku, item in feed.items().items() if sku in skus]


def listed(feed, **asked):
    return [item.sku for item in browse.search(feed.source.merchant, source=feed.source, **asked).items]


def test_archived_items_have_no_stock_and_are_out_of_the_lists(feed):
    assert archiving.archive(feed.source.merchant, ids(feed, "SKU-00001", "SKU-00002"), WHO) == 2
    item = feed.items()["SKU-00001"]
    assert (item.quantity, item.archived_by, item.archived_at is not None) == (0, WHO, True)
    assert listed(feed) == ["SKU-00000", "SKU-00003", "SKU-00004"]
    assert listed(feed, stock="out") == []
    assert listed(feed, stock="archived") == ["SKU-00001", "SKU-00002"]
    assert browse.find(feed.source.merchant, item.public_id).sku == "SKU-00001"
    line = InventoryChange.select().where(InventoryChange.item_id == item.id, InventoryChange.action == "archive").get()
    assert (line.before["quantity"], line.after["quantity"], line.after["archived_by"]) == (5, 0, WHO)
    assert {row.sku for row in StaleRecord.select()} == {"SKU-00001", "SKU-00002"}
    assert archiving.archive(feed.source.merchant, [item.public_id], WHO) == 0


def test_unarchived_before_any_feed_an_item_is_as_it_was(feed):
    before = InventoryItem.select().where(InventoryItem.sku == "SKU-00001").dicts().get()
    archiving.archive(feed.source.merchant, ids(feed, "SKU-00001"), WHO)
    assert archiving.unarchive(feed.source.merchant, ids(feed, "SKU-00001", "SKU-00002"), WHO) == 1
    after = InventoryItem.select().where(InventoryItem.sku == "SKU-00001").dicts().get()
    moved = {"content_hash", "last_run_id", "changed_at"}
    assert {name: value for name, value in after.items() if name not in moved} == {
        name: value for name, value in before.items() if name not in moved
    }


def test_unarchived_after_a_feed_the_quantity_waits_for_the_next_one(feed):
    archiving.archive(feed.source.merchant, ids(feed, "SKU-00001"), WHO)
    rows = rows_of(6)
    rows[1][3] = 0
    sync(feed, rows)
    StaleRecord.delete().execute()
    archiving.unarchive(feed.source.merchant, ids(feed, "SKU-00001"), WHO)
    item = feed.items()["SKU-00001"]
    assert (item.quantity, item.archived_at, item.pinned) == (0, None, 0)
    assert {row.sku for row in StaleRecord.select()} == {"", "SKU-00001"}


def test_what_an_integration_archived_a_person_un_archives(feed):
    InventoryItem.update(archived_at=clock.now(), archived_by="get_inventory_primary", quantity=0).where(
        InventoryItem.sku == "SKU-00001"
    ).execute()
    assert archiving.unarchive(feed.source.merchant, ids(feed, "SKU-00001"), WHO) == 1
    assert "SKU-00001" in listed(feed)


def test_a_pinned_quantity_is_kept_through_the_archive(feed):
    item = browse.find(feed.source.merchant, ids(feed, "SKU-00001")[0])
    pins.pin(item, "quantity", "3", "", None, WHO)
    archiving.archive(feed.source.merchant, [item.public_id], WHO)
    assert feed.items()["SKU-00001"].quantity == 0
    archiving.unarchive(feed.source.merchant, [item.public_id], WHO)
    fresh = feed.items()["SKU-00001"]
    assert (fresh.quantity, fresh.pinned) == (3, 1 << 7)


def test_nothing_chosen_too_many_and_others_items(feed, other_merchant):
    with pytest.raises(Invalid, match="at least one"):
        archiving.archive(feed.source.merchant, [], WHO)
    with pytest.raises(Invalid, match="at most 500"):
        archiving.archive(feed.source.merchant, map(str, range(501)), WHO)
    assert archiving.archive(other_merchant, ids(feed, "SKU-00001"), WHO) == 0
    assert feed.items()["SKU-00001"].quantity == 5
