"""Where one feed stands: a state, a sentence that says it, and what happens next. For many feeds in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import fn

from portal import clock, connections, freshness, spoken
from portal.inventory import roles, silence, stage
from portal.models import Document, Integration, Run
from portal.models.runs import UNFINISHED

WORST_FIRST = ("action", "held", "late", "syncing", "ok", "ready", "paused", "draft")
SILENT_LEASE = timedelta(minutes=5)  # after its lease a run has lost its worker for good, until another comes
READS = ("inventory", "accept_removals")


@dataclass(frozen=True)
class Standing:
    """One feed. `state` is a key of the status badge; `then` says how old the stock is and when we try again, `rule_acts`
    when the rule for silence acts; both "" while there is no need to.

    `late_since` is set while it is late, whatever the state; `next_try`: when we look again by ourselves.
    """

    integration: Any
    state: str
    words: str
    sentence: str
    run: Any
    expected_by: datetime | None = None
    late_since: datetime | None = None
    next_try: datetime | None = None
    then: str = ""
    rule_acts: str = ""


@dataclass(frozen=True)
class _Facts:
    """What is known of one feed. `last`, `moving`, `held`: its last run, its unfinished one, and the one that waits for a person."""

    one: Any
    now: datetime
    zone: str
    last: Any = None
    moving: Any = None
    held: Any = None
    newest: datetime | None = None
    late_since: datetime | None = None

    def at(self, moment: datetime | None) -> str:
        """A moment as people say it."""
        return spoken.moment(moment, self.zone, self.now)


def of_feeds(feeds: Iterable[Integration], zone: str, now: datetime | None = None) -> dict[int, Standing]:
    """The standing of each feed by its id; each must have its `source` with its `merchant` set. Times in words are of `zone`."""
    now, known = now or clock.now(), list(feeds)
    ids = [one.id for one in known]
    wanted = {run for one in known for run in (one.last_run_id, one.last_accepted_run_id) if run}
    runs: dict[Any, Any] = {run.id: run for run in Run.select().where(Run.id << list(wanted))}
    unfinished = (Run.integration << ids) & (Run.state << UNFINISHED) & (Run.kind << READS)
    moving = {run.integration_id: run for run in Run.select().where(unfinished)}
    held = {run.integration_id: run for run in _held(ids)}
    wanted = {run.document_id for run in runs.values() if run.document_id}
    files = {row.id: row.modified or row.at for row in Document.select().where(Document.id << list(wanted))}

    def facts(one: Any) -> _Facts:
        accepted = runs.get(one.last_accepted_run_id)
        newest = files.get(accepted.document_id) if accepted else None
        late = freshness.late_since(one, now)
        return _Facts(one, now, zone, runs.get(one.last_run_id), moving.get(one.id), held.get(one.id), newest, late)

    return {one.id: _standing(facts(one)) for one in known}


def _held(ids: list[int]) -> list[Any]:
    """The newest held run of each integration, unless everything was removed since."""
    mine = (Run.integration << ids) & (Run.state == "held") & (Run.kind << READS)
    newest = Run.select(fn.MAX(Run.id)).where(mine).group_by(Run.integration)
    later: Any = Run.alias()
    gone = later.select(later.id).where((later.source == Run.source) & (later.id > Run.id) & (later.kind == "remove_inventory"))
    return list(Run.select().where((Run.id << newest) & ~fn.EXISTS(gone)))


def _standing(facts: _Facts) -> Standing:
    one, (state, words, sentence, run) = facts.one, _state(facts)
    upload, late = _is_given(one), facts.late_since
    waits = facts.moving is not None and facts.moving.state == "queued" and facts.moving.due_at > facts.now
    tries = [moment for moment in (facts.moving.due_at if waits else None, None if upload else one.next_run_at) if moment]
    next_try = min(tries, default=None) if one.enabled and not one.paused and one.source.state == "live" else None
    told = (_then(facts, next_try), _rule(facts)) if state in ("late", "action", "held") else ("", "")
    return Standing(one, state, words, sentence, run, freshness.expected_by(one, facts.now), late, next_try, *told)


def _state(facts: _Facts) -> tuple[str, str, str, Any]:
    one, last, moving = facts.one, facts.last, facts.moving
    if one.paused or one.source.state == "paused":
        return "paused", "Paused", "You paused this. Its stock stays as it last came.", moving or last
    if moving is not None and _moves(facts):
        done = f" {min(100, 100 * moving.done_rows // moving.total_rows)}%" if moving.total_rows else ""
        return "syncing", f"Syncing{done}", "A sync is under way. You can leave this page.", moving
    if moving is None and last is not None and last.state == "failed" and not _passes(facts):
        told = (last.problem or {}).get("headline", "The last run failed")
        return "action", "Action needed", f"{told}.", last
    if _waits(facts):
        return "held", "Held for review", "A feed is held. Nothing was removed or set to 0.", facts.held
    run = moving or last
    if facts.late_since is not None:
        return "late", "Late", _late(facts), run
    if one.last_accepted_at is None:
        by = freshness.expected_by(one, facts.now)
        return "ready", "Ready", f"Set up. No file has been accepted yet.{_expected(facts, by)}{_trouble(facts)}", run
    if freshness.is_expected(one) and freshness.is_old(one, facts.now):
        return "ready", "Ready", f"It runs again since {facts.at(one.watched_since or facts.now)}.{_trouble(facts)}", run
    return "ok", "Up to date", f"Up to date.{_trouble(facts)}", run


def _waits(facts: _Facts) -> bool:
    """Whether something is held that no newer feed has settled; a newer delta settles only what it names."""
    held, accepted = facts.held, facts.one.last_accepted_at
    if held is None:
        return False
    return stage.undecided(held.id) > 0 if roles.was_delta(held) else not (accepted and accepted > held.created_at)


def _moves(facts: _Facts) -> bool:
    """Whether its unfinished run gets on. One that waits to try again does not, nor, once late, one that no worker has."""
    run = facts.moving
    if run.state == "queued":
        return not run.problem and facts.late_since is None
    lost = run.lease_until is not None and run.lease_until + SILENT_LEASE < facts.now
    return not (lost and facts.late_since is not None)


def _passes(facts: _Facts) -> bool:
    """Whether the last failure may pass by itself and something tries again."""
    return bool(facts.last.checkpoint.get("given_up") and facts.one.schedule and not _is_given(facts.one))


def _trouble(facts: _Facts) -> str:
    """What the present or last try met, when it is tried again: " Nothing answers on port 22. We try again …", or ""."""
    run = facts.moving or facts.last
    if run is None or not run.problem or run.state not in ("queued", "failed"):
        return ""
    headline, body = run.problem.get("headline", ""), run.problem.get("body", "")
    return f" {headline}. {body}".rstrip()


def _late(facts: _Facts) -> str:
    one, chosen = facts.one, freshness.rule(facts.one)
    last = freshness.last_fresh(one, chosen)
    if one.last_accepted_at is None:
        return f"No file has been accepted yet.{_expected(facts, facts.late_since)}{_trouble(facts) or _looking(facts)}"
    same = last is not None and last < one.last_accepted_at
    begins = f"The supplier has sent the same file since {facts.at(last)}." if same else f"No new file since {facts.at(last)}."
    return f"{begins}{_trouble(facts) or _looking(facts)}{_limit(facts, chosen)}"


def _looking(facts: _Facts) -> str:
    """Where and how often we look, and the newest file there."""
    one, run = facts.one, facts.moving
    if run is not None and not _moves(facts):
        return f" A run waits for a worker since {facts.at(run.due_at)}."
    if _is_given(one):
        return " The supplier sends it to us." if connections.is_webhook(one.source) else " Its files are uploaded by you."
    pattern = one.settings.get("pattern") if one.settings.get("match", "newest") == "newest" else ""
    every, looked = one.schedule.get("every_minutes"), f"for {pattern} " if pattern else ""
    how = f"every {_interval(every)}" if every else "as planned" if one.schedule else "only when you choose Run Sync"
    newest = f"; the newest is {spoken.span(facts.now - facts.newest)} old" if facts.newest else ""
    return f" We look {looked}{how}{newest}."


def _interval(minutes: int) -> str:
    return "hour" if minutes == 60 else spoken.span(timedelta(minutes=minutes))


def _limit(facts: _Facts, chosen: freshness.Rule) -> str:
    """What the merchant set as late, or what follows from the schedule."""
    grace = timedelta(minutes=chosen.grace_minutes)
    if chosen.expected == "hours":
        return f" You set {spoken.span(timedelta(hours=chosen.hours) + grace)} as late."
    by = facts.at(facts.late_since)
    return f" It was expected by {by}." if chosen.expected == "times" else f" By its schedule one was expected by {by}."


def _expected(facts: _Facts, by: datetime | None) -> str:
    if by is None:
        return ""
    return f" The first {'was' if by < facts.now else 'is'} expected by {facts.at(by)}."


def _then(facts: _Facts, next_try: datetime | None) -> str:
    """How old the stock is, and the next try."""
    one, told = facts.one, []
    if one.last_accepted_at is not None:
        told.append(f"Stock is as of {facts.at(one.last_accepted_at)}.")
    if next_try is not None:
        told.append(f"Next try {spoken.at(next_try, facts.zone, facts.now)}.")
    elif _is_given(one) and not connections.is_webhook(one.source):
        told.append("Upload a new file when you have one.")
    return " ".join(told)


def _rule(facts: _Facts) -> str:
    """When the rule for silence acts, if a person set one."""
    one = facts.one
    acts: datetime | None = silence.acts_at(one) if "silence" in (one.policies or {}) else None
    if acts is None or acts <= facts.now:
        return ""
    return f"Without a new file your rule acts {spoken.at(acts, facts.zone, facts.now)}: {silence.rule(one).words}."


def _is_given(one: Any) -> bool:
    return bool(one.source.supplier and connections.is_given(one.source))
