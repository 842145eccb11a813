"""SKUs that stand on several rows of one file: one row is used, or the quantities are added up, and each other row says so."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from itertools import groupby
from typing import Any

from portal.feeds import Reader
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import stage
from portal.inventory.stage import MOST_REPORTED, Tally
from portal.leases import Work
from portal.mapping import content_hash
from portal.models import bulk
from portal.records import CellProblem

GROUPS = 2_000

# MATERIALIZED: looked for once. Postgres may think the stage empty, and would look again for each of its rows.
_GROUP_ROWS = """
WITH doubled AS MATERIALIZED (
    SELECT sku FROM staged_row WHERE run_id = ? AND used = 1 AND sku > ? GROUP BY sku HAVING count(*) > 1 ORDER BY sku LIMIT ?)
SELECT s.sku, s.row_number, s.quantity, s.warehouses FROM doubled CROSS JOIN staged_row s
WHERE s.run_id = ? AND s.used = 1 AND s.sku = doubled.sku
ORDER BY s.sku, s.row_number"""

_REPORT = """
INSERT INTO set_aside_row (run_id, row_number, sku, fatal, problems, cells) VALUES (?, ?, ?, ?, ?, '[]')
ON CONFLICT (run_id, row_number) DO UPDATE SET fatal = excluded.fatal, problems = excluded.problems"""


@dataclass
class _Settled:
    """What becomes of some groups: rows no longer used, rows to report, and rows whose quantity is a sum."""

    unused: list[int] = field(default_factory=list)
    reports: list[tuple[int, str, str]] = field(default_factory=list)  # row number, SKU, reason
    sums: list[tuple[int, int | None, str | None]] = field(default_factory=list)  # row number, quantity, warehouses


def settle(work: Work, policy: str, column: str) -> Tally:
    """Apply the policy (first, last, sum or set_aside) to every SKU that stands twice; a chunk of SKUs a transaction.

    Done again after an interruption it changes nothing more: a settled SKU has no second used row. `column`: the
    file's SKU column, for the report.
    """
    tally, after = Tally.of(work), ""
    bulk.analyze("staged_row")
    while rows := bulk.run(_GROUP_ROWS, (work.run.id, after, GROUPS, work.run.id)).fetchall():
        settled = _Settled()
        for sku, group in groupby(rows, key=lambda row: row[0]):
            _SETTLE[policy](settled, sku, list(group))
        with work.transaction():
            _write(work, settled, tally, fatal=policy != "sum", column=column)
        after = rows[-1][0]
        bulk.pause()
        work.check_stop()
    return tally


def fill_cells(work: Work, reader: Reader) -> None:
    """Read the document once more for the cells of rows that were reported without them."""
    bare = {row[0] for row in bulk.run("SELECT row_number FROM set_aside_row WHERE run_id = ? AND cells = '[]'", (work.run.id,))}
    found: list[tuple[str, int, int]] = []
    for row in reader:
        if row.number in bare:
            found.append((stage.cells_text(row.cells), work.run.id, row.number))
    for start in range(0, len(found), stage.CHUNK):
        with work.transaction():
            bulk.run_many("UPDATE set_aside_row SET cells = ? WHERE run_id = ? AND row_number = ?", found[start : start + stage.CHUNK])
        bulk.pause()


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
    given = [row[2] for row in group if row[2] is not None]
    stores: dict[str, int] = {}
    for row in group:
        for name, units in json.loads(row[3] or "{}").items():
            stores[name] = stores.get(name, 0) + units
    merged = json.dumps(stores, sort_keys=True, separators=(",", ":"), ensure_ascii=False) if stores else None
    settled.sums.append((kept, sum(given) if given else None, merged))
    _drop(settled, sku, group[1:], f"The same SKU stands on row {kept}; the quantities were added up there")


_SETTLE = {"first": _keep_first, "last": _keep_last, "set_aside": _set_aside, "sum": _sum}


def _drop(settled: _Settled, sku: str, rows: list[Any], reason: str) -> None:
    settled.unused += [row[1] for row in rows]
    settled.reports += [(row[1], sku, reason) for row in rows]


def _write(work: Work, settled: _Settled, tally: Tally, fatal: bool, column: str) -> None:
    room = max(0, MOST_REPORTED - (tally.set_aside if fatal else tally.noted))
    reports = [(number, sku, CellProblem("sku", column, sku, reason, fatal)) for number, sku, reason in settled.reports[:room]]
    _report(work.run.id, reports, fatal)
    bulk.run_many("UPDATE staged_row SET used = 0 WHERE run_id = ? AND row_number = ?", [(work.run.id, n) for n in settled.unused])
    _write_sums(work.run.id, settled.sums)
    tally.duplicates += len(settled.unused)
    if fatal:
        tally.set_aside += len(settled.unused)
    else:
        tally.noted += len(settled.unused)
    work.save_checkpoint(tally=asdict(tally))


def _report(run_id: int, reports: Iterable[tuple[int, str, CellProblem]], fatal: bool) -> None:
    """Set the rows aside, keeping what was noted about them before."""
    listed = list(reports)
    known: dict[int, list[Any]] = {}
    for start in range(0, len(listed), 500):
        numbers = [number for number, _, _ in listed[start : start + 500]]
        marks = ", ".join("?" * len(numbers))
        query = f"SELECT row_number, problems FROM set_aside_row WHERE run_id = ? AND row_number IN ({marks})"
        known |= {number: json.loads(problems) for number, problems in bulk.run(query, (run_id, *numbers))}
    rows = []
    for number, sku, problem in listed:
        told = json.loads(stage.told([problem]))
        text = json.dumps(known.get(number, []) + told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        rows.append((run_id, number, sku, int(fatal), text))
    bulk.run_many(_REPORT, rows)


def _write_sums(run_id: int, sums: list[tuple[int, int | None, str | None]]) -> None:
    at = {name: place for place, name in enumerate(INVENTORY_COLUMNS)}
    changed = []
    columns = ", ".join(f'"{name}"' for name in INVENTORY_COLUMNS)
    for number, quantity, warehouses in sums:
        row = list(bulk.one(f"SELECT {columns} FROM staged_row WHERE run_id = ? AND row_number = ?", (run_id, number)))
        row[at["quantity"]], row[at["warehouses"]] = quantity, warehouses
        changed.append((quantity, warehouses, content_hash(tuple(row)), run_id, number))
    bulk.run_many("UPDATE staged_row SET quantity = ?, warehouses = ?, content_hash = ? WHERE run_id = ? AND row_number = ?", changed)
