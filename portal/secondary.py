"""Get Inventory Secondary, from added to turned on: a second file that only sets prices, quantities and the status.

add ─▶ file ─▶ mapping ─▶ schedule ─▶ switch_on │ each saved, so that it may be left and resumed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portal import audit, clock, connections, runs, schedules, sources
from portal.errors import Refused, Stale
from portal.inventory import stale
from portal.models import Integration, InventoryItem, Run, Source, database
from portal.models.runs import UNFINISHED
from portal.sources import SECONDARY

TITLES = {"file": "Choose the file", "mapping": "Map the values", "schedule": "Set the schedule", "review": "Review and turn on"}
BY_ITSELF = "schedule"
"""The step that an upload has not: nothing is fetched by itself."""
CHUNK = 800


class SkippedStep(Refused):
    """An earlier step is still open. `step` is the first one, of `integration`; `str(error)` names it."""

    def __init__(self, integration: Integration, step: str) -> None:
        super().__init__(f"{TITLES[step]} comes first. The steps after it open once it is saved.")
        self.integration, self.step = integration, step


def add(source: Source, who: str) -> Integration:
    """The source's Get Inventory Secondary, switched off until it is set up; the one that is there already, if there is one.

    One that was removed comes back with its mapping and file to begin from; each step is asked for again.
    Raises Refused for a draft, whose first file is not read yet.
    """
    if source.state == "draft":
        raise Refused("This source is a draft. Finish its set-up first; a second file only changes items that are known.")
    if connections.is_webhook(source):
        raise Refused("A webhook brings one kind of stock delivery. Add the supplier of the second file as a source of its own.")
    there = of(source)
    if there is not None:
        return there
    if why := connections.no_second(source):
        raise Refused(why)
    with database.atomic():
        made = sources.add_integration(source, SECONDARY, who)
        Integration.update(settings={**made.settings, "steps": []}).where(Integration.id == made.id).execute()
    return sources.integration(source, SECONDARY)


def of(source: Source) -> Integration | None:
    """The source's Get Inventory Secondary; None when it was not added, or removed since."""
    return next((one for one in sources.integrations(source) if one.kind == SECONDARY), None)


def steps(integration: Integration) -> tuple[str, ...]:
    """The steps of setting it up, in order."""
    upload = connections.is_upload(integration.source)
    return tuple(step for step in TITLES if not (upload and step == BY_ITSELF))


def done(integration: Integration) -> Sequence[str]:
    """The steps saved so far."""
    kept = integration.settings.get("steps") or []
    return [step for step in steps(integration) if integration.enabled or step in kept]


def next_step(integration: Integration) -> str | None:
    """The first step that is not saved; None once it is on."""
    if integration.enabled:
        return None
    saved = done(integration)
    return next((step for step in steps(integration) if step not in saved), "review")


def require(integration: Integration, step: str) -> None:
    """Raises SkippedStep, naming the first open step, when `step` comes after it."""
    first_open, order = next_step(integration), steps(integration)
    if first_open is not None and step in order and order.index(step) > order.index(first_open):
        raise SkippedStep(integration, first_open)


def mark(integration: Integration, step: str) -> None:
    """Remember that `step` is saved. Call it in the transaction that saved it, so that nobody writes between."""
    with database.atomic():
        settings = Integration.get_by_id(integration.id).settings
        kept = settings.get("steps") or []
        if step not in kept:
            Integration.update(settings={**settings, "steps": [*kept, step]}).where(Integration.id == integration.id).execute()


def switch_on(integration: Integration, version: int, who: str) -> Run:
    """Turn it on and start its first sync: both or nothing. Raises SkippedStep, Refused when it is on, Stale since `version`."""
    if integration.enabled:
        raise Refused("Get Inventory Secondary is on already. Nothing was started twice.")
    require(integration, "review")
    times = schedules.next_times(integration.schedule, integration.source.merchant.time_zone, 1)
    with database.atomic():
        _write(integration, version, who, enabled=True, next_run_at=times[0] if times else None)
        _audit(integration, who, "integration.activate", None, {"kind": SECONDARY})
        stale.forget(integration.source_id)  # from now on the other feed may leave values to this one
        fresh = sources.integration(integration.source, SECONDARY)
        return runs.start_sync(fresh, cause="first_sync", started_by=who)


@dataclass(frozen=True)
class Losses:
    """What taking it away touches, counted now. `written`: items with a value of it; `archived` by it; `active`: its unfinished run."""

    written: int
    archived: int
    runs: int
    active: Run | None


def losses(integration: Integration) -> Losses:
    """Count for the confirm page."""
    items = InventoryItem.select().where(InventoryItem.source == integration.source_id)
    archived = items.where(InventoryItem.archived_at.is_null(False), InventoryItem.archived_by.startswith(SECONDARY))
    return Losses(
        written=items.where(InventoryItem.secondary != 0).count(), archived=archived.count(),
        runs=Run.select().where(Run.integration == integration.id).count(),
        active=Run.get_or_none(Run.integration == integration.id, Run.state << UNFINISHED),
    )  # fmt: skip


def known(source: Source, skus: Sequence[str]) -> int:
    """How many of these SKUs are items of the source."""
    found = 0
    for at in range(0, len(skus), CHUNK):
        some = list(skus[at : at + CHUNK])
        found += InventoryItem.select().where(InventoryItem.source == source, InventoryItem.sku.in_(some)).count()
    return found


def _write(integration: Integration, version: int, who: str, **columns: Any) -> None:
    stamped = {**columns, "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who}
    if not Integration.update(stamped).where(Integration.id == integration.id, Integration.version == version).execute():
        fresh = Integration.get_by_id(integration.id)
        raise Stale(fresh.changed_by, fresh.changed_at)


def _audit(integration: Integration, who: str, action: str, before: Any, after: Any) -> None:
    audit.write(integration.source.merchant, who, action, "integration", integration.public_id, before=before, after=after)
