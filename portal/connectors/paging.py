"""The next page of a list, in the five ways that APIs have: by page, by offset, by cursor, by Link header, by next address. Pure.

first ─▶ (query, link) of the first request ─▶ answer ─▶ following ─▶ the next, or None at the end
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

from portal.connectors.answers import at

STYLES = {
    "none": "One answer holds everything",
    "page": "Page numbers",
    "offset": "Offset and limit",
    "cursor": "A cursor in the answer",
    "link": "A Link header",
    "next": "The next address in the answer",
}
MOST_PAGES = 100_000


@dataclass(frozen=True)
class Paging:
    """How a list is paged. Names are query parameters; paths lead into the answer (see answers.at), "" for not told.

    `size` items a page are asked for under `size_name` ("" = not asked for). "page": `page_name` counts from `first`, `pages` may lead
    to the number of pages. "offset": `page_name` is the offset, `total` may lead to the number of items. "cursor": `page_name` takes
    what `cursor` leads to. "next": `cursor` leads to an address or to a query such as "?page=2".
    """

    style: str = "none"
    size: int = 0
    size_name: str = ""
    page_name: str = ""
    first: int = 1
    total: str = ""
    pages: str = ""
    cursor: str = ""


@dataclass(frozen=True)
class Place:
    """Where in a list we are: what the next request adds to the query, or the `link` that replaces the address; items so far.

    `mark`: the page, offset or cursor by itself, for a request that carries it in its body.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    mark: str = ""
    number: int = 1
    items: int = 0
    seen: frozenset[str] = frozenset()


class Endless(Exception):
    """The list leads back to a page that was read already, or never ends."""


def first(paging: Paging) -> Place:
    """The first request."""
    query = {paging.size_name: str(paging.size)} if paging.size_name and paging.size else {}
    mark = {"page": str(paging.first), "offset": "0"}.get(paging.style, "")
    return _at(paging, Place(query), mark) if mark else Place(query)


def _at(paging: Paging, place: Place, mark: str) -> Place:
    return replace(place, mark=mark, query={**place.query, **({paging.page_name: mark} if paging.page_name else {})})


def following(paging: Paging, place: Place, address: str, body: Any, headers: Mapping[str, str], count: int) -> Place | None:
    """The request after `place`, whose answer held `count` items; None at the end. `address`: what was asked, for relative links.

    Raises Endless when a cursor or address comes for the second time.
    """
    if place.number >= MOST_PAGES:
        raise Endless(f"{place.number:,} pages")
    after = replace(place, number=place.number + 1, items=place.items + count)
    if paging.style == "page":
        return _next_number(paging, after, body, count)
    if paging.style == "offset":
        return _next_offset(paging, after, body, count)
    if paging.style == "cursor":
        return _next_cursor(paging, after, body, count)
    if paging.style == "link":
        return _next_link(after, address, _link_of(headers))
    if paging.style == "next":
        return _next_link(after, address, _text(at(body, paging.cursor)))
    return None


def expected(paging: Paging, body: Any) -> int | None:
    """How many items the whole list has, where the answer tells."""
    total = at(body, paging.total) if paging.total else None
    return total if isinstance(total, int) and not isinstance(total, bool) and total >= 0 else None


def expected_pages(paging: Paging, body: Any) -> int | None:
    """How many pages the whole list has, where the answer tells."""
    told = at(body, paging.pages) if paging.pages else None
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def _next_number(paging: Paging, after: Place, body: Any, count: int) -> Place | None:
    pages, total = at(body, paging.pages) if paging.pages else None, expected(paging, body)
    if isinstance(pages, int):
        more = after.number <= pages
    elif total is not None:
        more = after.items < total
    else:
        more = count >= paging.size if paging.size else count > 0
    number = paging.first + after.number - 1
    return _at(paging, after, str(number)) if more and count else None


def _next_offset(paging: Paging, after: Place, body: Any, count: int) -> Place | None:
    total = expected(paging, body)
    more = after.items < total if total is not None else count >= paging.size if paging.size else count > 0
    return _at(paging, after, str(after.items)) if more and count else None


def _next_cursor(paging: Paging, after: Place, body: Any, count: int) -> Place | None:
    cursor = _text(at(body, paging.cursor))
    if not cursor or not count:
        return None
    return _at(paging, _fresh(after, cursor), cursor)


def _next_link(after: Place, address: str, told: str) -> Place | None:
    if not told:
        return None
    link = urljoin(address, told)
    if told.startswith("?") or "=" in told and "/" not in told.partition("=")[0]:  # a query alone is laid over the present one
        parts = urlsplit(address)
        query = {**dict(parse_qsl(parts.query)), **dict(parse_qsl(told.removeprefix("?")))}
        return replace(_fresh(after, told), query=query)
    return replace(_fresh(after, link), link=link, query={})


def _fresh(after: Place, mark: str) -> Place:
    if mark in after.seen:
        raise Endless(mark)
    return replace(after, seen=after.seen | {mark})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _link_of(headers: Mapping[str, str]) -> str:
    """The address with rel="next" of a Link header (RFC 8288), "" for none."""
    told = next((value for name, value in headers.items() if name.lower() == "link"), "")
    for address, parameters in re.findall(r"<([^>]*)>((?:\s*;\s*[^,;]+(?:=\"[^\"]*\")?)*)", told):
        if re.search(r"""\brel\s*=\s*"?(?:[^"]*\s)?next(?:\s[^"]*)?"?""", parameters, re.IGNORECASE):
            return str(address)
    return ""
