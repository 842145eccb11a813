"""Every request that the BigCommerce entry makes, judged by BigCommerce's own OpenAPI on Prism: none is a 401 or a 422."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from portal import suppliers
from portal.connectors.caller import Asked
from portal.connectors.goods import Change, Ware
from portal.connectors.goods_bigcommerce import BigCommerceGoods
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.connectors.store_bigcommerce import BigCommerceStore
from portal.connectors.stores import Parcel, Told
from portal.errors import SupplierError
from portal.records import Exchange, Secret
from portal.suppliers import Supplier
from portal.suppliers.channels import as_channel
from tests.peers.started import started
from tests.servers import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[2]
PRISM = Path(os.environ.get("PRISM") or ROOT / ".peers" / "node_modules" / ".bin" / "prism")
SPEC = Path(os.environ.get("PEERS") or ROOT.parent / "shared" / "peers") / "bigcommerce" / "merged.openapi.json"
ENTRY = suppliers.find("bigcommerce")
SAMPLE = json.loads((ROOT / "tests/suppliers/bigcommerce/send_orders.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def prism() -> Iterator[str]:
    """The base of a store on Prism."""
    if not PRISM.exists() or not SPEC.exists():
        pytest.skip(f"`make peers` fetches Prism ({PRISM}), and BigCommerce's OpenAPI has to lie at {SPEC} (PEERS says where)")
    port = free_port()
    with started([str(PRISM), "mock", "-h", LOOPBACK, "-p", str(port), "--errors", str(SPEC)], "Prism is listening"):
        yield f"http://{LOOPBACK}:{port}/stores/a1b2c3"


class Store:
    """The entry's connector for an operation, and what it was answered."""

    def __init__(self, base: str, operation: str, entry: Supplier = ENTRY, **more: Any) -> None:
        self.told: list[Exchange] = []
        # the examples of the specification tell a total (36) that they do not hold (1), so it is left out here
        typed = {"store_hash": "a1b2c3", "base": base, "plain_ok": "1", "most_pages": 3}
        settings = entry.whole(typed, operation) | {"total": ""} | more
        guard = Guard.from_config(LOOPBACK)
        self.connector = RestConnector(settings, {"key": Secret("k3y")}, guard=guard, trusted_key=None, record=self.told.append)

    def statuses(self) -> dict[str, set[int | None]]:
        found: dict[str, set[int | None]] = {}
        for one in self.told:
            found.setdefault(f"{one.method} {re.sub('.*/stores/a1b2c3', '', one.address).removesuffix('?…')}", set()).add(one.status)
        return found


def test_every_request_of_the_entry_is_one_that_bigcommerce_describes(prism: str, tmp_path: Path) -> None:
    stock = Store(prism, "get_inventory")
    stock.connector.check(lambda _: None, "")
    stock.connector.fetch("", "newest", "*", tmp_path / "items.jsonl", 10**7, lambda *_: None)
    rows = [json.loads(line) for line in (tmp_path / "items.jsonl").read_bytes().splitlines()]
    assert stock.statuses() == {f"GET /v3/{name}": {200} for name in ("inventory/items", "catalog/variants", "catalog/products")}
    assert rows and all({"location_name", "available_to_sell", "location_enabled", "parent"} <= row.keys() for row in rows)
    assert all({"sku", "variant_id", "product_id"} <= row["parent"]["identity"].keys() for row in rows)
    orders = Store(prism, "send_orders")
    sent = orders.connector.send("send_orders", json.dumps(SAMPLE["document"]).encode(), "PO-1001")
    assert sent.outcome == "sent" and sent.their_id, sent.problem
    orders.connector.find("PO-1001")
    assert orders.connector.lines(sent.their_id)["lines"]
    with suppress(SupplierError):  # the example that comes back is of another order, which is not canceled
        orders.connector.cancel(sent.their_id)
    assert all(status in ({200}, {201}) for status in orders.statuses().values()) and set(orders.statuses()) == {
        "POST /v2/orders", "GET /v2/orders", f"GET /v2/orders/{sent.their_id}/products", f"PUT /v2/orders/{sent.their_id}",
    }  # fmt: skip
    parcels = Store(prism, "get_shipments", orders=[{"id": sent.their_id, "reference": "PO-1001"}])
    parcels.connector.fetch("", "newest", "*", tmp_path / "parcels.jsonl", 10**7, lambda *_: None)
    assert parcels.statuses() == {f"GET /v2/orders/{sent.their_id}/{name}": {200} for name in ("shipments", "products")}
    print({**stock.statuses(), **orders.statuses(), **parcels.statuses()})


def test_every_request_of_a_channel_is_one_that_bigcommerce_describes(prism: str) -> None:
    # "add :asc" says the description of `sort`, whose list of values then has it not
    query = ENTRY.channel.fixed["orders_query"].replace(":asc", "") if ENTRY.channel else ""
    store = Store(prism, "get_channel_orders", entry=as_channel(ENTRY), orders_query=query)
    store.connector.check(lambda _: None, "")
    channel = BigCommerceStore(store.connector)
    orders = next(channel.changed(datetime(2026, 11, 27, 6)))
    whole = channel.read({"id": 118, "status_id": 11, "date_modified": "Fri, 27 Nov 2026 12:00:00 +0000", "billing_address": {}})
    assert orders and whole.lines and whole.ship_to["country_code"], "what the examples hold is read"
    channel.trackings("118")
    line = whole.lines[0]
    sent = channel.fulfil("118", Parcel("1Z999AA10123456784", "ups", "UPS", "", None, {line.ref: max(line.quantity, 0)}))
    assert sent.outcome == "sent", sent.problem
    assert channel.correct("118", Told("1Z", "3"), Parcel("986578788855", "fedex", "FedEx")).outcome == "sent"
    assert {name for name in store.statuses() if not name.startswith("GET")} == {
        "POST /v2/orders/118/shipments", "PUT /v2/orders/118/shipments/3",
    }  # fmt: skip
    assert all(status <= {200, 201, 204} for status in store.statuses().values()), store.statuses()


def test_every_request_of_a_push_is_one_that_bigcommerce_describes(prism: str) -> None:
    store = Store(prism, "send_listings", entry=as_channel(ENTRY))
    shelves = BigCommerceGoods(store.connector)
    shelves.currency()
    shelves.places()
    shelves.read({"RE-130": "", "RE-131": ""}, "1")
    more = {"product": "120", "variant": "79"}
    wares = [Ware("120/79", "RE-130", 1, 1, more={**more, "counted": by}) for by in ("variant", "product")]
    ended = {sent.outcome for one in wares for sent in shelves.set([Change(one, 5, 199_900)], "1").values()}
    assert ended == {"sent"}
    assert {name for name in store.statuses() if name.startswith("PUT")} == {
        "PUT /v3/inventory/adjustments/absolute", "PUT /v3/catalog/variants",
    }  # fmt: skip
    assert all(status == {200} for status in store.statuses().values()), store.statuses()


def test_the_peer_sees_a_request_that_is_wrong(prism: str) -> None:
    store = Store(prism, "get_inventory")
    caller, base = store.connector.caller, prism
    headers = {"X-Auth-Token": "k3y", "Accept": "application/json"}
    wrong = [
        Asked("GET", f"{base}/v3/inventory/items"),
        Asked("GET", f"{base}/v3/inventory/items?limit=many", headers=headers),
        Asked("GET", f"{base}/v3/catalog/products?include_fields=colour", headers=headers),
        Asked("POST", f"{base}/v2/orders", headers={**headers, "Content-Type": "application/json"}, body=b'{"products": "none"}'),
    ]
    assert [caller.ask(one).status for one in wrong] == [401, 422, 422, 422]
