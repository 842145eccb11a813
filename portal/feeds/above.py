"""Lists that give a value once, above the rows it is for: a blank cell of some columns means what stands above it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

from portal.feeds.reading import Reader
from portal.records import Row


class Filled:
    """The rows of a reader with the blanks filled in. Columns that the file does not have are left out.

    A row that the reader refuses (a line of totals, cells in the wrong columns) neither takes nor gives a value.
    """

    def __init__(self, inner: Reader) -> None:
        self._inner = inner
        self.path, self.format, self.headers, self.size = inner.path, inner.format, inner.headers, inner.size
        self._places = [self.headers.index(name) for name in inner.format.above if name in self.headers]

    @property
    def bytes_read(self) -> int:
        """How far into the file reading has come."""
        return self._inner.bytes_read

    def __iter__(self) -> Iterator[Row]:
        return self._filled(self._inner)

    def lenient(self) -> Iterator[Row]:
        """The rows, without the judgement at the end: for a preview."""
        return self._filled(self._inner.lenient())

    def close(self) -> None:
        """Let go of the file."""
        self._inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _filled(self, rows: Iterable[Row]) -> Iterator[Row]:
        last = dict.fromkeys(self._places, "")
        for row in rows:
            if any(problem.fatal for problem in row.problems):
                yield row
                continue
            cells = row.cells
            for place in self._places:
                if cells[place].strip():
                    last[place] = cells[place]
                elif last[place]:
                    if cells is row.cells:
                        cells = list(cells)
                    cells[place] = last[place]
            yield row if cells is row.cells else row._replace(cells=cells)
