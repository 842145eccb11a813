"""The whole installation at a glance: what is held, in doubt, stuck or waiting, over all merchants, each by one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from portal import clock
from portal.models import FulfillmentRequest, Integration, Merchant, PlanRow, Run, Source

MOST = 100
SILENT = timedelta(minutes=1)
"""After the end of its lease a worker should have taken a run over."""
LONG = timedelta(hours=2)
READS = ("inventory", "fixed_rows")


@dataclass(frozen=True)
class Fleet:
    """Each part the oldest first, at most MOST rows of it. `queues`: (merchant, runs that wait, since when, runs that run)."""

    held: Sequence[Run]
    doubts: Sequence[tuple[Merchant, Source, int, datetime]]
    stuck: Sequence[Run]
    queues: Sequence[tuple[Merchant, int, datetime | None, int]]


def look() -> Fleet:
    """How it is now."""
    return Fleet(held(), doubts(), stuck(), queues())


def held() -> list[Run]:
    """The newest feed of each integration that waits for a person, the longest waiting first."""
    newest = Run.select(fn.MAX(Run.id)).where(Run.state == "held", Run.kind << READS).group_by(Run.integration)
    waiting = fn.EXISTS(PlanRow.select(1).where(PlanRow.run == Run.id, PlanRow.state == "held"))
    open_ = Integration.last_accepted_at.is_null() | (Integration.last_accepted_at <= Run.created_at)
    query = _with_names().switch(Run).join(Integration).where(Run.id << newest, waiting | open_, Source.state != "deleted")
    return list(query.order_by(Run.finished_at, Run.id).limit(MOST))


def doubts() -> list[tuple[Merchant, Source, int, datetime]]:
    """(merchant, source, requests that may have left, the oldest of them): a person says whether they did."""
    oldest = fn.MIN(FulfillmentRequest.changed_at)
    rows: Any = FulfillmentRequest.select(FulfillmentRequest.source, fn.COUNT(FulfillmentRequest.id), oldest)
    rows = rows.where(FulfillmentRequest.sending == "check_needed").group_by(FulfillmentRequest.source).order_by(oldest).limit(MOST)
    found = list(rows.tuples())
    known = {one.id: one for one in Source.select(Source, Merchant).join(Merchant).where(Source.id << [one[0] for one in found])}
    return [(known[source].merchant, known[source], count, since) for source, count, since in found]


def stuck() -> list[Run]:
    """Runs whose worker was not seen since their lease ended, that began over again, or that run very long."""
    now = clock.now()
    odd = (Run.lease_until < now - SILENT) | (Run.started_at < now - LONG) | (Run.interruptions > 0)
    return list(_with_names().where(Run.state == "running", odd).order_by(Run.started_at, Run.id).limit(MOST))


def queues() -> list[tuple[Merchant, int, datetime | None, int]]:
    """Of each merchant with runs that are due or run: how many wait, since when the oldest, and how many run."""
    now = clock.now()
    due = (Run.state == "queued") & (Run.due_at <= now)
    waits: Any = Run.select(Run.merchant, fn.COUNT(Run.id), fn.MIN(Run.due_at)).where(due).group_by(Run.merchant)
    runs: Any = Run.select(Run.merchant, fn.COUNT(Run.id)).where(Run.state == "running").group_by(Run.merchant)
    waiting = {merchant: (count, since) for merchant, count, since in waits.tuples()}
    running: dict[int, int] = dict(runs.tuples())
    names = {one.id: one for one in Merchant.select().where(Merchant.id << list(waiting.keys() | running.keys()))}
    told = [(names[one], *waiting.get(one, (0, None)), running.get(one, 0)) for one in names]
    return sorted(told, key=lambda one: (one[2] or now, one[0].name))[:MOST]


def _with_names() -> Any:
    return Run.select(Run, Source, Merchant).join(Source).join(Merchant)
