"""Explain, pin, archive: what a person does on an item's page and on the list."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal import clock, runs
from portal.inventory import explain, revert
from portal.models import InventoryChange, InventoryItem, ItemPin, Run
from tasks.work import HANDLERS
from tests.feed_of import RULES, Feed, rows_of


@pytest.fixture
def feed(make_source: Any) -> Feed:
    made = Feed(make_source())
    sync(made, rows_of(5))
    return made


def sync(feed: Feed, rows: Any) -> Run:
    started = feed.start(rows)
    runs.work_available(HANDLERS)
    return Run.get_by_id(started.id)


def item_of(sku: str = "SKU-00001") -> InventoryItem:
    return InventoryItem.get(InventoryItem.sku == sku)


def test_a_value_is_pinned_shown_listed_and_taken_off(client: Any, feed: Feed) -> None:
    item = item_of()
    here = f"/inventory/{item.public_id}"
    page = client.get(f"{here}/pin?column=cost").text
    assert 'value="2.50"' in page
    until = (clock.now() + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M")
    answer = client.send_form(f"{here}/pin", {"column": "quantity", "value": "0", "until": until, "note": "Recall"})
    assert answer.status_code == 303 and item_of().quantity == 0
    assert ItemPin.get().expires_at > clock.now() + timedelta(days=2)
    page = client.get(here).text
    assert "Recall" in page and "Pinned until" in page
    assert "Recall" in client.get(f"/sources/{feed.source.public_id}/pins").text
    assert client.send_form(f"{here}/pin/quantity/end", page=here).status_code == 303
    assert item_of().quantity == 5
    assert "Quantity is as before the pin" in client.get(here).text
    assert "No value is pinned" in client.get(f"/sources/{feed.source.public_id}/pins").text


def test_what_was_typed_survives_a_refusal(client: Any, feed: Feed) -> None:
    here = f"/inventory/{item_of().public_id}/pin"
    answer = client.send_form(here, {"column": "quantity", "value": "lots", "until": "someday", "note": "Mine"})
    assert answer.status_code == 422
    assert 'value="lots"' in answer.text and 'value="Mine"' in answer.text and "Enter a date and a time" in answer.text
    past = client.send_form(here, {"column": "quantity", "value": "1", "until": "2001-01-01T00:00"})
    assert "still to come" in past.text and not ItemPin.select().exists()


def test_items_are_archived_from_the_list_and_found_under_their_filter(client: Any, feed: Feed) -> None:
    place = f"/sources/{feed.source.public_id}/inventory"
    ids = [item_of("SKU-00001").public_id, item_of("SKU-00002").public_id]
    answer = client.send_form("/inventory/acts", {"act": "archive", "item": ids}, page=place)
    client.send_form(answer.headers["Location"])
    runs.work_available(HANDLERS)
    assert "SKU-00001" not in client.get(place).text
    archived = client.get(f"{place}?stock=archived").text
    assert (
        "SKU-00001" in archived
        and "by owner@harbor.example" in archived
        and 'id="act-unarchive"' in archived
        and 'id="act-archive"' not in archived
    )
    page = client.get(f"/inventory/{ids[0]}").text
    assert "Its quantity is 0" in page
    assert client.send_form("/inventory/archived", page=f"/inventory/{ids[0]}").status_code == 303
    assert item_of().quantity == 5
    assert client.send_form("/inventory/acts", {"act": "archive"}, page=place).status_code == 409


def test_an_explanation_names_file_row_mapping_rule_guards_run_and_who(client: Any, feed: Feed) -> None:
    feed.map(
        fields={**RULES["fields"], "quantity": {"columns": ["qty"], "steps": [{"do": "replace", "find": "+", "with": ""}], "fallback": "0"}}
    )
    rows = rows_of(5)
    rows[1][3] = 9
    run = sync(feed, rows)
    item = item_of()
    page = client.get(f"/inventory/{item.public_id}/explanation/quantity").text
    for words in (
        "stock.csv",
        "Version 2",
        "Column “qty”.",
        "“0” where the file has nothing.",
        f"Run {run.number}",
        "= <b>9</b>",
        "guards",
    ):
        assert words in page, words
    why = explain.of(item, "quantity")
    assert (why.row, why.origin.id, why.action) == (3, run.id, "change")
    assert client.get(f"/inventory/{item.public_id}/explanation/nothing").status_code == 404


def test_an_explanation_leads_through_reverts_and_pins_to_the_file(client: Any, feed: Feed) -> None:
    first = Run.select().get()
    InventoryChange.delete().execute()  # arrivals without lines of their own
    bad = sync(feed, rows_of(5, quantity=9))
    revert.start(bad, revert.Choice(), "ana@harbor.example")
    runs.work_available(HANDLERS)
    why = explain.of(item_of(), "quantity")
    assert (why.value, why.origin.id, why.later[0].run.kind) == (5, first.id, "revert")
    page = client.get(f"/inventory/{item_of().public_id}/explanation/quantity").text
    assert "Put back by ana@harbor.example" in page and "stock.csv, row 3" in page
    here = f"/inventory/{item_of().public_id}"
    client.send_form(f"{here}/pin", {"column": "quantity", "value": "2"})
    page = client.get(f"{here}/explanation/quantity").text
    assert "pinned it" in page and "pinned by owner@harbor.example = <b>2</b>" in page


def test_a_missing_item_is_explained(client: Any, feed: Feed) -> None:
    sync(feed, rows_of(4))
    page = client.get(f"/inventory/{item_of('SKU-00004').public_id}/explanation/quantity").text
    assert "did not hold this item" in page and "the file did not name" in page
