"""The arguments of an operation: a flat form made from its schema, and the typed values put back into the schema's shape. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal.connectors.soap_schema import Part, leaves

HEADER = "soap:Header"
"""The first name of a path into the SOAP header of a message."""
SOURCES = {
    "value": "What is typed here, or nothing",
    "user": "The user",
    "password": "The password",
    "key": "The other secret",
    "product": "Each product id, one call for each",
}
"""Where the value of an argument comes from."""


def arguments_of(takes: Part) -> list[dict[str, Any]]:
    """What can be filled in, in the schema's order: plain values for a form. `required` holds all the way up."""
    found = []
    for path, part, above in leaves(takes):
        needed = part.required and all(one.required and not one.choice for one in above) and not part.choice
        found.append(
            {
                "path": path, "required": needed, "repeated": part.repeated or any(one.repeated for one in above), "kind": part.kind,
                "options": list(part.options), "words": part.words, "choice": part.choice or any(one.choice for one in above),
            }
        )  # fmt: skip
    return found


def written(text: str) -> dict[str, dict[str, Any]]:
    """Arguments as a supplier's TOML writes them, a line each: `wsVersion = 2.0.0`, `password = <password>`, `productId = <product>`."""
    found: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        name, sign, value = (piece.strip() for piece in line.partition("="))
        if not sign:
            continue
        source = value[1:-1] if value.startswith("<") and value.endswith(">") else ""
        if source in (SOURCES.keys() | {"since"}) - {"value"}:
            found[name] = {"from": source}
        elif value:
            found[name] = {"from": "value", "lines": [*found.get(name, {}).get("lines", []), value]}
    return found


def resolved(arguments: Mapping[str, Mapping[str, Any]], known: Mapping[str, str]) -> dict[str, list[str]]:
    """path -> texts, with the user, the secrets and the product put in; what is empty is left out."""
    found = {}
    for path, one in arguments.items():
        source = str(one.get("from") or "")
        lines = [str(line) for line in one.get("lines", [])] if source == "value" else [known.get(source, "")]
        if any(lines):
            found[path] = lines
    return found


ORDER = ("reference", "their_number")
"""What may stand in curly braces for an open order: our PO number, the supplier's own."""


def names_an_order(arguments: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether one of them names an open order, so that each order needs a call of its own."""
    lines = [str(line) for one in arguments.values() for line in one.get("lines", [])]
    return any("{" + name + "}" in line for line in lines for name in ORDER)


def put(arguments: Mapping[str, Mapping[str, Any]], values: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """The arguments with what stands in curly braces filled in."""
    return {path: {**one, "lines": [_put(str(line), values) for line in one.get("lines", [])]} for path, one in arguments.items()}


def _put(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace("{" + name + "}", value)
    return text


def asks_for_each(arguments: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether one of them is a product id, so that each product needs a call of its own."""
    return any(one.get("from") == "product" for one in arguments.values())


def filled(takes: Part, element: Any, values: Mapping[str, list[str]]) -> dict[str, Any]:
    """The values in the shape that zeep takes for a message of this element (None for a message without a body)."""
    built = _group(takes, element.type if element is not None else None, values)
    return dict(built) if isinstance(built, dict) else {}


def _group(part: Part, kind: Any, values: Mapping[str, list[str]]) -> dict[str, Any]:
    """`kind` is zeep's type of the part; unknown (None) where only our own reading of the schema leads."""
    types = {name: element.type for name, element in getattr(kind, "elements", [])}
    found: dict[str, Any] = {}
    for one in part.parts:
        below = {path[len(one.name) :].lstrip("."): lines for path, lines in values.items() if _is_under(path, one.name)}
        name = one.name.removeprefix("@")
        if one.name.startswith("@") and name in types:
            name = f"attr__{name}"  # as zeep keeps the two apart
        if below:
            found[name] = _value(one, types.get(name), below)
        elif one.kind == "group" and one.required and not one.choice and not one.cut:
            found[name] = [_group(one, types.get(name), {})] if one.repeated else _group(one, types.get(name), {})
    return _in_rounds(kind, found)


def _is_under(path: str, name: str) -> bool:
    return path == name or path.startswith(f"{name}.")


def _value(part: Part, kind: Any, below: Mapping[str, list[str]]) -> Any:
    if part.kind == "group":
        if not part.repeated:
            return _group(part, kind, below)
        rounds = max(map(len, below.values()))
        return [_group(part, kind, {path: [lines[i]] for path, lines in below.items() if i < len(lines)}) for i in range(rounds)]
    texts = below.get("", [])
    if part.parts:  # a text with attributes
        return {**_group(part, None, {path: lines for path, lines in below.items() if path}), "_value_1": texts[0] if texts else ""}
    return texts if part.repeated else texts[0]


def _in_rounds(kind: Any, found: dict[str, Any]) -> dict[str, Any]:
    """zeep takes a sequence or choice that repeats as a whole as a list of its rounds."""
    nested = getattr(kind, "elements_nested", [])
    name, top = nested[0] if nested else ("", None)
    if top is None or not getattr(top, "accepts_multiple", False) or hasattr(top, "type"):
        return found
    inner = {key for key, _ in top.elements}
    lists = {key: value if isinstance(value, list) else [value] for key, value in found.items() if key in inner}
    rounds = max(map(len, lists.values()), default=0)
    turns = [{key: values[i] for key, values in lists.items() if i < len(values)} for i in range(rounds)]
    return {key: value for key, value in found.items() if key not in inner} | {name: turns}
