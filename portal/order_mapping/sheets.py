"""Order lines ─▶ a PDF to read and print: a sheet for each order, for a supplier who picks by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from portal.errors import Refused
from portal.order_mapping.cells import Line

PDF = "application/pdf"
ADDRESS = (("ship_name",), ("ship_company",), ("ship_address_1",), ("ship_address_2",), ("ship_city", "ship_state", "ship_postal"),
           ("ship_country",))  # fmt: skip
TOP = (("po_date", "Date"), ("order_number", "Order number"), ("customer_reference", "Customer reference"), ("shipping_code", "Ship by"),
       ("carrier", "Carrier"), ("method", "Method"), ("ship_phone", "Phone"), ("ship_email", "Email"), ("cancel_after", "Cancel after"),
       ("note", "Note"))  # fmt: skip
COLUMNS = (("line_number", "Line", 12), ("sku", "SKU", 42), ("upc", "UPC / EAN", 32), ("title", "Title", 62), ("quantity", "Quantity", 20),
           ("unit_cost", "Unit cost", 22))  # fmt: skip
NUMBERS = ("line_number", "quantity", "unit_cost")
TESTING = "This is a test. Do not ship anything."
_SIZE, _LINE, _MARGIN = 10, 5.5, 15


def order_sheets(lines: Sequence[Line], *, name: str, at: datetime, test: bool = False) -> bytes:
    """A PDF, A4, that begins a page for each order of `lines` (as for `render`). `name`: who orders. `at` with its zone.

    Raises Refused where a letter is in none of its fonts (they hold Latin, Greek and Cyrillic): nothing is left out to fit.
    """
    import fontpkg_fira_sans
    from fpdf import FPDF  # only where a source takes sheets

    fonts = Path(fontpkg_fira_sans.__file__).parent / "files"
    made = FPDF(format="A4")
    made.set_creation_date(at)
    made.set_title("Purchase orders")
    made.set_author(name)
    made.set_margin(_MARGIN)
    made.set_auto_page_break(True, _MARGIN)
    for style, file in (("", "FiraSans-Regular.ttf"), ("B", "FiraSans-SemiBold.ttf")):
        made.add_font("sheet", style, fonts / file)
    font: Any = made.fonts["sheet"]
    for po, of_one in groupby(lines, key=lambda line: str(line["po_number"])):
        own = list(of_one)
        _refuse_undrawable(po, [name, *(text for line in own for text in _texts(line))], font.cmap)
        _sheet(made, po, own, name, test)
    return bytes(made.output())


def _sheet(made: Any, po: str, lines: Sequence[Line], name: str, test: bool) -> None:
    made.add_page()
    if test:
        made.set_font("sheet", "B", 14)
        _paragraph(made, TESTING, 8)
    made.set_font("sheet", "B", 16)
    _paragraph(made, f"Purchase order {po}", 9)
    made.set_font("sheet", "", _SIZE)
    _paragraph(made, f"From {name}", _LINE)
    made.ln(3)
    made.set_font("sheet", "B", _SIZE)
    _paragraph(made, "Ship to", _LINE)
    made.set_font("sheet", "", _SIZE)
    for keys in ADDRESS:
        if text := " ".join(filter(None, (cell(key, lines[0].get(key)) for key in keys))):
            _paragraph(made, text, _LINE)
    made.ln(3)
    for key, label in TOP:
        if text := cell(key, lines[0].get(key)):
            _paragraph(made, f"{label}: {text}", _LINE)
    made.ln(4)
    used = [column for column in COLUMNS if any(cell(column[0], line.get(column[0])) for line in lines)]
    currency = str(lines[0].get("currency") or "")
    with made.table(
        col_widths=[width for _, _, width in used], text_align=["RIGHT" if key in NUMBERS else "LEFT" for key, _, _ in used],
        line_height=_LINE, first_row_as_headings=True, repeat_headings=1,
    ) as table:  # fmt: skip
        table.row([f"{label}, {currency}" if key == "unit_cost" and currency else label for key, label, _ in used])
        for line in lines:
            table.row([cell(key, line.get(key)) for key, _, _ in used])
    made.ln(3)
    units = sum(int(line["quantity"]) for line in lines)
    _paragraph(made, f"{len(lines):,} {'line' if len(lines) == 1 else 'lines'}, {units:,} {'unit' if units == 1 else 'units'}", _LINE)


def cell(key: str, value: Any) -> str:
    """What the sheet says of a value: dates as 2026-11-27, money as decimal text."""
    if value is None:
        return ""
    if key == "unit_cost":
        return f"{value / 10_000:.4f}".rstrip("0").ljust(len(str(value // 10_000)) + 3, "0")
    return value.strftime("%Y-%m-%d") if hasattr(value, "strftime") else str(value).replace("\r\n", "\n")


def _paragraph(made: Any, text: str, height: float) -> None:
    made.multi_cell(0, height, text, new_x="LMARGIN", new_y="NEXT", align="L")


def _texts(line: Line) -> Iterator[str]:
    for key in (*chain(*ADDRESS), *(key for key, _ in TOP), *(key for key, _, _ in COLUMNS), "currency", "po_number"):
        yield cell(key, line.get(key))


def _refuse_undrawable(po: str, texts: Sequence[str], known: Any) -> None:
    for text in texts:
        if strange := next((letter for letter in text if letter != "\n" and ord(letter) not in known), ""):
            raise Refused(
                f"The PDF of {po} cannot show “{strange}” (U+{ord(strange):04X}) of “{text[:60]}”: its letters are Latin, Greek and "
                "Cyrillic. Attach the order file instead under How orders leave."
            )
