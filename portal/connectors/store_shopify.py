"""A Shopify store as a channel: orders by the moment of change, a fulfillment for each tracking number.

orders ─▶ lines ─▶ StoreOrder        left to fulfil ─▶ units onto fulfillment orders ─▶ fulfillmentCreate, once ─▶ Sent
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any

from portal.connectors import problems, shopify_documents, shopify_words, shopify_writes, stores
from portal.connectors.caller import unwatched
from portal.connectors.sending import Sent
from portal.connectors.shopify import ShopifyConnector
from portal.connectors.stores import Parcel, StoreLine, StoreOrder, Told, amount, units

PAID = frozenset({"PAID", "PARTIALLY_REFUNDED"})
UNSHIPPED = frozenset({"UNFULFILLED", "PARTIALLY_FULFILLED"})
OPEN = frozenset({"OPEN", "IN_PROGRESS"})
"""States of a fulfillment order of which something may be fulfilled."""
LIVING = frozenset({"SUCCESS", "OPEN", "PENDING"})
ORDERS_AT_ONCE = 10
MOST_PAGES = 10_000
_ORDER, _LINE = "gid://shopify/Order/", "gid://shopify/LineItem/"


class ShopifyStore:
    """One store. A `ref` is the number of an order or a line in its id, so that it is short enough to be read."""

    place = "the order's fulfillments"

    def __init__(self, connector: ShopifyConnector) -> None:
        self.graph = connector.graph
        self.caller = connector.graph.caller
        self.host = str(self.graph.settings.get("shop") or "the store")

    def changed(self, since: datetime) -> Iterator[list[StoreOrder]]:
        """See stores.Store."""
        asked: dict[str, Any] = {"first": ORDERS_AT_ONCE, "after": None, "filter": f"updated_at:>='{stores.iso(since)}'"}
        for _ in range(MOST_PAGES):
            reply = self.graph.read(shopify_documents.CHANGED_ORDERS, asked, unwatched)
            if "MAX_COST_EXCEEDED" in reply.codes and asked["first"] > 1:
                asked["first"] //= 2
                continue
            page = self.graph.whole(reply).get("orders")
            yield [self._read(one) for one in _nodes(page)]
            if (after := _next(page)) is None:
                return
            if after == asked["after"]:
                raise problems.protocol_error("The list has no end", "A page leads back to itself. What came is kept.")
            asked["after"] = after

    def _read(self, order: Mapping[str, Any]) -> StoreOrder:
        ref, state = str(order.get("legacyResourceId")), _state(order)
        changed, placed = stores.times(order, "updatedAt", "createdAt")
        if state != "take":
            return StoreOrder(ref, str(order.get("name") or ref), state, changed, placed)
        found = self._all(order.get("lineItems"), lambda after: self._order(shopify_documents.ORDER_LINES, ref, after, "lineItems"))
        lines = [_line(one) for one in found if one.get("requiresShipping") is not False]
        money, line = (order.get("currentTotalPriceSet") or {}).get("shopMoney") or {}, order.get("shippingLine") or {}
        contact = {"email": order.get("email"), "phone": order.get("phone")}
        return StoreOrder(
            ref, str(order.get("name") or ref), state, changed, placed, lines, _address(order.get("shippingAddress"), contact),
            _address(order.get("billingAddress"), contact), str(line.get("title") or ""), str(order.get("poNumber") or ""),
            str(order.get("note") or ""), str(order.get("currencyCode") or "USD"), amount(money.get("amount")),
            "It is a test order of the store: nothing of it was paid." if order.get("test") else "",
        )  # fmt: skip

    def _order(self, document: str, ref: str, after: str | None, part: str) -> Any:
        asked = {"id": f"{_ORDER}{ref}"} | ({} if after is None else {"after": after})
        return (self.graph.whole(self.graph.read(document, asked, unwatched)).get("order") or {}).get(part)

    def _all(self, page: Any, more: Callable[[str], Any]) -> list[Mapping[str, Any]]:
        """All nodes of a connection of which the first page is there."""
        found = _nodes(page)
        while (after := _next(page)) is not None:
            page = more(after)
            found = [*found, *_nodes(page)]
        return found

    def trackings(self, ref: str) -> list[Told]:
        """See stores.Store. What was canceled or failed in the store does not count."""
        parcels = self._order(shopify_documents.ORDER_TRACKINGS, ref, None, "fulfillments")
        if not isinstance(parcels, list):
            raise problems.protocol_error("The answer cannot be read", f"The store does not know order {ref}, or does not show it to us.")
        return [told for one in parcels if one.get("status") in LIVING for told in self._told(one)]

    def _told(self, parcel: Mapping[str, Any]) -> list[Told]:
        def more(after: str) -> Any:
            asked = {"id": parcel.get("id"), "after": after}
            found = self.graph.whole(self.graph.read(shopify_documents.PARCEL_LINES, asked, unwatched))
            return (found.get("fulfillment") or {}).get("fulfillmentLineItems")

        lines: dict[str, int] = {}
        for one in self._all(parcel.get("fulfillmentLineItems"), more):
            line = str((one.get("lineItem") or {}).get("id")).removeprefix(_LINE)
            lines[line] = lines.get(line, 0) + units(one.get("quantity"))
        numbers = [str(one.get("number") or "") for one in parcel.get("trackingInfo") or ()]
        return [Told(number, str(parcel.get("id")), lines) for number in numbers]

    def fulfil(self, ref: str, parcel: Parcel) -> Sent:
        """See stores.Store."""
        onto = self._placed(ref, parcel.lines)
        if onto is None:
            body = (
                "Of some line the store has fewer units open than were shipped: it was fulfilled, canceled or put on hold there, "
                "or another app fulfills it."
            )
            return stores.refused(parcel.number, "The store has nothing left to fulfil of it", body)
        told = {"lineItemsByFulfillmentOrder": onto, "trackingInfo": _tracking(parcel), "notifyCustomer": parcel.notify}
        return self._once(shopify_documents.FULFIL, {"fulfillment": told}, "fulfillmentCreate", parcel.number)

    def _placed(self, ref: str, wanted: Mapping[str, int]) -> list[dict[str, Any]] | None:
        """Units of lines onto what is open of fulfillment orders; None where there is too little."""
        left, onto = {line: count for line, count in wanted.items() if count > 0}, []
        first = self._order(shopify_documents.LEFT_TO_FULFIL, ref, None, "fulfillmentOrders")
        for one in self._all(first, lambda after: self._order(shopify_documents.LEFT_TO_FULFIL, ref, after, "fulfillmentOrders")):
            if one.get("status") not in OPEN:
                continue
            taken = []
            for part in self._all(one.get("lineItems"), partial(self._more_of, one)):
                line = str((part.get("lineItem") or {}).get("id")).removeprefix(_LINE)
                count = min(left.get(line, 0), units(part.get("remainingQuantity")))
                if count > 0:
                    left[line] -= count
                    taken.append({"id": part.get("id"), "quantity": count})
            onto += [{"fulfillmentOrderId": one.get("id"), "fulfillmentOrderLineItems": taken}] if taken else []
        return onto if onto and not any(left.values()) else None

    def _more_of(self, one: Mapping[str, Any], after: str) -> Any:
        found = self.graph.whole(self.graph.read(shopify_documents.MORE_TO_FULFIL, {"id": one.get("id"), "after": after}, unwatched))
        return (found.get("fulfillmentOrder") or {}).get("lineItems")

    def correct(self, ref: str, old: Told, parcel: Parcel) -> Sent:  # noqa: ARG002
        """See stores.Store."""
        asked = {"id": old.their_id, "tracking": _tracking(parcel), "notify": parcel.notify}
        return self._once(shopify_documents.CORRECT_TRACKING, asked, "fulfillmentTrackingInfoUpdate", parcel.number)

    def finish(self, ref: str) -> str:  # noqa: ARG002
        """Shopify marks an order fulfilled by itself."""
        return ""

    def _once(self, document: str, variables: Mapping[str, Any], name: str, reference: str) -> Sent:
        return shopify_writes.once(self.graph, document, variables, name, reference, partial(self._judged, reference))

    def _judged(self, reference: str, told: Mapping[str, Any], errors: shopify_writes.Errors) -> Sent:
        made = told.get("fulfillment")
        if errors and made is None:
            words = shopify_words.of_user_errors(errors, self.graph.caller, "Shopify did not take the tracking number")
            return Sent("refused", reference, problem=words.problem)
        their_id = made.get("id") if isinstance(made, Mapping) else None
        return Sent("sent", reference, str(their_id)) if their_id else stores.unknown(reference, self.host)


def _state(order: Mapping[str, Any]) -> str:
    if order.get("cancelledAt"):
        return "gone"
    open_ = order.get("displayFinancialStatus") in PAID and order.get("displayFulfillmentStatus") in UNSHIPPED
    return "take" if open_ else "wait"


def _line(one: Mapping[str, Any]) -> StoreLine:
    money = (one.get("discountedUnitPriceSet") or {}).get("shopMoney") or {}
    return StoreLine(
        str(one.get("id")).removeprefix(_LINE), str(one.get("sku") or ""), str(one.get("name") or ""),
        units(one.get("unfulfilledQuantity")), units(one.get("currentQuantity")), amount(money.get("amount")),
    )  # fmt: skip


def _address(told: Any, contact: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(told, Mapping):
        return {}
    names = {
        "name": "name", "first_name": "firstName", "last_name": "lastName", "company": "company", "address_1": "address1",
        "address_2": "address2", "city": "city", "state": "province", "state_code": "provinceCode", "postal": "zip",
        "country": "country", "country_code": "countryCodeV2", "phone": "phone",
    }  # fmt: skip
    found = {ours: told.get(theirs) for ours, theirs in names.items()}
    return found | {"email": contact.get("email"), "phone": found["phone"] or contact.get("phone")}


def _tracking(parcel: Parcel) -> dict[str, Any]:
    told = {"number": parcel.number, "company": parcel.carrier, "url": parcel.link}
    return {key: text for key, text in told.items() if text}


def _nodes(page: Any) -> list[Mapping[str, Any]]:
    nodes = page.get("nodes") if isinstance(page, Mapping) else None
    if not isinstance(nodes, list) or not all(isinstance(one, Mapping) for one in nodes):
        raise problems.protocol_error("The answer cannot be read", "A list that we asked for is not in it. What came before is kept.")
    return nodes


def _next(page: Any) -> str | None:
    ends = page.get("pageInfo") if isinstance(page, Mapping) else None
    if not isinstance(ends, Mapping):
        raise problems.protocol_error("The answer cannot be read", "A page does not say whether there is another one.")
    return str(ends["endCursor"]) if ends.get("hasNextPage") and ends.get("endCursor") else None
