"""The order file's form: read into a layout, changed by its buttons. Nothing is saved. Pure.

c.0.header=PO · c.0.value=po_number · c.1.value==fixed · c.1.text=X · c.2.value==joined · c.2.fields.0=ship_name
d.0.… are the columns of the second file of a pair; its buttons are d.up:0 and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from portal import order_mapping
from portal.fields import ORDER_FIELDS
from portal.order_mapping import DATE_FORMS, LINE_FIELDS, column_sets
from portal.web.mapping_form import entries, tree

FIXED, JOINED = "=fixed", "=joined"
OPTIONS = (
    "format", "shape", "delimiter", "line_join", "quoting", "line_end", "encoding", "decimal_mark", "file_name", "detail_file_name",
    "root", "order_tag", "line_tag",
)  # fmt: skip
SETS = {"c": "columns", "d": "detail_columns"}
"""The beginning of a column's names in the form -> the layout's list that it is in."""
MOST_JOINED = 10
MOST_COLUMNS = 200
DATES = frozenset(field.key for field in ORDER_FIELDS if field.kind == "date")


def read(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The layout that a form holds, also where it is not complete yet."""
    root = tree(pairs)
    texts = {key: root[key] for key in OPTIONS if isinstance(root.get(key), str) and (root[key] or key not in _MAY_BE_EMPTY)}
    columns = {
        name: [_column(node) for node in entries(root.get(mark)) if isinstance(node, Mapping)]
        for mark, name in SETS.items()
        if mark == "c" or mark in root
    }
    layout = {"format": "csv", **texts, "header": root.get("header") == "yes", **columns}
    if "detail_columns" in column_sets(layout) and "detail_columns" not in layout:
        layout |= _second_file(layout)
    return layout


_MAY_BE_EMPTY = ("root", "order_tag", "line_tag")


def _second_file(layout: Mapping[str, Any]) -> dict[str, Any]:
    """How the file of lines begins once somebody chose two files: what the one file said of lines, and the number of their order."""
    key = next((one for one in layout["columns"] if one.get("field") in ("po_number", "order_number")), None)
    of_lines = [one for one in layout["columns"] if one.get("field") in LINE_FIELDS]
    return {
        "columns": [one for one in layout["columns"] if one not in of_lines],
        "detail_columns": [dict(one) for one in ([key] if key else []) + of_lines],
        "detail_file_name": layout.get("detail_file_name") or "lines_{date}_{number}.csv",
    }


def choice_of(column: Mapping[str, Any]) -> str:
    """What the column's select shows."""
    field: str = column.get("field", "")
    return {"fixed": FIXED, "joined": JOINED}.get(column.get("kind", ""), field)


def held_in_words(layout: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(their column, what it holds, in words) of a layout that nobody changes; what is of each line says so."""
    labels, tag = {field.key: field.label for field in ORDER_FIELDS}, str(layout.get("line_tag") or "lines")
    told = []
    for one in layout["columns"]:
        keys = one["fields"] if one["kind"] == "joined" else [one["field"]] if "field" in one else []
        words = str(one.get("join", " ")).join(labels[key] for key in keys)
        words = {"fixed": f"Always “{one.get('text', '')}”", "custom": f"“{one.get('custom', '')}” of the item"}.get(one["kind"], words)
        told.append((f"{tag}.{one['header']}" if order_mapping.is_of_line(one) else one["header"], words))
    return told


def act(layout: dict[str, Any], do: str) -> str:
    """Do what the button named `do` says on the layout itself; the id of the control that gets the focus."""
    if do == "reshape":
        order_mapping.reshape(layout)
        return "format"
    verb, *rest = do.split(":")
    mark, verb = ("d", verb[2:]) if verb.startswith("d.") else ("c", verb)
    numbers = [int(part) for part in rest if part.isdecimal() and len(part) < 6]
    columns = layout.get(SETS[mark]) or []
    if verb == "add" and len(columns) < MOST_COLUMNS and SETS[mark] in layout:
        columns.append({"header": "", "kind": "field", "field": ""})
        return f"{mark}-{len(columns) - 1}-header"
    if verb in _ACTS and numbers and numbers[0] < len(columns):
        at = _ACTS[verb](columns, numbers[0], numbers[-1])
        return f"{mark}-{at}" if at[:1].isdecimal() else at if mark == "c" or not at else f"{mark}-{at}"
    return ""


def _column(node: Mapping[str, Any]) -> dict[str, Any]:
    width = _text(node, "width")
    more: dict[str, Any] = {"width": int(width)} if width.isdecimal() and len(width) < 6 else {}
    more |= {key: node[key] for key in ("align", "pad", "level") if node.get(key)}
    return _held(node) | more


def _held(node: Mapping[str, Any]) -> dict[str, Any]:
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
    return f"{min(n, len(columns) - 1)}-header" if columns else "add-column"


def _up(columns: list[dict[str, Any]], n: int, _: int) -> str:
    if n:
        columns[n - 1], columns[n] = columns[n], columns[n - 1]
    return f"{max(n - 1, 0)}-up" if n > 1 else f"{max(n - 1, 0)}-down"


def _down(columns: list[dict[str, Any]], n: int, _: int) -> str:
    if n + 1 < len(columns):
        columns[n + 1], columns[n] = columns[n], columns[n + 1]
    return f"{n + 1}-down" if n + 2 < len(columns) else f"{n + 1}-up"


def _add_field(columns: list[dict[str, Any]], n: int, _: int) -> str:
    fields = columns[n].get("fields")
    if fields is not None and len(fields) < MOST_JOINED:
        fields.append(ORDER_FIELDS[0].key)
        return f"{n}-fields-{len(fields) - 1}"
    return ""


def _remove_field(columns: list[dict[str, Any]], n: int, at: int) -> str:
    fields = columns[n].get("fields") or []
    if at < len(fields):
        del fields[at]
    return f"{n}-add-field"


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
