"""Order files of rows: delimited text, fixed-width text, and the rows that a workbook holds too."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Literal

from portal.errors import Refused
from portal.order_mapping.cells import Layout, Line, Writer, by_order

ENCODINGS = {"utf-8": "UTF-8", "utf-8-sig": "UTF-8 with a mark (BOM)", "cp1252": "Windows-1252", "ascii": "Plain ASCII"}
_QUOTING: dict[str, Literal[0, 1, 3]] = {"minimal": csv.QUOTE_MINIMAL, "all": csv.QUOTE_ALL, "none": csv.QUOTE_NONE}

Rows = Sequence[tuple[str, Sequence[str]]]
"""(whose row it is, in words for a message; its values)."""


def rows(layout: Layout, columns: Sequence[Writer], lines: Sequence[Line], per_order: bool = False) -> Rows:
    """A row for each line; for each order where `per_order` or the layout's shape is "orders". Raises Refused.

    In a row of an order, what differs from line to line stands joined by "line_join".
    """
    if not per_order and layout.get("shape", "lines") != "orders":
        return [(whose(line), [column.of(line) for column in columns]) for line in lines]
    join = str(layout.get("line_join", "|"))
    return [(whose(order[0]), [_of_order(column, order, join) for column in columns]) for order in by_order(lines)]


def _of_order(column: Writer, order: Sequence[Line], join: str) -> str:
    if not column.of_line:
        return column.of(order[0])
    values = [column.of(line) for line in order]
    if len(values) > 1 and (bad := next((value for value in values if join in value), None)) is not None:
        words = f"{whose(order[0])} holds “{bad}” in “{column.header}”, with the sign “{join}” that stands between its lines."
        raise Refused(f"{words} Choose another sign.")
    return join.join(values)


def whose(line: Line) -> str:
    """Whose row it is."""
    return f"Order {line.get('po_number', '')}"


def delimited(layout: Layout, headers: Sequence[str], body: Rows) -> bytes:
    """CSV and its kin. Raises Refused for letters outside the encoding, and for a delimiter where values are never quoted."""
    out = io.StringIO(newline="")
    end = _line_end(layout)
    quoting = _QUOTING[layout.get("quoting", "minimal")]
    writer = csv.writer(out, delimiter=layout.get("delimiter", ","), quoting=quoting, lineterminator=end)
    for who, cells in _with_header(layout, headers, body):
        _check_unquoted(layout, who, cells)
        writer.writerow([encodable(layout, who, cell) for cell in cells])
    return out.getvalue().encode(layout.get("encoding", "utf-8"))


def _check_unquoted(layout: Layout, who: str, cells: Sequence[str]) -> None:
    if layout.get("quoting") != "none":
        return
    bad = next((cell for cell in cells if layout.get("delimiter", ",") in cell or '"' in cell), None)
    if bad is not None:
        raise Refused(f"{who} holds “{bad}”, which needs quotes, but this file is set to never quote.")
    if list(cells) == [""]:
        raise Refused(f"{who} would be an empty line, but this file is set to never quote.")


def fixed_width(layout: Layout, columns: Sequence[Writer], body: Rows) -> bytes:
    """Each value in as many characters as its column is wide. Raises Refused for a longer one: nothing is cut off."""
    encoding = layout.get("encoding", "utf-8")
    made = []
    for who, cells in _with_header(layout, [column.header for column in columns], body):
        fitted = [
            _fitted(column.column, column.header, who, encodable(layout, who, cell)) for column, cell in zip(columns, cells, strict=True)
        ]
        made.append("".join(fitted) + _line_end(layout))
    return "".join(made).encode(encoding)


def _fitted(column: Any, header: str, who: str, cell: str) -> str:
    width = int(column["width"])
    if len(cell) > width:
        raise Refused(f"{who} holds “{cell}” in “{header}”: {len(cell)} characters, and the column is {width} wide. Nothing was cut off.")
    pad = str(column.get("pad") or " ")
    return cell.rjust(width, pad) if column.get("align") == "right" else cell.ljust(width, pad)


def encodable(layout: Layout, who: str, cell: str) -> str:
    """The value. Raises Refused where the file's encoding lacks a letter of it."""
    encoding = layout.get("encoding", "utf-8")
    try:
        cell.encode(encoding)
    except UnicodeEncodeError as error:
        sign = cell[error.start]
        raise Refused(f"{who} holds “{sign}”, which {ENCODINGS[encoding]} cannot write. Choose UTF-8 or change the value.") from None
    return cell


def _with_header(layout: Layout, headers: Sequence[str], body: Rows) -> Rows:
    return [("The header", headers), *body] if layout.get("header", True) else body


def _line_end(layout: Layout) -> str:
    return "\n" if layout.get("line_end", "crlf") == "lf" else "\r\n"
