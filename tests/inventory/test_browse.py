"""Finding items: scope, search, keyset pages that neither skip nor repeat."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.errors import Invalid, NotFound
from portal.inventory import browse
from portal.models import InventoryItem, Merchant, Source


def add(source: Source, sku: str, **columns: Any) -> InventoryItem:
    return InventoryItem.create(merchant=source.merchant, source=source, sku=sku, content_hash=1, last_run_id=1, last_row=1, **columns)


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    made = make_source()
    for number in range(120):
        add(made, f"NW-{number:04d}", title=f"Ridge tarp {number}", quantity=None if number % 10 == 0 else number % 7, cost=number * 10_000)
    return made


def walk(merchant: Merchant, **asked: Any) -> tuple[list[str], list[str]]:
    """SKUs of all pages forwards, then of all pages back from the last."""
    pages, cursor = [], ""
    while True:
        page = browse.search(merchant, cursor=cursor, **asked)
        pages.append(page)
        if not page.next_cursor:
            break
        cursor = page.next_cursor
    forwards = [item.sku for page in pages for item in page.items]
    back, cursor = [[item.sku for item in pages[-1].items]], pages[-1].previous_cursor
    while cursor:
        page = browse.search(merchant, cursor=cursor, **asked)
        back.insert(0, [item.sku for item in page.items])
        cursor = page.previous_cursor
    return forwards, [sku for page in back for sku in page]


@pytest.mark.parametrize("sort", sorted(browse.SORTS))
def test_pages_forwards_and_back_hold_every_item_once(merchant: Merchant, source: Source, sort: str) -> None:
    forwards, back = walk(merchant, sort=sort)
    assert len(forwards) == len(set(forwards)) == 120
    assert back == forwards


def test_items_without_a_quantity_come_last_when_most_come_first(merchant: Merchant, source: Source) -> None:
    forwards, _ = walk(merchant, sort="quantity")
    assert {int(sku[3:]) % 10 for sku in forwards[-12:]} == {0}


def test_an_exact_sku_comes_first_and_only_once(merchant: Merchant, source: Source) -> None:
    add(source, "NW-00", title="Short number")
    page = browse.search(merchant, query="NW-00")
    assert [item.sku for item in page.exact] == ["NW-00"]
    assert "NW-00" not in [item.sku for item in page.items]
    assert len(page.items) == 50


def test_titles_match_by_every_word_and_signs_of_patterns_are_plain_letters(merchant: Merchant, source: Source) -> None:
    add(source, "ODD-1", title="100% wool_mix")
    assert [item.sku for item in browse.search(merchant, query="wool 100%").items] == ["ODD-1"]
    assert [item.sku for item in browse.search(merchant, query="wool_mix").items] == ["ODD-1"]
    assert browse.search(merchant, query="100_").items == []


def test_stock_filters(merchant: Merchant, source: Source) -> None:
    assert all(item.quantity > 0 for item in browse.search(merchant, stock="in").items)
    assert all(item.quantity == 0 for item in browse.search(merchant, stock="out").items)
    assert browse.search(merchant, stock="missing").items == []


def test_another_merchants_items_are_never_found(merchant: Merchant, other_merchant: Merchant, source: Source) -> None:
    item = InventoryItem.select().first()
    assert browse.search(other_merchant).items == []
    with pytest.raises(NotFound):
        browse.find(other_merchant, item.public_id)
    assert browse.find(merchant, item.public_id).id == item.id


def test_items_of_a_deleted_source_are_hidden(merchant: Merchant, source: Source) -> None:
    Source.update(state="deleted").where(Source.id == source.id).execute()
    assert browse.search(merchant).items == []


@pytest.mark.parametrize("cursor", ["x", "eyJ9", "W10", "WyJuIiwiY29zdCIsMSwxXQ"])
def test_a_page_link_that_was_changed_is_refused_in_words(merchant: Merchant, source: Source, cursor: str) -> None:
    with pytest.raises(Invalid, match="first page"):
        browse.search(merchant, cursor=cursor)
