"""Is my stock true? One state and one sentence for each source, for a whole list in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal import clock, setup_steps
from portal.models import Integration, Merchant, Run, Source
from portal.models.runs import UNFINISHED

NEEDS_YOU_FIRST = ("action", "held", "late", "syncing", "ok", "ready", "paused", "draft")


@dataclass(frozen=True)
class SourceStatus:
    """Where a source stands. `state` is a key of the status badge; `flow` is (inventory, orders, shipments)."""

    source: Any
    state: str
    words: str
    sentence: str
    flow: tuple[str, str, str]
    last_sync: datetime | None
    next_sync: datetime | None
    run: Any = None
    step: str | None = None


def of(source: Source) -> SourceStatus:
    """The status of one source."""
    return of_all(source.merchant, [source])[0]


def of_all(merchant: Merchant, sources: Iterable[Source]) -> list[SourceStatus]:
    """The status of each of the merchant's `sources`, in the same order."""
    known = list(sources)
    ids = [source.id for source in known]
    parts: dict[int, dict[str, Integration]] = {one: {} for one in ids}
    for row in Integration.select().where(Integration.source << ids):
        parts[row.source_id][row.kind] = row
    last_ids = [one.last_run_id for kinds in parts.values() for one in kinds.values() if one.last_run_id]
    last = {run.id: run for run in Run.select().where((Run.merchant == merchant) & (Run.id << last_ids))}
    unfinished = (Run.merchant == merchant) & (Run.source << ids) & (Run.state << UNFINISHED) & (Run.kind == "inventory")
    moving = {run.source_id: run for run in Run.select().where(unfinished)}
    return [_status(source, parts[source.id], last, moving.get(source.id)) for source in known]


def needs_you_first(statuses: Iterable[SourceStatus]) -> list[SourceStatus]:
    """Worst first, then the one whose sync is longest ago."""
    return sorted(statuses, key=lambda one: (NEEDS_YOU_FIRST.index(one.state), one.last_sync or datetime.min))


def _status(source: Source, kinds: Mapping[str, Integration], last: Mapping[int, Run], moving: Run | None) -> SourceStatus:
    inventory = kinds.get("get_inventory_primary")
    run = moving or (last.get(inventory.last_run_id) if inventory and inventory.last_run_id else None)
    state, words, sentence = _state(source, inventory, run)
    return SourceStatus(
        source=source,
        state=state,
        words=words,
        sentence=sentence,
        flow=_flows(state, inventory, kinds),
        last_sync=inventory.last_accepted_at if inventory else None,
        next_sync=inventory.next_run_at if inventory and source.state == "live" and not inventory.paused else None,
        run=run,
        step=setup_steps.next_step(source),
    )


def _state(source: Source, inventory: Integration | None, run: Run | None) -> tuple[str, str, str]:
    if source.state == "draft":
        return _draft(source)
    if source.state == "paused" or (inventory is not None and inventory.paused):
        return "paused", "Paused", "You paused this source. Its stock stays as it last came."
    if run is not None and run.state in UNFINISHED:
        return _moving(run)
    if run is not None and run.state == "held":
        return "held", "Held for review", "A feed is held. Nothing was removed or set to 0."
    if run is not None and run.state == "failed":
        told = (run.problem or {}).get("headline", "The last run failed")
        return "action", "Action needed", f"{told}. Stock is as it last came."
    if inventory is None or inventory.last_accepted_at is None:
        return "ready", "Ready", "Set up. No file has been accepted yet."
    if _is_late(inventory):
        return "late", "Late", "The last accepted file is older than planned. We are still trying."
    return "ok", "Up to date", "Up to date."


def _draft(source: Source) -> tuple[str, str, str]:
    step = setup_steps.next_step(source)
    phase = next(place for place, (_, keys) in enumerate(setup_steps.PHASES, 1) if step in keys)
    return "draft", f"Draft, step {phase} of {len(setup_steps.PHASES)}", "Not live yet. Nothing syncs until you save the review."


def _moving(run: Run) -> tuple[str, str, str]:
    if run.problem and run.state == "queued":
        return "late", "Late", f"{run.problem['headline']}. {run.problem['body']}"
    done = f" {min(100, 100 * run.done_rows // run.total_rows)}%" if run.total_rows else ""
    return "syncing", f"Syncing{done}", "A sync is under way. You can leave this page."


def _is_late(inventory: Integration) -> bool:
    """More than one interval behind. By days and times: more than a day behind the planned run."""
    every = inventory.schedule.get("every_minutes")
    if not inventory.schedule or inventory.last_accepted_at is None:
        return False
    if every:
        return bool(clock.now() - inventory.last_accepted_at > timedelta(minutes=2 * every))
    return bool(inventory.next_run_at and inventory.next_run_at < clock.now() - timedelta(hours=1))


def _flows(state: str, inventory: Integration | None, kinds: Mapping[str, Integration]) -> tuple[str, str, str]:
    """Inventory, orders, shipments. Of a draft nothing flows, whatever was answered."""
    if state == "draft":
        return "off", "off", "off"
    return _inventory_flow(state, inventory), _flow(kinds.get("send_orders")), _flow(kinds.get("get_shipments"))


def _inventory_flow(state: str, inventory: Integration | None) -> str:
    if inventory is None or not inventory.enabled:
        return "off"
    return {"held": "hold", "action": "bad", "late": "late", "syncing": "run"}.get(state, "on")


def _flow(integration: Integration | None) -> str:
    return "on" if integration is not None and integration.enabled and not integration.paused else "off"
