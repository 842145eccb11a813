"""The end of set-up: what is still missing, and going live with the first sync in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal import clock, connections, runs, schedules, setup_steps, sources
from portal.errors import Refused
from portal.models import Integration, Merchant, Run, Source, database

EVERY_MINUTES = 60

_OPEN = {
    "supplier": "Choose the supplier",
    "connection": "Connect to the supplier",
    "file": "Pick the file that holds the stock",
    "inventory": "Map the inventory",
    "orders": "Say whether you use Send Orders",
    "shipments": "Say whether you use Get Shipments",
    "skus": "Look at the SKU mapping",
}


@dataclass(frozen=True)
class Missing:
    """One thing to do before the source can go live: the set-up step it belongs to, and the act in words."""

    step: str
    words: str


class NotReady(Refused):
    """Something is missing: `.missing` says what, in the order of the steps."""

    def __init__(self, missing: Sequence[Missing]) -> None:
        super().__init__("Some steps are still open. Nothing was activated.")
        self.missing = missing


def missing(source: Source) -> list[Missing]:
    """What keeps the source from going live, in the order of the steps; empty when nothing does."""
    return [Missing(step, _OPEN[step]) for step in setup_steps.left(source)]


def default_schedule(source: Source) -> dict[str, int]:
    """Every hour; none for uploads and webhooks, where there is nothing to ask."""
    return {} if connections.is_given(source) else {"every_minutes": EVERY_MINUTES}


def activate(merchant: Merchant, source: Source, who: str, version: int | None = None) -> Run:
    """Make the draft live, switch its inventory on and start the first sync: all of it or nothing.

    `version`: the source as the review page showed it. Raises NotReady, Refused when it is no draft, Stale, NotFound.
    """
    source = sources.find(merchant, source.public_id)
    if source.state != "draft":
        raise Refused(f"{source.name} is active already. Nothing was started twice.")
    open_steps = missing(source)
    if open_steps:
        raise NotReady(open_steps)
    seen = source.version if version is None else version
    with database.atomic():
        live = sources.change(source, seen, who, "source.activate", state="live", activated_at=clock.now())
        integration = _switch_on(live, who)
        begin_shipments(live)
        setup_steps.mark(live, "review")
        return runs.start_sync(integration, cause="first_sync", started_by=who)


def _switch_on(source: Source, who: str) -> Integration:
    """Get Inventory Primary enabled, on its own schedule or the default one."""
    integration = sources.integration(source, "get_inventory_primary")
    schedule = integration.schedule or default_schedule(source)
    times = schedules.next_times(schedule, source.merchant.time_zone, 1)
    columns = {
        "enabled": True, "schedule": schedule, "next_run_at": times[0] if times else None,
        "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who,
    }  # fmt: skip
    Integration.update(columns).where(Integration.id == integration.id).execute()
    return sources.integration(source, "get_inventory_primary")


def begin_shipments(source: Source) -> None:
    """Tracking files are read every hour where a person set nothing else; of a source that is live and has Get Shipments on."""
    integration = sources.integration(source, "get_shipments")
    if source.state != "live" or not integration.enabled or connections.is_given(source):
        return
    schedule = integration.schedule or default_schedule(source)
    times = schedules.next_times(schedule, source.merchant.time_zone, 1)
    Integration.update(schedule=schedule, next_run_at=times[0]).where(Integration.id == integration.id).execute()
