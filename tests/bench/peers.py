"""What the import is measured against, each a process of its own: plain Peewee, and the database's own bulk loader.

python -m tests.bench.peers peewee|loader DATABASE_URL FILE
"""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from peewee import EXCLUDED

from portal import clock
from portal.models import InventoryItem, Merchant, Source, connect, database
from portal.models.fields import new_public_id

BATCH = 1_000
TEXTS = {
    "item_no": "sku", "parent_sku": "parent_sku", "product_name": "title", "long_description": "description", "brand": "brand",
    "upc": "upc", "mpn": "mpn", "category": "category_1", "subcategory": "category_2", "image_1": "images", "condition": "condition",
    "warehouse_note": "bin_location",
}  # fmt: skip
AMOUNTS = {
    "dealer_price": "cost", "msrp": "msrp", "map_price": "map_price", "weight": "weight", "length": "length", "width": "width",
    "height": "height",
}  # fmt: skip


def items(path: Path, merchant: int, source: int) -> Iterator[dict[str, Any]]:
    """The rows of a bench feed as rows of the inventory table, without checks, transforms or content hash."""
    now = clock.now()
    with path.open(newline="", encoding="utf-8") as file:
        for number, row in enumerate(csv.DictReader(file), 2):
            item: dict[str, Any] = {ours: row[theirs] or None for theirs, ours in TEXTS.items()}
            item |= {ours: int(Decimal(row[theirs]) * 10_000) for theirs, ours in AMOUNTS.items()}
            yield item | {
                "quantity": int(row["qty_avail"]), "public_id": new_public_id(), "merchant_id": merchant, "source_id": source,
                "content_hash": 0, "last_run_id": 0, "last_row": number, "added_run_id": 0, "added_row": number, "pinned": 0,
                "archived_by": "", "added_at": now, "changed_at": now,
            }  # fmt: skip


def prepare(feed: Path, target: Path) -> None:
    """Write the feed as the table itself, all columns in its order, for the bulk loader; not measured."""
    names = [field.column_name for field in InventoryItem._meta.sorted_fields]
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        for number, item in enumerate(items(feed, 1, 1), 1):
            writer.writerow({"id": number, **item})


def make_source(url: str) -> None:
    """The one merchant and source, both with id 1, whose items a peer writes."""
    connect(url)
    with database.connection_context():
        merchant = Merchant.create(name="Bench", data_key="")
        Source.create(merchant=merchant, name="Bench", name_key="bench", kind="dropship_supplier")


def totals(url: str) -> tuple[int, int, int]:
    """Items, units and money in the table: what every contestant must end with."""
    connect(url)
    with database.connection_context():
        sums = (
            "SELECT count(*), sum(quantity), sum(cost) FROM inventory_item WHERE missing_since IS NULL OR CAST(missing_since AS text) = ''"
        )
        count, units, money = database.execute_sql(sums).fetchone()
    return int(count), int(units), int(money)


def by_peewee(url: str, path: Path) -> None:
    """insert_many in batches of 1,000, one transaction; a SKU that is there is overwritten."""
    connect(url)
    with database.connection_context(), database.atomic():
        source = Source.get()
        rows = items(path, source.merchant_id, source.id)
        written = [getattr(InventoryItem, name) for name in (*TEXTS.values(), *AMOUNTS.values(), "quantity", "last_row", "changed_at")]
        changes = {field: getattr(EXCLUDED, field.name) for field in written}
        target = [InventoryItem.source, InventoryItem.sku]
        while batch := list(islice(rows, BATCH)):
            InventoryItem.insert_many(batch).on_conflict(conflict_target=target, update=changes).execute()


def by_loader(url: str, prepared: Path) -> None:
    """Empty the table and fill it: the sqlite3 shell's .import, or COPY. `prepared`: see `prepare`."""
    if url.startswith("sqlite"):
        script = f"PRAGMA synchronous = FULL;\nBEGIN;\nDELETE FROM inventory_item;\n.import --csv {prepared} inventory_item\nCOMMIT;\n"
        subprocess.run(["sqlite3", "-batch", "-bail", url.removeprefix("sqlite:///")], input=script, text=True, check=True)
        return
    names = ", ".join(f'"{field.column_name}"' for field in InventoryItem._meta.sorted_fields)
    connect(url)
    with database.connection_context(), database.atomic(), prepared.open("rb") as file:
        database.execute_sql("TRUNCATE inventory_item")
        with (
            database.cursor() as cursor,
            cursor.copy(f"COPY inventory_item ({names}) FROM STDIN (FORMAT csv, FORCE_NOT_NULL (archived_by))") as copy,
        ):
            while block := file.read(1 << 20):
                copy.write(block)


if __name__ == "__main__":
    {"peewee": by_peewee, "loader": by_loader}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
