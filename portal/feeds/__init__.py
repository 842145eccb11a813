"""A feed turns the bytes of a document into rows. One module a format; this one picks it.

path ─▶ detect ─▶ FeedFormat ─▶ open_rows ─▶ Row, Row, Row …
"""

from __future__ import annotations

import os
import re
from itertools import islice
from pathlib import Path

from portal.errors import Invalid
from portal.feeds import delimited, encodings, refusals, sniff
from portal.feeds.delimited import Reader
from portal.records import Detection, FeedFormat, Row

__all__ = ["DECIMAL_MARKS", "DELIMITERS", "ENCODINGS", "QUOTES", "Reader", "check_format", "detect", "open_rows", "preview"]

ENCODINGS = encodings.ENCODINGS
DELIMITERS = sniff.DELIMITERS
QUOTES = {'"': "Double quote", "'": "Single quote", "": "None"}
DECIMAL_MARKS = {".": "Dot, as in 1,234.56", ",": "Comma, as in 1.234,56"}
LAST_HEADER_ROW = 1_000

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save it as CSV"),
    (b"\x1f\x8b", "gzip-compressed", "Unpack it first"),
    (b"Rar!", "a RAR archive", "Unpack it first"),
    (b"7z\xbc\xaf", "a 7z archive", "Unpack it first"),
    (b"%PDF", "a PDF", "Ask for a CSV or text file"),
    (b"\x89PNG", "a picture", "Ask for a CSV or text file"),
    (b"\xff\xd8\xff", "a picture", "Ask for a CSV or text file"),
)
_HTML = re.compile(r"\s*(?:<!--.{0,2000}?-->\s*)?(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,300})", re.I)


def detect(path: str | os.PathLike[str], name: str = "") -> Detection:
    """How to read the file, with a sentence about each option in `said`.

    Reads the head for the layout and the whole file (at most half a gigabyte) for the encoding.
    Raises SupplierError: empty_file, html_page, unsupported_format, unreadable_text.
    """
    file = Path(path)
    head = delimited.head_of(file)
    _refuse_other_formats(head, name)
    return delimited.detect(file, head)


def open_rows(path: str | os.PathLike[str], format: FeedFormat) -> Reader:
    """Open the file's rows; use as a context manager. A file with only a header yields no rows.

    Raises SupplierError at opening or while reading: empty_file, html_page, unsupported_format,
    malformed_file, wrong_encoding.
    """
    file = Path(path)
    head = delimited.head_of(file)
    if not head.strip(b" \r\n\t\0"):
        raise refusals.empty_file()
    _refuse_other_formats(head, file.name)
    return Reader(file, format)


def preview(path: str | os.PathLike[str], format: FeedFormat, rows: int = 10) -> tuple[list[str], list[Row]]:
    """(headers, the first rows), broken characters shown as they are."""
    with open_rows(path, format) as reader:
        return reader.headers, list(islice(reader.lenient(), rows))


def check_format(format: FeedFormat) -> None:
    """Raise Invalid, keyed by option, for a format no file can be read with."""
    errors = {}
    if len(format.delimiter) != 1 or format.delimiter.isalnum() or format.delimiter in "\"'\r\n\0. ":
        errors["delimiter"] = "Enter one sign, such as a comma, that does not occur inside words or numbers"
    if format.quote not in QUOTES:
        errors["quote"] = "Choose one of the quotes"
    if format.encoding not in ENCODINGS:
        errors["encoding"] = "Choose one of the encodings"
    if not 0 <= format.header_row <= LAST_HEADER_ROW:
        errors["header_row"] = f"Enter a line from 1 to {LAST_HEADER_ROW:,}, or 0 for no header"
    if format.decimal_mark not in DECIMAL_MARKS:
        errors["decimal_mark"] = "Choose a dot or a comma"
    if errors:
        raise Invalid(errors)


def _refuse_other_formats(head: bytes, name: str) -> None:
    if not head.strip(b" \r\n\t\0"):
        raise refusals.empty_file()
    if head.startswith(b"PK\x03\x04"):
        workbook = b"[Content_Types].xml" in head[:4096] or b"xl/" in head[:4096] or name.lower().endswith((".xlsx", ".xlsm"))
        raise (
            refusals.unsupported("an Excel workbook", "Save it as CSV")
            if workbook
            else refusals.unsupported("a zip archive", "Unpack it first")
        )
    for signature, what, instead in _SIGNATURES:
        if head.startswith(signature):
            raise refusals.unsupported(what, instead)
    text = head[:20_000].decode(encodings.mark_of(head) or "utf-8", "replace").lstrip("\ufeff \r\n\t")
    if _HTML.match(text):
        title = _TITLE.search(text)
        raise refusals.html_page(" ".join(title[1].split()) if title else "")
    if text.startswith(("<?xml", "<!DOCTYPE")) or re.match(r"<[A-Za-z][\w:.-]{0,100}[\s>]", text):
        raise refusals.unsupported("XML")
    if re.match(r"\{\s*[\"}]|\[\s*[\[{\"]", text):
        raise refusals.unsupported("JSON")
