"""A run is taken back: values, arrivals and departures; what was changed since stays and is listed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, leases, removals, runs
from portal.errors import Invalid, Refused
from portal.inventory import revert, silence
from portal.models import AuditLine, Integration, InventoryChange, InventoryItem, Run, SetAsideRow, Source, StaleRecord
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of

WHO = "ana@harbor.example"
MOVES = {"content_hash", "last_run_id", "changed_at", "last_row"}  # say who wrote last, not what the item is


@dataclass
class Shop:
    """A source with a feed, and the taking back of its runs."""

    feed: Feed

    def sync(self, rows: Any) -> Run:
        run = self.feed.start(rows)
        runs.work_available(HANDLERS)
        return Run.get_by_id(run.id)

    def revert(self, run: Run, **choice: str) -> Run:
        started = revert.start(run, revert.chosen(run, **choice), WHO)
        runs.work_available(HANDLERS)
        return Run.get_by_id(started.id)

    def items(self) -> dict[str, dict[str, Any]]:
        rows = InventoryItem.select().where(InventoryItem.source == self.feed.source).dicts()
        return {row["sku"]: {name: value for name, value in row.items() if name not in MOVES} for row in rows}

    def journal_as_it_will_be(self, run: Run) -> None:
        """Arrivals without a journal line: the item alone says which run brought it."""
        InventoryChange.delete().where(InventoryChange.run == run.id, InventoryChange.action == "add").execute()


@pytest.fixture
def shop(make_source):
    return Shop(Feed(make_source()))


def listed(run):
    return {
        row.sku: [(problem["field"], problem["reason"]) for problem in row.problems]
        for row in SetAsideRow.select().where(SetAsideRow.run == run.id)
    }


def changed(count=10, **rows):
    made = rows_of(count)
    for row in made:
        for column, value in rows.get(row[0].replace("-", ""), {}).items():
            row[{"name": 1, "maker": 2, "qty": 3, "price": 4}[column]] = value
    return made


def test_changed_values_go_back_and_the_next_feed_is_read_again(shop):
    shop.sync(rows_of(10))
    before = shop.items()
    run = shop.sync(changed(SKU00001={"qty": 9, "name": "Größer"}, SKU00002={"maker": ""}))
    StaleRecord.delete().execute()
    back = shop.revert(run)
    assert (back.state, back.counts) == ("finished", {"reverted": 2, "taken_out": 0, "brought_back": 0, "left_alone": 0})
    assert shop.items() == before
    lines = {row.sku: (row.action, row.before, row.after) for row in InventoryChange.select().where(InventoryChange.run == back.id)}
    assert lines["SKU-00001"] == ("revert", {"quantity": 9, "title": "Größer"}, {"quantity": 5, "title": "Lamp 1"})
    assert {row.sku for row in StaleRecord.select()} == {"SKU-00001", "SKU-00002"}
    assert AuditLine.select().where(AuditLine.action == "run.revert").count() == 1


@pytest.mark.parametrize("with_lines", [True, False])
def test_what_a_run_added_goes_out_again_and_a_revert_of_that_brings_it_back_as_it_was(shop, with_lines):
    shop.sync(rows_of(10))
    before = shop.items()
    run = shop.sync(rows_of(13))
    if not with_lines:
        shop.journal_as_it_will_be(run)
    grown = shop.items()
    back = shop.revert(run)
    assert back.counts["taken_out"] == 3
    assert shop.items() == before
    assert Source.get_by_id(shop.feed.source.id).item_count == 10
    again = shop.revert(back)
    assert again.counts["brought_back"] == 3
    assert shop.items() == grown
    assert shop.revert(again).counts["taken_out"] == 3
    assert shop.items() == before


def test_a_whole_first_import_can_be_taken_back(shop, monkeypatch):
    monkeypatch.setattr(revert, "CHUNK", 3)
    run = shop.sync(rows_of(10))
    shop.journal_as_it_will_be(run)
    assert shop.revert(run).counts["taken_out"] == 10
    assert shop.items() == {}


def test_missing_items_are_there_again_and_back_ones_missing_since_the_same_moment(shop):
    shop.sync(rows_of(10))
    before = shop.items()
    gone = shop.sync(rows_of(9))
    missing = shop.items()
    assert missing["SKU-00009"]["missing_since"]
    back = shop.sync(rows_of(10))
    shop.revert(back)
    assert shop.items() == missing
    shop.revert(gone)
    assert shop.items() == before


def test_accepted_removals_can_be_taken_back(shop):
    from portal.inventory import accepting

    shop.sync(rows_of(300))
    before = shop.items()
    held = shop.sync(rows_of(265))
    assert held.state == "held"
    accepted = accepting.start_acceptance(held, WHO)
    runs.work_available(HANDLERS)
    assert sum(item["quantity"] == 0 for item in shop.items().values()) == 35
    shop.revert(Run.get_by_id(accepted.id))
    assert shop.items() == before


@pytest.mark.parametrize(("act", "left"), [("zero", 0), ("reduce", 2)])
def test_what_the_rule_for_silence_lowered_goes_back_and_it_does_not_act_again_in_the_same_silence(shop, act, left):
    shop.sync(rows_of(10))
    before, then = shop.items(), clock.now() - timedelta(hours=30)
    rule = {"hours": 24, "act": act, "percent": 50}
    Integration.update(last_accepted_at=then, policies={"silence": rule}).execute()
    assert silence.start_due() == 1
    runs.work_available(HANDLERS)
    ruled = Run.get(Run.kind == "silence")
    assert {item["quantity"] for item in shop.items().values()} == {left}
    InventoryItem.update(quantity=77).where(InventoryItem.sku == "SKU-00003").execute()
    edit = Run.create(merchant=ruled.merchant, source=ruled.source, number=ruled.number + 1, kind="edit", state="finished")
    InventoryChange.create(
        merchant=ruled.merchant, source=ruled.source, run=edit.id, item_id=InventoryItem.get(sku="SKU-00003").id, sku="SKU-00003",
        action="change", before={"quantity": left}, after={"quantity": 77}, at=clock.now(),
    )  # fmt: skip
    back = shop.revert(ruled)
    assert (back.state, back.counts["reverted"], back.counts["left_alone"]) == ("warnings", 9, 1)
    assert shop.items() == before | {"SKU-00003": before["SKU-00003"] | {"quantity": 77}}
    assert silence.start_due() == 0
    assert shop.sync(rows_of(10)).state == "finished" and shop.items() == before, "the same file again is read, not skipped"


def test_a_rule_that_kept_the_stock_has_nothing_to_take_back(shop):
    shop.sync(rows_of(3))
    Integration.update(last_accepted_at=clock.now() - timedelta(hours=30), policies={"silence": {"act": "keep"}}).execute()
    assert silence.start_due() == 1
    runs.work_available(HANDLERS)
    with pytest.raises(Refused, match="changed nothing"):
        shop.revert(Run.get(Run.kind == "silence"))


def test_values_that_were_changed_since_stay_and_are_listed_with_the_run_that_did_it(shop):
    shop.sync(rows_of(10))
    run = shop.sync(changed(SKU00001={"qty": 9, "name": "Two"}, SKU00002={"qty": 8}))
    later = shop.sync(changed(SKU00001={"qty": 7, "name": "Two"}, SKU00002={"qty": 8}))
    back = shop.revert(run)
    assert (back.state, back.counts["reverted"], back.counts["left_alone"]) == ("warnings", 2, 1)
    item = shop.items()["SKU-00001"]
    assert (item["title"], item["quantity"]) == ("Lamp 1", 7)
    assert listed(back) == {"SKU-00001": [("quantity", f"Changed since, run {later.number}")]}


def test_a_value_that_a_later_run_set_to_the_same_counts_as_changed_since(shop):
    shop.sync(rows_of(10))
    run = shop.sync(changed(SKU00001={"qty": 9}))
    shop.sync(changed(SKU00001={"qty": 7}))
    shop.sync(changed(SKU00001={"qty": 9}))
    assert shop.revert(run).counts == {"reverted": 0, "taken_out": 0, "brought_back": 0, "left_alone": 1}
    assert shop.items()["SKU-00001"]["quantity"] == 9


def test_a_change_and_its_revert_are_no_change_since(shop):
    shop.sync(rows_of(10))
    before = shop.items()
    run = shop.sync(changed(SKU00001={"qty": 9}))
    after = shop.items()
    back = shop.revert(run)
    assert shop.revert(run).counts["left_alone"] == 0  # nothing left to do, and nothing in the way
    again = shop.revert(back)
    assert (again.counts["reverted"], shop.items()) == (1, after)
    assert shop.revert(run).counts["reverted"] == 1
    assert shop.items() == before


def test_an_added_item_that_was_changed_since_stays(shop):
    shop.sync(rows_of(10))
    run = shop.sync(rows_of(12))
    shop.journal_as_it_will_be(run)
    rows = rows_of(12)
    rows[11][3] = 99
    later = shop.sync(rows)
    back = shop.revert(run)
    assert (back.counts["taken_out"], back.counts["left_alone"]) == (1, 1)
    assert listed(back) == {"SKU-00011": [("quantity", f"Changed since, run {later.number}")]}


def test_an_item_that_a_feed_brought_again_is_not_brought_back_twice(shop):
    shop.sync(rows_of(10))
    run = shop.sync(rows_of(11))
    back = shop.revert(run)
    shop.sync(rows_of(11, quantity=6))
    again = shop.revert(back)
    assert (again.counts["brought_back"], again.counts["left_alone"]) == (0, 1)
    assert shop.items()["SKU-00010"]["quantity"] == 6


def test_one_field_of_a_run_goes_back_and_the_rest_stays(shop):
    shop.sync(rows_of(10))
    run = shop.sync(changed(11, SKU00001={"qty": 9, "price": "4.00"}))
    assert revert.fields_of(run).keys() >= {"quantity", "cost"}
    assert revert.preview(run, revert.chosen(run, "quantity")).does == 1
    back = shop.revert(run, field_key="quantity")
    item = shop.items()["SKU-00001"]
    assert (item["quantity"], item["cost"], back.counts["taken_out"]) == (5, 40_000, 0)
    assert "SKU-00010" in shop.items()


def test_a_quantity_goes_back_with_the_mark_of_a_missing_item(shop):
    shop.sync(rows_of(10))
    before = shop.items()
    run = shop.sync(rows_of(9))
    shop.revert(run, field_key="quantity")
    assert shop.items() == before


def test_chosen_skus_go_back_alone(shop):
    shop.sync(rows_of(10))
    run = shop.sync(rows_of(12, quantity=9))
    shop.journal_as_it_will_be(run)
    back = shop.revert(run, skus="SKU-00001\n\n SKU-00011 \nnobody")
    assert (back.counts["reverted"], back.counts["taken_out"]) == (1, 1)
    assert shop.items()["SKU-00001"]["quantity"] == 5 and shop.items()["SKU-00002"]["quantity"] == 9
    with pytest.raises(Invalid, match="at most 1,000"):
        revert.chosen(run, skus="\n".join(map(str, range(1_001))))
    with pytest.raises(Invalid, match="did not touch"):
        revert.chosen(run, "msrp")


def test_the_preview_reckons_what_the_run_then_does_and_writes_nothing(shop):
    shop.sync(rows_of(10))
    run = shop.sync(changed(12, SKU00001={"qty": 9}, SKU00002={"qty": 8}))
    shop.sync(changed(12, SKU00001={"qty": 9}, SKU00002={"qty": 7}))
    before = shop.items()
    seen = revert.preview(run, revert.Choice())
    assert shop.items() == before
    back = shop.revert(run)
    assert (seen.items, seen.removed, seen.left) == (1, 2, 1)
    assert back.counts == {"reverted": 1, "taken_out": 2, "brought_back": 0, "left_alone": 1}
    assert [step.sku for step in seen.conflicts] == ["SKU-00002"]


def test_a_pinned_value_stays(shop):
    shop.sync(rows_of(10))
    run = shop.sync(changed(SKU00001={"qty": 9}))
    InventoryItem.update(pinned=1 << 7).where(InventoryItem.sku == "SKU-00001").execute()
    back = shop.revert(run)
    assert listed(back) == {"SKU-00001": [("quantity", "A person keeps this value")]}


def test_a_run_that_cannot_be_taken_back_says_why(shop):
    run = shop.sync(rows_of(10))
    removals.remove_inventory_of(shop.feed.source, shop.feed.source.name, WHO)
    runs.work_available(HANDLERS)
    with pytest.raises(Refused, match="removed since"):
        revert.start(run, revert.Choice(), WHO)
    removal = Run.select().where(Run.kind == "remove_inventory").get()
    with pytest.raises(Refused, match="Only runs that changed"):
        revert.preview(removal, revert.Choice())
    shop.sync(rows_of(10))
    nothing = shop.sync(rows_of(10))
    with pytest.raises(Refused, match="changed nothing"):
        revert.preview(nothing, revert.Choice())


def test_no_revert_begins_while_the_source_syncs(shop):
    run = shop.sync(rows_of(10))
    shop.feed.start(rows_of(11))
    with pytest.raises(runs.AlreadyRunning):
        revert.start(run, revert.Choice(), WHO)


def test_a_revert_that_is_interrupted_at_any_chunk_goes_on_and_ends_as_if_nothing_happened(shop, monkeypatch):
    monkeypatch.setattr(revert, "CHUNK", 4)
    shop.sync(rows_of(20))
    before = shop.items()
    run = shop.sync(rows_of(25, quantity=9))
    shop.journal_as_it_will_be(run)
    started = revert.start(run, revert.Choice(), WHO)
    seen = [0]

    def reach(name: str) -> None:
        seen[0] += 1
        if name == "applied-chunk" and seen[0] % 2:
            raise leases.GivenBack(name)

    monkeypatch.setattr("portal.failpoints.reach", reach)
    for _ in range(12):
        claimed = runs.claim()
        if claimed is not None:
            runs.perform(claimed, HANDLERS)
    ended = Run.get_by_id(started.id)
    assert (ended.state, ended.attempt > 3) == ("finished", True)
    assert ended.counts == {"reverted": 20, "taken_out": 5, "brought_back": 0, "left_alone": 0}
    assert shop.items() == before
    assert InventoryChange.select().where(InventoryChange.run == ended.id).count() == 25


def test_a_very_large_revert_lets_the_next_feed_be_read_whole(shop, monkeypatch):
    monkeypatch.setattr(revert, "MOST_MARKED", 5)
    shop.sync(rows_of(10))
    run = shop.sync(rows_of(10, quantity=9))
    StaleRecord.delete().execute()
    shop.revert(run)
    assert [row.sku for row in StaleRecord.select()] in ([], [""])


def test_a_worker_that_lost_its_lease_takes_nothing_back(shop):
    shop.sync(rows_of(5))
    run = shop.sync(rows_of(5, quantity=9))
    started = revert.start(run, revert.Choice(), WHO)
    zombie = leases.Work(runs.claim())
    Run.update(fence=Run.fence + 1).where(Run.id == started.id).execute()
    before = shop.items()
    with pytest.raises(leases.LostLease):
        revert.perform(zombie)
    assert shop.items() == before
