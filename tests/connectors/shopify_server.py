"""Shopify on loopback, by its documented contract: GraphQL executed for real, a bucket of points, bulk operations, OAuth.

The schema is a small part of theirs, with their names; every document that we ship is proved against theirs elsewhere.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import re
import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from graphql import GraphQLError, GraphQLSchema, build_schema, graphql_sync

from tests.connectors.json_server import JsonAnswers, serving
from tests.servers import LOOPBACK

SHOP, CLIENT, SECRET, LEGACY = "harbor-lamps.myshopify.com", "c11ent-id", "shp5s-cl1ent-s3cret-of-the-test", "shpat_0ld-t0ken-of-the-test"
READ = "read_products,read_inventory,read_locations"
SDL = """
enum Sort { ID CREATED_AT }
enum Policy { DENY CONTINUE }
type PageInfo { hasNextPage: Boolean! endCursor: String }
type Shop { name: String! myshopifyDomain: String! currencyCode: String! }
type Scope { handle: String! }
type App { accessScopes: [Scope!]! }
type Count { count: Int! precision: String! }
type Place { id: ID! name: String! isActive: Boolean! inventoryLevels(first: Int, after: String, query: String): Levels! }
type Places { nodes: [Place!]! pageInfo: PageInfo! }
type Quantity { name: String! quantity: Int! }
type Level { id: ID! item: Item! location: Place! quantities(names: [String!]!): [Quantity!]! }
type LevelEdge { node: Level! }
type Levels { nodes: [Level!]! edges: [LevelEdge!]! pageInfo: PageInfo! }
type Money { amount: String! currencyCode: String! }
type Item { id: ID! tracked: Boolean! unitCost: Money variants(first: Int): Variants! inventoryLevels(first: Int, after: String): Levels! }
type Product { id: ID! title: String! vendor: String! status: String! }
interface Node { id: ID! }
type ProductVariant implements Node { id: ID! sku: String barcode: String title: String! price: String! inventoryPolicy: Policy!
  inventoryQuantity: Int   updatedAt: String! product: Product! inventoryItem: Item! }
type VariantEdge { node: ProductVariant! }
type Variants { nodes: [ProductVariant!]! edges: [VariantEdge!]! pageInfo: PageInfo! }
type Bulk { id: ID! status: String! errorCode: String objectCount: Int! rootObjectCount: Int! url: String partialDataUrl: String }
type Problem { code: String field: [String!] message: String! }
type BulkPayload { bulkOperation: Bulk userErrors: [Problem!]! }
type Line { id: ID! sku: String quantity: Int! variant: ProductVariant }
type Lines { nodes: [Line!]! pageInfo: PageInfo! }
type Order { id: ID! name: String! sourceIdentifier: String createdAt: String cancelledAt: String lineItems(first: Int): Lines! }
type Orders { nodes: [Order!]! }
enum Reason { OTHER STAFF }
input RefundInput { originalPaymentMethodsRefund: Boolean }
type Job { id: ID! done: Boolean! }
type CancelPayload { job: Job orderCancelUserErrors: [Problem!]! }
type OrderPayload { order: Order userErrors: [Problem!]! }
input LineInput { variantId: ID quantity: Int! }
input Named { key: String! value: String! }
input Address { firstName: String lastName: String company: String address1: String address2: String city: String provinceCode: String
  zip: String countryCode: String phone: String }
input OrderCreateOrderInput { lineItems: [LineInput!] shippingAddress: Address customAttributes: [Named!]
  sourceIdentifier: String sourceName: String poNumber: String email: String note: String }
input OrderCreateOptionsInput { inventoryBehaviour: String sendReceipt: Boolean sendFulfillmentReceipt: Boolean }
type Query {
  shop: Shop!
  currentAppInstallation: App!
  productVariantsCount(limit: Int = 10000): Count
  locations(first: Int, after: String, includeLegacy: Boolean, includeInactive: Boolean = false): Places!
  productVariants(first: Int, after: String, query: String, sortKey: Sort): Variants!
  inventoryItem(id: ID!): Item
  location(id: ID!): Place
  nodes(ids: [ID!]!): [Node]!
  bulkOperation(id: ID!): Bulk
  orders(first: Int, query: String, sortKey: Sort, reverse: Boolean): Orders!
  order(id: ID!): Order
}
type Mutation {
  bulkOperationRunQuery(query: String!, groupObjects: Boolean = false): BulkPayload
  bulkOperationCancel(id: ID!): BulkPayload
  orderCreate(order: OrderCreateOrderInput!, options: OrderCreateOptionsInput): OrderPayload
  orderCancel(orderId: ID!, reason: Reason!, restock: Boolean!, notifyCustomer: Boolean,
    refundMethod: RefundInput, staffNote: String): CancelPayload
}
"""
SCHEMA: GraphQLSchema = build_schema(SDL)


def variant(number: int, **more: Any) -> dict[str, Any]:
    """One variant. `levels`: number of a location -> available; `cost` None: not known; `edited`, `moved` {location: …}: moments, ISO."""
    usual = {"sku": f"LAMP-{number:04}", "tracked": True, "policy": "DENY", "status": "ACTIVE", "levels": {1: number % 9}, "cost": "2.5000"}
    return {"number": number, "title": "Default Title", "price": f"{number}.50", "barcode": None, **usual, **more}


@dataclass
class Store:
    """`scopes` that are granted; `see_cost`: whether unit costs may be read; `points` and `restores` of the bucket (points a second).

    `statuses`: what the next answers are instead, once each; `busy`: bulk operations that find no place; `bulk`: how one ends.
    `takes_less`: units of each line of an order that it leaves out; `keeps`: it cancels no order.
    `lines_like`: changes the lines of a bulk result before they are served; `there`: the address of the result, "" for its true one.
    """

    schema: GraphQLSchema = SCHEMA
    variants: list[dict[str, Any]] = field(default_factory=lambda: [variant(n) for n in range(1, 8)])
    places: dict[int, tuple[str, bool]] = field(default_factory=lambda: {1: ("Main Street", True), 2: ("Harbor", True)})
    scopes: str = READ
    see_cost: bool = True
    points: float = 100_000.0
    restores: float = 1_000.0
    most: float = 1_000.0
    version: str = "2026-10"
    lasts: int = 3_600
    statuses: list[tuple[int, Any]] = field(default_factory=list)
    busy: int = 0
    takes_less: int = 0
    keeps: bool = False
    bulk: str = "COMPLETED"
    polls: int = 1
    by_item: bool = False
    lines_like: Callable[[list[dict[str, Any]]], list[dict[str, Any]]] = lambda lines: lines
    there: str = ""
    port: int = 0
    files_port: int = 0
    good: set[str] = field(default_factory=lambda: {LEGACY})
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refreshes: set[str] = field(default_factory=set)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    token_calls: list[dict[str, str]] = field(default_factory=list)
    downloads: list[dict[str, str]] = field(default_factory=list)
    costs: list[float] = field(default_factory=list)
    throttled: int = 0
    throttled_after: list[int] = field(default_factory=list)  # for each, how many questions were answered before
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[str, bytes] = field(default_factory=dict)
    orders: list[dict[str, Any]] = field(default_factory=list)
    swallow: int = 0
    at: float = field(default_factory=time.monotonic)

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def settings(self, **more: Any) -> dict[str, Any]:
        """What a saved connection to this store holds."""
        fixed = {"header_name": "X-Shopify-Access-Token", "token_name": "X-Shopify-Access-Token", "download_host": LOOPBACK}
        urls = {
            "base": self.base,
            "token_url": f"{self.base}/admin/oauth/access_token",
            "authorize_url": f"{self.base}/admin/oauth/authorize",
        }
        return {"shop": SHOP, "auth": "header", "plain_ok": "1", "locations": "all", "drafts": "skip", **fixed, **urls, **more}

    # signing in

    def authorize(self, query: dict[str, str]) -> str:
        """Where the owner who allows it is sent back to."""
        assert query["client_id"] == CLIENT and query["scope"].split(",") and not {"code_challenge", "response_type"} & query.keys()
        code = secrets.token_hex(16)
        self.codes[code] = query
        told = {"code": code, "host": b64encode(b"admin.shopify.com/store/harbor-lamps").decode().rstrip("="), "shop": SHOP}
        return f"{query['redirect_uri']}?{urlencode(self.signed({**told, 'state': query['state'], 'timestamp': str(int(time.time()))}))}"

    def signed(self, told: dict[str, str], secret: str = SECRET) -> dict[str, str]:
        """The query with Shopify's proof."""
        text = "&".join(f"{name}={told[name]}" for name in sorted(told))
        return {**told, "hmac": hmac.new(secret.encode(), text.encode(), sha256).hexdigest()}

    def token(self, told: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.token_calls.append(told)
        if (told.get("client_id"), told.get("client_secret")) != (CLIENT, SECRET):
            return 401, {"error": "invalid_client", "error_description": "unknown"}
        grant = told.get("grant_type", "code")
        if grant == "client_credentials":
            self.good = {token := f"shpca_{secrets.token_hex(8)}"}
            return 200, {"access_token": token, "scope": self.scopes, "expires_in": 86_399}
        known = self.codes.pop(told.get("code", ""), None) if grant == "code" else told.get("refresh_token") in self.refreshes
        if not known:
            return 400, {"error": "invalid_request", "error_description": "The code or token was not found or was already used"}
        self.refreshes = {refresh := f"shprt_{secrets.token_hex(8)}"}
        self.good = {token := f"shpca_{secrets.token_hex(8)}"}
        end = {"expires_in": self.lasts, "refresh_token": refresh, "refresh_token_expires_in": 7_776_000}
        return 200, {"access_token": token, "scope": self.scopes, **(end if told.get("expiring") == "1" or grant != "code" else {})}

    # answering

    def answer(self, body: dict[str, Any]) -> tuple[int, Any]:
        """The status and answer of one GraphQL request."""
        query, variables = body["query"], body.get("variables") or {}
        self.asked.append((query, variables))
        if self.statuses:
            status, said = self.statuses.pop(0)
            if status:
                return status, said
        cost = float(variables.get("first") or 1) * (4 + 2 * float(variables.get("levels") or 1)) if "first" in variables else 10.0
        now = time.monotonic()
        self.points, self.at = min(self.points + (now - self.at) * self.restores, max(self.points, 2_000)), now
        told = {"requestedQueryCost": cost, "actualQueryCost": None}
        if cost > self.most:
            return 200, {"errors": [{"message": "Query cost is too high", "extensions": {"code": "MAX_COST_EXCEEDED", "cost": cost}}]}
        if cost > self.points:
            self.throttled += 1
            self.throttled_after.append(len(self.costs))
            return 200, {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": self.status(told)}
        self.points -= cost
        self.costs.append(cost)
        done = graphql_sync(self.schema, query, self.root(), variable_values=variables)
        answer: dict[str, Any] = {"data": done.data, "extensions": self.status(told)}
        if done.errors:
            answer["errors"] = [one.formatted for one in done.errors]
        return 200, answer

    def status(self, told: dict[str, Any]) -> dict[str, Any]:
        throttle = {"maximumAvailable": 2_000.0, "currentlyAvailable": self.points, "restoreRate": self.restores}
        return {"cost": {**told, "throttleStatus": throttle}}

    def root(self) -> dict[str, Any]:
        places = [self.place(n) for n in self.places]
        return {
            "shop": {"name": "Harbor Lamps", "myshopifyDomain": SHOP, "currencyCode": "USD"},
            "currentAppInstallation": {"accessScopes": [{"handle": one} for one in self.scopes.split(",")]},
            "productVariantsCount": lambda *_, **__: {"count": len(self.variants), "precision": "EXACT"},
            "locations": lambda _, first, after=None, **_more: page(places, first, after),
            "productVariants": lambda _, first=None, after=None, query="", **_more: page(self.found(query or ""), first, after),
            "location": lambda _, id: next((self.place(n) for n in self.places if id.endswith(f"/{n}")), None),
            "nodes": lambda _, ids: [self.variant(one) for id_ in ids for one in self.variants if id_.endswith(f"/{one['number']}")],
            "inventoryItem": lambda _, id: next(self.item(one) for one in self.variants if id.endswith(f"/{one['number']}")),
            "bulkOperation": lambda _, id: self.look(id), "bulkOperationRunQuery": lambda _, query, **_more: self.start(query),
            "bulkOperationCancel": lambda _, id: self.cancel(id), "orderCreate": lambda _, order, options: self.create(order, options),
            "orderCancel": lambda _, **asked: self.cancel_order(**asked),
            "order": lambda _, id: next((one for one in self.orders if one["id"] == id), None),
            "orders": lambda _, query, **_more: {"nodes": [one for one in self.orders if f'"{one["sourceIdentifier"]}"' in query]},
        }  # fmt: skip

    def found(self, query: str) -> list[dict[str, Any]]:
        """The variants that a search finds: all, those of SKUs (whatever their case), or those that were edited since."""
        since, skus = moment(query), {one.lower() for one in re.findall(r'sku:"([^"]*)"', query)}
        some = [one for one in self.variants if not skus or str(one["sku"]).lower() in skus]
        return [self.variant(one) for one in some if not since or one.get("edited", "") >= since]

    def place(self, number: int) -> dict[str, Any]:
        name, active = self.places[number]

        def moved(_: Any, first: int, after: str | None = None, query: str = "", **_more: Any) -> dict[str, Any]:
            some = [one for one in self.variants if one.get("moved", {}).get(number, "") >= moment(query)]
            return page([{"id": f"level {one['number']}", "item": self.item(one)} for one in some], first, after)

        return {"id": f"gid://shopify/Location/{number}", "name": name, "isActive": active, "inventoryLevels": moved}

    def variant(self, one: dict[str, Any]) -> dict[str, Any]:
        number = one["number"]
        product = {"id": f"gid://shopify/Product/{number}", "title": f"Lamp {number}", "vendor": "Kestrel", "status": one["status"]}
        plain = {name: one[name] for name in ("sku", "barcode", "title", "price")}
        told = {"inventoryPolicy": one["policy"], "updatedAt": "2026-11-27T06:00:00Z", "inventoryQuantity": sum(one["levels"].values())}
        return {
            "__typename": "ProductVariant",
            "id": f"gid://shopify/ProductVariant/{number}",
            **plain,
            **told,
            "product": product,
            "inventoryItem": self.item(one),
        }

    def item(self, one: dict[str, Any]) -> dict[str, Any]:
        levels = [
            {"id": f"gid://shopify/InventoryLevel/{one['number']}?place={place}", "location": self.place(place),
             "quantities": lambda _, names, units=units: [{"name": name, "quantity": units} for name in names]}
            for place, units in one["levels"].items()
        ]  # fmt: skip
        return {
            "id": f"gid://shopify/InventoryItem/{one['number']}", "tracked": one["tracked"], "unitCost": lambda _: self.cost(one),
            "inventoryLevels": lambda _, first=None, after=None, **_more: page(levels, first, after),
            "variants": lambda _, first, **_more: page([self.variant(one)], first, None),
        }  # fmt: skip

    def cost(self, one: dict[str, Any]) -> dict[str, str] | None:
        if not self.see_cost:
            raise GraphQLError("Access denied for unitCost field.", extensions={"code": "ACCESS_DENIED"})
        return {"amount": one["cost"], "currencyCode": "USD"} if one["cost"] else None

    # bulk operations

    def start(self, query: str) -> dict[str, Any]:
        if self.busy:
            self.busy -= 1
            return {"bulkOperation": None, "userErrors": [{"code": "LIMIT_REACHED", "field": None, "message": "Try again later."}]}
        done = graphql_sync(self.schema, query, self.root())
        number = f"gid://shopify/BulkOperation/{len(self.operations) + 1}"
        lines = [] if done.errors or done.data is None else self.lines_like(self.flat(done.data["productVariants"]["edges"]))
        file = secrets.token_hex(8)
        self.results[file] = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
        self.operations[number] = {
            "id": number, "status": "CREATED", "objectCount": len(lines), "rootObjectCount": len(self.variants), "left": self.polls,
            "errorCode": "ACCESS_DENIED" if done.errors else None,
            "url": (self.there or f"http://{LOOPBACK}:{self.files_port}/{file}?X-Goog-Signature=abc") if lines else None,
        }  # fmt: skip
        return {"bulkOperation": self.operations[number], "userErrors": []}

    def flat(self, edges: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """All parents first, then all children: nothing stands beside what it belongs to."""
        parents, children = [], []
        for edge in edges:
            node = edge["node"]
            levels = node["inventoryItem"].pop("inventoryLevels")["edges"]
            parents.append(node)
            parent = node["inventoryItem"]["id"] if self.by_item else node["id"]
            children += [{**one["node"], "__parentId": parent} for one in levels]
        return parents + children[::-1]

    def look(self, number: str) -> dict[str, Any] | None:
        found = self.operations.get(number)
        if found is None or found["status"] == "CANCELED":
            return found
        found["left"] -= 1
        if found["left"] >= 0:
            return {**found, "status": "RUNNING", "url": None}
        status, _, code = self.bulk.partition(" ")
        ended = {"status": "FAILED" if found["errorCode"] else status, "errorCode": found["errorCode"] or code or None}
        url = {"url": None, "partialDataUrl": found["url"]} if ended["status"] != "COMPLETED" else {}
        return found | ended | url

    def cancel(self, number: str) -> dict[str, Any]:
        self.operations[number]["status"] = "CANCELED"
        return {"bulkOperation": self.operations[number], "userErrors": []}

    # orders

    def cancel_order(self, orderId: str, **asked: Any) -> dict[str, Any]:  # noqa: N803
        """Done at the next look, or never where the store will not (`keeps`)."""
        assert (asked["restock"], asked["notifyCustomer"], asked["refundMethod"]) == (True, False, {"originalPaymentMethodsRefund": False})
        if self.keeps:
            return {"job": None, "orderCancelUserErrors": [{"code": "INVALID", "field": ["orderId"], "message": "It was fulfilled"}]}
        order = next(one for one in self.orders if one["id"] == orderId)
        order["cancelledAt"] = "2026-11-27T06:01:00Z"
        return {"job": {"id": "gid://shopify/Job/1", "done": False}, "orderCancelUserErrors": []}

    def create(self, order: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
        stock = {f"gid://shopify/ProductVariant/{one['number']}": one for one in self.variants}
        for line in order["lineItems"]:
            one = stock[line["variantId"]]
            if options["inventoryBehaviour"] == "DECREMENT_OBEYING_POLICY" and sum(one["levels"].values()) < line["quantity"]:
                told = {"code": "INVENTORY_CLAIM_FAILED", "field": ["order", "lineItems"], "message": "Unable to reserve inventory"}
                return {"order": None, "userErrors": [told]}
        number = 1_000 + len(self.orders)
        lines = [
            {"id": f"gid://shopify/LineItem/{n}", "sku": "", "variant": {"id": line["variantId"]}, **line}
            for n, line in enumerate(order["lineItems"])
        ]
        lines = [{**line, "quantity": line["quantity"] - self.takes_less} for line in lines]
        made = {
            "id": f"gid://shopify/Order/{number}", "name": f"#{number}", "sourceIdentifier": order.get("sourceIdentifier"),
            "createdAt": "2026-11-27T06:00:00Z", "lineItems": lambda _, first, **_more: page(lines, first, None),
        }  # fmt: skip
        self.orders.append(made)
        return {"order": made, "userErrors": []}


def moment(query: str) -> str:
    """The moment of a search such as updated_at:>='2026-11-27T04:00:00Z', "" when it has none."""
    told = re.search(r"updated_at:>='([^']*)'", query)
    return told[1] if told else ""


def page(items: list[Any], first: int | None, after: str | None) -> dict[str, Any]:
    """A Relay page of the items; all of them where `first` is None, as a bulk operation reads."""
    start = int(after or 0)
    some = items[start:] if first is None else items[start : start + first]
    ends = {"hasNextPage": start + len(some) < len(items), "endCursor": str(start + len(some)) if some else None}
    return {"nodes": some, "edges": [{"node": one} for one in some], "pageInfo": ends}


@contextlib.contextmanager
def shopify(**options: Any) -> Iterator[Store]:
    """The store on one port, and on another the host where the files of bulk operations lie."""
    made = Store(**options)

    class Answers(JsonAnswers):
        def do_GET(self) -> None:  # noqa: N802
            return self.say(303, {}, {"Location": made.authorize(dict(parse_qsl(urlsplit(self.path).query)))})

        def do_POST(self) -> None:  # noqa: N802
            heard, path = self.heard(), urlsplit(self.path).path
            if path == "/admin/oauth/access_token":
                is_json = "json" in self.headers.get("Content-Type", "")
                return self.say(*made.token(json.loads(heard) if is_json else dict(parse_qsl(heard))))
            if not path.startswith("/admin/api/2026-10/"):
                return self.say(404, {"errors": "Not Found"})
            if self.headers.get("X-Shopify-Access-Token") not in made.good:
                return self.say(401, {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"})
            said = made.answer(json.loads(heard))
            if made.swallow and "orderCreate" in heard:
                made.swallow -= 1
                self.close_connection = True
                return None
            return self.say(*said, {"X-Shopify-API-Version": made.version})

    class Files(JsonAnswers):
        def do_GET(self) -> None:  # noqa: N802
            made.downloads.append(dict(self.headers))
            body = made.results[urlsplit(self.path).path[1:]]
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with serving(Answers) as made.port, serving(Files) as made.files_port:
        yield made
