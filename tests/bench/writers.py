"""What others feel while a first load is applied: a process that writes a small row and reads a list page every 20 ms.

python -m tests.bench.writers DATABASE_URL STOP_FILE measures until that file is there, and prints its milliseconds as JSON.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from portal import clock
from portal.models import InventoryItem, Merchant, Run, RunMessage, connect, database
from tests.bench import feed_file
from tests.bench.goals import verdict
from tests.bench.sampling import ROOT

if TYPE_CHECKING:
    from tests.bench.bench import Bench

EVERY = 0.02
PAGE = 50
WRITE_MS, PAGE_MS = 50, 150


def compared(bench: Bench, kind: str, rows: int) -> str:
    """p99 and longest of another process's writes and page reads while `rows` rows are applied."""
    from tests.bench.bench import imported
    from tests.databases import close_database

    feed, stop = bench.folder / "written.csv", bench.folder / "stop"
    feed_file.write(feed, rows)
    url, settings = bench.ready(kind, "csv")
    other = subprocess.Popen([sys.executable, "-m", "tests.bench.writers", url, str(stop)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    sample, told = imported(feed, settings)
    stop.touch()
    out, _ = other.communicate(timeout=60)
    stop.unlink()
    close_database()
    shutil.rmtree(bench.folder / "data")
    found = json.loads(out)
    if told["new"] != rows or not found["writes"]:
        sys.exit(f"the import added {told['new']} rows and the other process wrote {len(found['writes'])} times")
    lines = [f"\n{kind}: another process while {rows:,} rows are applied in {told['stages']['apply']:.1f} s of {sample.seconds:.1f} s"]
    for name, most in (("writes", WRITE_MS), ("pages", PAGE_MS)):
        times = sorted(found[name])
        words = f"{name} ({len(times):,}): p99 under {most} ms; median {times[len(times) // 2]:.1f}, longest {times[-1]:.1f} ms"
        lines.append(verdict(words, times[int(len(times) * 0.99)], most, None, " ms"))
    return "\n".join(lines)


def measure(url: str, stop: Path) -> dict[str, list[float]]:
    """Milliseconds of each write and page read while a run is in its apply stage."""
    connect(url)
    found: dict[str, list[float]] = {"writes": [], "pages": []}
    with database.connection_context():
        merchant = Merchant.get()
        while not stop.exists():
            run = Run.select().where(Run.stage == "apply", Run.state == "running").first()
            if run is not None:
                found["writes"].append(_timed(lambda run=run: RunMessage.create(run=run.id, level="info", text="bench", at=clock.now())))
                found["pages"].append(_timed(lambda: _page(merchant)))
            time.sleep(EVERY)
    return found


def _page(merchant: Merchant) -> int:
    page = InventoryItem.select().where(InventoryItem.merchant == merchant).order_by(InventoryItem.sku, InventoryItem.id).limit(PAGE)
    return len(list(page.dicts()))


def _timed(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return 1000 * (time.monotonic() - began)


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], Path(sys.argv[2]))))
