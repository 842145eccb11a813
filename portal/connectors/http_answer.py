"""What an HTTP answer means: its file's name, size and age, its bytes, and its status in words."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

import requests

from portal.connectors import problems, waits
from portal.connectors.folders import plain_name
from portal.connectors.spool import CHUNK
from portal.errors import SupplierError

_FRESH_SECONDS = 2


@dataclass(frozen=True)
class Headers:
    """What the headers tell of a file. `length` in bytes after decoding, None when not told; `modified` naive UTC.

    `fresh`: the file changed at the very moment we asked, and has no ETag. Twice in a row that is a feed made for each request.
    """

    name: str
    length: int | None
    modified: datetime | None
    etag: str
    fresh: bool = False

    def differs(self, later: Headers) -> bool:
        """Whether the file behind the link is another one by now; a server that tells nothing never differs."""
        made_on_request = self.fresh and later.fresh
        marks = [(self.etag, later.etag), *([] if made_on_request else [(self.modified, later.modified)])]
        return any(a != b for a, b in marks if a and b) or (bool(self.modified or self.etag) and self.length != later.length)


def read_headers(answer: requests.Response) -> Headers:
    """The facts of one answer."""
    length = answer.headers.get("Content-Length", "")
    told = int(length) if re.fullmatch(r"\d{1,18}", length) and not _encoding(answer) and not _is_chunked(answer) else None
    modified, now = _moment(answer.headers.get("Last-Modified")), _moment(answer.headers.get("Date"))
    etag = answer.headers.get("ETag", "").strip()[:200]
    fresh = bool(modified and now and not etag and (now - modified).total_seconds() <= _FRESH_SECONDS)
    return Headers(_name(answer), told, modified, etag, fresh)


def stands_still(answer: requests.Response, seconds: float) -> bool:
    """Whether, by the server's own clock, the file has not changed for `seconds`; True for one that tells no time."""
    modified, now = _moment(answer.headers.get("Last-Modified")), _moment(answer.headers.get("Date"))
    if modified is None or seconds <= 0:
        return True
    return now is not None and (now - modified).total_seconds() > seconds


def has_an_end(answer: requests.Response) -> bool:
    """Whether the server marks where the file ends, by a length or chunks; otherwise a cut line looks like the end."""
    return "Content-Length" in answer.headers or _is_chunked(answer)


def _is_chunked(answer: requests.Response) -> bool:
    return "chunked" in answer.headers.get("Transfer-Encoding", "").lower()


def _encoding(answer: requests.Response) -> str:
    encoding = answer.headers.get("Content-Encoding", "").strip().lower()
    return "" if encoding == "identity" else encoding


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def _name(answer: requests.Response) -> str:
    parts = urlsplit(answer.url)
    told = _disposition_name(answer.headers.get("Content-Disposition", ""))
    for name in (told, unquote(parts.path.rsplit("/", 1)[-1]), parts.hostname):
        if name and plain_name(name):
            return name[-120:]
    return "file"


def _disposition_name(header: str) -> str:
    """The file name in a Content-Disposition, as it came; "" for none or one that cannot be read."""
    told = Message()
    told["Content-Disposition"] = re.sub(r"[\r\n]", " ", header[:2_000])
    try:
        name = told.get_filename() or ""
    except (ValueError, TypeError):  # a character set or numbering that the library trips over
        return ""
    with suppress(UnicodeError):  # most servers send UTF-8 where the standard has Latin-1
        name = name.encode("latin-1").decode("utf-8")
    return name


def moved_to(answer: requests.Response) -> SplitResult:
    """Where an answer points on to; empty parts when it does not say, or says what is no address."""
    try:
        there = urlsplit(urljoin(answer.url, answer.headers.get("Location", "")))
        return there if there.port != 0 else urlsplit("")
    except ValueError:
        return urlsplit("")


def pieces(answer: requests.Response) -> Iterator[bytes]:
    """The body in pieces of at most 128 kB, decoded if the server compressed it although we asked it not to.

    Raises cut_download when a compressed stream ends early, protocol_error for an encoding we cannot undo,
    and what urllib3 raises on a cut line.
    """
    stream = iter(lambda: answer.raw.read1(CHUNK, decode_content=False), b"")  # what is there, so that progress is told each time
    encoding = _encoding(answer)
    if not encoding:
        yield from stream
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise problems.protocol_error("The file came in a form we cannot undo", f"The server packed it as {encoding[:40]}, unasked.")
    try:
        yield from _unpacked(stream)
    except zlib.error as error:
        raise problems.protocol_error("The file came damaged", f"The server packed it as {encoding}, and it cannot be unpacked.") from error


def _unpacked(stream: Iterator[bytes]) -> Iterator[bytes]:
    """Undo gzip (one member after the other) or zlib. Raises zlib.error and cut_download."""
    inflate, total = _inflater(), 0
    for packed in stream:
        while packed:
            if inflate.eof:
                inflate = _inflater()
            piece = inflate.decompress(packed, CHUNK)
            total += len(piece)
            yield piece
            packed = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
    while not inflate.eof and (piece := inflate.decompress(b"", CHUNK)):
        total += len(piece)
        yield piece
    if not inflate.eof:
        raise problems.cut_download(total, None)


def _inflater() -> zlib._Decompress:
    return zlib.decompressobj(wbits=47)  # gzip or zlib, whichever it begins with


# the status in words


def refusal(answer: requests.Response, host: str, user: str, signed: bool) -> SupplierError | None:
    """The problem of a sign-in that was not accepted (401, 403, 407), else None. `signed`: whether we sent a credential."""
    said = problems.quoted(f"{answer.status_code} {answer.reason or ''}")
    if answer.status_code not in (401, 403, 407):
        return None
    if answer.status_code == 401 and signed:
        return problems.sign_in_refused(host, user or "of the header", said, trusted=answer.url.startswith("https:"))
    if answer.status_code == 403:
        body = "The server knows the link and does not hand out the file. Ask the supplier to allow your sign-in or our address."
        return problems.http_status(403, "The server does not let us read this link", body, said, permanent=True)
    return problems.http_status(401, "The link asks for a sign-in", "Choose how to sign in and enter it.", said, permanent=True)


def fault(answer: requests.Response) -> SupplierError | None:
    """The problem of any other answer that is not the file, else None."""
    status, said = answer.status_code, problems.quoted(f"{answer.status_code} {answer.reason or ''}")
    if status in (200, 203):
        return None
    if 300 <= status < 400:
        return _moved(answer)
    if status in (404, 410):
        body = "The server answers, and has no file at this address now. Check the link, or ask the supplier for the new one."
        return problems.http_status(status, "There is no file at this link", body, said, permanent=status == 410)
    told = waits.asked(answer.headers, datetime.now(UTC)) if status in (429, 503) else None
    if status == 429:
        wait = f" It asked for {told:,.0f} seconds." if told else ""
        return _after(told, problems.http_status(429, "The server asked us to slow down", f"We try again later by ourselves.{wait}", said))
    if status >= 500:
        body = "The fault is on its side. We try again by ourselves."
        return _after(told, problems.http_status(status, "The server could not give the file", body, said))
    if status < 300:
        return problems.http_status(status, "The file is not ready", "The server answers without a file. We try again by ourselves.", said)
    return problems.http_status(status, "The server did not accept the link", "Check the link with the supplier.", said, permanent=True)


def _after(seconds: float | None, error: SupplierError) -> SupplierError:
    error.wait = seconds
    return error


def _moved(answer: requests.Response) -> SupplierError:
    there = moved_to(answer)
    here = urlsplit(answer.url)
    host = there.hostname or ""
    if host == "accounts.google.com":
        return problems.sheet_not_shared()
    if not host or answer.status_code == 304:
        return problems.redirected("another place", "It does not say where. Ask the supplier for the link to the file itself.")
    if host != here.hostname:
        return problems.redirected(host, "We do not follow to another server, so no sign-in can leak. If you trust it, enter that link.")
    if there.scheme != here.scheme:
        return problems.redirected(f"{there.scheme}://{host}", f"Enter the link with {there.scheme}:// instead.")
    return problems.redirected(host, f"It leads to another page of the same server: {there.path[:60]}. Enter the link to the file itself.")
