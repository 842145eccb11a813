"""A Postgres that orders texts by a language's rules, and one that may not have trigrams: searches and pages are right all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import accounts, vault
from portal import config as settings
from portal.inventory import browse, finding, paging, queries, search_index
from portal.models import InventoryItem, Merchant, Source, bulk, connect, database
from tests.databases import close_database, create_schema
from tests.feed_of import Feed

SKUS = (
    "a-1", "A1", "a2", "AB-1", "ab1", "Ab2", "ÄB-3", "ab-4", "b-1", "B1", "kp-1", "KP-2", "Kp3", "k-p4", "00-1", "001", "0-02", "z", "Z9",
    "Éa", "ea", "straße", "STRASSE", "ss1", "10", "9", "100", "a_b", "a%b", "日本-1",
)  # fmt: skip
ASKED = ("a", "ab", "AB-", "kp", "k", "0", "00", "lamp", "lamp 3", "kestrel", "strasse", "äb", "nobody", "1", "z", "a_", "日本", "")


@pytest.fixture
def german(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database of a Postgres of the system's that knows ICU's German, owned by no superuser."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    if request.config.getoption("--database") == "sqlite" or not programs or int(programs[-1].parts[-3]) < 15:
        pytest.skip("needs a Postgres of the system's, 15 or newer, as the one that the tests bring knows no language (apt: postgresql)")
    folder, bin_folder = Path(tempfile.mkdtemp(prefix="pgde")), programs[-1].parent
    user = "postgres" if os.getuid() == 0 else None

    def run(*command: str) -> None:
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)

    try:
        if user:
            shutil.chown(folder, user)
        icu = ("--encoding=UTF8", "--locale=C", "--locale-provider=icu", "--icu-locale=de-DE")
        run(str(bin_folder / "initdb"), "-D", str(folder / "data"), "-A", "trust", "-U", "postgres", "--no-sync", *icu)
        control = (str(bin_folder / "pg_ctl"), "-D", str(folder / "data"), "-w", "-l", str(folder / "log"))
        run(*control, "-o", f"-c listen_addresses='' -c fsync=off -k {folder}", "start")
        try:
            connect(f"postgresql://postgres@/postgres?host={folder}")
            database.execute_sql("CREATE ROLE plain_owner LOGIN")
            database.execute_sql("GRANT ALL ON SCHEMA public TO plain_owner")
            close_database()
            yield f"postgresql://plain_owner@/postgres?host={folder}"
        finally:
            close_database()
            run(*control, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def language(german: str, tmp_path: Path) -> Feed:
    """Items in that database, its tables made by its owner, who may not create extensions."""
    create_schema(german)
    made = settings.use(settings.read({"DATA_DIR": str(tmp_path), "DATABASE_URL": german, "DEMO": "0"}))
    vault.use(vault.load(made.secret_key_file))
    connect(german)
    database.connect()
    merchant = accounts.create_merchant("Harbor & Pine")
    feed = Feed(Source.create(merchant=merchant, name="One", name_key="one", kind="dropship_supplier", state="live"))
    feed.sync([[sku, f"Lamp {n % 7}", "Kestrel", n % 5, "1.50"] for n, sku in enumerate(SKUS)])
    return feed


def walked(merchant: Merchant, query: str, sort: str) -> list[str]:
    """The SKUs of all pages, forwards, after the way back was the same."""
    pages, cursor = [], ""
    while not pages or cursor:
        pages.append(browse.search(merchant, query=query, sort=sort, cursor=cursor))
        cursor = pages[-1].next_cursor
    back, cursor = [pages[-1]], pages[-1].previous_cursor
    while cursor:
        back.append(browse.search(merchant, query=query, sort=sort, cursor=cursor))
        cursor = back[-1].previous_cursor
    assert [[item.id for item in page.items] for page in back[::-1]] == [[item.id for item in page.items] for page in pages]
    return [item.sku for item in (*pages[0].exact, *(item for page in pages for item in page.items))]


def is_right(merchant: Merchant) -> None:
    for query in ASKED:
        asked = queries.read(query)
        rows = InventoryItem.select().order_by(InventoryItem.sku, InventoryItem.id)
        wanted = [row.sku for row in rows if not asked or asked.means(row.sku, row.mpn, row.upc, row.title, row.brand)]
        for sort in ("sku", "quantity", "changed"):
            found = walked(merchant, query, sort)
            assert sorted(found) == sorted(wanted), (query, sort)
            exact = [sku for sku in wanted if asked and sku in asked.codes]
            if sort == "sku":
                assert found == exact + [sku for sku in wanted if sku not in exact], query


def test_a_language_order_and_no_trigrams_leave_search_order_and_pages_right(
    language: Feed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(browse, "PAGE_SIZE", 4)
    monkeypatch.setattr(finding, "PROBE", (3,))
    monkeypatch.setattr(finding, "FEW", 5)
    merchant = language.source.merchant
    assert bulk.one("SELECT 'a' < 'B' AND 'ab' > 'a-b'")[0] and not paging.is_bytewise()
    assert not search_index.usable()
    is_right(merchant)
    assert not search_index.prepare() and "pg_trgm" in caplog.text
    assert search_index.catch_up() == 0
    is_right(merchant)
