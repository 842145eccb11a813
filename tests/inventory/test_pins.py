"""A person keeps a value, for a while or until he takes it off."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal import audit, clock, removals, runs
from portal.errors import Invalid, NotFound, Refused
from portal.inventory import archiving, browse, pins
from portal.models import InventoryChange, ItemPin, Run, StaleRecord
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of

WHO = "ana@harbor.example"
QUANTITY = 1 << 7


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


def item_of(feed, sku="SKU-00001"):
    return browse.find(feed.source.merchant, feed.items()[sku].public_id)


def last_line(item):
    return InventoryChange.select().where(InventoryChange.item_id == item.id).order_by(InventoryChange.id.desc()).get()


def test_a_pin_is_written_at_once_and_journaled(feed):
    item = item_of(feed)
    pins.pin(item, "quantity", "0", "Recall", None, WHO)
    fresh, line = item_of(feed), last_line(item)
    assert (fresh.quantity, fresh.pinned & QUANTITY, fresh.content_hash) == (0, QUANTITY, 0)
    assert (line.action, line.before, line.after) == ("pin", {"quantity": 5}, {"quantity": 0})
    assert (line.run.kind, line.run.state, line.run.started_by, line.run.settings["column"]) == ("edit", "finished", WHO, "quantity")
    assert [row.sku for row in StaleRecord.select()] == ["SKU-00001"]
    assert pins.of_item(fresh)["quantity"].note == "Recall"
    assert audit.verify(feed.source.merchant) == []


@pytest.mark.parametrize(
    ("column", "text", "stored"), [("cost", "12.5", 125_000), ("title", "Größer", "Größer"), ("weight", "2", 20_000), ("brand", "", None)]
)
def test_any_field_is_pinned_as_it_would_be_stored(feed, column, text, stored):
    pins.pin(item_of(feed), column, text, "", None, WHO)
    assert getattr(item_of(feed), column) == stored


def test_a_pin_off_before_any_feed_brings_the_value_back_at_once(feed):
    pins.pin(item_of(feed), "quantity", "0", "", None, WHO)
    pins.pin(item_of(feed), "quantity", "1", "", None, WHO)
    assert pins.unpin(item_of(feed), "quantity", WHO) is True
    item = item_of(feed)
    assert (item.quantity, item.pinned, pins.of_item(item)) == (5, 0, {})
    assert last_line(item).action == "unpin"
    with pytest.raises(NotFound):
        pins.unpin(item, "quantity", WHO)


def test_a_pin_off_after_a_feed_keeps_the_value_until_the_next_one(feed):
    pins.pin(item_of(feed), "quantity", "0", "", None, WHO)
    rows = rows_of(6)
    rows[1][3] = 0
    sync(feed, rows)
    StaleRecord.delete().execute()
    assert pins.unpin(item_of(feed), "quantity", WHO) is False
    item = item_of(feed)
    assert (item.quantity, item.pinned) == (0, 0)
    assert [row.sku for row in StaleRecord.select()] == ["SKU-00001"]


def test_pins_end_by_themselves_each_once(feed, monkeypatch):
    item, now = item_of(feed), clock.now()
    pins.pin(item, "quantity", "0", "", now + timedelta(hours=1), WHO)
    pins.pin(item_of(feed), "cost", "1", "", now + timedelta(hours=1), WHO)
    pins.pin(item_of(feed, "SKU-00002"), "quantity", "0", "", now + timedelta(hours=3), WHO)
    assert pins.end_due() == 0
    assert pins.end_due(now + timedelta(hours=2)) == 2
    assert pins.end_due(now + timedelta(hours=2)) == 0
    item = item_of(feed)
    assert (item.quantity, item.cost, item.pinned) == (5, 25_000, 0)
    line = last_line(item)
    assert (line.action, line.run.started_by, line.run.cause) == ("unpin", "Quayside", "system")
    assert pins.count(feed.source) == 1


def test_what_cannot_be_pinned_says_why(feed):
    item = item_of(feed)
    for column, text, until, key in (
        ("sku", "X", None, "column"),
        ("quantity", "many", None, "value"),
        ("quantity", "", None, "value"),
        ("cost", "1", clock.now() - timedelta(minutes=1), "until"),
    ):
        with pytest.raises(Invalid) as refused:
            pins.pin(item, column, text, "", until, WHO)
        assert list(refused.value.errors) == [key]
    with pytest.raises(Invalid, match="at most 200"):
        pins.pin(item, "cost", "1", "x" * 201, None, WHO)
    archiving.archive(feed.source.merchant, [item.public_id], WHO)
    with pytest.raises(Refused, match="Un-archive it first"):
        pins.pin(item_of(feed), "quantity", "3", "", None, WHO)
    assert ItemPin.select().count() == 0


def test_remove_inventory_takes_the_pins_along(feed):
    pins.pin(item_of(feed), "quantity", "0", "", None, WHO)
    removals.remove_inventory_of(feed.source, feed.source.name, WHO)
    runs.work_available(HANDLERS)
    assert ItemPin.select().count() == 0


def test_pins_of_a_source_come_in_pages(feed, monkeypatch):
    monkeypatch.setattr(pins, "PAGE_SIZE", 2)
    for n in range(3):
        pins.pin(item_of(feed, f"SKU-0000{n}"), "quantity", "0", "", None, WHO)
    first, following = pins.of_source(feed.source)
    second, end = pins.of_source(feed.source, following)
    assert ([one.sku for one in first + second], end) == (["SKU-00000", "SKU-00001", "SKU-00002"], None)
    assert first[0].item_public_id == item_of(feed, "SKU-00000").public_id
