"""Link to products over many items, as the worker does it, beside one hand-written join of the same tables.

look ─▶ apply ─▶ look again ─▶ create the rest ─▶ undo that

    python -m tests.bench.linking --rows 1000000

60 products for each 100 items, each with the UPC of an item; the rest matches none. Each act runs in a process of its own, whose most
memory is told. Prints; asserts no time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from portal import accounts, runs
from portal.catalogue import keys, linking
from portal.models import Linking, Merchant, bulk, database
from portal.models.database import is_postgres
from portal.models.fields import new_public_id
from tasks.work import HANDLERS
from tests.bench import catalogue
from tests.bench.asking import opened, use
from tests.databases import Databases, close_database

ACTS = ("hand-written join", "look", "apply", "look again", "create the rest", "undo")
TOLD = ("applied", "created", "joined", "left", "taken_back", "unmade")
BATCH = 10_000
_PRODUCT = ("public_id", "merchant_id", "sku", "title", "brand", "gtin", "mpn", "mpn_key", "linking_id", "at", "by")


def fill(rows: int) -> None:
    """Items, and products for 60 % of them."""
    merchant = accounts.create_merchant("Bench")
    catalogue.fill(merchant, rows)
    sql = "SELECT id, title, brand, upc, mpn, added_at FROM inventory_item WHERE id > ? AND id % 10 < 6 ORDER BY id LIMIT ?"
    last, seen = 0, set[str]()
    while found := bulk.run(sql.replace("%", "%%") if is_postgres() else sql, [last, BATCH]).fetchall():
        made = []
        for key, title, brand, upc, mpn, at in found:
            if upc in seen:
                continue
            seen.add(upc)
            made.append((new_public_id(), merchant.id, f"P-{key}", title, brand, keys.gtin(upc), mpn, keys.mpn(mpn, brand), None, at, ""))
        with database.atomic():
            bulk.insert("product", _PRODUCT, made)
        last = found[-1][0]
    bulk.analyze("product")


def act(name: str) -> dict[str, Any]:
    """One act, here: its seconds, what came of it, and the most memory of this process in MB."""
    merchant = Merchant.get(Merchant.name == "Bench")
    began = time.monotonic()
    told: dict[str, Any] = {}
    if name == "hand-written join":
        with database.atomic():
            bulk.run("CREATE TABLE floor_link (item_id BIGINT PRIMARY KEY, product_id BIGINT NOT NULL)")
            done = bulk.run(
                f"""INSERT INTO floor_link SELECT i.id, min(p.id) FROM inventory_item i
                JOIN product p ON p.merchant_id = ? AND p.gtin = {keys.gtin_sql("i")}
                WHERE i.merchant_id = ? AND i.upc IS NOT NULL GROUP BY i.id""",
                [merchant.id, merchant.id],
            )
            told = {"linked": done.rowcount}
    elif name in ("look", "look again"):
        linking.begin(merchant, None, ("gtin", "mpn"), "bench")
        runs.work_available(HANDLERS)
        told = dict(_last().counts)
    else:
        linking.undo(_last(), "bench") if name == "undo" else linking.apply(_last(), (), name == "create the rest", "bench")
        runs.work_available(HANDLERS)
        told = {key: value for key, value in _last().counts.items() if key in TOLD}
    return {"seconds": time.monotonic() - began, "told": told, "mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def _last() -> Linking:
    found: Linking = Linking.select().order_by(Linking.id.desc()).get()
    return found


def main() -> None:
    chosen = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen.add_argument("--rows", type=int, default=100_000)
    chosen.add_argument("--database", choices=("sqlite", "postgres", "both"), default="both")
    chosen.add_argument("--act", nargs=3, help=argparse.SUPPRESS)
    given = chosen.parse_args()
    if given.act:
        name, url, folder = given.act
        use(url, Path(folder))
        with database.connection_context():
            print(json.dumps(act(name)))
        return
    folder = Path(tempfile.mkdtemp(prefix="linking"))
    databases = Databases(folder)
    load = os.getloadavg()[0]
    print(f"{given.rows:,} items; Python {platform.python_version()}, {os.cpu_count()} cores, load {load:.1f} at the start", flush=True)
    try:
        for kind in ["sqlite", "postgres"] if given.database == "both" else [given.database]:
            url = opened(kind, folder, databases)
            use(url, folder)
            with database.connection_context():
                fill(given.rows)
            close_database()
            report(kind, [(name, asked(name, url, folder)) for name in ACTS])
    finally:
        databases.stop()


def asked(name: str, url: str, folder: Path) -> dict[str, Any]:
    """The act in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.linking", "--act", name, url, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=3_600, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def report(kind: str, found: list[tuple[str, dict[str, Any]]]) -> None:
    floor = found[0][1]["seconds"]
    for name, told in found:
        print(f"{kind} {name}: {told['seconds']:.1f} s ({told['seconds'] / floor:.1f}), {told['mb']:.0f} MB, {told['told']}", flush=True)


if __name__ == "__main__":
    main()
