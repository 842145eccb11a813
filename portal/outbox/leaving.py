"""The moment from which bytes may leave: written to the database, then to the journal outside of it, then they may."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from portal import clock
from portal.models import FulfillmentRequest, SubmissionMember, SubmissionPart, database
from portal.models import Submission as Row
from portal.outbox import journal
from portal.outbox.claim import Hold


def parts_of(submission: Row) -> list[SubmissionPart]:
    """Its files or bodies, in their order."""
    return list(SubmissionPart.select().where(SubmissionPart.submission == submission.id).order_by(SubmissionPart.place))


def leaving(hold: Hold, parts: Iterable[SubmissionPart], state: str) -> None:
    """Say in the database and in the journal that the bytes may leave from now on. Raises LostClaim."""
    row = hold.submission
    with database.atomic():
        hold.save(state=state, left_at=row.left_at or clock.now(), server=row.server)
        for part in parts:
            SubmissionPart.update(temp_name=part.temp_name, state="uploading").where(SubmissionPart.id == part.id).execute()
    digest = hashlib.sha256("".join(part.sha256 for part in parts).encode()).hexdigest()
    journal.leaving(row, row.source.public_id, requests_of(row), digest)


def requests_of(submission: Row) -> list[str]:
    """The requests in it as the journal names them."""
    rows: Any = SubmissionMember.select(FulfillmentRequest.number, SubmissionMember.generation).join(FulfillmentRequest)
    mine = rows.where(SubmissionMember.submission == submission.id).order_by(SubmissionMember.id).tuples()
    return [journal.key(number, generation) for number, generation in mine]
