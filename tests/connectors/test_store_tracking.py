"""Parcels of orders that we placed in stores: what each way of telling becomes, and what is said instead of guessed."""

from __future__ import annotations

from typing import Any

from portal.connectors import store_tracking
from portal.connectors.store_tracking import Placed

UPS, AMAZON = "1Z999AA10123456784", "TBA000000000001"
ORDERS = [Placed("14", "PO-1")]


def told(names: list[str], answers: dict[str, Any], orders: list[Placed] = ORDERS) -> tuple[list[tuple[str, ...]], list[str]]:
    """(number, SKU, units) of each row, and what was said, of a WooCommerce store."""
    said: list[str] = []
    rows = list(store_tracking.woocommerce(orders, names, answers.get, said.append))
    return [(row["tracking_number"], row["sku"], row["quantity"]) for row in rows], said


def test_woocommerces_own_fulfillments_name_their_lines() -> None:
    meta = {"_items": [{"item_id": 31, "qty": 2}], "_tracking_number": UPS, "_shipping_provider": "ups", "_date_fulfilled": "2026-11-26"}
    one = {"id": 1, "is_fulfilled": True, "meta_data": [{"key": key, "value": value} for key, value in meta.items()]}
    answers = {
        "/wp-json/wc/v3/orders/14/fulfillments": [one, {**one, "is_fulfilled": False}],
        "/wp-json/wc/v3/orders/14": {"line_items": [{"id": 31, "sku": "SH-S"}]},
    }
    rows, said = told(["wc/v3", "/wc/v3/orders/(?P<order_id>[\\d]+)/fulfillments"], answers)
    assert rows == [(UPS, "SH-S", "2")] and said == ["The store tells tracking numbers by WooCommerce's own fulfillments."]


def test_without_a_plugin_the_orders_meta_data_is_read() -> None:
    item = {"tracking_provider": "ups", "tracking_number": UPS, "date_shipped": "1764115200"}
    whole = {"meta_data": [{"key": "_wc_shipment_tracking_items", "value": [item]}]}
    rows, said = told(["wc/v3"], {"/wp-json/wc/v3/orders/14": whole})
    assert rows == [(UPS, "", "")] and "each order's meta data" in said[0]
    assert told(["wc/v3"], {"/wp-json/wc/v3/orders/14": {"meta_data": []}})[0] == []


def test_several_numbers_that_name_no_lines_are_a_persons() -> None:
    two = {"/wp-json/wc-ast/v3/orders/14/shipment-trackings": [{"tracking_number": UPS}, {"tracking_number": AMAZON}]}
    rows, said = told(["wc/v3", "wc-ast/v3"], two)
    assert rows == [] and "the namespace wc-ast/v3" in said[0] and UPS in said[1] and "add them by hand" in said[1]
    assert told(["wc-ast/v3"], two, [Placed("14", "PO-1", done=True)])[1][1:] == [], "once a person did, nothing is said"


def test_a_line_that_the_store_does_not_name_keeps_its_parcel_out() -> None:
    said: list[str] = []
    answers = {
        "/v2/orders/14/shipments?limit=250": [{"tracking_number": UPS, "items": [{"order_product_id": 1, "quantity": 1}]}],
        "/v2/orders/14/products?limit=250": [{"id": 1, "sku": ""}],
    }
    assert list(store_tracking.bigcommerce(ORDERS, answers.get, said.append)) == [] and "does not name each SKU" in said[0]


def test_a_shopify_parcel_of_several_numbers_counts_its_lines_once() -> None:
    lines = {"nodes": [{"quantity": 2, "lineItem": {"sku": "LAMP"}}], "pageInfo": {"hasNextPage": False}}
    parcel = {"status": "SUCCESS", "createdAt": "2026-11-26T15:04:05Z", "trackingInfo": [{"number": UPS}, {"number": AMAZON}]}
    node = {"fulfillments": [{**parcel, "fulfillmentLineItems": lines}, {**parcel, "status": "FAILURE", "fulfillmentLineItems": lines}]}
    said: list[str] = []
    rows = list(store_tracking.shopify(ORDERS, lambda _: node, said.append))
    assert [(row["tracking_number"], row["quantity"]) for row in rows] == [(UPS, "2")] and AMAZON in said[0]
    assert list(store_tracking.shopify(ORDERS, lambda _: None, said.append)) == [] and "has no order 14" in said[1]
