"""What the benches of pages share: a database as in use, pages asked for beside their bare twins, and the table of it.

A bare page is the same page, asked for at the same moment, with what it reads answered from memory.
"""

from __future__ import annotations

import argparse
import os
import platform
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from portal import config as settings
from portal import create_app, vault
from portal.models import connect, database
from tests.browserless import Browser
from tests.conftest import PASSWORD
from tests.databases import Databases, close_database, create_schema

GOAL = 0.150
Found = dict[str, tuple[list[float], list[float]]]
"""{kind of page: (seconds of the page, seconds of the bare page)}."""


def opened(kind: str, folder: Path, databases: Databases) -> str:
    """The address of a new database with all tables, as durable as in use."""
    if kind == "sqlite":
        url = f"sqlite:///{folder}/pages.db"
    else:
        url = databases.empty_postgres("pages")
        connect(databases.postgres_uri())
        database.execute_sql("ALTER SYSTEM RESET ALL")
        database.execute_sql("SELECT pg_reload_conf()")
        close_database()
    create_schema(url)
    return url


def use(url: str, folder: Path) -> settings.Config:
    made = settings.use(settings.read({"DATA_DIR": str(folder), "DATABASE_URL": url, "DEMO": "0"}))
    vault.use(vault.load(made.secret_key_file))
    connect(url)
    return made


def signed_in(url: str, folder: Path) -> Any:
    """A browser of the owner who was filled in."""
    app = create_app(use(url, folder))
    app.testing = True
    app.test_client_class = Browser
    return app.test_client().sign_in("owner@harbor.example", PASSWORD)


def beside_bare(
    client: Any, addresses: Mapping[str, Callable[[], str]], reads: Sequence[tuple[Any, str]], times: int, rng: random.Random
) -> Found:
    """Ask for each kind of page so often, each time at another address, in an order drawn by lot.

    `reads`: (module, name) of the functions that read many rows, which answer from memory for the bare page.
    """
    asked = [name for name in addresses for _ in range(times)]
    rng.shuffle(asked)
    found: Found = {name: ([], []) for name in addresses}
    client.get(addresses[asked[0]]())
    for name in asked:
        address, kept = addresses[name](), dict[tuple[Any, str], Any]()
        with ExitStack() as held:
            for module, called in reads:
                held.enter_context(mock.patch.object(module, called, _keeping(kept, module, called)))
            found[name][0].append(seconds(client, address))
        with ExitStack() as held:
            for (module, called), answer in kept.items():
                held.enter_context(mock.patch.object(module, called, lambda *_, answer=answer, **__: answer))
            found[name][1].append(seconds(client, address))
    return found


def _keeping(kept: dict[tuple[Any, str], Any], module: Any, called: str) -> Callable[..., Any]:
    real = getattr(module, called)

    def keep(*args: Any, **more: Any) -> Any:
        kept[module, called] = real(*args, **more)
        return kept[module, called]

    return keep


def seconds(client: Any, address: str) -> float:
    began = time.perf_counter()
    answer = client.get(address)
    took = time.perf_counter() - began
    if answer.status_code != 200 or b"out of date" in answer.data:
        sys.exit(f"{address} answered {answer.status_code}")
    return took


def report(kind: str, found: dict[str, tuple[list[float], list[float]]]) -> None:
    """One line for each kind of page."""
    print(f"\n{kind:28}{'p50':>9}{'p95':>9}{'worst':>9}{'of a bare page':>17}")
    for name, (ours, bare) in found.items():
        p95, ratio = quantile(ours, 0.95), statistics.median(ours) / statistics.median(bare)
        mark = "" if p95 < GOAL else "  over the goal"
        print(f"  {name:26}{1000 * statistics.median(ours):6.0f} ms{1000 * p95:6.0f} ms{1000 * max(ours):6.0f} ms{ratio:16.1f}x{mark}")
    every = [one for ours, _ in found.values() for one in ours]
    bare = [one for _, theirs in found.values() for one in theirs]
    print(f"  {'all of these':26}{1000 * statistics.median(every):6.0f} ms{1000 * quantile(every, 0.95):6.0f} ms{1000 * max(every):6.0f} ms"
          f"{statistics.median(every) / statistics.median(bare):16.1f}x   bare page: p50 {1000 * statistics.median(bare):.0f} ms, "
          f"p95 {1000 * quantile(bare, 0.95):.0f} ms", flush=True)  # fmt: skip


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def arguments(told: str | None) -> argparse.ArgumentParser:
    """--rows, --times and --database."""
    chosen = argparse.ArgumentParser(description=told, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen.add_argument("--rows", type=int, default=100_000)
    chosen.add_argument("--times", type=int, default=20, help="how often each kind of page is asked for")
    chosen.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    return chosen


@contextmanager
def databases_of(given: argparse.Namespace, what: str) -> Iterator[Iterator[tuple[str, str, Path]]]:
    """(kind, address, folder) of an empty database of each kind that was asked for; all is taken away in the end."""
    folder = Path(tempfile.mkdtemp(prefix=what))
    databases = Databases(folder)
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
    print(f"{given.rows:,} {what}, each kind of page {given.times} times through the test client; {machine}.", flush=True)

    def each() -> Iterator[tuple[str, str, Path]]:
        for kind in ["sqlite", "postgres"] if given.database == "both" else [given.database]:
            yield kind, opened(kind, folder, databases), folder
            close_database()

    try:
        yield each()
        print("\nof a bare page: median of the page over the median of the bare page.")
    finally:
        databases.stop()
        shutil.rmtree(folder, ignore_errors=True)
