"""The inventory list and its search over many items: p50 and p95 of the real page, beside the same page with its rows from memory.

    python -m tests.bench.pages --rows 1000000

Fills a catalogue (four sources, 70 % of it in the first), indexes it as the worker does, then asks for each kind of page many times,
each time with other words, SKUs or places, in an order drawn by lot. Prints; asserts no time.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

from portal import accounts
from portal.inventory import browse, paging, search_index
from portal.models import InventoryItem, Merchant, Source, database
from tests.bench import catalogue
from tests.bench.asking import Found, arguments, beside_bare, databases_of, report, signed_in, use
from tests.conftest import PASSWORD


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


def shop_of() -> Shop:
    """The merchant that was filled in, with 400 of its items."""
    rng = random.Random(3)
    with database.connection_context():
        merchant = Merchant.get()
        last = InventoryItem.select(InventoryItem.id).order_by(InventoryItem.id.desc()).limit(1).scalar()
        samples = list(InventoryItem.select().where(InventoryItem.id << [rng.randrange(1, last + 1) for _ in range(400)]))
        sources = list(Source.select().where(Source.merchant == merchant).order_by(Source.id))
    return Shop(merchant, sources, samples, catalogue.words(), rng)


def measured(url: str, folder: Path, times: int) -> Found:
    """Seconds of each kind of page."""
    client, shop = signed_in(url, folder), shop_of()
    addresses = {name: partial(_address, case, shop) for name, case in CASES.items()}
    return beside_bare(client, addresses, [(browse, "search"), (browse, "is_behind")], times, shop.rng)


def _address(case: Case, shop: Shop) -> str:
    return "/inventory?" + urlencode(case(shop))


def main() -> None:
    given = arguments(__doc__).parse_args()
    with databases_of(given, "items") as each:
        for kind, url, folder in each:
            filled(url, folder, given.rows)
            report(kind, measured(url, folder, given.times))


if __name__ == "__main__":
    main()
