"""SIGKILL while a rule is applied and while what waits comes in: each item goes out or comes in once, and is journaled once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal import plans
from portal.exclusions import saving
from portal.inventory import counted
from portal.inventory.counted import EXCLUDED, IN, WAITING
from portal.models import Exclusion, InventoryItem, KeptOutChange, Merchant, Run, Source
from tests.catalogue.stock import item
from tests.faults.test_bulk_kills import ITEMS, killed
from tests.faults.test_kills import Workers, quick_here, workers  # noqa: F401

WHO = "ana@harbor.example"


@pytest.fixture
def north(make_source: Callable[..., Source]) -> Source:
    """60 items: half of them cheap, the last 20 wait."""
    made = make_source("Northwind", state="live")
    for n in range(ITEMS):
        item(made, f"LAMP-{n:03}", cost=10_000 if n % 2 else 90_000, kept_out=WAITING if n >= 40 else IN)
    Source.update(item_count=ITEMS).where(Source.id == made.id).execute()
    return made


@pytest.mark.parametrize("point", ["exclusion-chunk", "room-chunk"])
def test_killed_while_a_rule_is_applied_and_room_is_filled(
    workers: Workers, north: Source, merchant: Merchant, point: str  # noqa: F811, ARG001
) -> None:  # fmt: skip
    plans.set_limits(merchant, {"skus": 40}, WHO)
    rule = saving.create(merchant, None, "Cheap", {"groups": [{"conditions": [{"field": "cost", "op": "less", "value": "5"}]}]}, WHO)
    assert killed(workers, failpoint=point) >= 1
    tally = counted.of_merchant(merchant.id)
    assert (tally.items, tally.excluded, tally.waiting, tally.counted) == (ITEMS, 30, 0, 30)
    run = Run.get_by_id(Exclusion.get_by_id(rule.id).run_id)
    assert run.interruptions >= 1 and (run.counts["excluded"], run.counts["let_in"]) == (30, 10)
    moves = [(one.was, one.became) for one in KeptOutChange.select()]
    assert sorted(moves) == sorted([(IN, EXCLUDED)] * 20 + [(WAITING, EXCLUDED)] * 10 + [(WAITING, IN)] * 10)
    assert {one.kept_out for one in InventoryItem.select().where(InventoryItem.cost == 10_000)} == {EXCLUDED}
