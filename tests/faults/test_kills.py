"""SIGKILL at random moments and at every failpoint, many processes claiming, and zombies: the table ends as if nothing happened.

Each harness is tried once with the part broken that it watches over, and must then fail.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import random
import re
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from peewee import OperationalError

from portal import clock, failpoints, runs
from portal.inventory import accepting, fixes, revert
from portal.models import InventoryChange, InventoryItem, Run, RunMessage, Source, bulk, database
from portal.models.database import is_postgres
from portal.models.runs import UNFINISHED
from tasks.work import HANDLERS
from tests.faults import tables, worker
from tests.faults.worker import Order
from tests.feed_of import Feed

KILLS = int(os.environ.get("KILLS", "25"))  # `make faults`: 500 on each database
ROWS = 20_000
MOST_ROUNDS = max(20, KILLS // 2)
MOST_REACHED = 3  # how often a failpoint is passed before it kills
KILLED = -signal.SIGKILL
WHO = "ana@harbor.example"

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.worker"])


class Workers:
    """Starts worker processes on the test's database, and knows how to get rid of them."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.started: list[Any] = []

    def begin(self, does: Callable[..., None] = worker.import_feeds, **columns: Any) -> Any:
        """A worker process that is about to look for work."""
        hears, says = processes.Pipe(duplex=False)
        process = processes.Process(target=does, args=(replace(self.order, **columns), says), daemon=True)
        process.start()
        self.started.append(process)
        says.close()
        hears.recv()
        return process

    def ends(self, **columns: Any) -> int:
        """The exit code of a worker that is left alone."""
        return ended(self.begin(**columns))

    def get_rid(self) -> None:
        for process in self.started:
            if process.is_alive():
                process.kill()
            process.join(10)


def ended(process: Any) -> int:
    process.join(worker.LONGEST)
    assert process.exitcode is not None, "a worker hangs"
    return int(process.exitcode)


def end_leases() -> None:
    """As if the lease of every dead worker's run had ended."""
    Run.update(lease_until=clock.now() - timedelta(seconds=1)).where(Run.state == "running").execute()


@pytest.fixture
def workers(config: Any, db: str) -> Iterator[Workers]:
    made = Workers(Order(db, str(config.data_dir)))
    yield made
    made.get_rid()


@pytest.fixture(autouse=True)
def quick_here(db: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process, which nobody kills, neither pauses nor waits for the disk; the workers do."""
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    if not is_postgres():
        database.execute_sql("PRAGMA synchronous = OFF")


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Feed:
    return Feed(make_source())


@pytest.fixture
def twin(make_source: Callable[..., Source]) -> Feed:
    """A source that gets the same files and is never disturbed."""
    return Feed(make_source("Twin"))


def file_of(number: int, rows: int = ROWS) -> list[list[Any]]:
    """The number-th file of a series. From one to the next a third of the rows changes, 2 % are new, 2 % gone, some are back.

    Some rows go to zero, a few stand twice, a few cannot be used.
    """
    step, lines = rows // 50, []
    for n in range(number * step, number * step + rows):
        if n % 97 == 0 and number % 2:
            continue
        version = number - (number - n) % 3
        quantity: Any = -1 if n % 1_999 == 7 else 0 if (n + version) % 50 == 0 else 5 + version % 40
        lines.append([f"SKU-{n:06}", f"Lamp {n} größer, v{version}", "Kestrel", quantity, f"{n % 90 + 1}.{version % 90:02}"])
    lines.insert(rows // 2, lines[10][:1] + ["Twice", "Kestrel", 3, "1.00"])
    return lines


def runs_since(feed: Feed, number: int) -> list[Run]:
    return list(Run.select().where(Run.source == feed.source, Run.number >= number).order_by(Run.id))


def finish(workers: Workers, feed: Feed, rows: list[list[Any]], first: Run) -> list[Run]:
    """One quiet run at the end: of the interrupted run, or of a new one when the interruptions used it up. All runs since `first`."""
    end_leases()
    assert workers.ends() == 0
    if Run.select().where(Run.source == feed.source).order_by(Run.id.desc()).get().state == "failed":
        feed.start(rows)
        assert workers.ends() == 0
    return runs_since(feed, first.number)


def check_history(ended_runs: list[Run], kills: int) -> None:
    """Every attempt is on record: how often a run was taken, how often its worker died, and a line in its story for each."""
    assert sum(run.interruptions for run in ended_runs) == kills
    assert all(run.fence == run.attempt == run.interruptions + 1 or run.problem["code"] == "attempts_used_up" for run in ended_runs)
    told = RunMessage.select().where(RunMessage.run << [run.id for run in ended_runs], RunMessage.text == "Interrupted, continuing")
    assert told.count() == sum(min(run.interruptions, runs.MOST_INTERRUPTIONS) for run in ended_runs)


def kill_at_random(workers: Workers, rng: random.Random, seconds: float, most: int, seen: Counter[str]) -> int:
    """Up to `most` SIGKILLs, each up to `seconds` after a worker began; how many hit a living worker."""
    for kills in range(most):
        process = workers.begin()
        process.join(rng.uniform(0.01, seconds))
        if process.exitcode is not None:
            assert process.exitcode == 0
            return kills
        os.kill(process.pid, signal.SIGKILL)
        assert ended(process) in (KILLED, 0)
        if process.exitcode == 0:
            return kills
        last = Run.select().order_by(Run.id.desc()).get()
        seen[last.stage if last.attempt else "queued"] += 1
        end_leases()
    return most


@pytest.mark.timeout(280 if KILLS <= 50 else 12 * KILLS)
def test_killed_at_random_moments_the_table_ends_as_after_a_clean_run(workers, feed, twin, capsys):
    seed = int(os.environ.get("KILLS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    rng, kills, rounds, seen = random.Random(seed), 0, 0, Counter[str]()
    while kills < KILLS:
        assert rounds < MOST_ROUNDS, f"only {kills} kills hit"
        rows = file_of(rounds)
        began = time.monotonic()
        clean = twin.sync(rows)
        seconds = time.monotonic() - began
        first = feed.start(rows)
        hit = kill_at_random(workers, rng, seconds * 0.5, min(KILLS - kills, rng.randint(4, 7)), seen)
        ended_runs = finish(workers, feed, rows, first)
        print(f"KILLS_SEED={seed} round {rounds}: {hit} kills, {len(ended_runs)} runs, {ended_runs[-1].counts}")
        tables.check_same(feed, ended_runs, twin, clean)
        kills, rounds = kills + hit, rounds + 1
    tables.check_journal(feed)
    with capsys.disabled():
        print(f"\n  KILLS_SEED={seed}: {kills} kills in {rounds} imports of {ROWS:,} rows, by stage {dict(seen)}")
    assert clean.counts["missing"] and clean.counts["new"] and clean.counts["changed"] and clean.counts["zeroed"]


def prepared(feed: Feed, twin: Feed, rows: int = 600) -> None:
    for one in (feed, twin):
        one.sync(file_of(0, rows))


@pytest.mark.parametrize("point", failpoints.POINTS)
def test_killed_at_each_failpoint_another_worker_goes_on(workers, feed, twin, point):
    prepared(feed, twin)
    number, died = 1, True
    while died and number <= MOST_REACHED:
        rows = file_of(number, 600)
        clean, run = twin.sync(rows), feed.start(rows)
        code = workers.ends(failpoint=f"{point}:{number}", chunk=200)
        died = code == KILLED
        assert died or code == 0
        ended_runs = finish(workers, feed, rows, run)
        check_history(ended_runs, int(died))
        tables.check_same(feed, ended_runs, twin, clean)
        number += 1
    assert number > 2, "the failpoint was never reached"
    tables.check_journal(feed)


def test_every_failpoint_of_the_code_is_one_of_the_listed():
    root = Path(failpoints.__file__).parent
    found = {name for path in root.rglob("*.py") for name in re.findall(r'failpoints\.reach\("([^"]+)"\)', path.read_text())}
    others = (*failpoints.OF_SENDING, *failpoints.OF_OTHER_RUNS, *failpoints.OF_CHANNELS, *failpoints.OF_ALERTS, *failpoints.OF_OPERATION)
    assert found == {*failpoints.POINTS, *others}


def killed_in_a_transaction(workers: Workers, feed: Feed, twin: Feed, at: int = 2, **order: Any) -> None:
    prepared(feed, twin)
    rows = file_of(1, 600)
    clean, run = twin.sync(rows), feed.start(rows)
    assert workers.ends(die_in_transaction=at, chunk=100, **order) == KILLED
    tables.check_same(feed, finish(workers, feed, rows, run), twin, clean)
    tables.check_journal(feed)


def test_killed_between_a_chunk_and_its_checkpoint_the_chunk_is_done_once(workers, feed, twin):
    killed_in_a_transaction(workers, feed, twin)


def test_killed_in_a_transaction_of_many_chunks_all_of_them_are_done_once(workers, feed, twin):
    killed_in_a_transaction(workers, feed, twin, at=1, hold=60.0)


@pytest.mark.one_database
def test_sabotage_without_transactions_that_kill_is_noticed(workers, feed, twin):
    with pytest.raises(AssertionError):
        killed_in_a_transaction(workers, feed, twin, sabotage="transaction")


@pytest.mark.one_database
def test_sabotage_a_single_wrong_value_or_journal_line_is_noticed(feed, twin):
    prepared(feed, twin, 300)
    rows = file_of(1, 300)
    clean, run = twin.sync(rows), feed.sync(rows)
    tables.check_same(feed, [run], twin, clean)
    line = InventoryChange.select().where(InventoryChange.run == run.id).order_by(InventoryChange.id.desc()).get()
    mine = InventoryItem.source == feed.source
    for harm in (
        lambda: InventoryItem.update(weight_unit="lb").where(InventoryItem.id == line.item_id).execute(),
        lambda: InventoryItem.update(last_row=0).where(InventoryItem.id == line.item_id).execute(),
        lambda: InventoryItem.update(missing_since=clock.now()).where(mine, InventoryItem.sku == "SKU-000015").execute(),
        lambda: InventoryChange.delete().where(InventoryChange.id == line.id).execute(),
    ):
        with database.atomic() as undone:
            assert harm()
            with pytest.raises(AssertionError):
                tables.check_same(feed, [run], twin, clean)
                tables.check_journal(feed)
            undone.rollback()


@pytest.mark.parametrize("point", ["applied-chunk:1", "applied-chunk:3", "removals:1", "finishing:1"])
def test_an_acceptance_that_is_killed_is_carried_on(workers, feed, twin, point):
    for one in (feed, twin):
        one.sync(file_of(0, 1_000))
        assert one.sync(file_of(0, 1_000)[:600]).state == "held"
    holds = [Run.select().where(Run.source == one.source).order_by(Run.id.desc()).get() for one in (feed, twin)]
    clean = accepting.start_acceptance(holds[1], "ana@harbor.example")
    runs.work_available(HANDLERS)
    run = accepting.start_acceptance(holds[0], "ana@harbor.example")
    assert workers.ends(failpoint=point, chunk=100) == KILLED
    end_leases()
    assert workers.ends() == 0
    assert Run.get_by_id(run.id).counts == Run.get_by_id(clean.id).counts == {"missing": 401, "zeroed": 0}
    assert tables.table(feed) == tables.table(twin)
    assert tables.journal([run]) == tables.journal([clean])
    tables.check_journal(feed)


@pytest.mark.parametrize("point", ["applied-chunk:1", "applied-chunk:4", "finishing:1"])
def test_a_revert_that_is_killed_is_carried_on(workers, feed, twin, point):
    undone = []
    for one in (feed, twin):
        one.sync(file_of(0, 1_000))
        undone.append(one.sync(file_of(1, 1_000)))
    clean = revert.start(undone[1], revert.chosen(undone[1]), WHO)
    runs.work_available(HANDLERS)
    run = revert.start(undone[0], revert.chosen(undone[0]), WHO)
    assert workers.ends(failpoint=point, chunk=100) == KILLED
    end_leases()
    assert workers.ends() == 0
    assert Run.get_by_id(run.id).counts == Run.get_by_id(clean.id).counts and Run.get_by_id(run.id).counts["reverted"] > 300
    assert tables.table(feed) == tables.table(twin)
    assert tables.journal([run]) == tables.journal([clean])


@pytest.mark.parametrize("point", ["applied-chunk:1", "applied-chunk:3", "finishing:1"])
def test_mended_rows_whose_run_is_killed_are_taken_once(workers, feed, twin, point):
    rows = file_of(0, 1_000)
    for row in rows[:900:2]:
        row[3] = "many"
    ended_runs = []
    for one in (feed, twin):
        bad = one.sync(rows)
        assert bad.counts["set_aside"] >= 450
        mended = "".join(fixes.to_mend_csv(bad)).replace(",many,", ",7,").encode()
        run, _ = fixes.start(bad, io.BytesIO(mended), "mended.csv", WHO)
        if one is feed:
            assert workers.ends(failpoint=point, chunk=100) == KILLED
            end_leases()
            assert workers.ends() == 0
        else:
            runs.work_available(HANDLERS)
        ended_runs.append(Run.get_by_id(run.id))
    assert ended_runs[0].counts == ended_runs[1].counts and ended_runs[0].counts["new"] >= 440
    assert tables.table(feed) == tables.table(twin)
    assert tables.journal(ended_runs[:1]) == tables.journal(ended_runs[1:])


def claim_all(workers: Workers, source: Source, ledger: Path, count: int, **sabotage: str) -> None:
    """Let 8 processes claim `count` runs; each must be in the ledger once, under fence 1."""
    for _ in range(count):
        runs.start(source, "connection_check")
    several = [workers.begin(worker.claim_and_sign, ledger=str(ledger), **sabotage) for _ in range(8)]
    for process in several:
        assert ended(process) == 0
    lines = [line.split() for line in ledger.read_text().splitlines()]
    assert sorted(int(run) for _, run, _ in lines) == sorted(run.id for run in Run.select())
    assert {fence for _, _, fence in lines} == {"1"}
    assert len({pid for pid, _, _ in lines}) > 1, "one process did it all"


def test_eight_processes_claim_each_run_once(workers, make_source, tmp_path):
    claim_all(workers, make_source(), tmp_path / "ledger", 150)


@pytest.mark.one_database
def test_sabotage_claiming_without_a_lock_is_noticed(workers, make_source, tmp_path):
    with pytest.raises(AssertionError):
        claim_all(workers, make_source(), tmp_path / "ledger", 150, sabotage="claim")


def locks_nobody_out(run: Run) -> bool:
    """Whether the run's row can be written now, so that the stopped process holds no lock on it."""
    try:
        if is_postgres():
            with database.atomic():
                database.execute_sql("SELECT id FROM run WHERE id = %s FOR UPDATE NOWAIT", (run.id,))
        else:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys.modules["portal.models.database"], "PATIENCE", 0)
                with database.atomic("IMMEDIATE"):
                    pass
    except OperationalError:
        return False
    return True


def stop_in(process: Any, run: Run, stage: str) -> None:
    """SIGSTOP the process in that stage of the run, outside of any transaction: a stopped lock would stop everybody."""
    ends = time.monotonic() + 30
    while time.monotonic() < ends:
        if Run.get_by_id(run.id).stage == stage:
            os.kill(process.pid, signal.SIGSTOP)
            if locks_nobody_out(run) and Run.get_by_id(run.id).stage == stage:
                return
            os.kill(process.pid, signal.SIGCONT)
        time.sleep(0.002)
    raise AssertionError(f"never stopped in {stage}")


def zombie_writes_nothing(workers: Workers, feed: Feed, twin: Feed, stage: str, **sabotage: str) -> None:
    """A worker sleeps past its lease; another one ends its run and does the next; then the first wakes up."""
    prepared(feed, twin, 1_500)
    rows, later = file_of(1, 1_500), file_of(2, 1_500)
    clean, run = twin.sync(rows), feed.start(rows)
    zombie = workers.begin(chunk=100, **sabotage)
    stop_in(zombie, run, stage)
    end_leases()
    assert workers.ends() == 0
    tables.check_same(feed, runs_since(feed, run.number), twin, clean)
    clean, last = twin.sync(later), feed.start(later)
    assert workers.ends() == 0
    before = tables.whole_database()
    os.kill(zombie.pid, signal.SIGCONT)
    ended(zombie)
    after = tables.whole_database()
    assert [name for name in before if before[name] != after[name]] == []
    tables.check_same(feed, [Run.get_by_id(last.id)], twin, clean)
    assert not Run.select().where(Run.state << UNFINISHED).exists()


@pytest.mark.parametrize("stage", ["parse", "plan", "apply"])
def test_a_zombie_worker_writes_nothing(workers, feed, twin, stage):
    zombie_writes_nothing(workers, feed, twin, stage)


@pytest.mark.one_database
@pytest.mark.parametrize("stage", ["parse", "apply"])
def test_sabotage_without_the_fence_the_zombie_is_noticed(workers, feed, twin, stage):
    with pytest.raises(AssertionError):
        zombie_writes_nothing(workers, feed, twin, stage, sabotage="fence")
