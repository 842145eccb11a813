"""Feeds with a row for each SKU and warehouse: which column names the warehouse, seen in a sample."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

PLACE_WORDS = frozenset(["wh", "whse", "warehouse", "dc", "store", "loc", "location", "branch", "lager", "hub"])
_MORE_PLACES = PLACE_WORDS | {"warehousename", "warehousecode", "site", "depot", "facility", "standort", "lagerort", "entrepot"}
_NOT_A_NAME = frozenset(["qty", "quantity", "stock", "available", "onhand", "bestand", "bin", "shelf", "price", "cost"])
MOST_PLACES = 100
LEAST_SHARE = 0.1  # of the rows that stand beside another row of their SKU
ALONE = 0.98  # of the rows whose SKU and warehouse come once


def column_of(headers: Sequence[str], rows: Sequence[Sequence[str]], sku: str) -> str | None:
    """The column that names the warehouse of each row; None unless SKUs repeat with another warehouse each time."""
    if sku not in headers:
        return None
    at = list(headers).index(sku)
    for n, header in enumerate(headers):
        if n != at and _names_place(header) and _fits(rows, at, n):
            return header
    return None


def _names_place(header: str) -> bool:
    words = set(re.findall(r"[^\W\d_]+", re.sub(r"(?<=[a-zäöüß])(?=[A-Z])", " ", header).lower()))
    return bool(words & _MORE_PLACES) and not words & _NOT_A_NAME


def _fits(rows: Sequence[Sequence[str]], sku: int, place: int) -> bool:
    pairs = [(row[sku].strip(), row[place].strip()) for row in rows if max(sku, place) < len(row)]
    pairs = [pair for pair in pairs if pair[0]]
    named = [pair for pair in pairs if pair[1]]
    times = Counter(pair[0] for pair in named)
    places = {pair[1] for pair in named}
    beside = sum(times[pair[0]] > 1 for pair in named)
    if len(named) < ALONE * len(pairs) or not 1 < len(places) <= MOST_PLACES or beside < max(2, LEAST_SHARE * len(named)):
        return False
    return len(set(named)) >= ALONE * len(named)
