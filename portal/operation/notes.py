"""The last time that something was done for the installation, as the operator page and the alarms read it."""

from __future__ import annotations

from typing import Any

from portal import clock
from portal.models import OperatorNote

BACKUP, RESTORE, RESTORE_CHECK, KEY_ROTATION = "backup", "restore", "restore_check", "key_rotation"


def write(name: str, **facts: Any) -> OperatorNote:
    """Note that it was done now. `facts`: JSON values, none of them secret."""
    row = {"at": clock.now(), "facts": facts}
    OperatorNote.insert({"name": name, **row}).on_conflict(conflict_target=[OperatorNote.name], update=row).execute()
    return OperatorNote.get_by_id(name)


def last(name: str) -> OperatorNote | None:
    """When that was done last; None: never."""
    return OperatorNote.get_or_none(OperatorNote.name == name)


def age(name: str) -> float | None:
    """Seconds since that was done last; None: never."""
    note = last(name)
    return None if note is None else (clock.now() - note.at).total_seconds()
