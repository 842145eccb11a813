"""Delimited text as rows: bytes ─▶ decoded blocks ─▶ lines ─▶ csv ─▶ Row, in bounded memory.

A quote that is never closed costs its own row only: the lines it swallowed are read again.
"""

from __future__ import annotations

import codecs
import csv
import io
from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from itertools import accumulate, chain, islice, repeat
from pathlib import Path
from types import TracebackType

from portal.errors import SupplierError
from portal.feeds import encodings, refusals, sniff, totals
from portal.feeds.raw_records import NotInRecords
from portal.feeds.reading import MOST_COLUMNS, unique_headers
from portal.records import CellProblem, Detection, FeedFormat, Row

HEAD = 256 * 1024
LONGEST_CELL = 16_000_000  # characters; also the longest record
LONGEST_SHOWN = 200  # characters of a value that a problem repeats
MOST_LINES_IN_A_RECORD = 2_000
MOST_OPEN_QUOTES = 1_000
SHORT_ROWS_ARE_A_HABIT = 0.05  # share of the head's rows from which cells left out at the end are the file's way
_BLOCK = 1 << 19
_SAMPLED = 500  # records read at opening, to learn the width and habits of a file

csv.field_size_limit(LONGEST_CELL)


class _Runaway(Exception):
    """A record went past its limits while csv was still inside a quote."""


def detect(path: Path, head: bytes) -> Detection:
    """Judge encoding from the whole file and layout from its head (`head`: its first bytes).

    Raises SupplierError: empty_file, unreadable_text.
    """
    encoding, words = encodings.guess(path, head)
    text = head.decode(encoding, "replace").removeprefix("\ufeff")
    if len(head) >= HEAD:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1] or text
    if text.count("\0") > 0.1 * len(text):
        raise refusals.not_text()
    if not text.strip(" \r\n\t\0"):
        raise refusals.empty_file()
    layout = sniff.layout_of(text)
    found = FeedFormat("delimited", layout.delimiter, layout.quote, encoding, layout.header_row, layout.decimal_mark)
    return Detection(found, {"encoding": words, **layout.said}, layout.warnings)


class Reader:
    """Rows of one file; a context manager. `headers` are cleaned and unique, "Column 1"… without a header row.

    Row numbers only grow, and a row has at least as many cells as there are headers.
    What cannot be a row says so in `Row.problems`: too many cells, a quote never closed, a totals line (all fatal);
    NUL or broken characters (noted). A short row is padded and noted where leaving out last cells is the file's
    habit, fatal elsewhere. At the end, broken characters in more than 0.1 % of rows raise `wrong_encoding`.
    Counts so far: `rows`, `short`, `long`, `blank`, `unreadable`, `open_quotes`.
    """

    def __init__(self, path: Path, form: FeedFormat) -> None:
        self.path = path
        self.format = form
        self.size = path.stat().st_size
        self.rows = self.short = self.long = self.blank = self.unreadable = self.open_quotes = 0
        self._file = path.open("rb", buffering=0)
        self._dialect = sniff.dialect(form.delimiter, form.quote)
        self._blocks = self._decoded()
        self._held: list[str] = []  # lines from the start of csv's present record to the end of its block
        self._held_from = 0  # lines before those
        self._at = 0  # lines before csv's present record
        self._odd = False  # the held lines hold NUL or broken characters, or csv has met the end of the file
        self._ended = False
        self._strict_until = 0  # lines that an open quote had swallowed must be whole rows
        try:
            self.headers, self._start, self._pads = self._open()
        except BaseException:
            self._file.close()
            raise

    @property
    def bytes_read(self) -> int:
        """How far into the file reading has come."""
        return self.size if self._file.closed else min(self.size, self._file.tell())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Row]:
        yield from self.lenient()
        if self.unreadable > self.rows * encodings.LARGEST_SHARE_UNREADABLE:
            raise self._wrong_encoding(self.unreadable, self.rows)

    def lenient(self) -> Iterator[Row]:
        """The rows, without the judgement at the end: for a preview."""
        start: int | None = self._start
        while start is not None:
            start = yield from self._rows_from(start)

    def _rows_from(self, start: int) -> Generator[Row, None, int | None]:
        """Rows from line `start` on. Returns the line to begin again at after an open quote, None at the end."""
        width = len(self.headers)
        self._at = before = start
        lines = csv.reader(chain.from_iterable(self._line_blocks(start)), self._dialect)
        try:
            for cells in lines:
                after = start + lines.line_num
                if after - before == 1 and len(cells) == width and not self._odd and cells[0] and cells[0] not in totals.FIRST_CELLS:
                    self.rows += 1
                    yield Row(before + 1, cells)
                elif self._swallowed(before, after, width):
                    yield self._open_quote(before, after)
                    return before + 1
                elif row := self._unusual(cells, before, width):
                    yield row
                self._at = before = after
        except _Runaway:
            yield self._open_quote(before, self._held_from + len(self._held))
            return before + 1
        except csv.Error as error:
            raise refusals.long_line(before + 1, LONGEST_CELL) from error
        return None

    @property
    def lines_before(self) -> int:
        """Lines of the file before its first row."""
        return self._start

    @property
    def habits(self) -> tuple[object, ...]:
        """What the sample at opening decided: rows mean the same in two files only where this is the same."""
        return (*self.headers, self._pads)

    def rows_of(self, records: Sequence[bytes], numbers: Sequence[int]) -> tuple[Sequence[int], list[Row]]:
        """Rows of raw records (see `raw_records`), and the place of each row's record. Counts as reading does, judges nothing at the end.

        Raises NotInRecords when the records do not come apart where they were cut; then read the file itself.
        """
        texts = list(map(str, records, repeat(self.format.encoding), repeat("replace")))
        if texts and numbers[0] == 1:
            texts[0] = texts[0].removeprefix("\ufeff")
        whole = "".join(texts)
        self._odd = "\0" in whole or "\ufffd" in whole
        found = None if self._odd else self._one_row_each(texts, numbers, "\n" in whole)
        return found or self._rows_of_lines(texts, numbers)

    def _one_row_each(self, texts: list[str], numbers: Sequence[int], long: bool) -> tuple[Sequence[int], list[Row]] | None:
        """The rows where each record is one by the rules of quoting, as nearly always; else None, and nothing is counted."""
        if long and any(text.count("\n") > 2 for text in texts):
            return None  # so many lines may be held together by a quote that was never closed
        try:
            cells = list(csv.reader(texts, self._dialect, strict=True))
        except csv.Error:
            return None
        if len(cells) != len(texts):
            return None
        width, totals_of, row_of = len(self.headers), totals.FIRST_CELLS, tuple.__new__
        plain = [row_of(Row, (n, one, ())) for n, one in zip(numbers, cells, strict=True)
                 if len(one) == width and one[0] and one[0] not in totals_of]  # fmt: skip
        if len(plain) == len(cells):
            self.rows += len(plain)
            return range(len(plain)), plain
        found = [(place, row) for place, one in enumerate(cells) if (row := self._row(numbers[place], one, width))]
        return [place for place, _ in found], [row for _, row in found]

    def _row(self, number: int, cells: list[str], width: int) -> Row | None:
        if len(cells) == width and not self._odd and cells[0] and cells[0] not in totals.FIRST_CELLS:
            self.rows += 1
            return Row(number, cells)
        return self._unusual(cells, number - 1, width)

    def _rows_of_lines(self, texts: list[str], numbers: Sequence[int]) -> tuple[Sequence[int], list[Row]]:
        """The rows of records of any kind, read line by line."""
        lines = io.StringIO("\n".join(texts), newline="").readlines()
        starts = range(len(lines)) if len(lines) == len(texts) else _starts(texts)
        width, before, last = len(self.headers), 0, 0
        places: list[int] = []
        rows: list[Row] = []
        reading = csv.reader(lines, self._dialect)
        try:
            for cells in reading:
                after = reading.line_num
                if after - before == 1 and len(lines) == len(texts):
                    place, number = before, numbers[before]
                else:
                    place = self._place(starts, lines, before, after, width)
                    number = numbers[place] + before - starts[place]
                if row := self._row(number, cells, width):
                    places.append(place)
                    rows.append(row)
                last, before = before, after
        except csv.Error as error:
            raise NotInRecords(str(error)) from error
        if lines and self.format.quote and _breaks_rules(lines[last:], self._dialect):
            raise NotInRecords("a quote is open at the end of a record")
        return places, rows

    def judge_letters(self, rows: int) -> None:
        """Raise wrong_encoding when more than the tolerated share of `rows` held broken characters."""
        if self.unreadable > rows * encodings.LARGEST_SHARE_UNREADABLE:
            raise self._wrong_encoding(self.unreadable, rows)

    def _place(self, starts: Sequence[int], lines: list[str], before: int, after: int, width: int) -> int:
        """Which record the lines from `before` up to `after` belong to. Raises NotInRecords when not to one, or to a swallowed one."""
        place = bisect_right(starts, before) - 1
        end = starts[place + 1] if place + 1 < len(starts) else len(lines)
        if after > end or (after - before > 1 and self._holds_by_an_open_quote(lines[before:after], width)):
            raise NotInRecords("a quote joins records")
        return place

    def _line_blocks(self, start: int) -> Iterator[list[str]]:
        """Blocks of lines from line `start` on, keeping those of csv's present record at hand."""
        self._ended = False
        yield self._held[start - self._held_from :]
        for lines, odd in self._blocks:
            del self._held[: self._at - self._held_from]
            self._held_from = self._at
            runaway = len(self._held) > MOST_LINES_IN_A_RECORD or sum(map(len, self._held)) > LONGEST_CELL
            self._odd = odd or (self._odd and bool(self._held))
            self._held += lines
            if runaway:
                raise _Runaway
            yield lines
        self._ended = self._odd = True

    def _decoded(self) -> Iterator[tuple[list[str], bool]]:
        """Whole lines, a block at a time, and whether any of them holds NUL or broken characters."""
        decoder = codecs.getincrementaldecoder(self.format.encoding)("replace")
        rest, lines_before, first, block = "", 0, True, b"-"
        while block:
            block = self._file.read(_BLOCK)
            text = rest + decoder.decode(block, not block)
            if first:
                text, first = text.removeprefix("\ufeff"), False
            end = len(text)
            if block:  # a CR at the very end may be half of a CRLF
                end = max(text.rfind("\n"), text.rfind("\r", 0, -1)) + 1
            rest, text = text[end:], text[:end]
            if len(rest) > LONGEST_CELL:
                raise refusals.long_line(lines_before + 1, LONGEST_CELL)
            lines = io.StringIO(text, newline="").readlines()
            lines_before += len(lines)
            if lines:
                yield lines, self._is_odd(text, len(lines))

    def _is_odd(self, text: str, lines: int) -> bool:
        if "\0" not in text:
            return "\ufffd" in text
        if text.count("\0") > 0.1 * len(text):
            raise self._wrong_encoding(lines, lines)
        return True

    def _wrong_encoding(self, bad: int, rows: int) -> SupplierError:
        better, _ = encodings.guess(self.path, head_of(self.path))
        return refusals.wrong_encoding(bad, rows, self.format.encoding, better if better != self.format.encoding else None)

    def _open(self) -> tuple[list[str], int, bool]:
        """Headers, the number of lines before the first row, and whether rows leave empty cells out at their end."""
        skipped = max(self.format.header_row - 1, 0)
        source = chain.from_iterable(self._line_blocks(0))
        if sum(1 for _ in islice(source, skipped)) < skipped:
            raise refusals.no_such_header(self.format.header_row)
        lines = csv.reader(source, self._dialect)
        records: list[list[str]] = []
        header_lines = 0
        try:
            for cells in islice(lines, _SAMPLED):
                header_lines = header_lines or lines.line_num
                records.append(cells)
        except (_Runaway, csv.Error):
            records.append([])  # the reading itself meets the same record again and says it
        full = [cells for cells in records if any(cells)]
        width = len(records[0]) if self.format.header_row and full else Counter(map(len, full)).most_common(1)[0][0] if full else 0
        if width > MOST_COLUMNS:
            raise refusals.too_many_columns(width, MOST_COLUMNS)
        if not self.format.header_row:
            return unique_headers([""] * width), 0, _leaves_out(full, width)
        if not full:
            raise refusals.no_such_header(self.format.header_row) if skipped else refusals.empty_file()
        headers = unique_headers(records[0])
        return headers, skipped + header_lines, _leaves_out(full[1:], len(headers))

    def _swallowed(self, before: int, after: int, width: int) -> bool:
        """Whether the record of these lines only holds together by a quote that was never closed.

        Either it breaks the rules of quoting (its quote ends amid a value, or not at all), or three and more lines
        that were not meant to be inside a value are whole rows by themselves.
        """
        if not self.format.quote or (after - before == 1 and not self._ended):
            return False
        return self._holds_by_an_open_quote(self._held[before - self._held_from : after - self._held_from], width)

    def _holds_by_an_open_quote(self, lines: list[str], width: int) -> bool:
        if len(lines) > MOST_LINES_IN_A_RECORD or _breaks_rules(lines, self._dialect):
            return True
        plain = csv.reader(lines, sniff.dialect(self.format.delimiter, ""))
        return width > 2 and len(lines) > 3 and all(len(cells) == width for cells in plain)

    def _open_quote(self, before: int, after: int) -> Row:
        line = self._held[before - self._held_from]
        cells = next(csv.reader([line], sniff.dialect(self.format.delimiter, "")), [])
        self.rows += 1
        self.open_quotes += 1
        self._strict_until = max(self._strict_until, after)
        if self.open_quotes > MOST_OPEN_QUOTES and self.open_quotes > 0.02 * self.rows:
            raise refusals.open_quotes(self.open_quotes, self.rows)
        problem = _of_row(cells, "A quote is opened here and never closed")
        return Row(before + 1, cells + [""] * (len(self.headers) - len(cells)), (problem,))

    def _unusual(self, cells: list[str], before: int, width: int) -> Row | None:
        """The row with its problems, or None for a blank one."""
        if not "".join(cells).strip(" \t\0;,"):
            self.blank += 1
            return None
        self.rows += 1
        problems = self._unreadable(cells) if self._odd else []
        if len(cells) > width and not any(cells[width:]):
            del cells[width:]
        if len(cells) > width:
            self.long += 1
            problems.append(_of_row(cells, f"{len(cells)} cells where the file has {width} columns"))
        elif len(cells) < width:
            self.short += 1
            fatal = not self._pads or before < self._strict_until
            problems.append(_of_row(cells, f"{len(cells)} cells where the file has {width} columns", fatal))
            cells += [""] * (width - len(cells))
        if totals.is_totals(cells, width):
            problems.append(_of_row(cells, totals.REASON))
        return Row(before + 1, cells, tuple(problems))

    def _unreadable(self, cells: list[str]) -> list[CellProblem]:
        problems = []
        for n, cell in enumerate(cells):
            column = self.headers[n] if n < len(self.headers) else ""
            if "\ufffd" in cell:
                problems.append(CellProblem("", column, cell[:LONGEST_SHOWN], "Letters that this encoding cannot read", fatal=False))
            if "\0" in cell:
                cells[n] = cell.replace("\0", "")
                problems.append(CellProblem("", column, cells[n][:LONGEST_SHOWN], "An empty character (NUL), left out", fatal=False))
        self.unreadable += any("\ufffd" in cell for cell in cells)
        return problems


def _breaks_rules(lines: list[str], dialect: type[csv.Dialect]) -> bool:
    """Whether a quote of these lines ends amid a value, or not at all."""
    try:
        list(csv.reader(lines, dialect, strict=True))
    except csv.Error:
        return True
    return False


def _starts(records: Sequence[str]) -> list[int]:
    """The first line of each record, when they are joined line after line."""
    sizes = (record.count("\n") + 1 for record in records)
    return list(accumulate(sizes, initial=0))[:-1]


def head_of(path: Path) -> bytes:
    """The file's first bytes, as many as detection looks at."""
    with path.open("rb") as file:
        return file.read(HEAD)


def _of_row(cells: Sequence[str], reason: str, fatal: bool = True) -> CellProblem:
    return CellProblem("", "", " · ".join(cell[:40] for cell in cells[:8])[:LONGEST_SHOWN], reason, fatal)


def _leaves_out(records: Sequence[Sequence[str]], width: int) -> bool:
    short = sum(len(cells) < width for cells in records)
    return short > SHORT_ROWS_ARE_A_HABIT * len(records)
