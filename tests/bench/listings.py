"""A channel of many listings: p50 and p95 of its pages beside the same page with its rows from memory; listing, export and undoing that.

    python -m tests.bench.listings --rows 1000000

Ten listings for each 13 items: what the three smaller sources have is behind products of the first. Prints; asserts no time.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from portal import accounts, channels, clock, runs
from portal.listings import browse, detail, export, links, making
from portal.listings import rules as listing_rules
from portal.models import Channel, Listing, ListingBatch, Merchant, Product, bulk, database
from tasks.work import HANDLERS
from tests.bench import catalogue
from tests.bench.asking import Found, arguments, beside_bare, databases_of, report, signed_in, use
from tests.conftest import PASSWORD
from tests.databases import close_database

ACTS = ("look", "apply", "export", "feed", "feed again", "undo")
RULES = {
    "currency": "USD",
    "cost_of": "stocked",
    "mode": "times",
    "markup": "1.3",
    "ending": "99",
    "map_floor": "y",
    "of": "total",
    "buffer": "2",
}


@dataclass(frozen=True)
class Shop:
    """What addresses are made of: the channel, some of its listings and their products."""

    channel: Channel
    samples: list[Listing]
    rng: random.Random

    def one(self) -> Listing:
        return self.rng.choice(self.samples)


Case = Callable[[Shop], dict[str, str]]
CASES: dict[str, Case] = {
    "first page": lambda _: {},
    "deep page": lambda shop: {"after": shop.one().sku},
    "live": lambda _: {"show": "live"},
    "paused, deep": lambda shop: {"show": "paused", "after": shop.one().sku},
    "ended (none)": lambda _: {"show": "ended"},
    "whole Listing SKU": lambda shop: {"q": shop.one().sku},
    "Listing SKU begins": lambda shop: {"q": shop.one().sku[:7]},
    "Listing SKU of many": lambda shop: {"q": shop.one().sku[:5]},
    "as typed, small letters": lambda shop: {"q": shop.one().sku[:8].lower()},
    "whole Master SKU": lambda shop: {"q": shop.one().product.sku},
    "Master SKU begins": lambda shop: {"q": shop.one().product.sku[:5]},
    "whole UPC": lambda shop: {"q": shop.one().product.gtin[1:]},
    "whole MPN": lambda shop: {"q": shop.one().product.mpn},
    "no hit": lambda _: {"q": "zz-nothing"},
    "no stock": lambda _: {"show": "no_stock"},
    "no stock, deep": lambda shop: {"show": "no_stock", "after": shop.one().sku},
    "no price (rare)": lambda shop: {"show": "no_price", "after": shop.one().sku},
    "below MAP (none)": lambda shop: {"show": "below_map", "after": shop.one().sku},
}


def fill(rows: int) -> None:
    """Items, a product for each SKU with the items of every source behind it, and a channel with rules."""
    merchant = accounts.create_merchant("Bench")
    accounts.create_user(merchant, "owner@harbor.example", PASSWORD, role="owner")
    first, *_ = catalogue.fill(merchant, int(rows / catalogue.SHARES[0]))
    with database.atomic():
        bulk.run(
            f"""INSERT INTO product (public_id, merchant_id, sku, title, brand, gtin, mpn, mpn_key, at, by, version, changed_by)
            SELECT {bulk.random_id()}, merchant_id, sku, title, brand, '0' || upc, mpn, '', added_at, '', 1, ''
            FROM inventory_item WHERE source_id = ?""",
            [first.id],
        )
        bulk.run(
            """INSERT INTO product_link (item_id, product_id, source_id, rule, place, told, at, by)
            SELECT i.id, p.id, i.source_id, 'sku', 1, i.sku, i.added_at, '' FROM inventory_item i
            JOIN product p ON p.merchant_id = i.merchant_id AND p.sku = i.sku"""
        )
    bulk.analyze("product", "product_link")
    made = channels.add(merchant, "Outlet", "feed", clock.now(), False, "bench")
    made.merchant = merchant
    listing_rules.save(made, listing_rules.judged({**RULES, "prefix": "EB-"}), 1, "bench")
    links.make(channels.find(merchant, made.public_id), "bench")


def act(name: str) -> dict[str, Any]:
    """One act, here: its seconds, those of this processor, what came of it, and the most memory of this process in MB."""
    merchant = Merchant.get()
    channel = channels.find(merchant, Channel.get().public_id)
    began, busy, told = time.monotonic(), time.process_time(), {}
    if name == "look":
        making.begin(channel, "", "live", False, "bench")
        runs.work_available(HANDLERS)
        told = {key: ListingBatch.get().counts[key] for key in making.KINDS}
    elif name == "export":
        told = {"bytes": sum(len(part.encode()) for part in export.csv_lines(channel))}
    elif name.startswith("feed"):
        told = {"bytes": links.current(channel, "csv").size}
    else:
        batch = making.find(channel, ListingBatch.get().public_id)
        making.apply(batch, "bench") if name == "apply" else making.undo(batch, "bench")
        runs.work_available(HANDLERS)
        told = {key: value for key, value in ListingBatch.get().counts.items() if key in ("made", "taken_back", "kept")}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": time.monotonic() - began, "busy": time.process_time() - busy, "peak": peak, "told": told}


def tell(name: str, url: str, folder: Path) -> None:
    """Do one act in a process of its own, and print a line of it."""
    words = [sys.executable, "-m", "tests.bench.listings", "--act", name, "--url", url, "--folder", str(folder)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name:26}{found['seconds']:7.1f} s ({found['busy']:.1f} s of it busy){found['peak']:7.0f} MB  {found['told']}", flush=True)


def measured(url: str, folder: Path, times: int) -> Found:
    """Seconds of each kind of page."""
    client, shop = signed_in(url, folder), shop_of()
    here = f"/channels/{shop.channel.public_id}/listings"
    addresses = {name: partial(_address, here, case, shop) for name, case in CASES.items()}
    addresses["one listing"] = lambda: f"{here}/{shop.one().public_id}"
    return beside_bare(client, addresses, [(browse, "page"), (detail, "explain")], times, shop.rng)


def _address(here: str, case: Any, shop: Shop) -> str:
    return f"{here}?{urlencode(case(shop))}"


def shop_of() -> Shop:
    """The channel that was filled in, with 400 of its listings; some are paused."""
    rng = random.Random(3)
    with database.connection_context():
        first, last = bulk.one("SELECT min(id), max(id) FROM listing")
        ids = [rng.randrange(first, last + 1) for _ in range(400)]
        Listing.update(state="paused").where(Listing.id << ids[:100]).execute()
        return Shop(Channel.get(), list(Listing.select(Listing, Product).join(Product).where(Listing.id << ids)), rng)


def main() -> None:
    chosen = arguments(__doc__)
    for name in ("--act", "--url", "--folder"):
        chosen.add_argument(name, default="", help=argparse.SUPPRESS)
    given = chosen.parse_args()
    if given.act:
        use(given.url, Path(given.folder))
        with database.connection_context():
            print(json.dumps(act(given.act)))
        return
    with databases_of(given, "listings") as each:
        for kind, url, folder in each:
            use(url, folder)
            with database.connection_context():
                fill(given.rows)
            close_database()
            print(f"\n{kind}", flush=True)
            for name in ACTS[:-1]:
                tell(name, url, folder)
            report(kind, measured(url, folder, given.times))
            close_database()
            tell(ACTS[-1], url, folder)


if __name__ == "__main__":
    main()
