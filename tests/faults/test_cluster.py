"""kill -9 of each kind of process in turn, Redis and a Postgres backend too, while feeds are imported, orders come in and orders leave.

Real Postgres, Redis and sshd; three workers, two web processes and a scheduler. `make faults` plays 20 imports and 2,000 sends with the
real leases and measures the take-overs; the tests play a short form in which the leases of the dead end at once.
"""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from portal import api_tokens, clock
from portal.models import FulfillmentRequest, InventoryItem, Order, Run, SchedulerLease, Submission, database
from portal.models.database import is_postgres
from portal.operation import lead
from tests.connected import chosen, loopback  # noqa: F401
from tests.faults import cluster
from tests.faults.senders import PickUp
from tests.faults.test_sending_kills import fresh_folder
from tests.feed_of import Feed, rows_of
from tests.outgoing import connected, turn_on, wants
from tests.servers import sshd, system_user

LONG = "KILLS" in os.environ
IMPORTS, ROWS, SENDS, POSTS, ROUNDS = (20, 20_000, 2_000, 400, 4) if LONG else (4, 500, 24, 16, 1)
KINDS = ("worker-0", "web-0", "scheduler", "redis", "backend", "worker-1", "web-1", "worker-2")
TAKE_OVER = 60.0  # seconds within which another must keep the clock
pytestmark = pytest.mark.timeout(3_600 if LONG else 240)


@pytest.fixture
def only_where_there_is_a_server(db: str) -> None:
    if not is_postgres():
        pytest.skip("several machines need Postgres")


def kill(here: cluster.Cluster, kind: str, url: str) -> float | None:
    """Kill one and start it again; for the keeper of the clock the seconds until another kept it (it is started again only then)."""
    if kind == "backend":
        busy = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle' LIMIT 1"
        with psycopg.connect(url, autocommit=True) as line:
            line.execute(f"SELECT pg_terminate_backend(pid) FROM ({busy}) AS busy")
        return None
    if kind != "scheduler":
        here.parts[kind].kill()
        here.parts[kind].start()
        return None
    cluster.until(lambda: keeper_of(here) is not None, TAKE_OVER, here.said)  # a worker that was killed before may have kept it
    held, keeper = lead.holder(), keeper_of(here)
    assert held is not None and keeper is not None
    keeper.kill()
    if not LONG:
        SchedulerLease.update(until=clock.now() - timedelta(seconds=1)).execute()
    took = cluster.until(lambda: (now := lead.holder()) is not None and now.fence > held.fence, TAKE_OVER, here.said)
    keeper.start()
    return took


def keeper_of(here: cluster.Cluster) -> cluster.Part | None:
    """The living process that keeps the clock."""
    held = lead.holder()
    alive = {str(part.process.pid): part for part in here.parts.values()}
    return alive.get(held.holder.split(":")[2]) if held is not None else None


@pytest.mark.usefixtures("only_where_there_is_a_server")
def test_nothing_is_lost_or_doubled_whoever_is_killed(db: Any, make_source: Any, chosen: Any, merchant: Any, config: Any) -> None:  # noqa: F811
    feeds = [Feed(make_source(f"Feed {number}")) for number in range(IMPORTS)]
    with system_user() as user, sshd(user) as server:
        source = connected(chosen("sftp-file", "Kestrel"), server)
        turn_on(source, {"file_name": "po_{po}.csv"})
        _, token = api_tokens.make(merchant, "Till", list(api_tokens.SCOPES), None, "90", "ana@harbor.example")
        picked = PickUp(fresh_folder(user), config.data_dir / "picked.jsonl")
        took: list[float] = []
        with cluster.Cluster(db, config.data_dir) as here:
            till = cluster.Till(here.webs(), token, pause=0.3)
            till.begin(POSTS)
            for round_ in range(ROUNDS):
                for number in range(round_, IMPORTS, ROUNDS):
                    feeds[number].start(rows_of(ROWS, quantity=number + 1))
                with database.atomic():  # a request without its lines yet must not be seen
                    wants(source, *(f"PO-{round_}-{number}" for number in range(SENDS // ROUNDS)))
                for kind in KINDS:
                    time.sleep(2.0 if LONG else 0.3)
                    seconds = kill(here, kind, db)
                    took += [] if seconds is None else [seconds]
                    if not LONG:
                        cluster.as_if_leases_had_ended()
            if not LONG:
                time.sleep(0.5)
                cluster.as_if_leases_had_ended()
            till.end(600 if LONG else 60)
            cluster.until(lambda: not cluster.something_left(), 900 if LONG else 120, here.said)
        ledger = picked.end()
    ended = Counter(run.state for run in Run.select().where(Run.kind == "inventory"))
    assert ended == {"finished": IMPORTS}, list(Run.select(Run.kind, Run.state, Run.problem).dicts())
    for number, feed in enumerate(feeds):
        counted = InventoryItem.select().where(InventoryItem.source == feed.source, InventoryItem.quantity == number + 1)
        assert (counted.count(), InventoryItem.select().where(InventoryItem.source == feed.source).count()) == (ROWS, ROWS)
    asked = {f"po_PO-{round_}-{number}.csv" for round_ in range(ROUNDS) for number in range(SENDS // ROUNDS)}
    kept = [one.number for one in Order.select(Order.number).where(Order.number.startswith("T-"))]
    wrong = cluster.verdict(asked, [line["name"] for line in ledger], till.told, kept)
    doubts = Submission.select().where(Submission.state == "check_needed").count()
    told = {"kills": ROUNDS * len(KINDS), "imports": IMPORTS, "sends": len(asked), **wrong, "check needed": doubts}
    hit = sum(run.interruptions for run in Run.select(Run.interruptions))
    told |= {
        "runs interrupted": hit,
        "orders": len(till.told),
        "posted again": till.again,
        "slowest take-over of the clock, s": round(max(took), 1),
    }
    print(json.dumps(told))
    assert not any(wrong.values()) and not doubts, told
    assert hit > 0 and len(till.told) == POSTS and max(took) < TAKE_OVER
    sent = FulfillmentRequest.select().where(FulfillmentRequest.source == source, FulfillmentRequest.state == "processed")
    assert sent.count() == len(asked)


def test_the_verdict_sees_what_is_lost_and_what_is_doubled() -> None:
    wrong = cluster.verdict({"a", "b"}, ["a", "a", "c"], ["1", "2"], ["1", "1"])
    assert set(wrong.values()) == {1} and len(wrong) == 5
    assert not any(cluster.verdict({"a"}, ["a"], ["1"], ["1", "2"]).values()), "an order that is kept though its answer was lost is none"
