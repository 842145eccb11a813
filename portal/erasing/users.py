"""Somebody who signed in here is erased: access ends, the address goes wherever it stands, what they did stays under a mark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from peewee import CharField

from portal import audit, belonging, clock, people, vault
from portal.erasing import scrubbing, tombstones
from portal.erasing.terms import ERASED
from portal.errors import Forbidden, Invalid, Refused
from portal.models import (
    AlertWish,
    ApiToken,
    AuditLine,
    Authenticator,
    Erasure,
    Merchant,
    Passkey,
    PersonLink,
    RecoveryCode,
    Session,
    User,
    database,
)
from portal.roles import may

NAMES = frozenset({"by", "who", "email"})
CHUNK = 500


def mark_of(user: User) -> str:
    """What stands for them: the same in every line that they left, and nobody's address."""
    return f"erased-{user.public_id}@erased.invalid"


def start(actor: User, user: User, typed: str, reason: str, address: str = "") -> Counter[str]:
    """Erase the person for good; how many rows named them. Raises Invalid ("typed", "reason"), Refused for oneself, Forbidden."""
    errors = {} if typed.strip().lower() == user.email else {"typed": f"The address does not match. Type {user.email}."}
    if not (reason := " ".join(reason.split())[:200]):
        errors["reason"] = "Say why, such as “left, and asked for it”. Do not name the person."
    if errors:
        raise Invalid(errors)
    if user.email == mark_of(user):
        raise Refused("This person is erased already.")
    if user.disabled_at is None:
        people.set_disabled(actor, user, True, address)  # ends sessions, links and tokens; an owner always remains
    elif actor.id == user.id or (user.role == "owner" and not may(actor.role, "owners")):
        raise Forbidden("Only an owner erases another owner. Ask an owner.")
    merchant, now = user.merchant, clock.now()
    with scrubbing.scrubbed(), database.atomic():
        row = Erasure.create(merchant=merchant, kind="user", reason=reason, made_by=actor.email, made_at=now)
        marks = {"hashes": [vault.current().mark(merchant, user.email)], "orders": [], "user": user.public_id}
        tombstones.keep(at=now.isoformat(), kind="user", merchant=merchant.public_id, erasure=row.public_id, **marks)
        counts = blank(user)
        Erasure.update(state="done", marks=marks, counts=counts, done_at=now).where(Erasure.id == row.id).execute()
        told = {"reason": reason, **counts}
        audit.write(merchant, actor.email, "user.erase", "user", user.public_id, after=told, address=address)
    return counts


def blank(user: User) -> Counter[str]:
    """Take the person's address out of everything of the merchant. Inside the caller's transaction; a second time changes nothing."""
    merchant, email, mark = user.merchant, user.email, mark_of(user)
    gone: list[Any] = [Session, Authenticator, Passkey, RecoveryCode, AlertWish, PersonLink]
    for table in gone:
        table.delete().where(table.user == user.id).execute()
    PersonLink.delete().where(PersonLink.email == email, PersonLink.merchant == merchant.id).execute()
    now = clock.now()
    ApiToken.update(revoked_at=now).where(
        ApiToken.merchant == merchant.id, ApiToken.made_by == email, ApiToken.revoked_at.is_null()
    ).execute()
    counts: Counter[str] = Counter()
    for table in belonging.tables():
        if table is AuditLine:
            continue
        for column in _names(table):
            here = belonging.rows(table, merchant.id) & (column == email)
            counts[table._meta.table_name.replace("_", " ")] += int(table.update({column.name: mark}).where(here).execute())
    ended = {"password_hash": "!", "seen_at": None, "time_zone": "", "disabled_at": user.disabled_at or now}
    User.update(email=mark, version=User.version + 1, **ended).where(User.id == user.id).execute()
    counts["audit lines"] += _audit(merchant, email, mark)
    return +counts


def again(merchant: Merchant, line: Mapping[str, Any]) -> Counter[str]:
    """Erase the person of a tombstone in a database that was restored from before it."""
    user = User.get_or_none(User.merchant == merchant, User.public_id == line["user"])
    if user is None:
        return Counter()
    user.merchant = merchant
    with database.atomic():
        return blank(user)


def _names(table: Any) -> list[Any]:
    """Columns that hold an address of somebody who signs in here; an invoice is never changed."""
    if table._meta.table_name in ("invoice", "billing_details"):
        return []
    columns = [one for one in table._meta.sorted_fields if isinstance(one, CharField) and one.max_length == 254]
    return [one for one in columns if one.name in NAMES or one.name.endswith("_by")]


def _audit(merchant: Merchant, email: str, mark: str) -> int:
    """Lines of the log: who did what when stays, under the mark."""
    lines, last = {}, 0
    while True:
        found = list(
            AuditLine.select().where(AuditLine.merchant == merchant.id, AuditLine.number > last).order_by(AuditLine.number).limit(CHUNK)
        )
        for line in found:
            now = {
                "who": mark if line.who == email else line.who,
                "before": _without(line.before, email),
                "after": _without(line.after, email),
            }
            if now != {"who": line.who, "before": line.before, "after": line.after}:
                lines[line.number] = now
        if len(found) < CHUNK:
            break
        last = found[-1].number
    audit.blank(merchant, lines)
    return len(lines)


def _without(value: Any, email: str) -> Any:
    if isinstance(value, str):
        return ERASED if email in value.lower() else value
    if isinstance(value, dict):
        return {key: _without(one, email) for key, one in value.items()}
    return [_without(one, email) for one in value] if isinstance(value, list) else value
