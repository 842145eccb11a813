"""Pausing: an integration, or a whole source, runs nothing by itself until someone resumes it. Run Sync still works."""

from __future__ import annotations

from typing import Any

from portal import audit, clock, runs, schedules, sources
from portal.errors import NotFound, Refused
from portal.models import Integration, Run, Source, database


def pause(integration: Integration, who: str) -> None:
    """Nothing of the integration runs by itself any more; a run that moves goes on. Raises Refused for one that never ran by itself."""
    _refuse_idle(integration)
    _set_paused(integration, True, who)


def resume(integration: Integration, who: str) -> None:
    """Run by schedule again, counted from now; what was due meanwhile is not made up for. Raises Refused as `pause` does."""
    _refuse_idle(integration)
    _set_paused(integration, False, who, next_run_at=schedules.next_time(integration, integration.source.merchant))


def pause_source(source: Source, who: str) -> Source:
    """Pause everything of a live source. Raises Refused for a draft, NotFound for one that was deleted a moment ago."""
    return _move(source, "live", "paused", who)


def resume_source(source: Source, who: str) -> Source:
    """Bring a paused source back on its schedules, counted from now. Raises as `pause_source` does."""
    return _move(source, "paused", "live", who)


def _refuse_idle(integration: Integration) -> None:
    if integration.source.state == "draft":
        raise Refused("This source is a draft, so nothing runs by itself yet.")
    if not integration.enabled:
        raise Refused("This integration is switched off, so nothing runs by itself.")


def _set_paused(integration: Integration, paused: bool, who: str, **columns: Any) -> None:
    stamped = columns | {"paused": paused, "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who}
    source, action = integration.source, "integration.pause" if paused else "integration.resume"
    with database.atomic():
        if not Integration.update(stamped).where(Integration.id == integration.id, Integration.paused == (not paused)).execute():
            return  # it is so already
        audit.write(source.merchant, who, action, "integration", integration.public_id, after={"kind": integration.kind})
        if paused:
            _stop_retries(Run.integration == integration, who)


def _move(source: Source, before: str, after: str, who: str) -> Source:
    if source.state == "draft":
        raise Refused("This source is a draft, so nothing runs by itself yet.")
    stamped = {"state": after, "version": Source.version + 1, "changed_at": clock.now(), "changed_by": who}
    with database.atomic():
        if Source.update(stamped).where(Source.id == source.id, Source.state == before).execute():
            audit.write(source.merchant, who, f"source.{'pause' if after == 'paused' else 'resume'}", "source", source.public_id)
            if after == "paused":
                _stop_retries(Run.source == source, who)
            else:
                schedules.plan_anew(source)
    fresh = sources.find(source.merchant, source.public_id)
    if fresh.state != after:
        raise NotFound("source")
    return fresh


def _stop_retries(whose: Any, who: str) -> None:
    """End runs that only wait to try again by themselves."""
    for run in Run.select().where(whose, Run.state == "queued", Run.tries > 0, Run.kind << runs.RETRIED_KINDS):
        runs.request_stop(run, who)
