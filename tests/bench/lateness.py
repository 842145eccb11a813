"""How long the clock takes to note by when each of many feeds is expected: `python -m tests.bench.lateness --feeds 10000`.

Three looks: the first that sees them (each is written), one that changes nothing, and one in which all have become late.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from portal import accounts, clock, config, lateness, vault
from portal.models import Integration, Merchant, Source, database
from tests.databases import Databases

ZONES = ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC")
SCHEDULES: Sequence[dict[str, object]] = (
    {"every_minutes": 60}, {"days": [0, 1, 2, 3, 4, 5, 6], "times": ["08:00", "20:00"]}, {"every_minutes": 15},
)  # fmt: skip
POLICIES: Sequence[dict[str, object]] = (
    {}, {"freshness": {"expected": "hours", "hours": 24}},
    {"freshness": {"expected": "times", "days": [0, 1, 2, 3, 4], "times": ["09:00"]}},
)  # fmt: skip


def fill(feeds: int) -> None:
    """So many live feeds of a hundred workspaces, by every kind of rule."""
    merchants = [accounts.create_merchant(f"Shop {number}") for number in range(100)]
    for number, one in enumerate(merchants):
        Merchant.update(time_zone=ZONES[number % len(ZONES)]).where(Merchant.id == one.id).execute()
    with database.atomic():
        for number in range(feeds):
            source = Source.create(
                merchant=merchants[number % 100],
                name=f"Source {number}",
                name_key=f"source {number}",
                prefix=f"S{number}",
                kind="supplier",
                state="live",
            )
            kept = {"schedule": SCHEDULES[number % 3], "policies": POLICIES[number // 3 % 3]}
            last = clock.now() - timedelta(minutes=number % 50)
            Integration.create(source=source, kind="get_inventory_primary", enabled=True, last_accepted_at=last, **kept)


def main() -> None:
    """Print seconds for each look, on both databases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--feeds", type=int, default=10_000)
    parser.add_argument("--database", choices=("sqlite", "postgres"), action="append")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder))
        for name in asked.database or ("sqlite", "postgres"):
            url = databases.sqlite(Path(folder) / "portal.db") if name == "sqlite" else databases.postgres()
            made = config.use(config.read({"DATA_DIR": folder, "DATABASE_URL": url, "DEMO": "0"}))
            vault.use(vault.load(made.secret_key_file))
            from portal.models import connect

            connect(url)
            with database.connection_context():
                fill(asked.feeds)
                now = clock.now()
                for words, at in (
                    ("first", now),
                    ("no change", now),
                    ("all late", now + timedelta(days=9)),
                    ("still late", now + timedelta(days=9)),
                ):
                    began, cpu = time.perf_counter(), time.process_time()
                    turned = lateness.mind(at)
                    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
                    print(f"{name:9} {words:11} {seconds:7.2f} s, {cpu:6.2f} s of CPU, {turned:,} turned", flush=True)
            database.close_all() if name == "postgres" else database.close()
        databases.stop()


if __name__ == "__main__":
    main()
