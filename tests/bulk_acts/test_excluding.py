"""Exclude and include many: by a list of SKUs that also holds for what a file brings later, and deleting so that nothing comes back."""

from __future__ import annotations

from typing import Any

from portal import plans
from portal.bulk_acts import acts, choosing, chunks
from portal.bulk_acts.choosing import Asked
from portal.catalogue import products
from portal.exclusions import room, saving
from portal.inventory import pins
from portal.inventory.counted import EXCLUDED
from portal.models import Exclusion, ExclusionSku, InventoryItem, ItemPin, Merchant
from tests.bulk_acts.doing import WHO, acted, synced, undone
from tests.catalogue.stock import done, links, product
from tests.feed_of import Feed


def out() -> list[str]:
    return [item.sku[-1] for item in InventoryItem.select().where(InventoryItem.kept_out == 1).order_by(InventoryItem.sku)]


def test_the_chosen_are_excluded_and_included_again(feed: Feed, merchant: Merchant) -> None:
    act = acted(choosing.searched(merchant, "exclude", Asked("SKU-00001 SKU-00002"), WHO))
    assert act.counts == {"chosen": 2, "done": 2, "already": 0, "gone": 0} and out() == ["1", "2"]
    again = acted(choosing.searched(merchant, "exclude", Asked(), WHO))
    assert again.counts | {"done": 4, "already": 2} == again.counts and len(out()) == 6
    undone(again)
    assert out() == ["1", "2"]
    one = feed.items()["SKU-00001"].public_id
    included = acted(choosing.ticked(merchant, "include", [one, feed.items()["SKU-00005"].public_id], WHO))
    assert included.counts == {"chosen": 2, "done": 1, "already": 1, "ruled": 0, "gone": 0} and out() == ["2"]
    undone(included)
    assert out() == ["1", "2"]
    undone(act)
    assert out() == [] and not Exclusion.select().where(Exclusion.state == "on").exists()
    nothing = acted(choosing.searched(merchant, "include", Asked(), WHO))
    assert nothing.counts | {"done": 0, "already": 6} == nothing.counts and not acts.may_undo(nothing)


def test_what_a_rule_with_conditions_excludes_stays_out_and_is_counted(feed: Feed, merchant: Merchant) -> None:
    typed = {"match": "all", "groups": [{"match": "all", "conditions": [{"field": "sku", "op": "is", "value": "SKU-00003"}]}]}
    saving.create(merchant, None, "Three", typed, WHO)
    done()
    acted(choosing.searched(merchant, "exclude", Asked("SKU-00004"), WHO))
    assert out() == ["3", "4"]
    act = acted(choosing.searched(merchant, "include", Asked(), WHO))
    assert act.counts | {"done": 1, "ruled": 1, "already": 4} == act.counts and out() == ["3"]


def test_deleted_and_excluded_a_file_brings_them_back_only_as_excluded(feed: Feed, merchant: Merchant) -> None:
    act = acted(choosing.searched(merchant, "delete", Asked("SKU-00001 SKU-00002"), WHO), exclude=True)
    assert act.counts["done"] == 2 and act.options["exclude"] and set(feed.items()) == {f"SKU-0000{n}" for n in (0, 3, 4, 5)}
    run = synced(feed, 6)
    assert run.counts["new"] == 2 and out() == ["1", "2"], "they are here, and in no list of the catalogue"
    assert synced(feed, 6).state == "no_change"
    act = undone(act)
    assert act.counts | {"back": 2, "brought": 2, "kept": 0} == act.counts and out() == [], "the rule that kept them out went"
    act = acted(choosing.searched(merchant, "delete", Asked("SKU-00003"), WHO), exclude=True)
    undone(act)
    assert len(feed.items()) == 6 and out() == [] and feed.items()["SKU-00003"].quantity == 5


def test_deleted_excluded_and_brought_again_an_undo_gives_links_and_pins_back(feed: Feed, merchant: Merchant) -> None:
    """Also at the limit of the plan, whose place somebody else took meanwhile."""
    one = feed.items()["SKU-00001"]
    products.link(one, product(merchant, "P-1"), WHO)
    pins.pin(one, "cost", "7.25", "by contract", None, WHO)
    plans.set_limits(merchant, {"skus": 6}, WHO)
    synced(feed, 8)
    act = acted(choosing.searched(merchant, "delete", Asked("SKU-00001"), WHO), exclude=True)
    synced(feed, 8)
    assert out() == ["1"] and not links()
    act = undone(act)
    again = feed.items()["SKU-00001"]
    assert act.counts | {"back": 1, "brought": 1, "kept": 0, "over": 1} == act.counts
    assert (again.kept_out, again.cost, again.pinned > 0) == (0, 72_500, True)
    assert [(pin.item_id, pin.note) for pin in ItemPin.select()] == [(again.id, "by contract")]
    assert links() == {"SKU-00001": "P-1"}
    synced(feed, 7)
    assert feed.items()["SKU-00001"].cost == 72_500, "the pin holds against the file"


def test_what_waits_for_room_comes_in_where_some_go(feed: Feed, merchant: Merchant) -> None:
    plans.set_limits(merchant, {"skus": 6}, WHO)
    synced(feed, 8)
    assert [item.sku[-1] for item in InventoryItem.select().where(InventoryItem.kept_out == 2)] == ["6", "7"]
    act = acted(choosing.searched(merchant, "archive", Asked("SKU-00001"), WHO))
    assert act.counts["let_in"] == 1
    act = acted(choosing.searched(merchant, "delete", Asked("SKU-00002"), WHO))
    assert act.counts["let_in"] == 1 and not InventoryItem.select().where(InventoryItem.kept_out == 2).exists()
    act = undone(act)
    assert feed.items()["SKU-00002"].kept_out == 0 and act.counts["over"] == 1, "it is in again, also beyond the limit"


def test_more_lists_than_an_expression_may_be_deep(feed: Feed, merchant: Merchant) -> None:
    rule = saving.create(merchant, None, "Cheap", {"groups": [{"conditions": [{"field": "sku", "op": "is", "value": "SKU-00007"}]}]}, WHO)
    lists = [{"merchant": merchant, "name": f"List {n}", "kind": "skus", "definition": {}} for n in range(1_001)]
    for some in range(0, len(lists), 50):
        Exclusion.insert_many(lists[some : some + 50]).execute()
    ids = [one.id for one in Exclusion.select().where(Exclusion.kind == "skus").order_by(Exclusion.id)]
    named = [(ids[5], "SKU-00006"), (ids[900], "SKU-00006"), (ids[1_000], "SKU-00007"), (ids[1_000], "SKU-00001")]
    for number, sku in named:
        ExclusionSku.create(exclusion=number, source_id=feed.source.id, sku=sku)
    assert synced(feed, 8).state == "finished"
    kept = {one.sku: one.exclusion_id for one in InventoryItem.select().where(InventoryItem.kept_out == EXCLUDED)}
    assert kept | {"SKU-00006": ids[5], "SKU-00007": rule.id} == kept, "the first of the rules that mean it"
    saving.create(merchant, None, "Another", {"groups": [{"conditions": [{"field": "cost", "op": "less", "value": "0"}]}]}, WHO)
    done()
    assert feed.items()["SKU-00001"].exclusion_id == ids[1_000]
    names = {saving.exclude_skus(merchant, feed.source, [sku], WHO).name for sku in ("A", "B", "C")}
    assert len(names) == 3, "pressed three times in one minute"


def test_the_rules_are_held_before_the_items_as_a_feed_holds_them(feed: Feed, merchant: Merchant, monkeypatch: Any) -> None:
    held, lock, hold = list[str](), room.lock, chunks.hold
    monkeypatch.setattr(room, "lock", lambda space, *a, **k: (held.append("rules"), lock(space, *a, **k))[1])
    monkeypatch.setattr(chunks, "hold", lambda *a: (held.append("items"), hold(*a))[1])
    acted(choosing.searched(merchant, "exclude", Asked("SKU-00001"), WHO))
    held.clear()
    act = acted(choosing.ticked(merchant, "include", [feed.items()["SKU-00001"].public_id], WHO))
    assert act.counts["done"] == 1 and held[:2] == ["rules", "items"]
    held.clear()
    assert undone(act).counts["back"] == 1 and held[:2] == ["rules", "items"]
