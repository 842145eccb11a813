"""What PromoStandards' Order Shipment Notification 2.0.0 tells of parcels, as rows: reference, tracking number, carrier, date, SKU, units.

notifications of one order ─▶ sales orders ─▶ places it ships to ─▶ packages ─▶ items ─▶ rows      what is not certain is said instead
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from portal.connectors.store_tracking import Placed

Item = Mapping[str, Any]
Say = Callable[[str, str], None]

SHAPE = "promostandards"
"""The "tracking" of a supplier's file whose get_shipments is read so."""
UNIT = "EA"
"""The one unit of measure that we order in, so the one that counts as ours; DZ, PK and others do not say how many of ours they are."""
_BY_HAND = "Nothing of it was recorded; add it by hand."


def rows(message: Any, orders: Sequence[Placed], whole: bool, say: Say) -> list[dict[str, Any]]:
    """Rows named as our fields. `whole`: the answer tells all parcels of its orders, so that what is complete can be compared."""
    by_reference = {one.reference: one for one in orders}
    packages: dict[str, list[Item]] = {}
    complete: dict[str, bool] = {}
    for notice in _each(message, "OrderShipmentNotificationArray", "OrderShipmentNotification"):
        reference = _text(notice, "purchaseOrderNumber")
        packages.setdefault(reference, []).extend(
            package
            for sales in _each(notice, "SalesOrderArray", "SalesOrder")
            for shipment in _each(sales, "ShipmentArray", "Shipment")
            for package in _each(shipment, "PackageArray", "Package")
        )
        in_full = _text(notice, "purchaseOrderShippedInFull").casefold() in ("true", "1")
        complete[reference] = complete.get(reference, False) or in_full
    found: list[dict[str, Any]] = []
    for reference, parcels in packages.items():
        mine = [row for package in parcels for row in _rows(reference, package, complete[reference] and len(parcels) == 1, say)]
        order = by_reference.get(reference)
        if whole and complete[reference] and order is not None and order.units and all(row["sku"] for row in mine):
            told = sum(int(row["quantity"]) for row in mine)
            if told < order.units:
                words = f"they say that all of it has shipped, and tell {told:,} of {order.units:,} units in parcels. Ask them."
                say(f"{reference}: {words}", "warning")
        found += mine
    return found


def _rows(reference: str, package: Item, all_of_it: bool, say: Say) -> Iterator[dict[str, Any]]:
    """`all_of_it`: it is the only parcel of an order that is complete, so that it holds everything even where it names no items."""
    number = _text(package, "trackingNumber")
    if not number:
        say(f"{reference}: a parcel has no tracking number yet. It is read once it has one.", "info")
        return
    freight = package.get("FreightDetails")
    carrier = _text(freight, "carrier") if isinstance(freight, Mapping) else ""
    row = {"order_reference": reference, "tracking_number": number, "carrier": carrier, "shipped_at": _text(package, "shipmentDate")[:10]}
    items = list(_each(package, "ItemArray", "Item"))
    if not items and all_of_it:
        yield row | {"sku": "", "quantity": ""}
    elif not items:
        say(f"{reference}: they do not tell what is in parcel {number}. {_BY_HAND}", "warning")
    lines = [(_text(item, "supplierPartId") or _text(item, "supplierProductId"), item.get("Quantity")) for item in items]
    counts = [(sku, _units(quantity)) for sku, quantity in lines]
    odd = next(((sku, lines[n][1]) for n, (sku, units) in enumerate(counts) if not sku or units is None), None)
    if odd is not None:
        quantity = odd[1] if isinstance(odd[1], Mapping) else {}
        words = f"“{_text(quantity, 'value')} {_text(quantity, 'uom')}” of {odd[0] or 'an item without a number'}"
        say(f"{reference}: parcel {number} holds {words[:120]}, which is no count of single units. {_BY_HAND}", "warning")
        return
    for sku, units in counts:
        yield row | {"sku": sku, "quantity": str(units)}


def _units(quantity: Any) -> int | None:
    """Whole single units; None for anything else."""
    if not isinstance(quantity, Mapping) or _text(quantity, "uom").upper() not in ("", UNIT):
        return None
    try:
        value = Decimal(_text(quantity, "value"))
    except InvalidOperation:
        return None
    return int(value) if value.is_finite() and value == value.to_integral_value() and 0 < value < 10**9 else None


def _each(message: Any, *names: str) -> Iterator[Item]:
    """The parts that a path leads to: one or a list."""
    found = message
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    for one in found if isinstance(found, list) else [found]:
        if isinstance(one, Mapping):
            yield one


def _text(part: Any, name: str) -> str:
    value = part.get(name) if isinstance(part, Mapping) else None
    return value.strip() if isinstance(value, str) else ""
