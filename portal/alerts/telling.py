"""Who is told of a change of an alert: messages, made in the transaction of the change and unique, so that each is made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from portal.alerts import deciding, wishes
from portal.alerts.findings import Policies
from portal.alerts.rules import at_least
from portal.models import Alert, AlertMessage, AlertSettings

TOLD = ("sending", "sent", "unknown")
"""States of a message that the other side has, or may have."""


def fired(alerts: Sequence[Alert], policies: Policies, now: datetime) -> None:
    """Tell those who want it at once, and the webhook; not within the cool-down of the last time. Joins the open transaction."""
    if not alerts:
        return
    merchants = {one.merchant_id for one in alerts}
    people, hooks = wishes.at_once(merchants), _hooks(merchants)
    rows: list[dict[str, Any]] = []
    for one in alerts:
        due = deciding.due(one.told_at, policies.quiet_hours(one.rule, one.merchant_id), now)
        whom: list[int | None] = list(people.get((one.merchant_id, one.level), ()))
        if one.merchant_id in hooks and at_least(one.level, hooks[one.merchant_id]):
            whom.append(None)
        rows += [_row(one, user, "fired", due) for user in whom]
    _add(rows)


def resolved(alerts: Sequence[Alert], now: datetime) -> None:
    """Tell those who were told this time that it fired. Joins the open transaction."""
    turns = {one.id: one for one in alerts}
    told = AlertMessage.select().where(AlertMessage.alert << list(turns), AlertMessage.kind == "fired", AlertMessage.state << TOLD)
    rows = [_row(turns[one.alert_id], one.user_id, "resolved", now) for one in told if one.turn == turns[one.alert_id].turn]
    _add(rows)


def dropped(alerts: Sequence[int], now: datetime) -> None:
    """What was not told yet of alerts that ended is not told any more. Joins the open transaction."""
    waits = (AlertMessage.alert << list(alerts)) & (AlertMessage.kind == "fired") & (AlertMessage.state == "waiting")
    AlertMessage.update(state="dropped", ended_at=now, said="It ended before it was told.").where(waits).execute()


def _hooks(merchants: set[int]) -> dict[int, str]:
    """{merchant: the least level that its webhook takes}."""
    on = (AlertSettings.hook_url != "") & AlertSettings.hook_secret.is_null(False) & (AlertSettings.merchant << merchants)
    return {one.merchant_id: one.hook_level for one in AlertSettings.select(AlertSettings.merchant, AlertSettings.hook_level).where(on)}


def _row(alert: Alert, user: int | None, kind: str, due: datetime) -> dict[str, Any]:
    whom = "hook" if user is None else f"u{user}"
    key = f"{alert.id}.{alert.turn}.{kind}.{whom}"
    return {"merchant": alert.merchant_id, "key": key, "alert": alert.id, "user": user, "kind": kind, "turn": alert.turn, "due_at": due}


def _add(rows: Sequence[dict[str, Any]]) -> None:
    for chunk in _chunks(rows):
        AlertMessage.insert_many(chunk).on_conflict_ignore().execute()


def _chunks(rows: Sequence[dict[str, Any]], size: int = 500) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
