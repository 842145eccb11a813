"""Stores on loopback where a merchant sells: WooCommerce, BigCommerce and Shopify, each by the part of its contract that a channel uses.

`swallow`: so many of the next writes are done, and their answers never come; `cut` as many are not done. `refuse` are answered 503,
`limit` 429 (of reads too), `throttle` by Shopify's own refusal inside a 200. `meanwhile` is called once, before the next write is done.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit

from graphql import build_schema, graphql_sync

from portal.connectors.stores import moment
from tests.channels import shelves
from tests.connectors.json_server import JsonAnswers, serving
from tests.connectors.shopify_server import LEGACY, SHOP, page
from tests.connectors.shopify_server import moment as searched
from tests.servers import LOOPBACK

NOON = datetime(2026, 11, 27, 12)
BUYER = {"first_name": "Ada", "last_name": "Byron", "city": "Portland"}


def at(minutes: int) -> datetime:
    """So many minutes after noon, naive UTC."""
    return NOON + timedelta(minutes=minutes)


def bought(ref: int, lines: list[tuple[str, int]], changed: int = 0, **more: Any) -> dict[str, Any]:
    """An order as the tests speak of it: (SKU, units) by line. `state`: paid, unpaid or canceled; `shipped`: line -> units."""
    usual = {"state": "paid", "placed": changed, "street": "12 Harbor Rd", "way": "Ground", "refunded": {}}
    return {"ref": ref, "lines": lines, "changed": changed, "shipped": {}, **usual, **more}


@dataclass
class Shop:
    """Its orders, and what it was told: [(order, number, {line: units}, id)]. `asked`: method and path of each request."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)
    swallow: int = 0
    refuse: int = 0
    asked: list[str] = field(default_factory=list)
    port: int = 0
    kind: ClassVar[str] = ""
    cut: int = 0
    limit: int = 0
    throttle: int = 0
    meanwhile: Any = None

    def __post_init__(self) -> None:
        self.shelves = shelves.Shelves(self.kind)

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def numbers(self) -> list[str]:
        return [one["number"] for one in self.told]

    def order(self, ref: Any) -> dict[str, Any]:
        return next(one for one in self.orders if str(one["ref"]) == str(ref))

    def since(self, told: str) -> list[dict[str, Any]]:
        begins = moment(told) or NOON
        return sorted((one for one in self.orders if at(one["changed"]) >= begins), key=lambda one: (one["changed"], one["ref"]))

    def tell(self, ref: Any, number: str, lines: dict[str, int], **more: Any) -> dict[str, Any] | None:
        """Keep a tracking number; None where the order has fewer units left than that."""
        order = self.order(ref)
        left = {f"{ref}{n}": units - order["shipped"].get(f"{ref}{n}", 0) for n, (_, units) in enumerate(order["lines"], 1)}
        if any(units > left.get(line, 0) for line, units in lines.items()):
            return None
        for line, units in lines.items():
            order["shipped"][line] = order["shipped"].get(line, 0) + units
        one = {"ref": str(ref), "number": number, "lines": lines, "id": 700 + len(self.told), **more}
        self.told.append(one)
        return one

    def of(self, ref: Any) -> list[dict[str, Any]]:
        return [one for one in self.told if one["ref"] == str(ref)]

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        raise NotImplementedError


class Woo(Shop):
    """`keeps`: the namespace of a tracking plugin, "fulfillments" or "" for nothing but notes."""

    kind = "woocommerce"
    keeps = "wc-shipment-tracking/v3"

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path == "/wp-json/":
            core: dict[str, Any] = {"/wc/v3/orders/(?P<id>)/fulfillments": {}} if self.keeps == "fulfillments" else {}
            return 200, {"namespaces": ["wc/v3", self.keeps or "wp/v2"], "routes": core}
        if path == "/wp-json/wc/v3/orders":
            size, number = int(query["per_page"]), int(query.get("page", 1))
            return 200, [self.shown(one) for one in self.since(query.get("modified_after", ""))][(number - 1) * size : number * size]
        ref, _, part = path.partition("/orders/")[2].partition("/")
        if not part and method == "PUT":
            self.order(ref)["state"] = body["status"]
            return 200, {"id": int(ref)}
        name, _, id_ = part.partition("/")
        if name == "refunds":
            gone = self.order(ref)["refunded"].items()
            lines = [{"quantity": -units, "meta_data": [{"key": "_refunded_item_id", "value": line}]} for line, units in gone]
            return 200, [{"line_items": lines}]
        if method == "GET":
            return 200, [self.kept(one) for one in self.of(ref)]
        if method == "DELETE":
            self.told = [one for one in self.told if str(one["id"]) != id_]
            return 200, {}
        meta = {one["key"]: one["value"] for one in body.get("meta_data", ())}
        number = body.get("tracking_number") or meta.get("_tracking_number") or body["note"].partition("Tracking number: ")[2].split()[0]
        if method == "PUT":
            next(one for one in self.told if str(one["id"]) == id_)["number"] = number
            return 200, {"id": int(id_)}
        one = self.tell(ref, number, {}, items=meta.get("_items", []), note=body.get("note", ""))
        assert one
        return 201, self.kept(one)

    def kept(self, one: dict[str, Any]) -> dict[str, Any]:
        meta = [{"key": "_tracking_number", "value": one["number"]}, {"key": "_items", "value": one["items"]}]
        return {"id": one["id"], "tracking_id": str(one["id"]), "tracking_number": one["number"],
                "note": one["note"], "meta_data": meta}  # fmt: skip

    def shown(self, one: dict[str, Any]) -> dict[str, Any]:
        state = {"paid": "processing", "unpaid": "pending", "canceled": "cancelled"}.get(one["state"], one["state"])
        buyer = {**BUYER, "company": "", "address_1": one["street"], "address_2": "", "state": "ME", "postcode": "04101", "country": "US"}
        return {
            "id": one["ref"], "number": str(one["ref"]), "status": state, "currency": "USD", "total": "25.00",
            "customer_note": "ring twice",
            "date_modified_gmt": at(one["changed"]).isoformat(), "date_created_gmt": at(one["placed"]).isoformat(), "shipping": buyer,
            "billing": {**buyer, "email": "ada@example.com", "phone": "+1 207 555 0142"}, "refunds": [{"id": 1}] if one["refunded"] else [],
            "shipping_lines": [{"method_title": one["way"]}],
            "line_items": [
                {"id": int(f"{one['ref']}{n}"), "name": f"Lamp {n}", "sku": sku, "quantity": units, "price": 12.5}
                for n, (sku, units) in enumerate(one["lines"], 1)
            ],
        }  # fmt: skip


class Big(Shop):
    """BigCommerce V2: an empty list is a 204, and a shipment takes no more units than are left."""

    kind = "bigcommerce"

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        path = path.removeprefix("/stores/a1b2c3")
        if path == "/v2/orders":
            size, number = int(query["limit"]), int(query.get("page", 1))
            found = [self.shown(one) for one in self.since(query.get("min_date_modified", ""))][(number - 1) * size : number * size]
            return (200, found) if found else (204, None)
        ref, _, part = path.removeprefix("/v2/orders/").partition("/")
        order, (name, _, id_) = self.order(ref), part.partition("/")
        if name == "shipping_addresses":
            return 200, [{"id": 5, **self.buyer(order), "shipping_method": order["way"]}] * order.get("places", 1)
        if name == "products":
            return 200, [self.product(order, n, sku, units) for n, (sku, units) in enumerate(order["lines"], 1)]
        if method == "PUT":
            next(one for one in self.told if str(one["id"]) == id_)["number"] = body["tracking_number"]
            return 200, {"id": int(id_)}
        if method == "POST":
            one = self.tell(ref, body["tracking_number"], {str(i["order_product_id"]): i["quantity"] for i in body["items"]}, body=body)
            return (201, {"id": one["id"]}) if one else (400, [{"status": 400, "message": "The quantity is too high."}])
        items = [{"id": o["id"], "tracking_number": o["number"], "items": [
            {"order_product_id": int(line), "quantity": units} for line, units in o["lines"].items()]} for o in self.of(ref)]  # fmt: skip
        return (200, items) if items else (204, None)

    def buyer(self, one: dict[str, Any]) -> dict[str, Any]:
        return {**BUYER, "street_1": one["street"], "state": "Maine", "zip": "04101", "country": "United States", "country_iso2": "US"}

    def product(self, one: dict[str, Any], n: int, sku: str, units: int) -> dict[str, Any]:
        line = f"{one['ref']}{n}"
        return {
            "id": int(line), "order_address_id": 5, "name": f"Lamp {n}", "sku": sku, "quantity": units, "price_ex_tax": "12.5000",
            "quantity_shipped": one["shipped"].get(line, 0), "quantity_refunded": one["refunded"].get(line, 0), "type": "physical",
        }  # fmt: skip

    def shown(self, one: dict[str, Any]) -> dict[str, Any]:
        state = {"paid": 11, "unpaid": 7, "canceled": 5}.get(one["state"], 11)
        return {
            "id": one["ref"], "status_id": state, "currency_code": "USD", "total_inc_tax": "25.0000", "customer_message": "ring twice",
            "date_modified": format_datetime(at(one["changed"])).replace("-0000", "+0000"), "billing_address": self.buyer(one),
            "date_created": format_datetime(at(one["placed"])).replace("-0000", "+0000"), "is_deleted": False,
        }  # fmt: skip


SDL = """
enum Sort { UPDATED_AT }
type Ends { hasNextPage: Boolean! endCursor: String }
type Scope { handle: String! }
type App { accessScopes: [Scope!]! }
type ShopInfo { name: String! myshopifyDomain: String! currencyCode: String! }
type Money { amount: String! }
type Bag { shopMoney: Money! }
type Way { title: String! }
type Address { name: String firstName: String lastName: String company: String address1: String address2: String city: String
  province: String provinceCode: String zip: String country: String countryCodeV2: String phone: String }
type LineItem { id: ID! sku: String name: String! currentQuantity: Int! unfulfilledQuantity: Int! requiresShipping: Boolean!
  discountedUnitPriceSet: Bag! }
type LineItems { nodes: [LineItem!]! pageInfo: Ends! }
type Tracking { number: String }
type Part { quantity: Int! lineItem: LineItem! }
type Parts { nodes: [Part!]! pageInfo: Ends! }
type Fulfillment { id: ID! status: String! trackingInfo(first: Int): [Tracking!]! fulfillmentLineItems(first: Int, after: String): Parts! }
type Left { id: ID! remainingQuantity: Int! lineItem: LineItem! }
type Lefts { nodes: [Left!]! pageInfo: Ends! }
type FulfillmentOrder { id: ID! status: String! lineItems(first: Int, after: String): Lefts! }
type FulfillmentOrders { nodes: [FulfillmentOrder!]! pageInfo: Ends! }
type Order { id: ID! legacyResourceId: String! name: String! updatedAt: String! createdAt: String! cancelledAt: String test: Boolean!
  displayFinancialStatus: String displayFulfillmentStatus: String! currencyCode: String! currentTotalPriceSet: Bag! note: String
  poNumber: String email: String phone: String shippingLine: Way shippingAddress: Address billingAddress: Address
  lineItems(first: Int, after: String): LineItems! fulfillments(first: Int): [Fulfillment!]!
  fulfillmentOrders(first: Int, after: String): FulfillmentOrders! }
type Orders { nodes: [Order!]! pageInfo: Ends! }
type Problem { field: [String!] message: String! }
type Fulfilled { fulfillment: Fulfillment userErrors: [Problem!]! }
input PartInput { id: ID! quantity: Int! }
input OntoInput { fulfillmentOrderId: ID! fulfillmentOrderLineItems: [PartInput!] }
input FulfillmentTrackingInput { number: String company: String url: String }
input FulfillmentInput { lineItemsByFulfillmentOrder: [OntoInput!]! trackingInfo: FulfillmentTrackingInput notifyCustomer: Boolean }
type Query { shop: ShopInfo! currentAppInstallation: App! order(id: ID!): Order fulfillment(id: ID!): Fulfillment
  fulfillmentOrder(id: ID!): FulfillmentOrder orders(first: Int, after: String, query: String, sortKey: Sort): Orders! }
type Mutation { fulfillmentCreate(fulfillment: FulfillmentInput!): Fulfilled
  fulfillmentTrackingInfoUpdate(fulfillmentId: ID!, trackingInfoInput: FulfillmentTrackingInput!, notifyCustomer: Boolean): Fulfilled }
"""
GID = "gid://shopify/"


class Shopify(Shop):
    """GraphQL executed for real, with one fulfillment order for each order."""

    kind = "shopify"
    schema = build_schema(SDL + shelves.SDL)
    scopes = (
        "read_orders,read_merchant_managed_fulfillment_orders,write_merchant_managed_fulfillment_orders,read_products,write_products,"
        "read_inventory,write_inventory,read_locations"
    )

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if not path.startswith("/admin/api/2026-10/"):
            return 404, {"errors": "Not Found"}
        self.asked[-1] += " " + re.split(r"\W+", body["query"].strip())[1]
        if "mutation" in body["query"] and self.throttle:
            self.throttle -= 1
            return 200, {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
        done = graphql_sync(self.schema, body["query"], self.root(), variable_values=body.get("variables"))
        return 200, {"data": done.data, **({"errors": [one.formatted for one in done.errors]} if done.errors else {})}

    def root(self) -> dict[str, Any]:
        return {
            "shop": {"name": "Harbor Lamps", "myshopifyDomain": SHOP, "currencyCode": self.shelves.currency},
            **self.shelves.root(),
            "currentAppInstallation": {"accessScopes": [{"handle": one} for one in self.scopes.split(",")]},
            "orders": lambda _, first, query, after=None, **_more: page([self.shown(o) for o in self.since(searched(query))], first, after),
            "order": lambda _, id: next((self.shown(one) for one in self.orders if id == f"{GID}Order/{one['ref']}"), None),
            "fulfillmentCreate": lambda _, fulfillment: self.fulfil(fulfillment),
            "fulfillmentTrackingInfoUpdate": lambda _, fulfillmentId, trackingInfoInput, **_more: self.correct(  # noqa: N803
                fulfillmentId, trackingInfoInput["number"]
            ),
        }

    def fulfil(self, told: dict[str, Any]) -> dict[str, Any]:
        (onto,) = told["lineItemsByFulfillmentOrder"]
        ref = onto["fulfillmentOrderId"].rpartition("/")[2]
        lines = {one["id"].rpartition("/")[2]: one["quantity"] for one in onto["fulfillmentOrderLineItems"]}
        one = self.tell(ref, told["trackingInfo"]["number"], lines, notify=told["notifyCustomer"])
        problem = [{"field": ["fulfillment"], "message": "Invalid fulfillment order line item quantity requested."}]
        return {"fulfillment": self.parcel(one), "userErrors": []} if one else {"fulfillment": None, "userErrors": problem}

    def correct(self, id_: str, number: str) -> dict[str, Any]:
        one = next(one for one in self.told if id_.endswith(f"/{one['id']}"))
        one["number"] = number
        return {"fulfillment": self.parcel(one), "userErrors": []}

    def parcel(self, one: dict[str, Any]) -> dict[str, Any]:
        lines = {line["id"]: line for line in self.lines(self.order(one["ref"]))}
        parts = [{"quantity": units, "lineItem": lines[f"{GID}LineItem/{line}"]} for line, units in one["lines"].items()]
        return {
            "id": f"{GID}Fulfillment/{one['id']}", "status": "SUCCESS", "trackingInfo": lambda _, **_more: [{"number": one["number"]}],
            "fulfillmentLineItems": lambda _, first, after=None, **_more: page(parts, first, after),
        }  # fmt: skip

    def lines(self, one: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"id": f"{GID}LineItem/{one['ref']}{n}", "sku": sku or None, "name": f"Lamp {n}", "requiresShipping": True,
             "currentQuantity": units - one["refunded"].get(f"{one['ref']}{n}", 0), "unfulfilledQuantity": self.left(one, n, units),
             "discountedUnitPriceSet": {"shopMoney": {"amount": "12.50"}}}
            for n, (sku, units) in enumerate(one["lines"], 1)
        ]  # fmt: skip

    @staticmethod
    def left(one: dict[str, Any], n: int, units: int) -> int:
        line = f"{one['ref']}{n}"
        return int(units - one["shipped"].get(line, 0) - one["refunded"].get(line, 0))

    def shown(self, one: dict[str, Any]) -> dict[str, Any]:
        address = {
            "name": "Ada Byron", "address1": one["street"], "city": "Portland", "province": "Maine", "provinceCode": "ME", "zip": "04101",
            "country": "United States", "countryCodeV2": "US",
        }  # fmt: skip
        parts = [
            {"id": f"{GID}FulfillmentOrderLineItem/{line['id'].rpartition('/')[2]}", "remainingQuantity": line["unfulfilledQuantity"],
             "lineItem": line} for line in self.lines(one)
        ]  # fmt: skip
        order = {
            "id": f"{GID}FulfillmentOrder/{one['ref']}",
            "status": "OPEN",
            "lineItems": lambda _, first, after=None, **_more: page(parts, first, after),
        }
        return {
            "id": f"{GID}Order/{one['ref']}", "legacyResourceId": str(one["ref"]), "name": f"#{one['ref']}", "test": one.get("test", False),
            "updatedAt": f"{at(one['changed']).isoformat()}Z", "createdAt": f"{at(one['placed']).isoformat()}Z",
            "cancelledAt": f"{at(one['changed']).isoformat()}Z" if one["state"] == "canceled" else None,
            "displayFinancialStatus": "PENDING" if one["state"] == "unpaid" else "PAID", "note": "ring twice", "email": "ada@example.com",
            "displayFulfillmentStatus": "PARTIALLY_FULFILLED" if one["shipped"] else "UNFULFILLED", "currencyCode": "USD",
            "currentTotalPriceSet": {"shopMoney": {"amount": "25.00"}}, "shippingLine": {"title": one["way"]}, "shippingAddress": address,
            "billingAddress": address, "lineItems": lambda _, first, after=None, **_more: page(self.lines(one), first, after),
            "fulfillments": lambda _, **_more: [self.parcel(told) for told in self.of(one["ref"])],
            "fulfillmentOrders": lambda _, first, after=None, **_more: page([order], first, after),
        }  # fmt: skip


KINDS: dict[str, type[Shop]] = {one.kind: one for one in (Shopify, Big, Woo)}
SETTINGS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "shopify": ({"shop": SHOP, "auth": "header"}, {"key": LEGACY}),
    "bigcommerce": ({"store_hash": "a1b2c3"}, {"key": "bc-access-token-of-the-test"}),
    "woocommerce": ({"base": "https://store.example.com"}, {"user_key": "ck_0123456789abcdef", "password": "cs_0123456789abcdef"}),
}


@contextlib.contextmanager
def serving_shop(shop: Shop) -> Iterator[Shop]:
    """The shop on a port of loopback."""

    class Answers(JsonAnswers):
        def _any(self) -> None:
            parts = urlsplit(self.path)
            body = json.loads(self.heard()) if int(self.headers.get("Content-Length") or 0) else None
            shop.asked.append(f"{self.command} {parts.path}")
            changes = "mutation" in body["query"] if isinstance(body, dict) and "query" in body else self.command != "GET"
            if shop.limit:
                shop.limit -= 1
                return self.say(429, {"error": "slow down"}, {"Retry-After": "0"})
            if changes and shop.cut:
                shop.cut -= 1
                return None
            if changes and shop.refuse:
                shop.refuse -= 1
                return self.say(503, {"error": "not now"})
            if changes and shop.meanwhile:
                act, shop.meanwhile = shop.meanwhile, None
                act()
            asked = (self.command, parts.path, dict(parse_qsl(parts.query)), body)
            status, told = shop.shelves.answer(*asked) or shop.answer(*asked)
            if changes and shop.swallow:
                shop.swallow -= 1
                return None  # done, and the line ends
            return self.say(status, told)

        do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815

    with serving(Answers) as shop.port:
        yield shop
