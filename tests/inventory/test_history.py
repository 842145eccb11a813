"""A source as of a moment and between two runs, against copies of the table kept on the way."""

from __future__ import annotations

import csv
import io
import random
from datetime import timedelta

import pytest

from portal import clock, removals, runs
from portal.errors import Invalid, NotFound
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import archiving, history, lineage, pins, revert
from portal.models import InventoryItem, Run
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of

WHO = "ana@harbor.example"


@pytest.fixture
def feed(make_source):
    return Feed(make_source())


def sync(feed, rows):
    run = feed.start(rows)
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def take_back(run):
    started = revert.start(run, revert.Choice(), WHO)
    runs.work_available(HANDLERS)
    return Run.get_by_id(started.id)


def table(feed):
    return {item.sku: lineage.values_of(item) for item in InventoryItem.select().where(InventoryItem.source == feed.source)}


def past(feed, moment, size=3, **asked):
    found, after = history.as_of(feed.source, moment, size=size, **asked)
    rows = {one.sku: one.values for one in found}
    while after:
        found, after = history.as_of(feed.source, moment, after=after, size=size, **asked)
        assert not rows.keys() & {one.sku for one in found}
        rows |= {one.sku: one.values for one in found}
    return {sku: {column: values.get(column) for column in lineage.COLUMNS} for sku, values in rows.items()}


def random_step(feed, rng, run):
    kind = rng.choice(["feed", "feed", "feed", "revert", "pin", "archive", "unarchive"])
    items = list(InventoryItem.select().where(InventoryItem.source == feed.source).order_by(InventoryItem.sku))
    if kind == "revert" and run is not None and not revert.may_revert(run):
        return take_back(run)
    if kind == "pin" and items:
        item = rng.choice(items)
        if item.archived_at is None:
            pins.pin(item, "quantity", str(rng.randrange(100)), "", None, WHO)
        return run
    if kind in ("archive", "unarchive") and items:
        getattr(archiving, kind)(feed.source.merchant, [rng.choice(items).public_id], WHO)
        return run
    rows = rows_of(rng.randint(16, 20), start=rng.randint(0, 2))
    for row in rng.sample(rows, 4):
        row[rng.choice([1, 3])] = rng.randrange(50)
    return sync(feed, rows)


@pytest.mark.parametrize("seed", range(3))
def test_every_moment_of_a_source_is_known_again(feed, seed):
    rng, run, kept = random.Random(seed), sync(feed, rows_of(18)), []
    for _ in range(12):
        kept.append((clock.now(), table(feed)))
        run = random_step(feed, rng, run)
    kept.append((clock.now(), table(feed)))
    for moment, wanted in kept:
        assert past(feed, moment) == wanted


def test_before_the_first_run_there_is_nothing(feed):
    before = clock.now()
    run = sync(feed, rows_of(3))
    assert past(feed, before) == {}
    take_back(run)
    assert past(feed, before) == {}, "an arrival that was taken out again was not there before it came"
    assert len(past(feed, run.finished_at)) == 3


def test_a_source_of_the_past_is_found_by_the_start_of_a_sku(feed):
    sync(feed, rows_of(12))
    assert list(past(feed, clock.now(), prefix="SKU-0001")) == ["SKU-00010", "SKU-00011"]


def test_what_was_removed_is_not_made_up(feed):
    sync(feed, rows_of(3))
    moment = clock.now()
    removals.remove_inventory_of(feed.source, feed.source.name, WHO)
    runs.work_available(HANDLERS)
    sync(feed, rows_of(2))
    with pytest.raises(Invalid, match="not kept"):
        past(feed, moment)
    assert len(past(feed, clock.now())) == 2
    assert len(history.comparable(feed.source)) == 1


def test_two_runs_are_compared_in_either_order_and_what_comes_back_to_the_same_does_not_differ(feed):
    first = sync(feed, rows_of(6))
    rows = rows_of(6)
    rows[1][3], rows[2][4] = 9, "7.00"
    sync(feed, rows)
    rows = rows_of(7)
    rows[2][4] = "7.00"
    last = sync(feed, rows)
    one, other = history.pair(feed.source, last.public_id, first.public_id)
    assert (one.id, other.id) == (first.id, last.id)
    found, after = history.differing(feed.source, one, other)
    assert [(row.sku, row.act, row.values) for row in found] == [
        ("SKU-00002", "changed", [("cost", 35_000, 70_000)]),
        ("SKU-00006", "added", []),
    ]
    assert after == ""
    counts = history.count(feed.source, one, other)
    assert (counts.changed, counts.added, counts.gone, counts.whole) == (1, 1, 0, True)
    take_back(last)
    lately = history.comparable(feed.source)[0]
    assert [row.act for row in history.differing(feed.source, last, lately)[0]] == ["changed", "gone"]


@pytest.mark.parametrize("seed", range(2))
def test_differences_between_runs_are_those_of_the_tables_after_them(feed, seed):
    rng, run, kept = random.Random(100 + seed), sync(feed, rows_of(18)), []
    for _ in range(10):
        kept.append((Run.select().order_by(Run.id.desc()).get(), table(feed)))
        run = random_step(feed, rng, run)
    for (one, was), (other, now) in zip(kept, kept[3:], strict=False):
        if one.id == other.id:
            continue
        found, after = history.differing(feed.source, one, other, size=2)
        while after:
            more, after = history.differing(feed.source, one, other, after=after, size=2)
            found += more
        wanted = {sku for sku in was.keys() | now.keys() if was.get(sku) != now.get(sku)}
        assert {row.sku for row in found} == wanted and len(found) == len(wanted)


def test_runs_of_others_and_the_same_run_twice(feed, make_source):
    mine, other = sync(feed, rows_of(2)), sync(Feed(make_source("Kestrel")), rows_of(2))
    with pytest.raises(NotFound):
        history.pair(feed.source, mine.public_id, other.public_id)
    with pytest.raises(Invalid, match="two different"):
        history.pair(feed.source, mine.public_id, mine.public_id)


def test_both_are_downloads(feed):
    first = sync(feed, rows_of(3))
    moment = clock.now() + timedelta(seconds=1)
    last = sync(feed, rows_of(4, quantity=7))
    rows = list(csv.reader(io.StringIO("".join(history.as_of_csv(feed.source, first.finished_at)))))
    assert len(rows) == 4 and len(rows[0]) == len(INVENTORY_COLUMNS) + 1 and rows[1][0] == "SKU-00000"
    assert moment
    rows = list(csv.reader(io.StringIO("".join(history.differing_csv(feed.source, first, last)))))
    assert rows[1] == ["SKU-00000", "changed", "Quantity", "5", "7"] and rows[-1][:2] == ["SKU-00003", "added"]
