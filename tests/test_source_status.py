"""Where a source stands, in the words of its badge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, source_status, sources
from portal.models import Integration, Merchant, Run, Source


@pytest.fixture
def live(make_source: Callable[..., Source]) -> tuple[Source, Integration]:
    source = make_source(state="live")
    integration = sources.add_integration(source, "get_inventory_primary", "owner")
    integration.enabled, integration.schedule, integration.last_accepted_at = True, {"every_minutes": 60}, clock.now()
    integration.save()
    return source, integration


def run_of(source: Source, integration: Integration, **columns: Any) -> Run:
    number = Run.select().count() + 1
    run = Run.create(merchant=source.merchant, source=source, integration=integration, number=number, kind="inventory", **columns)
    Integration.update(last_run_id=run.id).where(Integration.id == integration.id).execute()
    return run


def test_a_new_source_is_a_draft_with_its_phase(make_source: Callable[..., Source]) -> None:
    assert source_status.of(make_source()).words == "Draft, step 1 of 4"
    done = make_source("Kestrel", setup_done=["supplier", "connection"])
    assert source_status.of(done).words == "Draft, step 2 of 4"


@pytest.mark.parametrize("minutes, state", [(119, "ok"), (121, "late")])
def test_more_than_one_interval_behind_is_late(live: tuple[Source, Integration], minutes: int, state: str) -> None:
    source, integration = live
    integration.last_accepted_at = clock.now() - timedelta(minutes=minutes)
    integration.save()
    assert source_status.of(source).state == state


@pytest.mark.parametrize("ended, state", [("held", "held"), ("failed", "action"), ("finished", "ok"), ("stopped", "ok")])
def test_the_last_run_decides(live: tuple[Source, Integration], ended: str, state: str) -> None:
    run_of(*live, state=ended)
    assert source_status.of(live[0]).state == state


def test_a_moving_run_shows_how_far_it_is(live: tuple[Source, Integration]) -> None:
    run_of(*live, state="running", done_rows=62, total_rows=100)
    assert source_status.of(live[0]).words == "Syncing 62%"


def test_a_run_that_waits_to_try_again_is_late_and_says_why(live: tuple[Source, Integration]) -> None:
    run_of(*live, state="queued", problem={"headline": "Nothing answers on port 22", "body": "We try again at 09:30 (2 of 6)."})
    status = source_status.of(live[0])
    assert status.state == "late" and "We try again at 09:30" in status.sentence


def test_the_ones_that_need_someone_come_first(merchant: Merchant, live: tuple[Source, Integration], make_source: Any) -> None:
    run_of(*live, state="failed")
    make_source("Draft one")
    known = source_status.needs_you_first(source_status.of_all(merchant, sources.listing(merchant)))
    assert [one.state for one in known] == ["action", "draft"]


def test_nothing_of_a_draft_flows_yet(make_source: Callable[..., Source]) -> None:
    source = make_source()
    for kind in ("get_inventory_primary", "send_orders"):
        sources.add_integration(source, kind, "owner")
    Integration.update(enabled=True).execute()
    assert source_status.of(source).flow == ("off", "off", "off")
    source.state = "live"
    assert source_status.of(source).flow == ("on", "on", "off")
