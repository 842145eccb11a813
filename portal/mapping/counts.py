"""What a mapping would do to a whole sample, counted for the editor."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from portal.fields import INVENTORY_COLUMNS
from portal.mapping.compiling import Mapper
from portal.mapping.transforms import compose
from portal.records import Row

EXAMPLES = 3
SET_ASIDE = "row set aside"
LEFT_OUT = "value left out"
_SKU, _WAREHOUSES = INVENTORY_COLUMNS.index("sku"), INVENTORY_COLUMNS.index("warehouses")


@dataclass
class Failure:
    """One reason at one field. `outcome`: "row set aside" or "value left out"; `examples`: (line, value), at most 3."""

    field: str
    column: str
    reason: str
    outcome: str
    count: int = 0
    examples: list[tuple[int, str]] = dataclasses.field(default_factory=list)


@dataclass
class Tally:
    """`ok` rows are used, `items` come of them. `duplicates`: rows whose SKU an earlier row had; `filled`: rows with a value, by field.

    `whole`: whether these were all rows of the file.
    """

    rows: int = 0
    ok: int = 0
    items: int = 0
    set_aside: int = 0
    duplicates: int = 0
    duplicate_examples: list[tuple[int, str]] = dataclasses.field(default_factory=list)
    failures: list[Failure] = dataclasses.field(default_factory=list)
    filled: dict[str, int] = dataclasses.field(default_factory=dict)
    whole: bool = True

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Tally:
        """The tally that `asdict` gave, with its pairs and failures."""
        failures = [Failure(**{**one, "examples": [tuple(pair) for pair in one["examples"]]}) for one in told["failures"]]
        return cls(**{**told, "failures": failures, "duplicate_examples": [tuple(pair) for pair in told["duplicate_examples"]]})

    def of(self, key: str) -> list[Failure]:
        """The failures of one field, most frequent first; "" for those of whole rows."""
        return [failure for failure in self.failures if failure.field == key]


def tally(mapper: Mapper, rows: Iterable[Row], limit: int | None = None, duplicates: str = "sum", by_warehouse: bool = False) -> Tally:
    """Map up to `limit` rows and count what happens, with `duplicates` the policy of rules. Memory: two numbers and an entry a SKU.

    `by_warehouse`: each row is of one warehouse, so that only a SKU and warehouse that come again are duplicates.
    """
    counted = Tally()
    found: dict[tuple[str, str, str, bool], Failure] = {}
    seen: dict[int, dict[str, int]] = {}
    filled = [0] * len(INVENTORY_COLUMNS)
    for row in islice(rows, limit):
        values, problems = mapper(row)
        counted.rows += 1
        for problem in problems:
            key = problem.field, problem.column, problem.reason, problem.fatal
            failure = found.setdefault(key, Failure(*key[:3], SET_ASIDE if problem.fatal else LEFT_OUT))
            failure.count += 1
            if len(failure.examples) < EXAMPLES:
                failure.examples.append((row.number, problem.value))
        if values is None:
            counted.set_aside += 1
            continue
        counted.ok += 1
        filled = [count + (value is not None) for count, value in zip(filled, values, strict=True)]
        _note_sku(counted, seen, row.number, values[_SKU], _store(values[_WAREHOUSES]) if by_warehouse else "")
    counted.failures = sorted(found.values(), key=lambda failure: -failure.count)
    counted.filled = dict(zip(INVENTORY_COLUMNS, filled, strict=True))
    _settle(counted, seen, duplicates)
    return counted


def _settle(counted: Tally, seen: dict[int, dict[str, int]], policy: str) -> None:
    """What the policy makes of rows that share a SKU: all are used (sum), one of them (first, last), or none (set_aside)."""
    usable = [stores for stores in seen.values() if policy != "set_aside" or all(times == 1 for times in stores.values())]
    counted.items = len(usable)
    used = counted.ok if policy == "sum" else sum(map(len, usable))
    counted.set_aside += counted.ok - used
    counted.ok = used


def _store(warehouses: str | None) -> str:
    """What a row of one warehouse says of it, up to its quantity."""
    return (warehouses or "").rpartition(":")[0]


def _note_sku(counted: Tally, seen: dict[int, dict[str, int]], number: int, sku: str, store: str) -> None:
    stores = seen.setdefault(hash(sku), {})
    stores[store] = stores.get(store, 0) + 1
    if stores[store] == 1:
        return
    counted.duplicates += 1
    if len(counted.duplicate_examples) < EXAMPLES:
        counted.duplicate_examples.append((number, sku))


def sentences(failures: Sequence[Failure], rows: int) -> list[str]:
    """One line a failure, such as "212 of 48,210 rows: No SKU. Row set aside."."""
    return [f"{one.count:,} of {rows:,} rows: {one.reason}. {one.outcome.capitalize()}." for one in failures]


def values_of(rule: Mapping[str, Any], headers: Sequence[str], rows: Iterable[Row], mark: str, most: int) -> tuple[list[Any], int]:
    """(the `most` frequent values of the rule's columns after its steps, each with its count; how many different ones there are)."""
    change = compose(rule["steps"], mark) or str
    at = [list(headers).index(column) for column in rule["columns"]]
    counted: Counter[str] = Counter()
    for row in rows:
        counted[rule["join"].join([text for n in at if (text := row.cells[n].strip())])] += 1
    changed: Counter[str] = Counter()
    for text, count in counted.items():
        changed[change(text).strip() if text else ""] += count
    changed.pop("", None)
    return changed.most_common(most), len(changed)


def skus_of(mapper: Mapper, rows: Iterable[Row], only_single: bool) -> list[str]:
    """The SKU of each item that the rows become, in the order of the file; with `only_single` no SKU that stands twice."""
    mapped = (mapper(row)[0] for row in rows)
    times = Counter(values[0] for values in mapped if values is not None)
    return [sku for sku, count in times.items() if count == 1 or not only_single]
