"""An order to a Shopify store: created once with stock taken by its rule, told apart when it was not, and found again by our reference."""

from __future__ import annotations

import json
from typing import Any

import pytest

from portal.connectors.shopify import ShopifyConnector
from portal.errors import SupplierError
from portal.records import Exchange, Secret
from tests.connectors.shopify_server import LEGACY, Store, shopify, variant
from tests.servers import free_port

WITNESS = {"path": "orders", "field": "sourceIdentifier", "proves": "listed", "settle_seconds": 120}


def order(units: int = 2, number: int = 1, **line: Any) -> bytes:
    return json.dumps({"lineItems": [{"variantId": f"gid://shopify/ProductVariant/{number}", "quantity": units, **line}]}).encode()


def store(server: Store, guard: Any, **settings: Any) -> ShopifyConnector:
    told = server.settings(**{"operation": "send_orders", "witness": WITNESS, **settings})
    return ShopifyConnector(told, {"key": Secret(LEGACY)}, guard=guard, trusted_key=None, record=lambda _: None)


def test_an_order_is_created_once_carries_our_reference_and_takes_stock(guard: Any) -> None:
    with shopify(variants=[variant(1, levels={1: 5})]) as server:
        connector = store(server, guard)
        assert connector.witness.proves == "listed" and connector.witness.settle_seconds == 120
        assert connector.find("PO-1") is None
        sent = connector.send("send_orders", order(), "PO-1")
        assert (sent.outcome, sent.their_id, sent.answer["sourceIdentifier"]) == ("sent", "gid://shopify/Order/1000", "PO-1")
        found = connector.find("PO-1")
        assert found is not None and (found.their_id, found.count) == ("gid://shopify/Order/1000", 1)
        assert [told["lineItems"]["nodes"][0]["variant"] for told in (sent.answer, found.answer)] == [
            {"id": "gid://shopify/ProductVariant/1"}
        ] * 2
        server.orders[0]["cancelledAt"] = "2026-11-27T06:00:00Z"
        assert connector.find("PO-1") is None
        (variables,) = [variables for query, variables in server.asked if "orderCreate" in query]
    assert variables["options"] == {"inventoryBehaviour": "DECREMENT_OBEYING_POLICY", "sendReceipt": False, "sendFulfillmentReceipt": False}


def test_only_our_reference_to_the_letter_counts_and_twice_is_seen(guard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with shopify() as server:
        made = [
            {"id": f"gid://shopify/Order/{n}", "name": f"#{n}", "sourceIdentifier": told} for n, told in enumerate(["PO-1", "PO-1", "po-1"])
        ]
        monkeypatch.setattr(server, "root", lambda: {"orders": lambda *_, **__: {"nodes": made}})
        connector = store(server, guard)
        found = connector.find("PO-1")
        assert found is not None and (found.count, found.their_id) == (2, "gid://shopify/Order/0")
        assert connector.find("PO-") is None and connector.find('PO" OR "1') is None
        assert server.asked[-1][1] == {"filter": 'source_identifier:"PO\\" OR \\"1"'}


def told(code: str) -> dict[str, Any]:
    return {"errors": [{"message": "No.", "extensions": {"code": code}}]}


ENDS: dict[str, tuple[int, Any, str]] = {
    "limit": (200, told("THROTTLED"), "not_sent"), "scope": (200, told("ACCESS_DENIED"), "not_sent"),
    "fault": (200, told("INTERNAL_SERVER_ERROR"), "unknown"), "odd error": (200, {"errors": "odd"}, "unknown"),
    "limit and fault": (200, {"errors": [*told("THROTTLED")["errors"], {"message": "x"}]}, "unknown"),
    "nothing readable": (200, "<html>", "unknown"), "no order": (200, {"data": {"orderCreate": None}}, "unknown"),
    "401": (401, {}, "not_sent"), "403": (403, {}, "not_sent"), "402": (402, {}, "refused"), "422": (422, {}, "refused"),
    "429": (429, {}, "unknown"), "500": (500, {}, "unknown"), "503": (503, {}, "unknown"), "301": (301, {}, "not_sent"),
}  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_each_end_is_told_apart_and_nothing_is_sent_again(guard: Any, end: str) -> None:
    status, body, outcome = ENDS[end]
    with shopify(statuses=[(status, body)]) as server:
        sent = store(server, guard).send("send_orders", order(), "PO-1")
        assert (sent.outcome, len(server.asked), server.orders) == (outcome, 1, [])
    assert sent.problem is not None and LEGACY not in repr(sent)


def test_out_of_stock_is_refused_with_shopifys_own_code(guard: Any) -> None:
    with shopify(variants=[variant(1, levels={1: 1})]) as server:
        sent = store(server, guard).send("send_orders", order(2), "PO-1")
    assert sent.outcome == "refused" and sent.problem is not None and "INVENTORY_CLAIM_FAILED" in sent.problem.server_said


def test_a_store_that_cannot_be_reached_has_nothing(guard: Any) -> None:
    with shopify() as server:
        sent = store(server, guard, base=f"http://127.0.0.1:{free_port()}").send("send_orders", order(), "PO-1")
        assert sent.outcome == "not_sent" and server.asked == []


@pytest.mark.parametrize("document", [
    b"", b"[]", b"{}", b'{"lineItems": []}', b'{"lineItems": [{"sku": "LAMP-1", "quantity": 1}]}',
    b'{"lineItems": [{"variantId": "gid://shopify/Product/1", "quantity": 1}]}',
])  # fmt: skip
def test_an_order_without_variants_is_not_sent(guard: Any, document: bytes) -> None:
    exchanges: list[Exchange] = []
    with shopify() as server:
        connector = store(server, guard)
        connector.graph.caller.record = exchanges.append
        with pytest.raises(SupplierError, match="cannot be sent"):
            connector.send("send_orders", document, "PO-1")
        for act in (lambda: connector.send("get_shipments", order(), "PO-1"), lambda: store(server, guard, operation="x").find("PO-1")):
            with pytest.raises(SupplierError):
                act()
    assert exchanges == []
