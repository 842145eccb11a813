"""Lines of totals at the end of a list: not items."""

from __future__ import annotations

from collections.abc import Sequence

_WORDS = "total|totals|grand total|subtotal|sum|summe|gesamt|gesamtsumme|totaal|totale|somme|eof|end of file"
FIRST_CELLS = frozenset(
    form + mark for word in _WORDS.split("|") for form in (word, word.upper(), word.title(), word.capitalize()) for mark in ("", ":")
)
REASON = "A line of totals, not an item"


def is_totals(cells: Sequence[str], width: int) -> bool:
    """Whether a row of a list with `width` columns sums it up instead of naming an item."""
    return width > 1 and bool(cells) and cells[0].strip() in FIRST_CELLS and sum(map(bool, cells)) <= (width + 1) / 2
