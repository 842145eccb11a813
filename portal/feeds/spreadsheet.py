"""Excel workbooks as rows: values as a person sees them, but for number formats. The whole sheet is held while it is read."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from portal.feeds import refusals, sniff, totals, workbook_parts
from portal.feeds.books import Book, Sheet, open_book
from portal.feeds.reading import SAMPLED, Rows, of_row, unique_headers
from portal.records import Detection, FeedFormat, Row


def detect(path: Path, _head: bytes) -> Detection:
    """The sheet with rows, its header row and decimal mark. Raises SupplierError."""
    seen = workbook_parts.inspect(path)
    with open_book(path) as book:
        names = book.visible
        sheet = _first_with_rows(book, names)
        records = [sniff.Record(n, cells) for n, cells in enumerate(islice(_rows(sheet), SAMPLED), 1)]
    if not any(any(record.cells) for record in records):
        raise refusals.empty_file()
    header_row, words = sniff.header_of(records)
    mark, mark_words, warnings = sniff.decimal_mark_of([one.cells for one in records if one.line > header_row], ",")
    words = words.replace("Line ", "Row ").replace("line", "row")
    said = {"sheet": _sheet_words(sheet.name, names), "header_row": words, "decimal_mark": mark_words}
    form = FeedFormat("spreadsheet", header_row=header_row, decimal_mark=mark, sheet=sheet.name if len(names) > 1 else "")
    return Detection(form, said, (*warnings, *_warnings(seen)))


def sheets(path: Path) -> list[str]:
    """Names of the workbook's visible sheets, in its order. Raises SupplierError."""
    workbook_parts.inspect(path)
    with open_book(path) as book:
        return book.visible


class Reader(Rows):
    """Rows of one sheet. `number` is the sheet's row. Progress counts rows, since a sheet is loaded whole."""

    def __init__(self, path: Path, form: FeedFormat) -> None:
        super().__init__(path, form)
        book: Book | None = None
        try:
            workbook_parts.inspect(path)
            book = self._book = open_book(path)
            self._sheet = _chosen(self._book, form.sheet)
            self.size = self._sheet.last_row
            self.headers, self._width = self._open()
        except BaseException:
            self._file.close()
            if book:
                book.close()
            raise
        self._at = 0

    @property
    def bytes_read(self) -> int:
        """Rows of the sheet that were read so far; `size` counts all."""
        return self.size if self._file.closed else self._at

    def close(self) -> None:
        """Let go of the workbook."""
        super().close()
        self._book.close()

    def _open(self) -> tuple[list[str], int]:
        records = list(islice(_rows(self._sheet), max(self.format.header_row, 1) + SAMPLED))
        if not any(map(any, records)):
            raise refusals.empty_file()
        if not self.format.header_row:
            width = max(_length(cells) for cells in records)
            return unique_headers([""] * width), width
        if self.format.header_row > len(records) or not any(records[self.format.header_row - 1]):
            raise refusals.no_such_header(self.format.header_row)
        names = records[self.format.header_row - 1]
        width = max(_length(names), max((_length(cells) for cells in records[self.format.header_row :]), default=0))
        return unique_headers((names + [""] * width)[:width]), width

    def lenient(self) -> Iterator[Row]:
        """The rows, empty ones left out."""
        width = self._width
        for number, cells in enumerate(_rows(self._sheet), 1):
            self._at = number
            if number <= self.format.header_row or not any(cells):
                continue
            self.rows += 1
            if len(cells) > width:
                if any(cells[width:]):
                    yield Row(number, cells, (of_row(cells, f"{_length(cells)} cells where the sheet has {width} columns"),))
                    continue
                del cells[width:]
            if cells[0] in totals.FIRST_CELLS and totals.is_totals(cells, width):
                yield Row(number, cells, (of_row(cells, totals.REASON),))
            else:
                yield Row(number, cells)


def text_of(value: Any) -> str:
    """A cell's value as text: 5.0 -> "5", 1.2E+13 -> all digits, dates as 2026-11-25, times with seconds."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, datetime.datetime):
        return value.date().isoformat() if value.time() == datetime.time() else value.isoformat(" ", "seconds")
    return value.strip() if isinstance(value, str) else str(value)


def number_text(value: float) -> str:
    """Up to the 15 digits that Excel keeps, never with an exponent or a trailing ".0"."""
    if value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    text = f"{value:.15g}"
    return format(Decimal(text), "f") if "e" in text else text


def _rows(sheet: Sheet) -> Iterator[list[str]]:
    texts: dict[Any, str] = {"": ""}
    for row in sheet.rows():
        yield [value.strip() if type(value) is str else _remembered(value, texts) for value in row]


def _remembered(value: Any, texts: dict[Any, str]) -> str:
    """Quantities and prices repeat: most are turned into text once. (True and 1.0 are one key, so not kept.)"""
    if type(value) is not float:
        return text_of(value)
    found = texts.get(value)
    if found is None:
        if len(texts) > 50_000:
            texts.clear()
        found = texts[value] = number_text(value)
    return found


def _length(cells: Sequence[str]) -> int:
    """The number of cells up to the last one with text."""
    return next((n for n in range(len(cells), 0, -1) if cells[n - 1]), 0)


def _first_with_rows(book: Book, names: Sequence[str]) -> Sheet:
    """The first sheet that is a list: two rows and two columns; else the first with anything in it."""
    loaded = None
    for name in names:
        sheet = book.load(name)
        if sheet.last_row > 1 and sheet.width > 1:
            return sheet
        loaded = loaded or (sheet if sheet.last_row else None)
    return loaded or book.load(names[0])


def _chosen(book: Book, name: str) -> Sheet:
    if not name:
        return _first_with_rows(book, book.visible)
    if name not in book.names:
        raise refusals.sheet_missing(name, book.visible)
    return book.load(name)


def _sheet_words(name: str, names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"“{name}” is the only sheet."
    return f"“{name}” is the first of {len(names)} sheets with rows."


def _warnings(seen: workbook_parts.Seen) -> Iterator[str]:
    if seen.formulas:
        yield f"{seen.formulas:,} formulas hold no value; they read as empty. Open the workbook in Excel and save it again."
    if seen.errors:
        yield f"{seen.errors:,} cells hold an Excel error such as #N/A; they read as empty."
