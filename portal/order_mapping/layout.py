"""Send Orders: the layout of a supplier's order file, and its exact bytes. One row an order line.

A machine's file: data is written as it is or not at all, never changed to fit.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Literal

from portal.errors import Invalid, Refused
from portal.fields import MONEY_SCALE, ORDER_FIELDS, Field
from portal.order_mapping.dates import DATE_FORMS, written

Layout = Mapping[str, Any]

KINDS = {"field": "A field", "fixed": "A fixed value", "joined": "Joined fields", "date": "A date"}
QUOTING = {"minimal": "Only where needed", "all": "Every value", "none": "Never"}
LINE_ENDS = {"crlf": "Windows (CR LF)", "lf": "Unix (LF)"}
ENCODINGS = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with a mark (BOM)", "cp1252": "Windows-1252", "ascii": "Plain ASCII"}
DELIMITERS = {",": "Comma", ";": "Semicolon", "\t": "Tab", "|": "Pipe"}
MOST_COLUMNS = 200
LONGEST_TEXT = 200
TOKENS = ("date", "time", "number", "po")
BY_KEY: dict[str, Field] = {field.key: field for field in ORDER_FIELDS}

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME = re.compile(r"[\w .()+=@#-]+", re.ASCII)
_TOKEN = re.compile(r"\{(\w*)\}")
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.I)
_QUOTING: dict[str, Literal[0, 1, 3]] = {"minimal": csv.QUOTE_MINIMAL, "all": csv.QUOTE_ALL, "none": csv.QUOTE_NONE}
_Write = Callable[[Mapping[str, Any]], str]


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


def check_layout(layout: Layout) -> None:
    """Raise Invalid for a layout no file can be written with.

    Keys: "delimiter", "quoting", "line_end", "encoding", "decimal_mark", "file_name", "columns", "columns.0", …
    """
    errors = {}
    for key, choices, words in (
        ("delimiter", DELIMITERS, "Choose the sign between values"),
        ("quoting", QUOTING, "Choose when values are quoted"),
        ("line_end", LINE_ENDS, "Choose how lines end"),
        ("encoding", ENCODINGS, "Choose an encoding"),
        ("decimal_mark", {".": "", ",": ""}, "Choose a dot or a comma"),
    ):
        if layout.get(key, next(iter(choices))) not in choices:
            errors[key] = words
    if problem := _name_problem(layout.get("file_name")):
        errors["file_name"] = problem
    columns = layout.get("columns")
    if not isinstance(columns, list) or not 0 < len(columns) <= MOST_COLUMNS:
        errors["columns"] = f"Add from 1 to {MOST_COLUMNS} columns"
    else:
        errors |= {f"columns.{n}": problem for n, column in enumerate(columns) if (problem := _column_problem(column))}
        if not errors and (absent := _absent(columns)):
            errors["columns"] = f"A supplier cannot fill an order without {absent}; add a column for it"
    if errors:
        raise Invalid(errors)


def _absent(columns: Sequence[Mapping[str, Any]]) -> str:
    """What no order can do without: which request it is, what to ship, and how many."""
    used = {column.get("field") for column in columns if column["kind"] in {"field", "date"}}
    used |= {key for column in columns if column["kind"] == "joined" for key in column["fields"]}
    groups = (("po_number", "order_number"), ("sku", "upc", "mpn"), ("quantity",))
    return " and ".join(BY_KEY[group[0]].label for group in groups if not used & set(group))


def _column_problem(column: Any) -> str | None:
    if not isinstance(column, Mapping) or column.get("kind") not in KINDS:
        return "Choose what this column holds"
    if not _is_text(column.get("header", "")):
        return f"Give the column a name of at most {LONGEST_TEXT} characters, without line breaks"
    kind = column["kind"]
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


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT and not _CONTROL.search(value)


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


def render(layout: Layout, lines: Sequence[Mapping[str, Any]]) -> bytes:
    """The file of these order lines, byte for byte. Expects a layout that `check_layout` accepted.

    A line is a mapping of ORDER_FIELDS keys: money as integer ten-thousandths, dates as date or datetime, quantities
    as int, all else as text; None or absent is empty. Raises Refused for what the file cannot hold: control
    characters, letters outside its encoding, a delimiter where values are never quoted.
    """
    writers = [(column.get("header", ""), _writer(column, layout.get("decimal_mark", "."))) for column in layout["columns"]]
    out = io.StringIO(newline="")
    quoting = layout.get("quoting", "minimal")
    end = "\n" if layout.get("line_end", "crlf") == "lf" else "\r\n"
    writer = csv.writer(out, delimiter=layout.get("delimiter", ","), quoting=_QUOTING[quoting], lineterminator=end)
    if layout.get("header", True):
        _put(writer, [header for header, _ in writers], "The header", layout)
    for line in lines:
        cells = [_clean(header, write(line), line) for header, write in writers]
        _put(writer, cells, f"Order {line.get('po_number', '')}", layout)
    return out.getvalue().encode(layout.get("encoding", "utf-8"))


def _put(writer: Any, cells: list[str], whose: str, layout: Layout) -> None:
    encoding = layout.get("encoding", "utf-8")
    for cell in cells:
        try:
            cell.encode(encoding)
        except UnicodeEncodeError as error:
            sign = cell[error.start]
            raise Refused(f"{whose} holds “{sign}”, which {ENCODINGS[encoding]} cannot write. Choose UTF-8 or change the value.") from None
    if layout.get("quoting") == "none":
        bad = next((cell for cell in cells if layout.get("delimiter", ",") in cell or '"' in cell), None)
        if bad is not None:
            raise Refused(f"{whose} holds “{bad}”, which needs quotes, but this file is set to never quote.")
        if cells == [""]:
            raise Refused(f"{whose} would be an empty line, but this file is set to never quote.")
    writer.writerow(cells)


def _clean(header: str, value: str, line: Mapping[str, Any]) -> str:
    if _CONTROL.search(value):
        raise Refused(f"“{header}” of order {line.get('po_number', '')} holds a line break or control character. Change it and send again.")
    return value


def _writer(column: Mapping[str, Any], mark: str) -> _Write:
    kind = column["kind"]
    if kind == "fixed":
        text = str(column.get("text", ""))
        return lambda _line: text
    if kind == "joined":
        parts = [_field_writer(BY_KEY[key], "YYYY-MM-DD", mark) for key in column["fields"]]
        join = str(column.get("join", " "))
        return lambda line: join.join([text for part in parts if (text := part(line))])
    return _field_writer(BY_KEY[column["field"]], column.get("date_form", "YYYY-MM-DD"), mark)


def _field_writer(field: Field, form: str, mark: str) -> _Write:
    key = field.key
    if field.kind == "money":
        return lambda line: "" if line.get(key) is None else money(line[key], mark)
    if field.kind == "date":
        return lambda line: "" if line.get(key) is None else written(_date(line[key]), form)
    return lambda line: "" if line.get(key) is None else str(line[key])


def _date(value: date | str) -> date:
    return date.fromisoformat(value[:10]) if isinstance(value, str) else value


def money(amount: int, mark: str = ".") -> str:
    """Ten-thousandths with two decimals, or as many as it has: 125000 -> 12.50, 12345 -> 1.2345."""
    whole, part = divmod(abs(amount), MONEY_SCALE)
    decimals = f"{part:04}"
    shown = decimals[:2] + decimals[2:].rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole}{mark}{shown}"
