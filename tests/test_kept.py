"""A web thread's connection to SQLite: kept while nothing is left in it, and never one that shows what was."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.models import Merchant, database, kept
from tests.databases import Databases, close_database


@pytest.fixture
def file(databases: Databases, tmp_path: Path) -> Iterator[Path]:
    """A database whose connection no fixture holds."""
    from portal.models import connect

    connect(databases.sqlite(tmp_path / "kept.db"))
    yield tmp_path / "kept.db"
    close_database()
    kept._abandoned.clear()


def ask() -> Any:
    """One request that counts the merchants; the connection that it used."""
    assert kept.take()
    connection = database.obj._state.conn
    Merchant.select().count()
    kept.give_back(failed=False)
    return connection


def elsewhere(file: Path, name: str) -> None:
    """Another process takes in a merchant."""
    with sqlite3.connect(file) as other:
        row = {"public_id": name, "name": name, "time_zone": "UTC", "data_key": b"", "created_at": "2026-11-27 10:00:00"}
        needed = [one[1] for one in other.execute("PRAGMA table_info(merchant)") if one[3] and one[4] is None and not one[5]]
        row |= {one: 0 for one in needed if one not in row}
        other.execute(f"INSERT INTO merchant ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", list(row.values()))
    other.close()


def leave_a_query_open() -> Any:
    cursor = database.obj._state.conn.execute("SELECT name FROM sqlite_master")
    assert cursor.fetchone()
    return cursor


def test_it_is_kept_from_request_to_request_and_sees_what_others_wrote(file: Path) -> None:
    first = ask()
    elsewhere(file, "north")
    assert ask() is first and kept.take() and Merchant.select().count() == 1


def test_a_query_left_open_would_show_what_was_so_its_connection_goes(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for guarded in (False, True):
        if guarded:
            monkeypatch.undo()
        else:
            monkeypatch.setattr(kept, "_leaves_something", lambda _: False)
        assert kept.take()
        before = Merchant.select().count()
        left = leave_a_query_open()
        kept.give_back(failed=False)
        elsewhere(file, f"merchant {guarded}")
        kept.take()
        assert Merchant.select().count() - before == guarded, "without the guard it shows what was"
        kept.give_back(failed=False)
        del left
        close_database()


@pytest.mark.parametrize("left", ["BEGIN", "CREATE TEMP TABLE scratch (a)"])
def test_what_is_left_in_it_ends_with_it(file: Path, left: str) -> None:
    first = ask()
    kept.take()
    database.obj._state.conn.execute(left)
    kept.give_back(failed=False)
    assert database.is_closed() and ask() is not first


def test_a_request_that_failed_keeps_none_and_one_that_closed_it_opens_another(file: Path) -> None:
    kept.take()
    kept.give_back(failed=True)
    assert database.is_closed()
    kept.take()
    database.close()
    kept.give_back(failed=False)
    assert database.is_closed() and ask() is ask()


def test_another_file_in_its_place_is_the_one_that_is_read(file: Path) -> None:
    first = ask()
    elsewhere(file, "north")
    shutil.copy(file, file.with_suffix(".copy"))
    with sqlite3.connect(file.with_suffix(".copy")) as copy:
        copy.execute("DELETE FROM merchant")
    copy.close()
    for end in ("-wal", "-shm"):
        file.with_name(file.name + end).unlink()
    file.with_suffix(".copy").rename(file)
    kept.take()
    assert Merchant.select().count() == 0 and kept._abandoned == [first], "closed, it would take the new one's journal away"


def test_a_callers_own_connection_stays_the_callers(file: Path) -> None:
    database.connect()
    assert kept.take() is False and not database.is_closed()
