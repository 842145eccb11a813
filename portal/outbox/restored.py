"""After a restore without the whole journal: whatever was not known to have left may have done so since, so it opens as Check needed.

A line is written for each, as if it had left: the rules that compare journal and database then never send it by themselves.
"""

from __future__ import annotations

from typing import Any

from peewee import fn

from portal.models import FulfillmentRequest, Source, Submission, SubmissionMember, SubmissionPart
from portal.models.fields import new_public_id
from portal.outbox import journal
from portal.requests.states import ENDED

OPEN = ("waiting", "claimed", "uploading", "uploaded")
LAST = 500
"""So many submissions that left last must stand in the journal before it is believed of what left afterwards."""
UNSENT = ("", "rejected", "cancelled")


def note_doubts() -> int:
    """Note everything that may have left after the backup; how many. Nothing where the whole journal outlived the database: it knows."""
    if _journal_is_whole():
        return 0
    told: list[tuple[Submission, str, list[str]]] = []
    for submission in Submission.select(Submission, Source).join(Source).where(Submission.state << OPEN, Submission.kind == "orders"):
        told += [(submission, submission.source.public_id, _members(submission))] * (submission.tries + 1)
    unsent = (FulfillmentRequest.sending << UNSENT) & (FulfillmentRequest.shipped != "shipped")
    undone = unsent & FulfillmentRequest.state.not_in((*ENDED, "acknowledged"))
    for request in FulfillmentRequest.select(FulfillmentRequest, Source).join(Source).where(undone):
        made_up = Submission(public_id=new_public_id(), reference=request.number)
        told.append((made_up, request.source.public_id, [journal.key(request.number, _next_generation(request))]))
    journal.leaving_all(told)
    journal.forget()
    return len({one.public_id for one, _, _ in told})


def _journal_is_whole() -> bool:
    """Whether the journal here is of this installation, and holds what left last before the backup.

    An empty one, one of another installation, or one of several machines lacks some of it, so it may lack as much of what left afterwards.
    """
    journal.forget()
    held, sources = journal.held()
    if not Source.select(Source.id).where(Source.public_id << sources).exists():
        return False
    rendered = SubmissionPart.select(SubmissionPart.id).where(SubmissionPart.submission == Submission.id)  # a noted doubt has no bytes
    left: Any = Submission.select(Submission.public_id).where(
        Submission.left_at.is_null(False), Submission.kind == "orders", fn.EXISTS(rendered)
    )
    return all(name in held for (name,) in left.order_by(Submission.left_at.desc()).limit(LAST).tuples())


def _members(submission: Submission) -> list[str]:
    rows = SubmissionMember.select(SubmissionMember, FulfillmentRequest).join(FulfillmentRequest)
    return [journal.key(one.request.number, one.generation) for one in rows.where(SubmissionMember.submission == submission.id)]


def _next_generation(request: FulfillmentRequest) -> int:
    """The generation as which it would be sent next."""
    last = SubmissionMember.select(fn.MAX(SubmissionMember.generation)).where(SubmissionMember.request == request.id).scalar()
    return int(request.generation if last is None or request.generation > last else last + 1)
