"""An invoice ─▶ a PDF, A4, of what was issued and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portal.billing import money
from portal.errors import Refused
from portal.models import Invoice

PDF = "application/pdf"
_LINE, _MARGIN, _SIZE = 5.5, 18, 10


def pdf(invoice: Invoice) -> bytes:
    """The same bytes whenever it is asked for. Raises Refused where a letter is in none of its fonts (Latin, Greek, Cyrillic)."""
    import fontpkg_fira_sans
    from fpdf import FPDF  # only where somebody asks for one

    fonts = Path(fontpkg_fira_sans.__file__).parent / "files"
    made = FPDF(format="A4")
    made.set_creation_date(datetime.combine(datetime.fromisoformat(invoice.issued_on), datetime.min.time(), UTC))
    made.set_title(invoice.name)
    made.set_margin(_MARGIN)
    made.set_auto_page_break(True, _MARGIN)
    for style, file in (("", "FiraSans-Regular.ttf"), ("B", "FiraSans-SemiBold.ttf")):
        made.add_font("sheet", style, fonts / file)
    font: Any = made.fonts["sheet"]
    parts = [invoice.issuer, invoice.customer, invoice.how_to_pay, invoice.reason, invoice.tax_label, invoice.name]
    _refuse_undrawable(invoice, [*parts, *(one["words"] for one in invoice.lines)], font.cmap)
    _draw(made, invoice)
    return bytes(made.output())


def title_of(invoice: Invoice) -> str:
    """What it is called."""
    return f"{'Credit note' if invoice.corrects_id else 'Invoice'} {invoice.name}"


def rate_of(invoice: Invoice) -> str:
    """The tax rate as people write it: 19 %, 8.25 %."""
    return f"{invoice.tax_rate / 100:.2f}".rstrip("0").rstrip(".") + " %"


def _draw(made: Any, invoice: Invoice) -> None:
    made.add_page()
    _text(made, "", _SIZE, invoice.issuer)
    made.ln(8)
    _text(made, "B", 16, title_of(invoice), 9)
    made.ln(2)
    _text(made, "", _SIZE, f"Issued {invoice.issued_on}" + ("" if invoice.corrects_id else f", due {invoice.due_on}"))
    if invoice.corrects_id:
        _text(made, "", _SIZE, f"Takes back invoice {invoice.corrects.name}: {invoice.reason}")
    made.ln(4)
    _text(made, "B", _SIZE, "For")
    _text(made, "", _SIZE, invoice.customer)
    made.ln(6)
    made.set_font("sheet", "", _SIZE)
    told = [(one["words"], one["amount"]) for one in invoice.lines]
    sums = [("Net", invoice.net), (f"{invoice.tax_label} {rate_of(invoice)}", invoice.tax)] if invoice.tax_rate else []
    with made.table(col_widths=(130, 44), text_align=("LEFT", "RIGHT"), line_height=_LINE + 1, first_row_as_headings=True) as table:
        table.row(["What", invoice.currency])
        for words, amount in [*told, *sums, ("Total", invoice.total)]:
            table.row([words, money.told(amount, invoice.currency)])
    made.ln(6)
    _text(made, "", _SIZE, invoice.how_to_pay)


def _text(made: Any, style: str, size: int, text: str, height: float = _LINE) -> None:
    made.set_font("sheet", style, size)
    if text:
        made.multi_cell(0, height, text, new_x="LMARGIN", new_y="NEXT", align="L")


def _refuse_undrawable(invoice: Invoice, texts: list[str], known: Any) -> None:
    for text in texts:
        if strange := next((letter for letter in text if letter != "\n" and ord(letter) not in known), ""):
            raise Refused(
                f"The PDF of {invoice.name} cannot show “{strange}” (U+{ord(strange):04X}): its letters are Latin, Greek and Cyrillic. "
                "The invoice stands whole on its page and in the CSV."
            )
