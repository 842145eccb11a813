"""Units and prices in a Shopify store: quantities at one location many at a time, prices of one product's variants at a time.

What stood there when it was looked at goes along with each quantity: where the store has another number by then, it changes nothing.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from portal.connectors import problems, shopify_changes, shopify_documents, shopify_words, shopify_writes, stores
from portal.connectors.caller import LONGEST_WAIT, unwatched
from portal.connectors.goods import PRICE, UNITS, Change, Ends, Place, Ware, apart, marked, money, portions
from portal.connectors.sending import Sent
from portal.connectors.shopify import ShopifyConnector, need_scopes
from portal.connectors.shopify_writes import THROTTLED, Errors
from portal.connectors.spool import Progress, wait

VARIANT = "gid://shopify/ProductVariant/"
AT_ONCE = 20
"""SKUs of one search."""
STALE = "CHANGE_FROM_QUANTITY_STALE"
UNDER_WAY = "IDEMPOTENCY_CONCURRENT_REQUEST"
REASON = "correction"
"""Of Shopify's own list of reasons (shopify.dev, "Set inventory quantities")."""


class ShopifyGoods:
    """One store by its GraphQL Admin API. An id is the number of a variant."""

    most = 50

    def __init__(self, connector: ShopifyConnector) -> None:
        self.graph, self.caller = connector.graph, connector.graph.caller
        self.host = shopify_writes.host_of(connector.graph)
        self.progress: Progress = unwatched
        self._place = ""

    def currency(self) -> str:
        """See goods.Goods."""
        told = self._asked(shopify_documents.STORE, {})
        return str((told.get("shop") or {}).get("currencyCode") or "")

    def places(self) -> list[Place]:
        """See goods.Goods. Raises SupplierError naming the scopes that the app lacks."""
        scopes = [one for one in str(self.graph.settings.get("push_scopes") or "").split(",") if one]
        need_scopes(self._asked(shopify_documents.STORE, {}), self.graph.settings.get("auth") == "code", scopes)
        found = shopify_changes.pages(self.graph, shopify_documents.LOCATIONS, {}, lambda told: told.get("locations") or {}, self.progress)
        return [Place(str(one["id"]), str(one["name"])) for page in found for one in page if one.get("isActive") is not False]

    def read(self, asked: Mapping[str, str], place: str) -> list[Ware]:
        """See goods.Goods. What is known is read by its id, which is never behind; what is not is searched for."""
        known = [f"{VARIANT}{their_id}" for their_id in asked.values() if their_id]
        nodes = self._asked(shopify_documents.WARES_BY_ID, {"ids": known, "place": place}).get("nodes") if known else []
        if not isinstance(nodes, list):
            raise problems.protocol_error("The answer cannot be read", "The variants that we asked for are not in it.")
        wares = [_ware(one) for one in nodes if isinstance(one, Mapping) and one.get("sku") in asked]
        lost = [sku for sku in asked if sku not in {one.sku for one in wares}]
        return marked([*wares, *self._searched(lost, place)])

    def _searched(self, skus: Sequence[str], place: str) -> Iterable[Ware]:
        for some in portions(skus, AT_ONCE):
            told = {"filter": " OR ".join(f"sku:{shopify_changes.quoted(sku)}" for sku in some), "place": place}
            for page in shopify_changes.pages(self.graph, shopify_documents.WARES_BY_SKU, told, shopify_changes.variants_of, self.progress):
                yield from (_ware(one) for one in page if one.get("sku") in some)

    def _asked(self, document: str, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        return self.graph.whole(self.graph.read(document, variables, self.progress))

    def set(self, changes: Sequence[Change], place: str) -> Ends:
        """See goods.Goods."""
        self._place = place
        ends: Ends = {}
        units = [one for one in changes if one.units is not None]
        for one, sent in self._set_units(units) if units else ():
            ends[one.ware.their_id, UNITS] = sent
        products: dict[str, list[Change]] = {}
        for one in changes:
            if one.price is not None:
                products.setdefault(one.ware.more["product"], []).append(one)
        for product, some in products.items():
            ends |= self._set_prices(product, some)
        return ends

    def _set_units(self, changes: Sequence[Change]) -> Iterable[tuple[Change, Sent]]:
        """Nothing is set where one of them is wrong: those that the errors point at are left out, and the rest goes again."""
        sent = self._told(shopify_documents.SET_UNITS, self._quantities(changes), "inventorySetQuantities", self._units_judged)
        bad = _pointed(sent.answer, "quantities", len(changes)) if sent.outcome == "refused" else {}
        if sent.outcome == "refused" and not bad:
            middle = len(changes) // 2  # it points at none: the halves tell
            halves = (changes[:middle], changes[middle:])
            yield from (pair for half in halves for pair in apart(half, self._once_only)) if middle else [(changes[0], sent)]
            return
        if not bad:
            yield from ((one, sent) for one in changes)
            return
        yield from ((changes[at], self._refusal(error)) for at, error in bad.items())
        if rest := [one for at, one in enumerate(changes) if at not in bad]:
            yield from self._set_units(rest)

    def _once_only(self, changes: Sequence[Change]) -> Sent:
        return self._told(shopify_documents.SET_UNITS, self._quantities(changes), "inventorySetQuantities", self._units_judged)

    def _quantities(self, changes: Sequence[Change]) -> dict[str, Any]:
        told = [
            {"inventoryItemId": one.ware.more["item"], "locationId": self._place, "quantity": one.units,
             "changeFromQuantity": one.ware.units}
            for one in changes
        ]  # fmt: skip
        return {"input": {"name": "available", "reason": REASON, "quantities": told}, "key": str(uuid.uuid4())}

    def _units_judged(self, told: Mapping[str, Any], errors: Errors) -> Sent:
        if any(one.get("code") == UNDER_WAY for one in errors):
            return stores.unknown("", self.host)
        if errors:
            words = shopify_words.of_user_errors(errors, self.caller, "Shopify did not take the units")
            return Sent("refused", "", problem=words.problem, answer=errors)
        return Sent("sent", "") if "inventoryAdjustmentGroup" in told else stores.unknown("", self.host)

    def _set_prices(self, product: str, changes: Sequence[Change]) -> Ends:
        wanted = [{"id": f"{VARIANT}{one.ware.their_id}", "price": money(one.price or 0)} for one in changes]
        told = {"product": product, "variants": wanted}
        sent = self._told(shopify_documents.SET_PRICES, told, "productVariantsBulkUpdate", self._prices_judged)
        bad = _pointed(sent.answer, "variants", len(changes)) if sent.outcome == "refused" else {}
        ended = {}
        for at, one in enumerate(changes):
            kept = bool(bad) and at not in bad
            ended[one.ware.their_id, PRICE] = Sent("sent", "") if kept else self._refusal(bad[at]) if at in bad else sent
        return ended

    def _prices_judged(self, told: Mapping[str, Any], errors: Errors) -> Sent:
        if errors:
            words = shopify_words.of_user_errors(errors, self.caller, "Shopify did not take the price")
            return Sent("refused", "", problem=words.problem, answer=errors)
        return Sent("sent", "") if isinstance(told.get("productVariants"), list) else stores.unknown("", self.host)

    def _refusal(self, error: Mapping[str, Any]) -> Sent:
        problem = shopify_words.of_user_errors([error], self.caller, "Shopify did not take it").problem
        return Sent("not_sent" if error.get("code") == STALE else "refused", "", problem=problem)

    def _told(self, document: str, variables: Mapping[str, Any], name: str, judge: shopify_writes.Judge) -> Sent:
        """The mutation, again where Shopify did nothing as its limit was used up or a token had ended."""
        waited, renewed = 0.0, False
        while True:
            seconds = self.graph.bucket.seconds()
            wait(min(seconds, LONGEST_WAIT), self.progress, None)
            sent = shopify_writes.once(self.graph, document, variables, name, "", judge)
            if sent.status == 401 and self.graph.auth.fetches_token and not renewed:
                renewed = True
                self.graph.auth.renew(self.caller)
                continue
            if sent.outcome != "not_sent" or sent.status != THROTTLED or waited > LONGEST_WAIT:
                return sent
            seconds = max(self.graph.bucket.seconds(), 1.0)
            waited += seconds
            wait(min(seconds, LONGEST_WAIT), self.progress, None)


def _pointed(errors: Any, name: str, count: int) -> dict[int, Mapping[str, Any]]:
    """The errors by the place of the input that they point at; none where one of them points at none."""
    found: dict[int, Mapping[str, Any]] = {}
    for error in errors or ():
        path = [str(one) for one in error.get("field") or ()]
        at = path[path.index(name) + 1] if name in path and path.index(name) + 1 < len(path) else ""
        if not at.isdigit() or int(at) >= count:
            return {}
        found[int(at)] = error
    return found


def _ware(one: Mapping[str, Any]) -> Ware:
    item = one.get("inventoryItem") or {}
    level = item.get("inventoryLevel") or {}
    found = [stores.units(told.get("quantity")) for told in level.get("quantities") or () if told.get("name") == "available"]
    barred = ""
    if item.get("tracked") is not True:
        barred = "The store does not track its units. Turn on Track quantity for it in Shopify."
    elif not found or level.get("isActive") is False:
        barred = "It is not stocked at the chosen location. Stock it there in Shopify first."
    more = {"item": str(item.get("id")), "product": str((one.get("product") or {}).get("id"))}
    return Ware(
        str(one.get("id")).removeprefix(VARIANT), str(one.get("sku")), found[0] if found else None, stores.amount(one.get("price")), barred,
        stores.units(item.get("duplicateSkuCount")) > 0, more,
    )  # fmt: skip
