"""Orders out, shipments in: our fields ─▶ a supplier's file, and a supplier's rows ─▶ shipments. Pure."""

from __future__ import annotations

from portal.order_mapping.dates import DATE_FORMS, likely_form
from portal.order_mapping.layout import (
    DELIMITERS,
    ENCODINGS,
    KINDS,
    LINE_ENDS,
    QUOTING,
    TOKENS,
    check_layout,
    file_name,
    propose_layout,
    render,
)
from portal.order_mapping.samples import SAMPLE_ORDER
from portal.order_mapping.shipments import check_shipment_rules, compile_shipments, needed_shipment_columns

__all__ = [
    "DATE_FORMS", "DELIMITERS", "ENCODINGS", "KINDS", "LINE_ENDS", "QUOTING", "SAMPLE_ORDER", "TOKENS",
    "check_layout", "check_shipment_rules", "compile_shipments", "file_name", "likely_form", "needed_shipment_columns",
    "propose_layout", "render",
]  # fmt: skip
