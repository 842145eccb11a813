"""A BigCommerce store as a channel: V2 orders with their products and shipping addresses; a shipment for each tracking number.

Order states and shipments: developer.bigcommerce.com, "Orders V2" (a shipment has one tracking number of at most 50 characters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.connectors import stores
from portal.connectors.sending import Sent
from portal.connectors.store_rest import RestStore
from portal.connectors.stores import Parcel, StoreLine, StoreOrder, Told, amount, units

PROVIDERS = {
    "usps": "usps", "fedex": "fedex", "ups": "ups", "australia_post": "auspost", "canada_post": "canadapost", "royal_mail": "royalmail",
}  # fmt: skip
"""Carriers that BigCommerce makes tracking links for by itself."""
LONGEST_NUMBER = 50


class BigCommerceStore(RestStore):
    """One store by its V2 API."""

    state_field = "status_id"

    def read(self, order: Mapping[str, Any]) -> StoreOrder:
        """Its products and addresses are read only where it is to be taken. Raises SupplierError."""
        ref, state = str(order.get("id")), "gone" if order.get("is_deleted") is True else self.state_of(order)
        changed, placed = stores.times(order, "date_modified", "date_created")
        if state != "take":
            return StoreOrder(ref, ref, state, changed, placed)
        places, billing = self.items(f"/v2/orders/{ref}/shipping_addresses"), order.get("billing_address") or {}
        lines = [_line(one) for one in self.every(f"/v2/orders/{ref}/products", "limit", 250) if one.get("type") != "digital"]
        many = f"It goes to {len(places)} addresses. An order here has one." if len(places) > 1 else ""
        return StoreOrder(
            ref, ref, state, changed, placed, lines, _address(places[0] if places else billing), _address(billing),
            str(places[0].get("shipping_method") or "") if places else "", "", str(order.get("customer_message") or ""),
            str(order.get("currency_code") or "USD"), amount(order.get("total_inc_tax")), many,
        )  # fmt: skip

    def trackings(self, ref: str) -> list[Told]:
        """See stores.Store."""
        found = self.every(f"/v2/orders/{ref}/shipments", "limit", 250)
        return [Told(str(one.get("tracking_number") or ""), str(one.get("id")), _items(one)) for one in found]

    def fulfil(self, ref: str, parcel: Parcel) -> Sent:
        """See stores.Store. The address of the shipment is that of its products."""
        if len(parcel.number) > LONGEST_NUMBER:
            return _too_long(parcel)
        products = {str(one.get("id")): one for one in self.every(f"/v2/orders/{ref}/products", "limit", 250)}
        lost = [line for line, count in parcel.lines.items() if line not in products or _left(products[line]) < count]
        if lost or not parcel.lines:
            body = "The order has fewer units left to ship in the store than were shipped. Somebody may have shipped it there already."
            return stores.refused(parcel.number, "The store has nothing left to ship of it", body)
        items = [{"order_product_id": int(line), "quantity": count} for line, count in parcel.lines.items()]
        body_of = {"order_address_id": products[next(iter(parcel.lines))].get("order_address_id"), **_tracking(parcel), "items": items}
        return self.once("POST", f"/v2/orders/{ref}/shipments", body_of, parcel.number)

    def correct(self, ref: str, old: Told, parcel: Parcel) -> Sent:
        """See stores.Store."""
        if len(parcel.number) > LONGEST_NUMBER:
            return _too_long(parcel)
        return self.once("PUT", f"/v2/orders/{ref}/shipments/{old.their_id}", _tracking(parcel), parcel.number)

    def finish(self, ref: str) -> str:  # noqa: ARG002
        """BigCommerce marks an order shipped by itself."""
        return ""


def _too_long(parcel: Parcel) -> Sent:
    body = f"{parcel.number} has {len(parcel.number)} characters, and BigCommerce takes {LONGEST_NUMBER}. Nothing was sent."
    return stores.refused(parcel.number, "The tracking number is too long for the store", body)


def _tracking(parcel: Parcel) -> dict[str, Any]:
    provider = PROVIDERS.get(parcel.carrier_key, "")
    told = {"tracking_number": parcel.number, "shipping_provider": provider, "tracking_carrier": provider}
    return told | ({"tracking_link": parcel.link} if parcel.link and not provider else {})


def _line(one: Mapping[str, Any]) -> StoreLine:
    price = amount(one.get("price_ex_tax") or one.get("base_price"))
    ordered = units(one.get("quantity")) - units(one.get("quantity_refunded"))
    return StoreLine(str(one.get("id")), str(one.get("sku") or ""), str(one.get("name") or ""), _left(one), ordered, price)


def _left(one: Mapping[str, Any]) -> int:
    return units(one.get("quantity")) - units(one.get("quantity_shipped")) - units(one.get("quantity_refunded"))


def _items(shipment: Mapping[str, Any]) -> dict[str, int]:
    return {str(one.get("order_product_id")): units(one.get("quantity")) for one in shipment.get("items") or ()}


def _address(told: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "first_name": "first_name", "last_name": "last_name", "company": "company", "address_1": "street_1", "address_2": "street_2",
        "city": "city", "state": "state", "postal": "zip", "country": "country", "country_code": "country_iso2", "email": "email",
        "phone": "phone",
    }  # fmt: skip
    return {ours: told.get(theirs) for ours, theirs in names.items()}
