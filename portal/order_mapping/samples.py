"""A fixed order of two lines, so that a layout can be shown before the first real order."""

from __future__ import annotations

from datetime import date
from typing import Any

_STORE_IDS = {"Shopify variant": "gid://shopify/ProductVariant/4005", "BigCommerce product": "112", "BigCommerce variant": "77"}

_ORDER: dict[str, Any] = {
    "po_number": "PO-10442",
    "po_date": date(2026, 11, 23),
    "order_number": "112-4410273-9918",
    "customer_reference": "Gift for Ana",
    "ship_name": "Ana Müller",
    "ship_first_name": "Ana",
    "ship_last_name": "Müller",
    "ship_company": "Müller, Reyes & Co.",
    "ship_address_1": "1200 Harbor View Rd, Apt 5",
    "ship_address_2": None,
    "ship_city": "Portland",
    "ship_state": "OR",
    "ship_state_code": "OR",
    "ship_state_name": "Oregon",
    "ship_postal": "04101",
    "ship_country": "US",
    "ship_country_name": "United States",
    "ship_phone": "+1 503 555 0142",
    "ship_email": "ana@example.com",
    "shipping_code": "UPSGND",
    "carrier": "UPS",
    "method": "Ground",
    "cancel_after": date(2026, 12, 7),
    "order_total": 308_700,
    "currency": "USD",
    "note": 'Leave at the "blue" door',
}

SAMPLE_ORDER: tuple[dict[str, Any], ...] = (
    {
        **_ORDER, "line_number": 1, "sku": "000117", "upc": "036000291452", "mpn": "HX-5/8", "title": 'Hex bolt 5/8", zinc',
        "quantity": 12, "unit_cost": 4_900, "line_total": 58_800, "custom": _STORE_IDS,
    },
    {
        **_ORDER, "line_number": 2, "sku": "KS-88214", "upc": "4006381333931", "mpn": "88214", "title": "Work lamp, 20 W",
        "quantity": 1, "unit_cost": 249_900, "line_total": 249_900, "custom": _STORE_IDS,
    },
)  # fmt: skip
