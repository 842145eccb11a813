"""Orders out, shipments in: our fields ─▶ a supplier's file, and a supplier's rows ─▶ shipments. Pure."""

from __future__ import annotations

from portal.order_mapping.cells import LINE_FIELDS, is_of_line
from portal.order_mapping.dates import DATE_FORMS, likely_form
from portal.order_mapping.files import OrderFile, files, render
from portal.order_mapping.layout import (
    ALIGNS,
    DELIMITERS,
    FORMATS,
    KINDS,
    LINE_ENDS,
    LINE_JOINS,
    NESTED,
    PADS,
    QUOTING,
    SHAPES,
    TOKENS,
    check_layout,
    column_sets,
    file_name,
    propose_layout,
    reshape,
)
from portal.order_mapping.samples import SAMPLE_ORDER
from portal.order_mapping.sheets import PDF, order_sheets
from portal.order_mapping.shipments import (
    MEANINGS,
    check_answer_rules,
    check_shipment_rules,
    compile_answers,
    compile_shipments,
    needed_shipment_columns,
)
from portal.order_mapping.texts import ENCODINGS

__all__ = [
    "ALIGNS", "DATE_FORMS", "DELIMITERS", "ENCODINGS", "FORMATS", "KINDS", "LINE_ENDS", "LINE_FIELDS", "LINE_JOINS", "NESTED", "PADS",
    "MEANINGS", "PDF", "QUOTING", "SAMPLE_ORDER", "SHAPES", "TOKENS",
    "OrderFile", "check_answer_rules", "check_layout", "check_shipment_rules",
    "column_sets", "compile_answers", "compile_shipments", "file_name", "files", "is_of_line", "likely_form",
    "needed_shipment_columns", "order_sheets", "propose_layout", "render", "reshape",
]  # fmt: skip
