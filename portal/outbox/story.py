"""The sending of one request as a person reads it: each submission, what was in it, every try and look, and the message to ask with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from portal.errors import NotFound
from portal.models import (
    FulfillmentRequest,
    Integration,
    Merchant,
    SendAttempt,
    SendingStop,
    Source,
    Submission,
    SubmissionMember,
    SubmissionPart,
)
from portal.outbox import deciding, settle, stops, witnesses
from portal.outbox.leaving import parts_of
from portal.requests.states import SENDING

OUTCOMES = {
    "": "Under way",
    "sent": "Sent",
    "refused": "Refused",
    "not_sent": "Not sent",
    "unknown": "Nobody saw how it ended",
    "found": "Found: it arrived",
    "absent": "Not found",
    "several": "More than one found",
    "unclear": "It could not be told",
    "they_have_it": "They have it",
    "send_again": "They do not have it",
    "look": "Look again",
}
STATES = SENDING
KINDS = {"try": "Try", "look": "Look", "person": "Decision"}
LONGEST_SHOWN = 20_000
TEXTS = ("text/", "application/json", "application/xml", "message/")


@dataclass(frozen=True)
class Step:
    """`at` naive UTC."""

    at: datetime
    words: str


@dataclass(frozen=True)
class Told:
    """One attempt. `outcome`, `kind` in words."""

    row: Any
    kind: str
    outcome: str
    steps: Sequence[Step]


@dataclass(frozen=True)
class Part:
    """One file or body of a submission. `text`: its beginning where it is text, "" else. `erased_at`: when its bytes were erased."""

    place: int
    name: str
    size: int
    sha256: str
    text: str
    cut: bool
    erased_at: datetime | None


@dataclass(frozen=True)
class Chapter:
    """One submission. `others`: how many further requests it holds; `proof`: what its witness proves, in a sentence."""

    row: Any
    generation: int
    others: int
    proof: str
    parts: Sequence[Part]
    attempts: Sequence[Told]
    again_by: str = ""


def find(merchant: Merchant, public_id: str) -> FulfillmentRequest:
    """The merchant's request of that id. Raises NotFound."""
    found = FulfillmentRequest.get_or_none(FulfillmentRequest.merchant == merchant, FulfillmentRequest.public_id == public_id)
    if found is None:
        raise NotFound("fulfillment request")
    return found


def chapters(request: FulfillmentRequest) -> list[Chapter]:
    """Every submission of the request, newest first."""
    rows = SubmissionMember.select(SubmissionMember, Submission).join(Submission).where(SubmissionMember.request == request.id)
    return [_chapter(one.submission, one.generation) for one in rows.order_by(SubmissionMember.generation.desc())]


def part(merchant: Merchant, submission_id: str, place: int) -> SubmissionPart:
    """One file or body of a submission, with its bytes. Raises NotFound."""
    found: SubmissionPart | None = (
        SubmissionPart.select()
        .join(Submission)
        .where(Submission.merchant == merchant, Submission.public_id == submission_id, SubmissionPart.place == place)
        .first()
    )
    if found is None:
        raise NotFound("document")
    return found


def stop_of(request: FulfillmentRequest) -> SendingStop | None:
    """What keeps the request's source from sending now, if anything."""
    return stops.of(request.source)


def may_test(request: FulfillmentRequest) -> bool:
    """Whether its source has a place for tests."""
    row = Integration.get_or_none(Integration.source == request.source_id, Integration.kind == "send_orders")
    return bool(row and row.enabled and row.settings.get("test_place"))


def stop_at(source: Source) -> SendingStop | None:
    """What keeps a source from sending now, if anything."""
    return stops.of(source)


def what_we_know(request: FulfillmentRequest, row: Submission) -> list[str]:
    """What happened, in sentences with times: when it left, how that ended, what looking showed, why we stopped."""
    name, zone = request.source.name, request.merchant.time_zone
    told = [f"We sent {request.number} to {name} at {_at(row.left_at, zone)}."] if row.left_at else []
    problem = row.problem or {}
    if problem.get("headline"):
        told.append(f"{problem['headline'].rstrip('.')}. {problem.get('body', '')}".strip())
    looks = [one for one in settle.attempts(row) if one.kind == "look" and one.outcome]
    if looks:
        times = ", ".join(_at(one.started_at, zone, short=True) for one in looks)
        found = "found nothing" if all(one.outcome == "absent" for one in looks) else "could not tell"
        told.append(f"We looked {len(looks)} {'time' if len(looks) == 1 else 'times'} and {found} ({times}).")
    if problem.get("why") and problem["why"] not in told[-1:]:
        told.append(problem["why"])
    return told


def message(request: FulfillmentRequest, row: Submission) -> str:
    """What to ask the supplier, ready to be sent. It holds no secret."""
    zone, parts = request.merchant.time_zone, parts_of(row)
    files = [f"File: {one.name}, {one.size:,} bytes, SHA-256 {one.sha256}" for one in parts if one.name]
    left = f"We sent it at {_at(row.left_at, zone)} ({zone}); our reference is {row.reference}." if row.left_at else ""
    others = [other for other in numbers(row) if other != request.number]
    lines = [
        "Hello,", "", f"did our order {request.number} arrive in your system?", left, *files,
        f"The same file holds: {', '.join(others[:20])}{' and more' if len(others) > 20 else ''}." if others else "",
        "", "If it did, which number does it have with you? If it did not, we send it again. Until you answer we do not.", "", "Thank you",
    ]  # fmt: skip
    return "\n".join(line for n, line in enumerate(lines) if line or n in (1, len(lines) - 4, len(lines) - 2))


def numbers(row: Submission) -> list[str]:
    """The numbers of all requests in a submission."""
    rows: Any = FulfillmentRequest.select(FulfillmentRequest.number).join(
        SubmissionMember, on=(SubmissionMember.request == FulfillmentRequest.id)
    )
    return [number for (number,) in rows.where(SubmissionMember.submission == row.id).order_by(SubmissionMember.id).tuples()]


def _chapter(row: Submission, generation: int) -> Chapter:
    told = settle.attempts(row)
    again = next((one.by for one in told if one.outcome == "send_again"), "")
    others = SubmissionMember.select().where(SubmissionMember.submission == row.id).count() - 1
    parts, attempts = [_part(one) for one in parts_of(row)], [_told(one) for one in told]
    return Chapter(row, generation, others, witnesses.KINDS.get(row.witness, ""), parts, attempts, again)


def _part(one: SubmissionPart) -> Part:
    shown = one.content_type.startswith(TEXTS)
    text = bytes(one.content)[:LONGEST_SHOWN].decode("utf-8", "replace") if shown else ""
    return Part(one.place, one.name, one.size, one.sha256, text, one.size > LONGEST_SHOWN, one.erased_at)


def _told(one: SendAttempt) -> Told:
    steps = [Step(datetime.fromisoformat(step["at"]), step["words"]) for step in one.steps]
    return Told(one, KINDS[one.kind], OUTCOMES.get(one.outcome, one.outcome), steps)


def _at(moment: datetime, zone: str, short: bool = False) -> str:
    local = moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone or "UTC"))
    return f"{local:%H:%M}" if short else f"{local:%H:%M:%S on} {local.day} {local:%b}"


def can_look(row: Submission) -> bool:
    """Whether looking again can show anything."""
    return deciding.can_look(row)
