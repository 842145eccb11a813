"""Alerts as people look at them and answer: found through the merchant, what fires first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from peewee import JOIN, Case, fn

from portal import clock
from portal.alerts.rules import LEVELS
from portal.errors import Invalid, NotFound, Refused
from portal.models import Alert, AlertMessage, Channel, Merchant, Source, User
from portal.sources import CHANNEL_LINE

PAGE = 50
VIEWS = {"open": "Open", "snoozed": "Snoozed", "ended": "Ended"}
STATES = {"firing": "Firing", "acknowledged": "Acknowledged", "snoozed": "Snoozed", "resolved": "Ended"}
SNOOZES: Mapping[str, tuple[str, timedelta | None]] = {
    "hour": ("1 hour", timedelta(hours=1)), "day": ("1 day", timedelta(days=1)), "change": ("Until it changes", None),
}  # fmt: skip
ENDED = {"gone": "It is over", "rested": "The source was paused, or is gone", "off": "The rule was turned off", "": ""}
MESSAGES = {
    "waiting": "Waits to be sent", "sending": "Being sent", "sent": "Sent", "refused": "Not sent", "unknown": "May have arrived",
    "dropped": "Not told",
}  # fmt: skip
_STATES = {"open": ("firing", "acknowledged"), "snoozed": ("snoozed",), "ended": ("resolved",)}


@dataclass(frozen=True)
class Page:
    """`rows`: firing and worst first, or the last that ended first. `next`: the number of the next page, 0 on the last.

    `counts`: {key of VIEWS: how many}.
    """

    rows: Sequence[Alert]
    next: int
    counts: Mapping[str, int]


def page(merchant: Merchant, view: str = "open", number: int = 1) -> Page:
    """One page of the merchant's alerts. `view`: a key of VIEWS."""
    per_state: Any = Alert.select(Alert.state, fn.COUNT(Alert.id)).where(Alert.merchant == merchant).group_by(Alert.state)
    states: dict[str, int] = dict(per_state.tuples())
    counts = {key: sum(states.get(state, 0) for state in wanted) for key, wanted in _STATES.items()}
    query = _with_names().where(Alert.merchant == merchant, Alert.state << _STATES[view if view in VIEWS else "open"])
    fires = Case(None, [(Alert.state == "firing", 0)], 1)
    worst = Case(Alert.level, [(level, place) for place, level in enumerate(LEVELS)], 9)
    order = (Alert.resolved_at.desc(), Alert.id.desc()) if view == "ended" else (fires, worst, Alert.first_seen_at.desc(), Alert.id.desc())
    number = max(1, min(number, 100_000))
    rows = list(query.order_by(*order).offset((number - 1) * PAGE).limit(PAGE + 1))
    return Page(rows[:PAGE], number + 1 if len(rows) > PAGE else 0, counts)


def find(merchant: Merchant, public_id: str) -> Alert:
    """The merchant's alert of that id. Raises NotFound, for another merchant's too."""
    found = _with_names().where(Alert.merchant == merchant, Alert.public_id == public_id).first()
    if found is None:
        raise NotFound("alert")
    return found  # type: ignore[no-any-return]


def firing(merchant: Merchant) -> int:
    """How many fire now: neither acknowledged nor snoozed."""
    return int(Alert.select().where(Alert.merchant == merchant, Alert.state == "firing").count())


def told(alert: Alert) -> list[AlertMessage]:
    """What was told of it, the last first."""
    query = AlertMessage.select(AlertMessage, User).join(User, JOIN.LEFT_OUTER).where(AlertMessage.alert == alert)
    return list(query.order_by(AlertMessage.id.desc()).limit(PAGE))


def acknowledge(alert: Alert, who: str) -> None:
    """Somebody looks after it: it is told no more until it ends, or is about something else. Raises Refused once it ended."""
    _answer(alert, state="acknowledged", acknowledged_at=clock.now(), acknowledged_by=who, snoozed_until=None, snooze_mark="")


def snooze(alert: Alert, how: str, who: str) -> None:
    """Leave it for a while. `how`: a key of SNOOZES. Raises Invalid; Refused once it ended."""
    if how not in SNOOZES:
        raise Invalid({"how": "Choose for how long."})
    length = SNOOZES[how][1]
    until = clock.now() + length if length else None
    _answer(alert, state="snoozed", snoozed_until=until, snooze_mark="" if length else alert.mark, snoozed_by=who)


def wake(alert: Alert) -> None:
    """Take back an acknowledgement or a snooze. It is not told again for that. Raises Refused once it ended."""
    _answer(alert, state="firing", snoozed_until=None, snooze_mark="")


def line_of(alert: Alert) -> Channel | None:
    """The channel whose line the alert's source is, where it is one."""
    if alert.source is None or alert.source.kind != CHANNEL_LINE:
        return None
    found: Channel | None = Channel.get_or_none(Channel.line == alert.source)
    return found


def _answer(alert: Alert, **columns: Any) -> None:
    open_ = (Alert.id == alert.id) & (Alert.state != "resolved")
    if not Alert.update(**columns, version=Alert.version + 1).where(open_).execute():
        raise Refused("This alert is over. There is nothing to answer any more.")


def _with_names() -> Any:
    query = Alert.select(Alert, Source, Channel).join(Source, JOIN.LEFT_OUTER)
    return query.switch(Alert).join(Channel, JOIN.LEFT_OUTER)
