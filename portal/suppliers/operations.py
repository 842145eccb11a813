"""What a supplier's TOML says of one operation: its request, the mapping that fits its rows, and the witness of what was sent."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.fields import INVENTORY_BY_KEY
from portal.suppliers.schema import (
    API_OPERATIONS,
    COLUMN_KEYS,
    LAYOUT_KEYS,
    MAPPING_KEYS,
    OPERATION_TEXTS,
    PLACES,
    STOCK_KEYS,
    TAKEN_KEYS,
    WITNESS_KEYS,
    Keys,
    check_keys,
)

PROOFS = ("key", "unique", "listed", "nothing")
NAMED = re.compile(r"{(\w+)}")
_TABLES = ("mapping", "witness", "layout", "taken", "stock")
_TARGETS = ("field", "custom", "warehouse")
_ROWS = "warehouse_rows"
EACH = "*"
"""As the name of a warehouse: one for each column that begins like "at *"."""
MOST_WAREHOUSES, LONGEST_NAME = 100, 80  # as many, and as long, as a mapping takes


@dataclass(frozen=True)
class Operation:
    """One operation. `texts` are laid over the supplier's fixed settings; `mapping`: the entries as they stand in the file.

    `witness`: the settings of sending.Witness, empty where nothing is sent. `layout`: of the order document that the supplier's API
    takes (see order_mapping.check_layout), one order each; empty where the merchant says how it looks, and where it is not "fixed" the
    merchant's own comes first. `taken`: how the lines that they took are compared (sending.Taken); `stock`: what is asked of their
    stock before an order leaves (sending.Stock).
    """

    texts: Mapping[str, str] = field(default_factory=dict)
    mapping: Sequence[Mapping[str, Any]] = ()
    witness: Mapping[str, Any] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    taken: Mapping[str, Any] = field(default_factory=dict)
    stock: Mapping[str, Any] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the mapping names, once, in order."""
        return tuple(dict.fromkeys(column for one in self.mapping if not _is_each(one) for column in one.get("columns", ())))

    def rules(self, headers: Collection[str]) -> dict[str, Any]:
        """The mapping in the form of saved rules, for a file with these headers: what it lacks is left out. Empty without a mapping."""
        fields: dict[str, Any] = {}
        rules: dict[str, Any] = {"fields": fields, "warehouses": [], "custom": [], "duplicates": "last"}
        for one in self.mapping:
            if _is_each(one):
                rules["warehouses"] += _each(one, headers)
                continue
            columns = [column for column in one.get("columns", ()) if column in headers]
            if not columns and not one.get("fixed"):
                continue
            rule = {"columns": columns, "steps": list(one.get("steps", ()))}
            rule |= {key: one[key] for key in ("join", "fixed", "fallback", "separator") if key in one}
            if one.get("field") == _ROWS:
                rules[_ROWS] = rule
            elif "field" in one:
                fields[one["field"]] = rule
            elif "custom" in one:
                rules["custom"].append({"name": one["custom"], **rule})
            else:
                rules["warehouses"].append({"name": one["warehouse"], "column": columns[0], "steps": rule["steps"]})
        return rules if fields else {}


def _is_each(one: Mapping[str, Any]) -> bool:
    return bool(one.get("warehouse") == EACH)


def _each(one: Mapping[str, Any], headers: Collection[str]) -> list[dict[str, Any]]:
    """A warehouse for each column that begins as the entry says, named by the rest; none where there are too many to name."""
    begin = str(one["columns"][0]).removesuffix(EACH)
    found = [header for header in headers if header.startswith(begin) and 0 < len(header) - len(begin) <= LONGEST_NAME]
    if len(found) > MOST_WAREHOUSES:
        return []
    return [{"name": header[len(begin) :], "column": header, "steps": list(one.get("steps", ()))} for header in found]


def read(where: str, protocol: str, tables: Mapping[str, Any]) -> Mapping[str, Operation]:
    """The operations of a TOML file. Raises ValueError naming the file and the key."""
    found = {}
    for name, table in tables.items():
        at = f"{where}: operations.{name}"
        if name not in API_OPERATIONS or not isinstance(table, dict):
            raise ValueError(f"{at} is none of {', '.join(API_OPERATIONS)}")
        found[name] = _operation(at, name, protocol, table)
    return found


def _operation(at: str, name: str, protocol: str, table: Mapping[str, Any]) -> Operation:
    texts = {key: value for key, value in table.items() if key not in _TABLES}
    for key, value in texts.items():
        if key not in OPERATION_TEXTS.get(protocol, ()):
            raise ValueError(f"{at}: unknown key {key!r}")
        if type(value) is not str:
            raise ValueError(f"{at}: {key} must be a str, not {value!r}")
    if "mapping" in table and name != "get_inventory":
        raise ValueError(f"{at}: mapping belongs to get_inventory")
    if ("witness" in table) != (name == "send_orders"):
        raise ValueError(f"{at}: send_orders has a witness, and nothing else has")
    if name != "send_orders" and (odd := {"layout", "taken", "stock"} & table.keys()):
        raise ValueError(f"{at}: {min(odd)} belongs to send_orders")
    mapping = table.get("mapping", [])
    if not isinstance(mapping, list) or not all(isinstance(one, dict) for one in mapping):
        raise ValueError(f"{at}: mapping must be a list of tables")
    for one in mapping:
        _check_rule(f"{at}: mapping", one)
    witness = _witness(f"{at}: witness", table["witness"]) if "witness" in table else {}
    layout = _layout(f"{at}: layout", table["layout"]) if "layout" in table else {}
    taken, stock = (_table(f"{at}: {one}", table.get(one), keys) for one, keys in (("taken", TAKEN_KEYS), ("stock", STOCK_KEYS)))
    if bool(taken.get("cancel_path")) != bool(taken.get("canceled")):
        raise ValueError(f"{at}: taken.cancel_path and taken.canceled, which proves it, come together")
    return Operation(texts, tuple(mapping), witness, layout, taken, stock)


def _table(at: str, table: Any, keys: Keys) -> Mapping[str, Any]:
    if table is None:
        return {}
    if not isinstance(table, dict):
        raise ValueError(f"{at} must be a table")
    check_keys(at, table, keys)
    return dict(table)


def _layout(at: str, table: Any) -> Mapping[str, Any]:
    """The layout of one order a document; whether it can be written at all `check-supplier` says. Raises ValueError."""
    if not isinstance(table, dict):
        raise ValueError(f"{at} must be a table")
    check_keys(at, {key: value for key, value in table.items() if key != "columns"}, LAYOUT_KEYS)
    if table["format"] not in ("json", "xml"):
        raise ValueError(f"{at}: format {table['format']!r} is neither json nor xml")
    columns = table.get("columns")
    if not isinstance(columns, list) or not columns or not all(isinstance(one, dict) for one in columns):
        raise ValueError(f"{at}: columns must be a list of tables")
    for one in columns:
        check_keys(f"{at}: column {one.get('header', '?')}", {key: value for key, value in one.items() if key != "fields"}, COLUMN_KEYS)
    return {"file_name": "{po}." + str(table["format"]), **table, "one": True}


def _check_rule(at: str, one: Mapping[str, Any]) -> None:
    steps = one.get("steps", [])
    check_keys(at, {key: value for key, value in one.items() if key != "steps"}, MAPPING_KEYS)
    if not isinstance(steps, list) or not all(isinstance(step, dict) and "do" in step for step in steps):
        raise ValueError(f"{at}: steps must be a list of tables that say what they do")
    if len([key for key in _TARGETS if key in one]) != 1:
        raise ValueError(f"{at}: each one has a field, a custom name or a warehouse")
    if "field" in one and one["field"] not in (*INVENTORY_BY_KEY, _ROWS):
        raise ValueError(f"{at}: there is no field {one['field']!r}")
    if _is_each(one) and (len(one.get("columns", ())) != 1 or not one["columns"][0].endswith(EACH)):
        raise ValueError(f"{at}: a warehouse for each column has one column that ends with {EACH}")
    if not one.get("columns") and not one.get("fixed"):
        raise ValueError(f"{at}: columns or a fixed text are missing")


def _witness(at: str, table: Any) -> Mapping[str, Any]:
    if not isinstance(table, dict):
        raise ValueError(f"{at} must be a table")
    check_keys(at, table, WITNESS_KEYS)
    if table["proves"] not in PROOFS:
        raise ValueError(f"{at}: proves {table['proves']!r} is not one of {', '.join(PROOFS)}")
    looks, by_key = bool(table.get("path")) and bool(table.get("field")), bool(table.get("key")) and bool(table.get("window_seconds"))
    if looks != (table["proves"] in ("unique", "listed")):
        raise ValueError(f"{at}: path and field are there exactly when their list proves something")
    if by_key != (table["proves"] == "key"):
        raise ValueError(f"{at}: key and window_seconds are there exactly when their key store proves it")
    return dict(table)


def unknown_names(text: str, settings: Collection[str]) -> set[str]:
    """Names in curly braces that neither a setting nor a request fills in."""
    return set(NAMED.findall(text)) - set(settings) - PLACES
