"""Each connector × each fault × each phase: what we call it, whether it is tried again, what the server heard, and that nothing leaks.

The table is printed: `pytest -s tests/connectors/test_fault_table.py`. A new connector is one function in PEERS.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from portal import feeds
from portal.connectors import (
    caller,
    ftp_session,
    http_answer,
    network,
    open_connector,
    sftp,
    shopify_bulk,
    shopify_graph,
    tls,
    waits,
    web_line,
)
from portal.connectors.network import Guard
from portal.errors import SupplierError
from portal.records import Secret
from tests.connectors.api_server import api
from tests.connectors.conftest import LIMIT, left_nothing
from tests.connectors.fault_line import Fault, faulty, held, settled
from tests.connectors.shopify_server import LEGACY, SECRET, shopify, variant
from tests.connectors.soap_server import soap_stack
from tests.connectors.soaping import ALL, Shelf
from tests.connectors.web_server import answer, web
from tests.servers import LOOPBACK, SystemUser, sshd, vsftpd

PATIENCE = 0.15  # seconds of silence that we wait in these tests, instead of 30
STOCK = b"sku,qty\n" + b"".join(b"A-%05d,%d\n" % (n, n % 9) for n in range(20_000))
ORDER = json.dumps({"po": "PO-7", "lineItems": [{"variantId": "gid://shopify/ProductVariant/1", "quantity": 1}]}).encode()
SOON = format_datetime(datetime.now(UTC) + timedelta(days=2), usegmt=True)
THROTTLED = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": {"cost": {"requestedQueryCost": 2,
    "throttleStatus": {"maximumAvailable": 2000, "currentlyAvailable": 0, "restoreRate": 100}}}}  # fmt: skip
THROTTLED_BYTES = answer(json.dumps(THROTTLED).encode(), Content_Type="application/json")

LINES = {
    "refuse": Fault("refuse"), "reset": Fault("reset"), "slow": Fault("slow"), "swallow": Fault("swallow"),
    "cut at 5": Fault("cut", 5), "cut at 60": Fault("cut", 60), "broken at 60": Fault("broken", 60),
}  # fmt: skip
PAST = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
ANSWERS = {
    "429": answer(status="429 Slow down"),
    "429 after 7": answer(status="429 Slow down", Retry_After="7"),
    "429 at a date": answer(status="429 Slow down", Retry_After=SOON),
    "429 at an ISO date": answer(status="429 Slow down", Retry_After="2099-01-01T00:00:00Z"),
    "429 after -1": answer(status="429 Slow down", Retry_After="-1"),
    "429 after 10^9": answer(status="429 Slow down", Retry_After="1000000000"),
    "429 in the past": answer(status="429 Slow down", Retry_After=PAST),
    "429 X-Retry-After": answer(status="429 Slow down", X_Retry_After="3"),
    "429 reset in ms": answer(status="429 Slow down", X_Rate_Limit_Time_Reset_Ms="2500", X_Rate_Limit_Requests_Left="0"),
    "429 RateLimit-Reset": answer(status="429 Slow down", RateLimit_Reset="4", RateLimit_Remaining="0"),
    "500": answer(b"oh no", status="500 Oh no"),
    "503 after 2": answer(b"", status="503 Busy", Retry_After="2"),
    "web page": answer(b"<html><body>Please sign in</body></html>", Content_Type="text/html"),
    "THROTTLED": THROTTLED_BYTES,
}
WAITED = {
    "429 after 7": 7, "429 after -1": 0, "429 in the past": 0, "429 X-Retry-After": 3, "429 reset in ms": 2.5, "429 RateLimit-Reset": 4,
    "503 after 2": 2,
}  # fmt: skip
"""Seconds that a read waits before it asks again, where the server says them."""
TOO_LONG = ("429 at a date", "429 at an ISO date", "429 after 10^9")


@dataclass
class Peer:
    """A real server on `port`, and how a connector reaches it through another port. `sends`: it takes documents."""

    port: int
    connect: Callable[[int], Any]
    folder: str = ""
    pattern: str = "*"
    sends: bool = False
    web: bool = True


@contextlib.contextmanager
def of_sftp(user: SystemUser) -> Iterator[Peer]:
    with sshd(user) as server:
        trusted = {"key_type": "ssh-ed25519", "fingerprint": server.fingerprints["ssh-ed25519"]}

        def connect(port: int) -> Any:
            settings = {"host": LOOPBACK, "port": port, "user": user.name, "auth": "password"}
            return _open("sftp", settings, {"password": user.password}, trusted)

        yield Peer(server.port, connect, "out", "*.csv", web=False)


@contextlib.contextmanager
def of_ftp(user: SystemUser) -> Iterator[Peer]:
    with vsftpd(user) as server:

        def connect(port: int) -> Any:
            settings = {"host": LOOPBACK, "port": port, "user": user.name, "security": "plain", "plain_ok": "1"}
            return _open("ftp", settings, {"password": user.password})

        yield Peer(server.port, connect, "out", "*.csv", web=False)


@contextlib.contextmanager
def of_http(user: SystemUser) -> Iterator[Peer]:
    with web(answer(STOCK, Content_Type="text/csv")) as server:

        def connect(port: int) -> Any:
            settings = {"url": f"http://{LOOPBACK}:{port}/stock.csv", "auth": "basic", "user": "ana", "plain_ok": "1"}
            return _open("http", settings, {"password": "k3y"})

        yield Peer(server.port, connect)


@contextlib.contextmanager
def of_rest(user: SystemUser) -> Iterator[Peer]:
    with api(auth="header", count=7) as server:

        def connect(port: int) -> Any:
            settings = {
                "base": f"http://{LOOPBACK}:{port}", "path": "/items", "items": "data", "auth": "header", "header_name": "X-Api-Key",
                "plain_ok": "1", "paging": "page", "size": 3, "size_name": "limit", "page_name": "page",
                "operation": "send_orders", "sent_id": "id",
            }  # fmt: skip
            return _open("rest", settings, {"key": server.key})

        yield Peer(server.port, connect, sends=True)


@contextlib.contextmanager
def of_shopify(user: SystemUser) -> Iterator[Peer]:
    with shopify(variants=[variant(n) for n in range(1, 8)]) as server:

        def connect(port: int) -> Any:
            settings = {**server.settings(operation="send_orders"), "base": f"http://{LOOPBACK}:{port}"}
            return _open("shopify", settings, {"key": LEGACY, "client_secret": SECRET})

        yield Peer(server.port, connect, sends=True)


@contextlib.contextmanager
def of_soap(user: SystemUser) -> Iterator[Peer]:
    with soap_stack() as server:
        shelf = Shelf()

        def connect(port: int) -> Any:
            settings = {
                "wsdl_from": "address", "wsdl": f"{server.base}/stock.wsdl", "endpoint": f"http://{LOOPBACK}:{port}/stock",
                "auth": "none", "user": "ana", "plain_ok": "1", "wsdl_operation": "ListStock", "arguments": ALL, "items": "items.item",
                "errors_at": "result.code", "errors_good": "0, OK",
            }  # fmt: skip
            return _open("soap", settings, {"password": "k3y"}, library=shelf)

        yield Peer(server.port, connect)


PEERS: dict[str, Callable[[SystemUser], AbstractContextManager[Peer]]] = {
    "sftp": of_sftp, "ftp": of_ftp, "http": of_http, "rest": of_rest, "shopify": of_shopify, "soap": of_soap,
}  # fmt: skip


def _open(protocol: str, settings: Any, secrets: dict[str, str], trusted: Any = None, library: Any = None) -> Any:
    sealed = {name: Secret(text) for name, text in secrets.items()}
    guard = Guard.from_config(LOOPBACK)
    return open_connector(protocol, settings, sealed, guard=guard, trusted_key=trusted, record=lambda _: None, library=library)


@dataclass
class Cell:
    """How one fault ended in one phase: a code, or the outcome of a send; whether a run tries again; requests; what it waited."""

    said: str
    again: bool
    lines: int
    waited: list[float] = field(default_factory=list)
    leaked: str = ""


class Table:
    """Does the phases of one peer under each fault."""

    def __init__(self, peer: Peer, folder: Path, waited: list[float], patch: pytest.MonkeyPatch) -> None:
        self.peer, self.folder, self.waited, self.patch = peer, folder, waited, patch
        self.cells: dict[tuple[str, str], Cell] = {}

    def fill(self) -> None:
        for name, fault in self.faults().items():
            for phase in ("check", "fetch", *(("send",) if self.peer.sends else ())):
                self.cells[name, phase] = self._cell(phase, fault)

    def faults(self) -> dict[str, Fault]:
        says = {name: Fault("say", says=text, times=1 if name == "THROTTLED" else 1_000) for name, text in ANSWERS.items()}
        says = says if self.peer.web else {}
        return LINES | says

    def _cell(self, phase: str, fault: Fault) -> Cell:
        patient(
            self.patch, PATIENCE if fault.kind in ("slow", "swallow") else 10.0
        )  # what is said comes in its time, also on a busy machine
        before = held(self.folder)
        self.waited.clear()
        with faulty(self.peer.port, fault) as relay:
            connector = self.peer.connect(relay.port)
            try:
                said, again = self._do(connector, phase)
            finally:
                connector.close()
            asked = len(relay.heard)
        left = settled(self.folder, before)
        fine = set(left.threads) <= set(before.threads) and left.sockets <= before.sockets and left.files == before.files
        leaked = "" if fine else repr(left)
        return Cell(said, again, asked, list(self.waited), leaked)

    def _do(self, connector: Any, phase: str) -> tuple[str, bool]:
        into = self.folder / "stock"
        try:
            if phase == "check":
                connector.check(lambda _: None, self.peer.folder)
            elif phase == "fetch":
                connector.fetch(self.peer.folder, "newest", self.peer.pattern, into, LIMIT, lambda *_: None, 0.0)
            else:
                return connector.send("send_orders", ORDER, "PO-7").outcome, False
        except SupplierError as error:
            assert left_nothing(into)
            return error.problem.code, not error.permanent
        into.unlink(missing_ok=True)
        return "fine", False

    def printed(self, name: str) -> str:
        lines = [f"{name:<8} {'fault':<20} {'phase':<6} {'said':<18} {'again':<6} lines waited"]
        for (fault, phase), cell in self.cells.items():
            shown = ", ".join(f"{one:.1f}" for one in cell.waited)
            lines.append(
                f"{name:<8} {fault:<20} {phase:<6} {cell.said:<18} {'yes' if cell.again else 'no':<6} {cell.lines:<5} {shown} {cell.leaked}"
            )
        return "\n".join(lines)


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Silence ends after PATIENCE, and every wait between tries is only written down."""
    seconds: list[float] = []
    monkeypatch.setattr(caller, "wait", lambda time, *_: seconds.append(round(time, 3)))
    monkeypatch.setattr(shopify_graph, "wait", lambda *_: None)
    monkeypatch.setattr(shopify_bulk, "LOOKS", (0.01,))
    return seconds


def patient(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """We wait so long for an answer, instead of 30 seconds."""
    for module in (network, ftp_session, sftp, tls, web_line):
        monkeypatch.setattr(module, "IO_SECONDS", seconds)
    monkeypatch.setattr(web_line, "HEADERS_SECONDS", 2 * seconds)


# what must hold

CODES = {
    "refuse": "port_closed", "reset": "connection_lost", "slow": "timed_out", "swallow": "timed_out", "cut at 5": "connection_lost",
    "cut at 60": "cut_download", "broken at 60": "connection_lost", "web page": "protocol_error", "THROTTLED": "protocol_error",
}  # fmt: skip
FOR_GOOD = {("rest", "THROTTLED")}
"""Answers that the next try will give again: what came is another kind of thing than the list that was asked for."""
SAID = {
    ("sftp", "cut at 60"): "connection_lost", ("ftp", "cut at 60"): "connection_lost",  # a conversation, not one answer
    ("http", "web page"): "fine", ("http", "THROTTLED"): "fine",  # a file of another kind: refused when it is read, see below
    ("shopify", "THROTTLED", "check"): "http_status", ("shopify", "THROTTLED", "fetch"): "fine",  # throttled once, then not
    ("http", "cut at 60", "check"): "fine",  # only the status is looked at; the sample that follows is the fetch
}  # fmt: skip
EITHER = {("reset", "send"): "not_sent"}
"""What may be said as well: a reset may come while we still connect, or right after, when nobody knows."""
NOT_SENT = {("rest", "refuse"), ("shopify", "refuse"), ("shopify", "THROTTLED")}
REPEATS = {"rest", "shopify", "soap"}
"""Connectors that repeat a request of a read by themselves; a file is fetched again by the run."""
NOT_REPEATED = {"web page", "THROTTLED", *TOO_LONG}


def expected(name: str, fault: str, phase: str) -> tuple[str, bool, int]:
    """What is said, whether the run tries again, and how many lines the server saw."""
    lines = 0 if fault == "refuse" else 1
    if phase == "send":
        return "not_sent" if (name, fault) in NOT_SENT else "unknown", False, lines
    usual = CODES.get(fault, "http_status")
    said = SAID.get((name, fault, phase)) or SAID.get((name, fault)) or usual
    again = said != "fine" and (name, fault) not in FOR_GOOD
    if phase == "fetch" and name in REPEATS and fault not in NOT_REPEATED:
        lines *= caller.MOST_TRIES
    return said, again, lines


def wrongs(name: str, table: Table) -> list[str]:
    """The cells that are not as they must be."""
    found = []
    for (fault, phase), cell in table.cells.items():
        said, again, lines = expected(name, fault, phase)
        fits = cell.said in (said, EITHER.get((fault, phase))) and cell.again == again
        if not fits or cell.leaked:
            found.append(f"{fault}, {phase}: {cell}, not {said}, {again}")
        if cell.lines != lines and (name, fault) != ("shopify", "THROTTLED") and cell.said != "fine":
            found.append(f"{fault}, {phase}: {cell.lines} lines, not {lines}")
        if phase != "fetch" and cell.waited:
            found.append(f"{fault}, {phase}: waited {cell.waited}")
        if phase == "fetch" and name in REPEATS and fault not in NOT_REPEATED:
            found += [] if _fits(fault, cell.waited) else [f"{fault}: waited {cell.waited}"]
    return found


def _fits(fault: str, waited: list[float]) -> bool:
    """Four waits: as long as the server asks, else 1, 2, 4 and 8 seconds, each times 0.5 to 1 by chance."""
    if fault in WAITED:
        return waited == [WAITED[fault]] * (caller.MOST_TRIES - 1)
    grown = [2.0**n for n in range(caller.MOST_TRIES - 1)]
    return len(waited) == len(grown) and all(most / 2 <= one <= most for one, most in zip(waited, grown, strict=True))


@pytest.mark.parametrize("name", PEERS)
def test_every_cell_is_called_by_its_name_and_leaves_nothing(
    name: str, user: SystemUser, waited: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    user.put("out/stock.csv", STOCK)
    with PEERS[name](user) as peer:
        straight = peer.connect(peer.port)
        straight.check(lambda _: None, peer.folder)
        straight.close()
        table = Table(peer, tmp_path, waited, monkeypatch)
        table.fill()
    print("\n" + table.printed(name))
    assert len(table.cells) >= 14 and wrongs(name, table) == []


def test_a_web_page_instead_of_a_file_is_named_when_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_bytes(b"<html><body>Please sign in</body></html>")
    with pytest.raises(SupplierError) as refused:
        feeds.detect(path, "stock.csv")
    assert refused.value.problem.code == "html_page"


def test_the_table_would_see_what_is_wrong(user: SystemUser, waited: list[float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: no length check, a send that is repeated, a file and a thread left behind. Each must turn the table red."""
    with of_rest(user) as peer:

        def wrong_with(fault: Fault, phase: str, name: str) -> list[str]:
            table = Table(peer, tmp_path, waited, monkeypatch)
            table.cells[name, phase] = table._cell(phase, fault)
            return wrongs("rest", table)

        assert wrong_with(LINES["cut at 60"], "fetch", "cut at 60") == []
        with monkeypatch.context() as patch:
            patch.setattr(http_answer, "has_an_end", lambda _: True)
            assert wrong_with(LINES["cut at 60"], "fetch", "cut at 60")
        with monkeypatch.context() as patch:
            asks = caller.Caller.ask
            patch.setattr(caller.Caller, "ask", lambda self, asked, **more: [asks(self, asked, **more) for _ in range(2)][1])
            assert wrong_with(Fault("say", says=ANSWERS["500"]), "send", "500")
        with monkeypatch.context() as patch:
            patch.setattr(waits, "asked", lambda *_: None)
            assert wrong_with(Fault("say", says=ANSWERS["429 after 7"]), "fetch", "429 after 7")
        with monkeypatch.context() as patch:
            patch.setattr(caller, "closing", contextlib.nullcontext)
            kept: list[Any] = []
            send = caller.send
            patch.setattr(caller, "send", lambda *given: kept.append(send(*given)) or kept[-1])
            assert wrong_with(Fault("say", says=ANSWERS["500"]), "check", "500")
            for one in kept:
                web_line.shut(one)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            patch.setattr("tests.connectors.test_fault_table.left_nothing", lambda _: True)
            assert wrong_with(Fault("say", says=ANSWERS["500"]), "fetch", "500")
