"""What a person wrote meets the next feed: pins hold, and what ended is read again though the file is the same to the byte."""

from __future__ import annotations

import pytest

from portal import runs
from portal.inventory import archiving, browse, pins, revert
from portal.models import Run
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of

WHO = "ana@harbor.example"


@pytest.fixture
def feed(make_source):
    made = Feed(make_source())
    sync(made, rows_of(5))
    return made


def sync(feed, rows):
    run = feed.start(rows)
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def item_of(feed, sku="SKU-00001"):
    return browse.find(feed.source.merchant, feed.items()[sku].public_id)


def test_a_pinned_value_stays_through_feeds_and_the_same_file_brings_the_feeds_own_back(feed):
    pins.pin(item_of(feed), "quantity", "0", "", None, WHO)
    sync(feed, rows_of(5, quantity=9))
    assert (item_of(feed).quantity, item_of(feed, "SKU-00002").quantity) == (0, 9)
    assert pins.unpin(item_of(feed), "quantity", WHO) is False
    assert item_of(feed).quantity == 0
    sync(feed, rows_of(5, quantity=9))
    assert item_of(feed).quantity == 9


def test_an_archived_item_has_no_stock_whatever_the_feed_says_until_it_is_un_archived(feed):
    archiving.archive(feed.source.merchant, [item_of(feed).public_id], WHO)
    rows = rows_of(5, quantity=9)
    rows[1][1] = "Better lamp"
    sync(feed, rows)
    item = item_of(feed)
    assert (item.quantity, item.title, item.archived_by) == (0, "Lamp 1", WHO)
    archiving.unarchive(feed.source.merchant, [item.public_id], WHO)
    sync(feed, rows)
    assert (item_of(feed).quantity, item_of(feed).title) == (9, "Better lamp")


def test_an_item_that_left_the_feed_while_archived_is_missed_once_it_is_un_archived(feed):
    archiving.archive(feed.source.merchant, [item_of(feed, "SKU-00004").public_id], WHO)
    sync(feed, rows_of(4))
    archiving.unarchive(feed.source.merchant, [item_of(feed, "SKU-00004").public_id], WHO)
    sync(feed, rows_of(4))
    item = item_of(feed, "SKU-00004")
    assert (item.quantity, item.missing_since is not None) == (0, True)


def test_after_a_revert_the_same_file_is_read_again(feed):
    bad = sync(feed, rows_of(6, quantity=9))
    revert.start(bad, revert.Choice(), WHO)
    runs.work_available(HANDLERS)
    assert feed.quantities() == {f"SKU-0000{n}": 5 for n in range(5)}
    sync(feed, rows_of(6, quantity=9))
    assert feed.quantities() == {f"SKU-0000{n}": 9 for n in range(6)}


def test_an_item_that_a_revert_put_back_in_stock_is_missed_again(feed):
    rows = rows_of(4)
    gone = sync(feed, rows)
    revert.start(gone, revert.Choice(), WHO)
    runs.work_available(HANDLERS)
    assert item_of(feed, "SKU-00004").quantity == 5
    sync(feed, rows_of(4, quantity=6))
    item = item_of(feed, "SKU-00004")
    assert (item.quantity, item.missing_since is not None) == (0, True)
