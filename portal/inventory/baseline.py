"""What a run is judged against: the integration's last accepted run and its file, the ten runs before, and the highest of seven days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from peewee import fn

from portal import clock
from portal.inventory import feed_states, roles, words
from portal.models import Document, Integration, Run

HISTORY = 10
LOOKED_AT = 200  # runs, of which some may be of the other kind of feed
WEEK = timedelta(days=7)
_READ_BY = ("format", "role")
_OFFERED = ("new", "changed", "unchanged", "back")


@dataclass(frozen=True)
class Baseline:
    """The last accepted run (None on a first one), its document, and rows of up to ten accepted runs, newest first.

    `source`: the source's name, for sentences. `high`: most SKUs of an accepted file within seven days, since a person last
    accepted removals; `high_at` when, in words. `days` since the first accepted run. `mixed`: the last one was of changes
    and this one is of all items, or the other way round.
    """

    run: Run | None = None
    document: Document | None = None
    history: tuple[int, ...] = field(default=())
    source: str = ""
    high: int = 0
    high_at: str = ""
    days: int = 0
    mixed: bool = False

    @property
    def rows(self) -> int | None:
        """Rows of the last accepted file of the same kind, all items or changes."""
        if self.run is None or (self.mixed and not self.history):
            return None
        return self.history[0] if self.mixed else _rows(self.run)

    @property
    def counts(self) -> Mapping[str, Any]:
        """Counts of the last accepted run."""
        return {} if self.run is None else self.run.counts

    @property
    def modified(self) -> datetime | None:
        """When the supplier wrote the last accepted file, where that is known."""
        return None if self.document is None else self.document.modified

    @property
    def document_at(self) -> datetime | None:
        """When the last accepted file was written, or came here."""
        return None if self.document is None else self.document.modified or self.document.at


def of(run: Run) -> Baseline:
    """The baseline of a run of an integration."""
    integration = Integration.get_by_id(run.integration_id)
    last = Run.get_or_none(Run.id == integration.last_accepted_run_id)
    if last is None:
        return Baseline(source=integration.source.name)
    document = Document.get_or_none(Document.id == last.document_id)
    high, at = _week_high(integration, run)
    delta = roles.was_delta(run) if "changes_only" in run.checkpoint else None
    return Baseline(
        last, document, tuple(rows for _, rows in history(integration, run.id, delta)), integration.source.name, high,
        words.moment(at, run.merchant) if at else "", _days(integration), delta is not None and delta != roles.was_delta(last),
    )  # fmt: skip


def history(integration: Integration, before: int | None = None, delta: bool | None = None) -> list[tuple[Run, int]]:
    """(accepted run, rows of its file) of the last ten before run number `before`, newest first; of full files and deltas apart.

    `delta`: of which of them; None for what the feed's policy says.
    """
    accepted = _accepted(integration)
    if before is not None:
        accepted = accepted.where(Run.id < before)
    delta = roles.feed_of(integration) == "delta" if delta is None else delta
    told = (run for run in accepted.order_by(Run.id.desc()).limit(LOOKED_AT) if roles.was_delta(run) == delta)
    return [(run, _rows(run)) for run in islice(told, HISTORY) if "rows" in run.counts]


def _rows(run: Run) -> int:
    """Rows of the files of a run, those that a later file replaced left out."""
    return int(run.counts.get("rows", 0)) - int(run.counts.get("replaced", 0))


def week_high(integration: Integration) -> tuple[int, datetime | None]:
    """Most SKUs of an accepted file within seven days, and when that was; (0, None) when there was none."""
    return _week_high(integration, None)


def _accepted(integration: Integration) -> Any:
    """Accepted runs, without their long columns, since the inventory was last removed."""
    removed = Run.select(fn.MAX(Run.id)).where(Run.source == integration.source_id, Run.kind == "remove_inventory").scalar() or 0
    columns = (Run.id, Run.public_id, Run.number, Run.counts, Run.state, Run.settings, Run.created_at, Run.finished_at)
    mine = (Run.integration == integration) & (Run.kind == "inventory") & (Run.accepted == True)  # noqa: E712
    return Run.select(*columns).where(mine, Run.id > removed)


def _week_high(integration: Integration, run: Run | None) -> tuple[int, datetime | None]:
    """What a person accepted counts from then on, so that it is not held again for a week."""
    decided = Run.select().where(Run.integration == integration, Run.kind == "accept_removals", Run.accepted == True)  # noqa: E712
    last = decided.order_by(Run.id.desc()).first()
    within = _accepted(integration).where(Run.created_at >= clock.now() - WEEK, Run.id >= (last.settings.get("accepts", 0) if last else 0))
    if run is not None:
        within = within.where(Run.id < run.id)
    seen = [(sum(one.counts.get(name, 0) for name in _OFFERED), one.finished_at) for one in within]
    return max(seen, key=lambda one: one[0], default=(0, None))


def _days(integration: Integration) -> int:
    first = _accepted(integration).order_by(Run.id).first()
    return (clock.now() - first.created_at).days if first else 0


def is_unchanged(run: Run, document: Document, before: Baseline) -> bool:
    """Whether the document is the last accepted one again, read the same way, and nothing was written since but by another feed."""
    if before.run is None or before.document is None or before.document.sha256 != document.sha256:
        return False
    if (before.run.mapping_version, *map(before.run.settings.get, _READ_BY)) != (run.mapping_version, *map(run.settings.get, _READ_BY)):
        return False
    return feed_states.is_current(run, before.run)
