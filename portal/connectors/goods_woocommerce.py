"""Units and prices in a WooCommerce store: products and the variations of one product at a time, in batches of 100, of REST API v3.

A batch answers 200 with an error beside each of its items that was not taken (woocommerce.github.io, "Batch update products").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal.connectors import stores
from portal.connectors.caller import unwatched
from portal.connectors.goods import PRICE, UNITS, Change, Ends, Place, Ware, listable, marked, money, portions, refused
from portal.connectors.problems import quoted
from portal.connectors.sending import Sent
from portal.connectors.spool import Progress
from portal.connectors.store_rest import RestApi

AT_ONCE = 50
BATCH = 100
PRODUCTS = "/wp-json/wc/v3/products"
FIELDS = "id,type,parent_id,sku,manage_stock,stock_quantity,regular_price"
UNTRACKED = "The store does not count its units. Turn on Manage stock for it in WooCommerce."
SHARED = "The store counts the units of its product as a whole. Turn on Manage stock for the variation in WooCommerce."
GROUPED = "In the store it is a product of variations or of other products, which has no units of its own."


class WooCommerceGoods(RestApi):
    """One store by its REST API. An id is that of a product, 12, or of a product and its variation, 12/34."""

    most = BATCH
    progress: Progress = staticmethod(unwatched)

    def currency(self) -> str:
        """See goods.Goods."""
        told = self.get("/wp-json/wc/v3/data/currencies/current")
        return str(told.get("code") or "") if isinstance(told, Mapping) else ""

    def places(self) -> list[Place]:
        """See goods.Goods. WooCommerce has none."""
        return []

    def read(self, asked: Mapping[str, str], place: str) -> list[Ware]:  # noqa: ARG002
        """See goods.Goods. By SKU, which also finds variations; SKUs are unique there."""
        skus, found = listable(list(asked))
        for some in portions(skus, AT_ONCE):
            told = self.items(PRODUCTS, sku=",".join(some), per_page=str(BATCH), _fields=FIELDS)
            found += [_ware(one) for one in told if one.get("sku") in some]
            self.progress(0, None)
        return marked(found)

    def set(self, changes: Sequence[Change], place: str) -> Ends:  # noqa: ARG002
        """See goods.Goods."""
        groups: dict[str, list[Change]] = {}
        for one in changes:
            groups.setdefault(one.ware.their_id.rpartition("/")[0], []).append(one)
        ends: Ends = {}
        for parent, some in groups.items():
            path = f"{PRODUCTS}/{parent}/variations/batch" if parent else f"{PRODUCTS}/batch"
            for begin in range(0, len(some), BATCH):
                ends |= self._batch(path, some[begin : begin + BATCH])
        return ends

    def _batch(self, path: str, changes: Sequence[Change]) -> Ends:
        sent = self.tell("POST", path, {"update": [_wanted(one) for one in changes]})
        told: dict[str, Mapping[str, Any]] = {}
        if sent.outcome == "sent":
            items = sent.answer.get("update") if isinstance(sent.answer, Mapping) else None
            told = {str(one.get("id")): one for one in items if isinstance(one, Mapping)} if isinstance(items, list) else {}
        ends: Ends = {}
        for one in changes:
            ended = sent if sent.outcome != "sent" else self._judged(one, told.get(one.ware.their_id.rpartition("/")[2]))
            ends |= {(one.ware.their_id, part): ended for part, value in ((UNITS, one.units), (PRICE, one.price)) if value is not None}
        return ends

    def _judged(self, change: Change, told: Mapping[str, Any] | None) -> Sent:
        if told is None:
            return stores.unknown("", self.host)
        error = told.get("error")
        if isinstance(error, Mapping):
            said = quoted(f"{error.get('message') or error.get('code') or 'It gave no reason'}"[:200], self.caller.secrets.values())
            return refused("The store did not take it", f"{said.rstrip('.')}. Nothing of it was changed.")
        kept = (change.units is None or _units(told) == change.units) and (
            change.price is None or stores.amount(told.get("regular_price")) == change.price
        )
        return (
            Sent("sent", "") if kept else refused("The store kept another value", "It answered that all is well, and shows other numbers.")
        )


def _wanted(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = {"id": int(change.ware.their_id.rpartition("/")[2])}
    if change.units is not None:
        told["stock_quantity"] = change.units
    if change.price is not None:
        told["regular_price"] = money(change.price)
    return told


def _units(told: Mapping[str, Any]) -> int | None:
    count = told.get("stock_quantity")
    return int(count) if isinstance(count, int | float) and not isinstance(count, bool) else None


def _ware(one: Mapping[str, Any]) -> Ware:
    parent, manages = one.get("parent_id") if one.get("type") == "variation" else None, one.get("manage_stock")
    barred = "" if manages is True else SHARED if manages == "parent" else UNTRACKED
    if one.get("type") in ("variable", "grouped", "external"):
        barred = GROUPED
    their_id = f"{parent}/{one.get('id')}" if parent else str(one.get("id"))
    price = stores.amount(one.get("regular_price")) if one.get("regular_price") not in (None, "") else None
    priceless = barred if barred == GROUPED else ""
    return Ware(their_id, str(one.get("sku")), _units(one), price, barred, priceless=priceless)
