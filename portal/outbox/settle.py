"""How a try or a look ended, written once: submission, parts, requests, the attempt and the timeline in one transaction.

sent │ refused │ not_sent ─▶ waiting, later │ unknown ─▶ by the witness: look · the same again · Check needed
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from portal import clock
from portal.errors import Problem
from portal.models import Integration, SendAttempt, Submission, SubmissionPart, database
from portal.outbox import journal, stops, witnesses
from portal.outbox.claim import Hold
from portal.requests import sending

OPEN = ("waiting", "claimed", "uploading", "uploaded", "check_needed")
NOT_ANSWERED = timedelta(hours=24)


def sent(hold: Hold, words: str, *, their_id: str = "", outcome: str = "sent") -> None:
    """They have it. Also for a worker that lost its claim meanwhile: that they have it is true whoever learnt it."""
    hold.say(words)
    now = clock.now()
    due_at = now + promised(hold.submission)
    columns = {
        "state": "sent", "sent_at": now, "lease_until": None, "next_at": None, "their_id": their_id[:200], "problem": None,
        "confirm_by": due_at, "token": "",
    }  # fmt: skip
    with database.atomic():
        ids = sending.members(hold.submission)
        sending.hold_orders(ids)
        still = (Submission.id == hold.submission.id) & (Submission.state << OPEN)
        if Submission.update(columns).where(still).execute():
            SubmissionPart.update(state="sent").where(SubmissionPart.submission == hold.submission.id).execute()
            sending.sent(ids, words, their_id=their_id if len(ids) == 1 else "", due_at=due_at)
        end(hold, outcome)
        stops.lift_if_found(hold.submission.source)
    hold.submission.state = "sent"
    journal.ended(hold.submission)


def refused(hold: Hold, problem: Problem, *, said: str = "", **columns: Any) -> None:
    """They have read it and will not take it as it is; or they took it wrong, and it was canceled there, as `said`."""
    told = f" They said: {problem.server_said}" if problem.server_said else ""
    hold.say(said or f"Refused: {problem.headline}.{told}")
    with database.atomic():
        hold.save(state="rejected", lease_until=None, next_at=None, problem=asdict(problem), **columns)
        words = f"{problem.headline}. {problem.server_said or problem.body}"
        sending.rejected(sending.members(hold.submission), words)
        end(hold, "refused", problem)
    journal.ended(hold.submission)


def not_sent(hold: Hold, problem: Problem, *, state: str = "waiting", wait: float | None = None, **columns: Any) -> datetime:
    """They do not have it for sure, or it cannot be told yet and the same step is taken again: when that is (naive UTC)."""
    at = clock.now() + max(witnesses.back_off(hold.submission.tries), timedelta(seconds=wait or 0))
    hold.say(f"{problem.headline}. {problem.body}".strip())
    with database.atomic():
        hold.save(state=state, lease_until=None, next_at=at, problem=asdict(problem), **columns)
        end(hold, "not_sent" if state == "waiting" else "unclear", problem)
    return at


def unknown(hold: Hold, problem: Problem, *, settle: int = 0, window: timedelta = witnesses.KEPT_FOR) -> None:
    """It may have arrived and nobody saw: what follows is the witness's to say."""
    now, row = clock.now(), hold.submission
    since = row.unknown_at or now
    coming = witnesses.after_unknown(row.witness, since=since, now=now, times=row.tries, settle=settle, window=window)
    hold.say(f"{problem.headline}. {problem.body}".strip())
    with database.atomic():
        if coming.act == "check":
            _check(hold, problem, coming.why, since)
        else:
            state = "uploading" if coming.act == "look" else "waiting"
            hold.save(state=state, unknown_at=since, lease_until=None, next_at=coming.at, problem=asdict(problem))
        end(hold, "unknown", problem)
        stops.note_unknown(row.source)


def looked(hold: Hold, found: int | None, words: str, *, their_id: str = "", settle: int = 0) -> None:
    """What a look at their list showed. `found`: how many with our reference, None where it could not be told."""
    row = hold.submission
    looks, since = row.looks + 1, row.unknown_at or clock.now()
    coming = witnesses.after_look(row.witness, found=found, looks=looks, since=since, settle=settle)
    if coming.act == "sent":
        sent(hold, words, their_id=their_id, outcome="found")
        return
    hold.say(words)
    outcome = "unclear" if found is None else "several" if found else "absent"
    with database.atomic():
        if coming.act == "check" or row.state == "check_needed":
            _check(hold, None, coming.why or words, since, looks=looks)
        else:
            state = "waiting" if coming.act == "again" else "uploading"
            hold.save(state=state, looks=looks, lease_until=None, next_at=coming.at)
        end(hold, outcome)


def check_needed(hold: Hold, problem: Problem, why: str, **columns: Any) -> None:
    """Nothing that we can do by ourselves tells where it is: a person is asked."""
    with database.atomic():
        _check(hold, problem, why, hold.submission.unknown_at or clock.now(), **columns)
        end(hold, "unknown", problem)
        stops.note_unknown(hold.submission.source)


def end(hold: Hold, outcome: str, problem: Problem | None = None) -> None:
    """Close the attempt. `may_have_left` stays true where its bytes may be at the supplier."""
    columns = {"outcome": outcome, "ended_at": clock.now(), "problem": asdict(problem) if problem else None}
    hold.keep(**columns, may_have_left=hold.submission.left_at is not None and outcome != "not_sent")


def promised(submission: Submission) -> timedelta:
    """How long the source may take to acknowledge or ship, by its Send Orders settings ("answer_hours")."""
    row = Integration.get_or_none(Integration.source == submission.source_id, Integration.kind == "send_orders")
    hours = (row.settings if row else {}).get("answer_hours")
    return timedelta(hours=hours) if isinstance(hours, int) and hours > 0 else NOT_ANSWERED


def _check(hold: Hold, problem: Problem | None, why: str, since: datetime, **columns: Any) -> None:
    row, before = hold.submission, hold.submission.state
    hold.say(f"Check needed: {why}")
    told = asdict(problem) if problem else {**(row.problem or {})}
    hold.save(
        state="check_needed", unknown_at=since, lease_until=None, next_at=None,
        problem={"code": "unknown", "headline": "", "body": "", "server_said": "", **told, "why": why}, **columns,
    )  # fmt: skip
    if before != "check_needed":
        ids = sending.members(row)
        sending.copy_state(ids, "check_needed", said=f"We do not know whether it arrived. {why}"[:500])
        sending.note(ids, "unknown", why)


def attempts(submission: Submission) -> list[SendAttempt]:
    """Every try, look and decision, oldest first."""
    return list(SendAttempt.select().where(SendAttempt.submission == submission.id).order_by(SendAttempt.id))
