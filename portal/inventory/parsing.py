"""The reading process, seen from a run: start it, stage what it says, settle SKUs that stand twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portal import failpoints, readers
from portal.errors import Problem, SupplierError
from portal.intake.job import Job
from portal.inventory import duplicates
from portal.inventory.untold import Filling
from portal.leases import Work
from portal.models import SetAsideRow, bulk
from portal.models.staging import Stage

ASIDE_COLUMNS = ("run_id", "row_number", "sku", "fatal", "problems", "cells")
BYTES_A_SECOND = 500_000  # slower than any real feed is read; a feed that needs longer is made to
LEAST_SECONDS = 60
CHUNK = 5_000
BLOCK = 1 << 20  # bytes that are cut at a time


@dataclass
class Tally:
    """Counts of a reading. `known`: rows that the last accepted feed held too; `decoded`: the others; `gone`: SKUs it no longer names.

    `staged`: rows that lie in the stage, `usable` those of them that are compared. `replaced`: rows whose SKU a later file holds too.
    `mended`: rows that have no SKU and stand for the item that they became when they were mended.
    """

    rows: int = 0
    staged: int = 0
    usable: int = 0
    set_aside: int = 0
    noted: int = 0
    bad_quantity: int = 0
    unreadable: int = 0
    duplicates: int = 0
    known: int = 0
    decoded: int = 0
    gone: int = 0
    replaced: int = 0
    mended: int = 0

    @classmethod
    def of(cls, work: Work) -> Tally:
        """The tally that the run's checkpoint holds."""
        return cls(**work.checkpoint.get("tally", {}))

    @property
    def fresh(self) -> int:
        """Rows that lie in the stage, of whatever use."""
        return self.staged + self.gone


@dataclass
class Heading:
    """What the reading process found at the file's head. `whole`: no record of an earlier feed served."""

    headers: Sequence[str] = ()
    key: str = ""
    compared: str = ""
    whole: bool = True


class Parsing:
    """Takes the frames of one reading process."""

    def __init__(self, work: Work, stage: Stage) -> None:
        self.work, self.stage = work, stage
        self.tally = Tally()
        self.headings: list[Heading] = []
        self.part, self.bases = 0, [0]
        self.doubled: list[list[int]] = []
        self.cells: dict[int, str] = {}
        self.untold: dict[int, tuple[str, ...]] = {}
        self._lowest = 0

    @property
    def heading(self) -> Heading:
        """The head of the first file, empty before it was read."""
        return self.headings[0] if self.headings else Heading()

    def read(self, job: Job, sku_column: str, delta: bool = False) -> Tally:
        """Stage the job's file whole, from the start even after an interruption. `delta`: it holds only what changed.

        Raises SupplierError, Stopped, LostLease.
        """
        self._restart(None)
        with readers.told_by(job.dump()) as told:
            for kind, value in told:
                getattr(self, f"_{kind}")(value)
        by_warehouse, policy = bool(job.rules.get("warehouse_rows")), job.rules.get("duplicates") or "last"
        filling = Filling(self.work, self.stage, self.untold, job.rules)
        if self.untold:
            filling.from_earlier_rows(self.doubled, self.bases, policy)
        settled = duplicates.Settling(self.work, self.stage, self.tally, self.cells)
        settled.settle(self.doubled, policy, sku_column, self.bases, by_warehouse)
        if by_warehouse and delta:
            settled.keep_other_warehouses()
        if self.untold:
            filling.from_items()
        self.stage.finish()
        return self.tally

    def _part(self, value: int) -> None:
        self.part = value

    def _head(self, value: dict[str, Any]) -> None:
        self.headings.append(Heading(value["headers"], value["key"], value["compared"], not value["before"]))

    def _rows(self, value: tuple[list[Any] | bytes, list[Any], dict[str, Any]]) -> None:
        staged, aside, done = value
        work, counts = self.work, done["counts"]
        if staged:
            with work.staging():
                self.stage.add(staged)
        if aside:
            with work.transaction():
                bulk.insert("set_aside_row", ASIDE_COLUMNS, [(work.run.id, *row) for row in aside])
        for name, count in counts.items():
            setattr(self.tally, name, count)
        failpoints.reach("staged-chunk")
        share = done["bytes"] / max(done["size"], 1)
        work.progress(counts["rows"], max(counts["rows"], int(counts["rows"] / share)) if share else None)

    def _restart(self, _: None) -> None:
        """Forget what was staged: another worker's half, or records that did not come apart."""
        self.tally, self.doubled, self.cells, self._lowest = Tally(), [], {}, 0
        self.untold = {}
        self.headings = []
        with self.work.staging():
            self.stage.clear()
        aside = SetAsideRow.select().where(SetAsideRow.run == self.work.run.id)
        while numbers := [row.row_number for row in aside.order_by(SetAsideRow.row_number).limit(CHUNK)]:
            with self.work.transaction():
                SetAsideRow.delete().where(SetAsideRow.run == self.work.run.id, SetAsideRow.row_number <= numbers[-1]).execute()

    def _gone(self, skus: list[str]) -> None:
        with self.work.staging():
            self._lowest = self.stage.add_gone(skus, self._lowest)
        self.tally.gone += len(skus)
        self.work.check_stop()

    def _untold(self, rows: list[tuple[tuple[str, ...], list[int]]]) -> None:
        for keys, numbers in rows:
            self.untold |= dict.fromkeys(numbers, tuple(keys))

    def _cells(self, rows: list[tuple[int, str]]) -> None:
        self.cells |= dict(rows)

    def _end(self, value: dict[str, Any]) -> None:
        self.doubled, self.bases = value["doubled"], value["bases"]
        self.tally.known, self.tally.decoded, self.tally.rows = value["matched"], value["decoded"], value["rows"]
        self.tally.unreadable = value["unreadable"]

    def _refused(self, value: tuple[dict[str, Any], bool]) -> None:
        problem, permanent = value
        raise SupplierError(Problem(**problem), permanent)


def job_seconds(size: int) -> int:
    """Processor seconds that reading a file of so many bytes may take."""
    return max(LEAST_SECONDS, size // BYTES_A_SECOND)
