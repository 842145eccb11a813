"""What the database tells of the whole installation, as numbers for a monitor. It is the same whichever process is asked.

Of what ended, the last hour: rows of runs go with their source, so a count of all of them would fall.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from peewee import fn

from portal import clock
from portal.models import Run, SendAttempt, SendingStop, Submission
from portal.operation import VERSION, lead, notes, presence

WINDOW = timedelta(hours=1)
MOST_READ = 20_000  # runs of the last hour whose rows are added up


@dataclass(frozen=True)
class Gauge:
    """One number with its labels, or several. `samples`: [(values of the labels, number)]."""

    name: str
    meaning: str
    labels: Sequence[str] = ()
    samples: Sequence[tuple[Sequence[str], float]] = field(default_factory=list)


def everything() -> list[Gauge]:
    """All of them. Some short queries; none reads more than the last hour or what is open now."""
    return [*_standing(), *_runs_now(), *_runs_ended(), *_sends()]


def _standing() -> Iterable[Gauge]:
    yield Gauge("quayside_build_info", "The version that answers.", ("version",), [((VERSION,), 1)])
    alive = presence.living("worker")
    yield Gauge("quayside_workers", "Worker processes seen within the last minute.", (), [((), len(alive))])
    yield Gauge("quayside_worker_threads", "Runs that they do side by side.", (), [((), sum(one.threads for one in alive))])
    silent = lead.silence()
    if silent is not None:
        yield Gauge("quayside_scheduler_silent_seconds", "Since the keeper of the clock was heard.", (), [((), silent)])
    for name in (notes.BACKUP, notes.RESTORE_CHECK):
        if (age := notes.age(name)) is not None:
            yield Gauge(f"quayside_{name}_age_seconds", f"Since the last {name.replace('_', ' ')}.", (), [((), age)])


def _runs_now() -> Iterable[Gauge]:
    now = clock.now()
    waiting = Run.select(Run.kind, fn.COUNT(Run.id), fn.MIN(Run.due_at)).where(Run.state == "queued", Run.due_at <= now).group_by(Run.kind)
    rows = _rows(waiting)
    yield Gauge(
        "quayside_runs_waiting", "Runs that are due and wait for a worker.", ("kind",), [((kind,), count) for kind, count, _ in rows]
    )
    oldest = Run.select(Run.due_at).where(Run.state == "queued", Run.due_at <= now).order_by(Run.due_at).first()
    age = (now - oldest.due_at).total_seconds() if oldest else 0.0
    yield Gauge("quayside_queue_oldest_seconds", "How long the oldest due run has waited.", (), [((), age)])
    running = Run.select(Run.kind, fn.COUNT(Run.id)).where(Run.state == "running").group_by(Run.kind)
    yield Gauge("quayside_runs_running", "Runs that a worker holds.", ("kind",), [((kind,), count) for kind, count in _rows(running)])
    deserted = Run.select().where(Run.state == "running", Run.lease_until < now).count()
    yield Gauge("quayside_runs_deserted", "Runs whose worker fell silent, not taken over yet.", (), [((), deserted)])


def _runs_ended() -> Iterable[Gauge]:
    since = clock.now() - WINDOW
    recent = Run.finished_at >= since
    ended = Run.select(Run.kind, Run.state, fn.COUNT(Run.id)).where(recent).group_by(Run.kind, Run.state)
    samples = [((kind, state), count) for kind, state, count in _rows(ended)]
    yield Gauge("quayside_runs_ended", "Runs that ended within the last hour.", ("kind", "outcome"), samples)
    rows, seconds = defaultdict[str, float](float), defaultdict[str, float](float)
    told = Run.select(Run.kind, Run.counts, Run.started_at, Run.finished_at).where(recent).order_by(Run.finished_at.desc())
    for kind, counts, started, finished in _rows(told.limit(MOST_READ)):
        rows[kind] += float(counts.get("rows", 0) or 0)
        seconds[kind] += max(0.0, (finished - started).total_seconds()) if started else 0.0
    yield Gauge("quayside_run_rows", "Rows read by runs that ended within the last hour.", ("kind",), _by_kind(rows))
    yield Gauge("quayside_run_seconds", "Seconds from begin to end of those runs.", ("kind",), _by_kind(seconds))


def _sends() -> Iterable[Gauge]:
    since = clock.now() - WINDOW
    tried = SendAttempt.select(SendAttempt.outcome, fn.COUNT(SendAttempt.id)).where(
        SendAttempt.ended_at >= since, SendAttempt.kind == "try"
    )
    samples = [((outcome or "none",), count) for outcome, count in _rows(tried.group_by(SendAttempt.outcome))]
    yield Gauge("quayside_sends", "Tries to send that ended within the last hour.", ("outcome",), samples)
    for state, meaning in (("waiting", "Things that wait to be sent."), ("check_needed", "Sends that a person has to look at.")):
        yield Gauge(f"quayside_sends_{state}", meaning, (), [((), Submission.select().where(Submission.state == state).count())])
    off = SendingStop.select().where(SendingStop.source.is_null()).exists()
    yield Gauge("quayside_sending_on", "0 while sending is off for the whole installation.", (), [((), 0 if off else 1)])


def _rows(query: Any) -> list[tuple[Any, ...]]:
    return list(query.tuples())


def _by_kind(found: Mapping[str, float]) -> list[tuple[tuple[str, ...], Any]]:
    return [((kind,), round(value, 3)) for kind, value in sorted(found.items())]
