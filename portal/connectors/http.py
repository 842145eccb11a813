"""A file behind a web address, read by requests over a socket of the guard. Redirects are not followed."""

from __future__ import annotations

import http.client
import re
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import SplitResult, urlsplit

import requests
import requests.adapters
import urllib3

from portal import suppliers
from portal.connectors import Unchanged, http_answer, problems
from portal.connectors.google_sheets import csv_link, is_sheet
from portal.connectors.network import Guard
from portal.connectors.sending import SendsNothing
from portal.connectors.spool import Progress, Spool, wait
from portal.connectors.steps import Finding, Steps
from portal.connectors.web_line import FAULTS, closing, fault_of, open_line, send, shut
from portal.errors import SupplierError
from portal.records import Check, Fetched, FileEntry, Secret

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "te", "upgrade", "cookie"})


class HttpConnector(SendsNothing):
    """A file link. `settings["auth"]`: none, basic, or header with `header_name`; see Connector for the contract."""

    def __init__(
        self, settings: Mapping[str, Any], secrets: Mapping[str, Secret], *, guard: Guard, trusted_key: Mapping[str, Any] | None
    ) -> None:
        self.settings, self.secrets, self.guard, self.trusted_key = settings, secrets, guard, trusted_key
        self.link = csv_link(str(settings.get("url", "")).strip())
        self.auth = str(settings.get("auth") or "none")
        self.have: dict[str, str] = {}

    @property
    def asked(self) -> str:
        """Digest of the whole link, which may carry a key."""
        return sha256(self.link.encode()).hexdigest()

    def unless(self, etag: str, modified: datetime | None) -> None:
        """What we have of the file: the next fetch asks for it only if it is another by now. `modified` naive UTC."""
        self.have = {"If-None-Match": etag} if etag else {}
        if modified is not None:
            self.have["If-Modified-Since"] = format_datetime(modified.replace(tzinfo=UTC), usegmt=True)

    def check(self, report: Callable[[Check], None], folder: str) -> list[FileEntry]:
        """Checks 1 to 5; `folder` has no meaning for a link."""
        with closing(self._ask(Steps(report))) as answer:
            return [_entry(answer)]

    def listing(self, folder: str) -> list[FileEntry]:
        """The one file behind the link."""
        with closing(self._ask(Steps())) as answer:
            return [_entry(answer)]

    def fetch(
        self, folder: str, match: str, pattern: str, into: Path, limit_bytes: int, progress: Progress, settle_seconds: float = 5.0
    ) -> Fetched:
        """Bring the file to `into`; see Connector.fetch. A second look is taken only at a file that changed just now.

        Raises Unchanged when it is the one that `unless` told.
        """
        answer = self._still(settle_seconds, progress)
        with closing(answer), self._told("reading the file"):
            seen = http_answer.read_headers(answer)
            with Spool(into, limit_bytes, seen.length, progress) as spool:
                self._pour(answer, spool)
                if not spool.size and not http_answer.has_an_end(answer):
                    raise problems.cut_download(0, None)  # a line cut within the headers looks like this too
                self._compare(seen, spool.size)
                digest = spool.finish()
        return Fetched(str(into), seen.name, spool.size, digest, seen.modified, self.link.partition("?")[0], seen.etag, self.asked)

    def _still(self, seconds: float, progress: Progress) -> requests.Response:
        answer = self._ask(Steps(), self.have)
        if http_answer.stands_still(answer, seconds):
            return answer
        first = http_answer.read_headers(answer)
        shut(answer)
        wait(seconds, progress, first.length)
        answer = self._ask(Steps())
        second = http_answer.read_headers(answer)
        if first.differs(second):
            shut(answer)
            raise problems.file_growing(first.name, first.length, second.length)
        return answer

    def _pour(self, answer: requests.Response, spool: Spool) -> None:
        try:
            for piece in http_answer.pieces(answer):
                spool.write(piece)
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.SSLError, http.client.IncompleteRead, ConnectionError) as error:
            raise problems.cut_download(spool.size, spool.announced) from error

    def _compare(self, seen: http_answer.Headers, size: int) -> None:
        """A last look: a file rewritten in place while it was read would be a mix of two."""
        if not (seen.modified or seen.etag):
            return
        with closing(self._ask(Steps())) as answer:
            after = http_answer.read_headers(answer)
        if seen.differs(after) and seen.length in (None, size):
            raise problems.file_growing(seen.name, seen.length, after.length)

    # asking

    def _ask(self, steps: Steps, have: Mapping[str, str] | None = None) -> requests.Response:
        """GET the link as far as its headers. Checks 1 to 5; the answer is open and is the file. `have`: conditions."""
        parts = self._parts()
        opened = self._connect(steps, parts, self.trusted_key)
        answer: requests.Response | None = None
        try:
            with steps.step("sign_in") as found, self._told("waiting for an answer"):
                credentials = self._credentials()
                answer = self._get(self.link, opened, {**(have or {}), **credentials})
                sent = [*self.secrets.values(), *(Secret(value.rpartition(" ")[2]) for value in credentials.values())]
                answer.reason = problems.quoted(answer.reason or "", sent)  # a server may echo what it was sent
                if have and answer.status_code == 304:
                    raise Unchanged
                self._judge_sign_in(answer, found)
            with steps.step("folder") as found, self._told("waiting for an answer"):
                answer = self._follow_download(answer)
                self._judge(answer)
                entry = _entry(answer)
                size = "" if entry.size is None else f", {problems.size(entry.size)}"
                found.detail = f"{entry.name}{size}"
        except BaseException:
            opened.close()
            if answer is not None:
                shut(answer)
            raise
        return answer

    def _parts(self) -> SplitResult:
        try:
            parts = urlsplit(self.link)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        except ValueError:
            raise _not_a_link() from None
        if not usable:
            raise _not_a_link()
        if parts.username is not None or parts.password is not None:
            body = "Take the user and password out of the link and enter them in their own fields, where they are sealed."
            raise problems.protocol_error("The link holds a sign-in", body, permanent=True)
        return parts

    def _connect(self, steps: Steps, parts: SplitResult, trusted_key: Mapping[str, Any] | None) -> socket.socket:
        secure = parts.scheme == "https"
        if not secure and self.auth != "none" and self.settings.get("plain_ok") not in (True, "true", "on", "1"):
            with steps.step("address"):
                raise problems.plain_not_allowed("A sign-in over plain HTTP")
        self.host = parts.hostname or ""
        return open_line(self.guard, parts, steps, trusted_key)

    def _get(self, link: str, opened: socket.socket, headers: Mapping[str, str]) -> requests.Response:
        always = {"User-Agent": "Quayside", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
        return send(opened, requests.Request("GET", link, headers={**always, **headers}))

    def _credentials(self) -> dict[str, str]:
        """The one header that signs us in; none for an open link."""
        if self.auth == "basic":
            user, password = str(self.settings.get("user", "")), self._secret("password").reveal()
            return {"Authorization": _basic(user, password)}
        if self.auth == "header":
            name, value = str(self.settings.get("header_name", "")).strip(), self._secret("header_value").reveal().strip()
            if not _TOKEN.fullmatch(name) or name.lower() in _OURS or not value.isascii() or not value.isprintable():
                raise problems.sign_in_other(
                    "This header cannot be sent", "Check its name and value: letters, digits and dashes, on one line."
                )
            return {name: value}
        return {}

    def _secret(self, key: str) -> Secret:
        return self.secrets.get(key) or Secret("")

    def _judge_sign_in(self, answer: requests.Response, found: Finding) -> None:
        if answer.status_code == 401 and is_sheet(self.link):
            raise problems.sheet_not_shared()
        user = str(self.settings.get("user", "")) if self.auth == "basic" else ""
        problem = http_answer.refusal(answer, self.host, user, self.auth != "none")
        if problem:
            raise problem
        found.detail = {"basic": f"Signed in as {user}", "header": f"Header {self.settings.get('header_name')} was sent"}.get(
            self.auth, "The link is open, no sign-in needed"
        )

    def _follow_download(self, answer: requests.Response) -> requests.Response:
        """One step to the download host that the supplier's TOML names, encrypted and without credentials."""
        there = http_answer.moved_to(answer)
        allowed = suppliers.find("http-file").download_hosts.get(urlsplit(answer.url).hostname or "")
        if not 300 <= answer.status_code < 400 or there.scheme != "https" or not allowed or not fnmatchcase(there.hostname or "", allowed):
            return answer
        shut(answer)
        if self.auth != "none":
            raise problems.redirected(there.hostname or "", "A link with a sign-in is not followed to another server.")
        return self._get(there.geturl(), self._connect(Steps(), there, None), {})

    def _judge(self, answer: requests.Response) -> None:
        problem = http_answer.fault(answer)
        if problem:
            raise problem
        if is_sheet(answer.url) and "html" in answer.headers.get("Content-Type", "").lower():
            raise problems.sheet_not_shared()

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FAULTS as error:
            raise self._translate(error, doing) from None  # a library's text may quote our headers

    def _translate(self, error: Exception, doing: str) -> SupplierError:
        return _not_a_link() if isinstance(error, requests.exceptions.InvalidURL) else fault_of(error, self.host, doing)

    def close(self) -> None:
        """Nothing stays open between calls."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _entry(answer: requests.Response) -> FileEntry:
    seen = http_answer.read_headers(answer)
    return FileEntry(seen.name, seen.length, seen.modified)


def _basic(user: str, password: str) -> str:
    return "Basic " + b64encode(f"{user}:{password}".encode()).decode()


def _not_a_link() -> SupplierError:
    body = "Enter the whole address of the file, beginning with https://."
    return problems.protocol_error("This is not a link to a file", body, permanent=True)
