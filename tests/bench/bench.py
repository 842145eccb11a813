"""`make bench`: a feed through `import-feed`, beside plain Peewee and the database's own bulk loader. Prints; asserts no time.

Whole processes, interleaved rounds on fresh databases with durable settings, medians. Read the ratios: seconds are this machine's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from portal.models import connect, database
from tests.bench import feed_file, peers
from tests.conftest import Databases, close_database, create_schema

ROOT = Path(__file__).resolve().parents[2]
STEPS = ("first", "unchanged", "1% changed")
OURS = "import-feed"
NAMES = {
    "sqlite": {"peewee": "Peewee insert_many", "loader": "sqlite3 .import"},
    "postgres": {"peewee": "Peewee insert_many", "loader": "COPY"},
}


@dataclass
class Measured:
    """Seconds and peak memory (MB) of each round, by contestant and step; seconds of our stages."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    peak: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def add(self, who: str, step: str, seconds: float, peak: float) -> None:
        self.seconds.setdefault((who, step), []).append(seconds)
        self.peak.setdefault((who, step), []).append(peak)


@dataclass
class Bench:
    """One bench: where its files lie, and how to get an empty database of each kind."""

    folder: Path
    databases: Databases
    feeds: dict[str, Path]
    prepared: dict[str, Path]

    def fresh(self, kind: str) -> str:
        """The address of a new database with all tables."""
        if kind == "sqlite":
            url = f"sqlite:///{self.folder}/bench.db"
            for path in self.folder.glob("bench.db*"):
                path.unlink()
        else:
            url = self.databases.empty_postgres("bench")
            connect(self.databases.postgres_uri())
            database.execute_sql("ALTER SYSTEM RESET ALL")  # what the tests switch off to be quick: fsync and its like
            database.execute_sql("SELECT pg_reload_conf()")
            close_database()
        create_schema(url)
        return url

    def measure(self, kind: str, found: Measured) -> None:
        """One round: every contestant does every step, each from a fresh database."""
        self.import_feed(kind, found)
        for who in peers_on(kind):
            files = self.prepared if who == "loader" else self.feeds
            self.peer(kind, who, files, found)

    def import_feed(self, kind: str, found: Measured) -> None:
        url = self.fresh(kind)
        data = self.folder / "data"
        settings = {**os.environ, "DATA_DIR": str(data), "DATABASE_URL": url, "DEMO": "0"}
        flask = [sys.executable, "-m", "flask", "--app", "app"]
        timed([*flask, "create-merchant", "Bench", "--json"], settings)
        for step in STEPS:
            words = [*flask, "import-feed", "--merchant", "Bench", "--source", "Bench", "--create", "--json", str(self.feeds[step])]
            seconds, peak, out = timed(words, settings)
            found.add(OURS, step, seconds, peak)
            told = json.loads(out)
            found.stages.setdefault(step, []).append(told["stages"])
            print(f"    {kind} {OURS} {step}: {seconds:.1f} s, {told['status']}", file=sys.stderr, flush=True)
            self.check(url, step, OURS)
        shutil.rmtree(data)

    def peer(self, kind: str, who: str, files: dict[str, Path], found: Measured) -> None:
        url = self.fresh(kind)
        peers.make_source(url)
        for step in STEPS:
            seconds, peak, _ = timed([sys.executable, "-m", "tests.bench.peers", who, url, str(files[step])], dict(os.environ))
            found.add(who, step, seconds, peak)
            print(f"    {kind} {who} {step}: {seconds:.1f} s", file=sys.stderr, flush=True)
            self.check(url, step, who)

    def check(self, url: str, step: str, who: str) -> None:
        """A contestant that did not do the work has no time. insert_many never takes out what is gone."""
        expected = totals_of(self.feeds[step])
        seen = peers.totals(url)
        if who == "peewee" and step == STEPS[2]:
            seen, expected = (min(seen[0], expected[0]), 0, 0), (expected[0], 0, 0)
        if seen != expected:
            sys.exit(f"{who} ended with {seen} after {step}, not with {expected} (items, units, money)")


def peers_on(kind: str) -> list[str]:
    """The contestants beside us: SQLite's loader is its shell, which a machine may lack."""
    return ["peewee"] if kind == "sqlite" and shutil.which("sqlite3") is None else ["peewee", "loader"]


def totals_of(feed: Path) -> tuple[int, int, int]:
    """Items, units and money of a feed."""
    rows = list(peers.items(feed, 1, 1))
    return len(rows), sum(row["quantity"] for row in rows), sum(row["cost"] for row in rows)


def timed(words: list[str], settings: dict[str, str]) -> tuple[float, float, str]:
    """Run a process: wall seconds, peak resident memory in MB (its children's too), and what it printed. Exits when it fails."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.monotonic()
        process = subprocess.Popen(words, cwd=ROOT, env=settings, stdin=subprocess.DEVNULL, stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told = out.read()
    if process.returncode:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}: {told}")
    return seconds, usage.ru_maxrss / 1024, told


def report(kind: str, found: Measured) -> None:
    """The table of one database: medians, and each time as a multiple of ours in the same step."""
    print(f"\n{kind}")
    print(f"  {'':22}" + "".join(f"{step:>26}" for step in STEPS))
    for who in (OURS, *peers_on(kind)):
        cells = []
        for step in STEPS:
            seconds = statistics.median(found.seconds[who, step])
            pairs = zip(found.seconds[who, step], found.seconds[OURS, step], strict=True)
            ratio = statistics.median(theirs / ours for theirs, ours in pairs)
            cells.append(f"{seconds:8.2f} s {ratio:6.2f}x {max(found.peak[who, step]):4.0f} MB")
        print(f"  {NAMES[kind].get(who, who):22}" + "".join(f"{cell:>26}" for cell in cells))
    for step in STEPS:
        names = found.stages[step][0]
        medians = {name: statistics.median(told.get(name, 0.0) for told in found.stages[step]) for name in names}
        print(f"  {OURS}, {step}: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in medians.items()))


def opened(folder: Path, rows: int) -> Bench:
    """Feeds and loader files written."""
    first, changed = folder / "first.csv", folder / "changed.csv"
    feed_file.write(first, rows)
    feed_file.write(changed, rows, changed=0.01)
    feeds = dict(zip(STEPS, (first, first, changed), strict=True))
    prepared = {step: path.with_suffix(".table") for step, path in feeds.items()}
    for step in (STEPS[0], STEPS[2]):
        peers.prepare(feeds[step], prepared[step])
    return Bench(folder, Databases(folder), feeds, prepared)


def main() -> None:
    chosen = argparse.ArgumentParser(description=__doc__)
    chosen.add_argument("--rows", type=int, default=100_000)
    chosen.add_argument("--rounds", type=int, default=3)
    chosen.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    given = chosen.parse_args()
    kinds = ["sqlite", "postgres"] if given.database == "both" else [given.database]
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    found: dict[str, Any] = {kind: Measured() for kind in kinds}
    bench = opened(folder, given.rows)
    try:
        size = bench.feeds[STEPS[0]].stat().st_size / 1e6
        print(f"{given.rows:,} rows x {len(feed_file.HEADERS)} columns, {size:.0f} MB; {given.rounds} interleaved rounds; whole processes;")
        print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start.", flush=True)
        if peers_on("sqlite") == ["peewee"]:
            print("The sqlite3 shell is not installed: its .import is left out.")
        for number in range(given.rounds):
            print(f"  round {number + 1}", file=sys.stderr, flush=True)
            for kind in kinds:
                bench.measure(kind, found[kind])
        for kind in kinds:
            report(kind, found[kind])
        print(f"\nMedians; Nx = times import-feed in the same round; MB = highest peak. Load {os.getloadavg()[0]:.1f} at the end.")
        print("insert_many and the loaders neither compare, judge nor journal; insert_many never takes out what is gone.")
    finally:
        bench.databases.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
