"""Inventory pages, with htmx and without."""

from __future__ import annotations

from typing import Any

from tests.inventory.test_browse import add


def test_the_page_lists_items_and_htmx_gets_the_table_alone(client: Any, make_source: Any) -> None:
    source = make_source()
    item = add(source, "NW-1", title="<b>Tarp</b>", quantity=48_210, cost=125_000)
    page = client.get("/inventory").text
    assert "NW-1" in page and "48,210" in page and "USD 12.50" in page and "<b>Tarp</b>" not in page
    part = client.get("/inventory?q=NW", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<div id="items">') and "NW-1" in part
    assert item.public_id in part


def test_three_kinds_of_nothing_have_three_texts(client: Any, make_source: Any) -> None:
    source = make_source()
    assert "No inventory yet" in client.get("/inventory").text
    add(source, "NW-1")
    assert "No item matches" in client.get("/inventory?q=zzz").text
    assert "out of date" in client.get("/inventory?page=zzz").text


def test_an_item_shows_its_values_and_history(client: Any, make_source: Any) -> None:
    item = add(make_source(), "NW-1", quantity=3, upc="036000291452")
    page = client.get(f"/inventory/{item.public_id}").text
    assert "036000291452" in page and "No run has changed this item yet." in page


def test_another_merchants_item_is_the_same_page_as_a_missing_one(client: Any, other_client: Any, make_source: Any) -> None:
    item = add(make_source(), "NW-1")
    theirs, missing = other_client.get(f"/inventory/{item.public_id}"), other_client.get("/inventory/nothing")
    assert (theirs.status_code, theirs.data) == (404, missing.data)


def test_signed_out_goes_to_sign_in(anonymous: Any) -> None:
    assert "/sign-in" in anonymous.get("/inventory").headers["Location"]
