"""JSON schemas as small mappings, and the check of a value against one: what the OpenAPI document says is what is accepted. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

Shape = Mapping[str, Any]
_TYPES: Mapping[str, Any] = {"object": dict, "array": list, "string": str, "integer": int, "null": type(None)}
_WORDS = {"object": "an object", "array": "a list", "string": "a text", "integer": "a whole number", "null": "null"}
MOST_TOLD = 20
_SIGNS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_PLAIN = f"[^{_SIGNS}]"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(longest: int, shortest: int = 0, **more: Any) -> Shape:
    """A text of one line; where it must not be empty, blanks alone are not enough."""
    if not more:
        more = {"pattern": rf"^{_PLAIN}*[^\s{_SIGNS}]{_PLAIN}*$" if shortest else f"^{_PLAIN}*$"}
    return {"type": "string", "maxLength": longest, **({"minLength": shortest} if shortest else {}), **more}


def whole(least: int, most: int, **more: Any) -> Shape:
    """A whole number."""
    return {"type": "integer", "minimum": least, "maximum": most, **more}


def record(properties: Mapping[str, Shape], needed: tuple[str, ...] = ()) -> Shape:
    """An object with these properties and no others."""
    return {"type": "object", "properties": dict(properties), "required": list(needed), "additionalProperties": False}


def listed(items: Shape, most: int, least: int = 0) -> Shape:
    """A list."""
    return {"type": "array", "items": items, "maxItems": most, **({"minItems": least} if least else {})}


def problems(value: Any, shape: Shape, at: str = "") -> dict[str, str]:
    """{place, such as "lines.0.quantity": what is wrong there}; at most MOST_TOLD of them."""
    found: dict[str, str] = {}
    _check(value, shape, at, found)
    return dict(list(found.items())[:MOST_TOLD])


def _check(value: Any, shape: Shape, at: str, found: dict[str, str]) -> None:
    kind = shape["type"]
    if not isinstance(value, _TYPES[kind]) or isinstance(value, bool):
        found[at or "body"] = f"It must be {_WORDS[kind]}."
        return
    if kind == "object":
        _check_object(value, shape, at, found)
    elif kind == "array":
        _check_list(value, shape, at, found)
    elif words := _wrong_text(value, shape) if kind == "string" else _wrong_number(value, shape):
        found[at or "body"] = words


def _check_object(value: Mapping[str, Any], shape: Shape, at: str, found: dict[str, str]) -> None:
    for name in shape["required"]:
        if name not in value:
            found[_inside(at, name)] = "It is missing."
    for name, inner in value.items():
        if name in shape["properties"]:
            _check(inner, shape["properties"][name], _inside(at, name), found)
        else:
            found[_inside(at, name[:60])] = f"There is no such field. Known here: {', '.join(shape['properties']) or 'none'}."


def _check_list(value: list[Any], shape: Shape, at: str, found: dict[str, str]) -> None:
    if len(value) > shape["maxItems"] or len(value) < shape.get("minItems", 0):
        found[at or "body"] = f"It has {len(value):,} entries; {shape.get('minItems', 0)} to {shape['maxItems']:,} are taken."
        return
    for n, inner in enumerate(value):
        _check(inner, shape["items"], _inside(at, str(n)), found)


def _wrong_text(value: str, shape: Shape) -> str:
    if len(value) > shape["maxLength"]:
        return f"It has {len(value):,} characters; {shape['maxLength']:,} at most."
    if len(value.strip()) < min(1, shape.get("minLength", 0)) or len(value) < shape.get("minLength", 0):
        return "It must not be empty."
    if _CONTROL.search(value):
        return "It holds a line break or control character."
    if "pattern" in shape and not re.search(shape["pattern"], value):
        return str(shape.get("description") or f"It must look like {shape['pattern']}.")
    if "enum" in shape and value not in shape["enum"]:
        return f"It must be one of: {', '.join(shape['enum'])}."
    return _wrong_time(value) if shape.get("format") == "date-time" else ""


def _wrong_time(value: str) -> str:
    try:
        good = "T" in value.upper() and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        good = False
    return "" if good else "It must be a time with its zone, such as 2026-11-27T09:30:00Z."


def _wrong_number(value: int, shape: Shape) -> str:
    least, most = shape["minimum"], shape["maximum"]
    return "" if least <= value <= most else f"It must be from {least:,} to {most:,}."


def _inside(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
