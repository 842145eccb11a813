"""Looks at a file, taken in the process that reads feeds: whoever asks gets plain values and never meets the file's own bytes.

A look is short: it has little memory and seconds, and its cells are cut where a page would cut them anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from portal import feeds, mapping
from portal.feeds import damage
from portal.intake.asking import Look, plain
from portal.mapping import columns, counts
from portal.records import FeedFormat, Row

LONGEST_CELL = 20_000  # characters of a cell that a look shows
LARGEST_LOOK = 8_000_000  # characters of all the cells that one look shows
BATCH = 500
COUNTING_SECONDS = 6.0  # of processor time; what was not counted by then is not


def answer(told: Mapping[str, Any], emit: Callable[[str, Any], None]) -> None:
    """Take the look that `told` asks for and emit "part" frames, then "end" with the answer. Raises SupplierError."""
    look = Look(**told)
    form = FeedFormat(**look.format) if look.format else FeedFormat()
    emit("end", ANSWERS[look.name](Path(look.path), form, look.asked, lambda value: emit("part", value)))


Emit = Callable[[Any], None]


def _detect(path: Path, _form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    found = feeds.detect(path, asked["name"], asked["member"])
    hurt = [asdict(one) for one in found.damage]
    return {"format": asdict(found.format), "said": dict(found.said), "warnings": list(found.warnings), "damage": hurt}


def _preview(path: Path, form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    headers, rows = feeds.preview(path, form, asked["rows"])
    return headers, [plain(row) for row in _shortened(rows)]


def _rows(path: Path, form: FeedFormat, asked: Mapping[str, Any], emit: Emit) -> None:
    """Every row from the one after `after` on, whole: for a file whose rows are written by whoever asked."""
    with feeds.open_rows(path, form) as reader:
        emit(reader.headers)
        rows = (plain(row) for row in reader if row.number > asked["after"])
        while batch := list(islice(rows, BATCH)):
            emit(batch)


def _cells(path: Path, form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    """The whole cells of some rows."""
    wanted, found = set(asked["numbers"]), []
    with feeds.open_rows(path, form) as reader:
        for row in reader.lenient():
            if row.number in wanted:
                found.append((row.number, row.cells))
                if len(found) == len(wanted):
                    break
    return found


def _headers(path: Path, form: FeedFormat, _asked: Mapping[str, Any], _emit: Emit) -> Any:
    with feeds.open_rows(path, form) as reader:
        return reader.headers


def _options(path: Path, form: FeedFormat, _asked: Mapping[str, Any], _emit: Emit) -> Any:
    """Sheets, members and tree: what there is to choose from."""
    found = feeds.members(path)
    sheets = feeds.sheets(path, form.member) if form.kind == "spreadsheet" else []
    return sheets, found, [vars(one) for one in feeds.tree(path, form)]


def _with_columns(path: Path, form: FeedFormat, _asked: Mapping[str, Any], _emit: Emit) -> Any:
    return asdict(feeds.with_columns(path, form))


def _sketch(path: Path, form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    with feeds.open_rows(path, form) as reader:
        return [one.told() for one in columns.sketched(reader.headers, Counted(reader.lenient(), asked["rows"]), asked["rows"])]


def _tally(path: Path, form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    rules = asked["rules"]
    with feeds.open_rows(path, form) as reader:
        mapper, rows = mapping.compile_rules(rules, reader.headers, form.decimal_mark), Counted(reader.lenient(), asked["rows"])
        return {**asdict(counts.tally(mapper, rows, None, asked["duplicates"], bool(rules.get("warehouse_rows")))), "whole": rows.whole}


def _values(path: Path, form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    """The most frequent values of a rule's columns after its steps, and how many different ones there are."""
    with feeds.open_rows(path, form) as reader:
        rows = Counted(reader.lenient(), asked["rows"])
        return counts.values_of(asked["rule"], reader.headers, rows, form.decimal_mark, asked["most"])


def _skus(path: Path, form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    rules = asked["rules"]
    with feeds.open_rows(path, form) as reader:
        mapper = mapping.compile_rules(rules, reader.headers, form.decimal_mark)
        alone = rules.get("duplicates") == "set_aside" and not rules.get("warehouse_rows")
        return counts.skus_of(mapper, Counted(reader.lenient(), asked["rows"]), alone)


def _damage(path: Path, form: FeedFormat, asked: Mapping[str, Any], _emit: Emit) -> Any:
    """What a spreadsheet did to the values of the first rows."""
    with feeds.open_rows(path, form) as reader:
        rows = (row.cells for row in Counted(reader.lenient(), asked["rows"]))
        return [asdict(one) for one in damage.find(reader.headers, rows, asked["codes"], asked["ids"], form.decimal_mark)]


ANSWERS: dict[str, Callable[[Path, FeedFormat, Mapping[str, Any], Emit], Any]] = {
    "detect": _detect, "preview": _preview, "rows": _rows, "cells": _cells, "headers": _headers, "options": _options,
    "with_columns": _with_columns, "sketch": _sketch, "tally": _tally, "values": _values, "skus": _skus,
    "damage": _damage,
}  # fmt: skip


def _shortened(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows with cells that a page can hold, until they are enough for it."""
    room = LARGEST_LOOK
    for row in rows:
        cells = [cell if len(cell) <= LONGEST_CELL else cell[:LONGEST_CELL] for cell in row.cells]
        room -= sum(map(len, cells)) + len(cells)
        if room < 0:
            return
        yield Row(row.number, cells, row.problems)


class Counted:
    """The first `most` rows, or those that can be looked at in COUNTING_SECONDS; `whole` tells whether these were all."""

    def __init__(self, rows: Iterable[Row], most: int) -> None:
        self._rows, self._most, self.whole = rows, most, True

    def __iter__(self) -> Iterator[Row]:
        for number, row in enumerate(self._rows):
            late = number and not number % BATCH and time.process_time() > COUNTING_SECONDS
            if late or number >= self._most:
                self.whole = False
                return
            yield row
