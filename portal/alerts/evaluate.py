"""Looks at every rule for all merchants at once, and writes what changed. It needs no run to notice: absence alone is enough.

Several workers may do this at once: an alert is one row, each change is written where nobody did meanwhile, and a message is unique.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from portal import clock
from portal.alerts import deciding, digests, of_channels, of_feeds, of_limits, of_orders, of_servers, standing, telling, wishes
from portal.alerts.deciding import Change
from portal.alerts.findings import Finding, Look, Policies
from portal.models import Alert, Integration, Source, database

LOOKS: Sequence[Callable[[Look], Iterator[Finding]]] = (
    of_feeds.late, of_feeds.held, of_feeds.failed, of_feeds.zeroed, of_servers.sign_ins, of_servers.certificates, of_servers.silent,
    of_servers.outages, of_servers.backups, of_orders.stops, of_orders.in_doubt, of_orders.unrouted, of_orders.unsent, of_orders.answers,
    of_orders.overdue, of_orders.unmatched, of_orders.channel_orders, of_orders.tracking, of_channels.pushes, of_limits.near,
    of_orders.released,
)  # fmt: skip
MOST_CHANGES = 5_000
"""Of one look; the rest is found again a minute later."""
CHUNK = 200
_KEPT = timedelta(days=90)
_READ: Sequence[Any] = (
    Alert.id, Alert.merchant.alias("merchant_id"), Alert.rule, Alert.object_key, Alert.source.alias("source_id"), Alert.level, Alert.state,
    Alert.headline, Alert.body, Alert.facts, Alert.mark, Alert.times, Alert.turn, Alert.version, Alert.last_seen_at, Alert.clear_since,
    Alert.snoozed_until, Alert.snooze_mark, Alert.first_seen_at,
)  # fmt: skip


@dataclass(frozen=True)
class Tally:
    """What a look did: alerts that began or came back, that ended, and others that were written."""

    fired: int = 0
    resolved: int = 0
    other: int = 0


def evaluate(now: datetime | None = None) -> Tally:
    """Look once. Nothing is sent here: what is to be told waits in messages (portal.alerts.leaving)."""
    now = now or clock.now()
    wishes.make_missing()
    policies = Policies.read()
    found = dict(_found(now, policies))
    known = {(one.merchant_id, one.rule, one.object_key): one for one in _known(found)}
    changes = islice(_changes(known, found, policies, now), MOST_CHANGES)
    begun = islice((one for key, one in found.items() if key not in known), MOST_CHANGES)
    fired = sum(_begin(chunk, policies, now) for chunk in _chunks(begun))
    done = [change for chunk in _chunks(changes) for change in _write(chunk, policies, now)]
    digests.make_due(now)
    telling.remind(now)
    again, ended = sum(one.tell == "fired" for one in done), sum(one.columns.get("state") == "resolved" for one in done)
    return Tally(fired + again, ended, len(done) - again - ended)


def erase_old(now: datetime | None = None) -> int:
    """Take out alerts that ended long ago, with what was told of them; how many."""
    old = (Alert.state == "resolved") & (Alert.resolved_at < (now or clock.now()) - _KEPT)
    return int(Alert.delete().where(old).execute())


def _found(now: datetime, policies: Policies) -> Iterator[tuple[tuple[int, str, str], Finding]]:
    for look_at in reversed(LOOKS):  # of two findings with one key the earlier look counts
        for one in look_at(Look(now, policies)):
            if policies.wants(one.rule, one.merchant, one.source):
                yield one.key, one


def _known(found: Mapping[Any, Finding]) -> list[Any]:
    """Every alert that is open, and those that ended and may come back now: rows of _READ, as thousands of models take long to make."""
    rows = list(Alert.select(*_READ).where(Alert.state != "resolved").namedtuples())
    open_ = {(one.merchant_id, one.rule, one.object_key) for one in rows}
    back = sorted(key for key in found if key not in open_)
    for chunk in _chunks(iter(back)):
        merchants, keys = {one[0] for one in chunk}, {one[2] for one in chunk}
        ended = (Alert.state == "resolved") & (Alert.merchant << merchants) & (Alert.object_key << keys)
        rows += [one for one in Alert.select(*_READ).where(ended).namedtuples() if (one.merchant_id, one.rule, one.object_key) in found]
    return list({one.id: one for one in rows}.values())


def _changes(
    known: Mapping[Any, Any], found: Mapping[Any, Finding], policies: Policies, now: datetime
) -> Iterator[tuple[Any, Change]]:  # fmt: skip
    over = [one for key, one in known.items() if key not in found and one.state != "resolved"]
    resting = _resting(over)
    stand = standing.of([one for one in over if one.id not in resting], policies, now)
    for key, alert in known.items():
        if key in found:
            change = deciding.met(alert, found[key], now)
        elif alert.state != "resolved":
            off = not policies.wants(alert.rule, alert.merchant_id, alert.source_id)
            ended = "off" if off else "rested" if alert.id in resting else "gone"
            change = deciding.stands(alert) if ended == "gone" and alert.id in stand else deciding.over(alert, ended, now)
        else:
            continue
        if change.columns:
            yield alert, change


def _resting(alerts: Sequence[Any]) -> set[int]:
    """Those of sources or integrations of which nothing is expected: paused, switched off, deleted."""
    sources = {one.source_id for one in alerts if one.source_id}
    rows: Any = Source.select(Source.id).where(Source.id << sources, Source.state == "live").tuples()
    live = {one for (one,) in rows}
    of = {one.id: one.facts.get("integration") or one.object_key.removeprefix("integration ") for one in alerts}
    parts = {one: int(part) for one, part in of.items() if str(part).isdigit()}
    on = Integration.on() & Integration.removed_at.is_null()
    rows = Integration.select(Integration.id).where(Integration.id << set(parts.values()), on).tuples()
    works = {one for (one,) in rows}
    return {one.id for one in alerts if (one.source_id and one.source_id not in live) or (one.id in parts and parts[one.id] not in works)}


def _begin(chunk: Sequence[Finding], policies: Policies, now: datetime) -> int:
    """Write new alerts; of two workers one writes each. How many are ours."""
    rows = [Alert(**deciding.begun(one, now)) for one in chunk]
    names = [one.public_id for one in rows]
    with database.atomic():
        Alert.insert_many([one.__data__ for one in rows]).on_conflict_ignore().execute()
        ours = list(Alert.select().where(Alert.public_id << names))
        telling.fired(ours, policies, now)
    return len(ours)


def _write(chunk: Sequence[tuple[Any, Change]], policies: Policies, now: datetime) -> list[Change]:
    """Write changes where nobody else did since we read; those that are ours."""
    ours: list[tuple[Any, Change]] = []
    with database.atomic():
        for alert, change in sorted(chunk, key=lambda one: one[0].id):
            mine = (Alert.id == alert.id) & (Alert.version == alert.version)
            if Alert.update(**change.columns, version=Alert.version + 1).where(mine).execute():
                ours.append((alert, change))
        told = {one.id: one for one in Alert.select().where(Alert.id << [alert.id for alert, change in ours if change.tell])}
        telling.fired([told[alert.id] for alert, change in ours if change.tell == "fired"], policies, now)
        telling.resolved([told[alert.id] for alert, change in ours if change.tell == "resolved"], now)
        telling.resolved([told[alert.id] for alert, change in ours if change.tell == "rested"], now, people=False)
        telling.dropped([alert.id for alert, change in ours if change.columns.get("state") == "resolved"], now)
    return [change for _, change in ours]


def _chunks(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while chunk := list(islice(rows, CHUNK)):
        yield chunk
