"""`make bench`: a feed through `import-feed`, beside peers, a bare sketch and floors. Prints ratios of one run; asserts no time.

Whole processes, interleaved rounds on fresh databases with durable settings. Read the ratios: seconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal.models import connect, database
from tests.bench import feed_file, formats, goals, peers, sampling, writers
from tests.bench.goals import OURS, STEPS, Measured
from tests.bench.sampling import ROOT, measured
from tests.databases import Databases, close_database, create_schema

OTHERS = ROOT / ".venv-bench"
OTHERS_PYTHON = OTHERS / "bin" / "python"
CONTESTANTS: dict[str, tuple[str, ...]] = {
    "digest": ("identical",), "records": ("reordered",), "sketch": STEPS, "executemany": ("first",), "loader": ("first",),
    "polars": ("first", "changed"), "dlt": ("first", "changed"), "peewee": ("first", "changed"),
}  # fmt: skip
FLOORS, PACKAGED = ("digest", "records"), ("dlt", "polars")
KEEPS_GONE = ("dlt", "peewee")  # they never take out what is gone
SLOW = ("dlt", "peewee")
SLOW_FROM = 300_000  # rows from which on the slow ones do one round only


@dataclass
class Bench:
    """One bench: where its files lie, what was chosen, and how to get an empty database of each kind."""

    folder: Path
    databases: Databases
    feeds: dict[str, Path]
    prepared: Path
    chosen: list[str]
    rows: int

    def fresh(self, kind: str) -> str:
        """The address of a new database with all tables."""
        if kind == "sqlite":
            url = f"sqlite:///{self.folder}/bench.db"
            for path in self.folder.glob("bench*.db*"):
                path.unlink()
        else:
            url = self.databases.empty_postgres("bench")
            connect(self.databases.postgres_uri())
            database.execute_sql("ALTER SYSTEM RESET ALL")  # what the tests switch off to be quick: fsync and its like
            database.execute_sql("SELECT pg_reload_conf()")
            close_database()
        create_schema(url)
        return url

    def measure(self, kind: str, number: int, found: Measured) -> None:
        """One round: every contestant does its steps, each from a fresh database."""
        for who in self.chosen:
            if who in SLOW and number and self.rows >= SLOW_FROM:
                continue
            if who == OURS:
                self.import_feed(kind, number, found)
            else:
                self.peer(kind, who, number, found)

    def import_feed(self, kind: str, number: int, found: Measured) -> None:
        """Our whole process, with a saved mapping."""
        url, settings = self.ready(kind, "csv")
        for step in STEPS:
            sample, told = imported(self.feeds[step], settings)
            found.add(OURS, step, number, sample)
            found.stages.setdefault(step, []).append(told["stages"])
            tell(kind, f"{OURS} {step}", sample, told["status"])
            self.check(step, OURS, peers.totals(url))
        shutil.rmtree(self.folder / "data")

    def ready(self, kind: str, file_kind: str) -> tuple[str, dict[str, str]]:
        """A fresh database with a mapped source: (its address, the settings that `import-feed` runs with)."""
        url = self.fresh(kind)
        settings = {**os.environ, "DATA_DIR": str(self.folder / "data"), "DATABASE_URL": url, "DEMO": "0"}
        measured([sys.executable, "-m", "tests.bench.merchant", file_kind], settings)
        return url, settings

    def peer(self, kind: str, who: str, number: int, found: Measured) -> None:
        """One peer or floor."""
        url = "" if who in FLOORS else self.fresh(kind)
        if url:
            peers.make_source(url)
            close_database()
        state = self.folder / "state"
        state.mkdir()
        for step in CONTESTANTS[who]:
            file = self.prepared if who == "loader" else self.feeds[step]
            words = [sys.executable, "-m", "tests.bench.peers", who, url, str(file)]
            if who in FLOORS:
                words = [sys.executable, "tests/bench/floors.py", who, str(file)]
            elif who in PACKAGED:
                words = [str(OTHERS_PYTHON), "-W", "ignore", "tests/bench/others.py", who, url, str(file), str(state)]
            sample = measured(words, dict(os.environ))
            found.add(who, step, number, sample)
            tell(kind, f"{who} {step}", sample, "")
            if url:
                seen = json.loads(sample.out.splitlines()[-1]) if who == "dlt" else {}
                self.check(step, who, tuple(seen.values()) or peers.totals(url))
        shutil.rmtree(state)
        (self.folder / "sketch.npz").unlink(missing_ok=True)

    def check(self, step: str, who: str, seen: tuple[int, ...]) -> None:
        """A contestant that did not do the work has no time."""
        expected = totals_of(self.feeds[step])
        close_database()
        if step == "changed" and who in KEEPS_GONE:
            there = totals_of(self.feeds["first"])[0]
            expected, seen = (there + self.rows // 1000,), seen[:1]
        if seen != expected:
            sys.exit(f"{who} ended with {seen} after {step}, not with {expected} (items, units, money)")


def imported(feed: Path, settings: dict[str, str]) -> tuple[sampling.Sample, dict[str, Any]]:
    """One `import-feed`: what it took and what it told."""
    words = [sys.executable, "-m", "flask", "--app", "app", "import-feed", "--merchant", "Bench", "--source", "Bench", "--json", str(feed)]
    sample = measured(words, settings)
    return sample, json.loads(sample.out)


def tell(kind: str, what: str, sample: sampling.Sample, status: str) -> None:
    """One line of progress."""
    print(f"    {kind} {what}: {sample.seconds:.1f} s, {sample.peak:.0f} MB {status}", file=sys.stderr, flush=True)


def totals_of(feed: Path) -> tuple[int, int, int]:
    """Items, units and money of a feed."""
    count = units = money = 0
    for row in peers.items(feed):
        count, units, money = count + 1, units + row[6], money + row[7]
    return count, units, money


def contestants(only: str) -> list[str]:
    """Those that were asked for and can run here; says why another cannot."""
    asked = [OURS, *CONTESTANTS] if not only else only.split(",")
    unknown = [who for who in asked if who not in (OURS, *CONTESTANTS, "formats", "writers")]
    if unknown:
        sys.exit(f"Unknown: {', '.join(unknown)}. Choose among: {', '.join([OURS, *CONTESTANTS, 'formats', 'writers'])}")
    if not (OTHERS / ".done").exists():
        left = [who for who in asked if who in PACKAGED]
        asked = [who for who in asked if who not in left]
        if left:
            print(f"Left out: {', '.join(left)}, whose packages are not installed in {OTHERS.name} (make bench does it).")
    return asked


def opened(folder: Path, rows: int, chosen: list[str]) -> Bench:
    """Feeds and loader files written."""
    first, other, changed = (folder / f"{name}.csv" for name in ("first", "reordered", "changed"))
    feed_file.write(first, rows)
    feed_file.reorder(first, other)
    feed_file.write(changed, rows, changed=0.01)
    peers.prepare(first, folder / "first.table")
    feeds = dict(zip(STEPS, (first, first, other, changed), strict=True))
    return Bench(folder, Databases(folder), feeds, folder / "first.table", chosen, rows)


def main() -> None:
    chosen = argparse.ArgumentParser(description=__doc__)
    chosen.add_argument("--rows", type=int, default=100_000)
    chosen.add_argument("--rounds", type=int, default=3)
    chosen.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    chosen.add_argument("--only", default="", help="contestants, parted by commas; also: formats, writers")
    chosen.add_argument("--formats", type=int, default=20_000, help="rows of XML and JSON lines; half of them as XLSX; 0: leave out")
    chosen.add_argument("--written", type=int, default=100_000, help="rows applied while another writer is timed; 0: leave out")
    given = chosen.parse_args()
    kinds = ["sqlite", "postgres"] if given.database == "both" else [given.database]
    asked = contestants(given.only)
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    bench = opened(folder, given.rows, [who for who in asked if who not in ("formats", "writers")])
    try:
        run(bench, kinds, given, asked)
    finally:
        bench.databases.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run(bench: Bench, kinds: list[str], given: argparse.Namespace, asked: list[str]) -> None:
    """Everything that was asked for, and its tables."""
    size = bench.feeds["first"].stat().st_size / 1e6
    print(f"{bench.rows:,} rows x {len(feed_file.HEADERS)} columns, {size:.0f} MB, 14 mapped with 6 transforms; {given.rounds} rounds;")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start.", flush=True)
    found = {kind: Measured() for kind in kinds}
    for number in range(given.rounds if bench.chosen else 0):
        print(f"  round {number + 1}", file=sys.stderr, flush=True)
        for kind in kinds:
            bench.measure(kind, number, found[kind])
    for kind in kinds if bench.chosen else ():
        print(goals.table(kind, found[kind]))
        print(goals.judged(kind, found[kind], bench.rows), flush=True)
    for kind in kinds:
        if given.formats and (not given.only or "formats" in asked):
            print(formats.compared(bench, kind, given.formats), flush=True)
        if given.written and (not given.only or "writers" in asked):
            print(writers.compared(bench, kind, given.written), flush=True)
    print(f"\nMedians of whole processes; MB = highest peak of the process tree. Load {os.getloadavg()[0]:.1f} at the end.")
    print(f"The goals are meant for {goals.LARGE:,} rows: with fewer, the start of a process weighs more.")
    print("Peers neither check, judge nor journal; the sketch trusts its own record; dlt and peewee never take out what is gone.")


if __name__ == "__main__":
    main()
