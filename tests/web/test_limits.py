"""Guard limits and the rule for silence on screen: defaults, validation, saving, audit, and that they count."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal import clock, runs
from portal.inventory import guard_limits, silence
from portal.models import AuditLine, Integration, Run
from tests.feed_of import HANDLERS, Feed, rows_of


@pytest.fixture
def feed(make_source: Any) -> Feed:
    return Feed(make_source())


def test_every_limit_is_shown_with_its_default_and_its_history(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(100))
    page = client.get(f"/sources/{feed.source.public_id}/integrations/get_inventory_primary/guards").text
    for name, default in guard_limits.defaults().items():
        assert (f'name="{name}"' in page and f"Default {default}" in page) or name == "broken_rows", name
    assert "100 rows (the last accepted file)" in page and "100 items in stock" in page and "100 SKUs on" in page


def test_a_saved_limit_counts_and_stands_in_the_audit(client: Any, feed: Feed) -> None:
    path = f"/sources/{feed.source.public_id}/integrations/get_inventory_primary/guards"
    typed = guard_limits.defaults() | {"lost": "45%", "lost_in_week": "50"}
    assert client.send_form(path, typed | {"version": "1"}, page=path).status_code == 303
    assert Integration.get_by_id(feed.integration.id).policies == {"guards": {"lost": 45.0, "lost_in_week": 50.0}}
    assert AuditLine.select().where(AuditLine.action == "integration.guards").count() == 1
    feed.sync(rows_of(100))
    assert feed.sync(rows_of(56)).state == "finished"
    assert "2 of your own" in client.get(f"/sources/{feed.source.public_id}/settings").text


@pytest.mark.parametrize(
    ("name", "text"), [("lost", "x"), ("lost", "101"), ("lost", "-1"), ("lost", "1.25"), ("lost_floor", "2.5"), ("price_step", "0")]
)
def test_what_is_no_limit_is_refused_and_kept_as_typed(client: Any, feed: Feed, name: str, text: str) -> None:
    path = f"/sources/{feed.source.public_id}/integrations/get_inventory_primary/guards"
    answer = client.send_form(path, guard_limits.defaults() | {name: text, "version": "1"}, page=path)
    assert answer.status_code == 422 and f'value="{text}"' in answer.text and "Enter a" in answer.text
    assert Integration.get_by_id(feed.integration.id).policies == {}


def test_who_saves_second_is_told(client: Any, feed: Feed) -> None:
    path = f"/sources/{feed.source.public_id}/integrations/get_inventory_primary/guards"
    client.send_form(path, guard_limits.defaults() | {"lost": "30", "version": "1"}, page=path)
    answer = client.send_form(path, guard_limits.defaults() | {"lost": "20", "version": "1"}, page=path)
    assert answer.status_code == 409 and "Someone changed this" in answer.text


def test_the_rule_for_silence_is_saved_and_told(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(100))
    path = f"/sources/{feed.source.public_id}/integrations/get_inventory_primary/silence"
    assert "Files come by hand only" in client.get(path).text
    version = str(Integration.get_by_id(feed.integration.id).version)
    assert client.send_form(path, {"hours": "12", "act": "reduce", "percent": "30", "version": version}, page=path).status_code == 303
    assert "It acts" in client.get(path).text
    held = feed.sync(rows_of(70))
    assert "After 12 h without an accepted feed" in client.get(f"/runs/{held.public_id}/held").text
    answer = client.send_form(path, {"hours": "0", "act": "reduce", "percent": "300", "version": "9"}, page=path)
    assert answer.status_code == 422 and "from 1 to 99" in answer.text


def test_the_source_page_tells_that_the_rule_acted_until_a_feed_comes(client: Any, feed: Feed) -> None:
    feed.sync(rows_of(3))
    Integration.update(last_accepted_at=clock.now() - timedelta(hours=30), policies={"silence": {"act": "zero"}}).execute()
    silence.start_due()
    runs.work_available(HANDLERS | {"silence": silence.perform})
    page = client.get(f"/sources/{feed.source.public_id}").text
    assert "No feed was accepted since" in page and "3 items were changed" in page
    feed.sync(rows_of(3))
    assert "No feed was accepted since" not in client.get(f"/sources/{feed.source.public_id}").text
    run = Run.get(Run.kind == "silence")
    assert "No feed for too long" in client.get(f"/runs/{run.public_id}").text
