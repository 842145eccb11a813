"""Acceptance check 9 through `import-feed`: a million rows of which one in a hundred changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from portal.models import InventoryChange, InventoryItem, Run, connect, database
from tests.bench import feed_file
from tests.databases import close_database

ROOT = Path(__file__).resolve().parents[1]
ROWS = int(os.environ.get("MILLION", "200000"))  # MILLION=1000000 for all of it
MOST_MB = 300
"""The whole process tree, proportional set size; a million rows as text are 315 MB."""

pytestmark = pytest.mark.one_database


@pytest.fixture
def give(tmp_path: Path) -> Any:
    """give(file) -> (what import-feed printed as JSON, peak MB of its process tree)"""
    settings = {**os.environ, "DATA_DIR": str(tmp_path / "var"), "DATABASE_URL": "", "DEMO": "0"}
    flask = [sys.executable, "-m", "flask", "--app", "app"]
    for verb in (["migrate"], ["create-merchant", "Harbor"]):
        subprocess.run([*flask, *verb], cwd=ROOT, env=settings, check=True, capture_output=True)

    def run(feed: Path) -> tuple[dict[str, Any], float]:
        words = [*flask, "import-feed", "--merchant", "Harbor", "--source", "Kestrel", "--create", "--json", str(feed)]
        process = subprocess.Popen(words, cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True)
        peak = 0.0
        while process.poll() is None:
            peak = max(peak, tree_mb(process.pid))
            try:
                process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
        assert process.returncode == 0 and process.stdout
        return json.loads(process.stdout.read()), peak

    return run


def tree_mb(pid: int) -> float:
    """Proportional set size of a process and all its descendants, in MB."""
    total, waiting = 0, [pid]
    while waiting:
        one = waiting.pop()
        try:
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            waiting += [int(child) for child in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended between two looks
        total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


@pytest.mark.timeout(600)
def test_check_9_of_a_million_rows_only_the_changed_are_written_in_bounded_memory(give: Any, tmp_path: Path) -> None:
    first, changed = tmp_path / "first.csv", tmp_path / "changed.csv"
    feed_file.write(first, ROWS)
    feed_file.write(changed, ROWS, changed=0.01)
    loaded, peak_first = give(first)
    assert (loaded["status"], loaded["new"]) == ("finished", ROWS)
    told, peak = give(changed)
    moved, shift = ROWS // 100, ROWS // 1000
    assert (told["status"], told["new"], told["missing"]) == ("finished", shift, shift)
    assert moved - 2 * shift <= told["changed"] <= moved
    connect(f"sqlite:///{tmp_path / 'var' / 'portal.db'}")
    with database.connection_context():
        last = Run.select().order_by(Run.id.desc()).get()
        assert InventoryChange.select().count() == told["changed"] + told["missing"]
        assert InventoryItem.select().where(InventoryItem.last_run_id == last.id).count() == told["changed"] + told["missing"] + shift
        assert InventoryItem.select().count() == ROWS + shift
    close_database()
    assert max(peak_first, peak) < MOST_MB
    print(f"{ROWS:,} rows: first {loaded['seconds']} s, {peak_first:.0f} MB; 1 % changed {told['seconds']} s, {peak:.0f} MB")
