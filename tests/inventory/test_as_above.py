"""Lists whose blanks mean what is above: what a record says depends on those before it, also where only changes are read."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from portal import runs
from portal.inventory import contract, guards
from portal.inventory.guards import Limits
from portal.models import Integration, InventoryItem, Run, RunMessage, Source
from tests.feed_of import FORMAT, HANDLERS, HEADERS, Feed

Rows = list[list[Any]]
LAX = Limits(fewest_rows=0, lost_floor=100, zeroed_floor=100, prices_moved=100, bad_quantities=100, lost_in_week=100)


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Feed:
    return grouped(Feed(make_source()))


def grouped(feed: Feed, names: str = "item_no\nmaker") -> Feed:
    settings = {"format": {**FORMAT, "as_above": names}}
    Integration.update(settings=settings).where(Integration.id == feed.integration.id).execute()
    return feed


def table(feed: Feed) -> dict[str, tuple[Any, ...]]:
    return {item.sku: (item.title, item.brand, item.quantity, item.missing_since is None) for item in feed.items().values()}


def meant(rows: Rows) -> dict[str, tuple[Any, ...]]:
    """What a person reads in the list; the last row of a SKU counts."""
    found, sku, maker = {}, "", ""
    for row in rows:
        sku, maker = row[0] or sku, row[2] or maker
        if sku:
            found[sku] = (row[1], maker or None, row[3], True)
    return found


def test_a_record_that_looks_the_same_is_read_anew_when_what_is_above_it_changed(feed: Feed) -> None:
    rows = [["A", "Lamp", "Kestrel", 1, "1.50"], ["B", "Sofa", "", 2, "1.50"], ["", "Sofa, blue", "", 3, "1.50"], ["C", "Desk", "", 4, "2"]]
    feed.sync(rows)
    assert table(feed) == meant(rows)
    rows[0][2] = "Lumen"
    run = feed.sync(rows)
    assert (run.counts["changed"], run.counts["unchanged"], table(feed)) == (3, 0, meant(rows))
    run = feed.sync([*rows[:1], ["AA", "Bench", "Ostrava", 9, "1"], *rows[1:]])
    assert (run.counts["new"], run.counts["changed"], table(feed)["C"][1]) == (1, 2, "Ostrava")


def test_any_edit_of_the_list_leaves_what_a_person_reads_in_it(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "limits", lambda _: LAX)
    rng = random.Random(5)

    def row() -> list[Any]:
        maker = rng.choice(["", "", "Kestrel", "Lumen"])
        return [rng.choice(["", *"ABCDEFGH"]), rng.choice(["Lamp", "Sofa"]), maker, rng.randrange(1, 4), "1.50"]

    rows = [["A", "Lamp", "Kestrel", 1, "1.50"], *(row() for _ in range(12))]
    for _ in range(8):
        run = feed.sync(rows)
        assert run.state in ("finished", "warnings"), run.problem
        here = {sku: told for sku, told in table(feed).items() if told[-1]}
        assert here == meant(rows)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(1, len(rows))
            rows[at : at + rng.randrange(2)] = [row() for _ in range(rng.randrange(1, 3))]


def test_a_column_that_the_file_lacks_is_said_and_a_renamed_one_goes_on(feed: Feed) -> None:
    rows: Rows = [[f"S{n // 2}" if n % 2 == 0 else "", f"Lamp {n}", "Kestrel", n, "1.50"] for n in range(40)]
    first = feed.sync(rows)
    before = table(feed)
    assert len(before) == 20 and first.counts["set_aside"] == 20  # each SKU stands twice
    stopped = feed.sync(rows, ["article", *HEADERS[1:]])
    assert stopped.state == "failed" and stopped.problem["code"] == "columns_missing"
    contract.accept(stopped, {"item_no": "article"}, "ana@harbor.example")
    runs.work_available(HANDLERS)
    assert Integration.get_by_id(feed.integration.id).settings["format"]["as_above"] == "article\nmaker"
    last = Run.select().order_by(Run.id.desc()).get()
    assert (last.counts["set_aside"], table(feed)) == (20, before)
    grouped(feed, "article\nno_such")
    run = feed.sync(rows, ["article", *HEADERS[1:]])
    said = [message.text for message in RunMessage.select().where(RunMessage.run == run)]
    assert any("no column “no_such”" in text for text in said)
    assert InventoryItem.select().where(InventoryItem.missing_since.is_null(False)).count() == 0
