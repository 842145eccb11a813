"""At the plan's limit: who was in comes back before who is new, and an undo gives back what was, which is said."""

from __future__ import annotations

from typing import Any

import pytest

from portal import plans
from portal.bulk_acts import choosing
from portal.bulk_acts.choosing import Asked
from portal.inventory import archiving, counted, guards, revert
from portal.inventory.counted import IN, WAITING
from portal.models import InventoryItem, Merchant, Run, RunMessage, Source
from tests.bulk_acts.doing import WHO, acted, undone
from tests.catalogue.stock import done
from tests.feed_of import Feed, rows_of

SKU = "SKU-{:05}".format


@pytest.fixture
def feed(make_source: Any, monkeypatch: pytest.MonkeyPatch) -> Feed:
    """Six items; one that a file lacks is archived by the next one."""
    monkeypatch.setattr(guards, "judge", lambda *_: [])
    made = Feed(make_source())
    made.policy(missing={"act": "archive", "after_runs": 1})
    read(made, rows_of(6))
    return made


def read(feed: Feed, rows: Any) -> Run:
    run = feed.start(rows)
    done()
    return Run.get_by_id(run.id)


def kept(feed: Feed) -> dict[str, int]:
    return {sku: item.kept_out for sku, item in feed.items().items() if item.archived_at is None}


def test_an_item_that_a_feed_archived_comes_back_before_new_ones(feed: Feed, merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.inventory.apply.CHUNK", 2)
    for rows in (rows_of(5), [*rows_of(5), ["SKU-00004", "Lamp 4", "Kestrel", 6, "5.50"]]):
        read(feed, rows)
    assert feed.items()[SKU(5)].archived_at is not None
    plans.set_limits(merchant, {"skus": 6}, WHO)
    new = [["NEW-1", "Lamp", "Kestrel", 1, "1"], ["NEW-2", "Lamp", "Kestrel", 1, "1"]]
    dry = feed.dry_run([*new, *rows_of(6)])
    run = read(feed, [*new, *rows_of(6)])
    assert kept(feed) == {**{SKU(n): IN for n in range(6)}, "NEW-1": WAITING, "NEW-2": WAITING}
    assert run.counts["no_room"] == dry.counts["no_room"] == 2


def test_one_that_comes_back_waits_where_another_has_its_place_and_is_the_next_to_come_in(feed: Feed, merchant: Merchant) -> None:
    plans.set_limits(merchant, {"skus": 6}, WHO)
    read(feed, [*rows_of(6), ["NEW-1", "Lamp", "Kestrel", 1, "1"], ["NEW-2", "Lamp", "Kestrel", 1, "1"]])
    archiving.archive(merchant, [feed.items()[SKU(5)].public_id], WHO)
    done()
    assert kept(feed)["NEW-1"] == IN and kept(feed)["NEW-2"] == WAITING
    archiving.unarchive(merchant, [feed.items()[SKU(5)].public_id], WHO)
    done()
    assert kept(feed)[SKU(5)] == WAITING, "there is really no room"
    archiving.archive(merchant, [feed.items()[SKU(0)].public_id], WHO)
    done()
    assert kept(feed)[SKU(5)] == IN and kept(feed)["NEW-2"] == WAITING


def test_an_undo_gives_back_what_was_also_beyond_the_limit_and_says_so(feed: Feed, merchant: Merchant) -> None:
    plans.set_limits(merchant, {"skus": 6}, WHO)
    extra = [[f"NEW-{n}", "Lamp", "Kestrel", 1, "1"] for n in range(4)]
    read(feed, [*rows_of(6), *extra])
    archived = acted(choosing.searched(merchant, "archive", Asked(SKU(0)), WHO))
    deleted = acted(choosing.searched(merchant, "delete", Asked(f"{SKU(1)} NEW-3"), WHO))
    assert [sku for sku, one in kept(feed).items() if one == WAITING] == ["NEW-2"]
    for act in (archived, deleted):
        act = undone(act)
    assert kept(feed) | {SKU(0): IN, SKU(1): IN, "NEW-2": WAITING, "NEW-3": WAITING} == kept(feed), "what waited before waits again"
    assert act.counts["over"] == 2 and counted.of_merchant(merchant.id).counted == 8
    told = [one.text for one in RunMessage.select().where(RunMessage.run == act.run_id)]
    assert any("8 SKUs are in, and the plan holds 6" in text for text in told), told


def test_a_reverted_feed_gives_back_what_it_archived(feed: Feed, merchant: Merchant) -> None:
    read(feed, rows_of(5))
    run = read(feed, [*rows_of(4), ["SKU-00004", "Lamp 4", "Kestrel", 6, "5.50"], ["NEW-1", "Lamp", "Kestrel", 1, "1"]])
    assert feed.items()[SKU(5)].archived_at is not None
    plans.set_limits(merchant, {"skus": 5}, WHO)
    revert.start(run, revert.Choice("archived_at", ()), WHO)
    done()
    assert kept(feed)[SKU(5)] == IN and counted.of_merchant(merchant.id).counted == 7
    assert Source.get().item_count == InventoryItem.select().count()
