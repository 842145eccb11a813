"""Units and prices in a BigCommerce store: absolute adjustments at one location, and variants in batches, of API v3.

developer.bigcommerce.com, "Inventory Adjustments" (at most 2,000 items, all or none) and "Update Variants (Batch)" (at most 50).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal.connectors import problems, stores
from portal.connectors.caller import unwatched
from portal.connectors.goods import PRICE, UNITS, Change, Ends, Place, Ware, apart, listable, marked, money, portions
from portal.connectors.sending import Sent
from portal.connectors.spool import Progress
from portal.connectors.store_rest import MOST_PAGES, RestApi

AT_ONCE = 50
VARIANTS_AT_ONCE = 50
MOST_ON_A_PAGE = 250
REASON = "Quayside: units of all sources"
SHARED = "The store counts the units of its product as a whole, not of each variant. Let it track them by variant in BigCommerce."
UNTRACKED = "The store does not track its units. Turn on inventory tracking for it in BigCommerce."
ELSEWHERE = "It is not kept at the chosen location in the store."


class BigCommerceGoods(RestApi):
    """One store by its V3 API. An id is that of the product and that of the variant: 12/34."""

    most = 50
    progress: Progress = staticmethod(unwatched)

    def currency(self) -> str:
        """See goods.Goods."""
        told = self.get("/v2/store")
        return str(told.get("currency") or "") if isinstance(told, Mapping) else ""

    def places(self) -> list[Place]:
        """See goods.Goods."""
        found = self._every("/v3/inventory/locations", {})
        return [Place(str(one.get("id")), str(one.get("label") or one.get("id"))) for one in found if one.get("enabled") is not False]

    def read(self, asked: Mapping[str, str], place: str) -> list[Ware]:
        """See goods.Goods. Always by SKU, which BigCommerce looks up itself."""
        skus, found = listable(list(asked))
        for some in portions(skus, AT_ONCE):
            items = self._every("/v3/inventory/items", {"sku:in": ",".join(some)})
            named = [one for one in items if isinstance(one.get("identity"), Mapping) and one["identity"].get("sku") in some]
            products = sorted({str(one["identity"].get("product_id")) for one in named})
            if not products:
                continue
            ids = {"id:in": ",".join(products), "include_fields": "inventory_tracking"}
            tracked = {str(one.get("id")): str(one.get("inventory_tracking")) for one in self._every("/v3/catalog/products", ids)}
            variants: dict[str, list[Mapping[str, Any]]] = {}
            for one in self._every("/v3/catalog/variants", {"product_id:in": ",".join(products)}):
                variants.setdefault(str(one.get("product_id")), []).append(one)
            found += [_ware(one, place, tracked, variants) for one in named]
        return marked(found)

    def _every(self, path: str, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
        found: list[Mapping[str, Any]] = []
        for page in range(1, MOST_PAGES):
            told = self.get(path, **query, page=str(page), limit=str(MOST_ON_A_PAGE))
            some = told.get("data") if isinstance(told, Mapping) else None
            if not isinstance(some, list) or not all(isinstance(one, Mapping) for one in some):
                raise problems.protocol_error("The answer cannot be read", f"There is no list at {path}.")
            found += some
            of_pages = ((told.get("meta") or {}).get("pagination") or {}).get("total_pages")
            if not some or len(some) < MOST_ON_A_PAGE or page >= stores.units(of_pages):
                return found
            self.progress(0, None)
        raise problems.protocol_error("The list has no end", f"{path} has ever more pages.")

    def set(self, changes: Sequence[Change], place: str) -> Ends:
        """See goods.Goods."""
        ends: Ends = {}

        def units(some: Sequence[Change]) -> Sent:
            items = [{"location_id": int(place), **_named(one.ware), "quantity": one.units} for one in some]
            return self.tell("PUT", "/v3/inventory/adjustments/absolute", {"reason": REASON, "items": items})

        def prices(some: Sequence[Change]) -> Sent:
            told = [{"id": int(one.ware.more["variant"]), "price": float(money(one.price or 0))} for one in some]
            return self.tell("PUT", "/v3/catalog/variants", told)

        for part, send, wanted in (
            (UNITS, units, [one for one in changes if one.units is not None]),
            (PRICE, prices, [one for one in changes if one.price is not None]),
        ):
            for begin in range(0, len(wanted), VARIANTS_AT_ONCE):
                ends |= {(one.ware.their_id, part): sent for one, sent in apart(wanted[begin : begin + VARIANTS_AT_ONCE], send)}
        return ends


def _named(ware: Ware) -> dict[str, int]:
    """How an adjustment names it: by its product where that is what is counted."""
    name = "product_id" if ware.more["counted"] == "product" else "variant_id"
    return {name: int(ware.more[name.removesuffix("_id")])}


def _ware(
    item: Mapping[str, Any], place: str, tracked: Mapping[str, str], variants: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Ware:  # fmt: skip
    identity = item["identity"]
    product, variant = str(identity.get("product_id")), str(identity.get("variant_id"))
    counted, of_product = tracked.get(product, "none"), variants.get(product, ())
    level = next((one for one in item.get("locations") or () if str(one.get("location_id")) == place), None)
    own = next((one for one in of_product if str(one.get("id")) == variant), {})
    barred = ""
    if counted not in ("product", "variant"):
        barred = UNTRACKED
    elif counted == "product" and len(of_product) > 1:
        barred = SHARED
    elif level is None:
        barred = ELSEWHERE
    price = own.get("price") if own.get("price") is not None else own.get("calculated_price")
    more = {"product": product, "variant": variant, "counted": counted}
    units = None if level is None else stores.units(level.get("total_inventory_onhand"))
    return Ware(f"{product}/{variant}", str(identity["sku"]), units, stores.amount(price), barred, False, more)
