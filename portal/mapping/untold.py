"""What an item of a file of changes does not mention: fields that are left as they are, unlike those that it gives empty."""

from __future__ import annotations

from collections.abc import Collection

from portal.mapping.rules import Rules

CUSTOM, WAREHOUSE = "custom ", "warehouse "
"""What stands before the name of a custom field or a warehouse; all else are keys of INVENTORY_COLUMNS."""
_UNITS = {"weight": ("weight_unit",), "length": (), "width": (), "height": ()}


def untold(rules: Rules, absent: Collection[str]) -> tuple[str, ...]:
    """The fields all of whose columns are absent; of custom fields and warehouses each by its name. The SKU never is."""
    fields = {key: rule for key, rule in (rules.get("fields") or {}).items() if rule.get("columns") and key != "sku"}
    found = [key for key, rule in fields.items() if set(rule["columns"]) <= {*absent}]
    if "quantity" in found and rules.get("warehouse_rows"):
        found.append("warehouses")
    found += [unit for key in found for unit in _UNITS.get(key, ())]
    sizes = [key for key in ("length", "width", "height") if key in fields]
    if sizes and {*sizes} <= {*found}:
        found.append("dimension_unit")
    for rule in rules.get("custom") or ():
        if rule.get("columns") and {*rule["columns"]} <= {*absent}:
            found.append(CUSTOM + rule["name"].strip())
    found += [WAREHOUSE + one["name"].strip() for one in rules.get("warehouses") or () if one["column"] in absent]
    return tuple(dict.fromkeys(found))
