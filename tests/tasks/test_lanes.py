"""What is short and urgent never waits for what is long: it has threads and places of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import tasks
from portal import connection_checks, runs
from portal.models import Alert, Connection, Integration, Order, Run, Source
from tasks import doorbell, work
from tests.connecting import WHO, save
from tests.connectors.web_server import answer, web
from tests.feed_of import FORMAT, RULES, MappingVersion
from tests.ordered import place
from tests.servers import LOOPBACK

pytest_plugins = ("tests.connected",)
ROOT = Path(__file__).resolve().parents[2]
LONGEST = 20.0  # seconds until all that is urgent is done; the slow servers would take hours


def drip(opened: socket.socket) -> None:
    """A megabyte is announced and comes byte by byte, ten a second."""
    opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nitem_no,qty_avail,cost\n")
    for _ in range(600):
        try:
            opened.sendall(b"N")
        except OSError:
            return
        time.sleep(0.1)


def reading(source: Source, link: str) -> Run:
    """The source is live and a run of it waits."""
    save(source, {"url": link, "auth": "none"})
    Connection.update(state="ok").where(Connection.source == source).execute()
    Source.update(state="live").where(Source.id == source.id).execute()
    integration = Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary")
    MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["item_no", "qty_avail", "cost"])
    Integration.update(mapping_version=1, enabled=True, settings={"format": FORMAT}).where(Integration.id == integration.id).execute()
    return runs.start_sync(Integration.get_by_id(integration.id), cause="schedule")


def until(true: Callable[[], Any], log: Path, seconds: float = LONGEST) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, f"{list(Run.select(Run.kind, Run.state).tuples())} {log.read_text()[-2000:]}"
        time.sleep(0.1)


@pytest.mark.one_database
def test_two_runs_that_read_slowly_hold_up_no_order_alert_or_test(chosen, make_source, db, merchant, tmp_path):
    """Both places of a worker are held by servers that drip; orders are routed, connections tested and alerts found all the same."""
    with ExitStack() as stack:
        slow = [stack.enter_context(web(drip)) for _ in range(2)]
        fine = stack.enter_context(web(answer(b"item_no,qty_avail,cost\nNW-1,14,9.95\n")))
        held = [reading(chosen("http-file", name=f"Slow {n}"), server.link()) for n, server in enumerate(slow)]
        log = tmp_path / "worker.log"
        told = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "DATABASE_URL": db, "DEMO": "0", "WORKERS": "2",
                "EGRESS_ALLOW": LOOPBACK}  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen([sys.executable, "app.py", "worker"], cwd=ROOT, env=told, stdin=subprocess.DEVNULL, stderr=out)
        stack.callback(process.wait)
        stack.callback(process.kill)
        until(lambda: Run.select().where(Run.state == "running", Run.stage == "fetch").count() == 2, log)

        order = place(merchant)
        tested = chosen("http-file", name="Prompt")
        save(tested, {"url": fine.link(), "auth": "none"})
        check = connection_checks.start(tested, WHO)
        broken = Integration.create(source=make_source("Broken", state="live"), kind="send_orders")
        problem = {"code": "x", "headline": "Refused", "body": ""}
        last = Run.create(merchant=merchant, source=broken.source, integration=broken, kind="send_orders", number=99, state="failed",
                          problem=problem, finished_at=check.created_at)  # fmt: skip
        Integration.update(last_run_id=last.id, enabled=True).where(Integration.id == broken.id).execute()
        tasks.ring()
        until(lambda: Run.get_by_id(check.id).state == "finished", log)
        until(lambda: Order.get_by_id(order.id).routing == "problem", log)
        until(lambda: Alert.select().where(Alert.headline == "Refused").exists(), log)
        assert [Run.get_by_id(run.id).state for run in held] == ["running"] * 2
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0 and time.monotonic() - began < 12


def test_each_lane_has_its_kinds_and_its_tasks():
    assert set(work.LONG) | set(work.SENDING) == set(work.HANDLERS) and not set(work.LONG) & set(work.SENDING)
    assert {lane.name for lane in doorbell.LANES[1:]} == set(doorbell.THREADS)
    of = {name.rpartition(".")[2]: lane.name for lane in doorbell.LANES for name in lane._registry._registry}
    urgent = {"route_orders", "mind_orders", "look_for_alerts", "mind_freshness", "start_due_runs", "tell_alerts", "tell_people"}
    assert {of[name] for name in urgent} == {"quayside_quick", "quayside_letters"}
    assert [name for name, lane in of.items() if lane == "quayside"] == ["do_runs"], "the lane of long runs has no other task"
    assert of["do_runs"] == "quayside" and of["do_sending"] == "quayside_sending"


def test_a_slow_read_at_a_server_keeps_no_order_from_leaving_to_it(make_source, loopback):
    source = make_source(state="live")
    read = runs.start(source, "get_shipments", cause="schedule", claimed=True)
    Run.update(server="h:22").where(Run.id == read.id).execute()
    waiting = [runs.start(source, kind, cause="schedule") for kind in ("get_shipments", "send_orders")]
    Run.update(server="h:22").where(Run.id << [run.id for run in waiting]).execute()
    assert runs.claim().id == waiting[1].id and runs.claim() is None
