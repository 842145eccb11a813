"""A server on loopback that is told what to answer, request by request, and keeps what it was asked."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.connectors.json_server import JsonAnswers, serving
from tests.servers import LOOPBACK


@dataclass(frozen=True)
class Request:
    """What came in. `query` in its order, `headers` with names in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: str = ""


@dataclass
class Told:
    """`answer(request)` gives (status, body as JSON), with headers as a third part if it likes; None drops the line."""

    answer: Callable[[Request], Any]
    port: int = 0
    asked: list[Request] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


@contextlib.contextmanager
def told(answer: Callable[[Request], Any]) -> Iterator[Told]:
    made = Told(answer)

    class Answers(JsonAnswers):
        def do_GET(self) -> None:  # noqa: N802
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            query = dict(parse_qsl(parts.query, keep_blank_values=True))
            request = Request(self.command, parts.path, query, headers, self.heard() if "content-length" in headers else "")
            made.asked.append(request)
            said = made.answer(request)
            if said is None:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            status, body, *more = said
            self.say(status, body, *more)

        do_POST = do_PUT = do_GET  # noqa: N815

    with serving(Answers) as made.port:
        yield made
