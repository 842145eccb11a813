"""A look as it is asked for, and a row as it is answered: all that whoever asks must know of `intake.looks`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from portal.records import CellProblem, Row


@dataclass(frozen=True)
class Look:
    """What is asked: `name` of looks.ANSWERS, the file, how it is read ({} = not known yet) and what else the answer needs.

    `memory` bytes and `seconds` of processor time are the most that the process may take.
    """

    name: str
    path: str
    format: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict)
    memory: int = 512 << 20
    seconds: int = 10

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps({"look": asdict(self)}).encode()


def plain(row: Row) -> tuple[Any, ...]:
    """A row as a frame carries it."""
    return row.number, row.cells, [tuple(vars(problem).values()) for problem in row.problems]


def row_of(told: Sequence[Any]) -> Row:
    """The row that `plain` gave."""
    number, cells, problems = told
    return Row(number, list(cells), tuple(CellProblem(*one) for one in problems))
