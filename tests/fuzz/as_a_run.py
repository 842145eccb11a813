"""A file read as a run reads it: by records and hashes, twice, so that the second reading knows the first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from portal import feeds, mapping, matching
from portal.errors import SupplierError
from portal.fields import INVENTORY_FIELDS
from portal.intake.job import Job
from portal.intake.reading import Reading
from portal.records import FeedFormat

Staged = dict[int, tuple[Any, ...]]


def proposed(path: Path, form: FeedFormat) -> Mapping[str, Any] | None:
    """The rules that a new source gets for the file; None when no column looks like a SKU. Raises SupplierError."""
    headers, rows = feeds.preview(path, form, 200)
    cells = [row.cells for row in rows]
    rules = matching.rules_from(matching.propose(INVENTORY_FIELDS, headers, cells), headers, cells, form.decimal_mark)
    if "sku" not in rules["fields"]:
        return None
    mapping.check_rules(rules, headers)
    return rules


def read_twice(path: Path, form: FeedFormat, rules: Mapping[str, Any]) -> None:
    """Both readings give what the mapping of single rows gives. Raises SupplierError."""
    expected = _single_rows(path, form, rules)
    record = path.with_name("run.record")
    job = Job(str(path), asdict(form), dict(rules), after=str(record), block=max(2_000, path.stat().st_size // 50))
    try:
        fresh, known = _read(job)
        assert known == 0 and fresh == expected, "a reading by records differs from the rows"
        again, known = _read(replace(job, before=str(record)))
        assert again.items() <= expected.items() and known + len(again) >= len(expected), "a second reading differs"
    finally:
        record.unlink(missing_ok=True)


def _single_rows(path: Path, form: FeedFormat, rules: Mapping[str, Any]) -> Staged:
    found: Staged = {}
    with feeds.open_rows(path, form) as reader:
        mapper = mapping.compile_rules(rules, reader.headers, form.decimal_mark)
        for row in reader:
            values, _ = mapper(row)
            if values is not None:
                found[row.number] = (mapping.content_hash(values), *values)
    return found


def _read(job: Job) -> tuple[Staged, int]:
    """(row number -> hash and values of the usable rows that were read, records that were known)."""
    staged: Staged = {}
    end: dict[str, Any] = {}

    def emit(kind: str, value: Any) -> None:
        if kind == "restart":
            staged.clear()
        elif kind == "rows":
            staged.update({row[0]: tuple(row[2:]) for row in value[0] if row[1] == 1})
        elif kind == "end":
            end.update(value)

    Reading(job, emit).run()
    return staged, end["matched"]


def tried(path: Path, form: FeedFormat) -> str:
    """ "imported", "no SKU" or the refusal's code; anything else flies."""
    try:
        rules = proposed(path, form)
        if rules is None:
            return "no SKU"
        read_twice(path, form, rules)
    except SupplierError as error:
        return error.problem.code
    return "imported"
