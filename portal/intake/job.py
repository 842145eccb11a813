"""What a reading process is asked to do, as JSON on its standard input."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

from portal.records import FeedFormat

READING = 2
"""Raise it when the same file, format and rules would give other values than before: records of older feeds are then void."""


@dataclass(frozen=True)
class Job:
    """One feed to read. `path`: its file; `more`: those after it where it is in several parts, which are read whole in that order.

    `before`, `after`: paths of the last accepted feed's record and of the new one ("" = none; of several parts none is kept).

    `compared`: "record" compares raw records, "cells" the cells that the rules read. `stale`: SKUs whose records are read
    whatever they look like. `delta`: the file names only what changed. `block`: bytes that are cut at a time.
    `most_reported`: rows set aside, and rows noted, that are told with their cells. `memory`, `seconds`: the most the process may use.
    `mended`: rows that have no SKU of their own but were given one: [{"headers", "rows": [[cells, SKU]]}], see portal.inventory.mended.
    `stamp`: rows come as lines for Postgres that begin with it; None: as tuples.
    """

    path: str
    format: dict[str, Any]
    rules: dict[str, Any]
    after: str
    before: str = ""
    more: Sequence[str] = field(default=())
    compared: str = "record"
    stale: Sequence[str] = field(default=())
    delta: bool = False
    block: int = 1 << 20
    most_reported: int = 50_000
    memory: int = 1 << 30
    seconds: int = 600
    stamp: int | None = None
    mended: Sequence[Mapping[str, Any]] = field(default=())

    @property
    def feed_format(self) -> FeedFormat:
        """The format as the readers take it."""
        return FeedFormat(**self.format)

    def dump(self) -> bytes:
        """As JSON."""
        return json.dumps(asdict(self)).encode()


def key_of(form: Mapping[str, Any], rules: Mapping[str, Any], habits: Sequence[object], compared: str) -> str:
    """Digest of all that a record's meaning depends on besides its bytes."""
    told = {name: value for name, value in form.items() if value or name != "as_above"}  # it came later: records of before it serve on
    parts = [READING, compared, told, dict(rules), [str(habit) for habit in habits]]
    return sha256(json.dumps(parts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()
