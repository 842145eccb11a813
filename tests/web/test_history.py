"""The past on screen: as of a moment, between two runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal import runs
from portal.models import Run
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of


@pytest.fixture
def feed(make_source: Any) -> Feed:
    return Feed(make_source())


def sync(feed: Feed, rows: Any) -> Run:
    started = feed.start(rows)
    runs.work_available(HANDLERS)
    return Run.get_by_id(started.id)


def test_a_moment_of_the_past_is_listed_paged_and_downloaded(client: Any, feed: Feed) -> None:
    first = sync(feed, rows_of(60))
    Run.update(finished_at=first.finished_at).where(Run.id == first.id).execute()
    place = f"/sources/{feed.source.public_id}/inventory/past"
    page = client.get(place).text
    assert "SKU-00049" in page and "SKU-00050" not in page and "more follow" in page
    assert "SKU-00050" in client.get(f"{place}?after=SKU-00049").text
    early = (first.created_at - timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert "Nothing was there at that moment" in client.get(f"{place}?at={early}").text
    assert "SKU-00007" in client.get(f"{place}?at=2099-01-01T10:00&q=SKU-00007").text
    answer = client.get(f"{place}?at=yesterday")
    assert answer.status_code == 422 and "Enter a date and a time" in answer.text
    assert client.get(f"{place}.csv").text.count("\r\n") == 61
    assert f'href="{place}"' in client.get(f"/sources/{feed.source.public_id}/inventory").text


def test_two_runs_are_compared_and_the_last_two_are_offered(client: Any, feed: Feed) -> None:
    place = f"/sources/{feed.source.public_id}/runs/comparison"
    assert "no two runs to compare yet" in client.get(place).text
    first = sync(feed, rows_of(5))
    rows = rows_of(6)
    rows[1][3] = 77
    last = sync(feed, rows)
    page = client.get(place).text
    assert "2 items differ between run 1 and run 2" in page and "SKU-00001" in page and ">77<" in page
    asked = f"?one={first.public_id}&other={last.public_id}"
    assert "SKU-00001,changed,Quantity,5,77" in client.get(f"{place}.csv{asked}").text
    same = client.get(f"{place}?one={first.public_id}&other={first.public_id}")
    assert same.status_code == 422 and "Choose two different runs" in same.text
    assert f'href="{place}"' in client.get(f"/sources/{feed.source.public_id}/runs").text
