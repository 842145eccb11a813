"""The one clock. Times are naive UTC everywhere inside; only pages turn them into a zone."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """Naive UTC, to the microsecond. Tests replace this function to move time."""
    return datetime.now(UTC).replace(tzinfo=None)
