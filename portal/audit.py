"""The append-only audit log: each line's hash covers the line before it, one chain per merchant."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from portal import clock
from portal.models import AuditLine, Merchant, database


def write(
    merchant: Merchant,
    who: str,
    action: str,
    object_kind: str = "",
    object_id: str = "",
    before: Any = None,
    after: Any = None,
    address: str = "",
) -> AuditLine:
    """Append one line inside the caller's transaction. `before` and `after` are JSON-like; a Secret becomes `***`."""
    with database.atomic():
        # Counting on the merchant's row also locks it, so that two lines never share a number.
        Merchant.update(audit_lines=Merchant.audit_lines + 1).where(Merchant.id == merchant.id).execute()
        number = Merchant.select(Merchant.audit_lines).where(Merchant.id == merchant.id).scalar()
        line = AuditLine(
            merchant=merchant, number=number, at=clock.now(), who=who[:254], address=address[:64], action=action[:80],
            object_kind=object_kind[:40], object_id=object_id[:32], before=_plain(before), after=_plain(after),
            previous_hash=_hash_of(merchant, number - 1),
        )  # fmt: skip
        line.hash = _hash(merchant.public_id, line)
        line.save(force_insert=True)
    return line


def verify(merchant: Merchant) -> list[str]:
    """Read the whole chain; a sentence for each line that was edited, taken out, added or moved. Empty: intact."""
    problems: list[str] = []
    previous, expected = "", 0
    for line in AuditLine.select().where(AuditLine.merchant == merchant).order_by(AuditLine.number).iterator():
        expected += 1
        if line.number != expected:
            problems.append(f"Line {expected} is missing")
            expected = line.number
        elif line.previous_hash != previous:
            problems.append(f"Line {line.number} does not follow the line before it")
        if line.hash != _hash(merchant.public_id, line):
            problems.append(f"Line {line.number} was changed after it was written")
        previous = line.hash
    counted = Merchant.select(Merchant.audit_lines).where(Merchant.id == merchant.id).scalar()
    if counted != expected:
        problems.append(f"{counted} lines were written, the last one found is {expected}")
    return problems


def _hash_of(merchant: Merchant, number: int) -> str:
    found = AuditLine.select(AuditLine.hash).where(AuditLine.merchant == merchant, AuditLine.number == number).scalar()
    return found or ""


def _hash(merchant_id: str, line: AuditLine) -> str:
    moment: datetime = line.at
    content = [
        merchant_id, line.number, moment.isoformat(timespec="microseconds"), line.who, line.address, line.action,
        line.object_kind, line.object_id, line.before, line.after, line.previous_hash,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Only what JSON holds, so that the value hashes the same when it is read back."""
    return json.loads(json.dumps(value, default=str))
