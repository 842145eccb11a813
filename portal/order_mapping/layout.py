"""Send Orders: the layout of a supplier's order file, how one begins, and what is wrong with it.

{"format", "shape", "columns": [{"header", "kind", …}], "file_name", options}; of a pair also "detail_columns", "detail_file_name".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal.errors import Invalid
from portal.fields import ORDER_FIELDS, Field
from portal.order_mapping.cells import BY_KEY, CONTROL, LITERAL, Column, Layout
from portal.order_mapping.dates import DATE_FORMS
from portal.order_mapping.texts import ENCODINGS
from portal.order_mapping.trees import XML_STEP, json_problem, xml_problem

FORMATS = {"csv": "Delimited text (CSV)", "xlsx": "Excel workbook (XLSX)", "fixed": "Fixed-width text", "xml": "XML", "json": "JSON"}
ENDINGS = {"csv": "csv", "xlsx": "xlsx", "fixed": "txt", "xml": "xml", "json": "json"}
SHAPES = {
    "lines": "A row for each order line",
    "orders": "A row for each order, its lines joined in their columns",
    "pair": "Two files: one of orders, one of their lines",
}
NESTED = ("xml", "json")
"""Formats that hold the lines of an order inside it, whatever the shape says."""

KINDS = {"field": "A field", "fixed": "A fixed value", "joined": "Joined fields", "date": "A date", "custom": "A custom field of the item"}
QUOTING = {"minimal": "Only where needed", "all": "Every value", "none": "Never"}
LINE_ENDS = {"crlf": "Windows (CR LF)", "lf": "Unix (LF)"}
DELIMITERS = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Pipe"}
LINE_JOINS = {"|": "Pipe", ";": "Semicolon", "~": "Tilde", "^": "Caret"}
ALIGNS = {"left": "Left", "right": "Right"}
PADS = {" ": "Spaces", "0": "Zeros"}
MOST_COLUMNS = 200
LONGEST_TEXT = 200
WIDEST = 1_000
TOKENS = ("date", "time", "number", "po")

_NAME = re.compile(r"[\w .()+=@#-]+", re.ASCII)
_TOKEN = re.compile(r"\{(\w*)\}")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.I)


def propose_layout(headers: Sequence[str] = ()) -> dict[str, Any]:
    """A layout to begin with: the usual fields under our labels, or a supplier's own headers matched by name."""
    if headers:
        columns = [_proposed(header) for header in headers]
    else:
        keys = [
            "po_number", "po_date", "ship_name", "ship_company", "ship_address_1", "ship_address_2", "ship_city", "ship_state",
            "ship_postal", "ship_country", "ship_phone", "shipping_code", "line_number", "sku", "quantity", "unit_cost",
        ]  # fmt: skip
        columns = [_column(BY_KEY[key], BY_KEY[key].label) for key in keys]
    return {
        "format": "csv", "delimiter": ",", "header": True, "quoting": "minimal", "line_end": "crlf", "encoding": "utf-8",
        "decimal_mark": ".", "columns": columns, "file_name": "orders_{date}_{number}.csv",
    }  # fmt: skip


def _proposed(header: str) -> dict[str, Any]:
    plain = "".join(filter(str.isalnum, header.lower()))
    for field in ORDER_FIELDS:
        if plain in field.aliases or plain == "".join(filter(str.isalnum, field.label.lower())):
            return _column(field, header)
    return {"header": header, "kind": "fixed", "text": ""}


def _column(field: Field, header: str) -> dict[str, Any]:
    if field.kind == "date":
        return {"header": header, "kind": "date", "field": field.key, "date_form": "YYYY-MM-DD"}
    return {"header": header, "kind": "field", "field": field.key}


def reshape(layout: dict[str, Any]) -> None:
    """Fit the columns and names to the format just chosen: names that it can have, widths where there are none, the file's ending."""
    form = layout.get("format", "csv")
    for name in column_sets(layout):
        for column in layout.get(name) or ():
            if form in NESTED and _header_problem(column, layout):
                words = re.findall(r"[A-Za-z0-9]+", column.get("header", "")) or [column.get("field") or "value"]
                plain = "".join(word[:1].upper() + word[1:] for word in words)
                plain = plain if plain[0].isalpha() else f"N{plain}"
                column["header"] = plain if form == "xml" else plain[0].lower() + plain[1:]
            if form == "fixed" and "width" not in column:
                field = BY_KEY.get(column.get("field", ""))
                column["width"] = max(min(field.longest, 60) if field and field.longest else 12, len(column.get("header", "")))
    for name in ("file_name", "detail_file_name"):
        stem, dot, ending = str(layout.get(name, "")).rpartition(".")
        if dot and ending in ENDINGS.values():
            layout[name] = f"{stem}.{ENDINGS.get(form, 'csv')}"


def column_sets(layout: Layout) -> tuple[str, ...]:
    """The keys of the layout's lists of columns: of a pair there are two."""
    pair = layout.get("shape") == "pair" and layout.get("format", "csv") not in NESTED
    return ("columns", "detail_columns") if pair else ("columns",)


def check_layout(layout: Layout) -> None:
    """Raise Invalid for a layout no file can be written with.

    Keys: those of the layout itself, "columns", "columns.0", …, and of a pair "detail_columns", "detail_columns.0", …
    """
    errors = _option_errors(layout)
    names = ("file_name", "detail_file_name") if len(column_sets(layout)) == 2 else ("file_name",)
    errors |= {name: problem for name in names if (problem := _name_problem(layout.get(name)))}
    if len(names) == 2 and "file_name" not in errors and layout.get("file_name") == layout.get("detail_file_name"):
        errors["detail_file_name"] = "Give the two files different names"
    for name in column_sets(layout):
        errors |= _columns_errors(layout, name)
    if not errors and (absent := _absent([column for name in column_sets(layout) for column in layout[name]])):
        errors["columns"] = f"A supplier cannot fill an order without {absent}; add a column for it"
    if not errors and len(names) == 2 and not {"po_number", "order_number"} & _fields(layout["detail_columns"]):
        errors["detail_columns"] = "Add the PO number, so that each line is found again under its order"
    if errors:
        raise Invalid(errors)


def _option_errors(layout: Layout) -> dict[str, str]:
    errors = {}
    for key, choices, words in (
        ("format", FORMATS, "Choose a format"),
        ("shape", SHAPES, "Choose what a row is"),
        ("delimiter", DELIMITERS, "Choose the sign between values"),
        ("line_join", LINE_JOINS, "Choose the sign between the lines of an order"),
        ("quoting", QUOTING, "Choose when values are quoted"),
        ("line_end", LINE_ENDS, "Choose how lines end"),
        ("encoding", ENCODINGS, "Choose an encoding"),
        ("decimal_mark", {".": "", ",": ""}, "Choose a dot or a comma"),
    ):
        if layout.get(key, next(iter(choices))) not in choices:
            errors[key] = words
    if layout.get("format") == "xml":
        for key in ("root", "order_tag", "line_tag"):
            if (name := layout.get(key) or "Order") and not (isinstance(name, str) and XML_STEP.fullmatch(name)):
                errors[key] = "Use an element's name: letters, digits, dots, dashes and underscores"
    return errors


def _columns_errors(layout: Layout, name: str) -> dict[str, str]:
    columns = layout.get(name)
    if not isinstance(columns, list) or not 0 < len(columns) <= MOST_COLUMNS:
        return {name: f"Add from 1 to {MOST_COLUMNS} columns"}
    return {f"{name}.{n}": problem for n, column in enumerate(columns) if (problem := _column_problem(column, layout))}


def _fields(columns: Sequence[Column]) -> set[Any]:
    used = {column.get("field") for column in columns if column["kind"] in {"field", "date"}}
    return used | {key for column in columns if column["kind"] == "joined" for key in column["fields"]}


def _absent(columns: Sequence[Column]) -> str:
    """What no order can do without: which request it is, what to ship, and how many."""
    used = _fields(columns) | ({"sku"} if any(column["kind"] == "custom" for column in columns) else set())
    groups = (("po_number", "order_number"), ("sku", "upc", "mpn"), ("quantity",))
    return " and ".join(BY_KEY[group[0]].label for group in groups if not used & set(group))


def _column_problem(column: Any, layout: Layout) -> str | None:
    if not isinstance(column, dict) or column.get("kind") not in KINDS:
        return "Choose what this column holds"
    return _header_problem(column, layout) or _held_problem(column) or _width_problem(column, layout)


def _header_problem(column: Column, layout: Layout) -> str | None:
    header = column.get("header", "")
    if not _is_text(header):
        return f"Give the column a name of at most {LONGEST_TEXT} characters, without line breaks"
    if layout.get("format") in NESTED:
        return xml_problem(header) if layout["format"] == "xml" else json_problem(header)
    return None


def _held_problem(column: Column) -> str | None:
    kind = column["kind"]
    if kind == "fixed" and column.get("literal") and not LITERAL.fullmatch(str(column.get("text", ""))):
        return "Enter a number, true or false"
    if kind == "custom":
        return None if column.get("custom") and _is_text(column["custom"]) else "Name the custom field, as Get Inventory keeps it"
    if kind == "fixed":
        return None if _is_text(column.get("text", "")) else f"Use at most {LONGEST_TEXT} characters, without line breaks"
    if kind == "joined":
        fields = column.get("fields")
        known = isinstance(fields, list) and 0 < len(fields) <= 10 and all(key in BY_KEY for key in fields)
        return None if known and _is_text(column.get("join", " ")) else "Choose the fields to join"
    if column.get("field") not in BY_KEY:
        return "Choose a field"
    if kind == "date" and BY_KEY[column["field"]].kind != "date":
        return f"{BY_KEY[column['field']].label} is not a date"
    return "Choose a date form" if kind == "date" and column.get("date_form") not in DATE_FORMS else None


def _width_problem(column: Column, layout: Layout) -> str | None:
    if layout.get("format") != "fixed":
        return None
    width = column.get("width")
    if not isinstance(width, int) or isinstance(width, bool) or not 0 < width <= WIDEST:
        return f"Enter how many characters wide the column is, from 1 to {WIDEST:,}"
    if layout.get("header", True) and len(column.get("header", "")) > width:
        return f"Its name has {len(column['header'])} characters, and the column is {width} wide. Use a shorter name, or no header row"
    if column.get("align", "left") not in ALIGNS or column.get("pad", " ") not in PADS:
        return "Choose where the value stands, and what fills the rest"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and not CONTROL.search(value)


def _name_problem(pattern: Any) -> str | None:
    if not isinstance(pattern, str) or not pattern.strip() or len(pattern) > 120:
        return "Name the file in at most 120 characters, such as orders_{date}_{number}.csv"
    if unknown := [token for token in _TOKEN.findall(pattern) if token not in TOKENS]:
        return f"{{{unknown[0]}}} is not known here; use {{date}}, {{time}}, {{number}} or {{po}}"
    rest = _TOKEN.sub("", pattern)
    if not {"number", "po"} & set(_TOKEN.findall(pattern)):
        return "Add {number} or {po}, so that no file takes the place of another"
    if rest and not _NAME.fullmatch(rest) or pattern.startswith((".", "-", " ")) or pattern.endswith((".", " ")) or _DEVICES.match(pattern):
        return "Use letters, digits, dots, dashes and underscores; a folder is set at the connection"
    return None


def file_name(layout: Layout, *, at: datetime, number: str, po: str) -> str:
    """The name of one order file. `at`: in the time zone it shall show; `number`: of the file; `po`: of its first order.

    Signs of `number` and `po` that a file name cannot hold become dashes.
    """
    values = {"date": f"{at:%Y%m%d}", "time": f"{at:%H%M%S}", "number": _safe(number), "po": _safe(po)}
    return _TOKEN.sub(lambda token: values[token[1]], layout["file_name"])


def _safe(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "-", text).strip(".") or "-"
