"""A list behind an API, read page by page into one JSON-lines document, which is a feed like any other; and a document sent to one.

sign ─▶ page ─▶ items ─▶ rows ─▶ one line each ─▶ next page … ─▶ `.part` ─ fsync ─ rename
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import orjson

from portal.connectors import answers, paging, probing, problems, rest_list, rest_send, store_tracking
from portal.connectors.api_auth import ApiAuth, TokenSource, address, refused
from portal.connectors.caller import MOST_TRIES, Answer, Asked, Caller, unwatched
from portal.connectors.lists import ListReader
from portal.connectors.masking import masked
from portal.connectors.network import Guard
from portal.connectors.paging import Paging
from portal.connectors.rest_list import Wanted, pages, put_path
from portal.connectors.rest_rows import Children, Item, Join, Joined, with_children, with_columns
from portal.connectors.sending import Found, Sent, Witness
from portal.connectors.spool import Progress, Spool
from portal.connectors.steps import Steps
from portal.errors import SupplierError
from portal.records import Check, Exchange, Fetched, FileEntry, Secret

NAME = "items.jsonl"
JOINS = ("join", "join2")
MOST_PARENTS = 20
"""Items of a sample whose children are read."""
_CHUNK = 200_000


class RestConnector(ListReader):
    """An API's list. Settings: those of ApiAuth and of one operation, all texts.

    The list: `base`, `path`, `query` ("a=b&c=d"), `method` and `body` (see Wanted), `items`, `form`, `error_at`; `paging` and the names
    it needs (see Paging); `rest` seconds between requests; `most_pages` to read; `check_path` of the cheapest request that needs the
    sign-in. Rows: `children_path`, `children_items`, `children_when` (see Children); a second list `join_path`, `join_query`,
    `join_items`, with `join_key`, `join_on`, `join_as` (see Join), and a third likewise under join2_ (`join_after` "children": onto the
    rows that those became); `columns`, a list of dotted names
    that the document always has. `tracking` of the `orders` that we placed: see store_tracking.
    `words_403` and the like: what to do about such an answer. `probe_path`: see probing. Sending: see
    rest_send.
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
        self.samples = bool(settings.get("most_pages"))
        self.paging = _paging_of(settings)
        self.witness = Witness.of(settings)

    # reading

    def check(self, report: Callable[[Check], None], folder: str) -> list[FileEntry]:
        """Checks 1 to 5: the last two are the cheapest signed request, and the first page of the list."""
        steps, wanted = Steps(report), self._wanted()
        answer = self.prove(steps)
        with steps.step("folder") as found:
            have, reads = [] if self._text("check_path") else [answer], self._reads(unwatched, 1)  # a person waits for the test
            items, total = next(pages(wanted, self.paging, lambda asked: self._kept(have.pop() if have else reads(asked))))
            count = len(items) if total is None else total
            found.detail = f"{count:,} item{'' if count == 1 else 's'}{' on the first page' if total is None else ''}"
            for second in self._second_lists():
                next(pages(second, self.paging, reads))  # its permission may be another one
            said, there = probing.probe(self.settings, address(self.settings, self._text("probe_path")), reads)
            found.detail += f". {said}." if said else ""
            found.facts.update(
                folder=self._text("path").partition("?")[0] or "/", **({"offers": there} if self._text("probe_path") else {})
            )
        return self.listing(folder)

    def prove(self, steps: Steps | None = None) -> Answer:
        """Make the cheapest request that needs the sign-in. Raises SupplierError unless the key is accepted."""
        steps, cheapest = steps or Steps(), self._text("check_path")
        first = self._wanted().asked(paging.first(self.paging), self.paging.size)
        asked = Asked("GET", address(self.settings, cheapest)) if cheapest else first
        answer = self.caller.ask(self.auth.sign(asked, self.caller), steps=steps)
        if answer.status == 401 and self.auth.fetches_token:
            self.auth.renew(self.caller)
            answer = self.caller.ask(self.auth.sign(asked, self.caller))
        with steps.step("sign_in") as found:
            if not answer.good:
                raise self._refused(answer)
            found.detail = self.auth.words()
        return answer

    def listing(self, folder: str) -> list[FileEntry]:
        """The one list, as a file."""
        return [FileEntry(NAME, None, None)]

    def fetch(
        self, folder: str, match: str, pattern: str, into: Path, limit_bytes: int, progress: Progress, settle_seconds: float = 5.0
    ) -> Fetched:
        """Read the whole list into `into`, a row a line. Raises too_large, and http_status for a page that stays away."""
        tell = self.follow(progress)
        self.caller.say = self.say
        with Spool(into, limit_bytes, None, tell) as spool, ExitStack() as stack:
            ask = self._reads(tell)
            joined = [stack.enter_context(closing(one)) for one in self._joined(into, ask)]
            buffer = bytearray()
            for row in self._rows(ask, joined):
                buffer += orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
                while len(buffer) >= _CHUNK:
                    spool.write(bytes(buffer[:_CHUNK]))
                    del buffer[:_CHUNK]
            spool.write(bytes(buffer))
            size, digest = spool.size, spool.finish()
        return Fetched(str(into), NAME, size, digest, None, address(self.settings, self._text("path").partition("?")[0]))

    def _parcels(self, ask: Callable[[Asked], Answer]) -> Iterator[Item]:
        """The parcels of the orders that we placed, in the way that `tracking` names."""
        orders = [store_tracking.Placed.read(one) for one in self.settings.get("orders") or ()]
        if not orders:
            return iter(())

        def read(path: str) -> Any:
            kind = {"Content-Type": "application/json"}  # of a GET of an order's products, BigCommerce asks for it too
            try:
                return rest_list.read(ask(Asked("GET", address(self.settings, path), headers=kind)), Wanted(""))
            except SupplierError as error:
                if error.status != 404:
                    raise
                self.say(f"The store has nothing at {path.partition('?')[0]}: the order may be erased there.", "warning")
                return None

        if self._text("tracking") == "woocommerce":
            there = rest_list.read(ask(Asked("GET", address(self.settings, self._text("probe_path")))), Wanted(""))
            offers = probing.names(there, self._text("probe_at"))
            return store_tracking.woocommerce(orders, offers, read, self.say)
        return store_tracking.bigcommerce(orders, read, self.say)

    def _rows(self, ask: Callable[[Asked], Answer], joined: list[Joined]) -> Iterator[Item]:
        if self._text("tracking"):
            return self._parcels(ask)
        children = Children(*(self._text(f"children_{name}") for name in ("path", "items", "when")))
        found = pages(self._wanted(), self.paging, ask, self.most_pages, self.turn)
        rows: Iterator[Item] = (one for items, _ in found for one in items)
        later = self._text("join_after") == "children"
        for partner in () if later else joined:
            rows = map(partner.onto, rows)
        if children.path or children.items:
            rows = with_children(rows, children, self._children_of(ask, children))
        for partner in joined if later else ():
            rows = map(partner.onto, rows)
        first = next(rows, None)
        if first is None:
            return iter(())
        return chain([with_columns(first, self.settings.get("columns") or ())], rows)

    def _children_of(self, ask: Callable[[Asked], Answer], children: Children) -> Callable[[Item], Iterator[Iterable[Item]]]:
        asked, most = 0, 1 if self.samples else self.most_pages

        def read(item: Item) -> Iterator[Iterable[Item]]:
            nonlocal asked
            asked += 1
            if self.samples and asked > MOST_PARENTS:
                return
            wanted = replace(self._list(put_path(children.path, item), ""), items=children.items)
            yield from (items for items, _ in pages(wanted, self.paging, ask, most))

        return read

    def _joined(self, into: Path, ask: Callable[[Asked], Answer]) -> Iterator[Joined]:
        for name in JOINS:
            if not self._text(f"{name}_path"):
                continue
            second = self._second(name)
            kept = Joined(into.with_name(f"{into.name}.{name}"), Join(*(self._text(f"{name}_{part}") for part in ("key", "on", "as"))))
            try:
                for items, _ in pages(second, self.paging, ask, self.most_pages):
                    kept.take(items)
            except BaseException:
                kept.close()
                raise
            yield kept

    # one request

    def ask(self, asked: Asked) -> Answer:
        """Ask for something that changes nothing, signed, again where that may help. Raises SupplierError unless it succeeds."""
        return self._reads(unwatched)(asked)

    def _second_lists(self) -> list[Wanted]:
        return [self._second(name) for name in JOINS if self._text(f"{name}_path")]

    def _second(self, name: str) -> Wanted:
        return replace(self._list(self._text(f"{name}_path"), self._text(f"{name}_query")), items=self._text(f"{name}_items"))

    def first_request(self) -> Asked:
        """The request for the first page, not signed."""
        return self._wanted().asked(paging.first(self.paging), self.paging.size)

    def _kept(self, answer: Answer) -> Answer:
        """Keep what a person may look at of the first answer."""
        with suppress(answers.Unreadable):  # which is said by whoever reads it next
            self.first = answers.read(masked(answer.body, self.secrets.values()), self._text("form") or "json")
        return answer

    def _wanted(self) -> Wanted:
        name, since = self._text("since_name"), self._text("since")
        told = urlencode({name: since}) if name and since else ""
        wanted = self._list(self._text("path"), "&".join(filter(None, (self._text("query"), told))))
        return replace(wanted, items=self._text("items"), method=self._text("method"), body=self._text("body"))

    def _list(self, path: str, query: str) -> Wanted:
        place = address(self.settings, path) + (("&" if "?" in path else "?") + query if query else "")
        return Wanted(place, form=self._text("form") or "json", error_at=self._text("error_at"))

    def _reads(self, progress: Progress, tries: int = MOST_TRIES) -> Callable[[Asked], Answer]:
        """A read of which `progress` hears; a token that has ended is renewed once."""

        def ask(asked: Asked) -> Answer:
            answer = self.caller.read(self.auth.sign(asked, self.caller), progress, most=tries)
            if answer.status == 401 and self.auth.fetches_token:
                self.auth.renew(self.caller)
                answer = self.caller.read(self.auth.sign(asked, self.caller), progress, most=tries)
            if not answer.good:
                raise self._refused(answer)
            return answer

        return ask

    def _refused(self, answer: Answer) -> SupplierError:
        error = refused(answer, self.caller, self._text("user"))
        words = self._text(f"words_{answer.status}")
        return SupplierError(replace(error.problem, body=words), error.permanent, error.status) if words else error

    # sending

    def send(self, operation: str, document: bytes, reference: str) -> Sent:
        """Hand the document over once, where their stock holds it; see sending.Sends."""
        listed = self._reads(unwatched, 1)  # what sends comes again by itself
        refusal = rest_send.short(
            self.settings, document, reference, lambda wanted: (one for items, _ in pages(wanted, self.paging, listed, 2) for one in items)
        )
        return refusal or rest_send.send(self.settings, self.caller, self.auth, operation, document, reference)

    def find(self, reference: str, since: str = "") -> Found | None:
        """The document with our reference, as the witness looks for it; see sending.Sends."""
        wanted = rest_send.search(self.settings, self.witness, reference, since)
        found = pages(wanted, self.paging, self._reads(unwatched), self.most_pages)
        return rest_send.found(self.witness, (one for items, _ in found for one in items), reference)

    def lines(self, their_id: str) -> dict[str, Any]:
        """The lines of their order; see sending.TellsLines."""
        wanted, reads, kind = rest_send.lines(self.settings, their_id), self._reads(unwatched, 2), {"Content-Type": "application/json"}
        found = pages(wanted, self.paging, lambda asked: reads(replace(asked, headers={**asked.headers, **kind})), self.most_pages)
        return {"lines": [one for items, _ in found for one in items]}  # BigCommerce's own description wants the header here

    def cancel(self, their_id: str) -> None:
        """Cancel the order of that id; see sending.Sends."""
        rest_send.cancel(self.settings, self.caller, self.auth, their_id)

    def _text(self, name: str) -> str:
        return str(self.settings.get(name) or "")

    def _hide(self, token: Secret) -> None:
        self.secrets[f"token {len(self.secrets)}"] = token

    def close(self) -> None:
        """Nothing stays open between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _paging_of(settings: Mapping[str, Any]) -> Paging:
    texts = {name: str(settings.get(name) or "") for name in _NAMES}
    style, size, first = str(settings.get("paging") or "none"), int(_number(settings, "size")), int(_number(settings, "first", 1))
    return Paging(style, size, first=first, **texts)


_NAMES = ("size_name", "page_name", "total", "pages", "cursor", "pages_header")


def _number(settings: Mapping[str, Any], key: str, otherwise: float = 0) -> float:
    text = str(settings.get(key, "")).strip()
    try:
        return float(text) if text else otherwise
    except ValueError:
        raise _not_a_number(key) from None


def _not_a_number(key: str) -> SupplierError:
    return problems.protocol_error("A setting is no number", f"Check {key}.", permanent=True)
