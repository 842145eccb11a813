"""The search index is fed by what changes texts, by nothing else, and may be missing altogether."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import removals, runs
from portal.inventory import browse, queries, search_index
from portal.models import Integration, InventoryItem, Source, bulk, database
from portal.models.database import is_postgres
from tasks import work
from tests.feed_of import Feed, rows_of


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Feed:
    made = Feed(make_source())
    made.sync(rows_of(40))
    return made


def found(feed: Feed, asked: str) -> list[str]:
    return [item.sku for item in browse.search(feed.source.merchant, query=asked).items]


def texts() -> dict[int, str]:
    key = "item_id" if is_postgres() else "rowid"
    return {row[0]: row[1] for row in bulk.run(f"SELECT {key}, text FROM item_search").fetchall()}


def test_a_feed_is_searched_before_and_after_it_is_indexed(feed: Feed) -> None:
    assert search_index.waiting() and found(feed, "lamp 17") == ["SKU-00017"]
    assert search_index.catch_up() == 40
    assert not search_index.waiting() and found(feed, "lamp 17") == ["SKU-00017"]
    assert len(texts()) == 40


def test_quantities_and_prices_are_nothing_to_index(feed: Feed) -> None:
    search_index.catch_up()
    feed.sync(rows_of(40, quantity=9))
    assert set(feed.quantities().values()) == {9} and not search_index.waiting()


def test_a_feed_that_rewords_is_found_by_its_new_words_alone(feed: Feed) -> None:
    search_index.catch_up()
    rows = rows_of(41)
    rows[3][1] = "Kettle, blue"
    feed.sync(rows)
    for _ in range(2):
        assert found(feed, "kettle blue") == ["SKU-00003"] and "SKU-00003" not in found(feed, "lamp")
        assert found(feed, "lamp 40") == ["SKU-00040"]
        search_index.catch_up()
    assert not search_index.waiting() and len(texts()) == 41


def test_removed_items_leave_the_index_and_may_come_again(feed: Feed) -> None:
    search_index.catch_up()
    removals.remove_inventory_of(feed.source, feed.source.name, "owner@harbor.example")
    runs.work_available(work.HANDLERS)
    assert InventoryItem.select().count() == 0 and found(feed, "lamp") == []
    search_index.catch_up()
    assert texts() == {} and not search_index.waiting()
    Integration.update(enabled=True).where(Integration.id == feed.integration.id).execute()
    feed.sync([[f"NEW-{n}", f"Sofa {n}", "Kestrel", 1, "1.00"] for n in range(40)])  # SQLite gives the same numbers again
    for _ in range(2):
        assert found(feed, "sofa 17") == ["NEW-17"] and found(feed, "lamp") == []
        search_index.catch_up()
    assert len(texts()) == 40 and not search_index.waiting()


def test_without_the_index_searches_read_the_items(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    search_index.catch_up()
    monkeypatch.setattr(search_index, "usable", lambda: False)
    assert found(feed, "lamp 17") == ["SKU-00017"] and found(feed, "kettle") == []
    assert search_index.catch_up() == 0 and not browse.is_behind(feed.source.merchant)


def test_a_postgres_that_may_have_trigrams_later_indexes_everything_then(feed: Feed, caplog: pytest.LogCaptureFixture) -> None:
    if not is_postgres():
        assert search_index.prepare()
        return
    search_index.catch_up()
    try:
        with database.atomic() as undone:
            database.execute_sql("DROP INDEX item_search_text")
            assert not search_index.usable() and found(feed, "lamp 17") == ["SKU-00017"]
            database.execute_sql("CREATE ROLE plain_user")
            database.execute_sql("DROP EXTENSION pg_trgm")
            database.execute_sql("GRANT SELECT, DELETE ON search_gap, item_search TO plain_user")
            database.execute_sql("SET LOCAL ROLE plain_user")
            assert not search_index.prepare() and "pg_trgm" in caplog.text
            database.execute_sql("RESET ROLE")
            assert search_index.prepare() and search_index.waiting()
            undone.rollback()
    finally:
        assert search_index.usable()


def test_a_list_of_codes_says_which_are_unknown(feed: Feed) -> None:
    page = browse.search(feed.source.merchant, query="SKU-00003, sku-00004;NOPE-1 SKU-00005")
    assert [item.sku for item in page.exact] == ["SKU-00003", "SKU-00004", "SKU-00005"] and page.unknown == ("NOPE-1",)
    assert browse.search(feed.source.merchant, query="SKU-00003 lamp").unknown == ()


def test_skus_that_begin_as_typed_come_first(feed: Feed) -> None:
    feed.sync([*rows_of(40), ["AA-1", "Bulb for SKU-0001", "Kestrel", 1, "1.00"]])
    assert found(feed, "sku-0001") == [f"SKU-0001{n}" for n in range(10)] + ["AA-1"]


@pytest.mark.parametrize(
    ("one", "other"), [("Größe", "GROSSE"), ("Straße", "STRASSE"), ("İstanbul", "istanbul"), ("ﬁne", "FINE"), ("e\u0301te\u0301", "ÉTÉ")]
)
def test_letters_that_are_alike(one: str, other: str) -> None:
    assert queries.fold(one) == queries.fold(other)


@pytest.mark.parametrize(("one", "other"), [("ae", "ä"), ("lamps", "lamp"), ("o", "ø"), ("ı", "i")])
def test_letters_and_words_that_are_not_alike(one: str, other: str) -> None:
    assert queries.fold(one) != queries.fold(other)


def test_a_page_says_what_was_not_found_and_never_runs_it(client: Any, feed: Feed) -> None:
    text = client.get("/inventory?q=SKU-00003,SKU-00004,<b>x").text
    assert "Not found: 1 code" in text and "&lt;b&gt;x" in text and "<b>x" not in text
