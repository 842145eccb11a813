"""A supplier fetches its requests: it leases some for a while, takes them over, and confirms. Until then they are its to fetch again.

due ─▶ submissions, one each ─▶ lease (id, end) ─▶ confirm ─▶ sent │ end passed: leased anew, the same bytes under the same reference
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal import clock
from portal.errors import NotFound, Refused
from portal.models import FulfillmentRequest, Integration, SendAttempt, Source, Submission, SubmissionMember, database
from portal.models.database import is_postgres
from portal.outbox import claim, collect, journal, settle, stops, ways
from portal.outbox.leaving import parts_of, requests_of
from portal.requests import sending

MOST, SHORTEST, LONGEST = 100, 30, 3600  # requests in a lease; its seconds


@dataclass(frozen=True)
class Lease:
    """`id` confirms it until `ends_at` (naive UTC), and after it as long as nobody leased the same anew."""

    id: str
    ends_at: datetime
    requests: Sequence[FulfillmentRequest]


def lease(source: Source, most: int, seconds: int, who: str) -> Lease:
    """Lease at most `most` requests that are due. Raises Refused where the source does not fetch them, or sending rests."""
    integration = Integration.get_or_none(Integration.source == source.id, Integration.kind == "send_orders")
    way = ways.of(source, integration) if integration is not None and integration.enabled else None
    if integration is None or way is None or way.transport != "pull":
        raise Refused(f"Send Orders of {source.name} is not set to be fetched. The merchant chooses that under Send Orders.")
    if stop := stops.mind_the_journal() or stops.of(source):
        raise Refused(f"Sending rests: {stop.why}")
    collect.collect(source, integration, way, who)
    until = clock.now() + timedelta(seconds=min(max(seconds, SHORTEST), LONGEST))
    token = secrets.token_hex(16)
    with database.atomic():
        free = (Submission.state == "waiting") | ((Submission.state == "claimed") & (Submission.lease_until < clock.now()))
        rows = Submission.select().where(Submission.source == source.id, Submission.transport == "pull", free)
        rows = rows.order_by(Submission.id).limit(min(most, MOST))
        found = list(rows.for_update(skip_locked=True) if is_postgres() else rows)
        for one in found:
            _hand_out(one, token, until, who)
    return Lease(token, until, _requests(found))


def confirm(source: Source, lease_id: str, who: str) -> Sequence[FulfillmentRequest]:
    """They have what the lease held; a second time changes nothing. Raises NotFound, Refused once others lease the same."""
    tried = (SendAttempt.token == lease_id) & (SendAttempt.kind == "try")
    mine = Submission.select(Submission).join(SendAttempt).where(Submission.source == source.id, Submission.transport == "pull", tried)
    found = list(mine.order_by(Submission.id).distinct())
    if not lease_id or not found:
        raise NotFound("lease")
    for one in found:
        if one.state == "claimed" and one.token == lease_id:
            attempt = SendAttempt.get(SendAttempt.submission == one.id, SendAttempt.token == lease_id)
            settle.sent(claim.Hold(one, attempt), f"{who} fetched it and confirmed.")
    taken = [one for one in _requests(found) if one.sending in ("sent", "confirmed")]
    if not taken:
        raise Refused(f"{_why_not(found, lease_id)} Nothing was confirmed by it.")
    return taken


def _why_not(rows: Sequence[Submission], lease_id: str) -> str:
    """Why a lease confirms none of its requests any more."""
    if any(one.state == "claimed" and one.token != lease_id for one in rows):
        return "This lease ended, and its requests were leased anew since."
    if any(one.state == "check_needed" for one in rows):
        return "This lease ended, and the merchant is to decide about its requests. Tell them that you have these."
    if all(one.state in ("cancelled", "rejected") for one in rows):
        return "The merchant took the requests of this lease back. Do not ship them."
    return "This lease ended, and its requests are offered again."


def _hand_out(row: Submission, token: str, until: datetime, who: str) -> None:
    """Give the submission to this lease: from now on they may have it."""
    now = clock.now()
    if row.state == "claimed":
        steps = [{"at": now.isoformat(timespec="milliseconds"), "words": "The lease ended without a word, so it was offered again."}]
        old = (SendAttempt.submission == row.id) & (SendAttempt.outcome == "")
        SendAttempt.update(steps=steps, outcome="unclear", ended_at=now).where(old).execute()
    SendAttempt.create(
        submission=row.id, kind="try", token=token, started_at=now, by=who, may_have_left=True,
        steps=[{"at": now.isoformat(timespec="milliseconds"), "words": f"{who} leased it by the API."}],
    )  # fmt: skip
    columns = {"state": "claimed", "token": token, "lease_until": until, "left_at": row.left_at or now, "tries": row.tries + 1}
    Submission.update(columns).where(Submission.id == row.id).execute()
    digest = hashlib.sha256("".join(one.sha256 for one in parts_of(row)).encode()).hexdigest()
    journal.leaving(row, row.source.public_id, requests_of(row), digest)
    ids = sending.members(row)
    sending.copy_state(ids, "claimed")
    sending.note(ids, "sending", f"{who} leased it by the API.", who, "api")


def _requests(rows: Sequence[Submission]) -> list[FulfillmentRequest]:
    ids = SubmissionMember.select(SubmissionMember.request).where(SubmissionMember.submission << [one.id for one in rows])
    return list(FulfillmentRequest.select().where(FulfillmentRequest.id << ids).order_by(FulfillmentRequest.id))
