"""Forms that are not made of WTForms fields: their errors as the error summary wants them, and numbers read with care."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal.errors import Stale


class TypedErrors:
    """What `m.error_summary` shows: (id of a control or "", sentence) of each error, and who saved first."""

    def __init__(self, placed: Sequence[tuple[str, str]] = (), stale: Stale | None = None) -> None:
        self._placed = list(placed)
        self.stale = stale
        self.theirs: Mapping[str, Any] = {}

    def problems(self) -> list[tuple[str, str]]:
        """The errors, in page order."""
        return self._placed


def whole_number(text: str, otherwise: int = -1) -> int:
    """A short run of digits as a number; `otherwise` for anything else, which no row has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise
