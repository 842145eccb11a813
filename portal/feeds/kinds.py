"""Which kind of file the first bytes show, and the files that are no feed at all."""

from __future__ import annotations

import re

from portal.feeds import encodings, refusals
from portal.records import FEED_KINDS

NAMES = {
    "delimited": "delimited text", "fixed_width": "fixed-width text", "spreadsheet": "an Excel workbook", "xml": "XML",
    "json": "JSON", "jsonl": "JSON, one item a line", "x12": "an EDI document",
}  # fmt: skip
_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"Rar!", "a RAR archive", "Ask for zip or gzip"),
    (b"7z\xbc\xaf", "a 7z archive", "Ask for zip or gzip"),
    (b"BZh", "packed with bzip2", "Ask for zip or gzip"),
    (b"\xfd7zXZ", "packed with xz", "Ask for zip or gzip"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "Ask for zip or gzip"),
    (b"%PDF", "a PDF", "Ask for a CSV or text file"),
    (b"\x89PNG", "a picture", "Ask for a CSV or text file"),
    (b"\xff\xd8\xff", "a picture", "Ask for a CSV or text file"),
    (b"PAR1", "a Parquet file", "Ask for a CSV or text file"),
    (b"SQLite format 3", "a database", "Ask for a CSV or text file"),
)
_OLE = b"\xd0\xcf\x11\xe0"
_HTML = re.compile(r"\s*(?:<!--.{0,2000}?-->\s*)?(?:<\?xml[^>]{0,200}>\s*)?<(?:!doctype\s+html|html|head|body|table)\b", re.I | re.S)
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{1,300})", re.I)
_XML = re.compile(r"<(?:\?xml|!DOCTYPE|!--|[A-Za-z_][\w:.-]{0,100}[\s>/])")
_JSON = re.compile(r"\{\s*[\"}]|\[\s*[\[{\"\]]")
_X12 = re.compile(r"ISA([^\w\s])\d\d\1")


def kind_of(head: bytes) -> str:
    """The kind of `FEED_KINDS` that the unpacked file's first bytes show; any other text is "delimited".

    Raises SupplierError: empty_file, html_page, unsupported_format, encrypted_file.
    """
    if not head.strip(b" \r\n\t\0"):
        raise refusals.empty_file()
    for signature, what, instead in _SIGNATURES:
        if head.startswith(signature):
            raise refusals.unsupported(what, instead)
    if head[257:262] == b"ustar":
        raise refusals.unsupported("a tar archive", "Ask for zip or gzip")
    if head.startswith(_OLE):
        return _old_office(head)
    return "spreadsheet" if head.startswith(b"PK\x03\x04") else _kind_of_text(text_of(head[:20_000]), head)


def text_of(head: bytes) -> str:
    """The beginning as text, without its mark, for a look at the first sign."""
    return head.decode(encodings.mark_of(head) or _width(head), "replace").lstrip("\ufeff \r\n\t")


def check(head: bytes, kind: str) -> None:
    """Raise SupplierError when the file is of another kind than it should be; text kinds are not told apart here."""
    seen = kind_of(head)
    alike = {"delimited", "fixed_width"}, {"json", "jsonl"}
    if seen != kind and not any({seen, kind} <= both for both in alike):
        if seen == "delimited" and kind in ("xml", "json", "jsonl", "x12", "spreadsheet"):
            raise refusals.other_format("text of another kind", NAMES[kind])
        raise refusals.other_format(NAMES[seen], NAMES.get(kind, FEED_KINDS["delimited"]))


def _width(head: bytes) -> str:
    if head[1:2] == b"\0" and head[:1] != b"\0":
        return "utf-16-le"
    return "utf-16-be" if head[:1] == b"\0" and head[1:2] != b"\0" else "utf-8"


def _old_office(head: bytes) -> str:
    """An old workbook, or the wrapper around an encrypted new one."""
    if "EncryptedPackage".encode("utf-16-le") in head:
        raise refusals.encrypted("workbook")
    if "WordDocument".encode("utf-16-le") in head:
        raise refusals.unsupported("a Word document")
    return "spreadsheet"


def _kind_of_text(text: str, head: bytes) -> str:
    if _HTML.match(text):
        title = _TITLE.search(text)
        raise refusals.html_page(" ".join(title[1].split()) if title else "")
    if "urn:schemas-microsoft-com:office:spreadsheet" in text[:5_000] and text.startswith("<"):
        raise refusals.unsupported("an Excel 2003 XML workbook", "Save it as XLSX or CSV")
    if _X12.match(text):
        return "x12"
    if re.match(r"UN[AB][^\w\s].|UNB\+", text):
        raise refusals.unsupported("an EDIFACT document", "Ask for X12 846 or CSV")
    if _XML.match(text):
        return "xml"
    return _json_or_lines(text_of(head)) if _JSON.match(text) else "delimited"


def _json_or_lines(text: str) -> str:
    """ "jsonl" when the first line is whole and another begins like it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    whole = lines[0].startswith("{") and lines[0].endswith("}")
    return "jsonl" if whole and len(lines) > 1 and lines[1].startswith("{") else "json"
