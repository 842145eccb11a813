"""Prefix, the chain of three SKUs, and Master SKUs that two sources share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portal import feeds, mappings, setup_steps, sku_mapping
from portal.errors import Invalid, Stale
from portal.models import Document, InventoryItem, Merchant, Source


def stock(source: Source, *skus: str) -> Source:
    rows = [
        {
            "merchant": source.merchant_id,
            "source": source.id,
            "sku": sku,
            "title": f"Item {sku}",
            "content_hash": 1,
            "last_run_id": 1,
            "last_row": 2,
        }
        for sku in skus
    ]
    InventoryItem.insert_many(rows).execute()
    return source


@pytest.mark.parametrize("text", ["", "NW-", "a.b_c/d+e", "x" * 20, "  NW- "])
def test_letters_digits_and_a_few_signs_make_a_prefix(text: str) -> None:
    assert sku_mapping.check_prefix(text) == text.strip()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x" * 21, "21 characters"),
        ("N W", "holds a space"),
        ("NW%", "holds %"),
        ("NÄ", "holds Ä"),
        ("N\tW", "cannot be shown"),
        ("١", "holds"),
    ],
)
def test_any_other_prefix_says_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(Invalid) as refused:
        sku_mapping.check_prefix(text)
    assert words in refused.value.errors["prefix"]


def test_saving_a_prefix_marks_the_step(make_source: Callable[..., Source]) -> None:
    source = sku_mapping.save(make_source(), " NW- ", 1, "ana")
    assert (source.sku_prefix, source.setup_done, source.version) == ("NW-", ["skus"], 2)


def test_a_prefix_saved_over_another_browsers_is_refused_and_marks_nothing(make_source: Callable[..., Source]) -> None:
    source = make_source()
    sku_mapping.save(source, "A-", 1, "ana")
    Source.update(setup_done=[]).where(Source.id == source.id).execute()
    with pytest.raises(Stale):
        sku_mapping.save(source, "B-", 1, "ben")
    kept = Source.get_by_id(source.id)
    assert (kept.sku_prefix, kept.setup_done) == ("A-", [])
    assert setup_steps.next_step(kept) == "supplier"


def test_the_chain_shows_each_name_of_an_item() -> None:
    chain = sku_mapping.chain("NW-", ["10442", "10443", "10444", "10445"])
    assert [(one.inventory_sku, one.master_sku, one.listing_sku) for one in chain][0] == ("10442", "NW-10442", "NW-10442")
    assert len(chain) == 3


def test_equal_master_skus_of_other_sources_are_counted_whatever_prefix_they_use(make_source: Callable[..., Source]) -> None:
    ours = make_source("Northwind")
    stock(make_source("Plain"), "NW-1", "NW-2", "9")
    stock(make_source("Prefixed", sku_prefix="NW-"), "2", "3", "NW-4")
    stock(make_source("Longer prefix", sku_prefix="NW-X"), "1")
    found = sku_mapping.collisions(ours, "NW-", ["1", "2", "3", "X1", "5"])
    assert {source.name: count for source, count in found.by_source} == {"Plain": 2, "Prefixed": 2, "Longer prefix": 1}
    assert (found.total, found.count) == (5, 5)
    assert found.by_source[-1][0].name == "Longer prefix"


def test_without_a_meeting_there_is_nothing_to_say(make_source: Callable[..., Source]) -> None:
    stock(make_source("Plain"), "1", "2")
    assert sku_mapping.collisions(make_source(), "NW-", ["1", "2"]).count == 0
    assert sku_mapping.collisions(make_source("Empty"), "", []).count == 0


def test_our_own_items_and_another_merchants_are_not_collisions(make_source: Callable[..., Source], other_merchant: Merchant) -> None:
    ours = stock(make_source(), "1", "2")
    stock(make_source("Theirs", of=other_merchant), "1", "2")
    stock(make_source("Gone", state="deleted"), "1")
    assert sku_mapping.collisions(ours, "", ["1", "2"]).count == 0


def test_the_list_of_meetings_names_both_skus(make_source: Callable[..., Source]) -> None:
    other = stock(make_source("Prefixed", sku_prefix="NW-"), "2", "10", "7")
    found = sku_mapping.meetings(other, "N", ["W-2", "W-10", "W-3"])
    assert {(one.master_sku, one.inventory_sku, one.other_sku, one.other_title) for one in found} == {
        ("NW-10", "W-10", "10", "Item 10"),
        ("NW-2", "W-2", "2", "Item 2"),
    }
    assert len(sku_mapping.meetings(other, "NW-", ["2", "10", "7"], limit=2)) == 2


def test_more_skus_than_one_query_takes(make_source: Callable[..., Source], monkeypatch: Any) -> None:
    monkeypatch.setattr(sku_mapping, "CHUNK", 7)
    stock(make_source("Plain"), *[str(n) for n in range(50)])
    assert sku_mapping.collisions(make_source(), "", [str(n) for n in range(25, 75)]).count == 25


def test_only_rows_that_become_items_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "stock.csv"
    path.write_text("item,qty\nA1,1\nA2,lots\nA3,2\nA3,4\n")
    form = feeds.detect(path, path.name).format
    sample = mappings.Sample(Document(), path, form, *feeds.preview(path, form))
    rules = {"fields": {"sku": {"columns": ["item"]}, "quantity": {"columns": ["qty"]}}, "duplicates": "last"}
    for policy, skus in (("last", ["A1", "A3"]), ("sum", ["A1", "A3"]), ("set_aside", ["A1"])):
        chosen = {**rules, "duplicates": policy}
        assert mappings.sample_skus(sample, chosen) == skus
        assert mappings.counts(sample, chosen).items == len(skus)
