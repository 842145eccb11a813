"""How each person wants to be told: at once, once a day, or not, by level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from peewee import JOIN

from portal import clock, config, schedules
from portal.alerts.rules import LEVELS
from portal.errors import Invalid, Stale
from portal.models import AlertWish, Merchant, User, database

WAYS = {"at_once": "By e-mail at once", "digest": "In one e-mail a day", "none": "On screen only"}
LOUD = {"action": "at_once", "warning": "digest", "news": "digest"}
QUIET = dict.fromkeys(LEVELS, "none")
IN_CHARGE = ("owner", "admin")
"""Roles that are told without having asked."""
EVERY_DAY = [0, 1, 2, 3, 4, 5, 6]
MOST = 1_000


def of(user: User) -> AlertWish:
    """The person's wish; the default of their role while they chose nothing."""
    return AlertWish.get_or_none(AlertWish.user == user) or AlertWish(user=user, **_usual(user.role), hour=8, version=0)


def save(user: User, ways: Mapping[str, str], hour: int, version: int) -> None:
    """Keep how the person is told. Raises Invalid, keyed by level or "hour", and Stale."""
    errors = {level: "Choose how you are told." for level in LEVELS if ways.get(level) not in WAYS}
    if not 0 <= hour <= 23:
        errors["hour"] = "Choose an hour of the day."
    if errors:
        raise Invalid(errors)
    kept = {**{level: ways[level] for level in LEVELS}, "hour": hour, "digest_at": _next(user, ways, hour, clock.now())}
    with database.atomic():
        _make([user])
        now = AlertWish.get(AlertWish.user == user)
        mine = (AlertWish.id == now.id) & (AlertWish.version == max(version, 1))
        if not AlertWish.update(**kept, version=AlertWish.version + 1).where(mine).execute():
            raise Stale("You, in another window,", clock.now())


def can_mail() -> bool:
    """Whether this installation sends e-mail at all."""
    settings = config.current()
    return bool(settings.smtp_host and settings.smtp_from)


def at_once(merchants: Iterable[int]) -> Mapping[tuple[int, str], list[int]]:
    """{(merchant, level): the people who are told at once}; none where nothing can be mailed."""
    found: dict[tuple[int, str], list[int]] = {}
    if not can_mail():
        return found
    query = AlertWish.select(AlertWish, User).join(User).where(User.merchant << list(merchants), User.disabled_at.is_null())
    for wish in query.order_by(AlertWish.id):
        for level in LEVELS:
            if getattr(wish, level) == "at_once":
                found.setdefault((wish.user.merchant_id, level), []).append(wish.user_id)
    return found


def make_missing() -> int:
    """Give everybody who has no wish yet that of their role; how many."""
    without = User.select(User, Merchant).join(Merchant).switch(User).join(AlertWish, JOIN.LEFT_OUTER).where(AlertWish.id.is_null())
    people = list(without.limit(MOST))
    _make(people)
    return len(people)


def next_digest(wish: AlertWish, user: User, now: datetime) -> datetime | None:
    """When the person's next digest is due, None where they want none."""
    return _next(user, {level: getattr(wish, level) for level in LEVELS}, wish.hour, now)


def zone_of(user: User) -> str:
    """The person's clock."""
    return str(user.time_zone or user.merchant.time_zone)


def _make(people: Iterable[User]) -> None:
    now = clock.now()
    rows = [{"user": one.id, **_usual(one.role), "digest_at": _next(one, _usual(one.role), 8, now), "digested_at": now} for one in people]
    if rows:
        AlertWish.insert_many(rows).on_conflict_ignore().execute()


def _usual(role: str) -> dict[str, Any]:
    return LOUD if role in IN_CHARGE else QUIET


def _next(user: User, ways: Mapping[str, str], hour: int, now: datetime) -> datetime | None:
    if "digest" not in ways.values():
        return None
    return schedules.next_times({"days": EVERY_DAY, "times": [f"{hour:02d}:00"]}, zone_of(user), 1, now)[0]
