"""Asking an API: one guarded request after the other, each told as an exchange; reads are tried again, nothing else ever is.

ask ─▶ line ─▶ headers ─▶ body up to a limit ─▶ Answer        read = ask, again after 429, 5xx and lost lines, as long as the server asks
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit, urlunsplit

import requests

from portal.connectors import http_answer, problems, waits
from portal.connectors.masking import HIDDEN, masked
from portal.connectors.network import Guard, was_cut
from portal.connectors.paging import laid_over
from portal.connectors.spool import Progress, wait
from portal.connectors.steps import Steps
from portal.connectors.web_line import FAULTS, closing, fault_of, open_line, send
from portal.errors import SupplierError
from portal.records import Exchange, Secret

MOST_TRIES = 5
LONGEST_WAIT = 300.0
"""Seconds that one run waits for a server that asks us to; a longer wait ends the run's try, which comes again later."""
LONGEST_BODY = 64 * 1024 * 1024
ANSWER_SECONDS = 300.0
"""A single answer that takes longer is broken off, however steadily it drips."""
WORTH_SAYING = 5.0
"""Seconds of a wait that is told to whoever watches the run."""
AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
ALWAYS = {"User-Agent": "Quayside", "Accept": "application/json", "Accept-Encoding": "identity", "Connection": "close"}
"""The headers of every request; one of the same name replaces its own."""
WORTH_A_TRY = frozenset({"timed_out", "connection_lost", "cut_download", "host_unknown", "port_closed"})

Record = Callable[[Exchange], None]
log = logging.getLogger(__name__)


def unwatched(_done: int, _total: int | None) -> None:
    """The progress of what nobody watches or stops."""


@dataclass(frozen=True)
class Asked:
    """One request. `query` is laid over that of the address, which may repeat names.

    `private`: a secret comes back, so neither body is ever told.
    """

    method: str
    address: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    private: bool = False

    @property
    def whole(self) -> str:
        """The address with its query."""
        if not self.query:
            return self.address
        parts = urlsplit(self.address)
        return urlunsplit(parts._replace(query=urlencode(laid_over(parts.query, self.query.items())), fragment=""))


@dataclass(frozen=True)
class Answer:
    """What came back. `body` is decoded; `address` is the one that was asked."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    address: str
    reason: str = ""

    @property
    def good(self) -> bool:
        """Whether the status is one of success."""
        return 200 <= self.status < 300


class Caller:
    """Asks one supplier's API. Not safe for use by two threads at once.

    `record` is told every exchange, also one that failed. `secrets` never appear in what is told. `plain_ok`: http is allowed.
    `rest` seconds are kept between two requests. `say` is told why it waits. What `progress` raises breaks a request off; it is called
    with (0, None), so that a reader of a list lays its own count over it (see lists.ListReader). `leaving` is called when the line stands
    and nothing was written on it yet; what it raises ends the request.
    """

    def __init__(
        self, guard: Guard, *, secrets: Mapping[str, Secret], record: Record, trusted_key: Mapping[str, Any] | None = None,
        plain_ok: bool = False, rest: float = 0.0,
    ) -> None:  # fmt: skip
        self.guard, self.secrets, self.record, self.trusted_key = guard, secrets, record, trusted_key
        self.plain_ok, self.rest = plain_ok, rest
        self.say: Callable[[str], None] = lambda _: None
        self.leaving: Callable[[], None] = lambda: None
        self._last = 0.0

    def read(
        self, asked: Asked, progress: Progress, *, limit: int = LONGEST_BODY, most: int = MOST_TRIES,
        settled: Callable[[Answer], bool] = lambda _: False,
    ) -> Answer:  # fmt: skip
        """Ask for something that changes nothing, again where that may help; progress is told at least each second of a wait.

        `most` tries; `settled` tells an answer that says all there is to say, whatever its status. Returns any answer but one of AGAIN
        that stays. Raises SupplierError.
        """
        for tries in range(1, most + 1):
            answer, error = None, None
            try:
                answer = self.ask(asked, limit=limit, progress=progress)
            except SupplierError as caught:
                if caught.permanent or caught.problem.code not in WORTH_A_TRY:
                    raise
                error = caught
            if answer is not None and (answer.status not in AGAIN or settled(answer)):
                return answer
            told = None if answer is None else waits.asked(answer.headers, datetime.now(UTC))
            seconds = waits.back_off(tries, random.random()) if told is None else told  # noqa: S311
            if tries == most or seconds > LONGEST_WAIT:
                raise error or self._gave_up(answer, told)
            if seconds >= WORTH_SAYING:
                why = "The server did not answer" if answer is None else f"The server answered {answer.status}"
                self.say(f"{why}. We ask again in {seconds:,.0f} seconds.")
            wait(seconds, progress, None)
        raise AssertionError("the loop returns or raises")

    def ask(self, asked: Asked, *, steps: Steps | None = None, limit: int = LONGEST_BODY, progress: Progress = unwatched) -> Answer:
        """Send the request once. Raises SupplierError when no whole answer came; a status of failure is an answer."""
        parts = self._parts(asked.whole)
        self._keep_rest(progress)
        began, at = time.monotonic(), datetime.now(UTC).replace(tzinfo=None)
        answer, problem = None, "Broken off by us"
        try:
            answer, problem = self._exchange(asked, parts, steps or Steps(), limit, progress), ""
            return answer
        except SupplierError as caught:
            problem = problem if was_cut() else caught.problem.headline
            raise
        finally:
            self.tell(lambda: self._told(asked, answer, problem, at, time.monotonic() - began))

    def tell(self, exchange: Callable[[], Exchange]) -> None:
        """Record an exchange. Where that fails, the log says so and nothing else changes: the request ended as it did."""
        try:
            self.record(exchange())
        except Exception as error:  # noqa: BLE001
            log.error("An exchange was not recorded: %s", type(error).__name__)  # its text may hold what was sent

    def _exchange(self, asked: Asked, parts: SplitResult, steps: Steps, limit: int, progress: Progress) -> Answer:
        host = parts.hostname or ""
        opened = open_line(self.guard, parts, steps, self.trusted_key)
        request = requests.Request(asked.method, asked.whole, headers={**ALWAYS, **asked.headers}, data=asked.body or None)
        try:
            self.leaving()
        except BaseException:
            opened.close()
            raise
        try:
            with closing(send(opened, request, lambda: progress(0, None))) as came:
                body = _body(came, limit, host, progress)
                headers = dict(came.headers)
                reason = problems.quoted(came.reason or "", self.secrets.values())
                return Answer(came.status_code, headers, body, asked.whole, reason)
        except FAULTS as error:
            raise fault_of(error, host, "waiting for an answer") from None  # a library's text may quote our headers

    def _parts(self, address: str) -> SplitResult:
        try:
            parts = urlsplit(address)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.username is None and parts.port != 0
        except ValueError:
            usable = False
        if not usable:
            raise problems.protocol_error("This is not a web address", "Enter the whole address, beginning with https://.", permanent=True)
        if parts.scheme == "http" and not self.plain_ok:
            raise problems.plain_not_allowed("A sign-in over plain HTTP")
        return parts

    def _keep_rest(self, progress: Progress) -> None:
        left = self._last + self.rest - time.monotonic()
        if left > 0:
            wait(left, progress, None)
        self._last = time.monotonic()

    def _gave_up(self, answer: Answer | None, told: float | None) -> SupplierError:
        assert answer is not None
        said = problems.quoted(f"{answer.status} {answer.reason}", self.secrets.values())
        if answer.status == 429 or told is not None:
            when = f" It asked for {told:,.0f} seconds." if told else ""
            error = problems.http_status(answer.status, "The server asked us to slow down", f"We go on later by ourselves.{when}", said)
            error.wait = told
            return error
        body = "The fault is on its side. We try again by ourselves."
        return problems.http_status(answer.status, "The server could not answer", body, said)

    def _told(self, asked: Asked, answer: Answer | None, problem: str, at: datetime, seconds: float) -> Exchange:
        hidden = self.secrets.values()
        return Exchange(
            at=at, method=asked.method, address=without_query(asked.whole), status=answer.status if answer else None,
            milliseconds=round(seconds * 1000), sent=len(asked.body), received=len(answer.body) if answer else 0,
            request=HIDDEN if asked.private else masked(asked.body, hidden),
            answer=HIDDEN if asked.private else masked(answer.body, hidden) if answer else b"",
            problem=problem,
        )  # fmt: skip


def _body(came: requests.Response, limit: int, host: str, progress: Progress) -> bytes:
    """The whole body. Raises too_large, cut_download, timed_out, what the library raises and what `progress` does."""
    announced = http_answer.read_headers(came).length
    if announced is not None and announced > limit:
        raise problems.too_large(limit)
    pieces, size, ends = [], 0, time.monotonic() + ANSWER_SECONDS
    for piece in http_answer.pieces(came):
        size += len(piece)
        progress(0, None)
        if time.monotonic() > ends:
            raise problems.timed_out(host, ANSWER_SECONDS, "sending one answer")
        if size > limit:
            raise problems.too_large(limit)
        pieces.append(piece)
    if announced is not None and size < announced and came.request.method != "HEAD":
        raise problems.cut_download(size, announced)
    if not size and came.status_code == 200 and not http_answer.has_an_end(came):
        raise problems.cut_download(0, None)  # a line cut within the headers looks like this: it is no empty list
    return b"".join(pieces)


def without_query(address: str) -> str:
    """The address without user, query and fragment, which may carry a key."""
    parts = urlsplit(address)
    host = parts.hostname or ""
    place = f"[{host}]" if ":" in host else host
    return urlunsplit((parts.scheme, f"{place}:{parts.port}" if parts.port else place, parts.path, "…" if parts.query else "", ""))
