"""Orders out: taken in, routed, processed, and dropped as files at a real SFTP server; beside the same rows and files without us.

    python -m tests.bench.orders --orders 10000

The floor writes the rows of orders, lines, requests, request lines and committed stock by `insert_many`, commits per thousand orders, and
writes the very same bytes to a folder with fsync. Prints orders per second; asserts no time.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from portal import accounts, directory, orders, routing, runs, sources, vault
from portal import config as settings
from portal.models import (
    CommittedStock,
    FulfillmentRequest,
    Integration,
    InventoryItem,
    Merchant,
    Order,
    OrderLine,
    RequestEvent,
    RequestLine,
    Source,
    SubmissionPart,
    connect,
    database,
)
from portal.orders import NewLine, NewOrder
from portal.requests import process
from tasks.work import HANDLERS
from tests.databases import Databases, close_database, create_schema
from tests.ordered import ADA
from tests.outgoing import connected, turn_on
from tests.servers import LOOPBACK, Server, sshd, system_user

SKUS, LINES, CHUNK = 3_000, 3, 1_000


class Clock:
    """Seconds by the name of what was done."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, name: str, does: Callable[[], object]) -> None:
        """Do it, and say so."""
        began = time.perf_counter()
        does()
        self.seconds[name] = time.perf_counter() - began
        print(f"    {name}: {self.seconds[name]:.1f} s", file=sys.stderr, flush=True)


def stocked(merchant: Merchant, server: Server) -> Source:
    """A live source with stock for everything, whose orders go to the server."""
    source = sources.create(merchant, "Bench", "dropship_supplier", "bench")
    directory.select(source, "sftp-file", True, source.version, "bench")
    source = Source.get_by_id(source.id)
    source.merchant = merchant
    source = connected(source, server)
    turn_on(source)
    rows = [
        {"merchant": merchant, "source": source, "sku": f"S-{n:05}", "title": f"Item {n}", "quantity": 10**6, "cost": 10_000 + n,
         "content_hash": n, "last_run_id": 0, "last_row": n}
        for n in range(SKUS)
    ]  # fmt: skip
    for start in range(0, SKUS, 500):
        InventoryItem.insert_many(rows[start : start + 500]).execute()
    return source


def ours(merchant: Merchant, source: Source, count: int, clock: Clock) -> int:
    """The whole way; how many orders were dropped."""
    news = [
        NewOrder(f"B{n}", [NewLine(f"S-{(n * LINES + m) % SKUS:05}", 1 + n % 3, price=19_900) for m in range(LINES)], dict(ADA))
        for n in range(count)
    ]  # fmt: skip

    def take_in() -> None:
        for start in range(0, count, 200):
            with database.atomic():
                for new in news[start : start + 200]:
                    orders.create(merchant, new, "bench", "api")

    def route() -> None:
        ids = [one.id for one in Order.select(Order.id).order_by(Order.id)]
        for start in range(0, count, 200):
            routing.route_many(merchant, ids[start : start + 200], "bench")

    def send() -> None:
        run = runs.start_sync(Integration.get(Integration.source == source, Integration.kind == "send_orders"))
        runs.work_available(HANDLERS)
        print(f"    {run.id} ended: {runs.find(merchant, run.public_id).state}", file=sys.stderr)

    clock.time("take in", take_in)
    clock.time("route", route)
    clock.time(
        "process", lambda: process.process(list(FulfillmentRequest.select().where(FulfillmentRequest.state == "unprocessed")), "bench")
    )
    clock.time("render and drop", send)
    return FulfillmentRequest.select().where(FulfillmentRequest.sending == "sent").count()


def floor(url: str, merchant_name: str, files: list[bytes], count: int, folder: Path, clock: Clock) -> None:
    """The same rows and bytes, written as quickly as these tables allow."""
    create_schema(url)
    connect(url)
    with database.connection_context():
        merchant = accounts.create_merchant(merchant_name)
        source = sources.create(merchant, "Bench", "dropship_supplier", "bench")

        def write() -> None:
            for start in range(0, count, CHUNK):
                with database.atomic():
                    _rows(merchant, source, range(start, min(start + CHUNK, count)))
            for n, content in enumerate(files):
                with (folder / f"floor{n}.csv").open("wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())

        clock.time("floor", write)
    close_database()


def _rows(merchant: Merchant, source: Source, numbers: range) -> None:
    """The orders of some numbers and all that hangs on them; ids are counted, as a loader would."""
    many = list(numbers)
    _insert(
        Order,
        [{"id": n + 1, "merchant": merchant, "came_by": "api", "number": f"B{n}", "content_hash": "0" * 64, "ship_to": ADA} for n in many],
    )
    lines = [(n * LINES + m + 1, n, m) for n in many for m in range(LINES)]
    skus = {key: f"S-{(n * LINES + m) % SKUS:05}" for key, n, m in lines}
    _insert(
        OrderLine,
        [{"id": key, "order": n + 1, "number": m + 1, "sku": skus[key], "quantity": 1, "unrouted": 0, "routed": 1} for key, n, m in lines],
    )
    _insert(
        FulfillmentRequest,
        [
            {
                "id": n + 1,
                "merchant": merchant,
                "order": n + 1,
                "source": source,
                "number": f"B{n}",
                "state": "processed",
                "sending": "sent",
            }
            for n in many
        ],
    )
    _insert(RequestEvent, [{"request": n + 1, "kind": "sent", "cause": "system", "words": "Sent."} for n in many])
    _insert(
        RequestLine,
        [
            {"id": key, "request": n + 1, "order_line": key, "number": m + 1, "sku": skus[key], "ordered": 1, "open": 1}
            for key, n, m in lines
        ],
    )
    _insert(
        CommittedStock,
        [{"merchant": merchant, "source": source, "line": key, "sku": skus[key], "committed": 1, "quantity": 1} for key, _, _ in lines],
    )


def _insert(table: type, rows: list[dict[str, object]]) -> None:
    for start in range(0, len(rows), 500):
        table.insert_many(rows[start : start + 500]).execute()  # type: ignore[attr-defined]


@contextmanager
def installation(url: str, folder: Path) -> Iterator[None]:
    """Settings, key and database of one installation in this process."""
    create_schema(url)
    config = settings.read({"DATA_DIR": str(folder / "data"), "DATABASE_URL": url, "DEMO": "0"})
    settings.use(replace(config, egress_allow=LOOPBACK))
    connect(url)
    vault.use(vault.load(config.secret_key_file))
    with database.connection_context():
        yield
    close_database()


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--orders", type=int, default=10_000)
    asked.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    given = asked.parse_args()
    folder, kinds = Path(tempfile.mkdtemp(prefix="orders")), ["sqlite", "postgres"] if given.database == "both" else [given.database]
    databases = Databases(folder)
    where = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{given.orders:,} orders of {LINES} lines; {where}.")
    try:
        with system_user() as user, sshd(user) as server:
            user.put("orders/.keep", b"")
            shutil.chown(user.home / "orders", user.name)
            for kind in kinds:
                print(compared(kind, given.orders, folder, databases, server), flush=True)
    finally:
        databases.stop()
        shutil.rmtree(folder, ignore_errors=True)


def compared(kind: str, count: int, folder: Path, databases: Databases, server: Server) -> str:
    """One database: both ways, and the ratio."""
    address = (lambda name: f"sqlite:///{folder}/{name}.db") if kind == "sqlite" else databases.empty_postgres
    clock = Clock()
    with installation(address("ours"), folder / kind):
        merchant = accounts.create_merchant("Bench")
        source = stocked(merchant, server)
        dropped = ours(merchant, source, count, clock)
        if dropped != count:
            sys.exit(f"{dropped:,} of {count:,} orders were dropped")
        files = [bytes(part.content) for part in SubmissionPart.select().order_by(SubmissionPart.id)]
    floor(address("floor"), "Bench", files, count, folder, clock)
    whole = sum(seconds for name, seconds in clock.seconds.items() if name != "floor")
    steps = ", ".join(f"{name} {count / seconds:,.0f}/s" for name, seconds in clock.seconds.items() if name != "floor")
    return (
        f"{kind}: {count / whole:,.0f} orders/s from taking in to the file at the supplier ({steps}); "
        f"the same rows and bytes without us {count / clock.seconds['floor']:,.0f}/s: ratio {whole / clock.seconds['floor']:.1f}"
    )


if __name__ == "__main__":
    main()
