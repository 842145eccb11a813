"""A practice supplier in a process of its own: a real SFTP server and a file link on loopback.

goods ─ each minute ─▶ root/outbound/stock_YYYYMMDD_HHMM.csv ─▶ SFTP, and /stock.csv over HTTP
orders dropped by SFTP into root/orders are answered and shipped: see portal.demo_warehouse
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import signal
import sys
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread

import asyncssh

from portal import clock, demo_goods
from portal.config import Config
from portal.demo_warehouse import Warehouse

HOST = "127.0.0.1"
USER = "acme01"
FOLDER, ORDERS, ANSWERS, SHIPMENTS = "/outbound", "/orders", "/acknowledgements", "/shipments"
KEPT_FILES = 5
CANNOT_LISTEN = 1


def main(config: Config, seconds_between: float = 60.0) -> int:
    """Serve until SIGTERM, SIGINT or the end of the parent process. Exit code 0, or 1 when a port is taken."""
    try:
        asyncio.run(_Demo(config, seconds_between).run())
    except _PortTaken as taken:
        print(taken, file=sys.stderr, flush=True)
        return CANNOT_LISTEN
    return 0


class _PortTaken(Exception):
    """A sentence that says which port, and which setting moves it."""

    def __init__(self, port: int, setting: str, why: OSError) -> None:
        words = f"The demo supplier cannot listen on port {port} ({why.strerror or why}). Set {setting} to a free port, or DEMO=0."
        super().__init__(words)


class _Demo:
    """Everything of one running demo supplier."""

    def __init__(self, config: Config, seconds_between: float) -> None:
        self.config, self.seconds_between = config, seconds_between
        self.home = config.demo_account_file.parent
        self.root = self.home / "root"
        self.stock = Stock(self.root / FOLDER[1:])
        self.warehouse = Warehouse(self.root, self.home / "warehouse.json", self.stock.available, _write)
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        self._prepare()
        async with self._sftp(), self._http():
            self._announce()
            try:
                await self._live(os.getppid())
            finally:
                self.config.demo_account_file.unlink(missing_ok=True)

    def _prepare(self) -> None:
        os.umask(0o077)  # also for the orders that come by SFTP
        for folder in (FOLDER, ORDERS, ANSWERS, SHIPMENTS):
            (self.root / folder[1:]).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.password = _kept(self.home / "password", lambda: secrets.token_hex(8))
        self.host_key = asyncssh.import_private_key(_kept(self.home / "host_key", _new_host_key))
        _write(self.root / SHIPMENTS[1:] / "shipments_sample.csv", demo_goods.SHIPMENTS)
        self.stock.publish()

    def _announce(self) -> None:
        http_place = f"{HOST}:{self.config.demo_http_port}"
        account = {
            "sftp_host": HOST, "sftp_port": self.config.demo_sftp_port, "user": USER, "password": self.password,
            "fingerprint": self.host_key.get_fingerprint(), "folder": FOLDER, "orders_folder": ORDERS, "shipments_folder": SHIPMENTS,
            "answers_folder": ANSWERS,
            "http_host": HOST, "http_port": self.config.demo_http_port,
            "http_url": f"http://{http_place}/stock.csv", "http_signed_url": f"http://{http_place}/signed/stock.csv", "pid": os.getpid(),
        }  # fmt: skip
        _write(self.config.demo_account_file, json.dumps(account, indent=1).encode())

    async def _live(self, parent: int) -> None:
        """A new file each minute, orders looked at twice a second; the end of the parent ends it too."""
        loop = asyncio.get_running_loop()
        due = loop.time() + self.seconds_between
        while not self.stopping.is_set() and os.getppid() == parent:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), min(0.5, self.seconds_between))
            await asyncio.to_thread(self.warehouse.look, time.time())
            if loop.time() >= due:
                due += self.seconds_between
                await asyncio.to_thread(self.stock.publish_next)

    @contextlib.asynccontextmanager
    async def _sftp(self) -> AsyncIterator[None]:
        port = self.config.demo_sftp_port
        try:
            server = await asyncssh.create_server(
                lambda: _Gate(self.password), HOST, port, server_host_keys=[self.host_key],
                sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=os.fsencode(self.root)), allow_scp=False,
                agent_forwarding=False, server_version="DemoDistributor_1",
            )  # fmt: skip
        except OSError as why:
            raise _PortTaken(port, "DEMO_SFTP_PORT", why) from why
        try:
            yield
        finally:
            server.close()

    @contextlib.asynccontextmanager
    async def _http(self) -> AsyncIterator[None]:
        port = self.config.demo_http_port
        try:
            server = _LinkServer((HOST, port), self.stock, f"{USER}:{self.password}")
        except OSError as why:
            raise _PortTaken(port, "DEMO_HTTP_PORT", why) from why
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class Stock:
    """The feed of now: kept as the newest few files of a folder, each put there whole, and as bytes for the link."""

    def __init__(self, folder: Path, count: int = demo_goods.COUNT, seed: int = demo_goods.SEED) -> None:
        self.folder = folder
        self.items = demo_goods.build(count, seed)
        self.random = Random(seed)
        self.content, self.modified = b"", 0.0

    def available(self) -> dict[str, int]:
        """Units in both warehouses by item, of those that have a number."""
        return {item.sku: item.east + item.west for item in self.items if item.sku}

    def publish_next(self) -> None:
        """One minute of trade, then a new file."""
        self.items = demo_goods.change(self.items, self.random)
        self.publish()

    def publish(self) -> None:
        """Write the file of this minute and let the oldest go."""
        path = self.folder / f"stock_{clock.now():%Y%m%d_%H%M}.csv"
        content = demo_goods.render(self.items)
        _write(path, content)
        self.content, self.modified = content, path.stat().st_mtime
        for old in sorted(self.folder.glob("stock_*.csv"))[:-KEPT_FILES]:
            old.unlink()


class _Gate(asyncssh.SSHServer):
    """One user, one password; files only."""

    def __init__(self, password: str) -> None:
        self._password = password

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 -- every user has to prove itself
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return username == USER and hmac.compare_digest(password.encode(), self._password.encode())


class _LinkServer(ThreadingHTTPServer):
    """/stock.csv for everybody, /signed/stock.csv for the user and password."""

    daemon_threads = True

    def __init__(self, place: tuple[str, int], stock: Stock, sign_in: str) -> None:
        self.stock = stock
        self.expected = "Basic " + b64encode(sign_in.encode()).decode()
        super().__init__(place, _Link)

    def handle_error(self, request: object, client_address: object) -> None:
        """Somebody who hangs up before the end is not worth a traceback; anything else is."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Link(BaseHTTPRequestHandler):
    server: _LinkServer
    protocol_version = "HTTP/1.1"
    server_version = "DemoDistributor"
    timeout = 30

    def do_GET(self) -> None:  # noqa: N802 -- the library's name
        self._answer(with_body=True)

    def do_HEAD(self) -> None:  # noqa: N802
        self._answer(with_body=False)

    def _answer(self, with_body: bool) -> None:
        content, modified = self.server.stock.content, self.server.stock.modified
        path = self.path.partition("?")[0]
        etag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        if path not in ("/stock.csv", "/signed/stock.csv"):
            return self._short(404)
        if path.startswith("/signed/") and not hmac.compare_digest(
            self.headers.get("Authorization", "").encode(), self.server.expected.encode()
        ):
            return self._short(401, ("WWW-Authenticate", 'Basic realm="Demo Distributor"'))
        if self.headers.get("If-None-Match") == etag:
            return self._short(304, ("ETag", etag))
        self.send_response(200)
        for name, value in (("Content-Type", "text/csv; charset=utf-8"), ("Content-Length", str(len(content))), ("ETag", etag)):
            self.send_header(name, value)
        self.send_header("Last-Modified", formatdate(modified, usegmt=True))
        self.end_headers()
        if with_body:
            self.wfile.write(content)
        return None

    def _short(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", "0")):
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: the terminal belongs to the portal."""


def _new_host_key() -> str:
    return str(asyncssh.generate_private_key("ssh-ed25519").export_private_key().decode())


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text in `path`; made and kept at the first start."""
    if not path.exists():
        _write(path, make().encode())
    return path.read_text("utf-8")


def _write(path: Path, content: bytes) -> None:
    """Put a file there whole or not at all, for this user only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    part.replace(path)
