"""An item that something else than its feed wrote is read again."""

from __future__ import annotations

import pytest

from portal import removals, runs
from portal.inventory import stale
from portal.models import FeedState, Integration, StaleRecord
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of


@pytest.fixture
def feed(make_source):
    return Feed(make_source())


def state_of(integration):
    return FeedState.create(integration=integration, run_id=1, key="k", stored_name="x")


def marked():
    return {(row.integration_id, row.sku) for row in StaleRecord.select()}


def test_every_inventory_integration_of_the_source_gets_the_mark_once(feed, make_source):
    second = Integration.create(source=feed.source, kind="get_inventory_secondary")
    Integration.create(source=feed.source, kind="send_orders")
    Feed(make_source("Kestrel"))
    stale.mark(feed.source.id, ["B", "A", "A"])
    stale.mark(feed.source.id, (sku for sku in ("A", "C")))
    assert marked() == {(one, sku) for one in (feed.integration.id, second.id) for sku in "ABC"}


def test_more_marks_than_one_chunk_holds(feed, monkeypatch):
    monkeypatch.setattr(stale, "CHUNK", 3)
    stale.mark(feed.source.id, [f"S{n}" for n in range(10)])
    assert len(marked()) == 10


def test_forgetting_lets_the_next_feed_be_read_whole(feed, make_source):
    other = Feed(make_source("Kestrel"))
    state_of(feed.integration)
    kept = state_of(other.integration)
    stale.forget(feed.source.id)
    assert [row.integration_id for row in FeedState.select()] == [kept.integration_id]


def test_remove_inventory_forgets_the_last_feed(feed):
    feed.sync(rows_of(3))
    FeedState.delete().execute()
    state_of(feed.integration)
    removals.remove_inventory_of(feed.source, feed.source.name, "owner@harbor.example")
    runs.work_available(HANDLERS)
    assert FeedState.select().count() == 0
