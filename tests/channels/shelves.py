"""What the stores on loopback have on their shelves, by the part of each contract that a push of units and prices uses.

Each takes what its store takes: Shopify nothing of a mutation that has one fault, and no number that moved meanwhile; BigCommerce all or
none; WooCommerce each item by itself.
"""

from __future__ import annotations

import re
from typing import Any

from tests.connectors.shopify_server import page

GID = "gid://shopify/"
PLACE = f"{GID}Location/1"
SDL = """
directive @idempotent(key: String!) on FIELD
type Location { id: ID! name: String! isActive: Boolean! }
type Locations { nodes: [Location!]! pageInfo: Ends! }
interface Node { id: ID! }
type Product { id: ID! }
type Count { name: String! quantity: Int! }
type Level { isActive: Boolean! quantities(names: [String!]!): [Count!]! }
type Item { id: ID! tracked: Boolean! duplicateSkuCount: Int! inventoryLevel(locationId: ID!): Level }
type ProductVariant implements Node { id: ID! sku: String price: String! product: Product! inventoryItem: Item! }
type Variants { nodes: [ProductVariant!]! pageInfo: Ends! }
type CodedProblem { code: String field: [String!] message: String! }
type Group { id: ID! }
type UnitsSet { inventoryAdjustmentGroup: Group userErrors: [CodedProblem!]! }
type PricesSet { productVariants: [ProductVariant!] userErrors: [CodedProblem!]! }
input InventoryQuantityInput { inventoryItemId: ID! locationId: ID! quantity: Int! changeFromQuantity: Int }
input InventorySetQuantitiesInput { name: String! reason: String! quantities: [InventoryQuantityInput!]! }
input ProductVariantsBulkInput { id: ID price: String }
extend type Query { locations(first: Int, after: String, includeLegacy: Boolean, includeInactive: Boolean): Locations!
  productVariants(first: Int, after: String, query: String): Variants! nodes(ids: [ID!]!): [Node]! }
extend type Mutation { inventorySetQuantities(input: InventorySetQuantitiesInput!): UnitsSet
  productVariantsBulkUpdate(productId: ID!, variants: [ProductVariantsBulkInput!]!, allowPartialUpdates: Boolean): PricesSet }
"""


def ware(number: int, sku: str, units: int = 0, price: str = "10.00", **more: Any) -> dict[str, Any]:
    """`product`: its number, where several share one. `tracked`: False for units that are not counted, "parent" by its product alone."""
    return {"id": number, "product": number * 100, "sku": sku, "units": units, "price": price, "tracked": True, "bad": "", **more}


class Shelves:
    """A store's goods. `wrote`: every number that was set, [(SKU, what, value)]; `keys`: of Shopify's mutations."""

    def __init__(self, kind: str) -> None:
        self.kind, self.currency = kind, "USD"
        self.places = [(1, "Main street")]
        self.wares: list[dict[str, Any]] = []
        self.wrote: list[tuple[str, str, Any]] = []
        self.keys: list[str] = []

    def of(self, sku: str) -> dict[str, Any]:
        return next(one for one in self.wares if one["sku"] == sku)

    def has(self, sku: str) -> tuple[int, str]:
        return self.of(sku)["units"], f"{float(self.of(sku)['price']):.2f}"

    def put(self, one: dict[str, Any], what: str, value: Any) -> None:
        one[what] = value
        self.wrote.append((one["sku"], what, value))

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any] | None:
        """None for what is not of goods."""
        mine = {"woocommerce": self.woo, "bigcommerce": self.big}.get(self.kind)
        return mine(method, path, query, body) if mine else None

    # WooCommerce

    def woo(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any] | None:
        at = path.removeprefix("/wp-json/wc/v3")
        if at == "/data/currencies/current":
            return 200, {"code": self.currency}
        if at == "/products" and method == "GET":
            wanted = query["sku"].split(",")
            return 200, [self.woo_shown(one) for one in self.wares if one["sku"] in wanted]
        found = re.fullmatch(r"/products(?:/(\d+)/variations)?/batch", at)
        if not found:
            return None
        if len(body["update"]) > 100:
            return 413, {"code": "woocommerce_rest_request_entity_too_large"}
        return 200, {"update": [self.woo_put(told, found[1]) for told in body["update"]]}

    def woo_shown(self, one: dict[str, Any]) -> dict[str, Any]:
        parent = one["product"] if one.get("variation") else 0
        manages = one["tracked"]
        return {
            "id": one["id"], "type": one.get("type") or ("variation" if parent else "simple"), "parent_id": parent, "sku": one["sku"],
            "manage_stock": manages, "stock_quantity": one["units"] if manages is True else None, "regular_price": one["price"],
        }  # fmt: skip

    def woo_put(self, told: dict[str, Any], parent: str | None) -> dict[str, Any]:
        one = next((it for it in self.wares if it["id"] == told["id"] and bool(it.get("variation")) == bool(parent)), None)
        if one is None or one["bad"]:
            code = "woocommerce_rest_product_invalid_id"
            return {"id": told["id"], "error": {"code": code, "message": one["bad"] if one else "Invalid ID.", "data": {"status": 400}}}
        if "stock_quantity" in told:
            self.put(one, "units", told["stock_quantity"])
        if "regular_price" in told:
            self.put(one, "price", told["regular_price"])
        return self.woo_shown(one)

    # BigCommerce

    def big(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any] | None:
        at = path.removeprefix("/stores/a1b2c3")
        if at == "/v2/store":
            return 200, {"currency": self.currency}
        if at == "/v3/inventory/locations":
            return 200, self.listed([{"id": n, "label": name, "enabled": True} for n, name in self.places])
        if at == "/v3/inventory/items":
            return 200, self.listed([self.big_item(one) for one in self.wares if one["sku"] in query["sku:in"].split(",")])
        if at == "/v3/catalog/products":
            wanted = [one for one in self.wares if str(one["product"]) in query["id:in"].split(",")]
            counted = {
                one["product"]: {True: one.get("by", "variant"), False: "none", "parent": "product"}[one["tracked"]] for one in wanted
            }
            return 200, self.listed([{"id": product, "inventory_tracking": by} for product, by in counted.items()])
        if at == "/v3/catalog/variants":
            return self.big_variants(method, query, body)
        if at == "/v3/inventory/adjustments/absolute" and method == "PUT":
            return self.big_adjust(body)
        return None

    @staticmethod
    def listed(found: list[Any]) -> dict[str, Any]:
        return {"data": found, "meta": {"pagination": {"total": len(found), "total_pages": 1, "current_page": 1}}}

    def big_item(self, one: dict[str, Any]) -> dict[str, Any]:
        identity = {"sku": one["sku"], "variant_id": one["id"], "product_id": one["product"], "sku_id": None}
        level = {"location_id": one.get("place", 1), "total_inventory_onhand": one["units"], "available_to_sell": one["units"]}
        return {"identity": identity, "locations": [level]}

    def big_variants(self, method: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if method == "GET":
            products = query["product_id:in"].split(",")
            mine = [one for one in self.wares if str(one["product"]) in products]
            return 200, self.listed([{"id": one["id"], "product_id": one["product"], "sku": one["sku"], "price": float(one["price"])}
                                     for one in mine])  # fmt: skip
        if len(body) > 50:
            return 413, {"status": 413, "title": "The request payload is too large. The maximum items allowed in the array is 50"}
        known = {one["id"]: one for one in self.wares}
        if wrong := [told["id"] for told in body if told["id"] not in known or known[told["id"]]["bad"]]:
            return 422, {"batch_errors": [{"status": 422, "title": f"Variant {one} is wrong", "errors": {}} for one in wrong]}
        for told in body:
            self.put(known[told["id"]], "price", f"{told['price']:.2f}")
        return 200, {"data": body, "meta": {}}

    def big_adjust(self, body: Any) -> tuple[int, Any]:
        meant = []
        for told in body["items"]:
            name = "product_id" if "product_id" in told else "variant_id"
            one = next(it for it in self.wares if it["product" if name == "product_id" else "id"] == told[name])
            if one["bad"] or (one["tracked"] == "parent" or one.get("by") == "product") != (name == "product_id"):
                title = f"[Item with {name} {told[name]} is tracked by another, please update stock by that]"
                return 422, {"status": 422, "title": title, "errors": {}}
            meant.append((one, told["quantity"]))
        for one, units in meant:
            self.put(one, "units", units)
        return 200, {"transaction_id": "t-1"}

    # Shopify

    def root(self) -> dict[str, Any]:
        places = [{"id": f"{GID}Location/{n}", "name": name, "isActive": True} for n, name in self.places]
        return {
            "locations": lambda _, first, after=None, **_more: page(places, first, after),
            "productVariants": lambda _, first, query, after=None, **_more: page(
                [self.variant(one) for one in self.wares if one["sku"] in re.findall(r'sku:"([^"]*)"', query)], first, after
            ),
            "nodes": lambda _, ids: [self.known(one) for one in ids],
            "inventorySetQuantities": lambda told, input: self.set_units(told, input),  # noqa: A006
            "productVariantsBulkUpdate": lambda _, productId, variants, **_more: self.set_prices(productId, variants),  # noqa: N803
        }

    def known(self, gid: str) -> dict[str, Any] | None:
        return next((self.variant(one) for one in self.wares if gid == f"{GID}ProductVariant/{one['id']}"), None)

    def variant(self, one: dict[str, Any]) -> dict[str, Any]:
        level = {"isActive": True, "quantities": lambda _, **_more: [{"name": "available", "quantity": one["units"]}]}
        alike = sum(other["sku"] == one["sku"] for other in self.wares) - 1
        item = {
            "id": f"{GID}InventoryItem/{one['id']}", "tracked": one["tracked"] is True, "duplicateSkuCount": alike,
            "inventoryLevel": lambda _, locationId, **_more: level if locationId == f"{GID}Location/{one.get('place', 1)}" else None,  # noqa: N803
        }  # fmt: skip
        return {
            "__typename": "ProductVariant", "id": f"{GID}ProductVariant/{one['id']}", "sku": one["sku"], "price": one["price"],
            "product": {"id": f"{GID}Product/{one['product']}"}, "inventoryItem": item,
        }  # fmt: skip

    def set_units(self, told: Any, asked: dict[str, Any]) -> dict[str, Any]:
        keys = [arg.value for node in told.field_nodes for directive in node.directives if directive.name.value == "idempotent"
                for arg in directive.arguments]  # fmt: skip
        assert keys, "the key is demanded from 2026-04 on"
        values = told.variable_values
        key = getattr(values, "coerced", values)["key"]
        assert key not in self.keys, "a key is of one mutation"
        self.keys.append(key)
        meant, errors = [], []
        for at, one in enumerate(asked["quantities"]):
            found = next(it for it in self.wares if one["inventoryItemId"] == f"{GID}InventoryItem/{it['id']}")
            assert "changeFromQuantity" in one, "it must be given, even as null"
            path = ["input", "quantities", str(at)]
            if found["bad"]:
                errors.append({"code": "NON_MUTABLE_INVENTORY_ITEM", "field": path, "message": found["bad"]})
            elif one["changeFromQuantity"] is not None and one["changeFromQuantity"] != found["units"]:
                field = [*path, "changeFromQuantity"]
                errors.append({"code": "CHANGE_FROM_QUANTITY_STALE", "field": field, "message": "The value is stale."})
            meant.append((found, one["quantity"]))
        if errors:
            return {"inventoryAdjustmentGroup": None, "userErrors": errors}
        for one, units in meant:
            self.put(one, "units", units)
        return {"inventoryAdjustmentGroup": {"id": f"{GID}InventoryAdjustmentGroup/1"}, "userErrors": []}

    def set_prices(self, product: str, variants: list[dict[str, Any]]) -> dict[str, Any]:
        errors, done = [], []
        for at, told in enumerate(variants):
            one = next(it for it in self.wares if told["id"] == f"{GID}ProductVariant/{it['id']}")
            if one["bad"] or product != f"{GID}Product/{one['product']}":
                field = ["variants", str(at), "price"]
                errors.append({"code": "INVALID_INPUT", "field": field, "message": one["bad"] or "Not of this product"})
                continue
            self.put(one, "price", told["price"])
            done.append(self.variant(one))
        return {"productVariants": done or None, "userErrors": errors}
