"""What a person decides about a submission: they have it, they do not have it, look again now; and taking back what never left."""

from __future__ import annotations

from typing import Any

from portal import audit, clock
from portal.errors import Invalid, NotFound, Refused
from portal.models import FulfillmentRequest, SendAttempt, Submission, SubmissionMember, database
from portal.models.database import is_postgres
from portal.outbox import journal, stops
from portal.requests import sending

LONGEST_NUMBER = 200


def newest(request: FulfillmentRequest) -> Submission | None:
    """The request's newest submission, None while there is none."""
    rows = Submission.select().join(SubmissionMember).where(SubmissionMember.request == request.id)
    found: Submission | None = rows.order_by(SubmissionMember.generation.desc()).first()
    return found


def in_doubt(request: FulfillmentRequest) -> Submission:
    """The submission of which we do not know whether it arrived. Raises NotFound where there is none such."""
    found = newest(request)
    if found is None or found.state != "check_needed":
        raise NotFound("question about this request")
    return found


def they_have_it(request: FulfillmentRequest, their_id: str, who: str) -> Submission:
    """A person asked the supplier: it is there. Every request of the submission counts as sent. Raises Invalid, Refused."""
    number = their_id.strip()
    if len(number) > LONGEST_NUMBER or not number.isprintable():
        raise Invalid({"their_id": f"Enter their number in at most {LONGEST_NUMBER} characters, or leave it empty."})
    with database.atomic():
        row = _locked(in_doubt(request))
        now = clock.now()
        Submission.update(state="sent", sent_at=now, settled_by=who, their_id=number, lease_until=None, next_at=None, token="").where(
            Submission.id == row.id
        ).execute()
        words = f"{who} asked them, and they have it" + (f" as {number}" if number else "")
        ids = sending.members(row)
        sending.sent(ids, words, their_id=number if len(ids) == 1 else "", who=who)
        _write_down(row, "they_have_it", words, who)
        stops.lift_if_found(row.source)
        _log(request, who, "sending.they_have_it", {"state": "sent", "their_id": number})
    journal.ended(row)
    return row


def send_again(request: FulfillmentRequest, who: str) -> list[int]:
    """A person asked the supplier: it is not there. Its requests are to be sent as a new generation; their ids. Raises Refused."""
    with database.atomic():
        row = _locked(in_doubt(request))
        Submission.update(state="cancelled", settled_by=who, lease_until=None, next_at=None, token="").where(
            Submission.id == row.id
        ).execute()
        words = f"{who} asked them, and they do not have it: it is to be sent again"
        ids = sending.members(row)
        grown = {"generation": FulfillmentRequest.generation + 1}
        sending.copy_state(ids, "", said="", **grown)
        sending.note(ids, "resent", words, who)
        _write_down(row, "send_again", words, who)
        stops.lift_if_found(row.source)
        _log(request, who, "sending.send_again", {"state": "to be sent again", "requests": len(ids)})
    return ids


def look_again(request: FulfillmentRequest, who: str) -> Submission:
    """Have the next run look now. Raises Refused for what cannot be looked for."""
    row = in_doubt(request)
    if not can_look(row):
        raise Refused("Nothing lets us see at this supplier whether it arrived. Ask them with the message below.")
    with database.atomic():
        Submission.update(next_at=clock.now()).where(Submission.id == row.id, Submission.state == "check_needed").execute()
        _write_down(row, "look", f"{who} asked to look again", who)
    return row


def can_look(row: Submission) -> bool:
    """Whether there is something at the supplier that can be looked at."""
    return row.witness in ("rename", "cleaned", "list", "unique", "listed") and bool(row.parts.exists())


def withdraw(request: FulfillmentRequest, who: str) -> bool:
    """Take back what has not begun to leave; True where it is in no submission any more. Raises Refused once bytes may have left."""
    row = newest(request)
    if row is None or row.state in ("cancelled", "rejected"):
        return True
    with database.atomic():
        row = _locked(row)
        if row.left_at is not None or row.state != "waiting":
            raise Refused("It has begun to leave, or has left: the supplier may have it. Ask them to cancel it.")
        take_back(row, f"{who} withdrew {request.number} before anything left", who)
    return True


def take_back(row: Submission, words: str, who: str = "") -> None:
    """End a submission of which nothing left. Its requests are free to be collected again, each as its next generation."""
    with database.atomic():
        Submission.update(state="cancelled", settled_by=who, lease_until=None, next_at=None, token="").where(
            Submission.id == row.id, Submission.left_at.is_null()
        ).execute()
        ids = sending.members(row)
        sending.copy_state(ids, "", generation=FulfillmentRequest.generation + 1)
        _write_down(row, "not_sent", words, who)


def _locked(row: Submission) -> Submission:
    """The row as it is now, held until the transaction ends. Raises Refused where somebody was faster."""
    query = Submission.select().where(Submission.id == row.id)
    found: Submission = query.for_update().get() if is_postgres() else query.get()
    if found.state != row.state:
        raise Refused("Somebody, or the next look, was faster. See what it says now.")
    return found


def _write_down(row: Submission, outcome: str, words: str, who: str) -> None:
    steps: list[dict[str, Any]] = [{"at": clock.now().isoformat(timespec="milliseconds"), "words": words}]
    SendAttempt.create(submission=row, kind="person", outcome=outcome, steps=steps, by=who, ended_at=clock.now())


def _log(request: FulfillmentRequest, who: str, act: str, after: dict[str, Any]) -> None:
    audit.write(request.merchant, who, act, "request", request.public_id, before={"state": "check_needed"}, after=after)
