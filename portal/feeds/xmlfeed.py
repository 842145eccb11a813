"""XML as rows: what repeats is an item, its elements and attributes are columns. No DTD, no entities, no network.

<item id="7"><name>A</name><price cur="EUR">5</price></item> ─▶ @id 7 │ name A │ price 5 │ price.@cur EUR
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from lxml import etree

from portal.feeds import branches, encodings, kinds, nested, refusals
from portal.feeds.branches import Branch, Choice, Tree
from portal.feeds.nested import DEEPEST, Flat, NestedRows, put
from portal.records import CellProblem, Detection, FeedFormat

MOST_SCANNED = 100_000  # rows looked at to learn all columns
MOST_ELEMENTS = 400_000  # looked at to find what repeats
LONGEST_ITEM = 8_000_000  # bytes; two million elements of it take 300 MB
MOST_ATTRIBUTES = 200  # of one element
LONGEST_PROLOG = 16_000_000  # bytes before the root element
_BLOCK = 1 << 16
_DTD = re.compile(r"<!(?:DOCTYPE|ENTITY)", re.I)
_INSTANCE = "{http://www.w3.org/2001/XMLSchema-instance}"
_CUT = {
    etree.ErrorTypes.ERR_DOCUMENT_END, etree.ErrorTypes.ERR_TAG_NOT_FINISHED, etree.ErrorTypes.ERR_DOCUMENT_EMPTY,
    etree.ErrorTypes.ERR_GT_REQUIRED, etree.ErrorTypes.ERR_CDATA_NOT_FINISHED, etree.ErrorTypes.ERR_COMMENT_NOT_FINISHED,
}  # fmt: skip
Numbered = Iterator[tuple[int, Flat, tuple[CellProblem, ...]]]


def detect(path: Path, head: bytes) -> Detection:
    """The element that repeats, and the list inside it that gives a row each. Raises SupplierError."""
    encoding, words = _encoding(path, head)
    found = _find(path, encoding)
    form = FeedFormat("xml", encoding=encoding, row_path=found.row_path, variants=found.variants)
    with Reader(path, form) as reader:
        columns = nested.columns_of(reader, MOST_SCANNED)
    return Detection(FeedFormat(**{**vars(form), "columns": columns}), {"encoding": words, "row_path": found.words})


def tree(path: Path, encoding: str = "utf-8") -> list[Branch]:
    """The document's paths with counts and samples. Raises SupplierError."""
    return sorted(_scan(path, encoding).branches.values(), key=lambda one: one.path)


class Reader(NestedRows):
    """Rows of one document. `number` counts rows."""

    def flat_rows(self) -> Numbered:
        """Each item's rows."""
        row_path = self.format.row_path or _find(self.path, self.format.encoding).row_path
        steps, number = row_path.strip("/").split("/"), 0
        variants = self.format.variants.split("/") if self.format.variants else []
        names = _Names()
        for element in _elements(self.path, self._file, self.format.encoding, steps, names):
            for flat, problems in _rows_of(element, variants, names):
                number += 1
                yield number, flat, problems
        if not number and "/" + "/".join(steps[:-1]) not in ("/", *_scan(self.path, self.format.encoding).branches):
            raise refusals.row_path_missing(row_path, "XML")


class _Names(dict[str, str]):
    """Tags as a person writes them: {address}price -> g:price, the prefix as first seen."""

    def of(self, element: Any) -> str:
        """The element's name."""
        tag = element.tag
        found = self.get(tag)
        if found is None:
            local = tag.rpartition("}")[2]
            found = self[tag] = f"{element.prefix}:{local}" if element.prefix else local
        return found


def _elements(path: Path, file: BinaryIO, encoding: str, steps: list[str], names: _Names) -> Iterator[Any]:
    """The elements at the path, whole; what was read before is let go of block by block."""
    first = _opening(path, encoding)
    if names.of(first) != steps[0]:
        raise refusals.row_path_missing("/" + "/".join(steps), "XML")
    parser = _parser(encoding, (first.tag.rpartition("}")[2], steps[-1].rpartition(":")[2]))
    since, root = 0, None
    for block in _fed(file, parser):
        since += len(block)
        for event, element in parser.read_events():
            if root is None:
                root = element
            if event == "end" and _is_at(element, steps, names):
                since = 0
                yield element
                element.clear()
        _let_go(root, steps, names)
        if since > LONGEST_ITEM and _is_inside(root, steps, names):
            raise refusals.endless_item(LONGEST_ITEM)


def _opening(path: Path, encoding: str) -> Any:
    """The root element, judged before anything else is read. Raises SupplierError."""
    parser, size = _parser(encoding), 0
    with path.open("rb") as file:
        for block in _fed(file, parser):
            for _, element in parser.read_events():
                info = element.getroottree().docinfo
                if info.internalDTD is not None or info.doctype:
                    raise refusals.has_dtd()
                return element
            size += len(block)
            if size > LONGEST_PROLOG:
                break
    raise refusals.endless_item(LONGEST_PROLOG)


def _parser(encoding: str, local: tuple[str, str] | None = None) -> Any:
    """A parser that reads no DTD, expands no entity and opens nothing; `local`: it tells of elements of these names only."""
    tag = None if local is None else (*local, *(f"{{*}}{one}" for one in local))
    return etree.XMLPullParser(
        ("start", "end"), tag=tag, encoding=None if encoding == "utf-8" else _libxml(encoding),
        resolve_entities=False, load_dtd=False, dtd_validation=False, attribute_defaults=False, no_network=True, huge_tree=False,
        remove_comments=True, remove_pis=True, strip_cdata=True, recover=False,
    )  # fmt: skip


def _libxml(encoding: str) -> str:
    return {"cp1252": "windows-1252", "cp1250": "windows-1250", "cp850": "cp850"}.get(encoding, encoding)


def _fed(file: BinaryIO, parser: Any) -> Iterator[bytes]:
    """Blocks of the file, each given to the parser. Raises SupplierError for what is no whole XML, or has a DTD."""
    first = True
    try:
        while block := file.read(_BLOCK):
            if first and _DTD.search(kinds.text_of(block).partition("<![CDATA[")[0]):
                raise refusals.has_dtd()
            first = False
            parser.feed(block)
            yield block
        parser.close()
        yield b""
    except etree.XMLSyntaxError as error:
        raise _refusal_of(error, parser) from error


def _refusal_of(error: Any, parser: Any) -> Exception:
    words = str(error)
    if any(one.type == etree.ErrorTypes.ERR_UNDECLARED_ENTITY for one in parser.feed_error_log):
        return refusals.broken_document("XML", "An entity that is not declared")
    if error.code in _CUT or "no element found" in words.lower():
        return refusals.cut("the closing tag of the XML")
    if "depth" in words.lower() and ("excessive" in words.lower() or "maximum" in words.lower()):
        return refusals.too_deep(256)
    return refusals.broken_document("XML", words)


def _is_at(element: Any, steps: list[str], names: _Names) -> bool:
    for step in reversed(steps):
        if element is None or names.of(element) != step:
            return False
        element = element.getparent()
    return element is None


def _let_go(root: Any, steps: list[str], names: _Names) -> None:
    """Drop everything that has ended before the place of reading, but nothing of an item that is being read."""
    node, depth = root, 1
    while len(node):
        if depth >= len(steps) and _is_at(node, steps, names):
            return
        del node[:-1]
        if depth > 300:
            return
        node, depth = node[-1], depth + 1


def _is_inside(root: Any, steps: list[str], names: _Names) -> bool:
    """Whether the place of reading is inside an item."""
    node = root
    for step in steps[1:]:
        if not len(node) or names.of(node[-1]) != step:
            return False
        node = node[-1]
    return len(node) > 0 or bool(node.text)


def _rows_of(element: Any, variants: list[str], names: _Names) -> Iterator[tuple[Flat, tuple[CellProblem, ...]]]:
    """The flat row of an item, or one for each of its variants with the item's own values repeated."""
    if not variants and (plain := _plain(element, names)) is not None:
        yield plain, ()
        return
    entries = _at(element, variants, names) if variants else []
    flat, problems = _flattened(element, names, set(entries))
    if not entries:
        yield flat, problems
    for entry in entries:
        row = dict(flat)
        more = dict.fromkeys(_flatten(entry, ".".join(variants), row, names, 1, frozenset()))
        yield row, (*problems, *more)


def _plain(element: Any, names: _Names) -> Flat | None:
    """The row of an item that is as simple as most, None for any other."""
    flat: Flat = {}
    for child in element:
        tail, tag = child.tail, child.tag
        if len(child) or child.keys() or (tail and not tail.isspace()):
            return None
        name = names.get(tag) or names.of(child)
        if name in flat:
            return None
        text = child.text
        flat[name] = text.strip() if text else ""
    return flat if flat and not element.keys() else None


def _at(element: Any, steps: list[str], names: _Names) -> list[Any]:
    found = [element]
    for step in steps:
        found = [child for one in found for child in one if names.of(child) == step]
    return found


def _flattened(element: Any, names: _Names, leave_out: set[Any]) -> tuple[Flat, tuple[CellProblem, ...]]:
    flat: Flat = {}
    return flat, tuple(dict.fromkeys(_flatten(element, "", flat, names, 0, frozenset(leave_out))))


def _flatten(element: Any, name: str, flat: Flat, names: _Names, depth: int, leave_out: frozenset[Any]) -> Iterator[CellProblem]:
    """Put the element's attributes, its text and what is in it into `flat`; what does not fit is told."""
    if depth > DEEPEST:
        raise refusals.too_deep(DEEPEST)
    before = f"{name}." if name else ""
    for key, value in _attributes(element):
        if not key.startswith(_INSTANCE):
            flat.setdefault(f"{before}@{key.rpartition('}')[2]}", value)
    if not len(element):
        if not name and not (element.text or "").strip():
            return
        yield from filter(None, (put(flat, name or "text", (element.text or "").strip()),))
        return
    if any(child.tail and not child.tail.isspace() for child in element):
        yield from filter(None, (put(flat, name or "text", " ".join("".join(element.itertext()).split())),))
        return
    seen: dict[str, int] = {}
    for child in element:
        if child in leave_out:
            continue
        inner = before + names.of(child)
        if not len(child) and not child.keys():
            if inner not in flat:
                flat[inner] = (child.text or "").strip()
            elif problem := put(flat, inner, (child.text or "").strip()):
                yield problem
            continue
        n = seen[inner] = seen.get(inner, 0) + 1
        if n <= nested.MOST_REPEATS:
            yield from _flatten(child, inner if n == 1 else f"{inner} {n}", flat, names, depth + 1, leave_out)
        elif n == nested.MOST_REPEATS + 1:
            yield CellProblem("", inner, "", nested.TOO_MANY.format(nested.MOST_REPEATS), fatal=False)


def _attributes(element: Any) -> Any:
    """Names and values; refused in great number, as reading them takes the square of it."""
    count = len(element.attrib)
    if count > MOST_ATTRIBUTES:
        raise refusals.too_many_columns(count, MOST_ATTRIBUTES)
    return element.items() if count else ()


def _encoding(path: Path, head: bytes) -> tuple[str, str]:
    """What the document declares; Windows-1252 where it declares nothing and is not UTF-8."""
    if encodings.mark_of(head):
        return "utf-8", "Announced by the file's first bytes."
    declared = re.match(rb"""\s*<\?xml[^>]{0,200}encoding\s*=\s*["']([\w.-]{1,40})""", head)
    if declared and declared[1].lower() not in (b"utf-8", b"utf8"):
        return "utf-8", f"{declared[1].decode()}, declared by the document."
    encoding, words = encodings.guess(path, head)
    return ("utf-8", "As the document declares.") if encoding.startswith("utf") else (encoding, words)


def _find(path: Path, encoding: str) -> Choice:
    found = branches.choose(list(_scan(path, encoding).branches.values()), "/")
    if found is None:
        raise refusals.row_path_missing("", "XML")
    return found


def _scan(path: Path, encoding: str) -> Tree:
    """The tree of the document's first elements. Raises SupplierError."""
    seen, names, stack, count = Tree("/"), _Names(), [""], 0
    parser = _parser(encoding)
    _opening(path, encoding)
    with path.open("rb") as file:
        for _ in _fed(file, parser):
            for event, element in parser.read_events():
                if event == "start":
                    stack.append(f"{stack[-1]}/{names.of(element)}" if len(stack) <= 2 * DEEPEST else stack[-1])
                    seen.meet(stack[-1])
                    continue
                count += 1
                _saw(seen, stack.pop(), element)
                element.clear()
                while element.getprevious() is not None:  # itself stays, so that its parent is known to hold something
                    del element.getparent()[0]
            if count > MOST_ELEMENTS:
                break
    seen.finish()
    return seen


def _saw(seen: Tree, path: str, element: Any) -> None:
    holds = len(element) > 0
    for key, value in _attributes(element):
        if not key.startswith(_INSTANCE):
            seen.saw(f"{path}/@{key.rpartition('}')[2]}", False, value)
            holds = True
    seen.saw(path, holds, "" if holds else (element.text or "").strip())
