"""A WooCommerce store as a channel. Tracking numbers go where the store keeps them: a plugin, WooCommerce itself, or a note to the buyer.

Shipment Tracking: woocommerce.com/document/shipment-tracking (REST: GET, POST and DELETE of shipment-trackings); Advanced Shipment
Tracking has the same under wc-ast/v3; fulfillments of WooCommerce itself keep what they are of in meta data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from portal.connectors import probing, stores
from portal.connectors.api_auth import address
from portal.connectors.sending import Sent
from portal.connectors.store_rest import RestStore
from portal.connectors.stores import Parcel, StoreLine, StoreOrder, Told, amount, units

PLUGINS = {"Shipment Tracking": "wc-shipment-tracking/v3", "Advanced Shipment Tracking": "wc-ast/v3"}
CORE = "WooCommerce itself"


class WooCommerceStore(RestStore):
    """One store by its REST API v3."""

    @cached_property
    def keeps(self) -> str:
        """Where it keeps tracking numbers: a name of PLUGINS, CORE, or "" for nowhere but in notes."""
        there = probing.probe(self.settings, address(self.settings, self.text("probe_path")), self.connector.ask)[1]
        return there[0] if there else ""

    @property
    def place(self) -> str:  # type: ignore[override]
        """In words."""
        return self.keeps or "a note to the buyer, as no plugin of the store keeps tracking numbers"

    def read(self, order: Mapping[str, Any]) -> StoreOrder:
        """Its refunds are read only where there are some. Raises SupplierError."""
        ref, state = str(order.get("id")), self.state_of(order)
        changed, placed = stores.times(order, "date_modified_gmt", "date_created_gmt")
        if state != "take":
            return StoreOrder(ref, str(order.get("number") or ref), state, changed, placed)
        gone = self._refunded(ref) if order.get("refunds") else {}
        billing, shipping = order.get("billing") or {}, order.get("shipping") or {}
        ways = [str(one.get("method_title") or "") for one in order.get("shipping_lines") or ()]
        return StoreOrder(
            ref, str(order.get("number") or ref), state, changed, placed, [_line(one, gone) for one in order.get("line_items") or ()],
            _address({**billing, **shipping} if shipping.get("address_1") else billing), _address(billing),
            ", ".join(filter(None, ways)), "", str(order.get("customer_note") or ""), str(order.get("currency") or "USD"),
            amount(order.get("total")),
        )  # fmt: skip

    def _refunded(self, ref: str) -> dict[str, int]:
        gone: dict[str, int] = {}
        for refund in self.every(f"/wp-json/wc/v3/orders/{ref}/refunds", "per_page", 100):
            for line in refund.get("line_items") or ():
                of = next((str(one.get("value")) for one in line.get("meta_data") or () if one.get("key") == "_refunded_item_id"), "")
                gone[of] = gone.get(of, 0) + abs(units(line.get("quantity")))
        return gone

    def trackings(self, ref: str) -> list[Told]:
        """See stores.Store. Of notes those count in which we put a tracking number."""
        if self.keeps in PLUGINS:
            found = self.items(f"{self._plugin(ref)}")
            return [Told(str(one.get("tracking_number") or ""), str(one.get("tracking_id") or "")) for one in found]
        if self.keeps == CORE:
            return [_fulfillment(one) for one in self.items(self._core(ref))]
        notes = self.items(self._notes(ref), type="customer")
        return [Told(word, str(one.get("id"))) for one in notes for word in _numbers(str(one.get("note") or ""))]

    def fulfil(self, ref: str, parcel: Parcel) -> Sent:
        """See stores.Store."""
        if self.keeps in PLUGINS:
            return self.once("POST", self._plugin(ref), _tracking(parcel, self.keeps), parcel.number, "tracking_id")
        if self.keeps == CORE:
            return self.once("POST", self._core(ref), _fulfilled(parcel), parcel.number)
        carrier = f" with {parcel.carrier}" if parcel.carrier else ""
        return self._note(ref, parcel, f"Your parcel is on its way{carrier}. {_MARK}{parcel.number}")

    def correct(self, ref: str, old: Told, parcel: Parcel) -> Sent:
        """See stores.Store. A plugin cannot change a number, so the old one goes first: whatever is lost then, the new one is still due."""
        if self.keeps in PLUGINS:
            gone = self.once("DELETE", f"{self._plugin(ref)}/{old.their_id}", None, parcel.number, "")
            return self.fulfil(ref, parcel) if gone.outcome == "sent" or gone.status == 404 else gone
        if self.keeps == CORE:
            return self.once("PUT", f"{self._core(ref)}/{old.their_id}", {"meta_data": _meta(parcel)}, parcel.number)
        return self._note(ref, parcel, f"The tracking number of your parcel was corrected, {old.number} is wrong. {_MARK}{parcel.number}")

    def _note(self, ref: str, parcel: Parcel, words: str) -> Sent:
        told = {"note": f"{words} {parcel.link}".strip(), "customer_note": True}
        return self.once("POST", self._notes(ref), told, parcel.number)

    def finish(self, ref: str) -> str:
        """WooCommerce leaves an order in processing until somebody says that it is completed; saying it again changes nothing."""
        done = self.once("PUT", f"/wp-json/wc/v3/orders/{ref}", {"status": "completed"}, ref)
        return "The order is completed in the store." if done.outcome == "sent" else "The order could not be completed in the store."

    def _plugin(self, ref: str) -> str:
        return f"/wp-json/{PLUGINS[self.keeps]}/orders/{ref}/shipment-trackings"

    @staticmethod
    def _core(ref: str) -> str:
        return f"/wp-json/wc/v3/orders/{ref}/fulfillments"

    @staticmethod
    def _notes(ref: str) -> str:
        return f"/wp-json/wc/v3/orders/{ref}/notes"


_MARK = "Tracking number: "


def _numbers(note: str) -> list[str]:
    return [part.split()[0].rstrip(".") for part in note.split(_MARK)[1:] if part.split()]


def _tracking(parcel: Parcel, plugin: str) -> dict[str, Any]:
    named = {"custom_tracking_provider": parcel.carrier, "custom_tracking_link": parcel.link}
    carrier = named if plugin == "Shipment Tracking" else {"tracking_provider": parcel.carrier, "custom_tracking_link": parcel.link}
    shipped = {"date_shipped": f"{parcel.shipped_at:%Y-%m-%d}"} if parcel.shipped_at else {}
    return {"tracking_number": parcel.number, **{key: text for key, text in carrier.items() if text}, **shipped}


def _meta(parcel: Parcel) -> list[dict[str, Any]]:
    told = {"_tracking_number": parcel.number, "_shipping_provider": parcel.carrier, "_tracking_url": parcel.link}
    return [{"key": key, "value": value} for key, value in told.items() if value]


def _fulfilled(parcel: Parcel) -> dict[str, Any]:
    items = [{"item_id": int(line), "qty": count} for line, count in parcel.lines.items()]
    return {"status": "fulfilled", "is_fulfilled": True, "meta_data": [{"key": "_items", "value": items}, *_meta(parcel)]}


def _fulfillment(one: Mapping[str, Any]) -> Told:
    meta = {str(part.get("key")): part.get("value") for part in one.get("meta_data") or () if isinstance(part, Mapping)}
    items = {str(part.get("item_id")): units(part.get("qty")) for part in meta.get("_items") or () if isinstance(part, Mapping)}
    return Told(str(meta.get("_tracking_number") or ""), str(one.get("id")), items)


def _line(one: Mapping[str, Any], refunded: Mapping[str, int]) -> StoreLine:
    ref = str(one.get("id"))
    left = units(one.get("quantity")) - refunded.get(ref, 0)
    return StoreLine(ref, str(one.get("sku") or ""), str(one.get("name") or ""), left, left, amount(one.get("price")))


def _address(told: Mapping[str, Any]) -> dict[str, Any]:
    names = ("first_name", "last_name", "company", "address_1", "address_2", "city", "email", "phone")
    others = {"state": told.get("state"), "postal": told.get("postcode"), "country_code": told.get("country")}
    return {name: told.get(name) for name in names} | others
