"""Worker processes that send orders, the suppliers' ledgers outside of them, and the naive sender that the harness must notice."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from portal import clock, config, failpoints, runs, suppliers, vault
from portal.channels import telling
from portal.models import FulfillmentRequest, Run, Source, Submission, connect, database
from portal.models.runs import UNFINISHED
from portal.outbox import claim, files, running, settle, stops, witnesses
from portal.outbox.claim import Hold
from portal.outbox.leaving import leaving, parts_of
from portal.pushing import batches
from tasks.work import HANDLERS

LONGEST = 60.0  # seconds; no worker of a test outlives it
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Sender:
    """What one process is told. `failpoint`: "name:n". `stops_at`: the failpoint at which it stops itself, as
    by SIGSTOP. `sabotage`: naive, token (saves without looking at it), or sleeper (see tell_stores)."""

    url: str
    data_dir: str
    failpoint: str = ""
    sabotage: str = ""
    stops_at: str = ""
    toml: str = ""
    ledger: str = ""
    smtp: int = 0


def prepare(order: Sender) -> None:
    """Everything that a worker process of the installation has."""
    told = {"DATA_DIR": order.data_dir, "DATABASE_URL": order.url, "DEMO": "0", "EGRESS_ALLOW": LOOPBACK}
    if order.smtp:
        told |= {"SMTP_HOST": LOOPBACK, "SMTP_PORT": str(order.smtp), "SMTP_SECURITY": "plain", "SMTP_FROM": "orders@shop.example"}
    made = config.use(config.read(told))
    vault.use(vault.load(made.secret_key_file))
    connect(order.url)
    name, _, number = order.failpoint.partition(":")
    failpoints._name, failpoints._left = name, int(number or 1)
    if order.stops_at:
        failpoints.reach = stopping_once(order.stops_at)
    if order.toml:
        know(Path(order.toml))
    if order.sabotage == "naive":
        files.deliver = naive  # type: ignore[assignment]
    if order.sabotage == "token":
        Hold.save = careless  # type: ignore[method-assign]


def stopping_once(point: str) -> Any:
    """What stops this process at the failpoint, the first time that it comes there."""
    left = [point]

    def reach(name: str) -> None:
        if name in left:
            left.clear()
            os.kill(os.getpid(), signal.SIGSTOP)

    return reach


def know(path: Path) -> None:
    """Have the directory know one more supplier."""
    known = {**suppliers._all(), path.stem: suppliers.load(path)}
    suppliers._all = lambda: known  # type: ignore[assignment]


def send_orders(order: Sender, begun: Connection) -> None:
    """Send until nothing is due, as a worker that looks every 10 ms. What is due later is due at once."""
    prepare(order)
    witnesses.AGAIN_AFTER = (timedelta(0),)
    witnesses.LOOK_AFTER = (timedelta(0), timedelta(milliseconds=50), timedelta(milliseconds=100))
    stops.UNKNOWNS = 1_000_000  # each kill may be one
    begun.send(os.getpid())
    with database.connection_context():
        ends = time.monotonic() + LONGEST
        while something_left() and time.monotonic() < ends:
            running.start_due()
            runs.work_available(HANDLERS)
            time.sleep(0.01)


def tell_stores(order: Sender, begun: Connection) -> None:
    """Tell every store what is due, once. `sabotage` "sleeper": what was looked at before is good enough."""
    prepare(order)
    if order.sabotage == "sleeper":
        telling._check_still_ours = lambda *_: failpoints.reach("channel-connected")  # type: ignore[assignment]
    begun.send(os.getpid())
    with database.connection_context():
        telling.start_due()
        runs.work_available(HANDLERS)


def push_listings(order: Sender, begun: Connection) -> None:
    """Do what is queued, once. `sabotage` "sleeper": what was read before is good enough to be written."""
    prepare(order)
    if order.sabotage == "sleeper":
        batches.Batch._check_still_ours = lambda *_: failpoints.reach("push-connected")  # type: ignore[method-assign]
    begun.send(os.getpid())
    with database.connection_context():
        runs.work_available(HANDLERS)


def something_left() -> bool:
    open_ones = Submission.state << ("waiting", "claimed", "uploading", "uploaded")
    fresh = (FulfillmentRequest.state == "processing") & (FulfillmentRequest.sending == "")
    return (
        Submission.select().where(open_ones).exists()
        or FulfillmentRequest.select().where(fresh).exists()
        or Run.select().where(Run.state << UNFINISHED).exists()
    )


def claim_and_sign(order: Sender, begun: Connection) -> None:
    """Claim until nothing is due; each claim is one line "id token" in the ledger, a file outside the database."""
    prepare(order)
    begun.send(os.getpid())
    with database.connection_context():
        (source,) = Source.select()
        handle = os.open(order.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        while hold := claim.claim(source.id):
            os.write(handle, f"{hold.submission.id} {hold.token}\n".encode())
        os.close(handle)


def naive(hold: Hold, server: Any) -> None:
    """What everybody writes first: the file under its name, again after any doubt."""
    (part,) = parts_of(hold.submission)
    leaving(hold, [part], "uploading")
    place = server.place_of(part.folder)
    server.discard(place, part.name)
    server.write(place, part.name, bytes(part.content))
    failpoints.reach("sending-written")
    settle.sent(hold, "Written")


def careless(hold: Hold, **columns: Any) -> None:
    """A save that does not look whether the submission is still ours."""
    columns = {"lease_until": claim.lease(), **columns}
    Submission.update(columns).where(Submission.id == hold.submission.id).execute()
    hold.keep()
    for name, value in columns.items():
        setattr(hold.submission, name, value)


def expire() -> None:
    """As if the leases of every dead worker had ended, and every wait were over."""
    past = clock.now().replace(year=2000)
    Run.update(lease_until=past).where(Run.state == "running").execute()
    Submission.update(lease_until=past).where(Submission.lease_until.is_null(False)).execute()
    Submission.update(next_at=None).where(Submission.state << ("waiting", "uploading", "uploaded")).execute()


# the supplier


def pick_up(folder: str, ledger: str, ready: Connection) -> None:
    """In a process of its own: take every file whose name does not begin with a dot, as soon as it is seen."""
    ready.send(True)
    with Path(ledger).open("ab", buffering=0) as book:
        while True:
            for one in os.scandir(folder):
                if one.name.startswith(".") or not one.is_file():
                    continue
                try:
                    content = Path(one.path).read_bytes()
                    Path(one.path).unlink()
                except FileNotFoundError:
                    continue
                line = {"name": one.name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
                book.write(json.dumps(line).encode() + b"\n")
            time.sleep(0.001)


class PickUp:
    """The process that empties the folder, and its ledger."""

    def __init__(self, folder: Path, ledger: Path) -> None:
        hears, says = multiprocessing.get_context("fork").Pipe(duplex=False)
        self.ledger = ledger
        ledger.touch()
        self.process = multiprocessing.get_context("fork").Process(target=pick_up, args=(str(folder), str(ledger), says), daemon=True)
        self.process.start()
        hears.recv()

    def end(self) -> list[dict[str, Any]]:
        """What it took, in order, once the folder stayed empty for a moment."""
        time.sleep(0.1)
        self.process.kill()
        self.process.join(10)
        return [json.loads(line) for line in self.ledger.read_text().splitlines()]


@dataclass
class Api:
    """An HTTP API or webhook that takes orders by POST, and its ledger: `taken` are the references in the order they were accepted.

    `proves`: unique (a reference once only, 409 after), key (the same key is answered as before), listed or nothing. `swallow`: of so
    many answers after acceptance the line is cut instead. `lag`: seconds until an order is listed.
    """

    proves: str
    lag: float = 0.0
    swallow: int = 0
    posts: int = 0
    taken: list[str] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    _at: dict[str, float] = field(default_factory=dict)
    _keys: dict[str, int] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def __enter__(self) -> Api:
        api = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                api.take(self, body)

            def do_GET(self) -> None:
                api.tell(self)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self.server = ThreadingHTTPServer((LOOPBACK, 0), Door)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.server.server_port}"

    def take(self, door: Any, body: bytes) -> None:
        named = parse_qs(urlsplit(door.path).query).get("ref")
        reference = named[0] if named else json.loads(body)["reference"]  # a webhook names it in its body
        key = door.headers.get("Idempotency-Key") or door.headers.get("webhook-id", "")
        with self._lock:
            self.posts += 1
            if self.proves == "key" and key in self._keys:
                return answer(door, 201, {"id": self._keys[key]})
            if self.proves == "unique" and reference in self._at:
                return answer(door, 409, {"error": "This reference exists"})
            self.taken.append(reference)
            self.bodies.setdefault(reference, body)
            number = len(self.taken)
            self._at.setdefault(reference, time.monotonic())
            self._keys[key] = number
            cut, self.swallow = self.swallow > 0, max(0, self.swallow - 1)
        if cut:
            door.close_connection = True
            return None
        return answer(door, 201, {"id": number})

    def tell(self, door: Any) -> None:
        wanted = parse_qs(urlsplit(door.path).query).get("ref", [""])[0]
        with self._lock:
            seen = [
                {"id": n, "ref": one}
                for n, one in enumerate(self.taken, 1)
                if one == wanted and time.monotonic() - self._at[one] >= self.lag
            ]
        answer(door, 200, {"orders": seen})

    def toml(self, folder: Path, settle: int = 0) -> Path:
        """A supplier of this API, as a file for the directory."""
        looks = f'path = "/orders"\nquery = "ref={{reference}}"\nitems = "orders"\nfield = "ref"\nsettle_seconds = {settle}\n'
        more = {"key": 'key = "Idempotency-Key"\nwindow_seconds = 86400\n', "nothing": ""}.get(self.proves, looks)
        witness = f'{more}proves = "{self.proves}"'
        path = folder / f"api-{self.proves}.toml"
        path.write_text(_TOML.replace("WITNESS", witness), "utf-8")
        return path


@dataclass
class SoapApi(Api):
    """A service that takes purchase orders (PromoStandards sendPO). `codes`: business errors that the next orders get, inside a 200."""

    codes: list[str] = field(default_factory=list)

    def take(self, door: Any, body: bytes) -> None:
        (reference,) = re.findall(rb"orderNumber>([^<]+)<", body)
        with self._lock:
            self.posts += 1
            code = self.codes.pop(0) if self.codes else ""
            if not code:
                self.taken.append(reference.decode())
                self.bodies.setdefault(reference.decode(), body)
            number = len(self.taken)
            cut, self.swallow = self.swallow > 0, max(0, self.swallow - 1)
        if cut:
            door.close_connection = True
            return None
        error = f"<s:code>{code}</s:code><s:description>No.</s:description><s:severity>Error</s:severity>"
        said = f"<s:ServiceMessageArray><s:ServiceMessage>{error}</s:ServiceMessage></s:ServiceMessageArray>"
        return answer(door, 200, _ENVELOPE.format(said if code else f"<s:transactionId>{number}</s:transactionId>"))


_PO = "http://www.promostandards.org/WSDL/PO/1.0.0/"
_ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
    f'<SendPOResponse xmlns="{_PO}" xmlns:s="{_PO}SharedObjects/">{{}}</SendPOResponse></e:Body></e:Envelope>'
)


def answer(door: Any, status: int, said: Any) -> None:
    body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
    try:
        door.send_response(status)
        door.send_header("Content-Type", "text/xml" if isinstance(said, str) else "application/json")
        door.send_header("Content-Length", str(len(body)))
        door.end_headers()
        door.wfile.write(body)
    except (BrokenPipeError, ConnectionResetError):
        door.close_connection = True  # whoever asked is dead


def judged(approved: dict[str, str], took: list[tuple[str, str]], unsure: set[str]) -> Counter[str]:
    """dup, lost, half, odd and unknown: what was approved {reference: digest} against what a ledger took [(reference, digest)]."""
    times = Counter(name for name, _ in took)
    found: Counter[str] = Counter(dup=0, lost=0, half=0, odd=0, unknown=len(unsure))
    found["dup"] = sum(count - 1 for count in times.values() if count > 1)
    found["lost"] = sum(name not in times and name not in unsure for name in approved)
    found["half"] = sum(approved.get(name, digest) != digest for name, digest in took)
    found["odd"] = sum(name not in approved for name in times)
    return found


_TOML = """
name = "Orders API"
region = "Anywhere"
categories = ["Connect something else"]
protocol = "rest"
methods = ["REST API"]
summary = "An API of a test."
place = 900
minutes = 1
steps = ["Nothing."]
limits = ["A test."]
letter = "Hello"
needs = [{ what = "Nothing", who = "Nobody" }]

[supports]
inventory = true
orders = true
shipments = true

[fixed]
auth = "none"

[[settings]]
key = "base"
label = "Address"
required = true

[operations.get_inventory]
path = "/items"

[operations.send_orders]
path = "/orders"
query = "ref={reference}"
sent_id = "id"

[operations.send_orders.witness]
WITNESS
"""

__all__ = ["Api", "PickUp", "Sender", "SoapApi", "claim_and_sign", "expire", "judged", "know", "naive", "prepare", "send_orders"]
