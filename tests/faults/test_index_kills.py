"""SIGKILL while the search index is built: what is found stays right, and the next one goes on where it was."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from portal import config as settings
from portal import failpoints
from portal.inventory import browse, search_index
from portal.models import InventoryItem, Source, bulk, connect, database
from portal.models.database import is_postgres

processes = multiprocessing.get_context("forkserver")
ITEMS = 400


def index(url: str, data_dir: str, dies_at: int) -> None:
    """In a child process: build the index, killed in the transaction of the n-th chunk (0: never)."""
    settings.use(settings.read({"DATA_DIR": data_dir, "DATABASE_URL": url, "DEMO": "0"}))
    connect(url)
    failpoints._name, failpoints._left = "indexing-chunk", dies_at
    search_index.CHUNK = search_index.LARGEST_CHUNK = search_index.SMALLEST_CHUNK = 50
    with database.connection_context():
        search_index.catch_up()
    os._exit(7)


def indexed() -> int:
    return int(bulk.one("SELECT count(*) FROM item_search")[0])


def found(source: Source, word: str) -> list[str]:
    return [item.sku for item in browse.search(source.merchant, query=word).items]


@pytest.mark.parametrize("dies_at", [1, 2, 4])
def test_a_killed_index_is_right_and_the_next_one_goes_on(config: Any, db: str, make_source: Callable[..., Source], dies_at: int) -> None:
    source = make_source()
    rows = [
        {"merchant": source.merchant_id, "source": source.id, "sku": f"NW-{n:04}", "title": f"Tarp rare{n:03}x", "content_hash": n,
         "last_run_id": 1, "last_row": n}
        for n in range(ITEMS)
    ]  # fmt: skip
    InventoryItem.insert_many(rows).execute()
    for _ in range(2):
        child = processes.Process(target=index, args=(db, str(config.data_dir), dies_at))
        child.start()
        child.join(60)
        assert child.exitcode == -signal.SIGKILL
    assert indexed() == 2 * 50 * (dies_at - 1) and search_index.waiting()
    for n in (0, 49, 50, 249, ITEMS - 1):
        assert found(source, f"rare{n:03}x") == [f"NW-{n:04}"]
    child = processes.Process(target=index, args=(db, str(config.data_dir), 0))
    child.start()
    child.join(60)
    assert (child.exitcode, indexed(), search_index.waiting()) == (7, ITEMS, False)
    for n in (0, 49, 50, 249, ITEMS - 1):
        assert found(source, f"rare{n:03}x") == [f"NW-{n:04}"]
    if not is_postgres():
        bulk.run("INSERT INTO item_search (item_search) VALUES ('integrity-check')")
