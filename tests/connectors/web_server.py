"""A web server that says exactly what a test tells it to, byte by byte, and writes down what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.connectors.faults import listening
from tests.servers import LOOPBACK

TLS_HELLO = b"\x16"
Says = bytes | Callable[[socket.socket], None]


@dataclass
class Web:
    """`says`: the bytes of each answer, the last one again and again; a function gets the line itself."""

    scheme: str
    says: list[Says]
    port: int = 0
    lines: int = 0
    heard: list[str] = field(default_factory=list)
    rudely: bool = False

    def link(self, path: str = "/stock.csv", host: str = LOOPBACK) -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def serve(self, opened: socket.socket) -> None:
        opened.settimeout(10)
        request = b""
        while b"\r\n\r\n" not in request and request[:1] != TLS_HELLO:
            piece = opened.recv(65_536)
            if not piece:
                return
            request += piece
        self.heard.append(request.decode("latin-1"))
        says = self.says.pop(0) if len(self.says) > 1 else self.says[0]
        if callable(says):
            says(opened)
        else:
            opened.sendall(says)

    def end(self, opened: socket.socket) -> None:
        """TLS says goodbye before the line closes, unless the line is cut."""
        if isinstance(opened, ssl.SSLSocket) and not self.rudely:
            opened.unwrap()


@contextlib.contextmanager
def web(*says: Says, certificate: Path | None = None, rudely: bool = False) -> Iterator[Web]:
    """A server on a loopback port, with TLS where there is a certificate. `rudely`: TLS ends without its goodbye."""
    made = Web("https" if certificate else "http", list(says), rudely=rudely)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if certificate else None
    if context and certificate:
        context.load_cert_chain(certificate)

    def serve(opened: socket.socket) -> None:
        made.lines += 1
        if context is None:
            return made.serve(opened)
        opened.settimeout(10)
        with context.wrap_socket(opened, server_side=True) as wrapped:
            made.serve(wrapped)
            made.end(wrapped)
        return None

    with listening(serve) as made.port:
        yield made


def answer(body: bytes = b"", status: str = "200 OK", length: bool = True, **headers: str) -> bytes:
    """A whole answer. Header names are written with _ for -."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    if length:
        named.setdefault("Content-Length", str(len(body)))
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {text}" for name, text in named.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def chunked(body: bytes, size: int = 7_000, **headers: str) -> bytes:
    """The same in chunks, with the last one that says it is the last."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return answer(coded, length=False, Transfer_Encoding="chunked", **headers)
