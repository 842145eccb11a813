"""Stop in each phase of a run: it ends soon, the table is whole, and the next quiet sync makes of it what a clean run would."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from portal import failpoints, leases, runs
from portal.inventory import apply, finding, parsing, plan
from portal.models import Circuit, Connection, Integration, InventoryItem, MappingVersion, Run, Source, bulk, database
from portal.models.database import is_postgres
from tasks.work import HANDLERS
from tests.connecting import save
from tests.connectors.web_server import web
from tests.faults import tables
from tests.faults.test_kills import file_of
from tests.feed_of import FORMAT, RULES, Feed

pytest_plugins = ("tests.connected",)
WHO = "ana@harbor.example"
ROWS = 300
WRITING = ("applied-chunk", "removals")
"""Points past which the table is changed; on Postgres these alone, as what is before them is the same program."""
SOON = 5.0  # seconds from the wish to the end; a chunk takes milliseconds here


@pytest.fixture(autouse=True)
def small_chunks(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many chunks in a small file, and each looks for a stop."""
    for module in (plan, apply):
        monkeypatch.setattr(module, "CHUNK", 40)
    monkeypatch.setattr(apply, "LEAST", 40)
    monkeypatch.setattr(apply, "MOST", 40)
    monkeypatch.setattr(apply, "LONGEST_HOLD", 0.0)
    monkeypatch.setattr(finding, "STRIDE", 40)
    monkeypatch.setattr(parsing, "BLOCK", 1_600)
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(leases, "WRITE_EVERY", 0.0)
    if not is_postgres():
        database.execute_sql("PRAGMA synchronous = OFF")


def stopping_at(monkeypatch: pytest.MonkeyPatch, point: str, number: int) -> dict[str, Any]:
    """Somebody presses Stop when the run passes `point` for the n-th time. What was passed since, and when that was."""
    seen: dict[str, Any] = {"left": number, "after": [], "at": 0.0}

    def reach(name: str) -> None:
        if seen["at"]:
            seen["after"].append(name)
        elif name == point:
            seen["left"] -= 1
            if not seen["left"]:
                runs.request_stop(Run.select().where(Run.state == "running").get(), WHO)
                seen["at"] = time.monotonic()

    monkeypatch.setattr(failpoints, "reach", reach)
    return seen


def whole(feed: Feed) -> None:
    """Each SKU once, and the source's own counts are those of its rows."""
    rows = list(InventoryItem.select(InventoryItem.sku).where(InventoryItem.source == feed.source))
    assert len({row.sku for row in rows}) == len(rows) == Source.get_by_id(feed.source.id).item_count


def test_a_stop_in_each_phase_ends_the_run_soon_and_the_next_sync_makes_the_table_that_a_clean_one_makes(
    make_source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed, twin = Feed(make_source()), Feed(make_source("Twin"))
    for each in (feed, twin):
        each.sync(file_of(0, ROWS))
    points = WRITING if is_postgres() else [point for point in failpoints.POINTS if point != "finishing"]
    for number, point in enumerate(points, 1):
        with monkeypatch.context() as patch:
            seen = stopping_at(patch, point, 2 if point.endswith("chunk") else 1)
            run = feed.sync(file_of(number, ROWS))
            took = time.monotonic() - seen["at"]
        assert seen["at"], f"{point} was never passed"
        assert run.state == "stopped" and run.problem["code"] == "stopped" and not run.accepted and run.lease_until is None, point
        assert took < SOON and len([name for name in seen["after"] if name != "finishing"]) <= 1, (point, seen["after"])
        whole(feed)
        if point not in WRITING:
            assert tables.table(feed) == tables.table(twin), f"{point}: nothing was written yet"
        clean, again = twin.sync(file_of(number, ROWS)), feed.sync(file_of(number, ROWS))
        assert again.state == clean.state == "warnings" and tables.table(feed) == tables.table(twin), point
        whole(feed)


def test_a_stop_that_comes_when_all_is_done_changes_nothing(make_source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed(make_source())
    seen = stopping_at(monkeypatch, "finishing", 1)
    run = feed.sync(file_of(0, ROWS))
    assert seen["at"] and run.state == "warnings" and run.accepted
    whole(feed)


@pytest.mark.one_database
@pytest.mark.parametrize("says", ["drips", "silent"])
def test_a_stop_while_a_server_is_slow_or_silent_ends_the_run_soon(
    chosen: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, says: str
) -> None:
    ended = threading.Event()

    def answers(opened: socket.socket) -> None:
        opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nitem_no,qty_avail,cost\n")
        while not ended.wait(0.1):
            if says == "drips":
                try:
                    opened.sendall(b"N")
                except OSError:
                    return

    with web(answers) as server:
        source = chosen("http-file")
        save(source, {"url": server.link(), "auth": "none"})
        Connection.update(state="ok").where(Connection.source == source).execute()
        Source.update(state="live").where(Source.id == source.id).execute()
        integration = Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary")
        MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["item_no", "qty_avail", "cost"])
        Integration.update(mapping_version=1, enabled=True, settings={"format": FORMAT}).where(Integration.id == integration.id).execute()
        run = runs.start_sync(Integration.get_by_id(integration.id))

        def work() -> None:
            with database.connection_context():
                runs.work_available(HANDLERS)

        worker = threading.Thread(target=work)
        worker.start()
        ends = time.monotonic() + 10
        while Run.get_by_id(run.id).stage != "fetch" or not server.heard:
            assert time.monotonic() < ends
            time.sleep(0.05)
        time.sleep(0.3)
        runs.request_stop(Run.get_by_id(run.id), WHO)
        began = time.monotonic()
        worker.join(25)
        took = time.monotonic() - began
        ended.set()
        worker.join(60)
    assert Run.get_by_id(run.id).state == "stopped" and took < SOON, f"{took:.1f} s"
    assert not InventoryItem.select().where(InventoryItem.source == source.id).exists()
    assert not Circuit.select().exists(), "that we hung up is no failure of theirs"
