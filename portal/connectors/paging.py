"""The next page of a list, in the five ways that APIs have: by page, by offset, by cursor, by Link header, by next address. Pure.

first ─▶ (query, link) of the first request ─▶ answer ─▶ following ─▶ the next, or None at the end
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

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
MOST_BARREN = 100
"""Empty pages in a row behind ever new cursors or addresses, after which a list counts as endless."""


@dataclass(frozen=True)
class Paging:
    """How a list is paged. Names are query parameters; paths lead into the answer (see answers.at), "" for not told.

    `size` items a page are asked for under `size_name` ("" = not asked for). "page": `page_name` counts from `first`, `pages` may lead
    to the number of pages, or `pages_header` name the header that tells it. "offset": `page_name` is the offset. "cursor": `page_name`
    takes what `cursor` leads to. "next": `cursor` leads to an address or to a query such as "?page=2". `total` may lead to the number of
    items of the whole list.
    """

    style: str = "none"
    size: int = 0
    size_name: str = ""
    page_name: str = ""
    first: int = 1
    total: str = ""
    pages: str = ""
    cursor: str = ""
    pages_header: str = ""

    @property
    def numbered(self) -> bool:
        """Whether we reckon the next place by ourselves, so that an end must be seen."""
        return self.style in ("page", "offset")


@dataclass(frozen=True)
class Place:
    """Where in a list we are: what the next request adds to the query, or the `link` that replaces the address; items so far.

    `mark`: the page, offset or cursor by itself, for a request that carries it in its body. `total` and `pages`: what counts of the
    numbers that were told so far, None for nothing. `filled`: pages that held items; `barren`: empty ones in a row; `longest`: the
    most items of a page. `doubtful`: nobody told that there is this page, and the one before was shorter than asked.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    link: str = ""
    mark: str = ""
    number: int = 1
    items: int = 0
    seen: frozenset[str] = frozenset()
    total: int | None = None
    pages: int | None = None
    filled: int = 0
    barren: int = 0
    longest: int = 0
    doubtful: bool = False


class Cut(Exception):
    """The list ended before it was whole: `got` of `told` came, each a `what` ("item", "page")."""

    def __init__(self, got: int, told: int, what: str) -> None:
        super().__init__(f"{got:,} of {told:,} {what}s")
        self.got, self.told, self.what = got, told, what


class Endless(Exception):
    """The list leads back to a page that was read already, or never ends."""


def first(paging: Paging) -> Place:
    """The first request."""
    query = {paging.size_name: str(paging.size)} if paging.size_name and paging.size else {}
    mark = {"page": str(paging.first), "offset": "0"}.get(paging.style, "")
    return _at(paging, Place(query), mark) if mark else Place(query)


def _at(paging: Paging, place: Place, mark: str) -> Place:
    return replace(place, mark=mark, query={**place.query, **({paging.page_name: mark} if paging.page_name else {})})


def following(
    paging: Paging, place: Place, address: str, body: Any, headers: Mapping[str, str], count: int, *, sized: bool = True
) -> Place | None:
    """The request after `place`, whose answer held `count` items; None at the end. `address`: what was asked, for relative links.

    `sized`: the size that is asked for counts these items. Raises Endless when a cursor or address comes for the second time, and Cut
    when the list ends short of the number of items or pages that was told.
    """
    if place.number >= MOST_PAGES:
        raise Endless(f"{place.number:,} pages")
    after = _counted(paging, place, body, headers, count)
    if after.barren >= MOST_BARREN:
        raise Endless(f"{after.barren:,} empty pages in a row")
    found = _next(paging, place, after, address, body, headers, count, sized)
    if found is None:
        _check_whole(after)
    return found


def expected(paging: Paging, body: Any) -> int | None:
    """How many items the whole list has, where the answer tells."""
    return _number(at(body, paging.total)) if paging.total else None


def expected_pages(paging: Paging, body: Any, headers: Mapping[str, str]) -> int | None:
    """How many pages the whole list has, where the answer tells."""
    if paging.pages and (told := _number(at(body, paging.pages))) is not None:
        return told
    name = paging.pages_header.lower()
    text = next((value.strip() for one, value in headers.items() if name and one.lower() == name), "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def laid_over(query: str, over: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs of a query, those that repeat too, with `over` in place of the pairs of its names."""
    over = list(over)
    names = {name for name, _ in over}
    return [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] not in names] + over


def _number(told: Any) -> int | None:
    return told if isinstance(told, int) and not isinstance(told, bool) and told >= 0 else None


def _counted(paging: Paging, place: Place, body: Any, headers: Mapping[str, str], count: int) -> Place:
    items, filled = place.items + count, place.filled + bool(count)
    pages = expected_pages(paging, body, headers) if paging.style == "page" else None
    return replace(
        place, number=place.number + 1, items=items, filled=filled, barren=0 if count else place.barren + 1,
        longest=max(place.longest, count), doubtful=False, total=_agreed(paging, place.total, expected(paging, body), items, count),
        pages=_agreed(paging, place.pages, pages, filled, count),
    )  # fmt: skip


def _agreed(paging: Paging, before: int | None, told: int | None, read: int, count: int) -> int | None:
    """What counts of two numbers that were told. A list may change while it is read.

    Pages that we number shift with it, so that what was read adds up to the last number. Behind a cursor an item that comes or goes in
    the part that was read is not met again: the smallest number counts. A number below what was read is a slip, or the word of an empty
    page about itself.
    """
    if told is None or told < read and (paging.numbered or not count):
        return before
    return told if before is None or paging.numbered else min(before, told)


def _check_whole(after: Place) -> None:
    if after.total is not None and after.items < after.total:
        raise Cut(after.items, after.total, "item")
    if after.pages is not None and max(after.filled, 1) < after.pages:  # an empty list may call itself one page
        raise Cut(after.filled, after.pages, "page")


def _next(
    paging: Paging, place: Place, after: Place, address: str, body: Any, headers: Mapping[str, str], count: int, sized: bool
) -> Place | None:  # fmt: skip
    if paging.numbered:
        return _next_number(paging, place, after, count, sized)
    if paging.style == "cursor":
        return _next_cursor(paging, place, after, body, count)
    if paging.style == "link":
        return _next_link(after, address, _link_of(headers))
    if paging.style == "next":
        return _next_link(after, address, _text(at(body, paging.cursor)))
    return None


def _next_number(paging: Paging, place: Place, after: Place, count: int, sized: bool) -> Place | None:
    if not count:
        return None
    mark = str(after.items if paging.style == "offset" else paging.first + after.number - 1)
    if after.pages is not None:
        return _at(paging, after, mark) if after.number <= after.pages else None
    if after.total is not None:
        return _at(paging, after, mark) if after.items < after.total else None
    short = count < paging.size
    if short and sized and place.longest >= paging.size:  # as many as asked came before, so the server knows no smaller limit
        return None
    return _at(paging, replace(after, doubtful=short), mark)


def _next_cursor(paging: Paging, place: Place, after: Place, body: Any, count: int) -> Place | None:
    cursor = _text(at(body, paging.cursor))
    if not cursor or not count and cursor == place.mark:  # an empty page that leads to itself: nothing is left
        return None
    if not count and after.total is not None and after.items >= after.total:
        return None
    return _at(paging, _fresh(after, cursor), cursor)


def _next_link(after: Place, address: str, told: str) -> Place | None:
    if not told:
        return None
    link = urljoin(address, told)
    if told.startswith("?") or "=" in told and "/" not in told.partition("=")[0]:  # a query alone is laid over the present one
        parts = urlsplit(address)
        pairs = laid_over(parts.query, parse_qsl(told.removeprefix("?"), keep_blank_values=True))
        link = urlunsplit(parts._replace(query=urlencode(pairs), fragment=""))
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
