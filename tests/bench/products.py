"""Pages of products and of a linking over many items: p50 and p95 of the real page, beside the same page with its rows from memory.

    python -m tests.bench.products --rows 1000000

60 products for each 100 items, a look over all of them, and each kind of page many times, in an order drawn by lot. Asserts no time.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from portal import accounts, runs
from portal.catalogue import counting, editing, linking, matching, products, samples
from portal.models import InventoryItem, Linking, Merchant, Product, bulk, database
from tasks.work import HANDLERS
from tests.bench.asking import Found, arguments, beside_bare, databases_of, report, signed_in, use
from tests.bench.linking import fill
from tests.conftest import PASSWORD

KEPT = (
    (products, "page"), (products, "behind"), (products, "units_of"), (counting, "of_merchant"), (counting, "possible"),
    (samples, "samples"), (samples, "items"), (matching, "any_items"), (editing, "uses"), (products, "candidates_of"),
)  # fmt: skip
"""What reads many rows: answered from memory for the bare page."""


class Shop:
    """What addresses are made of: products and items drawn by lot, and the linking that was looked at."""

    def __init__(self) -> None:
        self.rng = random.Random(5)
        last = int(Product.select().order_by(Product.id.desc()).get().id)
        self.products = list(Product.select().where(Product.id << [self.rng.randrange(1, last + 1) for _ in range(300)]))
        items = int(InventoryItem.select().order_by(InventoryItem.id.desc()).get().id)
        self.items = list(InventoryItem.select().where(InventoryItem.id << [self.rng.randrange(1, items + 1) for _ in range(300)]))
        self.linking = Linking.get().public_id

    def product(self) -> Product:
        return self.rng.choice(self.products)

    def item(self) -> InventoryItem:
        return self.rng.choice(self.items)

    def tab(self, tab: str, **more: str) -> str:
        """The page of what was looked at, one kind of it."""
        return f"/products/linking/{self.linking}?" + urlencode({"tab": tab, **more})

    def deep(self) -> str:
        """The link to a page that begins at an item drawn by lot."""
        item = self.item()
        return str(samples.Place(item.sku, item.id, 0))


def listed(**asked: str) -> str:
    return "/products?" + urlencode(asked)


CASES: dict[str, Callable[[Shop], str]] = {
    "first page": lambda _: listed(),
    "deep page": lambda shop: listed(after=shop.product().sku),
    "whole Master SKU": lambda shop: listed(q=shop.product().sku),
    "Master SKU prefix": lambda shop: listed(q=shop.product().sku[:5]),
    "prefix of all": lambda _: listed(q="P-"),
    "prefix of none": lambda _: listed(q="ZZ"),
    "whole UPC": lambda shop: listed(q=shop.item().upc or ""),
    "whole MPN": lambda shop: listed(q=shop.product().mpn),
    "without items": lambda shop: listed(items="none", after=shop.product().sku),
    "without items, searched": lambda shop: listed(items="none", q=shop.product().sku[:5]),
    "one product": lambda shop: f"/products/{shop.product().public_id}",
    "its form": lambda shop: f"/products/{shop.product().public_id}/edit",
    "its deletion": lambda shop: f"/products/{shop.product().public_id}/deletion",
    "an item's product": lambda shop: f"/inventory/{shop.item().public_id}/product",
    "where linking begins": lambda _: "/products/linking",
    "preview, confident": lambda shop: shop.tab("confident"),
    "preview, deep": lambda shop: shop.tab("confident", after=shop.deep()),
    "preview, SKU prefix": lambda shop: shop.tab("confident", q=shop.item().sku[:6]),
    "preview, prefix of many": lambda shop: shop.tab("confident", q=shop.item().sku[:2]),
    "preview, prefix of none": lambda shop: shop.tab("confident", q="ZZ"),
    "preview, whole UPC": lambda shop: shop.tab("confident", q=shop.item().upc or "0"),
    "preview, Master SKU": lambda shop: shop.tab("confident", q=shop.product().sku),
    "preview, pack, searched": lambda shop: shop.tab("pack", q=shop.item().sku[:3]),
    "preview, not matched": lambda shop: shop.tab("unmatched"),
    "not matched, deep": lambda shop: shop.tab("unmatched", after=shop.deep()),
    "not matched, searched": lambda shop: shop.tab("unmatched", q=shop.item().sku[:6]),
}


def filled(url: str, folder: Path, rows: int) -> None:
    """Items, products for 60 % of them, half of those linked, the others looked at, and what the worker counts."""
    use(url, folder)
    with database.connection_context():
        fill(rows)
        merchant = Merchant.get(Merchant.name == "Bench")
        accounts.create_user(merchant, "owner@harbor.example", PASSWORD, role="owner")
        bulk.run(
            """
            INSERT INTO product_link (item_id, product_id, source_id, rule, place, told, at, by)
            SELECT i.id, p.id, i.source_id, 'gtin', 1, p.gtin, i.added_at, 'bench' FROM product p
            JOIN inventory_item i ON i.merchant_id = p.merchant_id AND i.upc = substr(p.gtin, 2) WHERE p.id < ?
            """,
            [rows // 3],
        )
        bulk.analyze("product_link")
        linking.begin(merchant, None, ("gtin", "mpn"), "bench")
        runs.work_available(HANDLERS)
        began = time.monotonic()
        done = counting.refresh_due()
        print(
            f"    counted for {done} sources in {time.monotonic() - began:.1f} s; looked: {Linking.get().counts}",
            file=sys.stderr,
            flush=True,
        )
        if not url.startswith("sqlite"):
            database.execute_sql("VACUUM ANALYZE")


def measured(url: str, folder: Path, times: int) -> Found:
    """Seconds of each kind of page."""
    client = signed_in(url, folder)
    with database.connection_context():
        shop = Shop()
    return beside_bare(client, {name: partial(case, shop) for name, case in CASES.items()}, KEPT, times, shop.rng)


def main() -> None:
    given = arguments(__doc__).parse_args()
    with databases_of(given, "items") as each:
        for kind, url, folder in each:
            filled(url, folder, given.rows)
            began = os.getloadavg()[0]
            report(kind, measured(url, folder, given.times))
            print(f"  load {began:.1f} when the pages began, {os.getloadavg()[0]:.1f} at their end")


if __name__ == "__main__":
    main()
