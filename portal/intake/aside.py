"""Rows set aside, as the run keeps them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import fields

from portal.records import CellProblem

LONGEST_CELL = 500


def told(problems: Iterable[CellProblem]) -> str:
    """Problems as a set-aside row keeps them."""
    listed = [{field.name: getattr(problem, field.name) for field in fields(problem)} for problem in problems]
    for problem in listed:
        problem["value"] = problem["value"][:LONGEST_CELL]
    return json.dumps(listed, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def cells_text(cells: Iterable[str]) -> str:
    """A row's cells as a set-aside row keeps them."""
    return json.dumps([cell[:LONGEST_CELL] for cell in cells], separators=(",", ":"), ensure_ascii=False)
