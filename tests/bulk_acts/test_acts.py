"""Acts on many items, over both databases: what was chosen and nothing else is changed, journaled, and taken back as it was."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, runs
from portal.bulk_acts import acts, choosing, chunks
from portal.bulk_acts.choosing import Asked
from portal.catalogue import linking
from portal.errors import Invalid, NotFound, Refused
from portal.inventory import archiving, browse, pins
from portal.models import (
    BulkAct,
    BulkItem,
    InventoryChange,
    InventoryItem,
    Linking,
    Merchant,
    Product,
    ProductLink,
    Run,
    Source,
)
from tasks.work import HANDLERS
from tests.bulk_acts.doing import WHO, acted, synced, undone
from tests.catalogue.stock import UPC, done, item, links, product
from tests.feed_of import Feed, rows_of
from tests.ordered import ask, place

MOVED = ("content_hash", "last_run_id", "changed_at")


def whole(*skus: str) -> dict[str, dict[str, Any]]:
    rows = InventoryItem.select().where(InventoryItem.sku << skus) if skus else InventoryItem.select()
    return {one["sku"]: {name: value for name, value in one.items() if name not in MOVED} for one in rows.dicts()}


def test_what_matched_is_acted_upon_and_what_came_since_is_not(feed: Feed, merchant: Merchant) -> None:
    act = choosing.searched(merchant, "archive", Asked("SKU-0"), WHO)
    assert (act.state, act.counts) == ("ready", {"chosen": 6})
    synced(feed, 8)
    InventoryItem.delete().where(InventoryItem.sku == "SKU-00000").execute()
    archiving.archive(merchant, [feed.items()["SKU-00001"].public_id], "ben@harbor.example")
    act = acted(act)
    assert act.counts == {"chosen": 6, "done": 4, "already": 1, "gone": 1} and act.state == "done"
    archived = {one.sku: one.archived_by for one in InventoryItem.select() if one.archived_at}
    assert archived == {f"SKU-0000{n}": WHO if n > 1 else "ben@harbor.example" for n in range(1, 6)}
    run = Run.get_by_id(act.run_id)
    lines = list(InventoryChange.select().where(InventoryChange.run == run))
    assert len(lines) == 4 and all(one.action == "archive" and one.after["quantity"] == 0 for one in lines)
    act = undone(act)
    assert act.counts["back"] == 4 and act.state == "undone"
    assert {one.sku for one in InventoryItem.select() if one.archived_at} == {"SKU-00001"}
    with pytest.raises(Refused, match="nothing to undo"):
        acts.undo(act, WHO)


def test_archiving_and_un_archiving_are_taken_back_as_it_was(feed: Feed, merchant: Merchant) -> None:
    pins.pin(feed.items()["SKU-00001"], "quantity", "7", "", None, WHO)
    before = whole()
    act = acted(choosing.searched(merchant, "archive", Asked(), WHO))
    undone(act)
    assert whole() == before
    one = feed.items()["SKU-00002"]
    archiving.archive(merchant, [one.public_id], "ben@harbor.example")
    InventoryItem.update(archived_at=clock.now(), archived_by="get_inventory_primary", quantity=0, missing_since=clock.now()).where(
        InventoryItem.sku == "SKU-00003"
    ).execute()
    before = whole()
    act = acted(choosing.searched(merchant, "unarchive", Asked(stock="archived"), WHO))
    assert act.counts == {"chosen": 2, "done": 2, "already": 0, "gone": 0}
    assert (feed.items()["SKU-00002"].quantity, feed.items()["SKU-00003"].archived_at) == (5, None)
    undone(act)
    assert whole() == before


def test_what_somebody_changed_since_is_left_alone(feed: Feed, merchant: Merchant) -> None:
    act = acted(choosing.searched(merchant, "archive", Asked(), WHO))
    one = feed.items()["SKU-00001"].public_id
    archiving.unarchive(merchant, [one], "ben@harbor.example")
    archiving.archive(merchant, [one], "ben@harbor.example")
    act = undone(act)
    assert act.counts | {"back": 5, "kept": 1} == act.counts and act.state == "done", "one is still archived, by somebody else"
    assert [item.sku for item in InventoryItem.select() if item.archived_at] == ["SKU-00001"]
    assert undone(act).counts["back"] == 5, "what came back the first time is still said"


def test_deleted_items_come_back_with_the_next_file_as_new_ones(feed: Feed, merchant: Merchant) -> None:
    product(merchant, "P-1")
    act = acted(choosing.searched(merchant, "delete", Asked("SKU-00001 SKU-00002"), WHO))
    assert act.counts == {"chosen": 2, "done": 2, "held": 0, "gone": 0}
    assert set(feed.items()) == {"SKU-00000", "SKU-00003", "SKU-00004", "SKU-00005"}
    assert Source.get_by_id(feed.source.id).item_count == 4
    run = synced(feed, 6)
    assert run.state == "finished" and (run.counts["new"], run.counts["unchanged"], run.counts["missing"]) == (2, 4, 0)
    assert Source.get_by_id(feed.source.id).item_count == 6
    act = undone(act)
    assert act.counts | {"back": 0, "kept": 2} == act.counts, "a later file brought these SKUs again"
    assert synced(feed, 6).state == "no_change"


def test_deleted_items_are_restored_whole(feed: Feed, merchant: Merchant) -> None:
    lamp = product(merchant, "P-1")
    one = feed.items()["SKU-00001"]
    ProductLink.create(item=one, product=lamp, source=feed.source, rule="gtin", told="1", by=WHO)
    pins.pin(one, "quantity", "7", "Recall", None, WHO)
    archiving.archive(merchant, [feed.items()["SKU-00002"].public_id], WHO)
    before, link = whole(), ProductLink.select().dicts().get()
    act = acted(choosing.ticked(merchant, "delete", [item.public_id for item in feed.items().values()], WHO))
    assert act.counts["done"] == 6 and not InventoryItem.select().exists() and not links() and not pins.count(feed.source)
    act = undone(act)
    assert whole() == before and ProductLink.select().dicts().get() == link and act.state == "undone"
    assert pins.of_item(feed.items()["SKU-00001"])["quantity"].note == "Recall"
    assert Source.get_by_id(feed.source.id).item_count == 6
    run = synced(feed, 6)
    assert run.counts["new"] == 0 and {one.quantity for one in InventoryItem.select()} == {5, 7, 0}
    history = [change.action for change in browse.history(feed.items()["SKU-00001"])]
    assert history[:2] == ["readd", "unadd"]


def test_items_with_open_requests_are_not_deleted(feed: Feed, merchant: Merchant) -> None:
    Source.update(state="live").where(Source.id == feed.source.id).execute()
    order = place(merchant, [("SKU-00001", 2)])
    ask(order, Source.get_by_id(feed.source.id))
    act = acted(choosing.searched(merchant, "delete", Asked(), WHO))
    assert act.counts == {"chosen": 6, "done": 5, "held": 1, "gone": 0} and set(feed.items()) == {"SKU-00001"}


def test_a_linking_of_the_chosen_alone(make_source: Callable[..., Source], merchant: Merchant) -> None:
    north = make_source("Northwind", state="live")
    for n, upc in enumerate(UPC):
        product(merchant, f"P-{n}", upc)
        item(north, f"{n}", upc=upc)
    for sku in ("new-1", "new-2"):
        item(north, sku)
    some = [one.public_id for one in InventoryItem.select().where(InventoryItem.sku << ("0", "1", "new-1"))]
    act = choosing.ticked(merchant, "link", some, WHO)
    made = acts.link(act, ("gtin",), WHO)
    done()
    made = Linking.get_by_id(made.id)
    assert made.counts == {"confident": 2, "unmatched": 1, "linked": 0} and made.state == "ready"
    linking.apply(made, (), True, WHO)
    done()
    assert links() == {"0": "P-0", "1": "P-1", "new-1": "new-1"}
    with pytest.raises(Refused):
        acts.link(BulkAct.get_by_id(act.id), ("gtin",), WHO)
    rest = choosing.searched(merchant, "create", Asked(), WHO)
    acts.link(rest, ("sku", "gtin"), WHO)
    done()
    assert len(links()) == 6 and Product.select().where(Product.sku == "new-2").exists()
    assert acts.linking_of(rest).state == "applied"


def test_a_large_search_is_followed_by_a_run_and_an_old_choice_is_refused(feed: Feed, merchant: Merchant, monkeypatch: Any) -> None:
    monkeypatch.setattr(choosing, "AT_ONCE", 3)
    monkeypatch.setattr("portal.inventory.finding.FEW", 1)
    monkeypatch.setattr("portal.inventory.finding.STRIDE", 2)
    act = choosing.searched(merchant, "archive", Asked(), WHO)
    assert act.state == "gathering" and choosing.count(merchant, Asked()) is None
    done()
    act = BulkAct.get_by_id(act.id)
    assert (act.state, act.counts) == ("ready", {"chosen": 6}) and BulkItem.select().count() == 6
    later = clock.now() + timedelta(hours=25)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(Refused, match="24 hours"):
        acts.confirm(act, WHO)
    acts.erase_old()
    assert not BulkItem.select().exists() and not any(one.archived_at for one in InventoryItem.select())
    assert BulkAct.get_by_id(act.id).state == "left"


def test_the_items_of_an_act_are_kept_while_it_can_be_confirmed_or_undone(feed: Feed, merchant: Merchant) -> None:
    act = choosing.searched(merchant, "delete", Asked(), WHO)
    age(act, at=25, chosen_at=23)
    assert acts.may_confirm(act)
    acts.erase_old()
    act = acted(act)
    assert act.counts["done"] == 6 and not feed.items()
    age(act, at=24 * 9, chosen_at=24 * 9 - 1, applied_at=24 * 6)
    acts.erase_old()
    assert undone(act).counts["back"] == len(feed.items()) == 6


def age(act: BulkAct, **hours: int) -> None:
    for name, number in hours.items():
        setattr(act, name, clock.now() - timedelta(hours=number))
    act.save()
    InventoryItem.update(added_at=clock.now() - timedelta(days=30)).execute()


def test_it_waits_for_a_feed_of_the_source_and_goes_on(feed: Feed, merchant: Merchant) -> None:
    act = choosing.searched(merchant, "delete", Asked(), WHO)
    running = runs.start(feed.source, "inventory", integration=feed.integration, claimed=True)
    acts.confirm(act, WHO)
    done()
    act = BulkAct.get_by_id(act.id)
    waiting = Run.get_by_id(act.run_id)
    assert (act.state, waiting.state) == ("doing", "queued") and "waits for run" in waiting.problem["headline"]
    assert len(feed.items()) == 6
    Run.update(state="failed").where(Run.id == running.id).execute()
    Run.update(due_at=clock.now()).where(Run.id == waiting.id).execute()
    done()
    assert BulkAct.get_by_id(act.id).counts["done"] == 6 and not feed.items()


def test_it_waits_for_a_sync_that_gave_way_with_its_plan_half_done(feed: Feed, merchant: Merchant, monkeypatch: Any) -> None:
    act = acted(choosing.searched(merchant, "delete", Asked(), WHO))
    run, gave = feed.start(rows_of(6)), list[bool]()
    monkeypatch.setattr("portal.turns.should_make_way", lambda run, _: run.stage == "apply" and not gave and not gave.append(True))
    claimed = runs.claim()
    assert claimed.id == run.id
    runs.perform(claimed, HANDLERS)
    assert Run.get_by_id(run.id).state == "queued" and gave
    Run.update(due_at=clock.now() + timedelta(hours=1)).where(Run.id == run.id).execute()
    act = undone(act)
    assert act.state == "undoing" and "waits for run" in Run.get_by_id(act.run_id).problem["headline"]
    Run.update(due_at=clock.now()).where(Run.id << (run.id, act.run_id)).execute()
    done()
    Run.update(due_at=clock.now()).where(Run.id == act.run_id).execute()
    done()
    assert Run.get_by_id(run.id).state == "finished" and len(feed.items()) == 6
    assert BulkAct.get_by_id(act.id).counts["kept"] == 6, "the file had brought them again"


def test_stopped_half_way_it_is_gone_on_with_or_left(feed: Feed, merchant: Merchant, monkeypatch: Any) -> None:
    monkeypatch.setattr(chunks, "CHUNK", 2)
    stop_after(monkeypatch, 2)
    act = acts.confirm(choosing.searched(merchant, "archive", Asked(), WHO), WHO)
    done()
    assert acts.is_stuck(act) and sum(bool(one.archived_at) for one in InventoryItem.select()) == 2
    act = acts.go_on(act, WHO)
    done()
    act = BulkAct.get_by_id(act.id)
    assert act.state == "done" and act.counts["done"] == 6
    undone(act)
    assert not any(one.archived_at for one in InventoryItem.select()), "both runs of it are taken back"
    stop_after(monkeypatch, 2)
    act = acts.confirm(choosing.searched(merchant, "archive", Asked(), WHO), WHO)
    done()
    with pytest.raises(Refused):
        acts.undo(act, WHO)
    act = acts.give_up(act, WHO)
    assert (act.state, act.counts["done"]) == ("done", 2)
    assert undone(act).counts["back"] == 2


def stop_after(monkeypatch: Any, looks: int) -> None:
    left = [looks]
    real = runs.Work.look_for_stop

    def look(work: runs.Work) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise runs.Stopped(work.run.public_id)
        real(work)

    monkeypatch.setattr(runs.Work, "look_for_stop", look)


def test_a_number_that_another_item_has_by_now_is_not_touched(feed: Feed, merchant: Merchant) -> None:
    one = feed.items()["SKU-00005"]
    act = choosing.ticked(merchant, "archive", [one.public_id], WHO)
    InventoryItem.delete().where(InventoryItem.id == one.id).execute()
    item(feed.source, "another", id=one.id)
    assert acted(act).counts == {"chosen": 1, "done": 0, "already": 0, "gone": 1}
    assert InventoryItem.get_by_id(one.id).archived_at is None


def test_nothing_and_too_much_are_refused_and_other_peoples_acts_are_not_found(
    feed: Feed, merchant: Merchant, other_merchant: Merchant, monkeypatch: Any
) -> None:
    for wrong in (lambda: choosing.ticked(merchant, "archive", [], WHO), lambda: choosing.searched(merchant, "archive", Asked("zzz"), WHO)):
        with pytest.raises(Invalid):
            wrong()
    ids = [one.public_id for one in feed.items().values()]
    with pytest.raises(Invalid):
        choosing.ticked(other_merchant, "archive", ids, WHO)
    monkeypatch.setattr(choosing, "MOST_TICKED", 2)
    with pytest.raises(Invalid, match="at most 2"):
        choosing.ticked(merchant, "archive", ids, WHO)
    assert not BulkAct.select().exists()
    monkeypatch.undo()
    act = choosing.ticked(merchant, "archive", ids, WHO)
    with pytest.raises(NotFound):
        acts.find(other_merchant, act.public_id)


def test_two_workers_do_it_once(feed: Feed, merchant: Merchant) -> None:
    act = acts.confirm(choosing.searched(merchant, "archive", Asked(), WHO), WHO)
    with pytest.raises(Refused):
        acts.confirm(act, WHO)
    first = runs.claim()
    Run.update(lease_until=clock.now() - timedelta(seconds=1)).where(Run.id == act.run_id).execute()
    runs.work_available(HANDLERS)
    with contextlib.suppress(runs.LostLease):
        runs.perform(first, HANDLERS)
    assert InventoryChange.select().where(InventoryChange.action == "archive").count() == 6
    assert BulkAct.get_by_id(act.id).counts["done"] == 6
