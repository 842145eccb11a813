"""One HTTP request over one socket of the guard: resolved, judged, encrypted, sent once. Nothing is followed or repeated here."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Event, Timer
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
import requests.adapters
import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from portal.connectors import problems
from portal.connectors.network import IO_SECONDS, Guard
from portal.connectors.steps import Steps, reaching, resolve
from portal.connectors.tls import Identity
from portal.errors import SupplierError

HEADERS_SECONDS = 2 * IO_SECONDS  # headers may come slowly, not for ever
FAULTS = (OSError, http.client.HTTPException, urllib3.exceptions.HTTPError, requests.RequestException)


def open_line(guard: Guard, parts: SplitResult, steps: Steps, trusted_key: Mapping[str, Any] | None) -> socket.socket:
    """Checks 1 to 3 towards the address: a socket that is connected and, for https, encrypted to whom the certificate names."""
    secure = parts.scheme == "https"
    target = resolve(steps, guard, parts.hostname or "", parts.port or (443 if secure else 80))
    with reaching(steps, target):
        opened = guard.open(target)
    with steps.step("identity") as found:
        if secure:
            opened = Identity(target.host, trusted_key).wrap(opened, lambda: guard.open(target), found, strict_end=True)
        else:
            found.detail = "Plain HTTP: nothing proves who answers"
    opened.settimeout(IO_SECONDS)
    return opened


def send(opened: socket.socket, request: requests.Request, beat: Callable[[], None] = lambda: None) -> requests.Response:
    """Send the request over the open socket and read as far as the headers; the socket is closed when that fails.

    `beat` is called about each second until the answer begins. Raises one of FAULTS, and what `beat` raises.
    """
    try:
        # No session: it would read a redirect's whole body into memory before we see its status.
        return _OneSocket(opened, beat).send(request.prepare())
    except BaseException:
        opened.close()
        raise


def fault_of(error: Exception, host: str, doing: str) -> SupplierError:
    """One of FAULTS in words. A library's own text is left out: it may quote our headers."""
    if isinstance(error, requests.exceptions.InvalidURL):
        return problems.protocol_error("This is not a web address", "Enter the whole address, beginning with https://.", permanent=True)
    if isinstance(error, (TimeoutError, urllib3.exceptions.TimeoutError)):
        return problems.timed_out(host, IO_SECONDS, doing)
    if isinstance(error, (ConnectionError, http.client.RemoteDisconnected, urllib3.exceptions.ProtocolError)):
        return problems.connection_lost(host, doing)
    if isinstance(error, http.client.BadStatusLine) and _is_cut(str(error.args[0] if error.args else "")):
        return problems.connection_lost(host, doing)
    if isinstance(error, (http.client.HTTPException, requests.RequestException)):
        body = "Something answers, but not in the language of web servers. Check the address and its port."
        return problems.protocol_error("This is not a web server", body)
    return problems.connection_lost(host, doing)


def _is_cut(line: str) -> bool:
    """Whether a status line begins as a web server's does, and never came to its end."""
    return "HTTP/1.".startswith(line[:7]) and not line.endswith("\n")


class _OneSocket(requests.adapters.HTTPAdapter):
    """Sends the one request over a socket that is already open and, for https, already encrypted."""

    def __init__(self, opened: socket.socket, beat: Callable[[], None]) -> None:
        super().__init__(max_retries=0)
        self._opened, self._beat = opened, beat

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        line = kind(parts.hostname or "", parts.port, timeout=IO_SECONDS)
        line.sock = self._opened
        with _within(self._opened, HEADERS_SECONDS):
            line.request(
                request.method or "GET", request.path_url, body=request.body, headers=request.headers,
                preload_content=False, decode_content=False,
            )  # fmt: skip
            _await_answer(self._opened, self._beat)
            return self.build_response(request, line.getresponse())

    def close(self) -> None:
        self._opened.close()
        super().close()


def _await_answer(opened: socket.socket, beat: Callable[[], None]) -> None:
    """Return when there is something to read. Raises TimeoutError when nothing comes for IO_SECONDS, and what `beat` raises."""
    ends, waiting = time.monotonic() + (opened.gettimeout() or IO_SECONDS), select.poll()
    waiting.register(opened, select.POLLIN)
    while not (isinstance(opened, ssl.SSLSocket) and opened.pending()):
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        if waiting.poll(1000 * min(left, 1.0)):
            return
        beat()


@contextmanager
def _within(opened: socket.socket, seconds: float) -> Iterator[None]:
    """End the line when the block takes longer, and raise TimeoutError: each byte that comes would begin a new wait."""
    late = Event()

    def end() -> None:
        late.set()
        with suppress(OSError):
            socket.socket.shutdown(opened, socket.SHUT_RDWR)

    timer = Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except FAULTS as error:
        raise TimeoutError if late.is_set() else error from error
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def shut(answer: requests.Response) -> None:
    """Close an answer and its socket, also where the server wanted to keep it open."""
    answer.close()
    answer.connection.close()


@contextmanager
def closing(answer: requests.Response) -> Iterator[requests.Response]:
    """Shut the answer at the end of the block."""
    try:
        yield answer
    finally:
        shut(answer)
