"""What a run would do, worked out in the database: staged rows beside the items the source has now.

add · change · zero (was in stock, now 0) · back (was missing) · missing; the rest is unchanged and only counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.fields import INVENTORY_COLUMNS
from portal.inventory import stage
from portal.leases import Work
from portal.models import bulk

CHUNK = 20_000
REMOVALS_FROM = 1 << 40
"""Plan numbers of missing items begin here, after any row number of a file."""

_INSERT = "INSERT INTO plan_row (run_id, n, action, sku, item_id, row_number, state, marks) "


@dataclass(frozen=True)
class Summary:
    """Counts of a plan. `known`, `in_stock`: items the source had, not missing, before it; `usable`: SKUs of the file."""

    known: int
    in_stock: int
    usable: int
    add: int = 0
    change: int = 0
    zero: int = 0
    back: int = 0
    missing: int = 0

    @property
    def unchanged(self) -> int:
        """SKUs of the file that are as they were."""
        return self.usable - self.add - self.change - self.zero - self.back


def written_columns(rules: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that these mapping rules speak for; a run leaves all others as they are."""
    named = set(rules.get("fields", {}))
    if rules.get("warehouses"):
        named |= {"quantity", "warehouses"}
    if rules.get("custom"):
        named.add("custom")
    if "weight" in named:
        named.add("weight_unit")
    if named & {"length", "width", "height"}:
        named.add("dimension_unit")
    return tuple(column for column in INVENTORY_COLUMNS if column in named and column != "sku")


def make(work: Work, columns: tuple[str, ...], removals: bool) -> Summary:
    """Write the run's plan in chunks, from the start even after an interruption, and count it.

    `columns`: those the mapping writes. `removals` False: items that the file lacks are left alone (a first run).
    """
    stage.erase_rows(work, "plan_row", "n", work.run.id)
    bulk.analyze("staged_row", "inventory_item")
    usable = bulk.one("SELECT count(*) FROM staged_row WHERE run_id = ? AND used = 1", (work.run.id,))[0]
    _compare(work, columns, usable)
    if removals:
        _find_missing(work)
    bulk.analyze("plan_row")
    return _summarize(work, usable)


def _compare(work: Work, columns: tuple[str, ...], usable: int) -> None:
    """Plan the rows of the file that are new, differ, or come back."""
    sql = _INSERT + _compare_sql(columns)
    chunk = f"SELECT row_number FROM staged_row WHERE run_id = ? AND row_number > ? ORDER BY row_number LIMIT {CHUNK}"
    after, done = 0, 0
    while last := bulk.one(f"SELECT max(row_number) FROM ({chunk}) AS chunk", (work.run.id, after))[0]:
        with work.transaction():
            bulk.run(sql, (work.run.source_id, work.run.id, after, last))
        after, done = last, done + CHUNK
        work.progress(min(done, usable), usable)
        bulk.pause()


def _compare_sql(columns: tuple[str, ...]) -> str:
    changed = " OR ".join(bulk.differs(f'i."{column}"', f's."{column}"') for column in columns) or "1 = 0"
    zero = "i.quantity > 0 AND coalesce(s.quantity, 0) = 0" if "quantity" in columns else "1 = 0"
    return f"""
        SELECT s.run_id, s.row_number,
            CASE WHEN i.id IS NULL THEN 'add' WHEN i.missing_since IS NOT NULL THEN 'back' WHEN {zero} THEN 'zero' ELSE 'change' END,
            s.sku, i.id, s.row_number, 'waiting', 0
        FROM staged_row s LEFT JOIN inventory_item i ON i.source_id = ? AND i.sku = s.sku
        WHERE s.run_id = ? AND s.row_number > ? AND s.row_number <= ? AND s.used = 1
        AND (i.id IS NULL OR i.missing_since IS NOT NULL OR (i.content_hash <> s.content_hash AND ({changed})))"""


def _find_missing(work: Work) -> None:
    """Plan the items that the file does not name, in the order of their SKUs. A row set aside names its SKU too."""
    chunk = f"""
        SELECT id, sku FROM inventory_item WHERE source_id = ? AND sku > ? AND missing_since IS NULL ORDER BY sku LIMIT {CHUNK}"""
    sql = f"""{_INSERT}
        SELECT ?, ? + row_number() OVER (ORDER BY i.sku), 'missing', i.sku, i.id, NULL, 'waiting', 0 FROM ({chunk}) AS i
        WHERE NOT EXISTS (SELECT 1 FROM staged_row s WHERE s.run_id = ? AND s.sku = i.sku)"""
    after, number = "", REMOVALS_FROM
    while last := bulk.one(f"SELECT max(sku) FROM ({chunk}) AS chunk", (work.run.source_id, after))[0]:
        with work.transaction():
            number += bulk.run(sql, (work.run.id, number, work.run.source_id, after, work.run.id)).rowcount
        after = last
        work.check_stop()
        bulk.pause()


def _summarize(work: Work, usable: int) -> Summary:
    counts = dict(bulk.run("SELECT action, count(*) FROM plan_row WHERE run_id = ? GROUP BY action", (work.run.id,)).fetchall())
    stock = "count(*), coalesce(sum(CASE WHEN quantity > 0 THEN 1 ELSE 0 END), 0)"
    known, in_stock = bulk.one(f"SELECT {stock} FROM inventory_item WHERE source_id = ? AND missing_since IS NULL", (work.run.source_id,))
    return Summary(known, int(in_stock), usable, **counts)
