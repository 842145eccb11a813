"""What the schemas of a WSDL say about one message: its parts, nested, with what is needed, repeated, and allowed. Pure.

element ─▶ type ─▶ sequence, choice, all, groups, extension, attributes ─▶ Part, Part …
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lxml import etree

from portal.connectors.soap_files import WSDL, XSD

DEEPEST = 12
MOST_NODES = 8_000
"""Of schemas, that the messages of one operation may unfold to."""
LONGEST_WORDS = 200
MOST_OPTIONS = 400
MOST_UNFOLDED = 20_000
_UNFOLDED = frozenset({"type", "group", "attributeGroup"})

_X = f"{{{XSD}}}"
_ARRAY = f"{{{WSDL}}}arrayType"
_KINDS = {
    **dict.fromkeys(("int", "integer", "long", "short", "byte", "decimal", "float", "double", "nonNegativeInteger", "positiveInteger",
                     "unsignedInt", "unsignedLong", "unsignedShort", "unsignedByte", "negativeInteger", "nonPositiveInteger"), "number"),
    "boolean": "boolean", "date": "date", "dateTime": "moment",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One element or attribute ("@name") of a message. `kind`: group, text, number, boolean, date or moment.

    `options`: the values that the schema allows, when it lists them. `choice`: it is one of several, of which one is sent.
    `cut`: it goes deeper than we show, because it contains itself or is very large.
    """

    name: str
    required: bool = True
    repeated: bool = False
    kind: str = "text"
    options: tuple[str, ...] = ()
    words: str = ""
    choice: bool = False
    cut: bool = False
    parts: tuple[Part, ...] = ()


class Schemas:
    """Every schema of a WSDL, looked up by qualified name. How far a message may unfold is bounded: see `begin`."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._known: dict[tuple[str, str], Any] = {}
        self._by_local: dict[tuple[str, str], list[Any]] = {}
        self._left = MOST_NODES
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True)
        for content in files.values():
            root = etree.fromstring(content, parser)
            for schema in root.iter(f"{_X}schema"):
                self._index(schema)

    def endless(self) -> bool:
        """Whether a type or group unfolds to more parts than anything is made of: groups that hold others twice, over and over.

        zeep unfolds groups and bases before anything is asked of it, so this is looked at first, by adding up and not by unfolding.
        """
        sizes: dict[tuple[str, str], int] = {}
        try:
            return any(self._size(node, sizes, ()) > MOST_UNFOLDED for (kind, _), node in self._known.items() if kind in _UNFOLDED)
        except RecursionError:
            return True

    def _size(self, node: Any, sizes: dict[tuple[str, str], int], above: tuple[tuple[str, str], ...]) -> int:
        """How many elements and attributes a piece of a schema holds with its groups and bases; what holds itself is endless."""
        found = 0
        for one in node:
            kind = etree.QName(one).localname if isinstance(one.tag, str) else ""
            if kind in ("element", "attribute"):
                found += 1
                continue
            found += self._size(one, sizes, above)
            name = (
                one.get("ref") if kind in ("group", "attributeGroup") else one.get("base") if kind in ("extension", "restriction") else None
            )
            if not name:
                continue
            key = ("type" if one.get("base") else kind, _qname(one, "base" if one.get("base") else "ref"))
            meant = self._look(*key)
            if meant is None or meant.tag == f"{_X}simpleType":
                continue
            if key in above:
                return MOST_UNFOLDED + 1
            if key not in sizes:
                sizes[key] = min(self._size(meant, sizes, (*above, key)), MOST_UNFOLDED + 1)
            found += sizes[key]
        return found

    def begin(self) -> None:
        """Begin to count what one operation unfolds to."""
        self._left = MOST_NODES

    @property
    def used_up(self) -> bool:
        """Whether the operation is larger than is read."""
        return self._left <= 0

    def of_element(self, qname: str) -> Part:
        """The message that is the global element `qname` ("{namespace}name")."""
        node = self._look("element", qname)
        return self._element(node, 0, ()) if node is not None else Part(etree.QName(qname).localname, cut=True)

    def of_type(self, name: str, qname: str) -> Part:
        """A part called `name` of the type `qname`, as RPC messages have them."""
        return self._typed(Part(name), qname, None, 0, ())

    def _index(self, schema: Any) -> None:
        space = schema.get("targetNamespace", "")
        for node in schema:
            if not isinstance(node.tag, str) or not node.get("name"):
                continue
            kind = {"complexType": "type", "simpleType": "type"}.get(etree.QName(node).localname, etree.QName(node).localname)
            self._known.setdefault((kind, f"{{{space}}}{node.get('name')}"), node)
            self._by_local.setdefault((kind, node.get("name")), []).append(node)

    def _look(self, kind: str, qname: str) -> Any:
        """The node, also where an included schema took the namespace of another."""
        found = self._known.get((kind, qname))
        alike = self._by_local.get((kind, etree.QName(qname).localname), [])
        return found if found is not None else alike[0] if len(alike) == 1 else None

    def _element(self, node: Any, depth: int, above: tuple[str, ...]) -> Part:
        self._left -= 1
        if node.get("ref"):
            meant = self._look("element", _qname(node, "ref"))
            local = node.get("ref").rpartition(":")[2]
            part = self._element(meant, depth, above) if meant is not None else Part(local)
        else:
            part = Part(node.get("name", ""), words=_words(node))
            inline = next((one for one in node if one.tag in (f"{_X}complexType", f"{_X}simpleType")), None)
            part = self._typed(part, _qname(node, "type") if node.get("type") else "", inline, depth, above)
        needed = _least(node) > 0 and node.get("nillable") not in ("true", "1")
        return replace(part, required=needed, repeated=_repeats(node), words=_words(node) or part.words)

    def _typed(self, part: Part, qname: str, inline: Any, depth: int, above: tuple[str, ...]) -> Part:
        if qname.startswith(_X):
            return replace(part, kind=_KINDS.get(etree.QName(qname).localname, "text"))
        node = inline if inline is not None else self._look("type", qname) if qname else None
        if node is None:
            return part
        if node.tag == f"{_X}simpleType":
            return self._simple(part, node, 0)
        if depth >= DEEPEST or self._left <= 0 or (qname and qname in above):
            return replace(part, kind="group", cut=True)
        parts = tuple(_once(self._inside(node, depth + 1, (*above, qname) if qname else above)))
        simple = self._simple_base(node)
        if simple is not None:
            return replace(part, kind=simple.kind, options=simple.options, parts=parts)
        return replace(part, kind="group", parts=parts)

    def _inside(
        self, node: Any, depth: int, above: tuple[str, ...], choice: bool = False, many: bool = False, free: bool = False
    ) -> Iterator[Part]:
        """The elements, then the attributes, of a complex type or of a piece of one."""
        for one in node:
            self._left -= 1
            if self._left <= 0:
                return
            if not isinstance(one.tag, str):
                continue
            kind = etree.QName(one).localname
            if kind == "element":
                part = self._element(one, depth, above)
                yield replace(part, choice=choice, repeated=part.repeated or many, required=part.required and not choice and not free)
            elif kind in ("sequence", "all", "choice"):
                picks = choice or (kind == "choice" and len(one) > 1)
                yield from self._inside(one, depth, above, picks, many or _repeats(one), free or _least(one) == 0)
            elif kind in ("complexContent", "simpleContent", "restriction"):
                yield from self._inside(one, depth, above, choice, many, free)
            elif kind == "extension":
                base = self._look("type", _qname(one, "base")) if one.get("base") else None
                if base is not None and base.tag == f"{_X}complexType" and self._may_go_on(depth):
                    yield from self._inside(base, depth + 1, above, choice, many, free)
                yield from self._inside(one, depth, above, choice, many, free)
            elif kind in ("group", "attributeGroup") and one.get("ref") and self._may_go_on(depth):
                meant = self._look(kind, _qname(one, "ref"))
                if meant is not None:
                    yield from self._inside(meant, depth + 1, above, choice, many or _repeats(one), free or _least(one) == 0)
            elif kind == "attribute" and one.get(_ARRAY):
                yield self._items(one)
            elif kind == "attribute":
                yield self._attribute(one)

    def _items(self, node: Any) -> Part:
        """What an array of the old encoding holds: wsdl:arrayType="t:Item[]"; its elements are called item."""
        prefix, _, local = str(node.get(_ARRAY)).partition("[")[0].rpartition(":")
        kind = f"{{{node.nsmap.get(prefix or None) or ''}}}{local}"
        return replace(self._typed(Part("item", required=False), kind, None, DEEPEST - 4, ()), repeated=True)

    def _may_go_on(self, depth: int) -> bool:
        """Groups and bases in one another without an end are not usable: a message that lacks some of its parts would be a wrong one."""
        self._left = self._left if depth < 3 * DEEPEST else 0
        return self._left > 0

    def _attribute(self, node: Any) -> Part:
        meant = self._look("attribute", _qname(node, "ref")) if node.get("ref") else node
        name = node.get("name") or node.get("ref", "").rpartition(":")[2]
        part = Part(f"@{name}", required=node.get("use") == "required", words=_words(node))
        if meant is None:
            return part
        inline = meant.find(f"{_X}simpleType")
        return self._typed(part, _qname(meant, "type") if meant.get("type") else "", inline, DEEPEST, ())

    def _simple(self, part: Part, node: Any, steps: int) -> Part:
        """A simple type: the kind at the end of its restrictions, and the first list of values on the way there."""
        if steps > DEEPEST:
            return part
        restriction = node.find(f"{_X}restriction")
        if restriction is None:
            return part
        listed = tuple(str(one.get("value", "")) for one in restriction.findall(f"{_X}enumeration"))[:MOST_OPTIONS]
        part = replace(part, options=part.options or listed, words=part.words or _words(node))
        inline, base = restriction.find(f"{_X}simpleType"), _qname(restriction, "base") if restriction.get("base") else ""
        if base.startswith(_X):
            return replace(part, kind=_KINDS.get(etree.QName(base).localname, "text"))
        below = inline if inline is not None else self._look("type", base) if base else None
        return self._simple(part, below, steps + 1) if below is not None and below.tag == f"{_X}simpleType" else part

    def _simple_base(self, node: Any, steps: int = 0) -> Part | None:
        """The text of a complex type that is a text with attributes; None for one of elements."""
        content = node.find(f"{_X}simpleContent")
        if content is None or steps > DEEPEST:
            return None
        derived = next((one for one in content if one.tag in (f"{_X}extension", f"{_X}restriction")), None)
        if derived is None:
            return Part("")
        base = _qname(derived, "base")
        if base.startswith(_X):
            return Part("", kind=_KINDS.get(etree.QName(base).localname, "text"))
        meant = self._look("type", base)
        if meant is None:
            return Part("")
        return self._simple(Part(""), meant, 0) if meant.tag == f"{_X}simpleType" else self._simple_base(meant, steps + 1)


def leaves(part: Part, path: str = "", above: tuple[Part, ...] = ()) -> Iterator[tuple[str, Part, tuple[Part, ...]]]:
    """Each part that takes a value, with its dotted path below `part` and the parts above it."""
    for one in part.parts:
        place = f"{path}.{one.name}" if path else one.name
        if one.kind == "group":
            yield from leaves(one, place, (*above, one))
        else:
            yield place, one, above
            yield from leaves(one, place, (*above, one))


def repeated(part: Part, path: str = "") -> Iterator[tuple[str, Part]]:
    """Each part that repeats, outermost first, with its dotted path below `part`."""
    for one in part.parts:
        place = f"{path}.{one.name}" if path else one.name
        if one.repeated:
            yield place, one
        yield from repeated(one, place)


def columns_of(part: Part) -> list[str]:
    """The names of the values that a list's items hold, dotted; those inside a further list are left to it."""
    return [path for path, _, above in leaves(part) if not any(one.repeated for one in above)][:60]


def shaped(value: Any, part: Part) -> Any:
    """A read answer in the schema's shape: what may repeat is a list also where it stands once, and an absent value (nil) is ""."""
    if isinstance(value, list):
        return [shaped(one, part) for one in value]
    if not isinstance(value, dict):
        return value
    if value.get("@nil") in ("true", "1"):
        return ""
    known = {one.name: one for one in part.parts}
    found = {}
    for name, inner in value.items():
        one = known.get(name)
        kept = shaped(inner, one or Part(name))
        found[name] = [kept] if one is not None and one.repeated and not isinstance(kept, list) else kept
    return found


def _once(parts: Iterator[Part]) -> Iterator[Part]:
    """Each name once: an extension may say again what its base says."""
    seen: dict[str, Part] = {}
    for one in parts:
        if one.name in seen and not seen[one.name].repeated and not one.name.startswith("@"):
            seen[one.name] = replace(seen[one.name], repeated=True)
        else:
            seen.setdefault(one.name, one)
    yield from seen.values()


def _qname(node: Any, attribute: str) -> str:
    prefix, _, local = str(node.get(attribute)).rpartition(":")
    space = node.nsmap.get(prefix or None)
    return f"{{{space or ''}}}{local}" if space else f"{{{_target(node)}}}{local}"


def _target(node: Any) -> str:
    schema = next(node.iterancestors(f"{_X}schema"), None)
    return str(schema.get("targetNamespace", "")) if schema is not None else ""


def _least(node: Any) -> int:
    text = node.get("minOccurs", "1")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1


def _repeats(node: Any) -> bool:
    return str(node.get("maxOccurs", "1")) not in ("0", "1")


def _words(node: Any) -> str:
    found = node.find(f"{_X}annotation/{_X}documentation")
    return " ".join("".join(found.itertext()).split())[:LONGEST_WORDS] if found is not None else ""
