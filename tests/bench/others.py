"""Peers that are not ours and come as packages of their own (requirements-bench.lock), run by .venv-bench: imports nothing of the portal.

python tests/bench/others.py dlt|polars DATABASE_URL FILE FOLDER; prints {"items", "units", "cents"} of the table it wrote.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

OURS = {
    "item_no": "sku", "product_name": "title", "long_description": "description", "brand": "brand", "upc": "upc", "mpn": "mpn",
    "qty_avail": "quantity", "dealer_price": "cost", "msrp": "msrp", "map_price": "map_price", "weight": "weight",
    "category": "category_1", "subcategory": "category_2", "image_1": "images",
}  # fmt: skip
AMOUNTS = ("dealer_price", "msrp", "map_price", "weight")
MARKED = {
    "merchant_id": "1", "source_id": "1", "content_hash": "0", "last_run_id": "0", "last_row": "0", "added_run_id": "0", "added_row": "0",
    "pinned": "0", "archived_by": "''",
}  # fmt: skip


def by_polars(url: str, path: Path, _: Path) -> dict[str, int]:
    """Polars reads, ADBC stages, one upsert of what differs into the same indexed table, and what is gone goes to 0."""
    import polars as pl

    frame = pl.read_csv(path, schema_overrides={"upc": pl.String, "item_no": pl.String, "mpn": pl.String})
    amounts = [(pl.col(name).cast(pl.Float64) * 10_000).round().cast(pl.Int64).alias(name) for name in AMOUNTS]
    rows = frame.select(list(OURS)).with_columns(amounts).rename(OURS).to_arrow()
    postgres = url.startswith("postgres")
    if postgres:
        from adbc_driver_postgresql import dbapi
    else:
        from adbc_driver_sqlite import dbapi
    with dbapi.connect(url if postgres else url.removeprefix("sqlite:///")) as connection, connection.cursor() as cursor:
        cursor.adbc_ingest("bench_staging", rows, mode="replace")
        cursor.execute("CREATE INDEX bench_staging_sku ON bench_staging (sku)")
        for statement in _merge(postgres):
            cursor.execute(statement)
        cursor.execute("DROP TABLE bench_staging")
        connection.commit()
        return _totals(cursor, "inventory_item WHERE missing_since IS NULL", "cost")


def _merge(postgres: bool) -> list[str]:
    made, names = f"{time.time_ns() // 1_000_000:012x}", list(OURS.values())
    tail = "left(replace(gen_random_uuid()::text, '-', ''), 20)" if postgres else "lower(hex(randomblob(10)))"
    now = "localtimestamp" if postgres else "datetime('now')"
    fixed = {"public_id": f"'{made}' || {tail}", **MARKED, "added_at": now, "changed_at": now}
    differ = " OR ".join(f"inventory_item.{name} IS {'DISTINCT FROM' if postgres else 'NOT'} excluded.{name}" for name in names)
    sets = ", ".join(f"{name} = excluded.{name}" for name in [*names[1:], "changed_at"])
    gone = f"UPDATE inventory_item SET quantity = 0, missing_since = {now} WHERE missing_since IS NULL AND NOT EXISTS "
    return [
        f"INSERT INTO inventory_item ({', '.join([*names, *fixed])}) SELECT {', '.join([*names, *fixed.values()])} FROM bench_staging "
        f"WHERE true ON CONFLICT (source_id, sku) DO UPDATE SET {sets} WHERE {differ}",
        gone + "(SELECT 1 FROM bench_staging s WHERE s.sku = inventory_item.sku)",
    ]


def by_dlt(url: str, path: Path, folder: Path) -> dict[str, int]:
    """dlt's own way for this: Arrow in, merged by its key into a table of its own; it never takes out what is gone."""
    os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder), "RUNTIME__LOG_LEVEL": "ERROR"}
    import dlt
    from pyarrow import csv, string

    columns = {"upc": string(), "item_no": string(), "mpn": string()}
    parsing, reading = csv.ParseOptions(newlines_in_values=True), csv.ReadOptions(block_size=8 << 20)

    @dlt.resource(name="items", primary_key="item_no", write_disposition="merge")
    def items() -> Any:
        options = csv.ConvertOptions(column_types=columns, include_columns=list(OURS))
        yield from csv.open_csv(path, reading, parsing, options)

    postgres = url.startswith("postgres")
    target: Any = dlt.destinations.postgres(_socket_of(url)) if postgres else dlt.destinations.sqlalchemy(url, create_primary_keys=True)
    pipeline = dlt.pipeline("bench", pipelines_dir=str(folder), destination=target, dataset_name="bench_dlt")
    pipeline.run(items())
    with pipeline.sql_client() as client, client.execute_query("SELECT count(*), sum(qty_avail), sum(dealer_price) FROM items") as cursor:
        count, units, money = cursor.fetchone()
    return {"items": int(count), "units": int(units), "cents": round(float(money) * 10_000)}


def _socket_of(url: str) -> dict[str, Any]:
    """The parts of an address whose host is a folder, as dlt wants them."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    user = unquote(parts.username or options.get("user", "postgres"))
    host = quote(options.get("host") or parts.hostname or "", safe="")
    return {
        "database": parts.path.lstrip("/"),
        "username": user,
        "password": parts.password or "none",
        "host": host,
        "port": parts.port or 5432,
    }


def _totals(cursor: Any, table: str, money: str) -> dict[str, int]:
    cursor.execute(f"SELECT count(*), CAST(sum(quantity) AS bigint), CAST(sum({money}) AS bigint) FROM {table}")
    count, units, cents = cursor.fetchone()
    return {"items": int(count), "units": int(units), "cents": int(cents)}


if __name__ == "__main__":
    print(json.dumps({"dlt": by_dlt, "polars": by_polars}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))))
