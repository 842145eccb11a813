"""What sending does to requests: the copy of the submission's state, their own state, and a line of the timeline. Many at once.

The caller holds the transaction in which the submission changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal import clock
from portal.models import FulfillmentRequest, Order, RequestEvent, RequestLine, Submission, SubmissionMember
from portal.models.database import is_postgres
from portal.requests.events import lock_order, settle, settle_order
from portal.requests.states import ENDED

CHUNK = 500


def members(submission: Submission) -> list[int]:
    """The ids of the requests in a submission."""
    rows = SubmissionMember.select(SubmissionMember.request).where(SubmissionMember.submission == submission.id)
    return [one.request_id for one in rows.order_by(SubmissionMember.id)]


def hold_orders(ids: Sequence[int]) -> None:
    """Hold the orders of these requests, the lowest first, before anything else is written: whoever records an answer does so too."""
    if not is_postgres():
        return
    for some in _chunks(ids):
        mine = FulfillmentRequest.select(FulfillmentRequest.order).where(FulfillmentRequest.id << some)
        list(Order.select(Order.id).where(Order.id << mine).order_by(Order.id).for_update())


def copy_state(ids: Sequence[int], state: str, **columns: Any) -> None:
    """Write the submission's state, and more columns, onto its requests."""
    changed = {"sending": state, "changed_at": clock.now(), "version": FulfillmentRequest.version + 1, **columns}
    for some in _chunks(ids):
        FulfillmentRequest.update(changed).where(FulfillmentRequest.id << some).execute()


def sent(ids: Sequence[int], words: str, *, their_id: str = "", due_at: datetime | None = None, who: str = "") -> None:
    """The source has them: processing becomes processed, and what was answered meanwhile is settled."""
    now = clock.now()
    copy_state(ids, "sent", sent_at=now, due_at=due_at, said="", changed_by=who, **({"their_id": their_id} if their_id else {}))
    for some in _chunks(ids):
        live = (FulfillmentRequest.id << some) & (FulfillmentRequest.state.not_in(ENDED))
        FulfillmentRequest.update(state="processed").where(live, FulfillmentRequest.state << ("processing", "failed")).execute()
        answered = RequestLine.select(RequestLine.request).where(RequestLine.request << some, RequestLine.open < RequestLine.ordered)
        for one in list(FulfillmentRequest.select().where(FulfillmentRequest.id << answered)):
            lock_order(one.order_id)
            settle(one.id, who)
            settle_order(one.order_id, who)
    note(ids, "sent", words, who)


def rejected(ids: Sequence[int], words: str, who: str = "") -> None:
    """The supplier has read them and will not take them: they are failed, until a person changes something and processes them again."""
    copy_state(ids, "rejected", said=words[:500], changed_by=who)
    for some in _chunks(ids):
        waits = (FulfillmentRequest.id << some) & (FulfillmentRequest.state == "processing")
        FulfillmentRequest.update(state="failed").where(waits).execute()
    note(ids, "rejected", words, who)


def note(ids: Sequence[int], kind: str, words: str, who: str = "", cause: str = "") -> None:
    """One line in the timeline of each request. `kind`: a key of events.KINDS."""
    row = {
        "kind": kind,
        "cause": cause or ("person" if who else "system"),
        "who": who,
        "words": words[:500],
        "at": clock.now(),
        "moves": [],
    }
    for some in _chunks(ids):
        RequestEvent.insert_many([{"request": one, **row} for one in some]).execute()


def _chunks(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + CHUNK] for start in range(0, len(ids), CHUNK)]
