"""JSON as rows, item by item: a document through ijson, one item a line through orjson.

Objects inside an item become dotted columns; a list of plain values is joined with " | "; a list of objects is numbered
("image.src", "image 2.src"), or gives a row each when it is the list that `FeedFormat.variants` names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import ijson
import orjson

from portal.feeds import branches, encodings, nested, refusals
from portal.feeds.branches import Branch, Choice, Tree
from portal.feeds.nested import DEEPEST, JOINT, Flat, NestedRows, put
from portal.feeds.reading import LONGEST_SHOWN
from portal.feeds.recoded import as_utf8
from portal.records import CellProblem, Detection, FeedFormat

LONGEST_LINE = LONGEST_ITEM = 16_000_000  # bytes; two million values of it take 400 MB
MOST_EVENTS = 600_000  # of a document that are looked at to find its items
MOST_SCANNED = 100_000  # rows looked at to learn all columns
_DIGITS = bytes(48 if 48 <= n < 58 else n for n in range(256))  # every digit becomes a zero
_SEVENTEEN, _ENDLESS = b"0" * 17, b"0" * 1_000
_BUFFER = 1 << 18
Numbered = Iterator[tuple[int, Flat, tuple[CellProblem, ...]]]


def detect(path: Path, head: bytes) -> Detection:
    """The array whose items are the rows, and the list inside them that gives a row each. Raises SupplierError."""
    encoding, words = encodings.guess(path, head)
    found = _find(path, encoding)
    if found is None:
        raise refusals.row_path_missing("", "JSON")
    form = FeedFormat("json", encoding=encoding, row_path=found.row_path, variants=found.variants)
    with Reader(path, form) as reader:
        columns = nested.columns_of(reader, MOST_SCANNED)
    return Detection(FeedFormat(**{**vars(form), "columns": columns}), {"encoding": words, "row_path": found.words})


def detect_lines(path: Path, head: bytes) -> Detection:
    """The list inside the items that gives a row each. Raises SupplierError."""
    encoding, words = encodings.guess(path, head)
    form = FeedFormat("jsonl", encoding=encoding)
    found = tree_of_lines(path, encoding)
    item = next((one for one in found if one.path == "$"), None)
    variants = branches.variants_of(item, [one for one in found if one.holds], ".") if item else ""
    form = FeedFormat("jsonl", encoding=encoding, variants=variants)
    with LineReader(path, form) as reader:
        columns = nested.columns_of(reader, MOST_SCANNED)
    said = {"encoding": words, "row_path": "Each line is an item" + (f", a row for each of its {variants}." if variants else ".")}
    return Detection(FeedFormat(**{**vars(form), "columns": columns}), said)


def tree(path: Path, encoding: str = "utf-8") -> list[Branch]:
    """The document's paths with counts and samples, "$" first. Raises SupplierError."""
    found = list(_scan(path, encoding)[0].branches.values())
    return sorted(found, key=lambda one: one.path)


def tree_of_lines(path: Path, encoding: str = "utf-8") -> list[Branch]:
    """The same for a file with an item on each line."""
    seen = Tree(".")
    with path.open("rb") as file:
        for _, item, problem in islice(_lines(as_utf8(file, encoding)), 2_000):
            if problem is None:
                _walk(seen, "$", item, 0)
    seen.finish()
    return sorted(seen.branches.values(), key=lambda one: one.path)


class Reader(NestedRows):
    """Rows of one document. `number` counts rows."""

    def flat_rows(self) -> Numbered:
        """Each item's rows."""
        row_path = self.format.row_path or getattr(_find(self.path, self.format.encoding), "row_path", "$")
        number, names = 0, None
        for item in _items(as_utf8(self._file, self.format.encoding), row_path):
            if isinstance(item, list):
                if names is None and self.format.header_row:
                    names = [_plain(one) or "" for one in item]
                    continue
                item = {(names[n] if names and n < len(names) else f"Column {n + 1}"): one for n, one in enumerate(item)}
            for flat, problems in rows_of(item, self.format.variants):
                number += 1
                yield number, flat, problems
        if not number and names is None:
            self._check_path(row_path)

    def _check_path(self, row_path: str) -> None:
        """No item came: an empty list is fine, a path that leads nowhere is not."""
        seen, lists = _scan(self.path, self.format.encoding)
        if row_path.removesuffix(".*") not in lists | seen.branches.keys():
            raise refusals.row_path_missing(row_path, "JSON")


class LineReader(NestedRows):
    """Rows of a file with an item on each line. `number` is the line, or counts rows where an item gives several."""

    def flat_rows(self) -> Numbered:
        """Each line's rows."""
        last = 0
        for line, item, problem in _lines(as_utf8(self._file, self.format.encoding)):
            if problem is not None:
                last = max(line, last + 1)
                yield last, {}, (problem,)
                continue
            for flat, problems in rows_of(item, self.format.variants):
                last = max(line, last + 1)
                yield last, flat, problems


def rows_of(item: Any, variants: str) -> Iterator[tuple[Flat, tuple[CellProblem, ...]]]:
    """The flat row of an item, or one for each entry of the list at `variants` with the item's own values repeated."""
    if type(item) is not dict:
        item = {"value": item}
    found = _taken_out(item, variants.split(".")) if variants else None
    if found and found[1]:
        own, problems = _flattened(found[0])
        for entry in found[1]:
            flat = dict(own)
            more = dict.fromkeys(_flatten(entry, f"{variants}.", flat, 1))
            yield flat, (*problems, *more)
        return
    plain = {name: value if type(value) is str else _plain(value) for name, value in item.items()}
    if None in plain.values():
        yield _flattened(item)
    else:
        yield cast(Flat, plain), ()


def _taken_out(item: dict[str, Any], path: list[str]) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
    """(the item without the list at the path, the list's objects), None when no list of objects is there."""
    inner = item.get(path[0])
    if len(path) > 1:
        if not isinstance(inner, dict) or (found := _taken_out(inner, path[1:])) is None:
            return None
        return {**item, path[0]: found[0]}, found[1]
    if not isinstance(inner, list) or not all(isinstance(one, dict) for one in inner):
        return None
    return {name: value for name, value in item.items() if name != path[0]}, inner


def _flattened(item: dict[str, Any]) -> tuple[Flat, tuple[CellProblem, ...]]:
    flat: Flat = {}
    return flat, tuple(dict.fromkeys(_flatten(item, "", flat, 0)))


def _flatten(item: dict[str, Any], before: str, flat: Flat, depth: int) -> Iterator[CellProblem]:
    """Put every value of the item into `flat`; what does not fit is told."""
    if depth > DEEPEST:
        raise refusals.too_deep(DEEPEST)
    for name, value in item.items():
        text = _plain(value)
        if text is None and isinstance(value, list):
            texts = [_plain(one) for one in value]
            if None in texts:
                yield from _flatten_list(value, before + name, flat, depth)
                continue
            text = JOINT.join(filter(None, texts))
        if text is None:
            yield from _flatten(value, f"{before}{name}.", flat, depth + 1)
        elif problem := put(flat, before + name, text):
            yield problem


def _flatten_list(entries: list[Any], name: str, flat: Flat, depth: int) -> Iterator[CellProblem]:
    for n, entry in enumerate(entries, 1):
        numbered = name if n == 1 else f"{name} {n}"
        if n > nested.MOST_REPEATS:
            yield CellProblem("", name[:LONGEST_SHOWN], "", nested.TOO_MANY.format(nested.MOST_REPEATS), fatal=False)
            return
        inner = entry if isinstance(entry, dict) else {str(m): one for m, one in enumerate(entry, 1)} if isinstance(entry, list) else None
        if inner is None:
            flat[numbered] = _plain(entry) or ""
        else:
            yield from _flatten(inner, f"{numbered}.", flat, depth + 1)


def _plain(value: Any) -> str | None:
    """A value's text, None for a list or an object."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if type(value) is bool:
        return "true" if value else "false"
    if type(value) is int:
        return str(value)
    if isinstance(value, Decimal):
        return format(value, "f") if abs(value.adjusted()) < 100 else str(value)
    if isinstance(value, float):
        text = repr(value)
        return format(Decimal(text), "f") if "e" in text else text.removesuffix(".0")
    return None


def _lines(file: BinaryIO) -> Iterator[tuple[int, Any, CellProblem | None]]:
    """(line number, item, problem) of each line that is not blank."""
    number = 0
    loads = orjson.loads
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise refusals.long_line(number, LONGEST_LINE)
        if line.isspace():
            continue
        try:
            item = loads(line)
            if _SEVENTEEN in line.translate(_DIGITS):  # more digits than a machine's number keeps
                item = json.loads(line, parse_float=Decimal, parse_int=str)
        except (ValueError, ArithmeticError, RecursionError):
            yield number, None, _unreadable(line)
            continue
        yield number, item, None


def _unreadable(line: bytes) -> CellProblem:
    shown = line[: 4 * LONGEST_SHOWN].decode("utf-8", "replace").strip()[:LONGEST_SHOWN]
    return CellProblem("", "", shown, "The line is not whole JSON")


def _items(file: BinaryIO, row_path: str) -> Iterator[Any]:
    """The items at the path, one at a time."""
    prefix = row_path.removeprefix("$").removeprefix(".")
    single, watched = _is_single(file, prefix), _Watched(file)
    try:
        if prefix == "*" or prefix.endswith(".*"):
            for key, item in ijson.kvitems(watched, prefix.removesuffix("*").removesuffix("."), buf_size=_BUFFER):
                watched.since = 0
                yield {"@key": key, **item} if isinstance(item, dict) else {"@key": key, "value": item}
            return
        inside = f"{prefix}.item" if prefix else "item"
        for item in ijson.items(watched, prefix if single else inside, buf_size=_BUFFER):
            watched.since = 0
            yield item
    except (ijson.JSONError, UnicodeDecodeError, ValueError, ArithmeticError, RecursionError) as error:
        raise _refusal_of(error) from error


class _Watched:
    """A file for ijson that refuses to go on when nothing came whole for too long: a value is held until it ends.

    A number of thousands of digits ends the whole process inside ijson, so there must be none.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.since, self._tail = file, 0, b""

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        block = self._file.read(size)
        self.since += len(block)
        if self.since > LONGEST_ITEM:
            raise refusals.endless_item(LONGEST_ITEM)
        digits = self._tail + block.translate(_DIGITS)
        if _ENDLESS in digits:
            raise refusals.broken_document("JSON", "A number of more than 1,000 digits")
        self._tail = digits[-len(_ENDLESS) :]
        return block


def _is_single(file: BinaryIO, prefix: str) -> bool:
    """Whether the document is one object, which is then the only item."""
    if prefix or not file.seekable():
        return False
    at = file.tell()
    first = file.read(200).lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    file.seek(at)
    return first == b"{"


def _refusal_of(error: Exception) -> Exception:
    text = str(error).lower()
    if "premature eof" in text or "incomplete" in text:
        return refusals.cut("the end of the JSON")
    return refusals.broken_document("JSON", str(error).splitlines()[0] if str(error) else "")


def _find(path: Path, encoding: str) -> Choice | None:
    """The path of the items by what the beginning of the document shows."""
    seen, lists = _scan(path, encoding)
    found = list(seen.branches.values())
    root = seen.branches.get("$")
    choice = branches.choose(found, ".", lists)
    if (choice is None or choice.row_path == "$") and (keyed := branches.keyed(found, ".")):
        return keyed
    if choice is None and (shown := [path for path in lists if branches.may_be_chosen(path)]):
        return Choice(min(shown, key=len), "", f"{min(shown, key=len)} is the only list.")
    if choice is None and root is not None and root.holds:
        return Choice("$", "", "The document is one item.")
    return choice


def _scan(path: Path, encoding: str) -> tuple[Tree, set[str]]:
    """(the tree, the paths that are lists) of the document's first events. Raises SupplierError."""
    seen = Tree(".")
    stack: list[tuple[str, bool]] = [("$", False)]
    lists: set[str] = set()
    key = "$"
    with path.open("rb") as file:
        try:
            watched = _Watched(as_utf8(file, encoding))
            for event, value in islice(ijson.basic_parse(watched, buf_size=_BUFFER), MOST_EVENTS):
                watched.since = 0
                if event == "map_key":
                    key = f"{stack[-1][0]}.{value}"
                elif event in ("end_map", "end_array"):
                    stack.pop()
                else:
                    at = stack[-1][0] if stack[-1][1] else key
                    _saw(seen, lists, stack, at, event, value)
        except (ijson.JSONError, UnicodeDecodeError, ValueError, ArithmeticError) as error:
            raise _refusal_of(error) from error
    seen.finish()
    return seen, lists


def _saw(seen: Tree, lists: set[str], stack: list[tuple[str, bool]], at: str, event: str, value: Any) -> None:
    if event == "start_array":
        lists.add(at)
    if event in ("start_map", "start_array"):
        stack.append((at, event == "start_array"))
        if len(stack) > 2 * DEEPEST:
            raise refusals.too_deep(2 * DEEPEST)
    if event != "start_array":
        seen.saw(at, event == "start_map", "" if event == "start_map" else str(value if value is not None else ""))


def _walk(seen: Tree, at: str, item: Any, depth: int) -> None:
    """The same for an item that is already read."""
    if depth > DEEPEST:
        return
    for one in item if isinstance(item, list) else (item,):
        seen.saw(at, isinstance(one, dict), "" if isinstance(one, dict | list) else (_plain(one) or ""))
        if isinstance(one, dict):
            for name, value in one.items():
                _walk(seen, f"{at}.{name}", value, depth + 1)
