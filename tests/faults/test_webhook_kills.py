"""SIGKILL of a web process between a delivery and its answer, and of a worker before its run: nothing lost, nothing twice."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from portal import clock, config, failpoints, hook_limits, runs
from portal.models import Document, InventoryItem, Run, Source, WebhookDelivery, WebhookSeen, connect, database
from tests.hooked import Sender, answer_of
from tests.test_deliveries import Hooked

processes = multiprocessing.get_context("fork")  # nothing else runs in the process of a test, and its imports are there
FULL = '[{"item_no": "A", "name": "Lamp", "maker": "Kestrel", "qty": 7, "price": "1.00"}]'


def serve(told: dict[str, Any], said: Connection) -> None:
    """In a child process: one request to the web application, killed at a failpoint; says what it answered, if it lives to."""
    from portal import create_app

    app = create_app(config.read({"DATA_DIR": told["data_dir"], "DATABASE_URL": told["url"], "DEMO": "0"}))
    failpoints._name, failpoints._left = told["point"], 1
    answer = app.test_client().open(told["path"], method="POST", data=told["body"], headers=told["headers"])
    said.send((answer.status_code, answer.get_json()["code"]))
    os._exit(0)


def work(told: dict[str, Any], said: Connection) -> None:
    """In a child process: what a worker does when it looks around, killed at a failpoint."""
    import tasks
    from portal import open_installation

    open_installation(config.read({"DATA_DIR": told["data_dir"], "DATABASE_URL": told["url"], "DEMO": "0"}))
    connect(told["url"])
    failpoints._name, failpoints._left = told["point"], 1
    tasks.do_runs.call_local()
    said.send("ended")
    os._exit(0)


def in_child(act: Callable[..., None], told: dict[str, Any]) -> tuple[int | None, Any]:
    """(exit code, what it said or None)."""
    heard, said = processes.Pipe(duplex=False)
    child = processes.Process(target=act, args=(told, said))
    child.start()
    said.close()
    child.join(60)
    try:
        return child.exitcode, heard.recv() if heard.poll() else None
    except EOFError:
        return child.exitcode, None


@pytest.fixture
def hooked(anonymous: Any, make_source: Callable[..., Source]) -> Hooked:
    hook_limits.refusals.forget()
    return Hooked(anonymous, make_source())


def request(hooked: Sender, db: str, data_dir: Path, point: str) -> dict[str, Any]:
    headers = hooked.signed(FULL.encode(), "msg_1")
    return {"url": db, "data_dir": str(data_dir), "path": hooked.path, "body": FULL, "headers": headers, "point": point}


@pytest.mark.parametrize(("point", "rows"), [("delivery-kept", 0), ("delivery-stored", 1)])
def test_a_web_process_that_dies_before_its_answer(hooked: Hooked, db: str, config: Any, point: str, rows: int) -> None:
    told = request(hooked.sender, db, config.data_dir, point)
    assert in_child(serve, told) == (-signal.SIGKILL, None), "no answer was given"
    assert (WebhookDelivery.select().count(), Document.select().count(), WebhookSeen.select().count()) == (rows, rows, rows)
    assert in_child(serve, {**told, "point": ""}) == (0, (202, "accepted")), "the sender hears nothing, and comes again"
    (kept,) = hooked.sender.deliveries()
    assert (kept.state, kept.repeats) == ("waiting", rows) and Document.select().count() == 1
    assert Path(config.spool_dir / kept.document.stored_name).read_text() == FULL
    hooked.work()
    assert hooked.quantities() == {"A": 7} and Run.select().count() == 1


@pytest.mark.parametrize("point", ["fetch-done", "guarded", "finishing"])
def test_a_worker_that_dies_between_the_answer_and_the_end_of_its_run(hooked: Hooked, db: str, config: Any, point: str) -> None:
    assert answer_of(hooked.sender.send(json.loads(FULL), "msg_1")) == (202, "accepted")
    hooked.came(("A", 8, "1.00"))
    told = {"url": db, "data_dir": str(config.data_dir), "point": point}
    assert in_child(work, told) == (-signal.SIGKILL, None) and hooked.states() == ["taken", "taken"]
    Run.update(lease_until=clock.now()).execute()
    assert in_child(work, {**told, "point": ""}) == (0, "ended")
    hooked.work()
    (run,) = Run.select()
    assert run.state == "finished" and hooked.states() == ["read", "read"]
    assert [(row.sku, row.quantity) for row in InventoryItem.select()] == [("A", 8)]
    assert runs.reap() == 0 and not database.is_closed()
