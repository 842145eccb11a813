"""The run row as queue: numbers, one at a time, claims, leases, fences, retries, stops, and what a bug leaves behind."""

from __future__ import annotations

import logging
import threading
import time
from datetime import timedelta

import pytest

from portal import clock, leases, runs
from portal.errors import NotFound, Problem, Refused, SupplierError
from portal.leases import GivenBack, Work
from portal.models import Integration, Run, RunMessage, Source, database
from portal.runs import AlreadyRunning, Outcome
from tests.databases import close_database


@pytest.fixture
def integration(make_source):
    return Integration.create(source=make_source(state="live"), kind="get_inventory_primary", enabled=True)


@pytest.fixture
def moved(monkeypatch):
    """moved(minutes=3): the clock goes on by that much."""
    real, shift = clock.now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + shift[0])

    def move(**by):
        shift[0] += timedelta(**by)

    return move


def finished(_work):
    return Outcome("finished", {"rows": 3}, accepted=True)


def fresh(run):
    return Run.get_by_id(run.id)


def told(run):
    return [row.text for row in RunMessage.select().where(RunMessage.run == run.id).order_by(RunMessage.id)]


def supplier_error(permanent):
    return SupplierError(Problem("connection_lost", "The connection was lost", "It ended halfway."), permanent)


def failing(permanent):
    def handler(_work):
        raise supplier_error(permanent)

    return handler


def in_threads(count, act):
    """Run `act` in that many threads, each on its own connection."""
    database.close()

    def once() -> None:
        with database.connection_context():
            act()

    threads = [threading.Thread(target=once) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close_database()


def test_runs_are_numbered_per_merchant(make_source, other_merchant):
    ours, theirs = make_source(), make_source("Kestrel", of=other_merchant)
    numbers = [runs.start(source, "connection_check").number for source in (ours, ours, theirs, ours)]
    assert numbers == [1, 2, 1, 3]


def test_numbers_do_not_collide_when_many_start_at_once(make_source):
    source = make_source()
    in_threads(8, lambda: [runs.start(source, "connection_check") for _ in range(5)])
    assert sorted(row.number for row in Run.select()) == list(range(1, 41))


def test_a_second_run_of_an_integration_is_refused_with_the_first(integration):
    first = runs.start_sync(integration)
    with pytest.raises(AlreadyRunning) as refusal:
        runs.start_sync(integration)
    assert refusal.value.run.id == first.id
    assert "not finished yet (started 0 s ago)" in str(refusal.value)


def test_many_starts_at_once_give_one_run(integration):
    refused = []

    def begin() -> None:
        try:
            runs.start_sync(integration)
        except AlreadyRunning as refusal:
            refused.append(refusal.run.number)

    in_threads(8, begin)
    assert refused == [1] * 7
    assert Run.select().count() == 1


def test_the_database_itself_keeps_one_unfinished_run(integration):
    first = runs.start_sync(integration)
    columns = {"merchant": first.merchant, "source": first.source, "integration": integration, "kind": "inventory"}
    with pytest.raises(Exception, match="(?i)unique"), database.atomic():
        Run.create(number=99, **columns)


def test_a_finished_run_makes_room_for_the_next(integration):
    runs.start_sync(integration)
    runs.work_available({"inventory": finished})
    assert runs.start_sync(integration).number == 2


def test_orders_and_shipments_say_that_they_are_off(make_source):
    off = Integration.create(source=make_source(), kind="send_orders")
    with pytest.raises(Refused, match="not turned on"):
        runs.start_sync(off)
    row = Integration.create(source=off.source, kind="get_shipments")
    with pytest.raises(Refused, match="Get Shipments is not turned on"):
        runs.start_sync(row)


def test_another_merchants_run_is_not_found(integration, other_merchant):
    run = runs.start_sync(integration)
    assert runs.find(integration.source.merchant, run.public_id).id == run.id
    with pytest.raises(NotFound):
        runs.find(other_merchant, run.public_id)


def test_the_run_due_longest_is_claimed_first(make_source, moved):
    source = make_source()
    older = runs.start(source, "connection_check")
    moved(seconds=1)
    newer = runs.start(source, "connection_check")
    assert [runs.claim().id, runs.claim().id] == [older.id, newer.id]
    assert runs.claim() is None


def test_a_run_due_later_waits(integration, moved):
    run = runs.start_sync(integration)
    Run.update(due_at=clock.now() + timedelta(minutes=5)).execute()
    assert runs.claim() is None
    assert runs.reap() == 0
    moved(minutes=6)
    assert runs.reap() == 1
    assert runs.claim().id == run.id


def test_eight_workers_claim_each_run_once(make_source):
    source = make_source()
    for _ in range(40):
        runs.start(source, "connection_check")
    claimed = []

    def work() -> None:
        while run := runs.claim():
            claimed.append(run.id)

    in_threads(8, work)
    assert sorted(claimed) == sorted(row.id for row in Run.select())
    assert {row.fence for row in Run.select()} == {1}


def test_a_finished_run_is_noted_on_its_integration(integration):
    run = runs.start_sync(integration)
    runs.work_available({"inventory": finished})
    row = Integration.get_by_id(integration.id)
    assert (row.last_run_id, row.last_accepted_run_id, row.failures) == (run.id, run.id, 0)
    assert row.last_accepted_at is not None
    done = fresh(run)
    assert (done.state, done.counts, done.stage, done.lease_until, done.accepted) == ("finished", {"rows": 3}, "done", None, True)


def test_no_change_refreshes_the_age_but_not_the_run_that_others_are_judged_against(integration):
    first = runs.start_sync(integration)
    runs.work_available({"inventory": finished})
    before = Integration.get_by_id(integration.id).last_accepted_at
    runs.start_sync(integration)
    runs.work_available({"inventory": lambda _: Outcome("no_change", accepted=True)})
    row = Integration.get_by_id(integration.id)
    assert row.last_accepted_run_id == first.id
    assert row.last_accepted_at > before


def test_a_permanent_failure_ends_the_run_with_its_problem(integration):
    run = runs.start_sync(integration)
    runs.work_available({"inventory": failing(permanent=True)})
    ended = fresh(run)
    assert (ended.state, ended.problem["code"]) == ("failed", "connection_lost")
    assert Integration.get_by_id(integration.id).failures == 1


def test_a_temporary_failure_is_tried_six_times_with_growing_pauses(integration, moved):
    run = runs.start_sync(integration)
    handlers = {"inventory": failing(permanent=False)}
    for tries, minutes in enumerate((2, 5, 15, 30, 60), 1):
        assert runs.work_available(handlers) == 1
        waiting = fresh(run)
        assert (waiting.state, waiting.tries) == ("queued", tries)
        assert timedelta(minutes=minutes - 1) < waiting.due_at - clock.now() <= timedelta(minutes=minutes)
        assert f"({tries + 1} of 6)" in told(run)[-1]
        assert "We try again at" in waiting.problem["body"]
        moved(minutes=minutes, seconds=1)
    assert runs.work_available(handlers) == 1
    assert fresh(run).state == "failed"
    assert runs.work_available(handlers) == 0


def test_the_next_try_is_told_in_the_merchants_time(integration, moved, monkeypatch):
    merchant = integration.source.merchant
    merchant.time_zone = "Asia/Kolkata"
    merchant.save()
    fixed = clock.now().replace(hour=4, minute=0, second=0, microsecond=0)
    monkeypatch.setattr(clock, "now", lambda: fixed)
    run = runs.start_sync(integration)
    runs.work_available({"inventory": failing(permanent=False)})
    assert "We try again at 09:32 (2 of 6)." in told(run)[-1]


def test_a_person_brings_a_waiting_try_forward_and_a_schedule_does_not(integration):
    run = runs.start_sync(integration)
    runs.work_available({"inventory": failing(permanent=False)})
    with pytest.raises(AlreadyRunning):
        runs.start_sync(integration, cause="schedule")
    assert runs.start_sync(integration, cause="person").id == run.id
    assert runs.claim().id == run.id


def test_a_connection_check_is_not_tried_again_by_itself(make_source):
    run = runs.start(make_source(), "connection_check")
    runs.work_available({"connection_check": failing(permanent=False)})
    assert fresh(run).state == "failed"


def test_a_rule_that_says_no_fails_the_run_with_its_sentence(make_source):
    def refuse(_work):
        raise Refused("The source was restored, so nothing was erased.")

    run = runs.start(make_source(), "purge_source")
    runs.work_available({"purge_source": refuse})
    assert fresh(run).problem["body"] == "The source was restored, so nothing was erased."


def test_a_bug_fails_the_run_and_is_raised_and_logged_without_values(integration, make_source, caplog):
    other = runs.start(make_source("Kestrel"), "connection_check")
    run = runs.start_sync(integration)
    Run.update(due_at=clock.now() - timedelta(minutes=1)).where(Run.id == run.id).execute()

    secret = "".join(("hunter", "2"))

    def broken(_work):
        raise KeyError(secret)

    with caplog.at_level(logging.ERROR), pytest.raises(KeyError):
        runs.work_available({"inventory": broken, "connection_check": finished})
    ended = fresh(run)
    code = ended.problem["body"].rpartition("Code ")[2].rstrip(".")
    assert (ended.state, ended.problem["code"]) == ("failed", "internal")
    assert code in caplog.text
    assert "in broken" in caplog.text
    assert secret not in caplog.text
    assert fresh(other).state == "finished"


def test_a_lost_database_is_no_failure_of_the_run(integration, moved):
    from peewee import OperationalError

    run = runs.start_sync(integration)

    def away(_work):
        raise OperationalError("server closed the connection")

    with pytest.raises(OperationalError):
        runs.work_available({"inventory": away})
    assert fresh(run).state == "running"
    moved(seconds=leases.LEASE_SECONDS + 1)
    runs.work_available({"inventory": finished})
    assert fresh(run).state == "finished"


def test_a_dead_workers_run_is_continued_from_its_checkpoint(integration, moved):
    run = runs.start_sync(integration)
    dead = Work(runs.claim())
    dead.stage("apply")
    dead.save_checkpoint(applied=2000)
    assert runs.claim() is None
    moved(seconds=leases.LEASE_SECONDS + 1)
    seen = []
    runs.work_available({"inventory": lambda work: seen.append(work.checkpoint) or Outcome("finished")})
    assert seen == [{"applied": 2000}]
    assert told(run) == ["Interrupted, continuing"]
    assert (fresh(run).attempt, fresh(run).interruptions) == (2, 1)


def test_a_run_that_kills_its_worker_again_and_again_is_ended(integration, moved):
    run = runs.start_sync(integration)
    for _ in range(runs.MOST_INTERRUPTIONS + 1):
        assert runs.claim().id == run.id
        moved(seconds=leases.LEASE_SECONDS + 1)
    assert runs.claim() is None
    ended = fresh(run)
    assert (ended.state, ended.problem["code"]) == ("failed", "attempts_used_up")
    assert Integration.get_by_id(integration.id).failures == 1


def zombie(integration, moved):
    """A worker whose lease ended and whose run another worker holds now; (the zombie, the new holder)."""
    runs.start_sync(integration)
    stale = Work(runs.claim())
    moved(seconds=leases.LEASE_SECONDS + 1)
    return stale, Work(runs.claim())


def stale_writes(stale):
    """Everything a worker can write, each of which must raise LostLease."""

    def in_transaction() -> None:
        with stale.transaction():
            Source.update(item_count=666).execute()

    def data_first() -> None:
        with database.atomic():
            Source.update(item_count=667).execute()
            stale.save_checkpoint(applied=1)

    return {
        "save": lambda: stale.save(counts={"rows": 666}),
        "checkpoint": lambda: stale.save_checkpoint(applied=1),
        "stage": lambda: stale.stage("apply"),
        "say": lambda: stale.say("I am still here"),
        "transaction": in_transaction,
        "data first": data_first,
    }


def check_that_a_zombie_writes_nothing(stale, holder):
    before = Run.select().where(Run.id == holder.run.id).dicts().get()
    for name, write in stale_writes(stale).items():
        stale.lost.clear()
        with pytest.raises(runs.LostLease):
            write()
        assert Run.select().where(Run.id == holder.run.id).dicts().get() == before, name
        assert Source.get().item_count == 0, name
    assert told(holder.run) == ["Interrupted, continuing"]
    assert not stale.beat()


def test_a_zombie_writes_nothing(integration, moved):
    check_that_a_zombie_writes_nothing(*zombie(integration, moved))


def test_without_the_fence_the_zombie_test_fails(integration, moved, monkeypatch):
    monkeypatch.setattr(Work, "_mine", lambda work: (Run.id == work.run.id) & (Run.state == "running"))
    stale, holder = zombie(integration, moved)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check_that_a_zombie_writes_nothing(stale, holder)


def test_a_zombies_handler_ends_silently(integration, moved):
    run = runs.start_sync(integration)

    def slow(work):
        moved(seconds=leases.LEASE_SECONDS + 1)
        runs.claim()
        work.say("written too late")
        return finished(work)

    assert runs.work_available({"inventory": slow}) == 1
    assert fresh(run).state == "running"
    assert told(run) == ["Interrupted, continuing"]
    assert Integration.get_by_id(integration.id).last_run_id is None


def test_the_heartbeat_keeps_the_lease_while_a_handler_works(integration, monkeypatch):
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1.0)
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.2)
    runs.start_sync(integration)
    others = []

    def slow(_work):
        for _ in range(16):
            time.sleep(0.1)
            others.append(runs.claim())
        return Outcome("finished")

    runs.work_available({"inventory": slow})
    assert others == [None] * 16


def test_without_a_heartbeat_the_lease_ends(integration, monkeypatch):
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.3)
    run = runs.start_sync(integration)
    runs.claim()
    time.sleep(0.4)
    assert runs.claim().id == run.id


def test_the_heartbeat_notices_that_the_run_was_taken(integration, monkeypatch):
    monkeypatch.setattr(leases, "HEARTBEAT_SECONDS", 0.05)
    runs.start_sync(integration)
    noticed = []

    def slow(work):
        Run.update(fence=Run.fence + 1).execute()
        noticed.append(work.lost.wait(5))
        work.check_stop()

    runs.work_available({"inventory": slow})
    assert noticed == [True]


def test_a_stop_reaches_the_handler_and_keeps_what_was_done(integration):
    run = runs.start_sync(integration)

    def until_stopped(work):
        work.save(counts={"new": 2})
        runs.request_stop(fresh(run), "ana@harbor.example")
        work.look_for_stop()
        raise AssertionError("not reached")

    runs.work_available({"inventory": until_stopped})
    ended = fresh(run)
    assert (ended.state, ended.counts) == ("stopped", {"new": 2})
    assert ended.problem["body"] == "What is applied stays; the rest is skipped."
    assert told(run) == ["ana@harbor.example asked to stop."]


def test_a_run_nobody_has_touched_is_stopped_at_once(integration):
    run = runs.start_sync(integration)
    runs.request_stop(run, "ana@harbor.example")
    assert fresh(run).state == "stopped"
    assert runs.claim() is None
    runs.request_stop(run, "ana@harbor.example")
    assert len(told(run)) == 1


def test_a_process_that_ends_gives_its_run_back_with_the_checkpoint(integration, monkeypatch):
    event = threading.Event()
    monkeypatch.setattr(leases, "shutdown", event)
    run = runs.start_sync(integration)

    def until_shutdown(work):
        work.save_checkpoint(applied=4000)
        event.set()
        with pytest.raises(GivenBack):
            work.check_stop()
        work.check_stop()

    runs.work_available({"inventory": until_shutdown})
    given = fresh(run)
    assert (given.state, given.checkpoint, given.lease_until, given.interruptions) == ("queued", {"applied": 4000}, None, 0)
    assert runs.work_available({"inventory": finished}) == 0  # this process takes nothing more
    event.clear()
    assert runs.claim().id == run.id


def test_a_transaction_that_is_undone_takes_its_checkpoint_along(integration):
    runs.start_sync(integration)
    work = Work(runs.claim())
    work.save_checkpoint(applied=1)
    with pytest.raises(ZeroDivisionError), work.transaction():
        work.save_checkpoint(applied=2)
        _ = 1 // 0
    assert work.checkpoint == {"applied": 1} == fresh(work.run).checkpoint


def test_stages_keep_their_seconds_and_counts(integration):
    run = runs.start_sync(integration)

    def staged(work):
        work.stage("parse")
        work.progress(500, 1000)
        work.stage("plan")
        return Outcome("finished")

    runs.work_available({"inventory": staged})
    stages = fresh(run).stages
    assert stages["parse"]["count"] == 500
    assert stages["parse"]["seconds"] >= 0
    assert list(stages) == ["parse", "plan"]


def test_a_claimed_start_is_out_of_reach_of_workers(make_source):
    run = runs.start(make_source(), "connection_check", claimed=True)
    assert runs.claim() is None
    runs.perform(run, {"connection_check": finished})
    assert fresh(run).state == "finished"
