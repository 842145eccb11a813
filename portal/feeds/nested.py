"""Items that hold lists and objects, as flat rows: what JSON, XML and EDI readers share.

{"sku": "A", "price": {"eur": 5}, "tags": ["x", "y"]} ─▶ sku A │ price.eur 5 │ tags "x | y"
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Self

from portal.feeds import refusals
from portal.feeds.reading import LONGEST_SHOWN, MOST_COLUMNS, SAMPLED, Reader, Rows, unique_headers
from portal.records import CellProblem, FeedFormat, Row

DEEPEST = 32
MOST_REPEATS = 20  # of one name in an item that become columns of their own: "image", "image 2" …
JOINT = " | "  # between the plain values of a list
TOO_MANY = "More of these than the {} that are read"
Flat = dict[str, str]


class Untold(str):
    """The cell of a column that an item does not have, where a reader is asked to tell it from an empty one; else it is the text ""."""

    __slots__ = ()


UNTOLD = Untold()
ITEMS = ("json", "jsonl", "xml")
"""Kinds of files whose items need not all have the same columns."""


class NestedRows(Rows):
    """A reader of items. A format yields one flat dict a row; the columns are all names of the first rows.

    A name of `format.columns` that the first rows lack is looked for in the whole file. One that nobody knew of is noted on
    the row that first brings it.
    """

    def __init__(self, path: Path, form: FeedFormat, whole: bool = True) -> None:
        super().__init__(path, form)
        self._new: set[str] = set()
        self.absent: str = ""
        try:
            rows = self._narrow_rows()
            sample = list(islice(rows, SAMPLED))
            names = dict.fromkeys(name for _, flat, _ in sample for name in flat)
            if missing := set(form.columns) - names.keys():
                names |= dict.fromkeys(self._further(missing) if whole else form.columns)
        except BaseException:
            self._file.close()
            raise
        if len(names) > MOST_COLUMNS:
            self._file.close()
            raise refusals.too_many_columns(len(names), MOST_COLUMNS)
        self._names = list(names)
        self.headers = unique_headers(self._names)
        self._rows: Iterator[tuple[int, Flat, tuple[CellProblem, ...]]] = chain(sample, rows)

    def _narrow_rows(self) -> Iterator[tuple[int, Flat, tuple[CellProblem, ...]]]:
        for row in self.flat_rows():
            if len(row[1]) > MOST_COLUMNS:
                raise refusals.too_many_columns(len(row[1]), MOST_COLUMNS)
            yield row

    def of_changes(self) -> Self:
        """This reader, or another in its place: a cell that an item does not have is UNTOLD.

        Columns that no item has count as such too, unless the file has others than are known: they may be the same under a new name.
        """
        reader, found, known = self, set(self.headers), set(self.format.columns)
        if found and found < known:
            self._file.close()
            reader = type(self)(self.path, self.format, whole=False)
        reader.absent = UNTOLD
        return reader

    def raw_rows(self) -> Iterator[tuple[int, Flat, tuple[CellProblem, ...]]]:
        """The rows as they were found, with all their names."""
        return self._rows

    @abstractmethod
    def flat_rows(self) -> Iterator[tuple[int, Flat, tuple[CellProblem, ...]]]:
        """(number, flat item, problems) of each row, from the open file's present place. Raises SupplierError."""

    def _further(self, missing: set[str]) -> list[str]:
        """Those names that occur anywhere in the file, in a reading of its own."""
        found: dict[str, None] = {}
        with type(self)(self.path, FeedFormat(**{**vars(self.format), "columns": ()})) as other:
            for _, flat, _ in other.raw_rows():
                if new := missing & flat.keys():
                    found |= dict.fromkeys(sorted(new))
                    missing = missing - new
                    if not missing:
                        break
        return list(found)

    def lenient(self) -> Iterator[Row]:
        """The rows, each as wide as the headers."""
        names, known, absent = self._names, set(self._names), self.absent
        for number, flat, problems in self._rows:
            self.rows += 1
            if not flat.keys() <= known:
                problems = (*problems, *self._unknown(flat, known))
            yield Row(number, [flat.get(name, absent) for name in names], problems)

    def _unknown(self, flat: Flat, known: set[str]) -> Iterator[CellProblem]:
        for name in flat.keys() - known - self._new:
            if len(self._new) >= MOST_COLUMNS:
                raise refusals.too_many_columns(len(known) + len(self._new), MOST_COLUMNS)
            self._new.add(name)
            reason = "A column that the rows before do not have, left out"
            yield CellProblem("", name[:LONGEST_SHOWN], flat[name][:LONGEST_SHOWN], reason, fatal=False)


def put(flat: Flat, name: str, value: str) -> CellProblem | None:
    """Add a value; a name that is there already becomes "name 2", and so on up to a limit, beyond which it is noted."""
    if name not in flat:
        flat[name] = value
        return None
    for n in range(2, MOST_REPEATS + 1):
        if f"{name} {n}" not in flat:
            flat[f"{name} {n}"] = value
            return None
    return CellProblem("", name[:LONGEST_SHOWN], "", TOO_MANY.format(MOST_REPEATS), fatal=False)


def columns_of(reader: Reader, most: int) -> tuple[str, ...]:
    """Every column that the first `most` rows have, for `FeedFormat.columns`. Uses the rows up. Raises SupplierError."""
    assert isinstance(reader, NestedRows)
    names: dict[str, None] = {}
    for _, flat, _ in islice(reader.raw_rows(), most):
        if not flat.keys() <= names.keys():
            names |= dict.fromkeys(flat)
            if len(names) > MOST_COLUMNS:
                raise refusals.too_many_columns(len(names), MOST_COLUMNS)
    return tuple(names)
