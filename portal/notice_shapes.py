"""Where a JSON document has the parcels (or answers), and the lines inside them: the shape whose columns say most of what we need.

paths of the document ─▶ each as items, and each list inside as their lines ─▶ columns matched ─▶ the best one
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from portal import file_looks, matching
from portal.fields import Field
from portal.records import FeedFormat, Match

KINDS = ("json", "jsonl", "xml")
"""Formats in which an item need not have what another one has."""

LOOKED_AT = 20
MOST_SHAPES = 24
OF_A_LINE = ("sku", "quantity", "accepted", "rejected", "code")


def shape(path: Path, name: str, fields: Sequence[Field]) -> FeedFormat:
    """How to read the document for these fields; a table, or XML, as it is detected. Raises SupplierError.

    The same notice may come with one line or with many, so a list of objects that holds a line's field is the lines however long it is.
    """
    detected = file_looks.detect(path, name).format
    if detected.kind not in ("json", "jsonl"):
        return detected
    branches = [one for one in file_looks.options(path, detected)[2] if one.fields]
    paths = [one.path for one in branches]
    roots = [detected.row_path] if detected.kind == "jsonl" else list(dict.fromkeys([detected.row_path, "$", *paths]))
    shapes = [(root, inner) for root in roots for inner in ["", *_inside(root or "$", paths)]][:MOST_SHAPES]
    best = max(((_worth(path, replace(detected, row_path=root, variants=inner, columns=()), fields)) for root, inner in shapes), key=_rank)
    return best[1]


def repeats(column: str, headers: Sequence[str]) -> list[int]:
    """The places of the columns that hold the same of a second part of an item ("lines.sku" of "lines 2.sku"): `column` has the first."""
    parts = column.split(".")
    again = [".".join([*parts[:n], f"{parts[n]} 2", *parts[n + 1 :]]) for n in range(len(parts))]
    return [n for n, header in enumerate(headers) if header in again]


def propose(
    fields: Sequence[Field], headers: Sequence[str], rows: Sequence[Sequence[str]], rules: Mapping[str, Any] | None = None
) -> list[Match]:
    """As matching.propose; a column inside others ("lines.sku") is known by the last part of its name too."""
    found = matching.propose(fields, headers, rows, rules)
    taken = {match.column for match in found if match.how not in (matching.NONE, matching.GUESS)}
    short: dict[str, str] = {}
    for header in sorted(headers, key=lambda one: one.count(".")):
        if "." in header and header not in taken:
            short.setdefault(header.rpartition(".")[2], header)
    inner = {match.field: match for match in matching.propose(fields, list(short), [["" for _ in short]]) if match.how == matching.HEADER}
    return [
        replace(inner[one.field], column=short[str(inner[one.field].column)])
        if one.how in (matching.NONE, matching.GUESS) and one.field in inner
        else one
        for one in found
    ]  # fmt: skip


def _inside(root: str, paths: Iterable[str]) -> list[str]:
    return [one[len(root) + 1 :] for one in paths if one.startswith(root + ".")]


def _worth(path: Path, form: FeedFormat, fields: Sequence[Field]) -> tuple[tuple[int, int, int], FeedFormat]:
    """(needed fields found, others found, whether its lines hold one of a line), and the shape with its columns."""
    whole = file_looks.with_columns(path, form)
    headers, rows = file_looks.preview(path, whole, LOOKED_AT)
    found = [
        match for match in propose(fields, headers, [list(row.cells) for row in rows])
        if match.column and match.how != matching.GUESS
    ]  # fmt: skip
    needed = {field.key for field in fields if field.needed}
    lines = form.variants and any(match.field in OF_A_LINE and str(match.column).startswith(f"{form.variants}.") for match in found)
    if form.variants and not lines:  # a row for each label or message would tell the same units again
        return (-1, 0, 0), whole
    return (sum(match.field in needed for match in found), sum(match.field not in needed for match in found), int(bool(lines))), whole


def _rank(one: tuple[tuple[int, int, int], FeedFormat]) -> tuple[int, int, int, int, int]:
    (needed, others, lines), form = one
    return needed, others, form.row_path.count("."), lines, form.variants.count(".")
