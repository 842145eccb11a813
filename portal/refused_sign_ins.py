"""At most three refused sign-ins an hour per host and merchant, so that we never lock an account at a supplier."""

from __future__ import annotations

from datetime import datetime, timedelta

from portal import clock
from portal.errors import Problem, SupplierError
from portal.models import Connection, Merchant, Source, database
from portal.models.database import is_postgres

MOST = 3
WITHIN = timedelta(hours=1)
CODES = frozenset({"sign_in_refused", "key_refused", "user_locked"})


def check(merchant: Merchant, host: str, user: str) -> None:
    """Raises SupplierError sign_in_paused while three sign-ins of the last hour were refused by `host`."""
    times = _refusals(merchant, host)
    if len(times) < MOST:
        return
    minutes = max(1, -int((clock.now() - times[-MOST] - WITHIN).total_seconds() // 60))
    when = "1 minute" if minutes == 1 else f"{minutes} minutes"
    whom = f"user {user}" if user else "the sign-in"
    body = f"It refused {whom} {MOST} times within an hour, so we stopped trying. We can try again in {when}. We sent nothing now."
    raise SupplierError(Problem("sign_in_paused", "We paused signing in to avoid a lock", body, "Edit connection", "connection"))


def note(connection: Connection, host: str, error: SupplierError) -> None:
    """Remember `error` when it was the supplier's refusal to let us in."""
    if error.problem.code not in CODES or not host:
        return
    with database.atomic():
        query = Connection.select(Connection.refused_sign_ins).where(Connection.id == connection.id)
        row = (query.for_update() if is_postgres() else query).first()
        kept = [one for one in (row.refused_sign_ins if row else []) if _recent(one["at"])]
        times = [*kept, {"host": host, "at": clock.now().isoformat()}]
        Connection.update(refused_sign_ins=times).where(Connection.id == connection.id).execute()


def _refusals(merchant: Merchant, host: str) -> list[datetime]:
    """Times of the refusals of the last hour, oldest first."""
    rows = Connection.select(Connection.refused_sign_ins).join(Source).where(Source.merchant == merchant)
    times = [one["at"] for row in rows for one in row.refused_sign_ins if one["host"] == host and _recent(one["at"])]
    return sorted(datetime.fromisoformat(at) for at in times)


def _recent(at: str) -> bool:
    return clock.now() - datetime.fromisoformat(at) < WITHIN
