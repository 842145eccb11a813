"""The last runs of a source in the order of time, with the moments at which an expected feed did not come between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal import clock, freshness, lateness, spoken
from portal.models import Integration, Merchant, Run, Source

RUNS = 30
HEIGHT, LOWEST = 44, 6
_LOOKS = {"finished": "ok", "no_change": "ok", "warnings": "warn", "held": "hold", "failed": "bad", "queued": "run", "running": "run"}


@dataclass(frozen=True)
class Mark:
    """One bar: a run, or the gap where none was accepted in time (`run` is None). `height` of 48; `words` for a gap."""

    at: datetime
    look: str
    height: int
    run: Any = None
    words: str = ""


@dataclass(frozen=True)
class Ribbon:
    """The marks, oldest first."""

    marks: list[Mark]

    @property
    def runs(self) -> int:
        """How many of the marks are runs."""
        return sum(mark.run is not None for mark in self.marks)

    @property
    def gaps(self) -> int:
        """How many expected feeds did not come between them."""
        return len(self.marks) - self.runs


def of(source: Source, merchant: Merchant, zone: str) -> Ribbon:
    """The last 30 inventory runs of the source. Times in words are of `zone`."""
    columns = (Run.id, Run.public_id, Run.number, Run.state, Run.counts, Run.created_at, Run.finished_at, Run.integration)
    mine = (Run.merchant == merchant.id) & (Run.source == source.id) & (Run.kind == "inventory")
    found = list(Run.select(*columns).where(mine).order_by(Run.number.desc()).limit(RUNS))
    most = max([(run.counts or {}).get("rows", 0) for run in found] or [0]) or 1
    marks = [
        Mark(run.created_at, _LOOKS.get(run.state, "mute"), max(LOWEST, HEIGHT * (run.counts or {}).get("rows", 0) // most), run)
        for run in found
    ]
    whole = len(found) < RUNS
    return Ribbon(sorted([*marks, *_gaps(source, None if whole else found[-1].created_at, zone)], key=lambda mark: mark.at))


def _gaps(source: Source, since: datetime | None, zone: str) -> list[Mark]:
    feeds = [one.id for one in Integration.select(Integration.id).where(Integration.source == source, Integration.kind << freshness.FEEDS)]
    late = lateness.periods(feeds, since, RUNS)
    return [Mark(one.since, "gap", HEIGHT, words=in_words(one, zone)) for one in late if since is None or one.since >= since]


def in_words(period: Any, zone: str) -> str:
    """A late period: "Nothing accepted by 08:00; accepted at 10:12, 2 h 12 min later"."""
    now = clock.now()
    what = "The same file as before at" if period.cause == "same_file" else "Nothing accepted by"
    begun = f"{what} {spoken.moment(period.since, zone, now)}"
    if period.ended_at is None:
        return f"{begun}; late for {spoken.span(now - period.since)} so far"
    length, ended = spoken.span(period.ended_at - period.since), spoken.at(period.ended_at, zone, now)
    if period.ended == "accepted":
        return f"{begun}; accepted {ended}, {length} later"
    return f"{begun}; {'nothing was expected any more' if period.ended == 'rested' else 'not late by the rule that was saved'} {ended}"
