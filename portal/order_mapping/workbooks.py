"""Order files as Excel workbooks: codes as text, quantities and amounts as numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime

from portal.errors import Refused
from portal.order_mapping.cells import Layout, Writer
from portal.order_mapping.texts import Rows

LONGEST_CELL = 32_767
MOST_ROWS = 1_048_576
MADE = datetime(2026, 1, 1)  # noqa: DTZ001 - a fixed date, so that the same orders give the same bytes


def workbook(layout: Layout, columns: Sequence[Writer], body: Rows) -> bytes:
    """One sheet. Raises Refused for what Excel cannot hold. Equal rows give equal bytes."""
    import xlsxwriter  # only where a source takes workbooks

    first = [("The header", [column.header for column in columns])] if layout.get("header", True) else []
    if len(first) + len(body) > MOST_ROWS:
        raise Refused(f"The file would have {len(body):,} rows; a sheet holds {MOST_ROWS:,}.")
    out = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(out, options)
    book.set_properties({"created": MADE})
    sheet = book.add_worksheet("Orders")
    for n, (who, cells) in enumerate([*first, *body]):
        for m, (column, cell) in enumerate(zip(columns, cells, strict=True)):
            if len(cell) > LONGEST_CELL:
                raise Refused(f"{who} holds {len(cell):,} characters in “{column.header}”; a cell holds {LONGEST_CELL:,}.")
            if column.number and cell and n >= len(first) and layout.get("shape") != "orders":
                sheet.write_number(n, m, float(cell.replace(",", ".")))
            elif cell:
                sheet.write_string(n, m, cell)
    book.close()
    return out.getvalue()
