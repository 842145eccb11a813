"""Asking an API only for what changed since the last accepted read, and for the whole list each so many hours.

since the start of that read, less an overlap ─▶ "updated since" in the supplier's form ─▶ a run that is a delta
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from portal import clock, connection_parts
from portal.inventory import roles
from portal.models import Connection, Integration, Run

FORMS = {"iso": "2026-11-27T04:00:00Z", "date": "2026-11-27", "unix": "Seconds since 1970", "unix_ms": "Milliseconds since 1970"}
OVERLAP_MINUTES, FULL_HOURS = 10, 24
LOOKED_AT = 300
_READ_ANEW = ("revert", "remove_inventory", "silence")
"""Kinds of runs after which the whole list is read: they changed items that the supplier did not."""


@dataclass(frozen=True)
class Read:
    """What one read asks for: `at` (naive UTC) None is the whole list, and `why` says so in words."""

    at: datetime | None
    why: str

    def value(self, form: str) -> str:
        """The moment as the supplier writes it; "" for the whole list."""
        return "" if self.at is None else written(self.at, form)


def asks(settings: Mapping[str, Any]) -> bool:
    """Whether the connection asks for changes at all."""
    return settings.get("delta") == "since" and bool(settings.get("since_name"))


def next_read(run: Run, integration: Integration) -> Read | None:
    """What `run` asks for; None where the source always gives the whole list."""
    settings = connection_parts.whole_settings(integration.source)
    if not asks(settings):
        return None
    accepted = (Run.integration == integration.id) & (Run.kind == "inventory") & (Run.accepted == True) & (Run.id < run.id)  # noqa: E712
    newest = Run.select().where(accepted).order_by(Run.id.desc()).limit(LOOKED_AT)
    reads = [one for one in newest if not one.settings.get("document") and one.started_at is not None]
    full = next((one for one in reads if not roles.was_delta(one)), None)
    if full is None:
        return Read(None, "no whole list was accepted yet")
    hours = _number(settings.get("full_hours"), FULL_HOURS)
    if clock.now() - full.started_at >= timedelta(hours=hours):
        return Read(None, f"the last whole list is {hours} hours old")
    if reads[0].mapping_version != integration.mapping_version:
        return Read(None, "the mapping was changed")
    if Connection.get(Connection.source == integration.source_id).changed_at > full.started_at:
        return Read(None, "the connection was changed")
    if Run.select().where(Run.source == run.source_id, Run.id > full.id, Run.id != run.id, Run.kind << _READ_ANEW).exists():
        return Read(None, "items were changed by something other than a feed")
    overlap = timedelta(minutes=_number(settings.get("since_overlap"), OVERLAP_MINUTES))
    return Read(reads[0].started_at - overlap, "")


def written(at: datetime, form: str) -> str:
    """A moment (naive UTC) in one of FORMS; ISO 8601 for any other."""
    aware = at.replace(tzinfo=UTC)
    if form == "date":
        return f"{at:%Y-%m-%d}"
    if form in ("unix", "unix_ms"):
        return str(int(aware.timestamp()) * (1000 if form == "unix_ms" else 1))
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _number(told: Any, otherwise: int) -> int:
    text = str(told or "").strip()
    return int(text) if text.isascii() and text.isdigit() else otherwise
