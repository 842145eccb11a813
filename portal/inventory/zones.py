"""Pieces of the order of SKUs: the ways in which SKUs begin, each as long as all of its SKUs share.

A word whose items stand together is far from most places of the order. Of a whole piece the index can tell that it holds no such item,
so that nobody walks through it.
"""

from __future__ import annotations

from os.path import commonprefix
from typing import Any

from portal.inventory import paging
from portal.inventory.paging import Scope
from portal.models import bulk

MOST_SOURCES, MOST = 20, 64


def of(scope: Scope) -> list[str] | None:
    """The pieces of the scope from its place on, in its order; None where it does not come apart into a few.

    Only for an order of SKUs by code points. A scope of one beginning comes apart into longer ones.
    """
    if scope.sort.column != "sku" or len(scope.begins) > 1 or not 0 < len(scope.sources) <= MOST_SOURCES or not paging.is_bytewise():
        return None
    start = scope.begins[0] if scope.begins else ""
    at, end = start, paging.above(start) if start else None
    if scope.after is not None and scope.downwards:
        place = paging.above(scope.after[0])
        end = place if end is None else min(place, end)
    elif scope.after is not None:
        at = max(at, scope.after[0])
    found: list[str] = []
    while (first := _end_of(scope, "min", at, end)) is not None:
        if len(first) <= len(start) or len(found) == MOST:
            return None  # a SKU that is all of its beginning is in no longer piece
        piece = first[: len(start) + 1]
        at = paging.above(piece)
        last = _end_of(scope, "max", first, at if end is None else min(at, end))
        found.append(commonprefix([first, last or first]))
    return found[::-1] if scope.downwards else found


def _end_of(scope: Scope, which: str, low: str, end: str | None) -> Any:
    """The first or last SKU of the scope's sources that is at least `low` and below `end`."""
    below = "" if end is None else " AND i.sku < ?"
    arm = f"SELECT {which}(i.sku) AS sku FROM inventory_item i WHERE i.source_id = ? AND i.sku >= ?{below}"
    given = [value for source in scope.sources for value in (source, low, *(() if end is None else (end,)))]
    return bulk.one(f"SELECT {which}(sku) FROM ({' UNION ALL '.join([arm] * len(scope.sources))}) AS ends", given)[0]
