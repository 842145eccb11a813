"""Parcels of orders that were placed in a supplier's own store: asked for by the orders' ids there, recorded as files are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portal import placed_orders, runs
from portal.models import FulfillmentRequest, Integration, Run, RunMessage, Source
from portal.supplier_samples import playing
from tasks.work import HANDLERS
from tests.connected import chosen, loopback  # noqa: F401
from tests.ordered import ask, lines_of, place
from tests.test_store_sources import connected

SAMPLE = json.loads((Path(__file__).parents[1] / "suppliers" / "bigcommerce" / "get_shipments.json").read_text("utf-8"))


@pytest.mark.one_database
def test_the_store_is_asked_for_each_order_that_it_has(client: Any, chosen: Any) -> None:  # noqa: F811
    newest_first = [SAMPLE["exchanges"][n] for n in (3, 2, 0, 1)]
    with playing([*newest_first, *newest_first]) as player:
        source: Source = connected(chosen("bigcommerce"), {**SAMPLE, "settings": {"store_hash": "a1b2c3"}}, player)
        done = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
        Source.update(state="live", setup_done=done).where(Source.id == source.id).execute()
        first = ask(place(source.merchant, [("CH-OAK", 3), ("TS-S-RED", 2)], "PO-1001"), source, their_id="118")
        ask(place(source.merchant, [("CH-OAK", 1)], "PO-1002"), source, their_id="119")
        ask(place(source.merchant, [("CH-OAK", 1)], "PO-1003"), source, their_id="120")
        ask(place(source.merchant, [("CH-OAK", 1)], "PO-1004"), source)  # it never reached the store
        at = f"/sources/{source.public_id}/mapping/shipments"
        page = client.get(at).text
        assert "There is nothing to map" in page and 'id="sample-heading"' not in page
        assert client.send_form(at, {"use": "yes", "do": "save"}).status_code == 303
        integration = Integration.get(Integration.source == source, Integration.kind == "get_shipments")
        assert integration.enabled and integration.next_run_at
        ended = []
        for _ in range(2):
            run = runs.start_sync(Integration.get_by_id(integration.id))
            runs.work_available(HANDLERS)
            ended.append(Run.get_by_id(run.id))
    assert player.missed() == [] and (ended[0].state, ended[0].counts["new"], ended[1].state) == ("finished", 2, "no_change")
    assert [line.shipped for line in lines_of(first)] == [3, 1]
    story = " ".join(row.text for row in RunMessage.select())
    assert "has no tracking number in the store yet" in story and "the order may be erased there" in story
    FulfillmentRequest.update(shipped="shipped").where(FulfillmentRequest.id == first.id).execute()
    assert [(one["id"], one["done"]) for one in placed_orders.of(source)] == [("120", False), ("119", False), ("118", True)]
