"""Where a source stands, in the words of its badge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, setup_steps, source_status, sources
from portal.models import Integration, Merchant, Run, Source


@pytest.fixture
def live(make_source: Callable[..., Source]) -> tuple[Source, Integration]:
    source = make_source(state="live")
    integration = sources.add_integration(source, "get_inventory_primary", "owner")
    integration.enabled, integration.schedule, integration.last_accepted_at = True, {"every_minutes": 60}, clock.now()
    integration.watched_since = clock.now() - timedelta(days=30)
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


RETRIED = {"headline": "Nothing answers on port 22", "body": "We try again at 09:30 (2 of 6)."}


@pytest.mark.parametrize("minutes, state", [(119, "ok"), (121, "late")])
def test_a_run_that_waits_to_try_again_is_late_only_when_its_time_has_passed_and_says_why(live: Any, minutes: int, state: str) -> None:
    Integration.update(last_accepted_at=clock.now() - timedelta(minutes=minutes)).execute()
    run_of(*live, state="queued", problem=RETRIED)
    status = source_status.of(live[0])
    assert status.state == state and "We try again at 09:30" in status.sentence


def test_the_ones_that_need_someone_come_first(merchant: Merchant, live: tuple[Source, Integration], make_source: Any) -> None:
    run_of(*live, state="failed")
    make_source("Draft one")
    known = source_status.needs_you_first(source_status.of_all(merchant, sources.listing(merchant)))
    assert [one.state for one in known] == ["action", "draft"]


def test_a_source_stands_as_its_worst_feed(live: tuple[Source, Integration]) -> None:
    second = sources.add_integration(live[0], "get_inventory_secondary", "owner")
    Integration.update(enabled=True).where(Integration.id == second.id).execute()
    assert source_status.of(live[0]).state == "ok", "a feed that has never run hides nothing"
    run = run_of(live[0], second, state="failed", problem={"headline": "The server does not know this key"})
    status = source_status.of(live[0])
    assert (status.state, status.run) == ("action", run)
    assert status.sentence == "Get Inventory Secondary: The server does not know this key."
    assert [status.feeds[one.id].state for one in (live[1], second)] == ["ok", "action"]
    Integration.update(paused=True).where(Integration.id == second.id).execute()
    assert source_status.of(live[0]).state == "ok", "one that is paused does not count"
    Integration.update(paused=True).execute()
    assert source_status.of(live[0]).state == "paused"


def test_a_failure_that_may_pass_by_itself_asks_nobody(live: tuple[Source, Integration]) -> None:
    run = run_of(*live, state="failed", problem=RETRIED, checkpoint={"given_up": True})
    status = source_status.of(live[0])
    assert status.state == "ok" and "Nothing answers on port 22" in status.sentence
    Integration.update(last_accepted_at=clock.now() - timedelta(hours=3)).execute()
    assert source_status.of(live[0]).state == "late"
    Integration.update(schedule={}).execute()
    assert source_status.of(live[0]).state == "action", "by hand only, nothing would try again"
    Integration.update(schedule={"every_minutes": 60}).execute()
    Run.update(checkpoint={}).where(Run.id == run.id).execute()
    assert source_status.of(live[0]).state == "action"


def test_a_hold_stays_in_front_of_what_failed_after_it_until_a_feed_is_accepted(live: tuple[Source, Integration]) -> None:
    Integration.update(last_accepted_at=clock.now() - timedelta(hours=9)).execute()
    held = run_of(*live, state="held")
    run_of(*live, state="failed", problem=RETRIED, checkpoint={"given_up": True})
    status = source_status.of(live[0])
    assert (status.state, status.run) == ("held", held) and "Stock is as of " in status.then
    Integration.update(last_accepted_at=clock.now()).execute()
    assert source_status.of(live[0]).state == "ok"


def test_removing_the_inventory_ends_a_hold(live: tuple[Source, Integration]) -> None:
    run_of(*live, state="held")
    Run.create(merchant=live[0].merchant, source=live[0], number=99, kind="remove_inventory", state="finished")
    assert source_status.of(live[0]).state == "ok"


def test_the_number_of_queries_does_not_grow_with_the_list(merchant: Merchant, make_source: Any, counting: Any) -> None:
    def add(count: int) -> None:
        for _ in range(count):
            source = make_source(f"Source {Source.select().count()}", state="live", setup_done=list(setup_steps.TITLES))
            for kind in ("get_inventory_primary", "get_inventory_secondary"):
                one = sources.add_integration(source, kind, "owner")
                Integration.update(enabled=True, last_accepted_at=clock.now()).where(Integration.id == one.id).execute()
                run_of(source, one, state="held" if source.id % 2 else "failed")

    seen = []
    for count in (2, 198):
        add(count)
        with counting() as queries:
            known = source_status.of_all(merchant, sources.listing(merchant))
        assert {one.state for one in known} == {"held", "action"}
        seen.append(len(queries))
    assert len(known) == 200 and 1 < seen[0] == seen[1] <= 7


def test_nothing_of_a_draft_flows_yet(make_source: Callable[..., Source]) -> None:
    source = make_source()
    for kind in ("get_inventory_primary", "send_orders"):
        sources.add_integration(source, kind, "owner")
    Integration.update(enabled=True).execute()
    assert source_status.of(source).flow == ("off", "off", "off")
    source.state = "live"
    assert source_status.of(source).flow == ("on", "on", "off")
