"""Who is told of a change of an alert: messages, made in the transaction of the change and unique, so that each is made once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from portal.alerts import deciding, wishes
from portal.alerts.findings import Policies
from portal.alerts.rules import WORST, at_least
from portal.models import Alert, AlertMessage, AlertSettings

TOLD = ("sending", "sent", "unknown")
"""States of a message that the other side has, or may have."""

REMIND_AFTER = timedelta(days=1)


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


def resolved(alerts: Sequence[Alert], now: datetime, people: bool = True) -> None:
    """Tell its end to those whom it was told, whenever that was, and its end was not since. Joins the open transaction.

    `people`: else only the webhook, as people know what they paused or turned off.
    """
    by_id = {one.id: one for one in alerts}
    whom = [(alert, user) for alert, user in owed(list(by_id)) if people or user is None]
    _add([_row(by_id[alert], user, "resolved", now) for alert, user in whom])


def owed(alerts: Sequence[int], but: int = 0) -> list[tuple[int, int | None]]:
    """(alert, person or None for the webhook) of which the last that was told, beside the message `but`, is that it fired."""
    told = AlertMessage.select(AlertMessage.alert, AlertMessage.user, AlertMessage.kind).where(
        AlertMessage.alert << list(alerts),
        AlertMessage.kind << ("fired", "again", "resolved"),
        AlertMessage.state << TOLD,
        AlertMessage.id != but,
    )
    last = {(one.alert_id, one.user_id): one.kind for one in told.order_by(AlertMessage.id)}
    return [whom for whom, kind in last.items() if kind != "resolved"]


def remind(now: datetime) -> None:
    """Once a day, those who want such at once are told again of what needs somebody and nobody has taken up."""
    open_ = (Alert.state == "firing") & (Alert.level == WORST[0]) & (Alert.told_at <= now - REMIND_AFTER)
    alerts = list(Alert.select().where(open_))
    if not alerts:
        return
    people = wishes.at_once({one.merchant_id for one in alerts})
    rows = []
    for one in alerts:
        for user in people.get((one.merchant_id, one.level), ()):
            row = _row(one, user, "again", now)
            rows.append(row | {"key": f"{row['key']}.{one.told_at:%y%m%d%H%M}"})
    _add(rows)


def dropped(alerts: Sequence[int], now: datetime) -> None:
    """What was not told yet of alerts that ended is not told any more. Joins the open transaction."""
    waits = (AlertMessage.alert << list(alerts)) & (AlertMessage.kind << ("fired", "again")) & (AlertMessage.state == "waiting")
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
