"""What the loopback APIs of the tests share: JSON answers of a handler, and a server that ends with its test."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers import LOOPBACK


class JsonAnswers(BaseHTTPRequestHandler):
    """A handler that says JSON and writes no log."""

    def log_message(self, *_: Any) -> None:
        return

    def say(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        """The whole answer."""
        text = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(text)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text)

    def heard(self) -> str:
        """The body of the request."""
        return self.rfile.read(int(self.headers["Content-Length"])).decode()


@contextlib.contextmanager
def serving(answers: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    """The port on which they are given until the block ends."""
    server = ThreadingHTTPServer((LOOPBACK, 0), answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)  # it looks that often whether to end
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
