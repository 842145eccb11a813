"""Every GraphQL document that goes to Shopify, proved against the schema that Shopify publishes."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    FieldNode,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    OperationDefinitionNode,
    build_client_schema,
    parse,
    specified_rules,
    validate,
)
from graphql.execution.values import get_variable_values

from portal.connectors import shopify_bulk, shopify_documents
from portal.connectors.goods import UNITS, Change
from portal.connectors.goods_shopify import ShopifyGoods
from portal.connectors.shopify import ShopifyConnector
from portal.connectors.store_shopify import ShopifyStore
from portal.connectors.stores import Parcel
from portal.records import Secret
from tests.channels import shelves, shops
from tests.connectors.shopify_server import LEGACY, SCHEMA, SHOP, shopify, variant

PEERS = Path(os.environ.get("PEERS") or Path(__file__).resolve().parents[3] / "shared" / "peers")
PUBLISHED = PEERS / "shopify" / f"admin_{shopify_documents.VERSION}.json.gz"


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    if not PUBLISHED.exists():
        pytest.skip(f"Shopify's published schema is not here ({PUBLISHED}); set PEERS to the folder that has shopify/")
    told: Any = json.loads(gzip.decompress(PUBLISHED.read_bytes()))
    return build_client_schema(told.get("data", told), assume_valid=True)


def slips(schema: GraphQLSchema, document: str) -> list[str]:
    return [one.message for one in validate(schema, parse(document), [*specified_rules, NoDeprecatedCustomRule])]


@pytest.mark.parametrize("name", shopify_documents.ALL)
def test_each_document_is_valid_and_names_nothing_deprecated(schema: GraphQLSchema, name: str) -> None:
    assert slips(schema, shopify_documents.ALL[name]) == []


def test_every_document_of_the_module_is_among_them() -> None:
    texts = {value for name, value in vars(shopify_documents).items() if name.isupper() and isinstance(value, str) and "{" in value}
    assert {one for one in texts if not one.startswith(("id sku", "location {", "unitCost", "lineItems("))} <= set(
        shopify_documents.ALL.values()
    )


def test_the_sample_order_is_an_input_that_the_schema_takes_and_another_is_not(schema: GraphQLSchema) -> None:
    sample = Path(__file__).resolve().parents[1] / "suppliers" / "shopify" / "send_orders.json"
    asked = json.loads(sample.read_text("utf-8"))["exchanges"][0]["request"]["body"]
    (operation,) = (one for one in parse(asked["query"]).definitions if isinstance(one, OperationDefinitionNode))

    def refused(order: dict[str, Any]) -> bool:
        return isinstance(get_variable_values(schema, operation.variable_definitions, {"order": order}), list)

    order = asked["variables"]["order"]
    assert not refused(order) and refused({**order, "po": "1"}) and refused({**order, "shippingAddress": {"countryCode": "Maine"}})


def test_the_proof_can_fail(schema: GraphQLSchema) -> None:
    assert slips(schema, "{ inventoryItem(id: 1) { inventoryLevels(first: 1) { nodes { available } } } }")
    assert slips(schema, "{ currentBulkOperation { id } }")


@pytest.mark.parametrize("way", [{}, {"bulk_above": "1"}, {"since": "2026-11-27T04:00:00Z"}], ids=["pages", "at once", "changes"])
def test_the_store_of_the_tests_says_what_the_published_schema_lets_it_say(
    schema: GraphQLSchema, guard: Any, tmp_path: Path, way: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shopify_bulk, "LOOKS", (0.01,))
    found = []
    for one in (schema, SCHEMA):
        moved = {2: "2026-11-27T05:00:00Z"}
        with shopify(schema=one, variants=[variant(n, levels={1: n, 2: 3}, moved=moved) for n in range(1, 4)]) as server:
            told = server.settings(operation="send_orders", **way)
            connector = ShopifyConnector(told, {"key": Secret(LEGACY)}, guard=guard, trusted_key=None)
            connector.check(lambda _: None, "")
            connector.fetch("", "newest", "*", tmp_path / "variants.jsonl", 10**6, lambda *_: None)
            order = {"lineItems": [{"variantId": "gid://shopify/ProductVariant/1", "quantity": 1}], "email": "ana@buyer.example"}
            sent = connector.send("send_orders", json.dumps(order).encode(), "PO-1")
            assert sent.outcome == "sent" and connector.find("PO-1") is not None
        found.append((tmp_path / "variants.jsonl").read_bytes())
    assert found[0] == found[1] and found[0].count(b"\n") == 3


def test_the_channel_of_the_tests_says_what_the_published_schema_lets_it_say(schema: GraphQLSchema, guard: Any) -> None:
    found = []
    for one in (schema, shops.Shopify.schema):
        with shops.serving_shop(shops.Shopify()) as shop:
            shop.schema = one
            shop.orders = [shops.bought(11, [("LAMP-1", 2), ("LAMP-2", 1)])]
            told = {"shop": SHOP, "base": shop.base, "auth": "header", "header_name": "X-Shopify-Access-Token", "plain_ok": "1"}
            store = ShopifyStore(ShopifyConnector(told, {"key": Secret(LEGACY)}, guard=guard, trusted_key=None))
            (page,) = list(store.changed(shops.at(-5)))
            parcel = Parcel("1Z999AA10123456784", "ups", "UPS", "https://ups.example/1Z", None, {"111": 1, "112": 1})
            sent, there = store.fulfil("11", parcel), store.trackings("11")
            corrected = store.correct("11", there[0], replace(parcel, number="986578788855"))
            assert sent.outcome == corrected.outcome == "sent" and shop.numbers == ["986578788855"], (sent, corrected)
            found.append((page, there))
    assert found[0] == found[1] and found[0][1][0].lines == {"111": 1, "112": 1}


def test_the_shelves_of_the_tests_say_what_the_published_schema_lets_them_say(schema: GraphQLSchema, guard: Any) -> None:
    found = []
    for one in (schema, shops.Shopify.schema):
        with shops.serving_shop(shops.Shopify()) as shop:
            shop.schema = one
            shop.shelves.wares = [shelves.ware(1, "LAMP-1", 5), shelves.ware(2, "LAMP-2", 7)]
            told = {"shop": SHOP, "base": shop.base, "auth": "header", "header_name": "X-Shopify-Access-Token", "plain_ok": "1",
                    "push_scopes": "write_inventory"}  # fmt: skip
            store = ShopifyGoods(ShopifyConnector(told, {"key": Secret(LEGACY)}, guard=guard, trusted_key=None))
            (place,), wares = store.places(), store.read({"LAMP-1": "", "LAMP-2": "2"}, shelves.PLACE)
            shop.shelves.of("LAMP-2")["units"] = 6
            ended = store.set([Change(one, 3, 125_000) for one in wares], place.id)
            outcomes = {key: sent.outcome for key, sent in ended.items()}
            assert shop.shelves.has("LAMP-1") == (3, "12.50") and shop.shelves.has("LAMP-2") == (6, "12.50")
            found.append((place, wares, outcomes))
    assert found[0] == found[1] and found[0][2]["2", UNITS] == "not_sent"


def deepest(node: Any, connections: int = 0) -> int:
    """How many connections lie inside each other."""
    below = node.selection_set.selections if node.selection_set else ()
    here = connections + any(isinstance(one, FieldNode) and one.name.value == "edges" for one in below)
    return max([here, *(deepest(one, here) for one in below)])


@pytest.mark.parametrize("cost", [True, False])
def test_the_bulk_query_keeps_to_what_bulk_operations_allow(cost: bool) -> None:
    text = shopify_documents.all_variants(cost)
    (query,) = parse(text).definitions
    assert isinstance(query, OperationDefinitionNode) and not query.variable_definitions
    assert (
        text.count("edges") == 2
        and deepest(query) == 2
        and text.count("node {") == text.count("node { id") + text.count("node {\n      id")
    )
