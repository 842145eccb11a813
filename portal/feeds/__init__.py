"""A feed turns the bytes of a document into rows. One module a format; this one picks it.

path ─▶ unpacked ─▶ kind ─▶ detect ─▶ FeedFormat ─▶ open_rows ─▶ Row, Row, Row …
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from portal.errors import Invalid, SupplierError
from portal.feeds import (
    above,
    archives,
    branches,
    damage,
    delimited,
    encodings,
    fixed_width,
    jsonfeed,
    kinds,
    nested,
    sniff,
    spreadsheet,
    x12,
    xmlfeed,
)  # fmt: skip
from portal.feeds.archives import Plain
from portal.feeds.branches import Branch
from portal.feeds.reading import Reader, Unpacked
from portal.records import FEED_KINDS, Detection, FeedFormat, Row

__all__ = [
    "DECIMAL_MARKS", "DELIMITERS", "ENCODINGS", "ENDINGS", "KINDS", "NESTED", "QUOTES", "Branch", "Reader", "check_format", "detect",
    "members", "open_rows", "plain", "preview", "sheets", "tree", "with_columns",
]  # fmt: skip

KINDS = FEED_KINDS
ENCODINGS = encodings.ENCODINGS
DELIMITERS = sniff.DELIMITERS
QUOTES = {'"': "Double quote", "'": "Single quote", "": "None"}
DECIMAL_MARKS = {".": "Dot, as in 1,234.56", ",": "Comma, as in 1.234,56"}
LAST_HEADER_ROW = 1_000
LONGEST_OPTION = branches.LONGEST_PATH
LONGEST_ABOVE = 1_000
NESTED = ("xml", "json", "jsonl", "x12")
MOST_SCANNED = 100_000  # rows looked at to learn all columns
ENDINGS = (*archives.ENDINGS, ".gz", ".zip")
LINES = (".jsonl", ".ndjson")
LOOKED_AT = 1_000  # rows that are searched for damage
PREVIEWED = 64_000_000  # unpacked bytes that a preview looks at


def _detect_text(path: Path, head: bytes) -> Detection:
    found = delimited.detect(path, head)
    columns = fixed_width.detect(head.decode(found.format.encoding, "replace").removeprefix("\ufeff"), found.format.encoding)
    return replace(columns, said={**columns.said, "encoding": found.said["encoding"]}) if columns else found


_DETECT: dict[str, Callable[[Path, bytes], Detection]] = {
    "delimited": _detect_text,
    "spreadsheet": spreadsheet.detect,
    "json": jsonfeed.detect,
    "jsonl": jsonfeed.detect_lines,
    "xml": xmlfeed.detect,
    "x12": x12.detect,
}
_READERS: dict[str, Callable[[Path, FeedFormat], Reader]] = {
    "delimited": delimited.Reader,
    "spreadsheet": spreadsheet.Reader,
    "json": jsonfeed.Reader,
    "jsonl": jsonfeed.LineReader,
    "xml": xmlfeed.Reader,
    "x12": x12.Reader,
    "fixed_width": fixed_width.Reader,
}


def detect(path: str | os.PathLike[str], name: str = "", member: str = "") -> Detection:
    """How to read the file, with a sentence about each option in `said`; of an archive, how to read the file in it.

    Reads the head for the layout and the whole file (at most half a gigabyte) for the encoding. Raises SupplierError:
    empty_file, html_page, unsupported_format, unreadable_text, and those of `archives.unpacked` and the format itself.
    """
    with archives.unpacked(Path(path), name, member) as file:
        head = delimited.head_of(file.path)
        kind = kinds.kind_of(head)
        if kind == "json" and name.lower().endswith(LINES) and b"\n" not in head.strip():
            kind = "jsonl"  # a single item looks like a document
        found = _with_damage(_DETECT[kind](file.path, head), file.path)
    return _told_of_archive(found, file, member)


def open_rows(path: str | os.PathLike[str], format: FeedFormat) -> Reader:
    """Open the file's rows; use as a context manager. A file with only a header yields no rows.

    Raises SupplierError at opening or while reading, its code from `errors.FAILURE_CODES`.
    """
    return _open(archives.unpack(Path(path), "", format.member), format)


def open_changes(path: str | os.PathLike[str], format: FeedFormat) -> Reader:
    """As `open_rows`, of a file that holds only what changed: see `nested.NestedRows.of_changes`."""
    return _open(archives.unpack(Path(path), "", format.member), format, changes=True)


def preview(path: str | os.PathLike[str], format: FeedFormat, rows: int = 10) -> tuple[list[str], list[Row]]:
    """(headers, the first rows), broken characters shown as they are. Of a large archive only the beginning is unpacked."""
    with _open(archives.unpack(Path(path), "", format.member, PREVIEWED), format) as reader:
        return reader.headers, list(islice(reader.lenient(), rows))


@contextmanager
def plain(path: str | os.PathLike[str], format: FeedFormat) -> Iterator[Path]:
    """The file itself, unpacked where it is packed, for a reading of its raw records; a copy is erased afterwards."""
    with archives.unpacked(Path(path), "", format.member) as file:
        yield file.path


def members(path: str | os.PathLike[str], member: str = "") -> list[str]:
    """Names in a zip archive that the pattern fits, the one that is read first; [] for any other file. Raises SupplierError."""
    return archives.members(Path(path), member)


def sheets(path: str | os.PathLike[str], member: str = "") -> list[str]:
    """Names of the visible sheets of a workbook, [] for any other file. Raises SupplierError."""
    with archives.unpacked(Path(path), "", member) as file:
        return spreadsheet.sheets(file.path) if kinds.kind_of(delimited.head_of(file.path)) == "spreadsheet" else []


def tree(path: str | os.PathLike[str], format: FeedFormat) -> list[Branch]:
    """Paths of an XML or JSON document with counts and samples, [] for any other file. Raises SupplierError."""
    look = {"xml": xmlfeed.tree, "json": jsonfeed.tree, "jsonl": jsonfeed.tree_of_lines}.get(format.kind)
    if look is None:
        return []
    with archives.unpacked(Path(path), "", format.member, PREVIEWED) as file:
        return look(file.path, format.encoding)


def with_columns(path: str | os.PathLike[str], format: FeedFormat) -> FeedFormat:
    """The format with the columns that the file has now, where items may leave some out. Raises SupplierError."""
    if format.kind not in NESTED:
        return format
    with archives.unpacked(Path(path), "", format.member) as file:
        with _READERS[format.kind](file.path, replace(format, columns=())) as reader:
            return replace(format, columns=nested.columns_of(reader, MOST_SCANNED))


def check_format(format: FeedFormat) -> None:
    """Raise Invalid, keyed by option, for a format no file can be read with."""
    errors = dict(_errors_of_text(format))
    if format.kind not in KINDS:
        errors["kind"] = "Choose one of the kinds of file"
    if not 0 <= format.header_row <= LAST_HEADER_ROW:
        errors["header_row"] = f"Enter a line from 1 to {LAST_HEADER_ROW:,}, or 0 for no header"
    if format.decimal_mark not in DECIMAL_MARKS:
        errors["decimal_mark"] = "Choose a dot or a comma"
    for name in ("sheet", "row_path", "variants", "member"):
        if len(getattr(format, name)) > LONGEST_OPTION or not getattr(format, name).isprintable():
            errors[name] = f"Enter at most {LONGEST_OPTION} letters and signs"
    if not isinstance(format.as_above, str) or len(format.as_above) > LONGEST_ABOVE or not all(map(str.isprintable, format.above)):
        errors["as_above"] = f"Enter names of columns, one a line, at most {LONGEST_ABOVE:,} letters and signs in all"
    if errors:
        raise Invalid(errors)


def _errors_of_text(format: FeedFormat) -> Iterator[tuple[str, str]]:
    if format.kind == "delimited" and not sniff.may_delimit(format.delimiter):
        yield "delimiter", "Enter one sign, such as a comma, that does not occur inside words or numbers"
    if format.kind == "delimited" and format.quote not in QUOTES:
        yield "quote", "Choose one of the quotes"
    if format.encoding not in ENCODINGS:
        yield "encoding", "Choose one of the encodings"
    if format.kind == "fixed_width" and format.cuts:
        try:
            fixed_width.spans_of(format.cuts)
        except ValueError as error:
            yield "cuts", f"Enter where each column begins, such as 1,11,41: {error}"


def _open(file: Plain, form: FeedFormat, changes: bool = False) -> Reader:
    try:
        kinds.check(delimited.head_of(file.path), form.kind)
        reader = _READERS[form.kind](file.path, form)
        if changes and isinstance(reader, nested.NestedRows):
            reader = reader.of_changes()
    except BaseException:
        if file.is_copy:
            file.path.unlink(missing_ok=True)
        raise
    found: Reader = Unpacked(reader, file.path) if file.is_copy else reader
    return above.Filled(found) if form.above else found


def _with_damage(found: Detection, path: Path) -> Detection:
    """The detection with what a spreadsheet program did to the first rows."""
    try:
        with _READERS[found.format.kind](path, found.format) as reader:
            rows = islice(reader.lenient(), LOOKED_AT)
            seen = damage.find(reader.headers, (row.cells for row in rows), mark=found.format.decimal_mark)
    except SupplierError:  # the reading itself meets the same and says it
        return found
    return replace(found, damage=seen, warnings=(*found.warnings, *(one.words for one in seen)))


def _told_of_archive(found: Detection, file: Plain, member: str) -> Detection:
    if not file.is_copy:
        return found
    words = f"{file.name}, unpacked from the archive." if not file.others else f"{file.name}, the newest of {file.others + 1} that fit."
    return replace(found, format=replace(found.format, member=member), said={**found.said, "member": words})
