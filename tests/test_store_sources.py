"""Stores as sources, through the product: the samples of their entries played to a test, the mapping that is filled in, and a sync."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from portal import file_choice, mappings, runs, sources
from portal.models import Connection, Integration, InventoryItem, Run, Source
from portal.supplier_samples import Player, playing
from tasks.work import HANDLERS
from tests.connecting import WHO, check, fresh, save, states

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
SAMPLES = Path(__file__).parent / "suppliers"


def connected(made: Source, sample: dict[str, Any], player: Player) -> Source:
    """The source as a merchant connects it, its store moved to the player."""
    save(made, sample["settings"], **sample["secrets"])
    connection = Connection.get(Connection.source == made)
    moved = {"base": f"http://127.0.0.1:{player.port}{urlsplit(sample['base']).path}", "plain_ok": "1"}
    Connection.update(settings={**connection.settings, **moved}).where(Connection.id == connection.id).execute()
    return fresh(made)


@pytest.mark.parametrize(
    ("slug", "stock", "warehouses"),
    [
        (
            "woocommerce",
            {"WID-1": 40, "SH-S": 2, "SH-M": 9, "SH-L": None, "EBOOK": None, "GONE": 0, "LATER": 0, "OVER": 0, "CLOTH": 2},
            {},
        ),
        (
            "bigcommerce",
            {"CH-OAK": 12, "TS-S-RED": 4, "EGIFT": None, "OVER": 0},
            {"CH-OAK": {"East": 12, "West": 0}, "TS-S-RED": {"East": 4}},
        ),
        ("medusa", {"SHIRT-S": 7, "SHIRT-M": 0, "GIFT": None, "OVER": 0}, {}),
        ("adobe-commerce", {"24-MB01": 100, "24-MB02": 0, "SERVICE": None, "GONE": 11}, {"24-MB01": {"Default Source": 100, "Annex": 0}}),
    ],
)
def test_a_store_is_tested_mapped_by_its_entry_and_synced(
    chosen: Any, run_work: Callable[[], None], slug: str, stock: dict[str, int | None], warehouses: dict[str, Any]
) -> None:
    sample = json.loads((SAMPLES / slug / "get_inventory.json").read_text("utf-8"))
    checked = sample.get("check") or sample["exchanges"][:1]
    with playing([*checked, *sample["exchanges"], *sample["exchanges"]]) as player:
        source = connected(chosen(slug), sample, player)
        run = check(source, run_work)
        assert run.state == "finished" and set(states(source).values()) == {"passed"}, (run.problem, player.missed())
        integration = sources.integration(source, "get_inventory_primary")
        found = file_choice.current(source, Connection.get())
        file_choice.save(source, {}, found.format, integration.version, WHO)
        sample_read = mappings.sample_of(integration)
        assert sample_read
        rules = mappings.first_rules(integration, sample_read, mappings.propose(integration, sample_read))
        mappings.save(integration, rules, sample_read.headers, WHO)
        Integration.update(enabled=True).where(Integration.id == integration.id).execute()
        Source.update(state="live").where(Source.id == source.id).execute()
        started = runs.start_sync(sources.integration(fresh(source), "get_inventory_primary"))
        runs.work_available(HANDLERS)
    ended = Run.get_by_id(started.id)
    assert ended.state in ("finished", "warnings"), ended.problem
    assert player.missed() == []
    items = {item.sku: item for item in InventoryItem.select()}
    assert {sku: item.quantity for sku, item in items.items()} == stock
    assert {sku: json.loads(items[sku].warehouses) for sku in warehouses} == warehouses
