"""What a run is judged against: the integration's last accepted run, its file, and the runs before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal.models import Document, Integration, InventoryChange, Run

HISTORY = 10


@dataclass(frozen=True)
class Baseline:
    """The last accepted run (None on a first one), its document, and rows of up to ten accepted runs, newest first.

    `source`: the source's name, for sentences.
    """

    run: Run | None = None
    document: Document | None = None
    history: tuple[int, ...] = field(default=())
    source: str = ""

    @property
    def rows(self) -> int | None:
        """Rows of the last accepted file."""
        return None if self.run is None else int(self.run.counts.get("rows", 0))

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
    accepted = Run.select().where(Run.integration == integration, Run.kind == "inventory", Run.accepted == True)  # noqa: E712
    counts = [row.counts for row in accepted.order_by(Run.id.desc()).limit(HISTORY)]
    return Baseline(last, document, tuple(int(told["rows"]) for told in counts if "rows" in told), integration.source.name)


def is_unchanged(run: Run, document: Document, before: Baseline) -> bool:
    """Whether the document is the last accepted one again, read the same way, and nothing was written since by a held or broken run."""
    if before.run is None or before.document is None or before.document.sha256 != document.sha256:
        return False
    if (before.run.mapping_version, before.run.settings.get("format")) != (run.mapping_version, run.settings.get("format")):
        return False
    later = Run.select(Run.id).where(Run.integration == run.integration_id, Run.id > before.run.id, Run.kind == "inventory")
    return not InventoryChange.select().where(InventoryChange.run << later).exists()
