"""Feed policies on screen: defaults, counts of now, values seen, who sets what, saving, audit, and two people at once."""

from __future__ import annotations

from typing import Any

import pytest

from portal import clock, mappings, sources
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import missing, roles
from portal.inventory.missing import Missing
from portal.models import AuditLine, Integration, InventoryItem
from tests.feed_of import HEADERS, Feed, rows_of

KIND = "get_inventory_secondary"
HX = {"HX-Request": "true"}
SHARED = {"fields": {"sku": {"columns": ["item_no"]}, "quantity": {"columns": ["qty"]}, "msrp": {"columns": ["price"]}}}


@pytest.fixture
def feed(make_source: Any) -> Feed:
    made = Feed(make_source())
    made.sync([[*row[:2], "Kestrel" if n < 7 else "Heron", *row[3:]] for n, row in enumerate(rows_of(10))])
    return made


@pytest.fixture
def second(feed: Feed) -> Integration:
    made = sources.add_secondary(feed.source, "owner")
    mappings.save(made, SHARED, HEADERS, "owner")
    return sources.integration(feed.source, KIND)


def path(feed: Feed, kind: str = "get_inventory_primary") -> str:
    return f"/sources/{feed.source.public_id}/integrations/{kind}/policies"


def values(client: Any, feed: Feed, kind: str = "get_inventory_primary") -> dict[str, Any]:
    return dict(client.form_values(client.get(path(feed, kind)).text, path(feed, kind)))


def fresh(feed: Feed, kind: str = "get_inventory_primary") -> Integration:
    return sources.integration(feed.source, kind)


def test_each_policy_shows_its_default_and_what_it_means_now(client: Any, feed: Feed, second: Integration) -> None:
    lacked = InventoryItem.select(InventoryItem.id).where(InventoryItem.sku << ["SKU-00001", "SKU-00002", "SKU-00003"])
    InventoryItem.update(missing_since=clock.now()).where(InventoryItem.id << lacked).execute()
    InventoryItem.update(secondary=1 << INVENTORY_COLUMNS.index("quantity")).where(InventoryItem.sku == "SKU-00009").execute()
    page = client.get(path(feed)).text
    for words in ("3 items of 10 are missing now", "Default: every file holds all items",
                  "Default: set their quantity to 0, all items of the source",
                  "9 of 10 items have a quantity of this feed now", "For files with the whole stock, the usual kind",
                  "Feed policies of Get Inventory Secondary"):  # fmt: skip
        assert words in page, words
    other = client.get(path(feed, KIND)).text
    assert "No item is missing now." in other and "Default: leave them as they are" in other and "1 of 10 items has a quantity" in other
    assert values(client, feed)["act"] == "zero" and values(client, feed, KIND)["act"] == "leave"


def test_what_is_saved_counts_and_stands_in_the_audit_line_by_line(client: Any, feed: Feed) -> None:
    typed = {"feed": "delta", "act": "archive", "after_runs": "3", "after_hours": "1,000", "scope": "own", "column": ""}
    for headers in ({}, HX):
        Integration.update(policies={}).execute()
        answer = client.send_form(path(feed), typed, headers=headers)
        assert answer.headers.get("HX-Redirect", answer.headers.get("Location")) == path(feed)
    assert missing.policy(fresh(feed)) == Missing("archive", 3, 1000, "own") and roles.feed_of(fresh(feed)) == "delta"
    assert sorted(line.action for line in AuditLine.select().where(AuditLine.action.startswith("integration."))) == (
        ["integration.feed"] * 2 + ["integration.missing"] * 2
    )
    assert "Saved " in client.get(path(feed)).text
    version = fresh(feed).version
    assert client.send_form(path(feed)).status_code == 303 and fresh(feed).version == version  # nothing differs, nothing is written
    assert "Files of changes; missing items: to 0, archived later" in client.get(f"/sources/{feed.source.public_id}/settings").text


def test_a_filter_offers_the_values_that_items_have(client: Any, feed: Feed) -> None:
    for headers in ({}, HX):
        looked = client.send_form(path(feed), {"column": "brand", "do": "look"}, headers=headers)
        assert looked.status_code == 200 and "2 values of your items now" in looked.text
        assert looked.text.index('value="Kestrel"') < looked.text.index('value="Heron"') and '<span class="meta">7</span>' in looked.text
        assert missing.policy(fresh(feed)).column == ""
    answer = client.send_form(path(feed), {"column": "brand", "values": ["Heron"], "more": "Osprey\n\nKite"})
    assert answer.status_code == 303
    assert missing.policy(fresh(feed)) == Missing("zero", scope="all", column="brand", values=("Heron", "Osprey", "Kite"))
    page = client.get(path(feed)).text
    assert "the chosen ones cover 3 items of 10" in page and "Osprey\nKite</textarea>" in page and 'value="Heron" checked' in page


def test_another_column_forgets_the_values_of_the_one_before(client: Any, feed: Feed) -> None:
    client.send_form(path(feed), {"column": "brand", "values": ["Heron"], "more": "Osprey"})
    looked = client.send_form(path(feed), {"column": "condition", "do": "look", "more": ""})
    assert "No item has a value there now." in looked.text and "Heron" not in looked.text and "Osprey" not in looked.text


@pytest.mark.parametrize(
    ("typed", "words", "at"),
    [
        ({"act": "archive", "after_runs": "", "after_hours": ""}, "Enter after how many files", "after_runs"),
        ({"act": "archive", "after_runs": "x"}, "Enter a number of files from 1 to 1,000", "after_runs"),
        ({"act": "archive", "after_hours": "9999"}, "Enter a number of hours from 1 to 8,760", "after_hours"),
        ({"column": "brand"}, "Enter at least one value", "values"),
        ({"column": "title"}, "Choose the field that decides.", "column"),
        ({"feed": "some"}, "Choose whether each file holds all items.", "feed-0"),
        ({"act": "burn", "scope": "x"}, "Choose what becomes of missing items.", "act-0"),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(client: Any, feed: Feed, typed: dict[str, str], words: str, at: str) -> None:
    for headers in ({}, HX):
        answer = client.send_form(path(feed), typed, headers=headers)
        assert answer.status_code == 422 and words in answer.text and f'href="#{at}"' in answer.text and f'id="{at}"' in answer.text
    assert fresh(feed).policies == {}


def test_who_saves_second_is_told_and_keeps_what_was_typed(client: Any, feed: Feed) -> None:
    old = values(client, feed)
    client.send_form(path(feed), {"feed": "delta"})
    answer = client.post(path(feed), data={**old, "act": "leave"})
    assert answer.status_code == 409 and "Someone changed this while you edited" in answer.text
    assert "Each file holds: they have <b>A file holds only what changed</b>" in answer.text
    again = client.form_values(answer.text, path(feed))
    assert again["act"] == "leave" and again["version"] == str(fresh(feed).version)
    assert client.post(path(feed), data=again).status_code == 303 and missing.policy(fresh(feed)).act == "leave"


def test_the_second_feed_says_who_sets_what_both_map(client: Any, feed: Feed, second: Integration) -> None:
    page = client.get(path(feed, KIND)).text
    assert "owner_quantity" in page and "owner_msrp" not in page and "Column “qty”<" in page and "Column “price”<" in page
    assert values(client, feed, KIND)["owner_quantity"] == KIND
    assert client.send_form(path(feed, KIND), {"owner_quantity": "get_inventory_primary"}).status_code == 303
    assert roles.contested(feed.source) == {"quantity": False}
    assert AuditLine.select().where(AuditLine.action == "integration.owns").count() == 1
    after = client.get(path(feed, KIND)).text
    assert "The quantity is not set by this feed" in after
    assert client.send_form(path(feed, KIND), {"owner_quantity": KIND}).status_code == 303
    assert roles.contested(feed.source) == {"quantity": True}
    mine = client.get(path(feed)).text
    assert "owner_quantity" not in mine and "Chosen on the page of the second feed." in mine


def test_a_column_that_is_mapped_by_both_later_is_the_second_feeds_by_default(client: Any, feed: Feed, second: Integration) -> None:
    client.send_form(path(feed, KIND), {"owner_quantity": "get_inventory_primary"})
    both = {"fields": {**SHARED["fields"], "cost": {"columns": ["price"]}}}
    mappings.save(fresh(feed, KIND), both, HEADERS, "owner")
    assert roles.contested(feed.source) == {"quantity": False, "cost": True}


def test_one_feed_alone_says_so(client: Any, feed: Feed) -> None:
    assert "has one file, and it sets every value that it maps" in client.get(path(feed)).text


def test_only_inventory_feeds_have_policies(client: Any, feed: Feed) -> None:
    sources.add_integration(feed.source, "send_orders", "owner")
    assert client.get(path(feed, "send_orders")).status_code == 404
    assert client.get(path(feed, KIND)).status_code == 404
