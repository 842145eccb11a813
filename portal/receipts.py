"""Receipts for forms: the same form sent twice is done once, and the page after a save can say so."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from peewee import IntegrityError

from portal import clock
from portal.models import FormToken, Session, StaffFormToken, StaffPerson, StaffSession, User, database

ABANDONED_AFTER = timedelta(seconds=30)  # a worker that died in the middle leaves its claim behind
KEEP_FOR = timedelta(days=1)

Person = User | StaffPerson


def _table(user: Person) -> Any:
    return StaffFormToken if isinstance(user, StaffPerson) else FormToken


def claim(user: Person, token: str) -> bool:
    """Whether this is the first time that `user` sends the form `token` (at most 64 characters count)."""
    key = token[:64]
    cutoff = clock.now() - ABANDONED_AFTER
    table = _table(user)
    own = (table.user == user) & (table.token == key)
    table.delete().where(own & table.location.is_null() & (table.at < cutoff)).execute()
    try:
        with database.atomic():
            table.create(user=user, token=key, at=clock.now())
    except IntegrityError:
        return False
    return True


def settle(user: Person, token: str, location: str) -> None:
    """Keep where the first answer led, for the same form sent again. Also drops receipts older than a day."""
    table = _table(user)
    own = (table.user == user) & (table.token == token[:64])
    table.update(location=location).where(own).execute()
    table.delete().where((table.user == user) & (table.at < clock.now() - KEEP_FOR)).execute()


def release(user: Person, token: str) -> None:
    """Forget a claim whose form was not accepted, so that it can be mended and sent again."""
    table = _table(user)
    table.delete().where((table.user == user) & (table.token == token[:64])).execute()


def outcome(user: Person, token: str) -> tuple[bool, str | None]:
    """(still claimed, location): location is None while the first answer is being worked on."""
    table = _table(user)
    row = table.get_or_none((table.user == user) & (table.token == token[:64]))
    return (False, None) if row is None else (True, row.location)


def leave_notice(session: Session | StaffSession, words: str, at: datetime) -> None:
    """Words for the next page that this session opens."""
    notice = {"words": words[:300], "at": at.isoformat()}
    type(session).update(notice=notice).where(type(session).id == session.id).execute()


def take_notice(session: Session | StaffSession, at: datetime, lasts: int) -> str:
    """The words left, once; nothing when they are older than `lasts` seconds."""
    notice = session.notice
    if not notice:
        return ""
    session.notice = None
    type(session).update(notice=None).where(type(session).id == session.id).execute()
    fresh = at - datetime.fromisoformat(notice["at"]) <= timedelta(seconds=lasts)
    return str(notice["words"]) if fresh else ""
