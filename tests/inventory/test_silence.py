"""After hours without an accepted feed: keep, reduce or zero, once; the next accepted feed undoes it, also the same file again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal import clock, runs
from portal.errors import Invalid
from portal.inventory import silence
from portal.models import Integration, InventoryItem, Run
from tests.feed_of import HANDLERS, Feed, journal, rows_of

ALL = HANDLERS | {"silence": silence.perform}


@pytest.fixture
def feed(make_source):
    made = Feed(make_source())
    Integration.update(schedule={"every_minutes": 60}).execute()
    return made


def quiet(feed, since, **rule):
    """The last accepted feed was `since` hours ago; the rule's run, if it started one."""
    then = clock.now() - timedelta(hours=since)
    Integration.update(last_accepted_at=then, **({"policies": {"silence": rule}} if rule else {})).execute()
    started = silence.start_due()
    runs.work_available(ALL)
    return Run.select().where(Run.kind == "silence").order_by(Run.id.desc()).first() if started else None


def test_by_default_stock_is_kept_and_a_run_tells_it_once(feed):
    feed.sync(rows_of(3))
    assert quiet(feed, 23) is None
    run = quiet(feed, 25)
    assert (run.state, run.counts, journal(run)) == ("warnings", {"changed": 0}, {})
    assert run.problem["headline"].startswith("No feed was accepted since")
    assert set(feed.quantities().values()) == {5}
    assert silence.start_due() == 0


def test_zero_and_the_next_accepted_feed_undoes_it(feed):
    feed.sync(rows_of(3))
    run = quiet(feed, 2, hours=1, act="zero")
    assert set(feed.quantities().values()) == {0}
    assert journal(run)["SKU-00001"] == ("zero", {"quantity": 5}, {"quantity": 0})
    again = feed.sync(rows_of(3))  # byte for byte the same file: it must not end as "no change"
    assert again.state == "finished" and set(feed.quantities().values()) == {5}


def test_reduce_rounds_down_and_leaves_pinned_and_missing_items(feed):
    feed.sync(rows_of(40))
    feed.sync(rows_of(39))
    InventoryItem.update(pinned=silence._PINNED).where(InventoryItem.sku == "SKU-00001").execute()
    quiet(feed, 30, hours=24, act="reduce", percent=50)
    quantities = feed.quantities()
    assert (quantities["SKU-00000"], quantities["SKU-00001"], quantities["SKU-00039"]) == (2, 5, 0)


def test_many_chunks_and_an_interruption_lower_each_item_once(feed, monkeypatch):
    monkeypatch.setattr(silence, "CHUNK", 7)
    feed.sync(rows_of(30, quantity=9))
    run = quiet(feed, 30, act="reduce", percent=50)
    assert set(feed.quantities().values()) == {4} and run.counts == {"changed": 30}


def test_without_a_schedule_only_a_saved_rule_acts(feed):
    Integration.update(schedule={}).execute()
    feed.sync(rows_of(3))
    assert quiet(feed, 900) is None
    assert quiet(feed, 900, act="keep") is not None


def test_a_busy_integration_is_tried_again_later(feed):
    feed.sync(rows_of(3))
    Integration.update(last_accepted_at=clock.now() - timedelta(hours=30)).execute()
    feed.start(rows_of(3, quantity=6))
    assert silence.start_due() == 0


def test_a_feed_that_came_first_wins(feed):
    feed.sync(rows_of(3))
    Integration.update(last_accepted_at=clock.now() - timedelta(hours=30), policies={"silence": {"act": "zero"}}).execute()
    assert silence.start_due() == 1
    Integration.update(last_accepted_at=clock.now() + timedelta(seconds=1)).execute()
    runs.work_available(ALL)
    assert set(feed.quantities().values()) == {5}


@pytest.mark.parametrize(("typed", "field"), [((0, "keep", 50), "hours"), ((24, "sell", 50), "act"), ((24, "reduce", 100), "percent")])
def test_a_rule_that_cannot_be_is_refused(feed, typed, field):
    with pytest.raises(Invalid) as refused:
        silence.save(feed.integration, *typed, 1, "owner")
    assert list(refused.value.errors) == [field]
