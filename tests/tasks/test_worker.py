"""A ring wakes a worker, a lost ring costs seconds, a signal gives runs back, and a killed worker's run is continued by another."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import tasks
from portal import accounts, clock, removals
from portal.config import Config
from portal.models import InventoryItem, Run, Session, Source, User, database
from portal.models.database import is_postgres
from tasks import doorbell, work, worker

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def begin(config: Config, db: str) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """begin() -> a worker process on the test's database."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**settings: str) -> subprocess.Popen[bytes]:
        environment = {
            "PATH": os.environ["PATH"], "DATA_DIR": str(config.data_dir), "DATABASE_URL": db, "DEMO": "0", "WORKERS": "2", **settings,
        }  # fmt: skip
        command = [sys.executable, "app.py", "worker"]
        with (config.data_dir / "worker.log").open("wb") as log:
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=log))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def stocked(make_source: Callable[..., Source]) -> Source:
    """A live source with 3,000 items."""
    source = make_source(state="live")
    stock(source, 3_000)
    return source


def stock(source: Source, count: int) -> None:
    numbers = (
        f"SELECT n FROM generate_series(1, {count}) AS t(n)"
        if is_postgres()
        else f"WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {count}) SELECT n FROM t"
    )
    database.execute_sql(
        "INSERT INTO inventory_item (public_id, merchant_id, source_id, sku, content_hash, last_run_id, last_row, "
        "added_run_id, added_row, pinned, archived_by, added_at, changed_at) "
        f"SELECT 'item' || n, {source.merchant_id}, {source.id}, 'N' || n, n, 0, n, "
        "0, n, 0, '', '2026-01-01 00:00:00', '2026-01-01 00:00:00' "
        f"FROM ({numbers}) AS numbers"
    )
    Source.update(item_count=count).where(Source.id == source.id).execute()


def wait_until(true: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, list(Run.select(Run.kind, Run.state, Run.problem).dicts())
        time.sleep(0.1)


def finished(run: Run) -> bool:
    return Run.get_by_id(run.id).state == "finished"


def queue_removal(source: Source, who: User) -> Run:
    return removals.remove_inventory_of(source, source.name, who.email)


def test_a_run_is_done_soon_after_the_ring(begin, stocked, owner):
    begin()
    run = queue_removal(stocked, owner)
    tasks.ring()
    wait_until(lambda: finished(run))
    assert InventoryItem.select().count() == 0


def test_a_run_nobody_rang_for_is_done_too(begin, stocked, owner):
    run = queue_removal(stocked, owner)
    begin()
    wait_until(lambda: finished(run))


def test_a_run_whose_worker_was_killed_is_continued(begin, stocked, owner):
    run = queue_removal(stocked, owner)
    Run.update(state="running", fence=1, attempt=1, lease_until=clock.now() - timedelta(seconds=1)).where(Run.id == run.id).execute()
    begin()
    wait_until(lambda: finished(run))
    assert Run.get_by_id(run.id).fence == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_worker(begin, config, number):
    process = begin()
    wait_until(lambda: "worker with 2 threads" in (config.data_dir / "worker.log").read_text())
    process.send_signal(number)
    assert process.wait(60) == 0


def test_a_signal_in_the_middle_of_a_run_gives_it_back_and_another_worker_ends_it(begin, make_source, owner):
    source = make_source(state="live")
    stock(source, 30_000)
    run = queue_removal(source, owner)
    first = begin()
    wait_until(lambda: InventoryItem.select().count() < 30_000)
    first.send_signal(signal.SIGTERM)
    assert first.wait(10) == 0
    left = InventoryItem.select().count()
    given_back = Run.get_by_id(run.id)
    assert left > 0 and given_back.state == "queued" and given_back.lease_until is None
    begin()
    wait_until(lambda: finished(run))
    ended = Run.get_by_id(run.id)
    assert InventoryItem.select().count() == 0 and ended.interruptions == 0 and ended.fence == 2


def test_workers_that_start_together_on_a_new_database_all_open_their_doorbell(begin, stocked, owner, db):
    if is_postgres():
        for table in ("kv", "schedule", "task", "counter"):
            database.execute_sql(f"DROP TABLE IF EXISTS huey_{table}")
    several = [begin() for _ in range(3)]
    run = queue_removal(stocked, owner)
    wait_until(lambda: finished(run))
    assert [process.poll() for process in several] == [None] * 3


def test_work_waits_in_the_database_when_no_worker_runs(stocked, owner):
    run = queue_removal(stocked, owner)
    tasks.ring()
    assert Run.get_by_id(run.id).state == "queued"
    assert doorbell.huey.pending_count() == 1


def test_looking_around_rings_only_when_something_waits_and_not_without_end(stocked, owner):
    worker.look_around(threads=2)
    assert doorbell.huey.pending_count() == 0
    queue_removal(stocked, owner)
    for _ in range(5):
        worker.look_around(threads=2)
    assert doorbell.huey.pending_count() == 2


def test_a_database_that_is_away_does_not_end_the_worker(config, caplog, tmp_path, db):
    from portal.models import connect

    connect(f"sqlite:///{tmp_path}/missing.db" if db.startswith("sqlite") else "postgresql://nobody@127.0.0.1:1/x")
    worker.look_around(threads=2)
    assert "did not answer" in caplog.text


def test_two_workers_do_each_run_once(stocked, owner, make_source):
    queued = [queue_removal(source, owner) for source in (stocked, *(make_source(f"Source {n}", state="live") for n in range(5)))]
    threads = [threading.Thread(target=tasks.do_runs.call_local) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(finished(run) for run in queued)
    assert {run.fence for run in Run.select()} == {1}


def test_every_kind_of_run_has_somebody_who_does_it():
    documented = re.search(r"`kind`: (.*?)\.\n", Run.__doc__ or "", re.DOTALL)
    assert documented and set(re.split(r",\s+| or ", documented[1])) == set(work.HANDLERS)


def test_the_minute_tidies_accounts_and_purges_sources(stocked, owner, run_work):
    token = accounts.open_session(owner)
    Session.update(ends_at=clock.now()).execute()
    tasks.tidy_accounts.call_local()
    assert accounts.session_for(token) is None and Session.select().count() == 0
    Source.update(state="deleted", deleted_at=clock.now(), purge_at=clock.now() - timedelta(days=1)).execute()
    tasks.purge_deleted_sources.call_local()
    assert doorbell.huey.pending_count() == 1
    run_work()
    assert Source.select().count() == 0
