"""One process keeps the clock, another takes over within a minute; and each merchant gets its turn."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from portal import clock, leases, runs, turns
from portal.models import Run, RunningProcess, database
from portal.operation import lead, presence
from portal.runs import Outcome
from tasks import keeper, worker
from tasks.doorbell import LANES


@pytest.fixture
def later(monkeypatch):
    """later(seconds): the clock of this process, and the lease's, moves on."""
    real, real_lead, moved = clock.now, lead._now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + moved[0])
    monkeypatch.setattr(lead, "_now", lambda: real_lead() if real_lead() > real() + timedelta(seconds=5) else real_lead() + moved[0])

    def move(seconds: float) -> None:
        moved[0] += timedelta(seconds=seconds)

    return move


def test_one_of_many_keeps_the_clock_and_the_next_takes_over_in_less_than_a_minute(db, later):
    assert lead.hold("a") and not lead.hold("b")
    later(20)
    assert lead.hold("a") and not lead.hold("b")  # lengthened
    later(29)
    assert not lead.hold("b")
    later(2)
    assert lead.hold("b") and not lead.hold("a")
    assert lead.holder().fence == 2
    lead.give_back("b")
    assert lead.hold("a")


def test_eight_that_ask_at_once_are_answered_by_one_yes(db):
    told, together = [], threading.Barrier(8)

    def ask(number: int) -> None:
        together.wait()
        with database.connection_context():
            told.append(lead.hold(f"process-{number}"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(told) == [False] * 7 + [True]


def pending() -> int:
    return sum(lane.pending_count() for lane in LANES)


def test_who_does_not_hold_the_lease_starts_nothing_and_rings_no_minute(config, monkeypatch):
    lead.hold("another")
    monkeypatch.setattr(keeper.schedules, "start_due", lambda: pytest.fail("it is not its turn"))
    monkeypatch.setattr(keeper, "_rang", [float("-inf")])
    worker.look_around(threads=2)
    worker.ring_minute()
    assert pending() == 0
    assert RunningProcess.select().count() == 1  # seen all the same
    monkeypatch.setattr(keeper.schedules, "start_due", lambda: 0)
    lead.give_back("another")
    worker.look_around(threads=2)
    worker.ring_minute()
    first = pending()
    assert first > 5
    worker.ring_minute()
    assert pending() == first  # once a minute
    keeper.leave()
    assert lead.hold("another") and not RunningProcess.select().exists()
    for lane in LANES:
        lane.flush()


def test_a_dead_process_is_forgotten_after_a_day(config, later):
    presence.show("worker", 2)
    assert [one.threads for one in presence.living("worker")] == [2]
    later(61)
    assert not presence.living("worker") and presence.last_seen("worker")
    assert presence.tidy() == 0
    later(90_000)
    assert presence.tidy() == 1


def test_merchants_take_turns_however_much_one_of_them_asks_for(make_source, merchant, other_merchant):
    for number in range(5):
        runs.start(make_source(f"Large {number}"), "remove_inventory")
    for number in range(2):
        runs.start(make_source(f"Small {number}", of=other_merchant), "remove_inventory")
    order = []
    while run := runs.claim():
        order.append(run.merchant_id)
        Run.update(state="finished").where(Run.id == run.id).execute()
    a, b = merchant.id, other_merchant.id
    assert order == [a, b, a, b, a, a, a]


def test_a_merchant_with_nothing_running_is_served_before_one_that_has_workers(make_source, merchant, other_merchant):
    for number in range(3):
        runs.start(make_source(f"Large {number}"), "remove_inventory")
    first, second = runs.claim(), runs.claim()
    assert {first.merchant_id, second.merchant_id} == {merchant.id}
    small = runs.start(make_source("Small", of=other_merchant), "remove_inventory")
    assert runs.claim().id == small.id


def test_a_long_run_makes_way_and_goes_on_where_it_was(make_source, merchant, other_merchant, monkeypatch):
    """One worker: the long run is in its chunks when another merchant's comes; that one is done before the long one ends."""
    monkeypatch.setattr(turns, "SLICE_SECONDS", 0.0)
    monkeypatch.setattr(turns, "NOBODY_CAME", timedelta())
    monkeypatch.setattr(leases, "WRITE_EVERY", 0.0)
    order: list[str] = []

    def handler(work) -> Outcome:
        work.stage("apply")
        done = work.checkpoint.get("done", 0)
        while done < (6 if work.merchant.id == merchant.id else 1):
            with work.transaction():
                done += 1
                work.save_checkpoint(done=done)
            order.append(f"{work.merchant.name[0]}{done}")
            if order == ["H1", "H2"]:
                runs.start(small, "revert")
            if work.merchant.id == merchant.id:
                work.progress(done, 6)
        return Outcome("finished")

    large, small = make_source("Large"), make_source("Small", of=other_merchant)
    run = runs.start(large, "revert")
    assert runs.work_available({"revert": handler}) == 3  # taken, given back, the other one, taken again
    assert order == ["H1", "H2", "O1", "H3", "H4", "H5", "H6"]
    assert Run.get_by_id(run.id).state == "finished" and Run.get_by_id(run.id).interruptions == 0


def test_a_run_makes_way_only_where_nothing_is_lost_and_somebody_waits(make_source, merchant, other_merchant):
    held = runs.start(make_source("Large"), "revert", claimed=True)
    held.stage = "apply"
    assert not turns.should_make_way(held, 60)  # nobody waits
    waiting = runs.start(make_source("Small", of=other_merchant), "revert")
    Run.update(due_at=clock.now() - timedelta(seconds=5)).where(Run.id == waiting.id).execute()
    assert turns.should_make_way(held, 60)
    assert not turns.should_make_way(held, turns.SLICE_SECONDS - 1)
    held.stage = "parse"
    assert not turns.should_make_way(held, 60)
    held.stage = "apply"
    runs.start(make_source("Another", of=other_merchant), "revert", claimed=True)
    assert not turns.should_make_way(held, 60)  # that merchant is being served


def test_a_merchant_never_holds_every_place_while_others_have_sources(make_source, merchant, other_merchant, config):
    """Two workers of two threads: three of one merchant's five runs at most, and the fourth place is the other's at once."""
    for number in range(5):
        runs.start(make_source(f"Large {number}", state="live"), "dry_run")
    presence.RunningProcess.delete().execute()
    row = {"kind": "worker", "host": "a", "threads": 2, "version": "1"}
    RunningProcess.insert_many([{**row, "name": f"worker:a:{pid}:x", "pid": pid} for pid in (1, 2)]).execute()
    taken = [runs.claim() for _ in range(4)]
    assert all(taken), "where one merchant alone has live sources it may use every place"
    Run.update(state="queued", lease_until=None).where(Run.state == "running").execute()
    small = make_source("Small", of=other_merchant, state="live")
    held = [run for _ in range(4) if (run := runs.claim())]
    assert [run.merchant_id for run in held] == [merchant.id] * 3
    waiting = runs.start(small, "dry_run")
    assert runs.claim().id == waiting.id
    slow = runs.start(make_source("Parcels", state="live"), "get_shipments")
    for kind in ("connection_check", "send_orders", "linking"):
        assert runs.start(make_source(kind, state="live"), kind).id == runs.claim().id
    assert runs.claim() is None and Run.get_by_id(slow.id).state == "queued", "what reads a list holds its place as a feed does"
