"""The disk fails: a kill or an error at the n-th call that should make something durable, and a disk that is full at any moment.

C3, C4 and C5. After each, with the disk well again, one quiet run makes the table as a clean run would. `make faults` takes every n until
a run passes without one, and 60 fillings; the tests take a few.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portal import clock, vault
from portal import config as settings
from portal.models import Run, Source, connect, database
from portal.models.database import is_postgres
from tests.conftest import PASSWORD
from tests.databases import close_database
from tests.faults import tables
from tests.faults.test_kills import file_of
from tests.feed_of import Feed

LONG = "KILLS" in os.environ
ROOT = Path(__file__).resolve().parents[2]
ROWS = 500
MOST_CALLS = 400
CALLS = ("fdatasync", "pwrite64", "rename") if LONG else ("fdatasync",)
SAMPLED = range(1, MOST_CALLS) if LONG else (5,)
FREE_KB = [*range(0, 3_000, 50)] if LONG else [0, 300]
pytestmark = [pytest.mark.one_database, pytest.mark.timeout(7_200 if LONG else 240)]


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Feed:
    return Feed(make_source())


@pytest.fixture
def twin(make_source: Callable[..., Source]) -> Feed:
    return Feed(make_source("Twin"))


def work(*before: str) -> int:
    """The exit code of a worker process, behind `before`."""
    here = settings.current()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "DATA_DIR": str(here.data_dir), "DATABASE_URL": here.database_url, "DEMO": "0"}
    command = [*before, sys.executable, "-m", "tests.faults.one_worker"]
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=110, stderr=subprocess.DEVNULL).returncode


def is_whole(feed: Feed, twin: Feed, number: int, clean: Run) -> None:
    """One quiet run later the table is that of the twin, and SQLite finds nothing wrong."""
    assert database.execute_sql("PRAGMA integrity_check").fetchone() == ("ok",)
    Run.update(lease_until=clock.now() - timedelta(seconds=1)).where(Run.state == "running").execute()
    work()
    last = Run.select().where(Run.source == feed.source).order_by(Run.id.desc()).get()
    if last.state == "failed":
        last = feed.sync(file_of(number, ROWS))
    assert last.state == clean.state and tables.table(feed) == tables.table(twin)


@pytest.mark.parametrize("fault", ["signal=SIGKILL", "error=EIO"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_kills_or_fails_loses_nothing(feed: Feed, twin: Feed, call: str, fault: str) -> None:
    """C3 and C4: at the n-th `call` of any of its threads the worker dies, or is told that the disk failed."""
    if not shutil.which("strace"):
        pytest.skip("strace is not here")
    for one in (feed, twin):
        one.sync(file_of(0, ROWS))
    hit = 0
    for number, nth in enumerate(SAMPLED, 1):
        clean = twin.sync(file_of(number, ROWS))
        run = feed.start(file_of(number, ROWS))
        inject = f"inject={call}:{fault}:when={nth}"
        code = work("strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        after = Run.get_by_id(run.id)
        hit += code != 0 or after.state in ("failed", "running")
        passed = code == 0 and after.state == clean.state
        is_whole(feed, twin, number, clean)
        if passed and LONG:
            break
    print(f"{call} {fault}: {hit} of {nth} hit")
    assert hit > 0, "nothing was injected"


@pytest.fixture
def small_disk(app: Any, config: Any, tmp_path: Path) -> Iterator[Path]:
    """The installation on a disk of 8 MB."""
    if is_postgres() or os.geteuid() != 0:
        pytest.skip("needs SQLite, and root to mount a small disk")
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", place], capture_output=True).returncode:
        pytest.skip("no file system may be mounted here")
    close_database()
    shutil.copy(tmp_path / "portal.db", place / "portal.db")
    made = settings.use(replace(config, data_dir=place, database_url=f"sqlite:///{place}/portal.db", secret_key_file=place / "secret.key"))
    vault.use(vault.load(made.secret_key_file))
    connect(made.database_url)
    database.connect()
    app.config["PORTAL"] = made
    yield place
    close_database()
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_survived_and_pages_still_read(small_disk: Path, make_source: Any, app: Any, owner: Any) -> None:
    """C5: files, database and memory of feeds on one disk that fills up while a run works."""
    feed, twin = Feed(make_source()), Feed(make_source("Twin"))
    for one in (feed, twin):
        one.sync(file_of(0, ROWS))
    client = app.test_client().sign_in(owner.email, PASSWORD)
    filler, stopped = small_disk / "filler", 0
    for number, free in enumerate(FREE_KB, 1):
        clean = twin.sync(file_of(number, ROWS))
        run = feed.start(file_of(number, ROWS))
        database.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        room = shutil.disk_usage(small_disk).free - free * 1024
        filler.write_bytes(b"\0" * max(0, room))
        code = work()
        stopped += code != 0 or Run.get_by_id(run.id).state != clean.state
        assert client.get("/sources").status_code == 200 and client.get(f"/sources/{feed.source.public_id}/inventory").status_code == 200
        assert client.get("/healthz").status_code == 200
        filler.unlink()
        is_whole(feed, twin, number, clean)
    print(f"{len(FREE_KB)} fillings, {stopped} stopped a run")
    assert stopped > 0, "the disk was never full"
