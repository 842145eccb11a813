"""A list behind an API, read page by page into one JSON-lines document, which is a feed like any other.

sign ─▶ page ─▶ items ─▶ one line each ─▶ next page … ─▶ `.part` ─ fsync ─ rename
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from portal.connectors import answers, paging, problems
from portal.connectors.api_auth import ApiAuth, TokenSource, address, refused
from portal.connectors.caller import MOST_TRIES, Answer, Asked, Caller
from portal.connectors.lists import ListReader
from portal.connectors.network import Guard
from portal.connectors.paging import Endless, Paging
from portal.connectors.spool import Progress, Spool
from portal.connectors.steps import Steps
from portal.errors import SupplierError
from portal.records import Check, Exchange, Fetched, FileEntry, Secret

NAME = "items.jsonl"
_CHUNK = 200_000

Page = tuple[list[Mapping[str, Any]], int | None]


class RestConnector(ListReader):
    """An API's list. Settings: those of ApiAuth, `base`, `path`, `items` (path in the answer), `form`, `paging` and the names it
    needs (see Paging), `rest` seconds between requests, `check_path` of the cheapest request that needs the sign-in, `most_pages` to read.
    """

    def __init__(
        self, settings: Mapping[str, Any], secrets: Mapping[str, Secret], *, guard: Guard, trusted_key: Mapping[str, Any] | None,
        record: Callable[[Exchange], None] = lambda _: None, tokens: TokenSource | None = None,
    ) -> None:  # fmt: skip
        self.settings, self.secrets = settings, dict(secrets)
        plain = settings.get("plain_ok") in (True, "true", "on", "1") or settings.get("auth") in (None, "", "none")
        self.auth = ApiAuth(settings, secrets, self._hide, tokens)
        self.caller = Caller(
            guard, secrets=self.secrets, record=record, trusted_key=trusted_key, plain_ok=plain, rest=_number(settings, "rest")
        )
        self.most_pages = int(_number(settings, "most_pages", paging.MOST_PAGES))
        self.form = str(settings.get("form") or "json")
        texts = {name: str(settings.get(name) or "") for name in _NAMES}
        style, size, first = str(settings.get("paging") or "none"), int(_number(settings, "size")), int(_number(settings, "first", 1))
        self.paging = Paging(style, size, first=first, **texts)

    def check(self, report: Callable[[Check], None], folder: str) -> list[FileEntry]:
        """Checks 1 to 5: the last two are the cheapest signed request, and the first page of the list."""
        steps = Steps(report)
        asked = Asked("GET", address(self.settings, str(self.settings.get("check_path") or self.settings.get("path") or "")))
        answer = self.caller.ask(self.auth.sign(asked, self.caller), steps=steps)
        if answer.status == 401 and self.auth.fetches_token:
            self.auth.renew(self.caller)
            answer = self.caller.ask(self.auth.sign(asked, self.caller))
        with steps.step("sign_in") as found:
            if not answer.good:
                raise refused(answer, self.caller, str(self.settings.get("user") or ""))
            found.detail = self.auth.words()
        with steps.step("folder") as found:
            items, total = next(self._pages(lambda *_: None, tries=1))  # a person waits for the test
            found.detail = f"{total:,} items" if total is not None else f"{len(items):,} items on the first page"
            found.facts["folder"] = str(self.settings.get("path") or "/")
        return self.listing(folder)

    def listing(self, folder: str) -> list[FileEntry]:
        """The one list, as a file."""
        return [FileEntry(NAME, None, None)]

    def fetch(
        self, folder: str, match: str, pattern: str, into: Path, limit_bytes: int, progress: Progress, settle_seconds: float = 5.0
    ) -> Fetched:
        """Read the whole list into `into`, an item a line. Raises too_large, and http_status for a page that stays away."""
        tell = self.follow(progress)
        self.caller.say = self.say
        with Spool(into, limit_bytes, None, tell) as spool:
            for items, _ in self._pages(tell):
                lines = b"".join(orjson.dumps(one, option=orjson.OPT_APPEND_NEWLINE) for one in items)
                for start in range(0, len(lines), _CHUNK):
                    spool.write(lines[start : start + _CHUNK])
            size, digest = spool.size, spool.finish()
        return Fetched(str(into), NAME, size, digest, None, address(self.settings, str(self.settings.get("path") or "")))

    def _pages(self, progress: Progress, tries: int = MOST_TRIES) -> Iterator[Page]:
        place = paging.first(self.paging)
        start = address(self.settings, str(self.settings.get("path") or ""))
        while True:
            asked = Asked("GET", self._same_server(place.link or start), query=place.query)
            answer = self._signed(asked, progress, tries)
            body = self._read(answer)
            items = self._items(body)
            self.turn(len(items), paging.expected(self.paging, body), paging.expected_pages(self.paging, body))
            yield items, self.expected
            try:
                after = paging.following(self.paging, place, asked.whole, body, answer.headers, len(items))
            except Endless as error:
                text = f"Page {place.number:,} leads back to one that we have read already, or the list never ends. Nothing was used."
                raise problems.protocol_error("The list has no end", text) from error
            if after is None or after.number > self.most_pages:
                return
            place = after

    def _signed(self, asked: Asked, progress: Progress, tries: int) -> Answer:
        """A read; a token that has ended is renewed once."""
        answer = self.caller.read(self.auth.sign(asked, self.caller), progress, most=tries)
        if answer.status == 401 and self.auth.fetches_token:
            self.auth.renew(self.caller)
            answer = self.caller.read(self.auth.sign(asked, self.caller), progress, most=tries)
        if not answer.good:
            raise refused(answer, self.caller, str(self.settings.get("user") or ""))
        return answer

    def _read(self, answer: Answer) -> Any:
        try:
            return answers.read(answer.body, self.form)
        except answers.Unreadable as error:
            raise problems.protocol_error("The answer cannot be read", f"{error}. Nothing was used.") from None

    def _items(self, body: Any) -> list[Mapping[str, Any]]:
        path = str(self.settings.get("items") or "")
        try:
            items = answers.items(body, path)
        except answers.Unreadable as error:
            raise problems.protocol_error("The path to the items is none", f"{error}.", permanent=True) from None
        if items is None:
            there = problems.some(map(str, body)) if isinstance(body, Mapping) else type(body).__name__
            raise problems.protocol_error(
                "The answer holds no items where we look", f"We look at {path or 'its top'}; it holds {there}.", permanent=True
            )
        return items

    def _same_server(self, link: str) -> str:
        """The link, when it leads to where the key belongs. A page elsewhere would get our credentials."""
        here, there = urlsplit(str(self.settings.get("base") or "")), urlsplit(link)
        if (here.scheme, here.hostname, here.port) != (there.scheme, there.hostname, there.port):
            raise problems.redirected(there.hostname or "", "The next page is on another server. We do not send your key there.")
        return link

    def _hide(self, token: Secret) -> None:
        self.secrets[f"token {len(self.secrets)}"] = token

    def close(self) -> None:
        """Nothing stays open between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


_NAMES = ("size_name", "page_name", "total", "pages", "cursor")


def _number(settings: Mapping[str, Any], key: str, otherwise: float = 0) -> float:
    text = str(settings.get(key, "")).strip()
    try:
        return float(text) if text else otherwise
    except ValueError:
        raise _not_a_number(key) from None


def _not_a_number(key: str) -> SupplierError:
    return problems.protocol_error("A setting is no number", f"Check {key}.", permanent=True)
