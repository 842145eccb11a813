"""Rows of a document, mapped and staged for comparing; what cannot be used is set aside with every reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from portal import failpoints
from portal.feeds import Reader
from portal.fields import INVENTORY_COLUMNS
from portal.leases import Work
from portal.mapping import content_hash
from portal.models import bulk
from portal.models.database import is_postgres
from portal.records import CellProblem, Row

CHUNK = 5_000
CHUNK_COPY = 20_000  # COPY on Postgres locks nobody out
MOST_REPORTED = 50_000
LONGEST_CELL = 500
STAGED_COLUMNS = ("run_id", "row_number", "used", "content_hash", *INVENTORY_COLUMNS)
ASIDE_COLUMNS = ("run_id", "row_number", "sku", "fatal", "problems", "cells")

Mapper = Callable[[Row], tuple[tuple[Any, ...] | None, Sequence[CellProblem]]]


@dataclass
class Tally:
    """Counts of a reading so far. `upto`: the last row number that is staged or set aside."""

    upto: int = 0
    rows: int = 0
    staged: int = 0
    set_aside: int = 0
    noted: int = 0
    bad_quantity: int = 0
    duplicates: int = 0

    @classmethod
    def of(cls, work: Work) -> Tally:
        """The tally that the run's checkpoint holds."""
        return cls(**work.checkpoint.get("tally", {}))


class Filling:
    """One pass over a document: mapped rows go to the stage, the rest is set aside, a chunk a transaction."""

    def __init__(self, work: Work, mapper: Mapper, sku_of: Mapper) -> None:
        self.work, self.mapper, self.sku_of = work, mapper, sku_of
        self.tally = Tally.of(work)
        self.run_id = work.run.id
        self.staged: list[tuple[Any, ...]] = []
        self.aside: list[tuple[Any, ...]] = []

    def read(self, reader: Reader) -> Tally:
        """Stage every row past the checkpoint. Raises SupplierError (from the reader), Stopped, LostLease."""
        size = CHUNK_COPY if is_postgres() else CHUNK
        run_id, mapper, tally = self.run_id, self.mapper, self.tally
        add, done = self.staged.append, tally.upto
        for row in reader:
            if row.number <= done:
                continue
            values, problems = mapper(row)
            if values is not None:
                add((run_id, row.number, 1, content_hash(values), *values))
            if problems or values is None:
                self._set_aside(row, values, problems)
            tally.rows += 1
            tally.upto = row.number
            if tally.rows % size == 0:
                self._flush(reader)
        self._flush(reader)
        return tally

    def _set_aside(self, row: Row, values: tuple[Any, ...] | None, problems: Sequence[CellProblem]) -> None:
        tally, fatal = self.tally, values is None
        sku = values[0] if values else self._sku(row)
        tally.set_aside += fatal
        tally.noted += not fatal
        tally.bad_quantity += any(problem.fatal and problem.field == "quantity" for problem in problems)
        if fatal and sku:  # the item is in the file, though not usable: it must not count as missing
            self.staged.append((self.run_id, row.number, 0, 0, sku, *[None] * (len(INVENTORY_COLUMNS) - 1)))
        if (tally.set_aside if fatal else tally.noted) <= MOST_REPORTED:
            self.aside.append((self.run_id, row.number, sku, int(fatal), told(problems), cells_text(row.cells)))

    def _sku(self, row: Row) -> str:
        values, _ = self.sku_of(Row(row.number, row.cells))
        return str(values[0]) if values else ""

    def _flush(self, reader: Reader) -> None:
        tally = self.tally
        with self.work.transaction():
            bulk.insert("staged_row", STAGED_COLUMNS, self.staged)
            bulk.insert("set_aside_row", ASIDE_COLUMNS, self.aside)
            tally.staged += sum(row[2] for row in self.staged)
            self.work.save_checkpoint(tally=asdict(tally))
        self.staged.clear()
        self.aside.clear()
        failpoints.reach("staged-chunk")
        share = reader.bytes_read / max(reader.size, 1)
        self.work.progress(tally.rows, max(tally.rows, int(tally.rows / share)) if share else None)
        bulk.pause()


def erase(work: Work, run_id: int | None = None, keep_held: bool = False) -> None:
    """Remove staged and planned rows of a run in chunks. `keep_held`: all but what waits for a person's decision."""
    run_id = run_id or work.run.id
    kept = "AND NOT EXISTS (SELECT 1 FROM plan_row p WHERE p.run_id = t.run_id AND p.row_number = t.row_number AND p.state = 'held')"
    erase_rows(work, "staged_row", "row_number", run_id, kept if keep_held else "")
    erase_rows(work, "plan_row", "n", run_id, "AND t.state <> 'held'" if keep_held else "")


def erase_rows(work: Work, table: str, key: str, run_id: int, condition: str = "") -> None:
    """Delete a run's rows of one table in chunks along `key`."""
    some = f"SELECT t.{key} FROM {table} t WHERE t.run_id = ? AND t.{key} > ? {condition} ORDER BY t.{key} LIMIT {CHUNK}"
    after: int | None = -1
    while after is not None:
        with work.transaction():
            last = bulk.one(f"SELECT max({key}) FROM ({some}) AS doomed", (run_id, after))[0]
            if last is not None:
                doomed = f"DELETE FROM {table} AS t WHERE t.run_id = ? AND t.{key} > ? AND t.{key} <= ? {condition}"
                bulk.run(doomed, (run_id, after, last))
        after = last
        bulk.pause()


def erase_earlier(work: Work) -> None:
    """Remove what earlier runs of the integration left: interrupted for good, or held and now settled by this one."""
    earlier = "SELECT DISTINCT run_id FROM {} WHERE run_id IN (SELECT id FROM run WHERE integration_id = ? AND id < ?)"
    found: set[int] = set()
    for table in ("staged_row", "plan_row"):
        found |= {row[0] for row in bulk.run(earlier.format(table), (work.run.integration_id, work.run.id))}
    for run_id in sorted(found):
        erase(work, run_id)


def told(problems: Iterable[CellProblem]) -> str:
    """Problems as a set-aside row keeps them."""
    listed = [{field.name: getattr(problem, field.name) for field in fields(problem)} for problem in problems]
    for problem in listed:
        problem["value"] = problem["value"][:LONGEST_CELL]
    return json.dumps(listed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def cells_text(cells: Iterable[str]) -> str:
    """A row's cells as a set-aside row keeps them."""
    return json.dumps([cell[:LONGEST_CELL] for cell in cells], separators=(",", ":"), ensure_ascii=False)
