"""A whole installation of real processes: Postgres, Redis, workers, web processes and a scheduler, each of which may be killed.

What was promised is kept outside of them: the orders that a client was told are taken, and the ledger of the server that picks files up.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal import clock
from portal.models import FulfillmentRequest, Run, SchedulerLease, Submission
from portal.models.runs import UNFINISHED
from tests.servers import LOOPBACK, REDIS, free_port, needs

ROOT = Path(__file__).resolve().parents[2]
SHIP_TO = {"name": "Ada Byron", "address_1": "12 Harbor Rd", "city": "Portland", "state": "ME", "postal": "04101", "country": "US"}


@dataclass
class Part:
    """One process that is started again when it was killed. `port`: where it must answer to count as up; 0: it listens nowhere."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    port: int = 0
    process: Any = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def answers(self) -> bool:
        if not self.port:
            return self.process.poll() is None
        try:
            with socket.create_connection((LOOPBACK, self.port), 0.5):
                return True
        except OSError:
            return False

    def wait(self, seconds: float = 60) -> None:
        ends = time.monotonic() + seconds
        while not self.answers():
            assert time.monotonic() < ends and self.process.poll() is None, f"{self.name}: {self.log.read_text()[-3000:]}"
            time.sleep(0.05)


class Cluster:
    """The installation. `folder` is its DATA_DIR, which all processes share."""

    def __init__(self, url: str, folder: Path, workers: int = 3, webs: int = 2) -> None:
        needs(REDIS)
        redis = free_port()
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        self.environment = {
            **kept, "DATA_DIR": str(folder), "DATABASE_URL": url, "DEMO": "0", "WORKERS": "2", "PER_SERVER": "4",
            "EGRESS_ALLOW": LOOPBACK, "REDIS_URL": f"redis://{LOOPBACK}:{redis}/0",
        }  # fmt: skip
        self.folder, self.parts = folder, {}  # type: ignore[var-annotated]
        store = ["--port", str(redis), "--bind", LOOPBACK, "--save", "", "--appendonly", "no", "--dir", str(folder)]
        self._add("redis", [str(REDIS), *store], redis)
        for number in range(webs):
            port = free_port()
            self._add(f"web-{number}", [sys.executable, "app.py", "web"], port, PORT=str(port))
        for number in range(workers):
            self._add(f"worker-{number}", [sys.executable, "app.py", "worker"])
        self._add("scheduler", [sys.executable, "app.py", "scheduler"])

    def _add(self, name: str, command: list[str], port: int = 0, **settings: str) -> None:
        self.parts[name] = Part(name, command, self.environment | settings, self.folder / f"{name}.log", port)

    def __enter__(self) -> Cluster:
        for part in self.parts.values():
            part.start()
        for part in self.parts.values():
            part.wait()
        return self

    def __exit__(self, *_: Any) -> None:
        for part in self.parts.values():
            if part.process is not None and part.process.poll() is None:
                part.process.kill()
            if part.process is not None:
                part.process.wait(10)

    def webs(self) -> list[int]:
        """The ports of the web processes."""
        return [part.port for name, part in self.parts.items() if name.startswith("web")]

    def said(self) -> str:
        """The logs of all processes."""
        return "\n".join(f"== {part.name}\n{part.log.read_text()[-4000:]}" for part in self.parts.values())


@dataclass
class Till:
    """A shop's till: it posts orders to whichever web process answers, and again with the same key until one has said that it is taken."""

    ports: list[int]
    token: str
    pause: float = 0.0
    told: list[str] = field(default_factory=list)
    again: int = 0
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: Any = None

    def begin(self, count: int) -> None:
        self._thread = threading.Thread(target=self._post, args=(count,), daemon=True)
        self._thread.start()

    def end(self, seconds: float) -> None:
        self._thread.join(seconds)
        self._ending.set()

    def _post(self, count: int) -> None:
        for number in range(count):
            body = {"number": f"T-{number}", "ship_to": SHIP_TO, "lines": [{"sku": "HX-1", "quantity": 1}]}
            turn = number
            while not self._ending.is_set() and not self._taken(body, self.ports[turn % len(self.ports)]):
                turn += 1
                self.again += 1
                time.sleep(0.1)
            self.told.append(str(body["number"]))
            time.sleep(self.pause)

    def _taken(self, body: dict[str, Any], port: int) -> bool:
        line = http.client.HTTPConnection(LOOPBACK, port, timeout=15)
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": body["number"], "Content-Type": "application/json"}
        try:
            line.request("POST", "/api/v1/orders", json.dumps(body), headers)
            return line.getresponse().status in (200, 201)
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()


def verdict(asked: set[str], received: list[str], told: list[str], kept: list[str]) -> dict[str, int]:
    """What was lost or doubled: of the files that were to leave and those that arrived, of the orders told taken and those kept."""
    here, there = Counter(kept), Counter(received)
    return {
        "lost": len(asked - set(there)), "doubled": sum(n > 1 for n in there.values()), "unasked": len(set(there) - asked),
        "orders lost": len(set(told) - set(here)), "orders doubled": sum(n > 1 for n in here.values()),
    }  # fmt: skip


def until(true: Callable[[], Any], seconds: float, said: Callable[[], str]) -> float:
    """Wait; the seconds it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, said()
        time.sleep(0.1)
    return time.monotonic() - began


def something_left() -> bool:
    """Whether any run, submission or request is still under way."""
    open_ones = Submission.state << ("waiting", "claimed", "uploading", "uploaded")
    fresh = (FulfillmentRequest.state == "processing") & (FulfillmentRequest.sending == "")
    return (
        Run.select().where(Run.state << UNFINISHED).exists()
        or Submission.select().where(open_ones).exists()
        or FulfillmentRequest.select().where(fresh).exists()
    )


def as_if_leases_had_ended() -> None:
    """The short form does not wait out the minutes of dead holders; a living holder finds its lease taken, which it must bear too.

    In its few seconds one run may meet that more often than a run that is given up for it: those ends are not counted.
    """
    past = clock.now().replace(year=2000)
    Run.update(lease_until=past, interruptions=0).where(Run.state == "running").execute()
    SchedulerLease.update(until=past).execute()
    Submission.update(lease_until=past).where(Submission.lease_until.is_null(False)).execute()
    Submission.update(next_at=None).where(Submission.state << ("waiting", "uploading", "uploaded")).execute()
