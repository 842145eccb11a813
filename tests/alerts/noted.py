"""Short words for the tests of alerts."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from portal import clock
from portal.alerts import evaluate, leaving
from portal.models import Alert, AlertMessage, Integration, Run, Source

NOW = datetime(2026, 11, 25, 14)  # a Wednesday
KIND = "get_inventory_primary"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def live(source: Source, kind: str = KIND, **columns: Any) -> Integration:
    """The source live, with an integration that is on."""
    Source.update(state="live").where(Source.id == source.id).execute()
    source.state = "live"
    made = Integration.get_or_none(Integration.source == source, Integration.kind == kind) or Integration.create(source=source, kind=kind)
    Integration.update(enabled=True, **columns).where(Integration.id == made.id).execute()
    return Integration.get_by_id(made.id)


def ended(integration: Integration, state: str, **columns: Any) -> Run:
    """A run of the integration that ended so, its last one."""
    source = integration.source
    number = Run.select().count() + 1
    given = {"kind": "inventory", "created_at": NOW, "finished_at": NOW} | columns
    run = Run.create(merchant=source.merchant_id, source=source, integration=integration, number=number, state=state, **given)
    Integration.update(last_run_id=run.id).where(Integration.id == integration.id).execute()
    return run


def problem(code: str, headline: str = "The file was no good", body: str = "It had no rows.") -> dict[str, str]:
    return {"code": code, "headline": headline, "body": body, "act": "", "act_at": "", "server_said": ""}


def look(at: datetime = NOW) -> list[tuple[str, str]]:
    """(rule, state) of every alert after a look at that moment."""
    evaluate.evaluate(at)
    return [(one.rule, one.state) for one in Alert.select().order_by(Alert.id)]


def only() -> Alert:
    """The one alert."""
    (found,) = Alert.select()
    return found


def told() -> list[tuple[str, str]]:
    """(kind, state) of every message."""
    return [(one.kind, one.state) for one in AlertMessage.select().order_by(AlertMessage.id)]


class Time:
    """The clock, which stands still but for what passes."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        patch.setattr(clock, "now", lambda: self.now)

    def look(self, after: timedelta) -> str:
        """So long later somebody looks; the state of the one alert."""
        self.now += after
        look(self.now)
        return str(only().state)

    def passes(self, length: timedelta) -> int:
        """So long later somebody looks and sends; how many messages left."""
        self.now += length
        look(self.now)
        return leaving.send_due(self.now)
