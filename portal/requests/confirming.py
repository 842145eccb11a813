"""An answer of the supplier proves that they have what they answer to: what was sent is confirmed, and what was in doubt is settled."""

from __future__ import annotations

from peewee import fn

from portal import clock
from portal.models import FulfillmentRequest, Submission, SubmissionMember
from portal.outbox import stops

ANSWERS = ("accept", "cancel", "ship")
"""Acts on lines that only somebody who has the order can tell of."""


def answered(request: FulfillmentRequest) -> None:
    """They told of this request: its submission, with all that left in the same file, is there. The caller holds the order."""
    mine = SubmissionMember.select(SubmissionMember.submission).where(SubmissionMember.request == request.id)
    row = (
        Submission.select()
        .where(Submission.id << mine, Submission.state << ("sent", "check_needed"))
        .order_by(Submission.id.desc())
        .first()
    )
    if row is None:
        return
    now, in_doubt = clock.now(), row.state == "check_needed"
    columns = {"state": "confirmed", "sent_at": fn.COALESCE(Submission.sent_at, now), "next_at": None, "lease_until": None, "token": ""}
    if in_doubt:
        columns["settled_by"] = "their answer"
    Submission.update(columns).where(Submission.id == row.id).execute()
    with_it = SubmissionMember.select(SubmissionMember.request).where(SubmissionMember.submission == row.id)
    changed = {"sending": "confirmed", "version": FulfillmentRequest.version + 1, "changed_at": now}
    FulfillmentRequest.update(changed).where(
        FulfillmentRequest.id << with_it, FulfillmentRequest.sending << ("sent", "check_needed")
    ).execute()  # fmt: skip
    if in_doubt:
        there = (FulfillmentRequest.id << with_it) & (FulfillmentRequest.state == "processing")
        FulfillmentRequest.update(state="processed", sent_at=now, said="").where(there).execute()
        stops.lift_if_found(row.source)
