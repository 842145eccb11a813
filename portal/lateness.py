"""The clock's part of freshness: by when each feed is expected, since when one is late, and the times in which it was.

It needs no run to notice: absence alone makes late. Two workers may do this at once; each change is noted once.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from peewee import fn

from portal import clock, freshness
from portal.models import Integration, LatePeriod, Merchant, Source, database

_READ = (
    Integration.id, Integration.kind, Integration.enabled, Integration.paused, Integration.schedule, Integration.policies,
    Integration.last_accepted_at, Integration.file_since, Integration.accepted_late, Integration.watched_since, Integration.expected_by,
    Integration.late_since, Integration.version,
)  # fmt: skip
NOTED = ("watched_since", "expected_by", "late_since")


def mind(now: datetime | None = None) -> int:
    """Note for each feed by when it is expected and whether that has passed; how many became late, or are not any more."""
    now = now or clock.now()
    turned = sum(_note(one, now) for one in _watched())
    _close_abandoned(now)
    return turned


def periods(integrations: Iterable[int], since: datetime | None = None, most: int = 30) -> list[LatePeriod]:
    """The newest late periods of integrations (their ids) that were not over before `since`, newest first."""
    query = LatePeriod.select().where(LatePeriod.integration << list(integrations))
    if since is not None:
        query = query.where(LatePeriod.ended_at.is_null() | (LatePeriod.ended_at >= since))
    return list(query.order_by(LatePeriod.since.desc(), LatePeriod.id.desc()).limit(most))


def _watched() -> list[Any]:
    """Every integration of which something is expected, or was when the clock last looked; with its source and merchant."""
    on = Integration.on() & (Source.state == "live")
    was = Integration.watched_since.is_null(False) | Integration.late_since.is_null(False)
    rows = Integration.select(*_READ, Source.id, Source.state, Merchant.id, Merchant.time_zone).join(Source).join(Merchant)
    return list(rows.where((Integration.kind << list(freshness.FEEDS)) & (on | was)).order_by(Integration.id))


def _note(integration: Integration, now: datetime) -> bool:
    """Write what has changed, unless the integration did meanwhile: then the next tick does. Whether it became late or caught up."""
    was = {name: getattr(integration, name) for name in NOTED}
    integration.watched_since = (integration.watched_since or now) if freshness.is_expected(integration) else None
    by = freshness.expected_by(integration, now)
    late = freshness.passed(integration, by, now)
    found = {"watched_since": integration.watched_since, "expected_by": by, "late_since": late}
    if found == was:
        return False
    same = [_same(getattr(Integration, name), value) for name, value in was.items()]
    same += [_same(Integration.last_accepted_at, integration.last_accepted_at), Integration.version == integration.version]
    with database.atomic():
        if not Integration.update(found).where(Integration.id == integration.id, *same).execute():
            return False
        if late != was["late_since"]:
            _turn(integration, was["late_since"], late, now)
    return (late is None) != (was["late_since"] is None)


def _turn(integration: Integration, was: datetime | None, late: datetime | None, now: datetime) -> None:
    """Keep the late periods in step: one begins, ends, or begins elsewhere because a rule changed."""
    last = freshness.last_fresh(integration, freshness.rule(integration))
    caught_up = was is not None and last is not None and last > was
    mine = (LatePeriod.integration == integration) & LatePeriod.ended_at.is_null()
    if was is not None and late is not None and not caught_up:
        LatePeriod.update(since=late, cause=_cause(integration)).where(mine).execute()
        return
    if was is not None:
        resting = not freshness.is_expected(integration)
        ended = "accepted" if caught_up else "rested" if resting else "rule"
        LatePeriod.update(ended_at=last if caught_up else now, ended=ended).where(mine).execute()
    if late is not None:
        LatePeriod.create(integration=integration, since=late, cause=_cause(integration), noted_at=now)


def _cause(integration: Integration) -> str:
    """same_file when feeds came but the rule does not count them."""
    last, fresh = integration.last_accepted_at, freshness.last_fresh(integration, freshness.rule(integration))
    return "same_file" if last is not None and fresh is not None and fresh < last else "absent"


def _close_abandoned(now: datetime) -> None:
    """End the periods of integrations that somebody took off the list meanwhile, such as a removed one."""
    on_time = Integration.select(Integration.id).where(Integration.late_since.is_null())
    open_ones = LatePeriod.ended_at.is_null() & (LatePeriod.integration << on_time)
    if LatePeriod.select(fn.COUNT(LatePeriod.id)).where(open_ones).scalar():
        LatePeriod.update(ended_at=now, ended="rested").where(open_ones).execute()


def _same(column: Any, value: Any) -> Any:
    return column.is_null() if value is None else column == value
