"""The WooCommerce entry against answers that a running store gave, where they lie beside the repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from portal import supplier_check, suppliers
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.records import Secret
from tests.connectors.told_server import Request, told

ROOT = Path(__file__).resolve().parents[2]
PEER = Path(os.environ.get("PEERS") or ROOT.parent / "shared" / "peers") / "woocommerce"
ENTRY = suppliers.find("woocommerce")


@pytest.fixture(scope="module")
def recorded() -> dict[str, Any]:
    if not PEER.is_dir():
        pytest.skip(f"the recorded answers of WooCommerce are not here ({PEER}); say where with PEERS")
    return {name: json.loads((PEER / "recorded" / f"{name}.json").read_text("utf-8")) for name in ("products", "variations-11", "order-14")}


def connector(base: str, guard: Guard, operation: str) -> RestConnector:
    settings = ENTRY.whole({"base": base, "plain_ok": "1"}, operation)
    return RestConnector(settings, {"user_key": Secret("ck"), "password": Secret("cs")}, guard=guard, trusted_key=None)


def test_a_recorded_store_becomes_its_items(recorded: dict[str, Any], guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        found = recorded["variations-11"] if request.path.endswith("/11/variations") else recorded["products"]
        return 200, found if request.query["page"] == "1" else [], {"X-WP-Total": str(len(found)), "X-WP-TotalPages": "1"}

    with told(answer) as server, connector(server.base, guard, "get_inventory") as shop:
        shop.fetch("", "newest", "*", tmp_path / "items.jsonl", 10**7, lambda *_: None)
    items = supplier_check.items_of(tmp_path / "items.jsonl", "items.jsonl", ENTRY.operations["get_inventory"])
    assert [(one["sku"], one["quantity"], one["title"]) for one in items] == [
        ("WID-1", 40, "Widget"),
        ("SH-M", 0, "Shirt, M"),
        ("SH-S", 2, "Shirt, S"),
    ]
    assert [one["cost"] for one in items] == [199_900, 90_000, 90_000] and len(server.asked) == 2


def test_a_recorded_order_is_found_by_our_number(recorded: dict[str, Any], guard: Guard) -> None:
    with told(lambda _: (200, [recorded["order-14"]])) as server, connector(server.base, guard, "send_orders") as shop:
        found, other = shop.find("PO-1001", "2026-11-23T00:00:00Z"), shop.find("PO-100")
    assert found and found.their_id == "14" and other is None


def test_every_field_and_parameter_that_we_ask_for_is_in_the_stores_own_schema(recorded: dict[str, Any]) -> None:
    routes = json.loads((PEER / "wc-v3-index-9.9.5.json").read_text("utf-8"))["routes"]
    asked = {
        "/wc/v3/products": ENTRY.operations["get_inventory"].texts["query"],
        "/wc/v3/products/(?P<product_id>[\\d]+)/variations": ENTRY.operations["get_inventory"].texts["children_path"].partition("?")[2],
        "/wc/v3/orders": str(ENTRY.operations["send_orders"].witness["query"]),
    }
    for route, query in asked.items():
        known = {name for one in routes[route]["endpoints"] if "GET" in one["methods"] for name in one["args"]}
        names = {pair.partition("=")[0] for pair in query.split("&")} | {"page", "per_page"}
        assert names - known <= {"_fields"}, f"{route} knows no {names - known - {'_fields'}}"
    fields = asked["/wc/v3/products"].partition("_fields=")[2].split(",")
    assert set(fields) <= recorded["products"][0].keys()
    assert (
        set(asked["/wc/v3/products/(?P<product_id>[\\d]+)/variations"].partition("_fields=")[2].split(","))
        <= recorded["variations-11"][0].keys()
    )
