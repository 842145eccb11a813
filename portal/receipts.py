"""Receipts for forms: the same form sent twice is done once, and the page after a save can say so."""

from __future__ import annotations

from datetime import datetime, timedelta

from peewee import IntegrityError

from portal import clock
from portal.models import FormToken, Session, User, database

ABANDONED_AFTER = timedelta(seconds=30)  # a worker that died in the middle leaves its claim behind
KEEP_FOR = timedelta(days=1)


def claim(user: User, token: str) -> bool:
    """Whether this is the first time that `user` sends the form `token` (at most 64 characters count)."""
    key = token[:64]
    cutoff = clock.now() - ABANDONED_AFTER
    own = (FormToken.user == user) & (FormToken.token == key)
    FormToken.delete().where(own & FormToken.location.is_null() & (FormToken.at < cutoff)).execute()
    try:
        with database.atomic():
            FormToken.create(user=user, token=key, at=clock.now())
    except IntegrityError:
        return False
    return True


def settle(user: User, token: str, location: str) -> None:
    """Keep where the first answer led, for the same form sent again. Also drops receipts older than a day."""
    own = (FormToken.user == user) & (FormToken.token == token[:64])
    FormToken.update(location=location).where(own).execute()
    FormToken.delete().where((FormToken.user == user) & (FormToken.at < clock.now() - KEEP_FOR)).execute()


def release(user: User, token: str) -> None:
    """Forget a claim whose form was not accepted, so that it can be mended and sent again."""
    FormToken.delete().where((FormToken.user == user) & (FormToken.token == token[:64])).execute()


def outcome(user: User, token: str) -> tuple[bool, str | None]:
    """(still claimed, location): location is None while the first answer is being worked on."""
    row = FormToken.get_or_none((FormToken.user == user) & (FormToken.token == token[:64]))
    return (False, None) if row is None else (True, row.location)


def leave_notice(session: Session, words: str, at: datetime) -> None:
    """Words for the next page that this session opens."""
    notice = {"words": words[:300], "at": at.isoformat()}
    Session.update(notice=notice).where(Session.id == session.id).execute()


def take_notice(session: Session, at: datetime, lasts: int) -> str:
    """The words left, once; nothing when they are older than `lasts` seconds."""
    notice = session.notice
    if not notice:
        return ""
    session.notice = None
    Session.update(notice=None).where(Session.id == session.id).execute()
    fresh = at - datetime.fromisoformat(notice["at"]) <= timedelta(seconds=lasts)
    return str(notice["words"]) if fresh else ""
