"""Order files as XML and JSON: orders, and their lines inside them. A column's name is its path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import orjson
from lxml import etree

from portal.errors import Refused
from portal.order_mapping.cells import Layout, Line, Writer, by_order
from portal.order_mapping.texts import encodable, whose

XML_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
JSON_STEP = re.compile(r"[^.\[\]\x00-\x1f]{1,100}")


def xml_problem(name: str) -> str | None:
    """Why a column cannot have that name in XML; it is element/element, or element/@attribute."""
    *steps, last = name.split("/")
    if all(XML_STEP.fullmatch(step) for step in (*steps, last.removeprefix("@"))) and not name.lower().startswith("xml"):
        return None
    return "Give the column an element's name, such as ShipTo/City or Line/@number"


def json_problem(name: str) -> str | None:
    """Why a column cannot have that name in JSON; it is key.key, or key.0.key for the first of a list."""
    steps = name.split(".")
    return (
        None
        if all(JSON_STEP.fullmatch(step) for step in steps) and not steps[0].isdecimal()
        else "Give the column a key, such as shipTo.city"
    )


def xml(layout: Layout, columns: Sequence[Writer], lines: Sequence[Line], one: bool = False) -> bytes:
    """root / order / (order's columns, line…); where `one`, the single order without a root.

    Empty values have no element. Raises Refused.
    """
    root = etree.Element(layout.get("root") or "Orders")
    for order in by_order(lines):
        here = etree.SubElement(root, layout.get("order_tag") or "Order")
        for column in columns:
            if not column.of_line:
                _put_element(here, column, order[0], layout)
        for line in order:
            place = etree.SubElement(here, layout.get("line_tag") or "Line")
            for column in columns:
                if column.of_line:
                    _put_element(place, column, line, layout)
    if one and len(root) == 1:
        root = root[0]
    encoding = {"utf-8-sig": "utf-8", "cp1252": "windows-1252", "ascii": "us-ascii"}.get(layout.get("encoding", "utf-8"), "utf-8")
    made: bytes = etree.tostring(root, xml_declaration=True, encoding=encoding, pretty_print=True)
    return made


def _put_element(place: Any, column: Writer, line: Line, layout: Layout) -> None:
    value = encodable(layout, whose(line), column.of(line))
    if not value:
        return
    *steps, last = column.header.split("/")
    for step in steps:
        found = place.find(step)
        place = etree.SubElement(place, step) if found is None else found
    if last.startswith("@"):
        place.set(last[1:], value)
    else:
        etree.SubElement(place, last).text = value


def json(layout: Layout, columns: Sequence[Writer], lines: Sequence[Line], one: bool = False) -> bytes:
    """{"orders": [{…, "lines": [{…}]}]}; a bare list where "order_tag" is "-"; the single order where `one`. UTF-8. Raises Refused.

    Quantities and amounts are numbers, to the digit; empty values have no key. A step that is a number is a place in a list, and
    places without a value close up. "line_tag" may be a path.
    """
    made: list[Any] = []
    line_tag = str(layout.get("line_tag") or "lines")
    *above, tag = line_tag.split(".")
    listed = any(step.isdecimal() for column in columns for step in column.header.split("."))
    for order in by_order(lines):
        whole: dict[str, Any] = {}
        for column in columns:
            if not column.of_line:
                _put_key(whole, column, order[0])
        _place(whole, above, line_tag)[tag] = [_line_of(columns, line) for line in order]
        made.append(_with_lists(whole) if listed else whole)
    name = layout.get("order_tag") or "orders"
    content = made[0] if one and len(made) == 1 else made if name == "-" else {name: made}
    return orjson.dumps(content, option=orjson.OPT_INDENT_2)


def _line_of(columns: Sequence[Writer], line: Line) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for column in columns:
        if column.of_line:
            _put_key(made, column, line)
    return made


def _put_key(place: dict[str, Any], column: Writer, line: Line) -> None:
    value = column.of(line)
    if not value:
        return
    *steps, last = column.header.split(".")
    place = _place(place, steps, column.header)
    if last in place:
        raise Refused(f"“{column.header}” stands twice. Rename one of them.")
    place[last] = orjson.Fragment(value.replace(",", ".")) if column.number else value


def _place(place: dict[str, Any], steps: Sequence[str], header: str) -> dict[str, Any]:
    for step in steps:
        place = place.setdefault(step, {})
        if not isinstance(place, dict):
            raise Refused(f"“{header}” lies inside a column that is a value itself. Rename one of them.")
    return place


def _with_lists(value: Any) -> Any:
    """The same with a list for each object whose keys are places."""
    if isinstance(value, list):
        return [_with_lists(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: _with_lists(one) for key, one in value.items()}
    if made and all(key.isdecimal() for key in made):
        return [made[key] for key in sorted(made, key=int)]
    return made
