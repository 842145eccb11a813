"""Upgrade in mid-run: the commit before makes the database, begins a run and dies in it; this code migrates and ends it.

UPGRADE_FROM=REV chooses another commit than HEAD~1. Needs git and a checkout with history.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import clock, migrations
from portal.models import InventoryItem, Run, RunMessage, connect, database
from tests.databases import close_database
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
FROM = os.environ.get("UPGRADE_FROM", "HEAD~1")
ASKED_FOR = "KILLS" in os.environ or "UPGRADE_FROM" in os.environ
ROWS = 20_000
pytestmark = pytest.mark.skipif(not ASKED_FOR, reason="an upgrade takes its time: make faults plays it, or UPGRADE_FROM=REV")

BEGIN = f"""
from portal import accounts, config, migrations, sources, vault
from portal.models import connect, database
from tests.feed_of import Feed, rows_of
made = config.use(config.read())
connect(made.database_url)
with migrations.alone():
    migrations.apply()
vault.use(vault.load(made.secret_key_file))
with database.connection_context():
    merchant = accounts.create_merchant("Harbor & Pine")
    feed = Feed(sources.create(merchant, "Feed", "dropship_supplier", "owner"))
    feed.start(rows_of({ROWS}, quantity=7))
"""


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The whole tree of the commit before."""
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("git, or the history of this checkout, is not here")
    found = subprocess.run(["git", "-C", ROOT, "archive", FROM], capture_output=True, timeout=60)
    if found.returncode:
        pytest.skip(f"{FROM} is not in the history of this checkout")
    with tarfile.open(fileobj=io.BytesIO(found.stdout)) as tree:
        tree.extractall(tmp_path / "before", filter="data")
    return tmp_path / "before"


@pytest.fixture
def started() -> Iterator[Callable[..., Any]]:
    """started(tree, environment, *words) -> a process of that tree."""
    all_of_them: list[subprocess.Popen[bytes]] = []

    def start(tree: Path, environment: dict[str, str], *words: str) -> subprocess.Popen[bytes]:
        all_of_them.append(subprocess.Popen([sys.executable, *words], cwd=tree, env=environment, stdin=subprocess.DEVNULL))
        return all_of_them[-1]

    yield start
    for process in all_of_them:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def test_a_run_of_the_version_before_is_ended_by_this_one(before: Path, started: Any, databases: Any, db: str, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/upgraded.db" if db.startswith("sqlite") else databases.empty_postgres("upgraded")
    close_database()
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environment = {**kept, "DATA_DIR": str(tmp_path / "data"), "DATABASE_URL": url, "DEMO": "0", "PORT": str(free_port())}
    subprocess.run([sys.executable, "-c", BEGIN], cwd=before, env=environment, check=True, timeout=120)
    old = started(before, environment | {"FAILPOINT": "applied-chunk:1"}, "app.py", "worker")
    assert old.wait(120) == -signal.SIGKILL, "the old worker was to die in the middle of the run"
    connect(url)
    with database.connection_context():
        run = Run.select(Run.id, Run.state).get()
        assert run.state == "running" and 0 < InventoryItem.select(InventoryItem.id).count() < ROWS
        before_this = set(migrations.pending())
    new = [sys.executable, "-m", "flask", "--app", "app", "migrate"]
    subprocess.run(new, cwd=ROOT, env=environment, check=True, timeout=120)
    with database.connection_context():
        assert migrations.pending() == []
        Run.update(lease_until=clock.now().replace(year=2000)).execute()
        worker = started(ROOT, environment, "app.py", "worker")
        ends = time.monotonic() + 120
        while Run.get_by_id(run.id).state == "running":
            assert time.monotonic() < ends and worker.poll() is None
            time.sleep(0.1)
        ended = Run.get_by_id(run.id)
        counted = InventoryItem.select().where(InventoryItem.quantity == 7).count()
        assert (ended.state, ended.interruptions, counted, InventoryItem.select().count()) == ("finished", 1, ROWS, ROWS)
        assert RunMessage.select().where(RunMessage.text == "Interrupted, continuing").count() == 1
    print(f"from {FROM}: {len(before_this)} migrations between")
    close_database()
