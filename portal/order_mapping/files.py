"""Order lines ─▶ the files that leave, byte for byte: one, or a header file and a detail file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.errors import Refused
from portal.order_mapping import texts, trees, workbooks
from portal.order_mapping.cells import Column, Layout, Line, writers
from portal.order_mapping.layout import file_name

CONTENT_TYPES = {
    "csv": "text/csv",
    "fixed": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "application/xml",
    "json": "application/json",
}


@dataclass(frozen=True)
class OrderFile:
    """One file to send."""

    name: str
    content_type: str
    content: bytes


def files(layout: Layout, lines: Sequence[Line], *, at: datetime, number: str) -> list[OrderFile]:
    """The files of these order lines: one; of the shape "pair" the header file and then the detail file.

    `lines` as for `render`; `at`: in the time zone that the names shall show; `number`: of the file. Expects a layout that
    `check_layout` accepted. Raises Refused for what the file cannot hold, naming the order and the value: nothing is changed to fit.
    """
    if not lines:
        raise Refused("There is no order line to write.")
    po = str(lines[0].get("po_number") or "")
    kind = CONTENT_TYPES[layout.get("format", "csv")]
    made = [OrderFile(file_name(layout, at=at, number=number, po=po), kind, render(layout, lines))]
    if layout.get("shape") == "pair":
        second = {**layout, "file_name": layout["detail_file_name"]}
        made.append(OrderFile(file_name(second, at=at, number=number, po=po), kind, _rows(layout, layout["detail_columns"], lines, False)))
    return made


def render(layout: Layout, lines: Sequence[Line]) -> bytes:
    """The file of these order lines; of the shape "pair" its header file. Expects a layout that `check_layout` accepted.

    A line is a mapping of ORDER_FIELDS keys: money as integer ten-thousandths, dates as date or datetime, quantities
    as int, all else as text; None or absent is empty. Raises Refused for what the file cannot hold: control
    characters, letters outside its encoding, a delimiter where values are never quoted, a value wider than its column.
    """
    form = layout.get("format", "csv")
    if form == "xml":
        return trees.xml(layout, writers(layout, layout["columns"]), lines, one=bool(layout.get("one")))
    if form == "json":
        return trees.json(layout, writers(layout, layout["columns"]), lines, one=bool(layout.get("one")))
    return _rows(layout, layout["columns"], lines, layout.get("shape") == "pair")


def _rows(layout: Layout, columns: Sequence[Column], lines: Sequence[Line], per_order: bool) -> bytes:
    made = writers(layout, columns)
    body = texts.rows(layout, made, lines, per_order)
    form = layout.get("format", "csv")
    if form == "xlsx":
        return workbooks.workbook(layout, made, body)
    return texts.fixed_width(layout, made, body) if form == "fixed" else texts.delimited(layout, [one.header for one in made], body)
