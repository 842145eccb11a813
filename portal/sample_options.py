"""What a merchant may choose about reading the sample: sheets, what repeats, the lists inside, the files of an archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from portal import feeds, file_looks
from portal.errors import SupplierError
from portal.records import FeedFormat

OPTIONS: dict[str, tuple[str, ...]] = {
    "delimited": ("delimiter", "encoding", "header_row", "decimal_mark", "quote", "as_above"),
    "fixed_width": ("cuts", "encoding", "header_row", "decimal_mark", "as_above"),
    "spreadsheet": ("sheet", "header_row", "decimal_mark", "as_above"),
    "xml": ("row_path", "variants", "decimal_mark"),
    "json": ("row_path", "variants", "decimal_mark"),
    "jsonl": ("variants", "decimal_mark"),
    "x12": (),
}
TEXT = ("delimited", "fixed_width")
MOST_SHOWN = 60
MOST_PLACES, DEEPEST_SHOWN = 300, 8
_SEPARATORS = {"xml": "/", "json": ".", "jsonl": "."}


@dataclass(frozen=True)
class Place:
    """One path of the document as its tree shows it: `depth` levels in, `name` its last part, `branch` what was seen there.

    `row_path`: its path if what is there may be the rows, else ""; `variants`: its path from the present rows, if each of it may be
    a row of its own, else "". `is_rows`, `is_variants`: whether that is chosen now.
    """

    branch: feeds.Branch
    depth: int
    name: str
    row_path: str = ""
    variants: str = ""
    is_rows: bool = False
    is_variants: bool = False


@dataclass(frozen=True)
class Options:
    """Choices as value -> label. `names` are the options that the kind has; `tree` shows the document of nested kinds."""

    names: tuple[str, ...]
    kinds: dict[str, str]
    sheets: dict[str, str]
    row_paths: dict[str, str]
    variants: dict[str, str]
    members: Sequence[str]
    tree: Sequence[Place]
    more_paths: int = 0


def of(path: Path | None, form: FeedFormat, detected: str) -> Options:
    """The options of the sample at `path` read as `form`; `detected` is the kind that its bytes show."""
    sheets, members, tree = _looked(path, form)
    kinds = dict.fromkeys((form.kind, detected, *(TEXT if {form.kind, detected} & set(TEXT) else ())))
    rows = {one.path: f"{one.path}, {one.count:,} times" for one in _items(tree)}
    names = OPTIONS.get(form.kind, ()) + (("member",) if len(members) > 1 or form.member else ())
    shown_kinds = {kind: feeds.KINDS[kind] for kind in kinds if kind in feeds.KINDS}
    shown_sheets = _with({"": "The first one with rows", **{name: name for name in sheets}}, form.sheet)
    shown_rows = _with({"": "What fits best", **rows}, form.row_path)
    places = _places(form, tree)
    return Options(
        names, shown_kinds, shown_sheets, shown_rows, _with(_variants(form, tree), form.variants), members, places[:MOST_PLACES],
        max(0, len(places) - MOST_PLACES),
    )  # fmt: skip


def _places(form: FeedFormat, tree: Sequence[feeds.Branch]) -> list[Place]:
    """The tree in the order of its branches, each with what a click on it may choose."""
    separator, names = _SEPARATORS.get(form.kind, "."), OPTIONS.get(form.kind, ())
    above = (form.row_path or "$") + separator
    places = []
    for one in sorted(tree, key=lambda one: one.path.split(separator)):
        parts, may = one.path.strip("/").split(separator), one.holds and bool(one.fields)
        inside = one.path.removeprefix(above) if may and one.path.startswith(above) else ""
        rows = one.path if may and "row_path" in names else ""
        shown = Place(one, min(len(parts) - 1, DEEPEST_SHOWN), parts[-1], rows, inside, bool(rows) and rows == form.row_path)
        places.append(replace(shown, is_variants=bool(inside) and inside == form.variants))
    return places


def _looked(path: Path | None, form: FeedFormat) -> tuple[Sequence[str], Sequence[str], Sequence[feeds.Branch]]:
    """(sheets, members, tree) of the file. What cannot be read has none; the preview says why."""
    try:
        return ((), (), ()) if path is None else _seen(path, FeedFormat(kind=form.kind, encoding=form.encoding, member=form.member))
    except SupplierError:
        return (), (), ()


@lru_cache(maxsize=32)
def _seen(path: Path, form: FeedFormat) -> tuple[Sequence[str], Sequence[str], Sequence[feeds.Branch]]:
    """Files in the spool never change, so neither does what they hold."""
    return file_looks.options(path, form)


def _items(tree: Sequence[feeds.Branch]) -> list[feeds.Branch]:
    """Paths that may be items, the most likely first."""
    holding = [one for one in tree if one.holds and one.fields]
    return sorted(holding, key=lambda one: (-one.named * min(one.count, 100), one.path))[:MOST_SHOWN]


def _variants(form: FeedFormat, tree: Sequence[feeds.Branch]) -> dict[str, str]:
    separator = _SEPARATORS.get(form.kind, ".")
    above = (form.row_path or "$") + separator
    inside = {one.path.removeprefix(above): one.count for one in _items(tree) if one.path.startswith(above)}
    return {"": "One row for each item", **{name: f"A row for each {name}, {count:,} times" for name, count in inside.items()}}


def _with(choices: dict[str, str], chosen: str) -> dict[str, str]:
    """The choices, the present one among them even when the sample does not have it."""
    return choices if chosen in choices else {**choices, chosen: f"{chosen} (not in this file)"}
