"""Sources that connect: short words for the tests of connecting, saving, testing and picking the file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from portal import connection_checks, connections
from portal.models import Run, Source
from portal.sources import PRIMARY
from tests.servers import LOOPBACK

CANARY = "canary-7f1e-Zq9-password-that-is-long"
STOCK = b"item_no,qty_avail,cost\nNW-10442,14,9.95\nNW-10443,0,12.00\nNW-10444,212,1.10\n"
WHO = "owner@harbor.example"


def fresh(source: Source) -> Source:
    found = Source.get_by_id(source.id)
    found.merchant = source.merchant
    return found


def sftp_values(server: Any, **more: Any) -> dict[str, Any]:
    return {"host": LOOPBACK, "port": str(server.port), "user": server.user.name, "auth": "password", "folder": "out", **more}


def save(source: Source, values: dict[str, Any], **secrets: str) -> connections.Saved:
    return connections.save(source, values, secrets, connections.find(source).version, WHO)


def states(source: Source) -> dict[str, str]:
    return {one.name: one.state for one in connection_checks.read_back(connections.find(source))}


def check(source: Source, run_work: Callable[[], None], choice: dict[str, str] | None = None, kind: str = PRIMARY) -> Run:
    run = connection_checks.start(source, WHO, choice, kind)
    run_work()
    return Run.get_by_id(run.id)


def trust(source: Source, how: str = "compared", **more: Any) -> None:
    connections.trust_key(source, connections.find(source).offered_key["fingerprint"], how, WHO, **more)
