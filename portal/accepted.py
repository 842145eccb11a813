"""What an accepted feed leaves on its integration: when it came, whether in time, and since when its content is the same."""

from __future__ import annotations

from typing import Any

from portal import clock
from portal.models import Document, Integration, Run


def columns(run: Run, state: str) -> dict[str, Any]:
    """The columns of the run's integration once `run` ended in `state` and was accepted, for the caller to write."""
    now, integration = clock.now(), Integration.get_by_id(run.integration_id)
    accepts = run.settings.get("accepts", run.id)  # the run whose file and counts later ones are judged against
    again = state == "no_change" or _content(accepts) == _content(integration.last_accepted_run_id)
    kept: dict[str, Any] = {"last_accepted_at": now, "failures": 0}
    if state != "no_change":
        kept["last_accepted_run_id"] = max(accepts, integration.last_accepted_run_id or 0)  # a delta's hold may be decided late
    if not again or integration.file_since is None:
        kept["file_since"] = now
    if not again or same_file_counts(integration):
        kept["accepted_late"] = integration.expected_by is not None and integration.expected_by < now
    return kept


def same_file_counts(integration: Integration) -> bool:
    """Whether the same file again counts as a fresh one: yes, unless its rule for freshness says no."""
    return bool(((integration.policies or {}).get("freshness") or {}).get("same_file_counts", True))


def _content(run_id: int | None) -> Any:
    """Digest of the file that a run read; for a run without one, itself, so that it equals no other."""
    found = Document.select(Document.sha256).join(Run, on=(Run.document_id == Document.id)).where(Run.id == run_id).scalar()
    return found or object()
