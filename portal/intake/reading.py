"""One feed, read for a run: first what the last accepted feed did not hold, then what turns out to stand twice.

A feed in several parts is read whole, its rows numbered on from part to part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from portal import feeds, mapping
from portal.feeds import raw_records
from portal.feeds.delimited import Reader as Delimited
from portal.feeds.nested import ITEMS, UNTOLD
from portal.feeds.raw_records import NotInRecords
from portal.fields import INVENTORY_COLUMNS
from portal.intake import feed_record
from portal.intake.aside import cells_text, told
from portal.intake.feed_record import READ_AGAIN
from portal.intake.given import Given
from portal.intake.job import Job, key_of
from portal.intake.known import Known
from portal.mapping.untold import untold
from portal.records import CellProblem, Row

BATCH = 2_000
COMPARED_AT_ONCE = 8  # blocks
_BETWEEN, _UNTOLD = "\x1f", "\x1e"
_BLANK = (None,) * (len(INVENTORY_COLUMNS) - 1)

Emit = Callable[[str, Any], None]
Choose = Callable[[Any], Any]
Batch = Iterable[tuple[int, Row]]
"""Rows, each with the hash that its record is entered under."""


class Reading:
    """Reads the job's files and says what it found through `emit` (see `run`)."""

    def __init__(self, job: Job, emit: Emit) -> None:
        self.job, self.emit, self.form = job, emit, job.feed_format
        self.parts = [Path(job.path), *map(Path, job.more)]
        self.sizes = [part.stat().st_size for part in self.parts]
        self.counts = dict.fromkeys(("rows", "set_aside", "noted", "bad_quantity", "unreadable", "mended"), 0)
        self.aside: list[tuple[Any, ...]] = []
        self.staged: list[Any] = []
        self.lies = {"staged": 0, "usable": 0}
        self.decoded = self.at = 0

    def run(self) -> None:
        """Frames: part and head of each part, rows (and restart, when they must be forgotten), gone, cells, end. Raises SupplierError."""
        cut = self.job.compared == "record" and raw_records.can_cut(self.form)
        if not (cut and self._tried()):
            self._start("cells")
            with closing(self):
                self._read(self._rows_by_cells)
                self._finish(self._cells_by_rows)

    def _tried(self) -> bool:
        """Read by raw records. False, and all forgotten, when the files do not come apart into them."""
        try:
            self._start("record")
            with closing(self):
                if not isinstance(self.reader, Delimited):
                    return self._forgotten()
                self._read(self._rows_by_records)
                self.reader.judge_letters(self.counts["rows"] if len(self.parts) == 1 else self.reader.rows)
                self._finish(self._cells_by_records)
        except NotInRecords:
            return self._forgotten()
        return True

    def _forgotten(self) -> bool:
        self.emit("restart", None)
        return False

    def _start(self, compared: str) -> None:
        self.compared, self.counts = compared, dict.fromkeys(self.counts, 0)
        self.staged, self.aside, self.lies, self.decoded, self.at = [], [], dict.fromkeys(self.lies, 0), 0, 0
        self.bases, self.highest, self.part = [0], 0, -1
        self._enter(0)
        habits = getattr(self.reader, "habits", self.reader.headers)
        self.key = key_of(self.job.format, self.job.rules, habits, compared)
        alone = len(self.parts) == 1 and self.job.before
        before = feed_record.load(Path(self.job.before), self.key) if alone else None
        self.known = Known(before, self.job.stale)
        self._tell_head(before is not None)

    def _tell_head(self, before: bool = False) -> None:
        self.emit("head", {"headers": self.reader.headers, "key": self.key, "compared": self.compared, "before": before})
        rules, mark, headers = self.job.rules, self.form.decimal_mark, self.reader.headers
        self.take = mapping.compile_batches(rules, headers, mark, self.job.stamp)
        self.mapper = mapping.compile_rules(rules, headers, mark)
        self.sku_of = mapping.compile_rules({"fields": {"sku": rules["fields"]["sku"]}}, headers, mark)
        needed = mapping.needed_columns(rules)
        self.needed = [place for place, header in enumerate(headers) if header in needed]
        self.partial = self.job.delta and self.form.kind in ITEMS
        self.given = Given(self.job.mended, [headers[place] for place in self.needed])
        self.untold: dict[tuple[int, ...], tuple[str, ...]] = {}

    def _enter(self, part: int) -> None:
        """Open a part anew; the first time its rows are numbered on from those before."""
        self.close()
        self.emit("part", part)
        self.part, self.path = part, self.parts[part]
        self.reader: Any = (feeds.open_changes if self.job.delta else feeds.open_rows)(self.path, self.form)
        self.unread, self.at = True, 0
        if part == len(self.bases):
            self.bases.append(self.highest)
            self._tell_head()

    def close(self) -> None:
        """Let go of the part that is open."""
        reader = getattr(self, "reader", None)
        if reader is not None:
            reader.close()

    def _each_part(self) -> Iterator[int]:
        """Enter one part after the other; what their rows' numbers are raised by."""
        for part in range(len(self.parts)):
            if part != self.part or not self.unread:
                if part == len(self.bases) and self.compared == "record":
                    self.reader.judge_letters(self.reader.rows)
                self._enter(part)
            yield self.bases[part]

    def _read(self, batches: Callable[[Choose], Iterator[Batch]]) -> None:
        """Both readings: what is new, and what must be read after all."""
        for batch in batches(self.known.unseen):
            self._take(batch)
        if self.known.settle():
            for batch in batches(self.known.forced):
                self._take((READ_AGAIN, row) for _, row in batch)
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
        if len(self.parts) == 1:
            self.known.after(self.job.delta).save(Path(self.job.after), self.key)
        told = {"matched": self.known.matched, "decoded": self.decoded, "doubled": doubled, "bases": self.bases}
        self.emit("end", {**self.counts, **told})

    def _take(self, batch: Batch) -> None:
        """Map rows; stage them, or set them aside."""
        entered: list[tuple[int, int, str]] = []
        troubled: list[tuple[int, Row]] = []
        self.take(batch, self.staged, entered, troubled)
        self.known.add_used(entered)
        self.decoded += len(entered) + len(troubled)
        self.lies["staged"] += len(entered)
        self.lies["usable"] += len(entered)
        for _, row in troubled:
            values, problems = self.mapper(row)
            if values is not None:
                self._stage((row.number, 1, mapping.content_hash(values), *values))
                self.known.add(READ_AGAIN, values[0], row.number, True)
            self._set_aside(row, values, problems)

    def _stage(self, staged: tuple[Any, ...]) -> None:
        self.lies["staged"] += 1
        self.lies["usable"] += staged[1]
        self.staged.append(staged if self.job.stamp is None else mapping.copy_line((self.job.stamp, *staged)))

    def _set_aside(self, row: Row, values: tuple[Any, ...] | None, problems: Sequence[CellProblem]) -> None:
        counts, fatal = self.counts, values is None
        sku = values[0] if values else self._sku(row)
        if fatal and not sku and (sku := self.given.sku(row.cells[place] for place in self.needed)):
            counts["mended"] += 1
            self._stand_for(sku, row)
            return
        counts["set_aside"] += fatal
        counts["noted"] += not fatal
        counts["bad_quantity"] += any(problem.fatal and problem.field == "quantity" for problem in problems)
        if fatal and sku:  # the item is in the file, though not usable: it must not count as missing
            self._stand_for(sku, row)
        if (counts["set_aside"] if fatal else counts["noted"]) <= self.job.most_reported:
            self.aside.append((row.number, sku, int(fatal), told(problems), cells_text(row.cells)))

    def _stand_for(self, sku: str, row: Row) -> None:
        self._stage((row.number, 0, 0, sku, *_BLANK))
        self.known.add(READ_AGAIN, sku, row.number, False)

    def _sku(self, row: Row) -> str:
        values, _ = self.sku_of(Row(row.number, row.cells))
        return str(values[0]) if values else ""

    def _flush(self) -> None:
        told_counts = {**self.counts, **self.lies, "rows": self.decoded + self.known.matched}
        passed, at = sum(self.sizes[: self.part]), self.at or self.reader.bytes_read
        done = {"counts": told_counts, "bytes": passed + min(at, self.sizes[self.part]), "size": sum(self.sizes)}
        lines = self.job.stamp is not None
        self.emit("rows", ("\n".join([*self.staged, ""]).encode() if lines and self.staged else self.staged, self.aside, done))
        self.staged, self.aside = [], []

    def _rows_by_records(self, choose: Choose) -> Iterator[Batch]:
        """The rows of the chosen records; of a record with several rows, or none of them plain, none is ever ticked off."""
        for base in self._each_part():
            for block, hashes, chosen in self._chosen_of_blocks(choose):
                if len(chosen) == len(hashes):
                    yield self._rows_of(block.records, block.numbers, hashes.tolist(), base)
                elif len(chosen):
                    picked = chosen.tolist()
                    records, numbers = [block.records[n] for n in picked], [block.numbers[n] for n in picked]
                    yield self._rows_of(records, numbers, hashes[chosen].tolist(), base)
                self.at = block.end
                self._flush()

    def _chosen_of_blocks(self, choose: Choose) -> Iterator[tuple[raw_records.Block, NDArray[np.uint64], NDArray[np.intp]]]:
        """Each block with its hashes and the chosen places. Several are compared at once: each look then touches memory near the last."""
        blocks = raw_records.blocks(self.path, self.form, self.reader.lines_before, self.job.block)
        most = COMPARED_AT_ONCE if len(self.known.before) else 1
        while some := list(islice(blocks, most)):
            hashes = [np.fromiter(map(xxh3_64_intdigest, block.records), np.uint64, len(block.records)) for block in some]
            ends = np.cumsum([len(part) for part in hashes])
            chosen = choose(np.concatenate(hashes))
            parts = np.split(chosen, np.searchsorted(chosen, ends[:-1]))
            for block, part, places, end in zip(some, hashes, parts, ends, strict=True):
                yield block, part, places - (end - len(part))

    def _rows_of(self, records: Sequence[bytes], numbers: Sequence[int], digests: list[int], base: int) -> Batch:
        places, found = self.reader.rows_of(records, numbers)
        rows = self._raised(found, base)
        if len(places) == len(records) == len(set(places)):
            return zip(digests, rows, strict=True)
        times = Counter(places)
        return [(READ_AGAIN if times[place] > 1 else digests[place], row) for place, row in zip(places, rows, strict=True)]

    def _raised(self, rows: list[Row], base: int) -> list[Row]:
        """The rows, numbered on from the parts before."""
        if base:
            rows = [row._replace(number=row.number + base) for row in rows]
        if rows:
            self.highest = rows[-1].number
        return rows

    def _rows_by_cells(self, choose: Choose) -> Iterator[Batch]:
        """The rows whose mapped cells are chosen."""
        for rows in self._batches():
            self._tell_untold(rows)
            hashes = np.fromiter(map(self._cells_hash, rows), np.uint64, len(rows))
            digests = hashes.tolist()
            yield [(READ_AGAIN if rows[place].problems else digests[place], rows[place]) for place in choose(hashes).tolist()]
            self._flush()

    def _batches(self) -> Iterator[list[Row]]:
        for base in self._each_part():
            self.unread = False
            batch: list[Row] = []
            for row in self.reader:
                batch.append(row)
                if len(batch) == BATCH:
                    yield self._raised(batch, base)
                    batch = []
            yield self._raised(batch, base)

    def _tell_untold(self, rows: Sequence[Row]) -> None:
        """Say which fields rows of a file of changes do not mention."""
        found: dict[tuple[str, ...], list[int]] = {}
        for row in rows if self.partial else ():
            absent = tuple(place for place in self.needed if row.cells[place] is UNTOLD)
            if absent and absent not in self.untold:
                self.untold[absent] = untold(self.job.rules, [self.reader.headers[place] for place in absent])
            if absent and (keys := self.untold[absent]):
                found.setdefault(keys, []).append(row.number)
        if found:
            self.emit("untold", list(found.items()))

    def _cells_hash(self, row: Row) -> int:
        cells = row.cells
        if row.problems:
            return READ_AGAIN
        told_cells = [cells[n] for n in self.needed]
        if self.partial:  # not mentioned is another thing than empty
            told_cells = [_UNTOLD if cell is UNTOLD else cell for cell in told_cells]
        digest: int = xxh3_64_intdigest(_BETWEEN.join(told_cells).encode("utf-8", "surrogatepass"))
        return digest

    def _cells_by_records(self, wanted: set[int]) -> Iterator[tuple[int, str]]:
        for base in self._each_part():
            yield from self._cells_of_part({number - base for number in wanted}, base)

    def _cells_of_part(self, wanted: set[int], base: int) -> Iterator[tuple[int, str]]:
        for block in raw_records.blocks(self.path, self.form, self.reader.lines_before, self.job.block):
            ends = [*list(block.numbers[1:]), block.numbers[-1] + block.records[-1].count(b"\n") + 1]
            spans = zip(block.numbers, ends, strict=True)
            places = [n for n, (first, end) in enumerate(spans) if not wanted.isdisjoint(range(first, end))]
            _, rows = self.reader.rows_of([block.records[n] for n in places], [block.numbers[n] for n in places])
            yield from ((row.number + base, cells_text(row.cells)) for row in rows if row.number in wanted)

    def _cells_by_rows(self, wanted: set[int]) -> Iterator[tuple[int, str]]:
        for rows in self._batches():
            yield from ((row.number, cells_text(row.cells)) for row in rows if row.number in wanted)
