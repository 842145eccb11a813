"""What an API answered: its body as plain values, whatever its form, and the way to a part of it by a path. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import jmespath
import orjson
from jmespath.exceptions import JMESPathError
from lxml import etree

FORMATS = {"json": "JSON", "jsonl": "JSON, one item a line", "xml": "XML"}
DEEPEST = 100
LONGEST_PATH = 500

_DOTTED = re.compile(r"[^.\[\]|`'\"*&(){}@!<>=?\s]+(?:\.[^.\[\]|`'\"*&(){}@!<>=?\s]+)*")

_BEGINS = re.compile(rf"((?:{_DOTTED.pattern})?)\[[\]*?]")


class Unreadable(Exception):
    """The body is not what its form says. `str(error)` is the fact, without the body."""


def read(body: bytes, form: str) -> Any:
    """The body as dicts, lists, texts and numbers; None for an empty one. Raises Unreadable.

    Of XML: an element is a dict of its parts (one that repeats is a list), of attributes as "@name" and of a text beside them as
    "#text"; an element that holds only a text is that text. Prefixes of namespaces are left out.
    """
    if not body.strip():
        return None
    try:
        if form == "jsonl":
            return [orjson.loads(line) for line in body.splitlines() if line.strip()]
        return _xml(body) if form == "xml" else orjson.loads(body)
    except (orjson.JSONDecodeError, etree.XMLSyntaxError, RecursionError) as error:
        raise Unreadable(_fact(body, form)) from error


def at(body: Any, path: str) -> Any:
    """What the path leads to: the body itself for "", a dotted path ("data.items", a number picks of a list), or JMESPath.

    None where it leads nowhere. Raises Unreadable for a path that is no JMESPath.
    """
    if not path:
        return body
    if _DOTTED.fullmatch(path):
        return _walked(body, path)
    try:
        return jmespath.search(path, body)
    except JMESPathError as error:
        raise Unreadable(f"{path[:80]} is not a path") from error


def put_json(text: str, values: Mapping[str, str]) -> str:
    """`text` with each {name} replaced by its value, written as JSON writes it inside quotes."""
    for name, value in values.items():
        text = text.replace("{" + name + "}", json.dumps(value)[1:-1])
    return text


def check_path(path: str) -> str:
    """What is wrong with a typed path, "" when nothing is."""
    if len(path) > LONGEST_PATH:
        return f"Use at most {LONGEST_PATH} characters."
    if not path or _DOTTED.fullmatch(path):
        return ""
    try:
        jmespath.compile(path)
    except JMESPathError:
        return "This is neither a path such as data.items nor a JMESPath expression."
    return ""


def items(body: Any, path: str) -> list[Mapping[str, Any]] | None:
    """The items of the list that the path leads to; a single object is a list of one. An answer that is [] has none, whatever the path.

    None when the path leads to something else, or to nothing.
    """
    found = at(body, path)
    if body == [] or found == []:
        return []
    if isinstance(found, Mapping):
        return [found]
    if isinstance(found, list) and all(isinstance(one, Mapping) for one in found):
        return found
    return None


def on_page(body: Any, path: str, items: int) -> tuple[int, bool]:
    """(how many a page's size counts, whether that is known) of an answer that gave so many items.

    A JMESPath may drop entries or take several out of one, as [].sellables[] does; what a page counts is the list that it begins with.
    """
    if not path or _DOTTED.fullmatch(path):
        return items, True
    began = _BEGINS.match(path)
    listed = at(body, began[1]) if began else None
    return (len(listed), True) if isinstance(listed, list) else (items, False)


def _walked(body: Any, path: str) -> Any:
    found = body
    for name in path.split("."):
        if isinstance(found, Mapping):
            found = found.get(name)
        elif isinstance(found, list) and name.isascii() and name.isdigit() and int(name) < len(found):
            found = found[int(name)]
        else:
            return None
    return found


def _xml(body: bytes) -> Any:
    # no DTD, entities or network: as portal.feeds.xmlfeed reads files
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    root = etree.fromstring(body, parser)
    if root.getroottree().docinfo.doctype:
        raise Unreadable("The XML has a document type, which is never read")
    return of_xml(root)


def of_xml(root: Any) -> dict[str, Any]:
    """A parsed element as `read` gives it. Raises Unreadable."""
    return {_name(root): _plain(root, 0)}


def _plain(element: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise Unreadable(f"The XML is nested more than {DEEPEST} deep")
    found: dict[str, Any] = {f"@{etree.QName(name).localname}": value for name, value in element.attrib.items()}
    for part in element:
        name, value = _name(part), _plain(part, depth + 1)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    text = (element.text or "").strip()
    if not found:
        return text
    return found | {"#text": text} if text else found


def _name(element: Any) -> str:
    return str(etree.QName(element).localname)


def _fact(body: bytes, form: str) -> str:
    if body.lstrip()[:1] == b"<" and form != "xml":
        return "A web page came instead of " + FORMATS[form]
    return f"What came is not {FORMATS[form]}"
