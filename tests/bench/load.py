"""Fifty people at work while a million rows are imported: p50, p95, p99 and errors, beside the same people on an idle system.

    python -m tests.bench.load --rows 1000000

Real processes: two web processes by the `web` verb, one worker that does one run at a time. Closed loop: each person asks, waits for the
answer, thinks for about a second. 70 % lists, 20 % one item, 10 % orders by the API. In the middle another merchant's 500 rows come.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal import accounts, api_tokens, documents, runs, sources
from portal.models import Integration, InventoryItem, Merchant, Run, database
from tests.bench import asking, feed_file, merchant, pages
from tests.conftest import PASSWORD
from tests.databases import Databases, close_database
from tests.faults.cluster import SHIP_TO
from tests.feed_of import Feed, rows_of
from tests.servers import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[2]
GOAL_MS = 500
LISTS = ("/inventory", "/inventory?stock=out", "/runs", "/orders", "/sources", "/products")


@dataclass
class Person:
    """One closed loop. `answers`: (when, milliseconds, what, status); status 0 is no answer."""

    port: int
    session: str
    token: str
    items: list[str]
    seed: int
    answers: list[tuple[float, float, str, int]] = field(default_factory=list)

    def work(self, ending: threading.Event) -> None:
        rng, line, number = random.Random(self.seed), http.client.HTTPConnection(LOOPBACK, self.port, timeout=30), 0
        ending.wait(rng.random())
        while not ending.is_set():
            kind = rng.choices(("list", "item", "write"), (70, 20, 10))[0]
            number += 1
            began = time.perf_counter()
            try:
                status = self._ask(line, kind, rng, number)
            except (OSError, http.client.HTTPException):
                status = 0
                line.close()
            self.answers.append((time.monotonic(), (time.perf_counter() - began) * 1000, kind, status))
            ending.wait(rng.uniform(0.5, 1.5))
        line.close()

    def _ask(self, line: http.client.HTTPConnection, kind: str, rng: random.Random, number: int) -> int:
        if kind == "write":
            body = {"number": f"L-{self.seed}-{number}", "ship_to": SHIP_TO, "lines": [{"sku": "HX-1", "quantity": 1}]}
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            line.request("POST", "/api/v1/orders", json.dumps(body), headers)
        else:
            path = rng.choice(LISTS) if kind == "list" else f"/inventory/{rng.choice(self.items)}"
            line.request("GET", path, headers={"Cookie": f"quayside_session={self.session}"})
        answer = line.getresponse()
        answer.read()
        return answer.status


@dataclass(frozen=True)
class Measured:
    """What fifty people felt in one phase."""

    words: str
    milliseconds: list[float]
    bad: Counter[int]

    def line(self) -> str:
        sizes = sorted(self.milliseconds)
        at = [sizes[min(len(sizes) - 1, int(len(sizes) * share))] for share in (0.5, 0.95, 0.99)] if sizes else [0.0] * 3
        met = "met" if at[2] < GOAL_MS and not self.bad else "NOT MET"
        told = f"{self.words:28} {len(sizes):6,} answers  p50 {at[0]:5.0f}  p95 {at[1]:5.0f}  p99 {at[2]:5.0f}  longest {sizes[-1]:6.0f} ms"
        return f"{told}  errors {sum(self.bad.values())} {dict(self.bad) or ''}  goal p99 < {GOAL_MS} ms and no error: {met}"


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--items", type=int, default=100_000, help="what the people look at")
    parser.add_argument("--people", type=int, default=50)
    parser.add_argument("--idle", type=float, default=30, help="seconds of the idle phase")
    parser.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    chosen = parser.parse_args(arguments)
    kinds = ("sqlite", "postgres") if chosen.database == "both" else (chosen.database,)
    folder = Path(tempfile.mkdtemp(prefix="quayside-load-"))
    databases = Databases(folder)
    try:
        feed_file.write(folder / "million.csv", chosen.rows)
        for kind in kinds:
            place = folder / kind
            place.mkdir()
            url = asking.opened(kind, place, databases)
            pages.filled(url, place, chosen.items)
            print(
                f"{kind}, {chosen.people} people, {chosen.rows:,} rows, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
            )
            print(*measured(url, place, folder / "million.csv", chosen), sep="\n", flush=True)
            close_database()
    finally:
        databases.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def measured(url: str, place: Path, feed: Path, chosen: Any) -> list[str]:
    """The lines to print of one database."""
    settings = asking.use(url, place)
    port = free_port()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "DATA_DIR": str(settings.data_dir), "DATABASE_URL": url, "DEMO": "0", "PORT": str(port), "WORKERS": "1"}
    with database.connection_context():
        people = crowd(port, chosen.people)
        large, small = sources_of_two()
    commands = (["-m", "flask", "--app", "app", "web", "--processes", "2"], ["app.py", "worker"])
    with (place / "log").open("wb") as log:
        started = [subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment, stdout=log, stderr=log) for words in commands]
        try:
            answering(port)
            return phases(people, large, small, feed, chosen.idle)
        finally:
            for process in started:
                process.terminate()
            for process in started:
                process.wait(40)


def phases(people: list[Person], large: Feed, small: Feed, feed: Path, idle: float) -> list[str]:
    """First idle, then with the import; the small merchant's feed comes five seconds into it."""
    ending = threading.Event()
    threads = [threading.Thread(target=one.work, args=(ending,), daemon=True) for one in people]
    for one in threads:
        one.start()
    time.sleep(3)  # each process answers its first page slowly
    began = time.monotonic()
    time.sleep(idle)
    with database.connection_context():
        document = documents.store_file(large.source, feed)
        imported_from = time.monotonic()
        run = runs.start_sync(Integration.get_by_id(large.integration.id), settings={"document": document.id})
        time.sleep(5)
        asked = time.monotonic()
        other = small.start(rows_of(500))
        waited = done_after(other, asked)
        took = done_after(run, imported_from)
    ended = time.monotonic()
    ending.set()
    for one in threads:
        one.join(40)
    lines = [between(people, "idle", began, imported_from).line(), between(people, "while rows are imported", imported_from, ended).line()]
    state = Run.get_by_id(run.id).state
    return [*lines, f"the import: {state} after {took:.0f} s; another merchant's 500 rows, asked for in the middle: after {waited:.1f} s"]


def between(people: list[Person], words: str, since: float, until: float) -> Measured:
    told = [one for person in people for one in person.answers if since <= one[0] <= until]
    return Measured(words, [one[1] for one in told], Counter(one[3] for one in told if one[3] not in (200, 201)))


def done_after(run: Run, began: float, longest: float = 1_800) -> float:
    """Seconds from `began` until the run ended."""
    while time.monotonic() - began < longest:
        if Run.get_by_id(run.id).state not in ("queued", "running"):
            return time.monotonic() - began
        time.sleep(0.2)
    raise TimeoutError(f"the run did not end within {longest:.0f} s")


def crowd(port: int, count: int) -> list[Person]:
    """People who are signed in, all of one merchant, each with a token of the API of their own."""
    whose = Merchant.get()
    owner = accounts.find_user("owner@harbor.example")
    items = [row.public_id for row in InventoryItem.select(InventoryItem.public_id).limit(2_000)]
    made = []
    for number in range(count):
        token = api_tokens.make(whose, f"Till {number}", list(api_tokens.SCOPES), None, "90", owner.email)[1]
        made.append(Person(port, accounts.open_session(owner), token, items, number))
    return made


def sources_of_two() -> tuple[Feed, Feed]:
    """A source for the large feed and one for the small, of two other merchants."""
    first, second = (accounts.create_merchant(name) for name in ("Large", "Small"))
    accounts.create_user(first, "owner@large.example", PASSWORD, role="owner")
    large, small = (Feed(sources.create(of, "Feed", "dropship_supplier", "bench")) for of in (first, second))
    large.map(headers=feed_file.HEADERS, **merchant.RULES)
    return large, small


def answering(port: int, longest: float = 60) -> None:
    """Wait until the web processes answer."""
    ends = time.monotonic() + longest
    while time.monotonic() < ends:
        line = http.client.HTTPConnection(LOOPBACK, port, timeout=5)
        try:
            line.request("GET", "/readyz")
            if line.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            line.close()
    raise TimeoutError("the web processes do not answer")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
