"""What the import is measured against, each a process of its own: our own reference sketch, and plain ways to fill the table.

python -m tests.bench.peers NAME DATABASE_URL FILE; see PEERS.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
from peewee import EXCLUDED
from xxhash import xxh3_64_intdigest

from portal import clock
from portal.feeds import raw_records
from portal.models import InventoryItem, Merchant, Source, bulk, connect, database
from portal.models.database import is_postgres
from portal.records import FeedFormat

BATCH = 1_000
COLUMNS = {
    "item_no": "sku", "product_name": "title", "long_description": "description", "brand": "brand", "upc": "upc", "mpn": "mpn",
    "qty_avail": "quantity", "dealer_price": "cost", "msrp": "msrp", "map_price": "map_price", "weight": "weight",
    "category": "category_1", "subcategory": "category_2", "image_1": "images",
}  # fmt: skip
NAMES = tuple(COLUMNS.values())
OTHERS = (
    "public_id", "merchant_id", "source_id", "content_hash", "last_run_id", "last_row", "added_run_id", "added_row", "pinned",
    "archived_by", "added_at", "changed_at",
)  # fmt: skip
_AMOUNTS = {"cost", "msrp", "map_price", "weight"}


def rows_of(lines: Iterator[list[str]], at: Sequence[int]) -> Iterator[tuple[Any, ...]]:
    """Cells as the table's values: (*NAMES, *OTHERS). No check, transform or content hash; ids made together lie together, as ours."""
    now, made = str(clock.now()), f"{time.time_ns() // 1_000_000:012x}"
    sku, title, text, brand, upc, mpn, units, cost, msrp, least, weight, one, two, image = at
    for number, cells in enumerate(lines, 2):
        yield (
            cells[sku], cells[title], cells[text], cells[brand], cells[upc], cells[mpn], int(cells[units]),
            round(float(cells[cost]) * 10_000), round(float(cells[msrp]) * 10_000), round(float(cells[least]) * 10_000),
            round(float(cells[weight]) * 10_000), cells[one], cells[two], cells[image],
            f"{made}{number:020x}", 1, 1, 0, 0, number, 0, number, 0, "", now, now,
        )  # fmt: skip


def items(path: Path) -> Iterator[tuple[Any, ...]]:
    """The rows of a bench feed."""
    with path.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        headers = next(lines)
        yield from rows_of(lines, [headers.index(name) for name in COLUMNS])


def prepare(feed: Path, target: Path) -> None:
    """Write the feed as the table itself, all columns in its order, for the database's own loader; not measured."""
    fields = InventoryItem._meta.sorted_fields
    names, usual = [field.column_name for field in fields], ["0" if field.default == 0 else "" for field in fields]
    at = [(*NAMES, *OTHERS).index(name) if name in (*NAMES, *OTHERS) else None for name in names]
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        for number, item in zip(count(1), items(feed), strict=False):
            row = [other if place is None else item[place] for place, other in zip(at, usual, strict=True)]
            row[names.index("id")] = number
            writer.writerow(row)


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
        there = "missing_since IS NULL OR CAST(missing_since AS text) = ''"
        found = database.execute_sql(f"SELECT count(*), sum(quantity), sum(cost) FROM inventory_item WHERE {there}").fetchone()
    return int(found[0]), int(found[1] or 0), int(found[2] or 0)


def by_executemany(url: str, path: Path) -> None:
    """csv.reader and the driver's own way for many rows, one transaction, into the same indexed table."""
    connect(url)
    with database.connection_context(), database.atomic():
        _insert(items(path))


def by_peewee(url: str, path: Path) -> None:
    """insert_many in batches of 1,000, one transaction; a SKU that is there is overwritten."""
    connect(url)
    fields = [InventoryItem._meta.columns[name] for name in (*NAMES, *OTHERS)]
    written = [getattr(InventoryItem, name) for name in (*NAMES[1:], "last_row", "changed_at")]
    with database.connection_context(), database.atomic():
        rows, changes = items(path), {field: getattr(EXCLUDED, field.name) for field in written}
        while batch := list(islice(rows, BATCH)):
            insert = InventoryItem.insert_many(batch, fields=fields)
            insert.on_conflict(conflict_target=[InventoryItem.source, InventoryItem.sku], update=changes).execute()


def by_loader(url: str, prepared: Path) -> None:
    """Empty the table and fill it: the sqlite3 shell's .import, or COPY. `prepared`: see `prepare`."""
    if url.startswith("sqlite"):
        script = f"PRAGMA synchronous = FULL;\nBEGIN;\nDELETE FROM inventory_item;\n.import --csv {prepared} inventory_item\nCOMMIT;\n"
        subprocess.run(["sqlite3", "-batch", "-bail", url.removeprefix("sqlite:///")], input=script, text=True, check=True)
        return
    names = ", ".join(f'"{field.column_name}"' for field in InventoryItem._meta.sorted_fields)
    connect(url)
    with database.connection_context(), database.atomic(), prepared.open("rb") as file:
        database.execute_sql("TRUNCATE inventory_item CASCADE")
        options = "FORMAT csv, FORCE_NOT_NULL (archived_by)"
        with database.cursor() as cursor, cursor.copy(f"COPY inventory_item ({names}) FROM STDIN ({options})") as copy:
            while block := file.read(1 << 20):
                copy.write(block)


def by_sketch(url: str, path: Path) -> None:
    """The bare line-hash import, the design to beat: no mapping, checks, plan or journal; it trusts its own record of the last feed."""
    connect(url)
    state = path.with_name("sketch.npz")
    before, known = (np.zeros(0, np.uint64), b"") if not state.exists() else _loaded(state)
    hashes: list[Any] = []
    skus: list[bytes] = []
    at: list[int] = []
    with database.connection_context(), database.atomic():
        for block in raw_records.blocks(path, FeedFormat(), 0):
            records = block.records
            if not at:
                headers = next(csv.reader([records[0].decode()]))
                at, records = [headers.index(name) for name in COLUMNS], records[1:]
            some = np.fromiter(map(xxh3_64_intdigest, records), np.uint64, len(records))
            new = [records[n].decode() for n in np.flatnonzero(~_among(some, before))]
            hashes.append(some)
            skus += [record[: record.index(b",")] for record in records]
            _upsert(rows_of(csv.reader(new), at), bool(len(before)))
        seen = np.concatenate(hashes)
        order = np.argsort(seen)
        gone = np.flatnonzero(~_among(before, seen[order]))
        named, held = set(skus), known.split(b"\n")
        _zero([sku for sku in map(held.__getitem__, gone) if sku not in named])
    np.savez(state, hashes=seen[order], skus=np.frombuffer(b"\n".join(map(skus.__getitem__, order)), np.uint8))


def _among(some: Any, known: Any) -> Any:
    """Which hashes are among known ones, which are sorted."""
    if not len(known):
        return np.zeros(len(some), np.bool_)
    return known[np.minimum(np.searchsorted(known, some), len(known) - 1)] == some


def _loaded(state: Path) -> tuple[Any, bytes]:
    with np.load(state) as told:
        return told["hashes"], told["skus"].tobytes()


def _insert(rows: Iterator[tuple[Any, ...]]) -> None:
    names = ", ".join((*NAMES, *OTHERS))
    if is_postgres():
        with database.cursor() as cursor, cursor.copy(f"COPY inventory_item ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    else:
        marks = ", ".join("?" * len((*NAMES, *OTHERS)))
        database.connection().executemany(f"INSERT INTO inventory_item ({names}) VALUES ({marks})", rows)


def _upsert(rows: Iterator[tuple[Any, ...]], some_are_there: bool) -> None:
    if not some_are_there:
        _insert(rows)
        return
    names, sets = ", ".join((*NAMES, *OTHERS)), ", ".join(f"{name} = excluded.{name}" for name in (*NAMES[1:], "changed_at"))
    tail = f"ON CONFLICT (source_id, sku) DO UPDATE SET {sets}"
    if not is_postgres():
        marks = ", ".join("?" * len((*NAMES, *OTHERS)))
        database.connection().executemany(f"INSERT INTO inventory_item ({names}) VALUES ({marks}) {tail}", rows)
        return
    database.execute_sql(f"CREATE TEMP TABLE IF NOT EXISTS incoming AS SELECT {names} FROM inventory_item LIMIT 0")
    database.execute_sql("TRUNCATE incoming")
    with database.cursor() as cursor, cursor.copy(f"COPY incoming ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    database.execute_sql(f"INSERT INTO inventory_item ({names}) SELECT {names} FROM incoming {tail}")


def _zero(skus: Sequence[bytes]) -> None:
    sql = "UPDATE inventory_item SET quantity = 0, missing_since = ? WHERE source_id = 1 AND sku = ?"
    if skus:
        bulk.run_many(sql, [(str(clock.now()), sku.decode()) for sku in skus])


PEERS: dict[str, Callable[[str, Path], None]] = {
    "sketch": by_sketch, "executemany": by_executemany, "loader": by_loader, "peewee": by_peewee,
}  # fmt: skip

if __name__ == "__main__":
    PEERS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
