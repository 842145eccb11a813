"""Delta feeds, and what becomes of items that a full file lacks: left, zero, archived after some files or hours, with a filter."""

from __future__ import annotations

from datetime import timedelta

import pytest

from portal import clock, runs, source_status
from portal.errors import Refused
from portal.inventory import accepting, archiving, explain, history, lineage, missing, pins, revert, roles
from portal.inventory import held as held_pages
from portal.inventory.missing import Missing
from portal.inventory.revert import Choice
from portal.models import Integration, InventoryItem, Run, bulk
from tasks.work import HANDLERS
from tests.faults import tables
from tests.feed_of import Feed, journal, rows_of

WHO = "owner@harbor.example"


@pytest.fixture
def feed(make_source, monkeypatch):
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    return Feed(make_source())


def take_back(run):
    revert.start(run, Choice(), WHO)
    runs.work_available(HANDLERS)


def policy(feed, act, **told):
    feed.policy(missing=Missing(act, **told).told())


def archived(feed):
    return {sku: row.archived_by for sku, row in feed.items().items() if row.archived_at}


def one(feed, sku="SKU-00009"):
    return feed.items()[sku]


def test_a_delta_makes_nothing_missing_and_the_next_one_is_read_by_what_all_said(feed):
    feed.policy(feed="delta")
    feed.sync(rows_of(10))
    run = feed.sync(rows_of(1, quantity=7))
    assert (run.state, run.counts["missing"], run.counts["changed"]) == ("finished", 0, 1)
    assert sorted(feed.quantities().values()) == [5] * 9 + [7]
    again = feed.sync(rows_of(2, quantity=5, start=8))
    assert (again.counts["unchanged"], again.counts["changed"]) == (2, 0)
    new = feed.sync([*rows_of(1, quantity=1, start=3), *rows_of(1, start=50)])
    assert (new.counts["new"], new.counts["changed"]) == (1, 1)


def test_a_delta_of_any_size_is_accepted_even_an_empty_one(feed):
    feed.policy(feed="delta")
    feed.sync(rows_of(100))
    assert [feed.sync(rows_of(n, quantity=8)).state for n in (1, 60, 0, 2)] == ["finished"] * 4
    names = {told["name"] for told in Run.select().order_by(Run.id.desc()).first().verdicts}
    assert names == {"rows_present", "too_many_bad_rows", "broken_rows", "zeroed", "prices_moved", "duplicates"}


def test_a_delta_is_still_held_for_zeros_and_refused_for_unusable_rows(feed):
    feed.policy(feed="delta", guards={"zeroed": 20, "zeroed_floor": 2})
    feed.sync(rows_of(10))
    held = feed.sync(rows_of(4, quantity=0))
    assert (held.state, held.problem["code"], held.counts["held"]) == ("held", "zeroed", 4)
    assert feed.sync([[f"S{n}", "x", "K", -1, 1] for n in range(12)]).problem["code"] == "no_usable_rows"
    assert feed.sync([["SKU-00001", "x", "K", -1, 1], *rows_of(2, quantity=4)]).state == "warnings"


def test_prices_of_a_delta_are_judged_as_a_share_of_all_items(feed):
    feed.policy(feed="delta", guards={"prices_moved": 30})
    feed.sync(rows_of(10))
    assert feed.sync([[*row[:4], "900.00"] for row in rows_of(3)]).state == "finished"
    assert feed.sync([[*row[:4], "9.00"] for row in rows_of(4)]).problem["code"] == "prices_moved"


def test_a_full_file_after_deltas_is_read_whole_and_judged_by_full_files(feed):
    feed.sync(rows_of(20))
    feed.policy(feed="delta")
    feed.sync(rows_of(1, quantity=7))
    feed.sync(rows_of(1, start=30))
    feed.policy(feed="full")
    run = feed.sync(rows_of(19, quantity=7))
    assert (run.state, run.counts["missing"]) == ("finished", 2)
    assert next(told for told in run.verdicts if told["name"] == "too_few_rows")["against"]["rows"] == [20]
    assert feed.quantities()["SKU-00019"] == feed.quantities()["SKU-00030"] == 0


def test_a_pin_that_ends_between_deltas_is_read_again_when_a_delta_names_the_item(feed):
    feed.policy(feed="delta")
    feed.sync(rows_of(3))
    pins.pin(one(feed, "SKU-00001"), "quantity", "1", "", None, WHO)
    feed.sync(rows_of(1, quantity=9))
    pins.unpin(one(feed, "SKU-00001"), "quantity", WHO)
    feed.sync(rows_of(1, quantity=8))
    feed.sync(rows_of(1, start=1))
    assert feed.quantities()["SKU-00001"] == 5


def test_left_items_stay_as_they_are(feed):
    policy(feed, "leave")
    feed.sync(rows_of(10))
    run = feed.sync(rows_of(8))
    assert run.counts["missing"] == 0 and set(feed.quantities().values()) == {5}
    policy(feed, "zero")
    assert feed.sync(rows_of(8)).counts["missing"] == 2  # the same file: another policy is another reading


def test_a_filter_leaves_all_others(feed):
    policy(feed, "zero", column="brand", values=("Heron", "K'?%estrel"))
    feed.sync([[f"S{n}", "Lamp", ("Heron", "K'?%estrel", "Swift", "")[n % 4], 5, 1] for n in range(12)])
    run = feed.sync([[f"S{n}", "Lamp", ("Heron", "K'?%estrel", "Swift", "")[n % 4], 5, 1] for n in range(8)])
    assert run.counts["missing"] == 2
    assert {sku for sku, row in feed.items().items() if row.missing_since} == {"S8", "S9"}


def test_archived_after_so_many_more_files_a_repeated_one_counting_too(feed):
    policy(feed, "archive", after_runs=3)
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    assert one(feed).quantity == 0 and not archived(feed)
    assert feed.sync(rows_of(9)).state == "no_change"
    feed.sync(rows_of(9, quantity=6))
    assert not archived(feed)
    run = feed.sync(rows_of(9, quantity=6))  # the same bytes again: the third without it
    assert archived(feed) == {"SKU-00009": roles.PRIMARY} and run.counts["archived"] == 1
    assert feed.sync(rows_of(9, quantity=6)).state == "no_change"
    assert journal(run)["SKU-00009"] == (
        "archive",
        {"archived_at": None, "archived_by": ""},
        {"archived_at": lineage.told(one(feed).archived_at), "archived_by": roles.PRIMARY},
    )
    tables.check_journal(feed)


def test_archived_after_hours_by_whichever_is_first(feed):
    policy(feed, "archive", after_runs=50, after_hours=48)
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    feed.sync(rows_of(9, quantity=6))
    assert not archived(feed)
    InventoryItem.update(missing_since=clock.now() - timedelta(hours=49)).where(InventoryItem.sku == "SKU-00009").execute()
    feed.sync(rows_of(9, quantity=7))
    assert archived(feed) == {"SKU-00009": roles.PRIMARY}


def test_an_archived_item_that_returns_is_back_and_both_ways_can_be_reverted(feed):
    policy(feed, "archive", after_runs=1)
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    before, moment = tables.table(feed), clock.now()
    missing_since = one(feed).missing_since
    gone = feed.sync(rows_of(9, quantity=6))
    at = one(feed).archived_at
    back = feed.sync(rows_of(10, quantity=6))
    item = one(feed)
    assert (back.counts["back"], item.quantity, item.archived_at, item.archived_by, item.missing_since) == (1, 6, None, "", None)
    assert explain.of(item, "quantity").origin.id == back.id
    take_back(back)
    item = one(feed)
    assert (item.quantity, item.archived_at, item.archived_by, item.missing_since) == (0, at, roles.PRIMARY, missing_since)
    take_back(gone)
    assert one(feed).archived_at is None and one(feed).missing_since == missing_since
    assert {sku: row[:1] for sku, row in tables.table(feed).items()} == {sku: row[:1] for sku, row in before.items()}
    past, _ = history.as_of(feed.source, moment)
    assert {item.sku: item.values["archived_at"] for item in past} == dict.fromkeys(before)
    tables.check_journal(feed)


def test_a_person_unarchives_what_a_feed_archived_and_it_counts_anew(feed):
    policy(feed, "archive", after_runs=1)
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    feed.sync(rows_of(9, quantity=6))
    archiving.unarchive(feed.source.merchant, [one(feed).public_id], WHO)
    assert (one(feed).archived_at, one(feed).missing_since, one(feed).quantity) == (None, None, 0)
    feed.sync(rows_of(9, quantity=7))
    assert one(feed).missing_since is not None and not archived(feed)
    feed.sync(rows_of(9, quantity=8))
    assert archived(feed) == {"SKU-00009": roles.PRIMARY}


def test_what_a_person_archived_no_feed_brings_back(feed):
    policy(feed, "archive", after_runs=1)
    feed.sync(rows_of(10))
    archiving.archive(feed.source.merchant, [one(feed).public_id], WHO)
    feed.sync(rows_of(9))
    feed.sync(rows_of(10, quantity=6))
    assert archived(feed) == {"SKU-00009": WHO} and one(feed).quantity == 0


def test_a_hold_of_removals_holds_archiving_too_and_acceptance_does_both(feed):
    policy(feed, "archive", after_runs=1)
    feed.policy(guards={"lost": 10, "lost_floor": 1})
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    held = feed.sync(rows_of(5, quantity=6))
    assert (held.state, held.problem["code"], held.counts["held"]) == ("held", "skus_lost", 5)
    assert not archived(feed)
    accepting.start_acceptance(held, WHO)
    runs.work_available(HANDLERS)
    assert archived(feed) == {"SKU-00009": roles.PRIMARY}
    assert [feed.quantities()[f"SKU-0000{n}"] for n in range(10)] == [6] * 5 + [0] * 5


def test_the_first_file_and_a_delta_archive_nothing(feed):
    policy(feed, "archive", after_runs=1)
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    feed.policy(feed="delta")
    feed.sync(rows_of(2, quantity=7))
    feed.sync(rows_of(2, quantity=8))
    assert not archived(feed)


def test_the_moment_before_which_missing_items_are_archived(feed):
    policy(feed, "archive", after_runs=2)
    first, second = feed.sync(rows_of(3)), feed.sync(rows_of(3, quantity=6))
    feed.policy(feed="delta")
    feed.sync(rows_of(1))
    feed.policy(feed="full")
    third = feed.start(rows_of(3))
    assert missing.archive_before(third, Missing("archive", after_runs=1)) == second.finished_at
    assert missing.archive_before(third, Missing("archive", after_runs=2)) == first.finished_at
    assert missing.archive_before(third, Missing("archive", after_runs=3)) is None
    assert missing.archive_before(third, Missing("zero", after_runs=1)) is None


def test_what_a_delta_holds_waits_though_newer_deltas_come_and_only_what_they_name_is_settled(feed):
    feed.sync(rows_of(10))
    feed.policy(feed="delta", guards={"zeroed": 20, "zeroed_floor": 2})
    held = feed.sync([[f"SKU-{n:05}", f"Lamp {n}", "Kestrel", 0, "1.50"] for n in range(4)])
    assert held.state == "held"
    before = feed.quantities()
    newer = feed.sync([["SKU-00000", "Lamp 0", "Kestrel", 8, "1.50"], ["SKU-00009", "Lamp 9", "Kestrel", 7, "1.50"]])
    assert newer.state == "finished" and held_pages.settled_by(held) is None
    assert source_status.of(feed.source).state == "held"
    assert feed.quantities() == {**before, "SKU-00000": 8, "SKU-00009": 7}
    run = accepting.start_acceptance(held, "ana@harbor.example")
    runs.work_available(HANDLERS)
    assert Run.get_by_id(run.id).state == "finished"
    zeros = {f"SKU-{n:05}": 0 for n in (1, 2, 3)}
    assert feed.quantities() == {**before, "SKU-00000": 8, "SKU-00009": 7, **zeros}
    assert Integration.get_by_id(feed.integration.id).last_accepted_run_id == newer.id
    assert source_status.of(feed.source).state == "ok"
    with pytest.raises(Refused, match="accepted already"):
        accepting.start_acceptance(held, "ana@harbor.example")


def test_a_full_file_or_deltas_that_name_all_of_it_settle_what_a_delta_holds(feed):
    feed.sync(rows_of(10))
    feed.policy(feed="delta", guards={"zeroed": 20, "zeroed_floor": 2})
    zeros = [[f"SKU-{n:05}", f"Lamp {n}", "Kestrel", 0, "1.50"] for n in range(4)]
    held = feed.sync(zeros)
    newer = feed.sync([[*row[:3], 3, row[4]] for row in zeros])
    assert held_pages.settled_by(held) == newer
    with pytest.raises(Refused, match="Newer files"):
        accepting.start_acceptance(held, "ana@harbor.example")
    again = feed.sync(zeros)
    assert again.state == "held"
    feed.policy(feed="full")
    whole = feed.sync(rows_of(10))
    assert whole.state == "finished" and held_pages.settled_by(again) == whole
    with pytest.raises(Refused):
        accepting.start_acceptance(again, "ana@harbor.example")


def test_a_hold_is_never_written_onto_another_item_that_has_the_number_by_now(feed):
    feed.sync(rows_of(10))
    feed.policy(guards={"zeroed": 20, "zeroed_floor": 2})
    held = feed.sync([[*row[:3], 0, row[4]] for row in rows_of(10)])
    assert held.state == "held"
    item = one(feed)
    InventoryItem.update(sku="ANOTHER", quantity=6).where(InventoryItem.id == item.id).execute()
    accepting.start_acceptance(held, "ana@harbor.example")
    runs.work_available(HANDLERS)
    assert feed.quantities() == {f"SKU-{n:05}": 0 for n in range(9)} | {"ANOTHER": 6}
