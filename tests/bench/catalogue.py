"""A catalogue for measuring pages: items of one merchant over four sources, filled in quickly, with words as common as in trade."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from portal import clock
from portal.models import InventoryItem, Merchant, Source, bulk, database
from portal.models.database import is_postgres

SHARES = (0.7, 0.15, 0.1, 0.05)  # of the items, by source
BATCH = 20_000
NOUNS = ("lamp", "shelf", "garden hose", "drill", "kettle", "backpack", "desk", "bike rack", "tarp", "gasket", "Größe L mat", "café set")
BRANDS = ("Kestrel", "Northwind", "Harbor & Pine", "Lumen", "Ostrava", "Bluefin", "Ærø", "Tamarack")
SYLLABLES = (
    "ka",
    "lo",
    "mi",
    "ren",
    "to",
    "vas",
    "bri",
    "dun",
    "fel",
    "gor",
    "hex",
    "jun",
    "pla",
    "qui",
    "sor",
    "tam",
    "wex",
    "yel",
    "zin",
    "ost",
)
COLUMNS = (
    "public_id", "merchant_id", "source_id", "sku", "title", "description", "brand", "upc", "mpn", "quantity", "cost", "category_1",
    "images", "condition", "content_hash", "last_run_id", "last_row", "added_run_id", "added_row", "pinned", "archived_at", "archived_by",
    "missing_since", "added_at", "changed_at",
)  # fmt: skip


def words() -> list[str]:
    """8,000 made-up words; the n-th is drawn the more often the smaller n is."""
    return [a + b + c for a in SYLLABLES for b in SYLLABLES for c in SYLLABLES]


def fill(merchant: Merchant, rows: int) -> list[Source]:
    """Put `rows` items into four new sources of the merchant, without any run; the sources. Indexes are made after the rows."""
    sources, start = [], 0
    with database.atomic():
        for number, share in enumerate(SHARES, 1):
            count = rows - start if number == len(SHARES) else int(rows * share)
            source = Source.create(merchant=merchant, name=f"Source {number}", name_key=f"source {number}", kind="dropship_supplier",
                                   state="live", supplier="file-upload", item_count=count)  # fmt: skip
            sources.append(source)
            start += count
        _without_indexes(lambda: _insert(merchant, sources, rows))
    bulk.analyze("inventory_item", "source")
    return sources


def _insert(merchant: Merchant, sources: list[Source], rows: int) -> None:
    made = items(merchant.id, [(source.id, source.item_count) for source in sources])
    while batch := list(islice(made, BATCH)):
        bulk.insert("inventory_item", COLUMNS, batch)
    assert next(made, None) is None and InventoryItem.select().where(InventoryItem.merchant == merchant).count() == rows


def _without_indexes(act: Any) -> None:
    found = "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'inventory_item' AND right(indexdef, 4) <> '(id)'"
    if not is_postgres():
        found = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = 'inventory_item' AND sql IS NOT NULL"
    indexes = list(database.execute_sql(found))
    for name, _ in indexes:
        database.execute_sql(f'DROP INDEX "{name}"')
    act()
    for _, sql in indexes:
        database.execute_sql(sql)


def items(merchant: int, sources: list[tuple[int, int]], seed: int = 11) -> Iterator[tuple[Any, ...]]:
    """Rows of COLUMNS for each (source id, number of items)."""
    rng, known, now = random.Random(seed), words(), clock.now()
    times = [now - timedelta(minutes=number) for number in range(5_000)]
    number = 0
    for source, count in sources:
        for n in range(count):
            number += 1
            yield _item(number, n, merchant, source, rng, known, times)


def _item(number: int, n: int, merchant: int, source: int, rng: random.Random, known: list[str], times: list[Any]) -> tuple[Any, ...]:
    brand, noun = BRANDS[n % 8], NOUNS[rng.randrange(12)]
    some = [known[int(rng.random() ** 3 * 8_000)] for _ in range(4)]
    title = f"{some[0].title()} {noun} {some[1]} {some[2]} {rng.randrange(1_000)} mm {some[3]}"
    quantity = None if number % 5_000 == 7 else 0 if rng.random() < 0.2 else rng.randrange(1, 500)
    gone, archived = number % 700 == 3, number % 300 == 11
    return (
        f"{rng.getrandbits(128):032x}", merchant, source, f"{brand[:2].upper()}-{n * 7919 % 10_000_019:08}", title,
        f"{title} by {brand}. Ships in 24 h, 2 year warranty; spare parts kept. " * 2, brand, _ean(number),
        f"{brand[:3].upper()}{rng.randrange(10**7):07}", 0 if gone or archived else quantity, rng.randrange(300, 900_000) * 100,
        noun.title(), f'["https://img.example/{n % 100}/{n}.jpg"]', "New", number, 1, n + 2, 1, n + 2, 0,
        times[0] if archived else None, "owner@harbor.example" if archived else "", times[1] if gone else None, times[-1],
        times[rng.randrange(5_000)],
    )  # fmt: skip


def _ean(n: int) -> str:
    body = f"40{n:010}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"
