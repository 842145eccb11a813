"""SIGKILL while many items are chosen, changed and taken back: each is changed once, journaled once, and comes back as it was."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.bulk_acts import acts, choosing
from portal.bulk_acts.choosing import Asked
from portal.models import BulkAct, BulkItem, InventoryChange, InventoryItem, ItemPin, Merchant, ProductLink, Source, StaleRecord
from tests.catalogue.stock import item, product
from tests.faults.test_kills import KILLED, Workers, end_leases, quick_here, workers  # noqa: F401

WHO = "ana@harbor.example"
ITEMS, CHUNK = 60, 20
MOVED = ("content_hash", "last_run_id", "changed_at")


@pytest.fixture
def north(make_source: Callable[..., Source], merchant: Merchant) -> Source:
    made = make_source("Northwind", state="live")
    lamp = product(merchant, "LAMP")
    for n in range(ITEMS):
        one = item(made, f"LAMP-{n:03}", title=f"Lamp {n}", quantity=n)
        if n % 3 == 0:
            ProductLink.create(item=one, product=lamp, source=made, rule="gtin", told="1")
    Source.update(item_count=ITEMS).where(Source.id == made.id).execute()
    return made


def whole() -> list[Any]:
    rows = InventoryItem.select().order_by(InventoryItem.id).dicts()
    items = [{name: value for name, value in one.items() if name not in MOVED} for one in rows]
    return [items, list(ProductLink.select().order_by(ProductLink.item).dicts()), list(ItemPin.select().dicts())]


def killed(workers: Workers, **order: Any) -> int:  # noqa: F811
    """Kill a worker again and again, each later than the one before, until one ends by itself; how many died."""
    died, number = 0, 1
    while True:
        told = {name: f"{value}:{number}" if name == "failpoint" else value + number - 1 for name, value in order.items() if value}
        code = workers.ends(chunk=CHUNK, **told)
        end_leases()
        if code != KILLED:
            assert code == 0
            return died
        died, number = died + 1, number + (number == 1)


@pytest.mark.parametrize(("name", "way"), [
    ("delete", {"failpoint": "bulk-chunk"}), ("delete", {"die_in_transaction": 1}), ("archive", {"die_in_transaction": 1}),
])  # fmt: skip
def test_killed_while_it_changes_and_takes_back(
    workers: Workers, north: Source, merchant: Merchant, name: str, way: dict[str, Any]  # noqa: F811
) -> None:  # fmt: skip
    before = whole()
    act = acts.confirm(choosing.searched(merchant, name, Asked(), WHO), WHO)
    assert killed(workers, **way) >= 1
    act = BulkAct.get_by_id(act.id)
    assert act.state == "done" and act.counts["done"] == ITEMS
    assert InventoryChange.select().count() == ITEMS, "each is journaled once"
    left = InventoryItem.select().where(InventoryItem.archived_at.is_null()).count()
    assert left == 0 and Source.get_by_id(north.id).item_count == (ITEMS if name == "archive" else 0)
    acts.undo(act, WHO)
    assert killed(workers, **way) >= 1
    act = BulkAct.get_by_id(act.id)
    assert (act.state, act.counts["back"]) == ("undone", ITEMS) and whole() == before
    assert Source.get_by_id(north.id).item_count == ITEMS and InventoryChange.select().count() == 2 * ITEMS


def test_killed_while_items_are_chosen_each_is_chosen_once(
    workers: Workers, north: Source, merchant: Merchant, monkeypatch: Any  # noqa: F811
) -> None:  # fmt: skip
    monkeypatch.setattr(choosing, "AT_ONCE", 10)
    monkeypatch.setattr("portal.inventory.finding.FEW", 10)
    act = choosing.searched(merchant, "archive", Asked(), WHO)
    assert killed(workers, failpoint="gathered-chunk") >= 1
    act = BulkAct.get_by_id(act.id)
    assert (act.state, act.counts["chosen"], BulkItem.select().count()) == ("ready", ITEMS, ITEMS)


@pytest.mark.one_database
def test_sabotage_without_transactions_that_kill_is_noticed(workers: Workers, north: Source, merchant: Merchant) -> None:  # noqa: F811
    act = acts.confirm(choosing.searched(merchant, "archive", Asked(), WHO), WHO)
    assert workers.ends(chunk=CHUNK, die_in_transaction=1, sabotage="transaction") == KILLED
    end_leases()
    workers.ends(chunk=CHUNK)
    assert BulkAct.get_by_id(act.id).counts["done"] != ITEMS, "a chunk without its checkpoint is told wrong, and the test above sees it"
    assert StaleRecord.select().count() == 0
