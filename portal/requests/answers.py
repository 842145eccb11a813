"""What a supplier, or a person for it, answers to a request: accepted, rejected, canceled; and our own void.

Answers tell totals of a line, so that the same one again changes nothing. What cannot be used as told changes nothing either and
becomes an AnswerProblem that a person sees; where a person typed it, it is Refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal import clock
from portal.errors import NotFound, Refused
from portal.models import AnswerProblem, FulfillmentRequest, Merchant, RequestLine, Source, database
from portal.outbox import deciding as outbox
from portal.requests.counts import TooMany
from portal.requests.events import counts, lock_order, record
from portal.requests.states import SENT, STATES, may

ACCEPTED = {"accepted", "accept", "acknowledged", "ok", "yes", "confirmed", "backordered", "ia", "iq", "ip", "dr", "ib", "ac", "ad"}
REJECTED = {
    "rejected",
    "reject",
    "refused",
    "cancelled",
    "canceled",
    "no",
    "out of stock",
    "discontinued",
    "ir",
    "id",
    "rd",
    "r1",
    "r2",
    "r3",
    "r4",
}
"""What suppliers write for a line, folded; X12's ACK01 and BAK02 codes are among them. Another word is never guessed at."""
WITH_THEM = ("claimed", "uploading", "uploaded", "sent", "confirmed", "check_needed")
"""States of sending in which the supplier may have it already."""
MOVING = ("claimed", "uploading", "uploaded")


@dataclass(frozen=True)
class Answer:
    """What was told of one line, named by its public id or its Inventory SKU. `accepted`, `rejected`: units in all, None not told.

    `code`: their word, which counts where neither is told: it then is for all of the line that is not canceled or voided.
    """

    line: str = ""
    sku: str = ""
    accepted: int | None = None
    rejected: int | None = None
    code: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Origin:
    """Who or what told it. `cause`: person, file, api, webhook or supplier."""

    cause: str
    who: str = ""
    document_id: int | None = None
    run_id: int | None = None
    row: int | None = None


@dataclass
class Outcome:
    """`problems`: sentences, each kept as an AnswerProblem. `accepted`, `cancelled`: units that were moved."""

    accepted: int = 0
    cancelled: int = 0
    problems: list[str] = field(default_factory=list)


class Unusable(Exception):
    """An answer that is not used; `str(error)` says why."""


def meaning(code: str) -> str:
    """ "accept" or "reject" of a supplier's word; "" for one that is not known."""
    folded = " ".join(code.casefold().split())
    return "accept" if folded in ACCEPTED else "reject" if folded in REJECTED else ""


def acknowledge(
    request: FulfillmentRequest, answers: Sequence[Answer] = (), *, origin: Origin, fill: bool = True, their_id: str = "",
) -> Outcome:  # fmt: skip
    """Take an acknowledgement; none for a line means that everything open is accepted. Lines that can be used are, each as told.

    A line told as more than was ordered, an unknown line or an unknown word is a problem, and of that line nothing is changed.
    Raises Refused instead where a person said it, and then nothing at all is changed.
    """
    outcome = Outcome()
    with database.atomic():
        lock_order(request.order_id)
        fresh = FulfillmentRequest.get_by_id(request.id)
        try:
            _must_have_it(fresh)
            acts = _acts(fresh, answers, outcome, origin)
        except Unusable as problem:
            _problem(fresh, str(problem), answers, origin, outcome)
            return outcome
        if their_id and not fresh.their_id:
            FulfillmentRequest.update(their_id=their_id[:200]).where(FulfillmentRequest.id == fresh.id).execute()
        outcome.accepted = sum(units for act, _, units in acts if act == "accept")
        outcome.cancelled = sum(units for act, _, units in acts if act == "cancel")
        if acts:
            _record(fresh, acts, origin, fill, answers)
    return outcome


def cancel(request: FulfillmentRequest, lines: Mapping[str, int] | None, *, origin: Origin, fill: bool = True, reason: str = "") -> Outcome:
    """The supplier will not ship these units, {public id of a line: units}; None: all that is not shipped.

    `fill` frees them to be routed again, else ("kill") they are cancelled at the order too. Raises and tells as `acknowledge` does.
    """
    return _take_away(request, "cancel", lines, origin, fill, reason)


def void(
    request: FulfillmentRequest, lines: Mapping[str, int] | None, *, who: str, confirmed: bool, fill: bool = True, reason: str = ""
) -> Outcome:
    """We withdraw these units, as in `cancel`. Once the supplier may have the request, only with its word (`confirmed`). Raises Refused."""
    with database.atomic():
        lock_order(request.order_id)
        fresh = FulfillmentRequest.get_by_id(request.id)
        if not may("void", fresh.state):
            raise Refused(f"It is {STATES[fresh.state]}, so there is nothing to void.")
        if fresh.sending in MOVING:
            raise Refused(f"It is being sent to {fresh.source.name} at this moment. Look again in a minute. Nothing was voided.")
        if may_be_there(fresh) and not confirmed:
            raise Refused(f"{fresh.source.name} may have it already. Ask them first, and tick that they confirmed it. Nothing was voided.")
        if not may_be_there(fresh):
            outbox.withdraw(fresh, who)
        return _take_away(fresh, "void", lines, Origin("person", who), fill, reason)


def may_be_there(request: FulfillmentRequest) -> bool:
    """Whether the supplier has the request, or may have it."""
    return request.state in SENT or request.sending in WITH_THEM or request.sent_at is not None


def note_problem(
    merchant: Merchant, source: Source, request: FulfillmentRequest | None, words: str, told: Mapping[str, Any], origin: Origin
) -> AnswerProblem:
    """Keep something that a supplier told and nobody could use, for a person to see: of an unknown request too."""
    return AnswerProblem.create(
        merchant=merchant.id, source=source.id, request=request.id if request else None, at=clock.now(), cause=origin.cause,
        told=dict(told), words=words[:500], document_id=origin.document_id, run_id=origin.run_id, row=origin.row,
    )  # fmt: skip


def settle_problem(merchant: Merchant, public_id: str, who: str) -> AnswerProblem:
    """A person has seen to it. Raises NotFound."""
    row = AnswerProblem.get_or_none(AnswerProblem.merchant == merchant.id, AnswerProblem.public_id == public_id)
    if row is None:
        raise NotFound("problem")
    AnswerProblem.update(settled_at=clock.now(), settled_by=who).where(
        AnswerProblem.id == row.id, AnswerProblem.settled_at.is_null()
    ).execute()
    return AnswerProblem.get_by_id(row.id)


def open_problems(merchant: Merchant, request: FulfillmentRequest | None = None) -> list[AnswerProblem]:
    """What waits for a person, oldest first; of one request where it is given."""
    query = AnswerProblem.select().where(AnswerProblem.merchant == merchant.id, AnswerProblem.settled_at.is_null())
    if request is not None:
        query = query.where(AnswerProblem.request == request.id)
    return list(query.order_by(AnswerProblem.id))


def _must_have_it(request: FulfillmentRequest) -> None:
    if not (may("acknowledge", request.state) or (request.state == "processing" and request.sending in WITH_THEM)):
        raise Unusable(f"It is {STATES[request.state]}: an answer is only taken once it was sent. Nothing was changed.")


def _acts(
    request: FulfillmentRequest, answers: Sequence[Answer], outcome: Outcome, origin: Origin
) -> list[tuple[str, int, int]]:  # fmt: skip
    """The acts of the answers that can be used; those that cannot become problems."""
    lines = list(RequestLine.select().where(RequestLine.request == request.id).order_by(RequestLine.number))
    if not answers:
        return [("accept", line.id, line.open) for line in lines if line.open]
    acts: list[tuple[str, int, int]] = []
    for answer in answers:
        try:
            acts += _of_line(_line_of(lines, answer), answer)
        except Unusable as problem:
            _problem(request, str(problem), [answer], origin, outcome)
    return acts


def _line_of(lines: Sequence[RequestLine], answer: Answer) -> RequestLine:
    if answer.line:
        found = [line for line in lines if line.public_id == answer.line]
    else:
        found = [line for line in lines if line.sku == answer.sku]
    if len(found) > 1:
        raise Unusable(f"{answer.sku} is on {len(found)} lines of it, so the line must be named by its id. Nothing of them was changed.")
    if not found:
        raise Unusable(f"It has no line {answer.line or answer.sku or 'without a SKU'}. Nothing was changed.")
    return found[0]


def _of_line(line: RequestLine, answer: Answer) -> list[tuple[str, int, int]]:
    """What is still to be done for the totals that an answer tells."""
    now = counts(line)
    accepted, rejected = answer.accepted, answer.rejected
    if accepted is None and rejected is None:
        act = meaning(answer.code)
        if not act:
            raise Unusable(f"{line.sku}: “{answer.code[:60]}” is a code that we do not know. The line was neither accepted nor canceled.")
        rest = now.ordered - now.voided
        accepted, rejected = (rest - now.cancelled, None) if act == "accept" else (None, rest - now.shipped)
    elif answer.code and not meaning(answer.code):
        raise Unusable(f"{line.sku}: “{answer.code[:60]}” is a code that we do not know. The line was neither accepted nor canceled.")
    if min(accepted or 0, rejected or 0) < 0:
        raise Unusable(f"{line.sku}: a quantity below 0 was told. Nothing of the line was changed.")
    possible = now.ordered - now.voided
    if (told := (accepted or 0) + (rejected or 0)) > possible:
        voided = f" ({now.ordered:,} ordered, {now.voided:,} voided)" if now.voided else ""
        raise Unusable(
            f"{line.sku}: they answered for {told:,} units, and {possible:,} are asked for{voided}. Nothing of the line was changed."
        )
    taken = now.acknowledged + now.shipped
    more, gone = max(0, (accepted or 0) - taken), max(0, (rejected or 0) - now.cancelled)
    if accepted is not None and accepted < taken and not gone:
        raise Unusable(f"{line.sku}: they accept {accepted:,} now and accepted {taken:,} before. Nothing of the line was changed.")
    if gone > now.held - more or more > now.open:
        raise Unusable(f"{line.sku}: {now.shipped:,} are shipped already, so the answer cannot be. Nothing of the line was changed.")
    return [(act, line.id, units) for act, units in (("accept", more), ("cancel", gone)) if units]


def _record(
    request: FulfillmentRequest, acts: Sequence[tuple[str, int, int]], origin: Origin, fill: bool, answers: Sequence[Answer]
) -> None:
    reasons = "; ".join(dict.fromkeys(one.reason for one in answers if one.reason))
    for kind in ("accept", "cancel"):
        some = [act for act in acts if act[0] == kind]
        if some:
            words = "" if kind == "accept" else f"{reasons}. {FREED[fill]}".lstrip(". ")
            record(
                request, kind, some, cause=origin.cause, who=origin.who, fill=fill, words=words, document_id=origin.document_id,
                run_id=origin.run_id, row=origin.row,
            )  # fmt: skip


FREED = {True: "The order's lines can be routed again.", False: "The order's lines are cancelled too."}


def _take_away(request: FulfillmentRequest, act: str, lines: Mapping[str, int] | None, origin: Origin, fill: bool, reason: str) -> Outcome:
    outcome = Outcome()
    with database.atomic():
        lock_order(request.order_id)
        fresh = FulfillmentRequest.get_by_id(request.id)
        try:
            if act == "cancel":
                _must_have_it(fresh)
            acts = _taken(fresh, act, lines)
        except Unusable as problem:
            _problem(fresh, str(problem), [Answer(line=line, rejected=units) for line, units in (lines or {}).items()], origin, outcome)
            return outcome
        if acts:
            record(
                fresh, act, acts, cause=origin.cause, who=origin.who, fill=fill, words=f"{reason}. {FREED[fill]}".lstrip(". "),
                document_id=origin.document_id, run_id=origin.run_id, row=origin.row,
            )  # fmt: skip
            outcome.cancelled = sum(units for _, _, units in acts)
    return outcome


def _taken(request: FulfillmentRequest, act: str, lines: Mapping[str, int] | None) -> list[tuple[str, int, int]]:
    known = {line.public_id: line for line in RequestLine.select().where(RequestLine.request == request.id)}
    wanted = {name: counts(line).held for name, line in known.items()} if lines is None else lines
    acts = []
    for name, units in wanted.items():
        line = known.get(name)
        if line is None:
            raise Unusable("It has no such line. Nothing was changed.")
        if units < 0 or units > (possible := counts(line).possible(act)):
            raise Unusable(
                f"{line.sku}: {units:,} were asked for, and {possible if units >= 0 else 0:,} are open or accepted. Nothing was changed."
            )
        if units:
            acts.append((act, line.id, units))
    return acts


def _problem(request: FulfillmentRequest, words: str, answers: Sequence[Answer], origin: Origin, outcome: Outcome) -> None:
    if origin.cause == "person":
        raise Refused(words)
    told = {"lines": [{name: value for name, value in vars(one).items() if value not in ("", None)} for one in answers]}
    note_problem(request.merchant, request.source, request, words, told, origin)
    outcome.problems.append(words)


__all__ = [
    "Answer", "Origin", "Outcome", "TooMany", "acknowledge", "cancel", "may_be_there", "meaning", "note_problem", "open_problems",
    "settle_problem", "void",
]  # fmt: skip
