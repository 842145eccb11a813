"""One list of an API, read page by page; and a request's text with the page's place put into it.

Wanted ─▶ request ─▶ answer ─▶ items ─▶ following place … ─▶ end
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from portal.connectors import answers, paging, problems
from portal.connectors.answers import put_json
from portal.connectors.caller import Answer, Asked
from portal.connectors.paging import Cut, Endless, Paging, Place
from portal.errors import SupplierError

_NAMED = re.compile(r"{(\w+(?:\.\w+)*)}")
NO_PAGE = frozenset({400, 404})
"""What servers answer to a page after the last (WordPress the one, Django REST framework the other)."""
Page = tuple[list[Mapping[str, Any]], int | None]
Ask = Callable[[Asked], Answer]
Turned = Callable[[int, int | None, int | None], None]


@dataclass(frozen=True)
class Wanted:
    """A list: `address` with its query, `items` the path to them in the answer.

    `body` makes it a POST (unless `method` says else): a JSON text in which {page}, {offset} or {cursor} and {size} stand for the place,
    as they do in the address.
    `error_at`: where an answer of success says that it is none (GraphQL); `form` of the answer, a key of answers.FORMATS.
    """

    address: str
    items: str = ""
    method: str = ""
    body: str = ""
    form: str = "json"
    error_at: str = ""

    def asked(self, place: Place, size: int) -> Asked:
        """The request for the page at `place`."""
        texts = {**dict.fromkeys(("page", "offset", "cursor"), place.mark), "size": str(size)}
        if not self.body:
            return Asked(self.method or "GET", place.link or _put_place(self.address, texts), query=place.query)
        body = put_json(self.body, texts).encode()
        headers = {"Content-Type": "application/json"}
        return Asked(self.method or "POST", place.link or self.address, query=place.query, headers=headers, body=body)


def _unheard(_items: int, _expected: int | None, _pages: int | None) -> None:
    """Nobody counts the pages of a list beside."""


def pages(wanted: Wanted, how: Paging, ask: Ask, most: int = paging.MOST_PAGES, turned: Turned = _unheard) -> Iterator[Page]:
    """The items of each page, with the number of all items where it is told; `most` pages. Raises SupplierError.

    `turned` hears of each page: its items, and how many items and pages the whole list has, None for not told.

    A list that ends short of what was told is refused. Where nothing was told it goes on to an empty page, or to one shorter than asked
    after one that was as long; a page asked for in doubt may also be no page (400, 404), or the one before again.
    """
    place, last = paging.first(how), list[int]()
    while True:
        asked = wanted.asked(place, how.size)
        _stay(wanted.address, asked.address)
        try:
            answer = ask(asked)
        except SupplierError as error:
            if place.doubtful and error.status in NO_PAGE:
                return
            raise
        body = read(answer, wanted)
        items = [] if body is None else _items(body, wanted.items)
        if how.numbered and place.total is None and place.pages is None:
            before, last = last, [hash(orjson.dumps(one)) for one in items]
            if _repeats(before, last, place):
                return
        turned(len(items), paging.expected(how, body), paging.expected_pages(how, body, answer.headers))
        yield items, paging.expected(how, body)
        count, sized = answers.on_page(body, wanted.items, len(items))
        try:
            after = paging.following(how, place, asked.whole, body, answer.headers, count, sized=sized)
        except Endless as error:
            raise _endless(place) from error
        except Cut as cut:
            raise problems.cut_list(cut.got, cut.told, cut.what) from cut
        if after is None or after.number > most:
            return
        place = after


def _repeats(before: list[int], now: list[int], place: Place) -> bool:
    """Whether a page that was asked for in doubt is the one before again: its server knows no pages, or none after the last.

    Half of its items are enough, as stock moves between two requests. Raises SupplierError for one that nobody doubted.
    """
    if not place.doubtful:
        if now and now == before:
            raise _endless(place)
        return False
    return bool(now) and 2 * len(set(before).intersection(now)) >= len(now)


def _endless(place: Place) -> SupplierError:
    text = f"Page {place.number:,} leads back to one that we have read already, or the list never ends. Nothing was used."
    return problems.protocol_error("The list has no end", text)


def read(answer: Answer, wanted: Wanted) -> Any:
    """The answer's body as plain values. Raises SupplierError for one that cannot be read, or that says in itself that it failed.

    None for no body, which is an answer only where one cannot be: with 204, and in JSON lines, whose empty list is a file of no lines
    (that its end came is the caller's to see). Anywhere else it is an answer that got lost.
    """
    try:
        body = answers.read(answer.body, wanted.form)
        error = answers.at(body, wanted.error_at) if wanted.error_at else None
    except answers.Unreadable as unreadable:
        raise problems.protocol_error("The answer cannot be read", f"{unreadable}. Nothing was used.") from None
    if body is None and answer.status != 204 and wanted.form != "jsonl":
        raise problems.no_answer(answer.status)
    if error:
        said = problems.quoted(error if isinstance(error, str) else json.dumps(error))
        raise problems.protocol_error("The server did not accept the request", "Nothing was used. See what it said.", said, permanent=True)
    return body


def _put_place(address: str, texts: Mapping[str, str]) -> str:
    """The address with the page's place in its query, for an API that wants both numbers in one parameter."""
    for name, value in texts.items():
        address = address.replace("{" + name + "}", quote(value, safe=""))
    return address


def put_path(text: str, values: Mapping[str, Any]) -> str:
    """`text` with each {name} or {dotted.name} replaced by what it leads to, written so that it stays one part of an address.

    Raises SupplierError for a name that leads to no plain value.
    """

    def put(found: re.Match[str]) -> str:
        value = answers.at(values, found[1])
        if value in ("", None) or isinstance(value, bool | Mapping | list):
            raise problems.protocol_error("An item names no such part", f"It has no {found[1]}, so its parts cannot be read.")
        return quote(str(value), safe="")

    return _NAMED.sub(put, text)


def _items(body: Any, path: str) -> list[Mapping[str, Any]]:
    try:
        items = answers.items(body, path)
    except answers.Unreadable as error:
        raise problems.protocol_error("The path to the items is none", f"{error}.", permanent=True) from None
    if items is None:
        there = problems.some(map(str, body)) if isinstance(body, Mapping) else type(body).__name__
        raise problems.protocol_error(
            "The answer holds no items where we look", f"We look at {f'“{path}”' if path else 'its top'}; it holds {there}.", permanent=True
        )
    return items


def _stay(home: str, address: str) -> None:
    """A page elsewhere would get our credentials. Raises SupplierError redirected."""
    here, there = urlsplit(home), urlsplit(address)
    if (here.scheme, here.hostname, here.port) != (there.scheme, there.hostname, there.port):
        raise problems.redirected(there.hostname or "", "The next page is on another server. We do not send your key there.")
