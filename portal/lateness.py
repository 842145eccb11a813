"""The clock's part of freshness: by when each feed is expected, since when one is late, and the times in which it was.

It needs no run to notice: absence alone makes late. Two workers may do this at once; each change is noted once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from portal import clock, freshness
from portal.models import Integration, LatePeriod, Merchant, Source, bulk, database
from portal.models.database import is_postgres

_READ = (
    Integration.id, Integration.kind, Integration.enabled, Integration.paused, Integration.schedule, Integration.policies,
    Integration.last_accepted_at, Integration.file_since, Integration.accepted_late, Integration.watched_since, Integration.expected_by,
    Integration.late_since, Integration.version,
)  # fmt: skip
NOTED = ("watched_since", "expected_by", "late_since")
_WAS, _NEW = ("was_watched", "was_expected", "was_late"), ("watched", "expected", "late")
CHUNK = 500
"""Integrations of one transaction."""


def mind(now: datetime | None = None) -> int:
    """Note for each feed by when it is expected and whether that has passed; how many became late, or are not any more."""
    now = now or clock.now()
    changed = [found for one in _watched() if (found := _reckoned(one, now)) is not None]
    turned = 0
    for start in range(0, len(changed), CHUNK):
        turned += _note(changed[start : start + CHUNK], now)
        bulk.pause()
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


@dataclass(frozen=True)
class _Turn:
    """What has changed of one integration. `was`, `now`: the values of NOTED."""

    integration: Any
    was: tuple[datetime | None, ...]
    now: tuple[datetime | None, ...]

    @property
    def late(self) -> tuple[datetime | None, datetime | None]:
        """Since when it was late, and is."""
        return self.was[2], self.now[2]


def _reckoned(integration: Integration, now: datetime) -> _Turn | None:
    """What is to be noted of it; None where nothing has changed."""
    was = tuple(getattr(integration, name) for name in NOTED)
    integration.watched_since = (integration.watched_since or now) if freshness.is_expected(integration) else None
    by = freshness.expected_by(integration, now)
    found = (integration.watched_since, by, freshness.passed(integration, by, now))
    return _Turn(integration, was, found) if found != was else None


def _note(turns: Sequence[_Turn], now: datetime) -> int:
    """Write a chunk of them, but those whose integration changed meanwhile: the next tick does them. How many became late or caught up."""
    rows = [(one.integration.id, one.integration.version, one.integration.last_accepted_at, *one.was, *one.now) for one in turns]
    same = [
        f"NOT ({bulk.differs(f'i.{name}', f'v.{was}')})" for name, was in (("last_accepted_at", "last"), *zip(NOTED, _WAS, strict=True))
    ]
    values = ", ".join(f"{name} = v.{new}" for name, new in zip(NOTED, _NEW, strict=True))
    sql = f"""UPDATE integration AS i SET {values} FROM v
        WHERE i.id = v.one AND i.version = v.known AND {" AND ".join(same)} RETURNING id"""
    with database.atomic():
        ours = {row[0] for row in _with_values(("one", "known", "last", *_WAS, *_NEW), rows, sql).fetchall()}
        turned = [one for one in turns if one.integration.id in ours and one.late[0] != one.late[1]]
        _turn(turned, now)
    return sum((one.late[0] is None) != (one.late[1] is None) for one in turned)


def _turn(turned: Sequence[_Turn], now: datetime) -> None:
    """Keep the late periods in step: they begin, end, or begin elsewhere because a rule changed."""
    moved, ended, begun = [], [], []
    for one in turned:
        (was, late), last = one.late, freshness.last_fresh(one.integration, freshness.rule(one.integration))
        caught_up = was is not None and last is not None and last > was
        if was is not None and late is not None and not caught_up:
            moved.append((one.integration.id, late, _cause(one.integration)))
            continue
        if was is not None:
            resting = not freshness.is_expected(one.integration)
            why = "accepted" if caught_up else "rested" if resting else "rule"
            ended.append((one.integration.id, last if caught_up else now, why))
        if late is not None:
            begun.append({"integration": one.integration.id, "since": late, "cause": _cause(one.integration), "noted_at": now})
    which = "FROM v WHERE late_period.integration_id = v.one AND late_period.ended_at IS NULL"
    _with_values(("one", "at", "word"), moved, f"UPDATE late_period SET since = v.at, cause = v.word {which}")
    _with_values(("one", "at", "word"), ended, f"UPDATE late_period SET ended_at = v.at, ended = v.word {which}")
    if begun:
        LatePeriod.insert_many(begun).execute()


_KINDS = {"one": "bigint", "known": "bigint", "word": "text"}


def _with_values(names: Sequence[str], rows: Sequence[Sequence[Any]], sql: str) -> Any:
    """Execute `sql`, in which `v` is a table of these rows; times, unless _KINDS says otherwise."""
    if not rows:
        return None
    marks = ", ".join(f"?::{_KINDS.get(name, 'timestamp')}" if is_postgres() else "?" for name in names)
    table = ", ".join([f"({marks})"] * len(rows))
    return bulk.run(f"WITH v({', '.join(names)}) AS (VALUES {table}) {sql}", [value for row in rows for value in row])


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
