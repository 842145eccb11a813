"""Open workbooks, new and old alike: their visible sheets and the values of their rows."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import python_calamine
from python_calamine import CalamineError, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from portal.errors import SupplierError
from portal.feeds import archives, old_workbook, refusals
from portal.feeds.reading import MOST_COLUMNS

_TOO_MUCH = (-signal.SIGKILL, -signal.SIGXCPU, -signal.SIGXFSZ)
_SECONDS = 60


@dataclass(frozen=True)
class Sheet:
    """A sheet. `last_row` counts from its top; `width` from its first column with anything in it."""

    name: str
    last_row: int
    width: int
    rows: Callable[[], Iterator[list[Any]]]


@dataclass(frozen=True)
class Book:
    """An open workbook. `names` are all sheets, `visible` those that a person sees."""

    names: list[str]
    visible: list[str]
    load: Callable[[str], Sheet]
    close: Callable[[], None]

    def __enter__(self) -> Book:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_book(path: Path) -> Book:
    """The workbook. Raises SupplierError."""
    with path.open("rb") as file:
        is_new = archives.packing_of(file.read(4)) == "zip"
    book = _open_new(path) if is_new else _open_old(path)
    if not book.visible:
        book.close()
        raise refusals.empty_file()
    return book


def _open_new(path: Path) -> Book:
    book = _guarded(lambda: CalamineWorkbook.from_path(path))
    sheets = [one for one in book.sheets_metadata if one.typ == SheetTypeEnum.WorkSheet]

    def load(name: str) -> Sheet:
        sheet = _guarded(lambda: book.get_sheet_by_name(name))
        _check_width(sheet.width)
        return Sheet(name, sheet.end[0] + 1 if sheet.end else 0, sheet.width, sheet.iter_rows)

    visible = [one.name for one in sheets if one.visible == SheetVisibleEnum.Visible]
    return Book([one.name for one in sheets], visible, load, book.close)


def _guarded(act: Callable[[], Any]) -> Any:
    """What the parser gives, its failures told apart."""
    try:
        return act()
    except python_calamine.PasswordError as error:
        raise refusals.encrypted("workbook") from error
    except (CalamineError, OSError, ValueError) as error:
        raise refusals.broken_workbook() from error
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # of the parser, by no class that can be imported
            raise refusals.broken_workbook() from error
        raise


def _open_old(path: Path) -> Book:
    out = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - the book closes it
    try:
        _dump(path, out)
        told = json.loads(out.readline())
    except BaseException:
        out.close()
        raise
    places: dict[str, tuple[dict[str, Any], int]] = {}
    while line := out.readline():
        sheet = json.loads(line)
        places[sheet["sheet"]] = sheet, out.tell()
        for _ in range(sheet["rows"]):
            out.readline()
    return Book(told["names"], told["visible"], lambda name: _old_sheet(out, *places[name]), out.close)


def _old_sheet(out: IO[str], told: dict[str, Any], place: int) -> Sheet:
    _check_width(told["width"])

    def rows() -> Iterator[list[Any]]:
        out.seek(place)
        yield from map(json.loads, islice(iter(out.readline, ""), told["rows"]))

    return Sheet(told["sheet"], told["rows"], told["width"], rows)


def _dump(path: Path, out: IO[str]) -> None:
    """Let a process of its own read the workbook into `out`."""
    command = [sys.executable, "-I", old_workbook.__file__, str(path)]
    try:
        child = subprocess.run(command, stdout=out, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise refusals.workbook_too_large() from error
    if child.returncode:
        raise _refusal_of(child.returncode)
    out.seek(0)


def _refusal_of(code: int) -> SupplierError:
    if code == old_workbook.ENCRYPTED:
        return refusals.encrypted("workbook")
    return refusals.workbook_too_large() if code in _TOO_MUCH else refusals.broken_workbook()


def _check_width(width: int) -> None:
    if width > MOST_COLUMNS:
        raise refusals.too_many_columns(width, MOST_COLUMNS)
