"""Looks at a file from the pages and the worker, all taken by the process that reads feeds: see `intake.looks`.

Nothing of a file that a supplier or a visitor sent is decoded, unpacked or parsed in our own processes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from portal import readers
from portal.errors import Problem, SupplierError
from portal.intake.asking import Look, row_of
from portal.mapping import Tally
from portal.mapping.columns import Column
from portal.records import Damage, Detection, FeedFormat, Row

if TYPE_CHECKING:
    from portal.feeds import Branch

SECONDS = 10  # of processor time, and one more for each BYTES_A_SECOND of the file
MOST_SECONDS, MOST_SECONDS_TO_DETECT = 30, 90
BYTES_A_SECOND = 1_000_000
WAIT = 30.0  # seconds of the clock until an answer must have come; more for those of much processor time
AT_ONCE = 3  # looks of one process of ours side by side
MEMORY, MEMORY_OF_A_WORKBOOK = 360 << 20, 1 << 30  # address space; a workbook is judged before it is loaded whole
_WORKBOOK_SIGNS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
_room = threading.BoundedSemaphore(AT_ONCE)


def detect(path: Path, name: str = "", member: str = "") -> Detection:
    """How to read the file, as `feeds.detect` finds it. Raises SupplierError."""
    told = _answer("detect", path, None, name=name, member=member)
    return Detection(FeedFormat(**told["format"]), told["said"], told["warnings"], [Damage(**one) for one in told["damage"]])


def preview(path: Path, form: FeedFormat, rows: int) -> tuple[list[str], list[Row]]:
    """(headers, the first rows); cells too long for a page are cut. Raises SupplierError."""
    return _preview(path, form, rows)


def options(path: Path, form: FeedFormat) -> tuple[list[str], list[str], list[Branch]]:
    """(sheets, names in the archive, paths of the document). Raises SupplierError."""
    from portal.feeds import Branch  # all readers of files come with it, and a run needs none

    sheets, members, tree = _answer("options", path, form)
    return sheets, members, [Branch(**one) for one in tree]


def with_columns(path: Path, form: FeedFormat) -> FeedFormat:
    """The format with the columns that the file has now. Raises SupplierError."""
    return FeedFormat(**_answer("with_columns", path, form))


def headers(path: Path, form: FeedFormat) -> list[str]:
    """The file's columns. Raises SupplierError."""
    found: list[str] = _answer("headers", path, form)
    return found


def cells(path: Path, form: FeedFormat, numbers: Iterable[int]) -> dict[int, list[str]]:
    """Row number -> all of its cells. Raises SupplierError."""
    return {number: list(row) for number, row in _answer("cells", path, form, numbers=list(numbers))}


def sketch(path: Path, form: FeedFormat, rows: int) -> list[Column]:
    """The columns of the first `rows` rows, as a contract keeps them. Raises SupplierError."""
    return [Column.read(told) for told in _answer("sketch", path, form, rows=rows)]


def tally(path: Path, form: FeedFormat, rules: Mapping[str, Any], rows: int, duplicates: str) -> Tally:
    """What the rules do to the first `rows` rows, or to those that could be counted in time. Raises SupplierError."""
    return Tally.read(_answer("tally", path, form, rules=rules, rows=rows, duplicates=duplicates))


def values(path: Path, form: FeedFormat, rule: Mapping[str, Any], rows: int, most: int) -> tuple[list[tuple[str, int]], int]:
    """(the `most` frequent values with their counts, how many different ones) of {"columns", "join", "steps"}. Raises SupplierError."""
    listed, distinct = _answer("values", path, form, rule=rule, rows=rows, most=most)
    return [(value, count) for value, count in listed], distinct


def damage(path: Path, form: FeedFormat, rows: int, codes: Iterable[str], ids: Iterable[str]) -> list[Damage]:
    """What a spreadsheet program did to values of the first `rows` rows; see `feeds.damage.find`. Raises SupplierError."""
    return [Damage(**one) for one in _answer("damage", path, form, rows=rows, codes=list(codes), ids=list(ids))]


def skus(path: Path, form: FeedFormat, rules: Mapping[str, Any], rows: int) -> list[str]:
    """The SKU of each item that the first `rows` rows become. Raises SupplierError."""
    found: list[str] = _answer("skus", path, form, rules=rules, rows=rows)
    return found


@contextmanager
def rows_of(path: Path, form: FeedFormat, after: int) -> Iterator[tuple[list[str], Iterator[Row]]]:
    """(headers, the rows of a number above `after`), whole and as slowly as they are taken. Raises SupplierError, at once or later."""
    look = Look("rows", str(path), vars(form), {"after": after}, _memory(path), _seconds(path, MOST_SECONDS_TO_DETECT))
    with readers.told_by(look.dump()) as told:
        parts = (value for kind, value in _checked(told) if kind == "part")
        yield next(parts), (row_of(one) for batch in parts for one in batch)


def _answer(name: str, path: Path, form: FeedFormat | None, /, **asked: Any) -> Any:
    if not _room.acquire(timeout=WAIT):
        raise SupplierError(_busy(), permanent=False)
    try:
        seconds = _seconds(path, MOST_SECONDS_TO_DETECT if name == "detect" else MOST_SECONDS)
        look = Look(name, str(path), vars(form) if form else {}, asked, _memory(path), seconds)
        with readers.told_by(look.dump(), max(WAIT, 2.0 * seconds)) as told:
            return [value for kind, value in _checked(told) if kind == "end"][-1]
    finally:
        _room.release()


def _checked(told: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The frames, a refusal raised."""
    for kind, value in told:
        if kind == "refused":
            problem, permanent = value
            raise SupplierError(Problem(**problem), permanent)
        yield kind, value


@lru_cache(maxsize=16)
def _preview(path: Path, form: FeedFormat, rows: int) -> tuple[list[str], list[Row]]:
    """Files in the spool never change, so neither do their first rows."""
    found: tuple[list[str], Sequence[Any]] = _answer("preview", path, form, rows=rows)
    return list(found[0]), [row_of(one) for one in found[1]]


def _seconds(path: Path, most: int) -> int:
    return min(most, SECONDS + path.stat().st_size // BYTES_A_SECOND)


def _memory(path: Path) -> int:
    with path.open("rb") as file:
        return MEMORY_OF_A_WORKBOOK if file.read(4) in _WORKBOOK_SIGNS else MEMORY


def _busy() -> Problem:
    body = "Several files are being looked at already. Nothing was changed; try again in a minute."
    return Problem("reading_stopped", "The file could not be looked at yet", body, "Try again", "file")
