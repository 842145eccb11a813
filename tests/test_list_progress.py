"""A list that is read page by page: how far it is, a wait that is said, and Stop, which ends it within the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import documents, leases, run_report, runs, sources
from portal.connectors import caller
from portal.connectors.caller import Asked, Caller
from portal.connectors.network import Guard
from portal.errors import SupplierError
from portal.models import Exchange, Integration, MappingVersion, Run, RunMessage, Source, database
from tasks.work import HANDLERS
from tests.connecting import WHO, fresh, save
from tests.connectors.api_server import Api, api
from tests.connectors.web_server import web
from tests.servers import LOOPBACK
from tests.test_api_sources import LIST, RULES

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database


@pytest.fixture
def server() -> Iterator[Api]:
    with api(auth="header", count=30) as made:
        yield made


@pytest.fixture
def ready(chosen: Any, server: Api, quick: None) -> Source:
    """A live source behind the API whose list has ten pages."""
    made: Source = chosen("rest-api")
    save(made, {**LIST, "base": server.base, "auth": "header", "header_name": "X-Api-Key"}, key=server.key)
    integration = sources.integration(made, "get_inventory_primary")
    MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["sku", "stock.units", "price"])
    form = {"kind": "jsonl", "row_path": ""}
    Integration.update(mapping_version=1, enabled=True, settings={"format": form}).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == made.id).execute()
    return fresh(made)


class Reading:
    """A sync of the source in a thread of its own, as in a worker."""

    def __init__(self, source: Source) -> None:
        self.run = runs.start_sync(sources.integration(source, "get_inventory_primary"))
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        with database.connection_context():
            runs.work_available(HANDLERS)

    def now(self) -> Run:
        return Run.get_by_id(self.run.id)

    def until(self, seen: Callable[[Run], bool], seconds: float = 20) -> Run:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if seen(run := self.now()):
                return run
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s: {self.now().__data__}")

    def stop(self) -> Run:
        """The run after it was stopped; what goes on for half a minute more is not stopped yet."""
        runs.request_stop(self.now(), WHO)
        self.thread.join(30)
        return self.now()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "WRITE_EVERY", 0.05)


def left_no_file(source: Source) -> bool:
    folder = documents.spool_path(source).parent
    return not [one for one in Path(folder).glob("*") if one.name.endswith(".part")]


def test_pages_and_items_are_counted_while_the_list_is_read_and_stop_ends_it(ready: Source, server: Api) -> None:
    page = server.page

    def slowly(query: dict[str, str]) -> Any:
        time.sleep(0.3)
        return page(query)

    server.page = slowly  # type: ignore[method-assign]
    reading = Reading(ready)
    run = reading.until(lambda one: bool(one.stages.get("fetch", {}).get("pages")))
    seen = run_report.report(run).progress
    assert (seen.unit, seen.total) == ("items", 30) and seen.pages and seen.done == 3 * seen.pages and seen.percent == seen.done * 100 // 30
    run = reading.stop()
    assert run.state == "stopped" and len(server.asked) < 10
    assert left_no_file(ready) and run.document_id is None
    told = Exchange.select().order_by(Exchange.id.desc()).first()
    assert told.status in (200, None) and (told.status or told.problem == "Broken off by us")


def test_stop_ends_a_wait_that_the_server_asked_for_which_is_said(ready: Source, server: Api) -> None:
    server.broken, server.wait = {3: 429}, "200"
    reading = Reading(ready)
    run = reading.until(lambda one: RunMessage.select().where(RunMessage.run == one.id).exists())
    assert RunMessage.get(RunMessage.run == run.id).text == "The server answered 429. We ask again in 200 seconds."
    reading.until(lambda one: run_report.report(one).progress.pages == 2)
    assert reading.stop().state == "stopped"


def test_stop_ends_a_request_that_is_not_answered(ready: Source, server: Api) -> None:
    page, silent = server.page, threading.Event()
    server.page = lambda query: page(query) if silent.wait(60) else ({}, {})  # type: ignore[method-assign]
    reading = Reading(ready)
    reading.until(lambda one: one.stage == "fetch" and len(server.asked) > 0)
    run = reading.stop()
    silent.set()
    assert run.state == "stopped"
    assert Exchange.get().problem == "Broken off by us"


def test_a_whole_list_says_how_many_pages_it_had(ready: Source, server: Api) -> None:
    reading = Reading(ready)
    reading.thread.join(60)
    run = reading.now()
    assert run.state == "finished", run.problem
    fetched = run_report.report(run).stages[0]
    assert (fetched.unit, fetched.count, fetched.pages) == ("items", 30, 10)
    texts = [one.text for one in RunMessage.select().where(RunMessage.run == run.id)]
    assert any(text.startswith("Fetched 30 items on 10 pages, ") for text in texts)


def test_an_answer_that_drips_for_ever_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "ANSWER_SECONDS", 0.5)

    def drip(opened: Any) -> None:
        opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(100):
            opened.sendall(b"x")
            time.sleep(0.05)

    with web(drip) as server, pytest.raises(SupplierError) as refused:
        Caller(Guard.from_config(LOOPBACK), secrets={}, record=lambda _: None, plain_ok=True).ask(Asked("GET", server.link()))
    assert refused.value.problem.code == "timed_out"
