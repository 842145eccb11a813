"""What becomes of one alert when somebody looked: pure; the same look twice changes nothing.

             found ─▶ firing ─▶ acknowledged ─┐
snoozed ◀──── a person ◀──┘                   ├─▶ over for 5 minutes ─▶ resolved ─▶ found again: firing
   └─ its time is over, or it changed ─▶ firing          whatever its state: a worse level than before fires anew
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from portal.alerts.findings import Finding
from portal.alerts.rules import CALM_MINUTES, RULES, WORST

CALM = timedelta(minutes=CALM_MINUTES)
SEEN_AGAIN = timedelta(minutes=10)
"""How old `last_seen_at` may become before a look that changes nothing else writes it."""


@dataclass(frozen=True)
class Change:
    """Columns to write, {} for none, and whom to tell: "" nobody, fired, resolved (who was told that it fired), rested (so a webhook)."""

    columns: Mapping[str, Any] = field(default_factory=dict)
    tell: str = ""


NOTHING = Change()


def begun(found: Finding, now: datetime) -> dict[str, Any]:
    """The columns of a new alert."""
    return {
        "merchant": found.merchant, "rule": found.rule, "object_key": found.object_key, "source": found.source, "channel": found.channel,
        **_words(found), "first_seen_at": now, "last_seen_at": now,
    }  # fmt: skip


def met(alert: Any, found: Finding, now: datetime) -> Change:
    """The condition of a known alert is met now."""
    words = {name: value for name, value in _words(found).items() if getattr(alert, name) != value}
    if _fires(alert, found, now):
        again = alert.state == "resolved"
        begins = {"first_seen_at": now, "times": alert.times + 1} if again else {}
        fresh = {"state": "firing", "turn": alert.turn + 1, "clear_since": None, "resolved_at": None, "ended": "", "snoozed_until": None}
        return Change({**words, **begins, **fresh, "snooze_mark": "", "last_seen_at": now}, "fired")
    back = {"clear_since": None} if alert.clear_since is not None else {}
    if words or back or now - alert.last_seen_at >= SEEN_AGAIN:
        return Change({**words, **back, "last_seen_at": now})
    return NOTHING


def over(alert: Any, ended: str, now: datetime) -> Change:
    """The condition of an open alert is not met. `ended`: rested or off where nobody waits for it any more, else gone."""
    if ended != "gone":
        return Change({"state": "resolved", "resolved_at": now, "ended": ended, "clear_since": None}, "rested")
    if alert.clear_since is None:
        return Change({"clear_since": now})
    if now - alert.clear_since < CALM:
        return NOTHING
    return Change({"state": "resolved", "resolved_at": now, "ended": ended, "clear_since": None}, "resolved")


def stands(alert: Any) -> Change:
    """The condition of an open alert was not met again, and nothing proves that it is over."""
    return Change({"clear_since": None}) if alert.clear_since is not None else NOTHING


def due(told_at: datetime | None, quiet_hours: int, now: datetime) -> datetime:
    """When it may be told: not within the cool-down after it was told last."""
    return now if told_at is None else max(now, told_at + timedelta(hours=quiet_hours))


def _fires(alert: Any, found: Finding, now: datetime) -> bool:
    if alert.state == "resolved":
        return True
    if WORST.index(_level(found)) < WORST.index(alert.level):
        return True
    if alert.state == "firing":
        return False
    if alert.state == "snoozed":
        return bool(alert.snoozed_until <= now) if alert.snoozed_until is not None else bool(found.mark != alert.snooze_mark)
    return _grew(alert, found)


def _grew(alert: Any, found: Finding) -> bool:
    """Whether what a person acknowledged became more, or another thing: fewer of the same is no news."""
    before, count = alert.facts.get("count"), found.facts.get("count")
    return bool(count > before) if before is not None and count is not None else bool(found.mark != alert.mark)


def _level(found: Finding) -> str:
    return found.level or RULES[found.rule].level


def _words(found: Finding) -> dict[str, Any]:
    return {
        "level": _level(found), "headline": found.headline[:200], "body": found.body[:1000], "facts": dict(found.facts),
        "mark": found.mark[:120],
    }  # fmt: skip
