"""SKUs that a person gave to rows without one, found again by what else such a row says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from portal.intake.aside import LONGEST_CELL

Cells = tuple[str, ...]


class Given:
    """`mended` as of Job; `needed`: the columns that the rules read. Rows are the same when those cells are, up to LONGEST_CELL.

    Rows that are alike in all of it take the SKUs given to such rows one after the other, each once a file.
    """

    def __init__(self, mended: Sequence[Mapping[str, Any]], needed: Sequence[str]) -> None:
        self._skus: dict[Cells, list[str]] = {}
        known: set[str] = set()
        for one in mended:
            headers = list(one["headers"])
            if any(name not in headers for name in needed):
                continue  # the rules read a column that the mended row did not have
            places = [headers.index(name) for name in needed]
            for cells, sku in one["rows"]:
                if sku not in known:
                    known.add(sku)
                    key = tuple(cells[place] if place < len(cells) else "" for place in places)
                    self._skus.setdefault(key, []).append(sku)

    def sku(self, cells: Iterable[str]) -> str:
        """The SKU that a row of these cells was given; "" for none."""
        if not self._skus:
            return ""
        left = self._skus.get(tuple(cell[:LONGEST_CELL] for cell in cells))
        return left.pop(0) if left else ""
