"""Which items a plan would move furthest: by quantity, and by cost or price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal.inventory.plan import PRICES
from portal.models import bulk
from portal.models.database import is_postgres

SHOWN = 10


def of(run_id: int, columns: Sequence[str]) -> list[dict[str, Any]]:
    """{"sku", "column", "before", "after"} of the rows that move furthest, as the plan keeps them: quantities, then prices.

    Quantities by units, costs and prices by their share. Values are as the database holds them. What is new is no mover.
    """
    found = [_told("quantity", row) for row in _furthest(run_id, "quantity", "abs(coalesce({after}, 0) - coalesce({before}, 0))")]
    shares = [
        (abs(row[2] - row[1]) / row[1], _told(name, row))
        for name in PRICES
        if name in columns
        for row in _furthest(run_id, name, "abs({after} - {before}) * 1.0 / {before}", "{before} > 0 AND {after} IS NOT NULL")
    ]
    return found + [told for _, told in sorted(shares, key=lambda one: -one[0])[:SHOWN]]


def _furthest(run_id: int, column: str, by: str, which: str = "1 = 1") -> list[tuple[Any, ...]]:
    """(SKU, before, after) of the planned rows that move the column furthest."""
    sides = {side: _number(side, column) for side in ("before", "after")}
    differ = bulk.differs(sides["before"], sides["after"])
    sql = f"""
        SELECT sku, {sides["before"]}, {sides["after"]} FROM plan_row
        WHERE run_id = ? AND action <> 'add' AND {differ} AND {which.format(**sides)} ORDER BY {by.format(**sides)} DESC, n LIMIT {SHOWN}"""
    return list(bulk.run(sql, (run_id,)).fetchall())


def _number(side: str, column: str) -> str:
    """SQL: the whole number that one side of a planned row holds for a column."""
    return f"(plan_row.{side}::json ->> '{column}')::bigint" if is_postgres() else f"json_extract(plan_row.{side}, '$.{column}')"


def _told(column: str, row: tuple[Any, ...]) -> dict[str, Any]:
    return {"sku": row[0], "column": column, "before": row[1], "after": row[2]}
