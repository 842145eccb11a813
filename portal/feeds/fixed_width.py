"""Text in columns of fixed width: where they begin is proposed from the gutters that every line leaves blank."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from portal.feeds import encodings, refusals, sniff, totals
from portal.feeds.reading import LONGEST_SHOWN, MOST_COLUMNS, Rows, of_row, unique_headers
from portal.records import CellProblem, Detection, FeedFormat, Row

LONGEST_LINE = 1_000_000
LAST_POSITION = 100_000
_SAMPLED = 500
_FEWEST_LINES = 3
_SPANS = re.compile(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?")
Span = tuple[int, int | None]


def spans_of(cuts: str) -> list[Span]:
    """ "1,11,41" or "1-10,15-20" as (first, end) for slicing, the last open-ended when it has no end. Raises ValueError."""
    found: list[Span] = []
    parts = cuts.split(",")
    if len(parts) > MOST_COLUMNS:
        raise ValueError("too many columns")
    for part in parts:
        match = _SPANS.fullmatch(part)
        if not match or not 1 <= int(match[1]) <= LAST_POSITION:
            raise ValueError(f"“{part.strip()[:20]}” is not a place such as 11 or 11-40")
        start, end = int(match[1]) - 1, int(match[2]) if match[2] else None
        if (end is not None and end <= start) or (found and start < (found[-1][1] or found[-1][0] + 1)):
            raise ValueError("Places must grow from left to right")
        if found and found[-1][1] is None:
            found[-1] = found[-1][0], start
        found.append((start, end))
    return found


def cuts_of(lines: Sequence[str]) -> str:
    """The places where columns begin, "" when the lines leave no gutters blank."""
    lines = [line.expandtabs().rstrip() for line in lines if line.strip()][:_SAMPLED]
    lines = [line for line in lines if len(line) >= 0.5 * max(map(len, lines))]
    if len(lines) < _FEWEST_LINES:
        return ""
    width = max(map(len, lines))
    spare = max(len(lines) // 50, 1) if len(lines) > 5 else 0  # a header may reach into a gutter
    filled = [sum(line[n : n + 1] not in ("", " ") for line in lines) for n in range(min(width, LAST_POSITION))]
    starts = [n for n in range(len(filled)) if filled[n] > spare and (n == 0 or filled[n - 1] <= spare)]
    starts = _joined([n for n in starts if n < 2 or filled[n - 2] <= spare or _is_named(lines[0], n, starts)], filled, lines)
    return ",".join(str(n + 1) for n in starts) if len(starts) > 1 else ""


def _is_named(header: str, start: int, starts: Sequence[int]) -> bool:
    """Whether the first line has a word of its own after a gutter of one blank: else it parts the words of one column."""
    end = next((n for n in starts if n > start), len(header))
    return header[start - 1 : start] == " " and bool(header[start:end].strip()) and not header[start:end].strip()[0].isdigit()


def _joined(starts: list[int], filled: list[int], lines: Sequence[str]) -> list[int]:
    """Without the columns that hardly any line fills, which belong to the one before."""
    ends = [*starts[1:], len(filled)]
    kept = [start for start, end in zip(starts, ends, strict=True) if max(filled[start:end]) > 0.2 * len(lines)]
    return [0, *kept[1:]] if kept else []


def detect(text: str, encoding: str) -> Detection | None:
    """How to read the text (the file's beginning) as columns of fixed width, None when it is none."""
    lines = re.split(r"\r\n|\r|\n", text)[: _SAMPLED + 30]
    layout = sniff.layout_of(text)
    if layout.width > 1 and layout.agreement > 0.7:
        return None
    for skipped in range(12):  # a preamble leaves no gutters
        cuts = cuts_of(lines[skipped:])
        if cuts:
            break
    else:
        return None
    spans = spans_of(cuts)
    records = [sniff.Record(n, _cells(line, spans)) for n, line in enumerate(lines, 1)]
    header_row, words = sniff.header_of(records)
    mark, mark_words, warnings = sniff.decimal_mark_of([one.cells for one in records if one.line > header_row], "")
    form = FeedFormat("fixed_width", encoding=encoding, header_row=header_row, decimal_mark=mark, cuts=cuts)
    said = {"cuts": f"{len(spans)} columns: every line is blank before each.", "header_row": words, "decimal_mark": mark_words}
    return Detection(form, said, warnings)


class Reader(Rows):
    """Rows of one file. `number` is the line."""

    def __init__(self, path: Path, form: FeedFormat) -> None:
        super().__init__(path, form)
        self.unreadable = 0
        self._text = io.TextIOWrapper(self._file, form.encoding, "replace")
        try:
            self._spans = spans_of(form.cuts or cuts_of(self._sample()))
            self.headers = self._open()
        except ValueError as error:
            self.close()
            raise refusals.no_columns() from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._text.close()

    def _sample(self) -> list[str]:
        with self.path.open("rb") as file:
            text = file.read(256 * 1024).decode(self.format.encoding, "replace")
        return text.splitlines()[:-1] or text.splitlines()

    def _lines(self) -> Iterator[str]:
        first = True
        number = 0
        while line := self._text.readline(LONGEST_LINE + 1):
            number += 1
            if len(line) > LONGEST_LINE:
                raise refusals.long_line(number, LONGEST_LINE)
            line = line.rstrip("\n")
            yield line.removeprefix("\ufeff") if first else line
            first = False

    def _open(self) -> list[str]:
        self._source = self._lines()
        if not self.format.header_row:
            return unique_headers([""] * len(self._spans))
        header = None
        for _ in range(self.format.header_row):
            header = next(self._source, None)
        if header is None or not header.strip():
            raise refusals.no_such_header(self.format.header_row)
        return unique_headers(_cells(header, self._spans))

    def __iter__(self) -> Iterator[Row]:
        yield from self.lenient()
        if self.unreadable > self.rows * encodings.LARGEST_SHARE_UNREADABLE:
            raise refusals.wrong_encoding(self.unreadable, self.rows, self.format.encoding, None)

    def lenient(self) -> Iterator[Row]:
        """The rows, without the judgement at the end: for a preview."""
        spans, width = self._spans, len(self._spans)
        for number, line in enumerate(self._source, self.format.header_row + 1):
            if not line.strip(" \t\0-=_"):
                continue
            self.rows += 1
            problems: list[CellProblem] = []
            if "\0" in line:
                line = line.replace("\0", " ")
                problems.append(CellProblem("", "", line[:LONGEST_SHOWN], "An empty character (NUL), left out", fatal=False))
            cells = _cells(line, spans)
            if "\ufffd" in line:
                self.unreadable += 1
                problems.append(CellProblem("", "", line[:LONGEST_SHOWN], "Letters that this encoding cannot read", fatal=False))
            if totals.is_totals(cells, width):
                problems.append(of_row(cells, totals.REASON))
            yield Row(number, cells, tuple(problems))


def _cells(line: str, spans: Sequence[Span]) -> list[str]:
    line = line.expandtabs() if "\t" in line else line
    return [line[start:end].strip() for start, end in spans]
