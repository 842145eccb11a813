"""The inventory list and its search over many items: p50 and p95 of the real page, beside the same page with its rows from memory.

    python -m tests.bench.pages --rows 1000000

Fills a catalogue (four sources, 70 % of it in the first), indexes it as the worker does, then asks for each kind of page many times,
each time with other words, SKUs or places, in an order drawn by lot. Prints; asserts no time.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import urlencode

from portal import accounts, create_app, vault
from portal import config as settings
from portal.inventory import browse, paging, search_index
from portal.models import InventoryItem, Merchant, Source, connect, database
from tests.bench import catalogue
from tests.browserless import Browser
from tests.conftest import PASSWORD, Databases, close_database, create_schema

GOAL = 0.150


@dataclass(frozen=True)
class Shop:
    """What addresses are made of: the merchant, its first and last source, some of its items, and made-up words, the common first."""

    merchant: Merchant
    sources: list[Source]
    samples: list[InventoryItem]
    words: list[str]
    rng: random.Random

    def item(self) -> InventoryItem:
        return self.rng.choice(self.samples)

    def word(self, low: int, high: int) -> str:
        """A word whose place by frequency is between the two."""
        return self.words[self.rng.randrange(low, high)]

    def deep(self, sort: str) -> str:
        """The link to a page that begins at an item drawn by lot."""
        item = self.item()
        value = getattr(item, paging.SORTS[sort].column)
        return browse._write_cursor("n", sort, (item.id, value))


Case = Callable[[Shop], dict[str, str]]
CASES: dict[str, Case] = {
    "first page": lambda _: {},
    "by quantity": lambda _: {"sort": "quantity"},
    "by cost": lambda _: {"sort": "cost"},
    "by change": lambda _: {"sort": "changed"},
    "deep page": lambda shop: {"page": shop.deep("sku")},
    "deep, by quantity": lambda shop: {"sort": "quantity", "page": shop.deep("quantity")},
    "deep, by cost": lambda shop: {"sort": "cost", "page": shop.deep("cost")},
    "deep, by change": lambda shop: {"sort": "changed", "page": shop.deep("changed")},
    "one source": lambda shop: {"source": shop.sources[0].public_id},
    "in stock": lambda _: {"stock": "in"},
    "out of stock": lambda _: {"stock": "out"},
    "out of stock, by cost": lambda _: {"stock": "out", "sort": "cost"},
    "missing": lambda _: {"stock": "missing"},
    "archived, by change": lambda _: {"stock": "archived", "sort": "changed"},
    "whole SKU": lambda shop: {"q": shop.item().sku},
    "SKU, small letters": lambda shop: {"q": shop.item().sku.lower()},
    "SKU prefix": lambda shop: {"q": shop.item().sku[:8]},
    "SKU prefix of many": lambda shop: {"q": shop.item().sku[:4]},
    "two letters": lambda shop: {"q": shop.item().sku[:2].lower()},
    "two letters, none": lambda shop: {"q": shop.rng.choice(("zq", "j9", "9z"))},
    "part of an MPN": lambda shop: {"q": (shop.item().mpn or "")[2:9]},
    "whole UPC": lambda shop: {"q": shop.item().upc or ""},
    "UPC as GTIN-14": lambda shop: {"q": (shop.item().upc or "").zfill(14)},
    "20 pasted SKUs": lambda shop: {"q": ", ".join(shop.item().sku for _ in range(20))},
    "two title words": lambda shop: {"q": " ".join((shop.item().title or "").split()[3:5])},
    "rare substring": lambda shop: {"q": shop.word(4_000, 8_000)[1:6]},
    "rare word": lambda shop: {"q": shop.word(6_000, 8_000)},
    "rare word, one source": lambda shop: {"q": shop.word(6_000, 8_000), "source": shop.sources[-1].public_id},
    "rare word, out of stock": lambda shop: {"q": shop.word(6_000, 8_000), "stock": "out", "sort": "cost"},
    "middling word": lambda shop: {"q": shop.word(20, 400)},
    "middling word, by change": lambda shop: {"q": shop.word(20, 400), "sort": "changed"},
    "common word": lambda shop: {"q": shop.rng.choice(("lamp", "kettle", "grosse", "kestrel", "warranty mm"))},
    "common word, by cost": lambda shop: {"q": shop.rng.choice(("lamp", "kettle", "cafe", "lumen")), "sort": "cost"},
    "common word, out of stock": lambda shop: {"q": shop.rng.choice(("lamp", "kettle", "cafe", "lumen")), "stock": "out"},
    "common word, deep": lambda shop: {"q": shop.rng.choice(("lamp", "kettle", "cafe", "lumen")), "page": shop.deep("sku")},
    "two common words": lambda shop: {"q": shop.rng.choice(("lamp kestrel", "kettle mm", "shelf lumen", "bike rack northwind"))},
    "common word, missing": lambda shop: {"q": shop.rng.choice(("lamp", "kettle", "cafe", "lumen")), "stock": "missing"},
    "no hit": lambda shop: {"q": shop.rng.choice(("xylophone", "kakalozzz", "00000000000", "lamp xylophone"))},
}


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


def filled(url: str, folder: Path, rows: int) -> None:
    """Put the merchant, its owner and its items into the database, and index them."""
    use(url, folder)
    with database.connection_context():
        merchant = accounts.create_merchant("Bench")
        accounts.create_user(merchant, "owner@harbor.example", PASSWORD, role="owner")
        began = time.monotonic()
        catalogue.fill(merchant, rows)
        loaded = time.monotonic()
        search_index.catch_up()
        print(f"    filled in {loaded - began:.0f} s, indexed in {time.monotonic() - loaded:.0f} s more", file=sys.stderr, flush=True)
        if not url.startswith("sqlite"):
            database.execute_sql("VACUUM ANALYZE")


def use(url: str, folder: Path) -> settings.Config:
    made = settings.use(settings.read({"DATA_DIR": str(folder), "DATABASE_URL": url, "DEMO": "0"}))
    vault.use(vault.load(made.secret_key_file))
    connect(url)
    return made


def measured(url: str, folder: Path, times: int) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds of each kind of page, and of the same page with its rows from memory."""
    app = create_app(use(url, folder))
    app.testing = True
    app.test_client_class = Browser
    client = app.test_client().sign_in("owner@harbor.example", PASSWORD)
    shop = shop_of()
    asked = [name for name in CASES for _ in range(times)]
    shop.rng.shuffle(asked)
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in CASES}
    client.get("/inventory")
    for name in asked:
        address = "/inventory?" + urlencode(CASES[name](shop))
        kept: list[browse.Page] = []

        def keep(*args: Any, kept: list[browse.Page] = kept, real: Any = browse.search, **asked: Any) -> browse.Page:
            kept.append(real(*args, **asked))
            return kept[-1]

        with mock.patch.object(browse, "search", keep):
            found[name][0].append(seconds(client, address))
        with (
            mock.patch.object(browse, "search", lambda *_, kept=kept, **__: kept[-1]),
            mock.patch.object(browse, "is_behind", lambda _: False),
        ):
            found[name][1].append(seconds(client, address))
    return found


def shop_of() -> Shop:
    """The merchant that was filled in, with 400 of its items."""
    rng = random.Random(3)
    with database.connection_context():
        merchant = Merchant.get()
        last = InventoryItem.select(InventoryItem.id).order_by(InventoryItem.id.desc()).limit(1).scalar()
        samples = list(InventoryItem.select().where(InventoryItem.id << [rng.randrange(1, last + 1) for _ in range(400)]))
        sources = list(Source.select().where(Source.merchant == merchant).order_by(Source.id))
    return Shop(merchant, sources, samples, catalogue.words(), rng)


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


def main() -> None:
    chosen = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen.add_argument("--rows", type=int, default=100_000)
    chosen.add_argument("--times", type=int, default=20, help="how often each kind of page is asked for")
    chosen.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    given = chosen.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pages"))
    databases = Databases(folder)

    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start"
    print(f"{given.rows:,} items, each kind of page {given.times} times through the test client; {machine}.", flush=True)
    try:
        for kind in ["sqlite", "postgres"] if given.database == "both" else [given.database]:
            url = opened(kind, folder, databases)
            filled(url, folder, given.rows)
            report(kind, measured(url, folder, given.times))
            close_database()
        print(
            "\nof a bare page: median of the page over the median of the same page with its rows from memory, asked for at the same moment."
        )
    finally:
        databases.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
