"""The append-only audit log: each line's hash covers the line before it, one chain per merchant."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from portal import clock
from portal.models import AuditLine, Merchant, database


@dataclass(frozen=True)
class Place:
    """From where somebody acts: the address, the device as it names itself, and whether it is support staff."""

    address: str = ""
    device: str = ""
    staff: bool = False


BLANKED, TRIMMED = "workspace.lines_blanked", "workspace.lines_removed"
BLANKED_AT_ONCE = 500
NOWHERE = Place()
_place: ContextVar[Place] = ContextVar("place", default=NOWHERE)


def acting(place: Place = NOWHERE) -> None:
    """From here on, lines that this thread writes come from `place`; without one from this installation itself."""
    _place.set(place)


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
    """Append one line inside the caller's transaction. `before` and `after` are JSON-like; a Secret becomes `***`.

    `address`: else that of the place that was told by `acting`.
    """
    place = _place.get()
    with database.atomic():
        # Counting on the merchant's row also locks it, so that two lines never share a number.
        Merchant.update(audit_lines=Merchant.audit_lines + 1).where(Merchant.id == merchant.id).execute()
        number = Merchant.select(Merchant.audit_lines).where(Merchant.id == merchant.id).scalar()
        line = AuditLine(
            merchant=merchant, number=number, at=clock.now(), who=who[:254], address=(address or place.address)[:64],
            device=place.device.replace("\x00", "")[:200], staff=int(place.staff), action=action[:80],
            object_kind=object_kind[:40], object_id=object_id[:32], before=_plain(before), after=_plain(after),
            previous_hash=_hash_of(merchant, number - 1),
        )  # fmt: skip
        line.hash = _hash(merchant.public_id, line)
        line.save(force_insert=True)
    return line


def verify(merchant: Merchant) -> list[str]:
    """Read the whole chain; a sentence for each line that was edited, taken out, added or moved. Empty: intact.

    Lines that are written meanwhile are left for the next time.
    """
    problems: list[str] = []
    (previous, expected), blanked = _begins(merchant), _blanked(merchant)
    counted = _counted(merchant)
    lines = AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.number <= counted).order_by(AuditLine.number)
    for line in lines.iterator():
        expected += 1
        if line.number != expected:
            problems.append(f"Line {expected} is missing")
            expected = line.number
        elif line.previous_hash != previous:
            problems.append(f"Line {line.number} does not follow the line before it")
        if _hash(merchant.public_id, line) not in (line.hash, blanked.get(line.number)):
            problems.append(f"Line {line.number} was changed after it was written")
        previous = line.hash
    if counted != expected:
        problems.append(f"{counted} lines were written, the last one found is {expected}")
    last = AuditLine.select(fn.MAX(AuditLine.number)).where(AuditLine.merchant == merchant).scalar() or 0
    if last > _counted(merchant):  # a line and its count are written together
        problems.append(f"Line {last} was added beside the count of lines")
    return problems


def blank(merchant: Merchant, lines: Mapping[int, Mapping[str, Any]], who: str = "Quayside") -> None:
    """Put other words in the place of what lines tell of a person: {number: {"who", "before", "after"}}, each as far as it changes.

    The hash of a line stays that of what it was, so that the chain holds; what stands there now is hashed into the lines that are added
    here, so that no later change goes unseen.
    """
    numbers = sorted(lines)
    for at in range(0, len(numbers), BLANKED_AT_ONCE):
        with database.atomic():
            hashes = {}
            for number in numbers[at : at + BLANKED_AT_ONCE]:
                line = AuditLine.get(AuditLine.merchant == merchant, AuditLine.number == number)
                for name, value in lines[number].items():
                    setattr(line, name, _plain(value))
                AuditLine.update(who=line.who, before=line.before, after=line.after).where(AuditLine.id == line.id).execute()
                hashes[str(number)] = _hash(merchant.public_id, line)
            write(merchant, who, BLANKED, "audit_line", after=hashes)


def trim(merchant: Merchant, before: datetime, who: str = "Quayside") -> int:
    """Take out the lines of before that moment, the oldest first; how many. A line says up to where: the rest still proves itself."""
    with database.atomic():
        old = AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.at < before).order_by(AuditLine.number.desc()).first()
        first = AuditLine.select(fn.MIN(AuditLine.number)).where(AuditLine.merchant == merchant).scalar()
        if old is None or first is None:
            return 0
        write(merchant, who, TRIMMED, "audit_line", after={"through": old.number, "hash": old.hash})
        return int(AuditLine.delete().where(AuditLine.merchant == merchant, AuditLine.number <= old.number).execute())


def _begins(merchant: Merchant) -> tuple[str, int]:
    """(hash, number) of the last line that was taken out by age; ("", 0) while none was."""
    cut = AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.action == TRIMMED).order_by(AuditLine.number.desc()).first()
    return (cut.after["hash"], cut.after["through"]) if cut else ("", 0)


def _blanked(merchant: Merchant) -> dict[int, str]:
    """{number: hash of what stands in a line now} of those that tell of a person no more."""
    found: dict[int, str] = {}
    for line in AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.action == BLANKED).order_by(AuditLine.number):
        found |= {int(number): digest for number, digest in line.after.items()}
    return found


def _counted(merchant: Merchant) -> int:
    return int(Merchant.select(Merchant.audit_lines).where(Merchant.id == merchant.id).scalar())


def _hash_of(merchant: Merchant, number: int) -> str:
    found = AuditLine.select(AuditLine.hash).where(AuditLine.merchant == merchant, AuditLine.number == number).scalar()
    return found or ""


def _hash(merchant_id: str, line: AuditLine) -> str:
    moment: datetime = line.at
    content = [
        merchant_id, line.number, moment.isoformat(timespec="microseconds"), line.who, line.address, line.action,
        line.object_kind, line.object_id, line.before, line.after, line.previous_hash,
    ]  # fmt: skip
    if line.device or line.staff:  # lines of before these were noted hash as they did then
        content.append({"device": line.device, "staff": line.staff})
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Only what JSON holds, so that the value hashes the same when it is read back."""
    return json.loads(json.dumps(value, default=str))
