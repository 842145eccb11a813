"""SKUs that stand on several rows of one file: one row is used, or the quantities are added up, and each other row says so.

Of several files that hold a SKU the last one counts, and the others say nothing about it.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from portal.fields import INVENTORY_COLUMNS, LARGEST_QUANTITY
from portal.intake.aside import told
from portal.leases import Work
from portal.mapping import content_hash
from portal.models import InventoryItem, bulk
from portal.models.staging import Stage
from portal.records import CellProblem

GROUPS = 1_000
MOST_REPORTED = 50_000  # rows set aside, and rows noted, that are kept with their cells
_REPORT = """
INSERT INTO set_aside_row (run_id, row_number, sku, fatal, problems, cells) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (run_id, row_number) DO UPDATE SET fatal = excluded.fatal, problems = excluded.problems"""


@dataclass
class _Settled:
    """What becomes of some groups: rows not used, rows that a later file replaced, rows to report, and sums of quantities.

    `merged`: rows that another row now speaks for, as the file means it; nobody needs to be told.
    """

    replaced: list[int] = field(default_factory=list)
    unused: list[int] = field(default_factory=list)
    merged: list[int] = field(default_factory=list)
    reports: list[tuple[int, str, str, bool]] = field(default_factory=list)  # row number, SKU, reason, whether it is set aside
    sums: list[tuple[int, int | None, str | None]] = field(default_factory=list)  # row number, quantity, warehouses


class Settling:
    """Settles the doubled SKUs of one reading. `tally` is counted on; `cells`: the cells of doubled rows by row number."""

    def __init__(self, work: Work, stage: Stage, tally: Any, cells: Mapping[int, str]) -> None:
        self.work, self.stage, self.tally, self.cells = work, stage, tally, cells

    def settle(
        self, groups: Sequence[Sequence[int]], policy: str, column: str, bases: Sequence[int] = (0,), by_warehouse: bool = False
    ) -> None:
        """Apply the policy (first, last, sum or set_aside) to groups of row numbers that share a SKU. `column`: the file's SKU column.

        `bases`: what the row numbers of each file are raised by; the policy is for rows of one file. `by_warehouse`: each row is of one
        warehouse; their quantities are added up, and the policy is for a warehouse that comes twice.
        """
        for start in range(0, len(groups), GROUPS):
            numbers = [number for group in groups[start : start + GROUPS] for number in group]
            settled = _Settled()
            for sku, group in groupby(self._rows(numbers), key=lambda row: row[0]):
                listed = list(group)
                if len(listed) > 1 and by_warehouse:
                    _join(settled, sku, listed, policy, bases)
                elif len(listed := _of_last_file(settled, listed, bases)) > 1:
                    _SETTLE[policy](settled, sku, listed)
            self._write(settled, column)
            self.work.check_stop()

    def keep_other_warehouses(self) -> None:
        """For a file of changes only, one row a warehouse: those that it does not name keep what they hold."""
        run, last = self.work.run, 0
        sql = """SELECT row_number, sku, warehouses FROM fresh_row WHERE run_id = ? AND used = 1 AND row_number > ?
            AND warehouses IS NOT NULL ORDER BY row_number LIMIT ?"""
        while rows := self.stage.rows(sql, (run.id, last, GROUPS)):
            last = rows[-1][0]
            mine = (InventoryItem.source == run.source_id) & (InventoryItem.sku << [sku for _, sku, _ in rows])
            held = {item.sku: item.warehouses for item in InventoryItem.select().where(mine)}
            sums = ((number, *with_others(held.get(sku), here)) for number, sku, here in rows)
            with self.work.staging():
                self._write_sums(list(sums))
            self.work.check_stop()

    def _rows(self, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(numbers), 10_000):
            some = numbers[start : start + 10_000]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT sku, row_number, quantity, warehouses FROM fresh_row WHERE run_id = ? AND used = 1 AND row_number IN ({marks})"
            found += self.stage.rows(sql, (self.work.run.id, *some))
        return sorted(found, key=lambda row: (row[0], row[1]))

    def _write(self, settled: _Settled, column: str) -> None:
        tally, run_id = self.tally, self.work.run.id
        with self.work.staging():
            unused = [(run_id, number) for number in (*settled.unused, *settled.replaced, *settled.merged)]
            self.stage.change("UPDATE fresh_row SET used = 0 WHERE run_id = ? AND row_number = ?", unused)
            self._write_sums(settled.sums)
        for fatal in (True, False):
            told = [one for one in settled.reports if one[3] == fatal]
            room = max(0, MOST_REPORTED - (tally.set_aside if fatal else tally.noted))
            reports = [(number, sku, CellProblem("sku", column, sku, reason, fatal)) for number, sku, reason, _ in told[:room]]
            with self.work.transaction():
                self._report(reports, fatal)
            tally.set_aside += len(told) if fatal else 0
            tally.noted += 0 if fatal else len(told)
        tally.duplicates += len(settled.unused)
        tally.replaced += len(settled.replaced)
        tally.usable -= len(settled.unused) + len(settled.replaced) + len(settled.merged)

    def _report(self, reports: Iterable[tuple[int, str, CellProblem]], fatal: bool) -> None:
        """Set the rows aside, keeping what was noted about them before."""
        run_id, listed = self.work.run.id, list(reports)
        known: dict[int, list[Any]] = {}
        for start in range(0, len(listed), 500):
            numbers = [number for number, _, _ in listed[start : start + 500]]
            marks = ", ".join("?" * len(numbers))
            query = f"SELECT row_number, problems FROM set_aside_row WHERE run_id = ? AND row_number IN ({marks})"
            known |= {number: json.loads(problems) for number, problems in bulk.run(query, (run_id, *numbers))}
        rows = []
        for number, sku, problem in listed:
            problems = known.get(number, []) + json.loads(told([problem]))
            text = json.dumps(problems, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
            rows.append((run_id, number, sku, int(fatal), text, self.cells.get(number, "[]")))
        bulk.run_many(_REPORT, rows)

    def _write_sums(self, sums: Sequence[tuple[int, int | None, str | None]]) -> None:
        at = {name: place for place, name in enumerate(INVENTORY_COLUMNS)}
        run_id, changed = self.work.run.id, []
        columns = ", ".join(f'"{name}"' for name in INVENTORY_COLUMNS)
        rows: dict[int, list[Any]] = {}
        for start in range(0, len(sums), 10_000):
            numbers = [number for number, _, _ in sums[start : start + 10_000]]
            sql = f"SELECT row_number, {columns} FROM fresh_row WHERE run_id = ? AND row_number IN ({', '.join('?' * len(numbers))})"
            rows |= {found[0]: list(found[1:]) for found in self.stage.rows(sql, (run_id, *numbers))}
        for number, quantity, warehouses in sums:
            row = rows[number]
            row[at["quantity"]], row[at["warehouses"]] = quantity, warehouses
            changed.append((quantity, warehouses, content_hash(tuple(row)), run_id, number))
        sql = "UPDATE fresh_row SET quantity = ?, warehouses = ?, content_hash = ? WHERE run_id = ? AND row_number = ?"
        self.stage.change(sql, changed)


def _of_last_file(settled: _Settled, group: list[Any], bases: Sequence[int]) -> list[Any]:
    """The rows of the last file that holds the SKU; those of the files before are replaced."""
    base = bases[bisect_left(bases, group[-1][1]) - 1]
    settled.replaced += [row[1] for row in group if row[1] <= base]
    return [row for row in group if row[1] > base]


def _keep_first(settled: _Settled, sku: str, group: list[Any]) -> None:
    kept = group[0][1]
    _drop(settled, sku, group[1:], f"The same SKU stands on row {kept}, the first; this row was not used")


def _keep_last(settled: _Settled, sku: str, group: list[Any]) -> None:
    kept = group[-1][1]
    _drop(settled, sku, group[:-1], f"The same SKU stands again on row {kept}, the last; this row was not used")


def _set_aside(settled: _Settled, sku: str, group: list[Any]) -> None:
    _drop(settled, sku, group, f"This SKU stands on {len(group)} rows; none of them was used")


def _sum(settled: _Settled, sku: str, group: list[Any]) -> None:
    kept = group[0][1]
    if _add_up(settled, sku, group):
        _drop(settled, sku, group[1:], f"The same SKU stands on row {kept}; the quantities were added up there", False)


def _join(settled: _Settled, sku: str, group: list[Any], policy: str, bases: Sequence[int]) -> None:
    """Rows of one SKU, one a warehouse, become one row; a warehouse that comes twice is settled first, as the policy says."""
    named: dict[str, list[Any]] = defaultdict(list)
    for row in group:
        named["".join(json.loads(row[3] or "{}"))].append(row)
    stores = {name: _of_last_file(settled, rows, bases) for name, rows in named.items()}
    doubled = [rows for rows in stores.values() if len(rows) > 1]
    if doubled and policy == "set_aside":
        left = [row for rows in stores.values() for row in rows]
        _drop(settled, sku, left, f"One warehouse stands on {len(doubled[0])} rows of this SKU; none of its rows was used")
        return
    kept = [row for rows in stores.values() for row in (rows if policy == "sum" else rows[:1] if policy == "first" else rows[-1:])]
    kept.sort(key=lambda row: row[1])
    if not _add_up(settled, sku, kept):
        return
    twice = [row for rows in doubled for row in (rows[:-1] if policy == "last" else rows[1:])]
    if twice:
        _drop(settled, sku, twice, _TWICE[policy], policy != "sum")
    told = {row[1] for row in twice}
    settled.merged += [row[1] for row in kept[1:] if row[1] not in told]


_TWICE = {
    "first": "The same SKU and warehouse stand on an earlier row; this row was not used",
    "last": "The same SKU and warehouse stand again on a later row; this row was not used",
    "sum": "The same SKU and warehouse stand on an earlier row; the quantities were added up",
}


def _add_up(settled: _Settled, sku: str, group: list[Any]) -> bool:
    """Give the first row the quantities of all. False, and none of them used, when that is more than any stock."""
    given = [row[2] for row in group if row[2] is not None]
    if sum(given) > LARGEST_QUANTITY:
        _drop(settled, sku, group, f"The quantities of this SKU add up to {sum(given):,}; none of its rows was used")
        return False
    stores: dict[str, int] = {}
    for row in group:
        for name, units in json.loads(row[3] or "{}").items():
            stores[name] = stores.get(name, 0) + units
    settled.sums.append((group[0][1], sum(given) if given else None, warehouses_text(stores)))
    return True


def with_others(held: str | None, told: str) -> tuple[int, str]:
    """(sum, quantities by warehouse) of an item that `held` some, once `told` speaks of one or more of them."""
    mine = json.loads(told)
    stores = {**json.loads(held or "{}"), **mine}
    if sum(stores.values()) > LARGEST_QUANTITY:
        stores = mine
    return sum(stores.values()), warehouses_text(stores) or "{}"


def warehouses_text(stores: Mapping[str, int]) -> str | None:
    """Quantities by warehouse as an item keeps them, None for none."""
    return json.dumps(stores, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if stores else None


_SETTLE = {"first": _keep_first, "last": _keep_last, "set_aside": _set_aside, "sum": _sum}


def _drop(settled: _Settled, sku: str, rows: list[Any], reason: str, fatal: bool = True) -> None:
    settled.unused += [row[1] for row in rows]
    settled.reports += [(row[1], sku, reason, fatal) for row in rows]
