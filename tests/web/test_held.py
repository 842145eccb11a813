"""Held for review: numbers, chart, rows, CSV, and how it closes itself."""

from __future__ import annotations

from typing import Any

import pytest

from portal import runs
from portal.models import Integration, Run
from tests.feed_of import HANDLERS, Feed, rows_of


@pytest.fixture
def feed(make_source: Any) -> Feed:
    return Feed(make_source())


def test_missing_items_can_be_looked_through_found_and_downloaded(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(200))
    feed.sync(rows_of(198, quantity=6))
    run = feed.sync(rows_of(120, quantity=7))
    page = client.get(f"/runs/{run.public_id}/held").text
    for words in ("78 of 198 SKUs are missing", "Nothing was removed.", "Keep missing items and read again", "Accept the removals…",
                  "6 in stock", "Not in it", "The same as a table", "rows-chart", "Hello,"):  # fmt: skip
        assert words in page, words
    assert page.count('<td><span class="id">SKU-') == 50 and 'rel="next"' in page
    assert (
        "SKU-00170" in client.get(f"/runs/{run.public_id}/held?after={2 * 10**9}").text
        or "SKU-00170" in client.get(f"/runs/{run.public_id}/held?q=00170", headers={"HX-Request": "true"}).text
    )
    lines = client.get(f"/runs/{run.public_id}/held.csv").data.decode("utf-8-sig").splitlines()
    assert len(lines) == 79 and lines[1].startswith("SKU-00120,Lamp 120,Removal,6 in stock,Not in it,20")
    confirm = client.get(f"/runs/{run.public_id}/acceptance").text
    assert "78 items are missing from the file and go to 0" in confirm and "Set 78 items to 0" in confirm


def test_zeros_and_prices_show_what_was_and_what_the_file_says(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(200))
    zeroed = feed.sync([[*row[:3], 0, row[4]] for row in rows_of(90)] + rows_of(110, start=90))
    page = client.get(f"/runs/{zeroed.public_id}/held").text
    assert "Quantity 5" in page and "Quantity 0" in page and "No item was set to 0." in page
    feed.sync(rows_of(200, quantity=6))
    dear = feed.sync([[*row[:4], "999.00"] for row in rows_of(200, quantity=6)])
    page = client.get(f"/runs/{dear.public_id}/held").text
    assert dear.state == "held" and "Cost 1.50" in page and "Cost 999.00" in page and "No held price was changed." in page
    assert "get the cost and prices of the file" in client.get(f"/runs/{dear.public_id}/acceptance").text


def test_a_newer_accepted_feed_closes_it(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(70))
    feed.sync(rows_of(100, quantity=9))
    page = client.get(f"/runs/{held.public_id}/held").text
    assert "A newer feed was accepted at" in page and "nothing to decide" in page
    assert "read-again" not in page and "accept-held" not in page


def test_accepting_closes_it_and_read_again_starts_a_run(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(70))
    page = f"/runs/{held.public_id}/held"
    answer = client.send_form(f"/sources/{feed.source.public_id}/integrations/get_inventory_primary/runs", {}, page=page)
    assert answer.status_code == 303
    runs.work_available(HANDLERS)
    again = Run.select().order_by(Run.id.desc()).get()
    assert again.state == "held" and "Something newer is held" in client.get(page).text
    client.send_form(f"/runs/{again.public_id}/acceptance", {}, page=f"/runs/{again.public_id}/acceptance")
    runs.work_available(HANDLERS)
    assert "This was accepted" in client.get(f"/runs/{again.public_id}/held").text
    assert feed.quantities()["SKU-00099"] == 0


def test_a_run_that_holds_nothing_has_no_such_page(client: Any, feed: Feed) -> None:
    run = feed.sync(rows_of(3))
    assert client.get(f"/runs/{run.public_id}/held").status_code == 409
    assert Integration.get_by_id(feed.integration.id).failures == 0


def test_an_open_page_asks_by_itself_and_closes_once_a_newer_feed_came(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(70))
    path = f"/runs/{held.public_id}/held"
    assert 'hx-trigger="load delay:10s, resume from:body"' in client.get(path).text
    asked = {"HX-Request": "true", "HX-Target": "held-standing"}
    waiting = client.get(path, headers=asked).text
    assert waiting.lstrip().startswith('<div id="held-standing" data-poll') and "read-again" in waiting and "held-rows" not in waiting
    feed.sync(rows_of(100, quantity=9))
    closed = client.get(path, headers=asked).text
    assert "A newer feed was accepted at" in closed and "nothing to decide" in closed
    assert "hx-trigger" not in closed and "read-again" not in closed
    assert '<div id="held-waiting" hx-swap-oob="delete">' in closed and "<time" not in closed.split('data-say="')[1].split('"')[0]
