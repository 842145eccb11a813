"""Taking a submission: lease and a fresh token; whoever has lost its token writes nothing more.

waiting │ deserted │ a look that is due ─▶ Hold ─▶ save (WHERE id=? AND token=?) ─▶ released by settling it
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from portal import clock
from portal.models import SendAttempt, Submission, database
from portal.models.database import is_postgres
from portal.requests import sending

LEASE_SECONDS = 90.0
IN_FLIGHT = ("claimed", "uploading", "uploaded")
LONGEST_STEP = 500


class LostClaim(Exception):
    """Another worker holds the submission now. Whoever gets this writes nothing more."""


class Hold:
    """One submission in this worker's hands, and the attempt that it writes down. `purpose`: try or look.

    `was_left`: its bytes may have left before this claim.
    """

    def __init__(self, submission: Submission, attempt: SendAttempt) -> None:
        self.submission, self.attempt = submission, attempt
        self.token: str = submission.token
        self.purpose: str = attempt.kind
        self.was_left = submission.left_at is not None

    def say(self, words: str) -> None:
        """A step of the attempt: what left the machine, or what came back. Kept with the next `save`."""
        self.attempt.steps = [*self.attempt.steps, {"at": clock.now().isoformat(timespec="milliseconds"), "words": words[:LONGEST_STEP]}]

    def save(self, **columns: Any) -> None:
        """Write columns of the submission, and the steps so far; the lease begins anew unless it is given. Raises LostClaim."""
        columns = {"lease_until": lease(), **columns}
        with database.atomic():
            mine = (Submission.id == self.submission.id) & (Submission.token == self.token)
            if not Submission.update(columns).where(mine).execute():
                raise LostClaim(self.submission.public_id)
            if columns.get("state", self.submission.state) != self.submission.state:
                sending.copy_state(sending.members(self.submission), columns["state"])
            self.keep()
        for name, value in columns.items():
            setattr(self.submission, name, value)

    def check(self) -> None:
        """Raises LostClaim when the submission is no longer ours."""
        mine = (Submission.id == self.submission.id) & (Submission.token == self.token)
        if not Submission.select(Submission.id).where(mine).exists():
            raise LostClaim(self.submission.public_id)

    def keep(self, **columns: Any) -> None:
        """Write the attempt's steps and more of its columns: the story is this worker's own, whoever holds the submission."""
        columns = {"steps": self.attempt.steps, **columns}
        SendAttempt.update(columns).where(SendAttempt.id == self.attempt.id).execute()


def lease() -> Any:
    """When a lease that begins now ends."""
    return clock.now() + timedelta(seconds=LEASE_SECONDS)


def due(source_id: int | None = None, looks_only: bool = False) -> Any:
    """The query of submissions that something is to be done with now: of one source, or of all.

    `looks_only`: sending rests, so that only what left already is looked for.
    """
    now = clock.now()
    free = Submission.lease_until.is_null() | (Submission.lease_until < now)
    at = Submission.next_at.is_null() | (Submission.next_at <= now)
    left = Submission.left_at.is_null(False) & Submission.state << ("uploading", "uploaded")
    flying = (Submission.state << IN_FLIGHT) & free & (Submission.lease_until.is_null(False) | at)
    asked = (Submission.state == "check_needed") & free & (Submission.next_at <= now)
    fresh = (Submission.state == "waiting") & at
    opened = Submission.state << (*IN_FLIGHT, "check_needed", "waiting")  # what the index finds, however much was sent before
    which = (flying & left) | asked if looks_only else flying | asked | fresh
    which = which & (Submission.transport != "pull")  # those are fetched by the supplier: portal.outbox.pulling
    return Submission.select().where(opened, which, *([Submission.source == source_id] if source_id is not None else []))


def claim(source_id: int, looks_only: bool = False) -> Hold | None:
    """Take the oldest submission of a source with which something is to be done now; None when there is none."""
    query = due(source_id, looks_only).order_by(Submission.id).limit(1)
    if not query.exists():  # a plain read first: asking must not cost the write lock
        return None
    with database.atomic():
        found = query.for_update(skip_locked=True).first() if is_postgres() else query.first()
        return None if found is None else _take(found)


def _take(found: Submission) -> Hold:
    """Write our hold on a row that is locked by us, and begin an attempt."""
    token = secrets.token_hex(8)
    if found.state in IN_FLIGHT:
        _close_deserted(found)
    doubt = found.state == "check_needed" or (found.state == "uploading" and found.unknown_at is not None)
    columns: dict[str, Any] = {"token": token, "lease_until": lease(), "tries": found.tries + 1}
    if found.state == "waiting":
        columns["state"] = "claimed"
        sending.copy_state(sending.members(found), "claimed")
    Submission.update(columns).where(Submission.id == found.id).execute()
    for name, value in columns.items():
        setattr(found, name, value)
    attempt = SendAttempt.create(submission=found, kind="look" if doubt else "try", token=token, started_at=clock.now())
    return Hold(found, attempt)


def _close_deserted(found: Submission) -> None:
    """Whoever held it before is gone, or will find its token changed."""
    open_ones = (SendAttempt.submission == found.id) & (SendAttempt.outcome == "")
    for one in list(SendAttempt.select().where(open_ones)):
        steps = [*one.steps, {"at": clock.now().isoformat(timespec="milliseconds"), "words": "The worker that did this ended here."}]
        SendAttempt.update(steps=steps, outcome="unclear", ended_at=clock.now()).where(SendAttempt.id == one.id).execute()
