"""A server that keeps failing is left alone for a while; a slow one never holds up what others wait for."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from portal import circuit, clock, runs, sources, turns
from portal.connectors import problems
from portal.errors import Later, SupplierError
from portal.models import Circuit, Integration, MappingVersion, Run, Source, database
from tasks.work import HANDLERS
from tests.connecting import fresh, save
from tests.connectors.web_server import Web, answer, web
from tests.servers import free_port

pytest_plugins = ("tests.connected",)

STOCK = b"sku,qty\nA-1,4\nA-2,9\n"
RULES = {"fields": {"sku": {"columns": ["sku"]}, "quantity": {"columns": ["qty"]}}}


@pytest.fixture
def behind(chosen: Any) -> Callable[..., Source]:
    """behind(port, name): a live source whose file link is on that loopback port."""

    def make(port: int, name: str = "Northwind") -> Source:
        made: Source = chosen("http-file", name=name)
        save(made, {"url": f"http://127.0.0.1:{port}/stock.csv", "auth": "none"})
        integration = sources.integration(made, "get_inventory_primary")
        MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["sku", "qty"])
        settings = {"match": "newest", "pattern": "*", "format": {"kind": "delimited"}}
        Integration.update(mapping_version=1, enabled=True, settings=settings).where(Integration.id == integration.id).execute()
        Source.update(state="live").where(Source.id == made.id).execute()
        return fresh(made)

    return make


class Clock:
    """Our time, which a test moves on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = clock.now()
        monkeypatch.setattr(clock, "now", lambda: self.at)

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


def sync(source: Source, cause: str = "schedule") -> Run:
    with contextlib.suppress(runs.AlreadyRunning):
        run = runs.start_sync(sources.integration(source, "get_inventory_primary"), cause=cause)
        runs.work_available(HANDLERS)
        return Run.get_by_id(run.id)
    runs.work_available(HANDLERS)
    return Run.select().order_by(Run.id.desc()).first()


def test_three_failures_open_it_and_one_try_closes_it_again(client: Any, behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port, now = free_port(), Clock(monkeypatch)
    source = behind(port)
    page = f"/sources/{source.public_id}"
    for minutes in (0, 3, 6):
        now.forward(minutes=minutes)
        assert circuit.of(source) is None and 'id="resting"' not in client.get(page).text
        assert sync(source).problem["code"] == "port_closed"
    rest = circuit.of(source)
    assert rest is not None and (rest.failures, rest.until - now.at) == (3, timedelta(minutes=5))
    assert "3 times in a row" in client.get(page).text and "Run Sync tries at once" in client.get(page).text

    with serving(port, answer(STOCK)) as server:
        Run.update(due_at=now.at).execute()
        run = sync(source)
        assert (run.state, run.problem["code"], run.tries) == ("queued", "server_resting", 3) and server.heard == []
        assert run.due_at == rest.until and "Nothing was asked now" in run.problem["body"]
        now.forward(minutes=5, seconds=1)
        run = sync(source)
        assert run.state == "finished" and circuit.of(source) is None and not Circuit.select().exists(), run.problem
    assert 'id="resting"' not in client.get(page).text


def test_a_try_that_fails_again_makes_the_rest_longer_and_only_one_is_made(behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source, now = behind(free_port()), Clock(monkeypatch)
    failure = problems.timed_out("files.example", 30, "answering")

    def ask(by_hand: bool = False, error: SupplierError | None = failure) -> None:
        with circuit.watched(source, by_hand):
            if error is not None:
                raise error

    for _ in range(3):
        with pytest.raises(SupplierError):
            ask()
    for minutes in (5, 15, 30, 60, 60):
        with pytest.raises(Later) as later:
            ask()
        assert later.value.until - now.at == timedelta(minutes=minutes)
        now.forward(minutes=minutes)
        with pytest.raises(SupplierError) as tried, circuit.watched(source, False):
            with pytest.raises(Later):  # another run, while this one tries
                ask()
            raise failure
        assert not isinstance(tried.value, Later)
    ask(by_hand=True, error=None)
    ask(error=None)
    assert circuit.of(source) is None


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (problems.timed_out("h", 30, "answering"), True),
        (problems.connection_lost("h", "reading"), True),
        (problems.port_closed(22, ""), True),
        (problems.host_unknown("h", temporary=True), True),
        (problems.cut_download(3, 9), True),
        (problems.http_status(500, "", ""), True),
        (problems.http_status(429, "", ""), True),
        (problems.http_status(404, "", ""), False),
        (problems.http_status(403, "", "", permanent=True), False),
        (problems.host_unknown("h"), False),
        (problems.sign_in_refused("h", "u"), False),
        (problems.file_missing("", ""), False),
        (problems.not_stored("disk full"), False),
        (problems.too_large(5), False),
    ],
)  # fmt: skip
def test_only_failures_of_the_server_count(error: SupplierError, counts: bool) -> None:
    assert circuit.is_servers(error) is counts


def test_run_sync_by_hand_always_tries_and_its_own_repeats_do_not(behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port, now = free_port(), Clock(monkeypatch)
    source = behind(port)
    Circuit.create(source=source, failures=3, opened=1, headline="Nothing answers", until=now.at + timedelta(minutes=5))
    run = sync(source)
    assert run.problem["code"] == "server_resting"
    again = sync(source, "person")  # brings the waiting run forward
    assert (again.id, again.problem["code"], again.tries) == (run.id, "port_closed", 1)
    now.forward(minutes=3)
    assert sync(source).problem["code"] == "server_resting", "the repeat is ours, not the person's"
    with serving(port, answer(STOCK)):
        assert sync(source, "person").state == "finished"
    assert circuit.of(source) is None


@pytest.mark.parametrize(
    ("error", "closes"),
    [
        (problems.http_status(403, "", "", permanent=True), True),
        (problems.http_status(404, "", ""), True),
        (problems.sign_in_refused("h", "u"), True),
        (problems.folder_missing("/out", []), True),
        (problems.host_unknown("h"), False),
        (problems.no_key(False), False),
        (problems.not_stored("disk full"), False),
    ],
)
def test_an_answer_that_refuses_the_one_try_closes_it_too(
    behind: Any, monkeypatch: pytest.MonkeyPatch, error: SupplierError, closes: bool
) -> None:
    source, now = behind(free_port()), Clock(monkeypatch)
    Circuit.create(source=source, failures=3, opened=1, headline="Nothing answers", until=now.at)
    with pytest.raises(SupplierError) as tried, circuit.watched(source, False):
        raise error
    assert tried.value is error and (circuit.of(source) is None) is closes
    with pytest.raises(Later) if not closes else contextlib.nullcontext(), circuit.watched(source, False):
        pass


def test_a_refused_run_leaves_no_rest_behind(client: Any, behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    port, now = free_port(), Clock(monkeypatch)
    source = behind(port)
    Circuit.create(source=source, failures=3, opened=1, headline="Nothing answers", until=now.at)
    with serving(port, answer(status="403 Forbidden")):
        assert sync(source).problem["headline"] == "The server does not let us read this link"
    assert circuit.of(source) is None and 'id="resting"' not in client.get(f"/sources/{source.public_id}").text


@contextlib.contextmanager
def serving(port: int, says: bytes) -> Iterator[Web]:
    """A web server on a port that was free."""
    import socket

    made = Web("http", [says], port)
    ending = threading.Event()
    with socket.create_server(("127.0.0.1", port)) as listener:
        listener.settimeout(0.1)

        def accept() -> None:
            while not ending.is_set():
                with contextlib.suppress(OSError):
                    opened, _ = listener.accept()
                    with opened:
                        made.serve(opened)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield made
        finally:
            ending.set()
            thread.join()


# turns at a server


class Workers:
    """Two threads that work as a worker process with two threads does, each on its own connection."""

    def __init__(self) -> None:
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._work) for _ in range(2)]

    def _work(self) -> None:
        with database.connection_context():
            while not self.ending.is_set():
                runs.work_available(HANDLERS)
                time.sleep(0.02)

    def __enter__(self) -> Workers:
        for one in self.threads:
            one.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        for one in self.threads:
            one.join(30)


def answered_before_quick(behind: Any, held: float) -> int:
    """Three sources of a slow server, which answers after `held` seconds, and then one of a quick one are queued.

    Answers of the slow one when the quick one's sync was done: it answers at once from then on.
    """
    released, answered = threading.Event(), list[Any]()

    def slowly(opened: Any) -> None:
        released.wait(held)
        answered.append(opened)
        opened.sendall(answer(STOCK))

    with web(slowly) as slow, web(answer(STOCK)) as quick:
        waiting = [behind(slow.port, f"Slow {n}") for n in range(3)]
        other = behind(quick.port, "Quick")
        started = [runs.start_sync(sources.integration(one, "get_inventory_primary"), cause="schedule") for one in (*waiting, other)]
        with Workers():
            _until_done(started[3:], 90)
            before = len(answered)
            released.set()
            _until_done(started, 90)
    assert {Run.get_by_id(one.id).state for one in started} == {"finished"}
    return before


def _until_done(started: list[Run], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if not Run.select().where(Run.id << [one.id for one in started], Run.state << ("queued", "running")).exists():
            return
        time.sleep(0.05)
    raise AssertionError([Run.get_by_id(one.id).__data__ for one in started])


def test_a_slow_server_does_not_hold_up_a_quick_one(behind: Any) -> None:
    assert answered_before_quick(behind, held=60) == 0


@pytest.mark.one_database
def test_without_turns_it_would(behind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "most", lambda: 99)
    assert answered_before_quick(behind, held=2) > 0, "both workers wait for the slow server"


def test_turns_are_counted_over_all_workers_and_freed_by_a_dead_one(behind: Any) -> None:
    one, two, three = (behind(free_port(), f"Source {n}") for n in range(3))
    first, second, hand = (
        runs.start(source, "inventory", integration=sources.integration(source, "get_inventory_primary"), cause=cause, claimed=True)
        for source, cause in ((one, "schedule"), (two, "schedule"), (three, "person"))
    )
    with turns.taken(first.id, "files.example:22"):
        assert Run.get_by_id(first.id).server == "files.example:22"
        with turns.taken(second.id, "other.example:22"):
            assert Run.get_by_id(second.id).server == "other.example:22"
        with pytest.raises(Later) as later, turns.taken(second.id, "files.example:22"):
            pass
        assert later.value.server == "files.example:22" and "files.example" in later.value.problem.body
        with turns.taken(hand.id, "files.example:22"):
            pass  # a person does not wait behind a schedule
        Run.update(lease_until=clock.now() - timedelta(seconds=1)).where(Run.id == first.id).execute()
        with turns.taken(second.id, "files.example:22"):
            pass  # the first one's worker is gone
    assert {row.server for row in Run.select()} == {""}


def test_a_run_that_waits_for_a_server_is_not_claimed_before_there_is_room(behind: Any) -> None:
    one, two = behind(free_port(), "One"), behind(free_port(), "Two")
    integration = sources.integration(one, "get_inventory_primary")
    busy = runs.start(one, "inventory", integration=integration, cause="schedule", claimed=True)
    waits = runs.start_sync(sources.integration(two, "get_inventory_primary"), cause="schedule")
    Run.update(server="files.example:22").execute()
    assert runs.claim() is None and runs.reap() == 0
    Run.update(server="").where(Run.id == busy.id).execute()
    claimed = runs.claim()
    assert claimed is not None and claimed.id == waits.id


def test_servers_are_told_apart_by_host_and_port() -> None:
    from portal.connection_values import place_of

    assert place_of({"url": "https://Files.example/a.csv"}) == "files.example:443"
    assert place_of({"base": "http://files.example:8080/v1"}) == "files.example:8080"
    assert place_of({"host": "files.example", "port": 22}) == "files.example:22"
    assert place_of({}) == ""


@pytest.mark.parametrize(("asked", "minutes"), [("3600", 60), ("10", 2), ("1000000000", 1_440), ("-1", 2)])
def test_a_run_tries_again_no_sooner_than_the_server_asks(behind: Any, monkeypatch: pytest.MonkeyPatch, asked: str, minutes: int) -> None:
    now = Clock(monkeypatch)
    with web(answer(status="429 Slow down", Retry_After=asked)) as server:
        run = sync(behind(server.port))
    assert (run.state, run.due_at - now.at) == ("queued", timedelta(minutes=minutes)), run.problem
