"""Taking a run back on screen: the preview, the choice, the run that does it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal import runs
from portal.models import InventoryItem, Run
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of


@pytest.fixture
def feed(make_source: Any) -> Feed:
    return Feed(make_source())


def sync(feed: Feed, rows: Any) -> Run:
    started = feed.start(rows)
    runs.work_available(HANDLERS)
    return Run.get_by_id(started.id)


def test_a_person_sees_what_goes_back_and_what_stays_then_reverts(client: Any, feed: Feed, run_work: Any) -> None:
    sync(feed, rows_of(10))
    run = sync(feed, rows_of(12, quantity=9))
    later = rows_of(12, quantity=9)
    later[3][3] = 1
    sync(feed, later)
    assert f'href="/runs/{run.public_id}/revert"' in client.get(f"/runs/{run.public_id}").text
    page = client.get(f"/runs/{run.public_id}/revert").text
    assert "11 items of Northwind would be as before this run." in page and "1 item keeps a value" in page
    assert "Changed since" in page and "SKU-00003" in page and "Revert 11 items" in page
    assert client.send_form(f"/runs/{run.public_id}/revert").status_code == 303
    run_work()
    assert {item.quantity for item in InventoryItem.select() if item.sku != "SKU-00003"} == {5}
    done = Run.select().order_by(Run.id.desc()).get()
    page = client.get(f"/runs/{done.public_id}").text
    assert "Values left alone" in page and f"run {run.number}</a>" in page and "Item taken out" in page and "Reverted" in page
    assert "Taken back by" in client.get(f"/runs/{run.public_id}").text
    assert "Changed since" in client.get(f"/runs/{done.public_id}/set-aside.csv").text


def test_one_field_or_some_skus(client: Any, feed: Feed, run_work: Any) -> None:
    sync(feed, rows_of(5))
    rows = rows_of(5, quantity=9)
    rows[1][4] = "99.00"
    run = sync(feed, rows)
    here = f"/runs/{run.public_id}/revert"
    page = client.get(f"{here}?field=cost").text
    assert "1 item of Northwind" in page and "99.00" in page
    assert "did not touch that field" in client.get(f"{here}?field=msrp").text
    client.send_form(here, {"field": "quantity", "skus": "SKU-00004"}, page=here)
    run_work()
    found = {item.sku: item.quantity for item in InventoryItem.select()}
    assert (found["SKU-00004"], found["SKU-00001"]) == (5, 9)
    assert "(in part)" in client.get(f"/runs/{run.public_id}").text


def test_refusals_are_said_on_the_page_and_nothing_is_started(client: Any, feed: Feed) -> None:
    run = sync(feed, rows_of(5))
    nothing = sync(feed, rows_of(5))
    assert "This run changed nothing" in client.get(f"/runs/{nothing.public_id}/revert").text
    assert f"/runs/{nothing.public_id}/revert" not in client.get(f"/runs/{nothing.public_id}").text
    feed.start(rows_of(6))
    answer = client.send_form(f"/runs/{run.public_id}/revert")
    assert answer.status_code == 409 and "not finished yet" in answer.text
    assert not Run.select().where(Run.kind == "revert").exists()


def test_a_note_of_which_feed_an_item_belongs_to_is_no_value(client: Any, feed: Feed, run_work: Any) -> None:
    sync(feed, rows_of(4))
    run = sync(feed, rows_of(6, quantity=9))
    sync(
        Feed(feed.source, "get_inventory_secondary", fields={"sku": {"columns": ["item_no"]}, "quantity": {"columns": ["qty"]}}),
        rows_of(6, 3),
    )
    page = client.get(f"/runs/{run.public_id}/revert").text
    assert "Left alone" in page and "Changed since" in page and not re.search(r">\d{5,}<", page)
    client.send_form(f"/runs/{run.public_id}/revert")
    run_work()
    done = client.get(f"/runs/{Run.select().order_by(Run.id.desc()).get().public_id}").text
    assert "Values left alone" in done and not re.search(r">\d{5,}<", done)
