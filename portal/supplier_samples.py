"""A supplier's sample documents, played by a server on loopback: what we ask must be what the sample says, to the letter.

sample ─▶ player (answers in order) ◀─ connector ─▶ rows ─▶ default mapping ─▶ items
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

LOOPBACK = "127.0.0.1"
SERVER = "{server}"
"""In an answer it stands for the scheme and host that was asked."""
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass
class Player:
    """Answers the `exchanges` in their order; whatever differs from a request of theirs is noted in `wrong`.

    An exchange: {"request": {"method" GET, "path", "query" {}, "headers" {} (those that are compared), "body"}, "answer": {"status" 200,
    "headers" {}, "body"}}. A body is JSON, or a text that is sent as it is; None is no body.
    """

    exchanges: list[Mapping[str, Any]]
    port: int = 0
    wrong: list[str] = field(default_factory=list)
    asked: int = 0

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
        """What to say to the next request."""
        self.asked += 1
        if self.asked > len(self.exchanges):
            self.wrong.append(f"request {self.asked}: {method} {target} was not expected")
            return {"status": 410}
        exchange = self.exchanges[self.asked - 1]
        self.wrong += [f"request {self.asked}: {words}" for words in _differences(exchange["request"], method, target, headers, body)]
        answer: Mapping[str, Any] = exchange.get("answer", {})
        return answer

    def missed(self) -> list[str]:
        """What was wrong, and that a request did not come."""
        left = self.exchanges[self.asked :]
        return self.wrong + [f"{one['request'].get('method', 'GET')} {one['request']['path']} was not asked" for one in left]


def _differences(wanted: Mapping[str, Any], method: str, target: str, headers: Mapping[str, str], body: bytes) -> Iterator[str]:
    parts, known = urlsplit(target), {name.lower(): value for name, value in headers.items()}
    pairs = [
        ("method", wanted.get("method", "GET"), method), ("path", wanted["path"], parts.path),
        ("query", wanted.get("query", {}), dict(parse_qsl(parts.query, keep_blank_values=True))),
    ]  # fmt: skip
    pairs += [(f"header {name}", value, known.get(name.lower(), "")) for name, value in wanted.get("headers", {}).items()]
    if "body" in wanted or body:
        pairs.append(("body", wanted.get("body"), _body_like(wanted.get("body"), body)))
    yield from (f"{name} is {found!r}, not {meant!r}" for name, meant, found in pairs if meant != found)


def _body_like(wanted: Any, body: bytes) -> Any:
    if isinstance(wanted, str):
        return body.decode("utf-8", "replace")
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")


@contextlib.contextmanager
def playing(exchanges: list[Mapping[str, Any]]) -> Iterator[Player]:
    """The player on a free port of loopback until the block ends."""
    player = Player(exchanges)

    class Answers(_Answers):
        played = player

    server = ThreadingHTTPServer((LOOPBACK, 0), Answers)
    player.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield player
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Answers(BaseHTTPRequestHandler):
    played: Player

    def log_message(self, *_: Any) -> None:
        return

    def _play(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        told = self.played.answer(self.command, self.path, dict(self.headers.items()), body)
        said, here = told.get("body"), f"http://{LOOPBACK}:{self.played.port}"
        text = "" if said is None else (said if isinstance(said, str) else json.dumps(said)).replace(SERVER, here)
        headers = {name: str(value).replace(SERVER, here) for name, value in told.get("headers", {}).items()}
        self.send_response(int(told.get("status", 200)))
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text.encode())), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())


for _method in _METHODS:
    setattr(_Answers, f"do_{_method}", _Answers._play)
