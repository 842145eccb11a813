"""The order file's form: read into a layout, changed by its buttons. Nothing is saved. Pure.

c.0.header=PO · c.0.value=po_number · c.1.value==fixed · c.1.text=X · c.2.value==joined · c.2.fields.0=ship_name
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portal.fields import ORDER_FIELDS
from portal.order_mapping import DATE_FORMS
from portal.web.mapping_form import entries, tree

FIXED, JOINED = "=fixed", "=joined"
OPTIONS = ("delimiter", "quoting", "line_end", "encoding", "decimal_mark", "file_name")
MOST_JOINED = 10
MOST_COLUMNS = 200
DATES = frozenset(field.key for field in ORDER_FIELDS if field.kind == "date")


def read(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The layout that a form holds, also where it is not complete yet."""
    root = tree(pairs)
    texts = {key: root[key] for key in OPTIONS if isinstance(root.get(key), str)}
    columns = [_column(node) for node in entries(root.get("c")) if isinstance(node, Mapping)]
    return {"format": "csv", **texts, "header": root.get("header") == "yes", "columns": columns}


def choice_of(column: Mapping[str, Any]) -> str:
    """What the column's select shows."""
    field: str = column.get("field", "")
    return {"fixed": FIXED, "joined": JOINED}.get(column.get("kind", ""), field)


def act(layout: dict[str, Any], do: str) -> str:
    """Do what the button named `do` says on the layout itself; the id of the control that gets the focus."""
    verb, *rest = do.split(":")
    numbers = [int(part) for part in rest if part.isdecimal() and len(part) < 6]
    columns = layout["columns"]
    if verb == "add" and len(columns) < MOST_COLUMNS:
        columns.append({"header": "", "kind": "field", "field": ""})
        return f"c-{len(columns) - 1}-header"
    if verb in _ACTS and numbers and numbers[0] < len(columns):
        return _ACTS[verb](columns, numbers[0], numbers[-1])
    return ""


def _column(node: Mapping[str, Any]) -> dict[str, Any]:
    header, value = _text(node, "header"), _text(node, "value")
    if value == FIXED:
        return {"header": header, "kind": "fixed", "text": _text(node, "text")}
    if value == JOINED:
        fields = [key for key in entries(node.get("fields")) if isinstance(key, str) and key]
        return {"header": header, "kind": "joined", "fields": fields, "join": node.get("join", " ") if "join" in node else " "}
    if value in DATES:
        form = _text(node, "date_form")
        return {"header": header, "kind": "date", "field": value, "date_form": form if form in DATE_FORMS else "YYYY-MM-DD"}
    return {"header": header, "kind": "field", "field": value}


def _remove(columns: list[dict[str, Any]], n: int, _: int) -> str:
    del columns[n]
    return f"c-{min(n, len(columns) - 1)}-header" if columns else "add-column"


def _up(columns: list[dict[str, Any]], n: int, _: int) -> str:
    if n:
        columns[n - 1], columns[n] = columns[n], columns[n - 1]
    return f"c-{max(n - 1, 0)}-up" if n > 1 else f"c-{max(n - 1, 0)}-down"


def _down(columns: list[dict[str, Any]], n: int, _: int) -> str:
    if n + 1 < len(columns):
        columns[n + 1], columns[n] = columns[n], columns[n + 1]
    return f"c-{n + 1}-down" if n + 2 < len(columns) else f"c-{n + 1}-up"


def _add_field(columns: list[dict[str, Any]], n: int, _: int) -> str:
    fields = columns[n].get("fields")
    if fields is not None and len(fields) < MOST_JOINED:
        fields.append(ORDER_FIELDS[0].key)
        return f"c-{n}-fields-{len(fields) - 1}"
    return ""


def _remove_field(columns: list[dict[str, Any]], n: int, at: int) -> str:
    fields = columns[n].get("fields") or []
    if at < len(fields):
        del fields[at]
    return f"c-{n}-add-field"


_ACTS: dict[str, Callable[[list[dict[str, Any]], int, int], str]] = {
    "remove": _remove,
    "up": _up,
    "down": _down,
    "add-field": _add_field,
    "remove-field": _remove_field,
}


def _text(node: Mapping[str, Any], key: str) -> str:
    value = node.get(key)
    return value if isinstance(value, str) else ""
