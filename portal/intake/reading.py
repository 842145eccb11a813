"""One feed, read for a run: first what the last accepted feed did not hold, then what turns out to stand twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from xxhash import xxh3_64_intdigest

from portal import feeds, mapping
from portal.feeds import raw_records
from portal.feeds.delimited import Reader as Delimited
from portal.feeds.raw_records import NotInRecords
from portal.fields import INVENTORY_COLUMNS
from portal.intake import feed_record
from portal.intake.aside import cells_text, told
from portal.intake.feed_record import READ_AGAIN
from portal.intake.job import Job, key_of
from portal.intake.known import Known
from portal.records import CellProblem, Row

BATCH = 2_000
_BETWEEN = "\x1f"
_BLANK = (None,) * (len(INVENTORY_COLUMNS) - 1)

Emit = Callable[[str, Any], None]
Choose = Callable[[Any], Any]


class Reading:
    """Reads the job's file and says what it found through `emit` (see `run`)."""

    def __init__(self, job: Job, emit: Emit) -> None:
        self.job, self.emit = job, emit
        self.path, self.form = Path(job.path), job.feed_format
        self.counts = dict.fromkeys(("rows", "set_aside", "noted", "bad_quantity", "unreadable"), 0)
        self.aside: list[tuple[Any, ...]] = []
        self.staged: list[tuple[Any, ...]] = []
        self.decoded = self.at = 0

    def run(self) -> None:
        """Frames: head, then rows (and restart, when they must be forgotten), gone, cells, end. Raises SupplierError."""
        reader = feeds.open_rows(self.path, self.form)
        with reader:
            cut = self.job.compared == "record" and isinstance(reader, Delimited) and raw_records.can_cut(self.form)
            if cut and self._tried(reader):
                return
        self._start(feeds.open_rows(self.path, self.form), "cells")
        with self.reader:
            self._read(self._rows_by_cells)
            self._finish(self._cells_by_rows)

    def _tried(self, reader: Any) -> bool:
        """Read by raw records. False, and all forgotten, when the file does not come apart into them."""
        try:
            self._start(reader, "record")
            self._read(self._rows_by_records)
            reader.judge_letters(self.counts["rows"])
            self._finish(self._cells_by_records)
        except NotInRecords:
            self.emit("restart", None)
            return False
        return True

    def _start(self, reader: Any, compared: str) -> None:
        self.reader, self.compared = reader, compared
        self.counts = dict.fromkeys(self.counts, 0)
        self.staged, self.aside, self.decoded, self.at = [], [], 0, 0
        habits = getattr(reader, "habits", reader.headers)
        self.key = key_of(self.job.format, self.job.rules, habits, compared)
        before = feed_record.load(Path(self.job.before), self.key) if self.job.before else None
        self.known = Known(before, self.job.stale)
        rules, mark = self.job.rules, self.form.decimal_mark
        self.emit("head", {"headers": reader.headers, "key": self.key, "compared": compared, "before": before is not None})
        self.mapper = mapping.compile_rules(rules, reader.headers, mark)
        self.sku_of = mapping.compile_rules({"fields": {"sku": rules["fields"]["sku"]}}, reader.headers, mark)
        needed = mapping.needed_columns(rules)
        self.needed = [place for place, header in enumerate(reader.headers) if header in needed]

    def _read(self, rows: Callable[[Choose], Iterator[tuple[int, Row]]]) -> None:
        """Both readings: what is new, and what must be read after all."""
        for record, row in rows(self.known.unseen):
            self._take(record, row)
        if self.known.settle():
            for _, row in rows(self.known.forced):
                self._take(READ_AGAIN, row)
        self.counts["rows"] = self.decoded + self.known.matched
        self._flush()

    def _finish(self, cells: Callable[[set[int]], Iterator[tuple[int, str]]]) -> None:
        doubled = self.known.doubled()
        gone = [] if self.job.delta else self.known.gone()
        for start in range(0, len(gone), BATCH):
            self.emit("gone", gone[start : start + BATCH])
        if doubled:
            numbers = [number for group in doubled for number in group]
            self.emit("cells", list(cells(set(numbers[: self.job.most_reported]))))
        self.known.after(self.job.delta).save(Path(self.job.after), self.key)
        self.emit("end", {**self.counts, "matched": self.known.matched, "decoded": self.decoded, "doubled": doubled})

    def _take(self, record: int, row: Row) -> None:
        """Map one row; stage it, or set it aside."""
        self.decoded += 1
        values, problems = self.mapper(row)
        if values is not None:
            self.staged.append((row.number, 1, mapping.content_hash(values), *values))
            self.known.add(READ_AGAIN if problems else record, values[0], row.number, True)
        if problems or values is None:
            self._set_aside(row, values, problems)

    def _set_aside(self, row: Row, values: tuple[Any, ...] | None, problems: Sequence[CellProblem]) -> None:
        counts, fatal = self.counts, values is None
        sku = values[0] if values else self._sku(row)
        counts["set_aside"] += fatal
        counts["noted"] += not fatal
        counts["bad_quantity"] += any(problem.fatal and problem.field == "quantity" for problem in problems)
        if fatal and sku:  # the item is in the file, though not usable: it must not count as missing
            self.staged.append((row.number, 0, 0, sku, *_BLANK))
            self.known.add(READ_AGAIN, sku, row.number, False)
        if (counts["set_aside"] if fatal else counts["noted"]) <= self.job.most_reported:
            self.aside.append((row.number, sku, int(fatal), told(problems), cells_text(row.cells)))

    def _sku(self, row: Row) -> str:
        values, _ = self.sku_of(Row(row.number, row.cells))
        return str(values[0]) if values else ""

    def _flush(self) -> None:
        told_counts = {**self.counts, "rows": self.decoded + self.known.matched}
        done = {"counts": told_counts, "bytes": self.at or self.reader.bytes_read, "size": self.reader.size}
        self.emit("rows", (self.staged, self.aside, done))
        self.staged, self.aside = [], []

    def _rows_by_records(self, choose: Choose) -> Iterator[tuple[int, Row]]:
        """The rows of the chosen records; of a record with several rows, or none of them plain, none is ever ticked off."""
        reader = self.reader
        for block in raw_records.blocks(self.path, self.form, reader.lines_before, self.job.block):
            hashes = np.fromiter(map(xxh3_64_intdigest, block.records), np.uint64, len(block.records))
            chosen = choose(hashes)
            if len(chosen):
                places = chosen.tolist()
                records, numbers = [block.records[n] for n in places], [block.numbers[n] for n in places]
                rows = reader.rows_of(records, numbers)
                digests = hashes[chosen].tolist()
                shared = _shared(rows)
                for place, row in rows:
                    yield (READ_AGAIN if place in shared else digests[place]), row
            self.at = block.end
            self._flush()

    def _rows_by_cells(self, choose: Choose) -> Iterator[tuple[int, Row]]:
        """The rows whose mapped cells are chosen."""
        for rows in self._batches():
            hashes = np.fromiter(map(self._cells_hash, rows), np.uint64, len(rows))
            digests = hashes.tolist()
            for place in choose(hashes).tolist():
                yield (READ_AGAIN if rows[place].problems else digests[place]), rows[place]
            self._flush()

    def _batches(self) -> Iterator[list[Row]]:
        if self.decoded or self.known.matched:  # a second reading
            self.reader.close()
            self.reader = feeds.open_rows(self.path, self.form)
        batch: list[Row] = []
        for row in self.reader:
            batch.append(row)
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch

    def _cells_hash(self, row: Row) -> int:
        cells = row.cells
        if row.problems:
            return READ_AGAIN
        digest: int = xxh3_64_intdigest(_BETWEEN.join([cells[n] for n in self.needed]).encode("utf-8", "surrogatepass"))
        return digest

    def _cells_by_records(self, wanted: set[int]) -> Iterator[tuple[int, str]]:
        for block in raw_records.blocks(self.path, self.form, self.reader.lines_before, self.job.block):
            ends = [*list(block.numbers[1:]), block.numbers[-1] + block.records[-1].count(b"\n") + 1]
            spans = zip(block.numbers, ends, strict=True)
            places = [n for n, (first, end) in enumerate(spans) if not wanted.isdisjoint(range(first, end))]
            rows = self.reader.rows_of([block.records[n] for n in places], [block.numbers[n] for n in places]) if places else ()
            yield from ((row.number, cells_text(row.cells)) for _, row in rows if row.number in wanted)

    def _cells_by_rows(self, wanted: set[int]) -> Iterator[tuple[int, str]]:
        for rows in self._batches():
            yield from ((row.number, cells_text(row.cells)) for row in rows if row.number in wanted)


def _shared(rows: Sequence[tuple[int, Row]]) -> set[int]:
    """Records that several rows stand in."""
    places = [place for place, _ in rows]
    return set() if len(set(places)) == len(places) else {place for place, times in Counter(places).items() if times > 1}
