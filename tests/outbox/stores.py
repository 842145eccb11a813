"""Stores that take orders as the real ones do, quirks and all, and their ledgers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.connectors.told_server import Request, Told, told


@dataclass
class Woo:
    """WooCommerce 9.9.5 as it was seen to behave: any SKU and any number is 201, a line of nothing where it knows no such SKU.

    `stock`: {SKU: units, None where it is not managed}. `swallow`: of so many answers to new orders the line is cut. `bends`: what is
    done to the lines as they are taken, as a plugin may. `cancels`: the status that an order has once it was to be canceled.
    """

    stock: dict[str, int | None] = field(default_factory=lambda: {"HX-1": 9})
    swallow: int = 0
    bends: Any = None
    cancels: str = "cancelled"
    tells_lines: bool = True
    orders: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, request: Request) -> Any:
        if request.path.endswith("/products"):
            return self._paged(request, [self._product(sku) for sku in request.query["sku"].split(",") if sku in self.stock])
        if request.method == "POST":
            made = self._take(json.loads(request.body))
            cut, self.swallow = self.swallow > 0, max(0, self.swallow - 1)
            return None if cut else (201, made)
        if request.method == "PUT":
            order = next(one for one in self.orders if request.path.endswith(f"/{one['id']}"))
            order["status"] = self.cancels
            return 200, order
        return self._paged(request, self.orders)

    @property
    def shipping(self) -> list[dict[str, int]]:
        """{SKU: units} of each order that the store will ship."""
        return [{one["sku"]: one["quantity"] for one in order["line_items"]} for order in self.orders if order["status"] == "processing"]

    def _take(self, document: Mapping[str, Any]) -> dict[str, Any]:
        lines = [
            {"sku": one["sku"] if one["sku"] in self.stock else None, "product_id": 7 if one["sku"] in self.stock else 0,
             "quantity": one["quantity"]}
            for one in document["line_items"]
        ]  # fmt: skip
        made = {"id": 14 + len(self.orders), "status": document["status"], "meta_data": document["meta_data"]}
        self.orders.append({**made, "line_items": self.bends(lines) if self.bends else lines})
        return self.orders[-1] if self.tells_lines else made

    def _product(self, sku: str) -> dict[str, Any]:
        left = self.stock[sku]
        status = "instock" if left is None or left > 0 else "outofstock"
        return {"sku": sku, "manage_stock": left is not None, "stock_quantity": left, "stock_status": status, "backorders": "no"}

    def _paged(self, request: Request, rows: list[Any]) -> Any:
        shown = rows if request.query.get("page", "1") == "1" else []
        return 200, shown, {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": "1"}


@dataclass
class BigCommerce:
    """BigCommerce's V2 orders: the lines have a list of their own, an empty list is 204, and our number may stand twice."""

    swallow: int = 0
    bends: Any = None
    cuts_lines: int = 0
    orders: list[dict[str, Any]] = field(default_factory=list)
    lines: dict[int, list[dict[str, Any]]] = field(default_factory=dict)

    def answer(self, request: Request) -> Any:
        parts = request.path.rpartition("/v2/orders")[2].strip("/").split("/")
        if request.method == "POST":
            made = self._take(json.loads(request.body))
            cut, self.swallow = self.swallow > 0, max(0, self.swallow - 1)
            return None if cut else (201, made)
        if request.method == "PUT":
            order = next(one for one in self.orders if str(one["id"]) == parts[0])
            order |= json.loads(request.body)
            return 200, order
        if parts[-1] == "products":
            cut, self.cuts_lines = self.cuts_lines > 0, max(0, self.cuts_lines - 1)
            return None if cut else self._page(request, self.lines[int(parts[0])])
        return self._page(request, [one for one in self.orders if one["external_order_id"] == request.query["external_order_id"]])

    @property
    def shipping(self) -> list[list[tuple[int, int, int]]]:
        """(product, variant, units) of each line of each order that the store will ship."""
        live = [one for one in self.orders if one["status_id"] == 11]
        return [[(line["product_id"], line["variant_id"], line["quantity"]) for line in self.lines[one["id"]]] for one in live]

    def _take(self, document: Mapping[str, Any]) -> dict[str, Any]:
        number = 100 + len(self.orders)
        made = {
            "id": number, "status_id": document["status_id"], "external_order_id": document["external_order_id"], "is_deleted": False,
            "products": {"url": f"https://api.bigcommerce.com/{number}", "resource": f"/orders/{number}/products"},
        }  # fmt: skip
        self.orders.append(made)
        self.lines[number] = self.bends(document["products"]) if self.bends else document["products"]
        return made

    def _page(self, request: Request, rows: list[Any]) -> Any:
        return (200, rows) if rows and request.query.get("page", "1") == "1" else (204, None)


S = TypeVar("S", Woo, BigCommerce)


@contextmanager
def serving(store: S) -> Iterator[tuple[S, Told]]:
    """The store and its server."""
    with told(store.answer) as server:
        yield store, server
