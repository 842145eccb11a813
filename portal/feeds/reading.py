"""What every reader of a feed offers, and what the readers of formats share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from portal.records import CellProblem, FeedFormat, Row

LONGEST_SHOWN = 200  # characters of a value that a problem repeats
MOST_COLUMNS = 2_000
LONGEST_NAME, MOST_OF_A_NAME = 500, 5_000  # characters of a column's name, and those that are looked at for it
SAMPLED = 1_000  # rows read at opening, to learn the columns of a file


class Reader(Protocol):
    """Rows of one file; a context manager. `headers` are unique, and a row has at least as many cells.

    `size` and `bytes_read` tell the progress in one unit; `path` is the plain file that is read, unpacked where it was packed.
    """

    path: Path
    format: FeedFormat
    headers: list[str]
    size: int

    @property
    def bytes_read(self) -> int:
        """How far into the file reading has come."""
        ...

    def __iter__(self) -> Iterator[Row]: ...

    def lenient(self) -> Iterator[Row]:
        """The rows, without the judgement at the end: for a preview."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Rows:
    """A reader over one open file. A format fills in `headers` and `lenient`."""

    def __init__(self, path: Path, form: FeedFormat) -> None:
        self.path, self.format = path, form
        self.headers: list[str] = []
        self.size = path.stat().st_size
        self.rows = 0
        self._file: BinaryIO = path.open("rb")

    @property
    def bytes_read(self) -> int:
        """How far into the file reading has come."""
        return self.size if self._file.closed else min(self.size, self._file.tell())

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Iterator[Row]:
        return self.lenient()

    @abstractmethod
    def lenient(self) -> Iterator[Row]:
        """The rows, without the judgement at the end: for a preview."""


class Unpacked:
    """The rows of a file that was unpacked for this reading only; closing erases it."""

    def __init__(self, inner: Reader, erase: Path) -> None:
        self._inner, self._erase = inner, erase
        self.path, self.format, self.headers, self.size = inner.path, inner.format, inner.headers, inner.size

    @property
    def bytes_read(self) -> int:
        """How far into the unpacked file reading has come."""
        return self._inner.bytes_read

    def __iter__(self) -> Iterator[Row]:
        return iter(self._inner)

    def lenient(self) -> Iterator[Row]:
        """The rows, without the judgement at the end: for a preview."""
        return self._inner.lenient()

    def close(self) -> None:
        """Let go of the file and erase it."""
        self._inner.close()
        self._erase.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def of_row(cells: Sequence[str], reason: str, fatal: bool = True) -> CellProblem:
    """A problem of the whole row, which it shows shortened."""
    return CellProblem("", "", " · ".join(cell[:40] for cell in cells[:8])[:LONGEST_SHOWN], reason, fatal)


def unique_headers(cells: Sequence[str]) -> list[str]:
    """Trimmed names, the longest cut; a blank one becomes "Column 3", a repeated one gets " (2)"."""
    names: list[str] = []
    seen: set[str] = set()
    times: dict[str, int] = {}
    for n, cell in enumerate(cells, 1):
        name = plain = " ".join(cell[:MOST_OF_A_NAME].replace("\0", "").replace("\ufeff", "").split())[:LONGEST_NAME] or f"Column {n}"
        while name in seen:
            times[plain] = times.get(plain, 1) + 1
            name = f"{plain} ({times[plain]})"
        seen.add(name)
        names.append(name)
    return names
