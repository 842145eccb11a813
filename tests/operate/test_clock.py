"""The clock jumps an hour, forward or back: leases, what waits, schedules and freshness hold (C15)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from portal import clock, lateness, leases, runs, schedules
from portal.leases import LostLease, Work
from portal.models import Integration, LatePeriod, Run, Source
from portal.operation import jumps, lead, presence
from tasks import keeper

HOUR = timedelta(hours=1)
Jump = Callable[[timedelta], None]


@pytest.fixture
def jump(config, monkeypatch: pytest.MonkeyPatch) -> Jump:
    """jump(HOUR): every clock that is asked jumps by so much."""
    real, ahead = clock.now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + ahead[0])
    monkeypatch.setattr(lead, "_now", lambda: real() + ahead[0])

    def move(by: timedelta) -> None:
        ahead[0] += by

    return move


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])
def test_the_lease_of_the_clock_is_one_holders_and_never_waited_for_an_hour(jump: Jump, by: timedelta) -> None:
    assert lead.hold("alive")
    jump(by)
    assert not (lead.hold("other") and lead.hold("alive")), "one of them at a time"
    holder = lead.holder().holder
    assert lead.hold(holder), "who has it lengthens it"
    dead = lead.holder().holder
    jump(by)
    lead.hold("third")
    jump(seconds(lead.LEASE_SECONDS + 1))
    assert lead.hold("third") and lead.holder().holder != dead


@pytest.mark.parametrize("by", [HOUR, -HOUR], ids=["forward", "back"])
def test_a_run_is_taken_from_a_living_worker_at_most_once_and_from_a_dead_one_in_a_minute(jump: Jump, by: timedelta, make_source) -> None:
    presence.show("worker", 2)
    living, dead = (runs.start(make_source(name, state="live"), "connection_check", claimed=True) for name in ("Living", "Dead"))
    work = Work(living)
    jump(by)
    jumps.mend()
    assert work.beat()
    taken = [run.id for _ in range(3) if (run := runs.claim())]
    assert taken == ([dead.id] if by > timedelta() else [])
    jump(seconds(leases.LEASE_SECONDS + 1) if by < timedelta() else seconds(1))
    assert work.beat() or by < timedelta()
    if by < timedelta():
        assert {run.id for _ in range(3) if (run := runs.claim())} >= {dead.id}
    assert all(run.interruptions <= 1 for run in Run.select())


def test_who_was_robbed_by_a_clock_that_went_forward_writes_nothing_more(jump: Jump, make_source) -> None:
    run = runs.start(make_source(state="live"), "connection_check", claimed=True)
    work = Work(run)
    jump(HOUR)
    again = runs.claim()
    assert again.id == run.id and again.interruptions == 1 and runs.claim() is None
    with pytest.raises(LostLease):
        work.save_checkpoint(done=1)


def test_what_waited_before_the_clock_went_back_is_done_at_once(jump: Jump, make_source) -> None:
    presence.show("worker", 2)
    run = runs.start(make_source(state="live"), "connection_check")
    later = runs.start(make_source("Retry", state="live"), "inventory")
    Run.update(tries=1, due_at=clock.now() + 2 * HOUR).where(Run.id == later.id).execute()
    jump(-HOUR)
    keeper.turn("worker", 2)
    assert runs.claim().id == run.id and runs.claim() is None, "what a server asked to wait for is waited for"
    assert not jumps.mend(), "once is enough"


@pytest.mark.parametrize(
    "schedule", [{"every_minutes": 30}, {"days": [0, 1, 2, 3, 4, 5, 6], "times": ["00:00", "12:00"]}], ids=["minutes", "times"]
)
def test_a_schedule_starts_nothing_twice_and_does_not_stand_still(jump: Jump, make_source, schedule) -> None:
    presence.show("worker", 2)
    one = Integration.create(source=make_source(state="live"), kind="get_inventory_primary", enabled=True, schedule=schedule)
    due = clock.now() - seconds(1)
    Integration.update(next_run_at=due, mapping_version=1).where(Integration.id == one.id).execute()
    assert schedules.start_due() == 1
    Run.update(state="finished").execute()
    assert schedules.start_due() == 0
    before = Integration.get_by_id(one.id).next_run_at
    jump(-HOUR)
    jumps.mend()
    coming = Integration.get_by_id(one.id).next_run_at
    if "every_minutes" in schedule:
        assert coming <= clock.now() + timedelta(minutes=30), "it does not stand still for the hour"
    else:
        assert coming == before, "the time that comes again was done"
    assert schedules.start_due() == 0
    jump(2 * HOUR)
    first = schedules.start_due()
    assert first <= 1 and schedules.start_due() == 0
    assert first == 1 or "times" in schedule


def test_a_feed_that_seemed_late_because_the_clock_went_forward_is_not_late_once_it_is_back(jump: Jump, make_source) -> None:
    source: Source = make_source(state="live")
    policies = {"freshness": {"expected": "hours", "hours": 1}}
    one = Integration.create(source=source, kind="get_inventory_primary", enabled=True, policies=policies, last_accepted_at=clock.now())
    lateness.mind()
    jump(HOUR + seconds(60))
    assert lateness.mind() == 1 and Integration.get_by_id(one.id).late_since is not None
    jump(-HOUR - seconds(60))
    assert lateness.mind() == 1 and Integration.get_by_id(one.id).late_since is None
    assert not LatePeriod.select().where(LatePeriod.ended_at.is_null()).exists()
    jump(-HOUR)
    assert lateness.mind() == 0
    jump(3 * HOUR)
    assert lateness.mind() == 1, "a real hour without a feed is late again"
