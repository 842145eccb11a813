"""One e-mail a day for those who want it so: what is open and what ended since the last one; none where there is nothing to tell."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal.alerts import wishes
from portal.alerts.rules import LEVELS
from portal.models import Alert, AlertMessage, AlertWish, Merchant, User, database

MOST = 500


def make_due(now: datetime) -> int:
    """Make the digests whose hour has come, each by one worker; how many have something to tell."""
    due = AlertWish.select(AlertWish, User, Merchant).join(User).join(Merchant).where(AlertWish.digest_at <= now)
    return sum(_make(wish, now) for wish in due.order_by(AlertWish.digest_at).limit(MOST))


def of(wish: AlertWish, merchant: int, since: datetime) -> tuple[Sequence[Alert], Sequence[Alert]]:
    """(open, ended since) of the levels that the person gets in a digest; what they snoozed is left out."""
    levels = [level for level in LEVELS if getattr(wish, level) == "digest"]
    mine = (Alert.merchant == merchant) & (Alert.level << levels)
    open_ = Alert.select().where(mine, Alert.state << ("firing", "acknowledged")).order_by(Alert.first_seen_at)
    ended = Alert.select().where(mine, Alert.state == "resolved", Alert.ended == "gone", Alert.resolved_at > since)
    return list(open_.limit(MOST)), list(ended.order_by(Alert.resolved_at).limit(MOST))


def _make(wish: Any, now: datetime) -> bool:
    since = wish.digested_at or now
    mine = (AlertWish.id == wish.id) & (AlertWish.digest_at == wish.digest_at)
    following = wishes.next_digest(wish, wish.user, now)
    with database.atomic():
        if not AlertWish.update(digest_at=following, digested_at=now).where(mine).execute():
            return False  # another worker was faster
        if wish.user.disabled_at is not None or not wishes.can_mail() or not any(of(wish, wish.user.merchant_id, since)):
            return False
        key = f"digest.u{wish.user_id}.{wish.digest_at:%Y-%m-%dT%H}.{since:%Y%m%dT%H%M%S%f}"
        row = {"merchant": wish.user.merchant_id, "key": key, "user": wish.user_id, "kind": "digest", "due_at": now, "created_at": now}
        return bool(AlertMessage.insert(row).on_conflict_ignore().execute())
