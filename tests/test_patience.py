"""Writers of SQLite that wait for each other, and chunks that fit the time they may hold the lock."""

from __future__ import annotations

import importlib
import sqlite3
import threading
import time

import pytest
from peewee import OperationalError

from portal import failpoints
from portal.inventory import apply
from portal.models import Merchant, bulk, database
from portal.models.database import is_postgres
from tests.feed_of import Feed, rows_of

handle = importlib.import_module("portal.models.database")  # whose name in its package is the database itself


@pytest.fixture
def locked(db):
    """A function: hold SQLite's write lock for so many seconds from another connection."""
    if is_postgres():
        pytest.skip("Postgres locks no other writer out")
    path = db.removeprefix("sqlite:///")
    holding: list[threading.Thread] = []

    def hold(seconds: float) -> None:
        held = threading.Event()

        def act() -> None:
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            held.set()
            time.sleep(seconds)
            other.execute("COMMIT")
            other.close()

        holding.append(threading.Thread(target=act))
        holding[-1].start()
        assert held.wait(10)

    yield hold
    for thread in holding:
        thread.join()


def test_a_writer_waits_for_another_one_in_a_transaction_and_by_itself(locked):
    locked(0.3)
    with database.atomic():
        Merchant.create(name="First", data_key="")
    locked(0.3)
    Merchant.create(name="Second", data_key="")
    assert {row.name for row in Merchant.select()} == {"First", "Second"}


def test_a_writer_gives_up_when_its_patience_ends(locked, monkeypatch):
    monkeypatch.setattr(handle, "PATIENCE", 0.05)
    locked(1.0)
    with pytest.raises(OperationalError, match="locked"), database.atomic():
        Merchant.create(name="First", data_key="")
    with pytest.raises(OperationalError, match="locked"):
        Merchant.create(name="First", data_key="")
    assert not Merchant.select().exists()


def test_other_errors_are_not_waited_for(db, monkeypatch):
    monkeypatch.setattr(handle, "PATIENCE", 3_600)
    with pytest.raises(OperationalError if not is_postgres() else Exception, match="nothing_like_it"):
        database.execute_sql("SELECT 1 FROM nothing_like_it")


def test_chunks_shrink_when_they_hold_the_lock_too_long_and_grow_when_not(db):
    after = apply._next_size(2_000, 10 * apply.HELD_SECONDS)
    assert (after > 2_000) if is_postgres() else (after == 1_600)
    assert apply._next_size(2_000, 0.0) == 2_500
    assert apply._next_size(2_000, apply.HELD_SECONDS) == (2_500 if is_postgres() else 2_000)
    assert apply._next_size(apply.LEAST, 99) >= apply.LEAST
    assert apply._next_size(10, 99) >= 8
    assert apply._next_size(apply.MOST, 0.0) == apply.MOST


def test_a_writer_that_waits_is_seen_until_it_had_its_turn(db):
    if is_postgres():
        assert bulk.others_wait()
        return
    assert not bulk.others_wait()

    def write() -> None:
        with database.connection_context():
            Merchant.create(name="Waits", data_key="")

    with database.atomic():
        assert not bulk.others_wait()
        waiting = threading.Thread(target=write)
        waiting.start()
        ends = time.monotonic() + 10
        while not bulk.others_wait() and time.monotonic() < ends:
            time.sleep(0.001)
        assert bulk.others_wait()
    waiting.join(10)
    assert not bulk.others_wait() and Merchant.get().name == "Waits"


@pytest.mark.parametrize(("waits", "least", "most"), [(False, 1, 2), (True, 4, 99)])
def test_chunks_share_a_transaction_only_while_nobody_waits(make_source, monkeypatch, waits, least, most):
    monkeypatch.setattr(bulk, "others_wait", lambda: waits)
    monkeypatch.setattr(apply, "CHUNK", 500)
    monkeypatch.setattr(apply, "MOST", 500)
    monkeypatch.setattr(apply, "LONGEST_HOLD", 60)
    reached: list[str] = []
    monkeypatch.setattr(failpoints, "reach", reached.append)
    feed = Feed(make_source())
    assert feed.sync(rows_of(2_000)).counts["new"] == 2_000 == len(feed.items())
    assert least <= reached.count("applied-chunk") <= most


def test_a_writer_gets_in_between_the_chunks_of_a_transaction(make_source, monkeypatch):
    """The hand of one who waits ends the transaction after the chunk at hand, long before LONGEST_HOLD."""
    if is_postgres():
        pytest.skip("Postgres locks no other writer out")
    monkeypatch.setattr(apply, "CHUNK", 500)
    monkeypatch.setattr(apply, "MOST", 500)
    monkeypatch.setattr(apply, "LONGEST_HOLD", 60)
    seen, writers, add = [], [], apply.Applying._add

    def write() -> None:
        with database.connection_context():
            Merchant.create(name="Waits", data_key="")

    def adding(self, *arguments):
        add(self, *arguments)
        seen.append(Merchant.select().where(Merchant.name == "Waits").exists())
        if not writers:
            writers.append(threading.Thread(target=write))
            writers[0].start()
        ends = time.monotonic() + 10
        while len(seen) == 1 and not bulk.others_wait() and time.monotonic() < ends:
            time.sleep(0.001)

    monkeypatch.setattr(apply.Applying, "_add", adding)
    Feed(make_source()).sync(rows_of(2_000))
    writers[0].join(10)
    assert seen[0] is False and seen[-1] is True
