"""What stands in one column for one order line, exactly: written as it is or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from portal.errors import Refused
from portal.fields import MONEY_SCALE, ORDER_FIELDS, Field
from portal.order_mapping.dates import written

Line = Mapping[str, Any]
Layout = Mapping[str, Any]
Column = Mapping[str, Any]

BY_KEY: dict[str, Field] = {field.key: field for field in ORDER_FIELDS}
LINE_FIELDS = frozenset({"line_number", "sku", "upc", "mpn", "title", "quantity", "unit_cost", "line_total"})
"""Fields of a line; all others are of its order."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
LITERAL = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,9})?|true|false", re.ASCII)
"""What may stand in JSON without quotes, beside our own numbers."""
_Write = Callable[[Line], str]


@dataclass(frozen=True)
class Writer:
    """One column, ready to write. `number`: a number, where a format knows such. `of_line`: it is of a line, not of its order."""

    column: Column
    header: str
    number: bool
    of_line: bool
    _text: _Write

    def of(self, line: Line) -> str:
        """The value for a line, "" for none. Raises Refused for control characters."""
        value = self._text(line)
        if CONTROL.search(value):
            raise Refused(
                f"“{self.header}” of order {line.get('po_number', '')} holds a line break or control character. Change it and send again."
            )
        longest = self.column.get("longest")
        if longest and len(value) > longest:
            raise Refused(
                f"“{self.header}” of order {line.get('po_number', '')} has {len(value)} characters, and the supplier takes {longest}."
            )
        if not value and self.column.get("needed"):
            raise Refused(f"Order {line.get('po_number', '')} has no {_named(self.column)}, and the supplier takes none without.")
        return value


def _named(column: Column) -> str:
    field = BY_KEY.get(str(column.get("field", "")))
    return field.label.lower() if field else str(column.get("header", ""))


def writers(layout: Layout, columns: Sequence[Column]) -> list[Writer]:
    """The columns of a layout that `check_layout` accepted."""
    mark = str(layout.get("decimal_mark", "."))
    return [
        Writer(column, str(column.get("header", "")), is_number(column), is_of_line(column), _writer(column, mark)) for column in columns
    ]


def is_number(column: Column) -> bool:
    """Whether the column holds a quantity or an amount, or stands as it is ("literal": a number, true or false)."""
    return bool(column.get("literal")) or column["kind"] == "field" and BY_KEY[column["field"]].kind in ("quantity", "money")


def is_of_line(column: Column) -> bool:
    """Whether the column says something of a line: a text that is the same in every row does only where it is told to."""
    if column["kind"] == "fixed":
        return column.get("level") == "line"
    if column["kind"] == "custom":
        return True
    fields = column["fields"] if column["kind"] == "joined" else [column["field"]]
    return not LINE_FIELDS.isdisjoint(fields)


def by_order(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines of each order together, in the order of their first lines."""
    orders: dict[Any, list[Line]] = {}
    for line in lines:
        orders.setdefault(line.get("po_number") or line.get("order_number"), []).append(line)
    return list(orders.values())


def _writer(column: Column, mark: str) -> _Write:
    kind = column["kind"]
    if kind == "fixed":
        text, beside = str(column.get("text", "")), column.get("with")
        return lambda line: "" if beside and line.get(beside) in (None, "") else text
    if kind == "custom":
        return _custom_writer(str(column["custom"]), bool(column.get("literal")))
    if kind == "joined":
        parts = [_field_writer(BY_KEY[key], "YYYY-MM-DD", mark) for key in column["fields"]]
        join = str(column.get("join", " "))
        return lambda line: join.join([text for part in parts if (text := part(line))])
    write, ending = _field_writer(BY_KEY[column["field"]], column.get("date_form", "YYYY-MM-DD"), mark), str(column.get("ending", ""))
    return (lambda line: f"{text}{ending}" if (text := write(line)) else "") if ending else write


def _custom_writer(name: str, literal: bool) -> _Write:
    """The supplier's own id of an item, as the inventory feed kept it. Raises Refused where the item has none."""

    def write(line: Line) -> str:
        value = str((line.get("custom") or {}).get(name) or "")
        item, order = line.get("sku", ""), line.get("po_number", "")
        if not value:
            raise Refused(
                f"{item} of order {order} has no “{name}”, by which the supplier knows it. Map that custom field in Get Inventory, run it, "
                "and process the order again. Nothing was sent."
            )
        if literal and not LITERAL.fullmatch(value):
            raise Refused(f"“{name}” of {item} in order {order} is “{value}”, and the supplier takes a number. Nothing was sent.")
        return value

    return write


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
