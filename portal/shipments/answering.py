"""The run that reads acknowledgement files: rows together by request, each request answered by portal.requests.answers.

A supplier's codes are read by its own table, then by the words and X12 codes that everybody uses; one that is in neither is not
guessed at: a person sees it. What was told before, word for word, is told once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal import order_mapping
from portal.fields import ANSWER_FIELDS
from portal.leases import Work
from portal.models import AnswerProblem, Document, FulfillmentRequest, MappingVersion, RequestLine, Source, database
from portal.requests import answers
from portal.requests.answers import Answer, Origin
from portal.requests.events import lock_order
from portal.requests.states import ENDED
from portal.runs import Outcome
from portal.shipments import matching
from portal.shipments.reading import MOST_SHOWN, Reader, read

PARTIAL = ("iq", "partial", "partially accepted", "accepted partially", "partial accept")
"""Accepted with another quantity (X12 ACK01 IQ): what it does not cover is rejected."""


@dataclass
class Reply:
    """The rows of a file that answer one request: (row, values) each."""

    row: int
    values: Mapping[str, Any]
    rows: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    def add(self, row: int, values: Mapping[str, Any]) -> None:
        """One more row."""
        self.rows.append((row, values))


class Unclear(Exception):
    """What rows say of a SKU contradicts itself; `str(error)` says how."""


def perform(work: Work) -> Outcome:
    """Run handler of Get Acknowledgements. Raises SupplierError for a file that cannot be read; what came before stays recorded."""
    return read(work, ANSWERS)


def meaning(code: str, table: Mapping[str, str]) -> str:
    """accept, partial or reject, as the supplier's own table says, else as everybody means it; "" for an unknown code."""
    folded = fold(code)
    return str(table.get(folded) or ("partial" if folded in PARTIAL else answers.meaning(code)))


def fold(code: str) -> str:
    """A code as it is compared."""
    return " ".join(code.casefold().split())


def take(source: Source, reply: Reply, table: Mapping[str, str], origin: Origin) -> Counter[str]:
    """Answer the request that the rows name: units accepted and canceled, problems that a person now sees, or known: nothing new."""
    reference = str(reply.values["order_reference"])
    skus = [str(values["sku"]) for _, values in reply.rows if values["sku"]]
    found: Counter[str] = Counter()
    with database.atomic():
        try:
            request = matching.request_of(source, reference, skus)
        except matching.Unmatched as why:
            told = {"reference": reference, "lines": [_plain(values) for _, values in reply.rows]}
            found["problems"] += _note(source, None, f"{why} Nothing was changed.", told, origin)
            found["known"] += not found["problems"]
            return found
        lock_order(request.order_id)
        lines = list(RequestLine.select().where(RequestLine.request == request.id).order_by(RequestLine.number))
        for sku, rows in _by_sku(reply).items():
            _answer(source, request, lines, sku, rows, table, origin, found)
        if not found:
            found["known"] += 1
    return found


def _answer(
    source: Source, request: FulfillmentRequest, lines: Sequence[RequestLine], sku: str, rows: Sequence[tuple[int, Mapping[str, Any]]],
    table: Mapping[str, str], origin: Origin, found: Counter[str],
) -> None:  # fmt: skip
    """What the rows of one SKU say; those without one speak of every line."""
    origin = Origin(origin.cause, origin.who, origin.document_id, origin.run_id, rows[0][0])
    mine = matching.lines_of(lines, sku) if sku else list(lines)
    said = [_plain(values) for _, values in rows]
    try:
        told = _told(sku, mine, [values for _, values in rows], table)
    except Unclear as why:
        found["problems"] += _note(source, request, f"{sku or 'All lines'}: {why} Nothing of it was changed.", {"lines": said}, origin)
        return
    over = request.state in ENDED and all(_says_nothing_new(line, one) for line, one in zip(mine, told, strict=True))
    if over or any(_known(request, one, origin) for one in told):
        return
    their_id = next((str(values["their_id"]) for _, values in rows if values["their_id"]), "")
    done = answers.acknowledge(request, told, origin=origin, their_id=their_id)
    found.update({name: units for name, units in (("accepted", done.accepted), ("canceled", done.cancelled)) if units})
    if done.problems:
        found["problems"] += len(done.problems)


def _told(sku: str, mine: Sequence[RequestLine], rows: Sequence[Mapping[str, Any]], table: Mapping[str, str]) -> list[Answer]:
    """The answers by line. Rows that are as many as the lines of their SKU are one for each, in order. Raises Unclear."""
    if not mine:
        raise Unclear("the request has no such line.")
    if sku and len(mine) == len(rows) > 1:
        return [_of_line(line, [row], table) for line, row in zip(mine, rows, strict=True)]
    amounts = any(row["accepted"] is not None or row["rejected"] is not None for row in rows)
    if len(mine) > 1 and amounts:
        raise Unclear(f"a quantity was told for {len(mine)} lines at once, so it is open which one is meant.")
    return [_of_line(line, rows, table) for line in mine]


def _of_line(line: RequestLine, rows: Sequence[Mapping[str, Any]], table: Mapping[str, str]) -> Answer:
    """One answer of all rows that speak of a line: their quantities added up. Raises Unclear."""
    rest = line.ordered - line.voided
    accepted = rejected = 0
    whole = ""
    reason = "; ".join(dict.fromkeys(str(row["reason"]) for row in rows if row["reason"]))
    for row in rows:
        code, yes, no = str(row["code"] or ""), row["accepted"], row["rejected"]
        means = meaning(code, table) if code else ""
        if code and not means:
            return Answer(line=line.public_id, code=code, reason=reason)  # [answers] says that it is not known
        if means == "reject" and yes:
            raise Unclear(f"“{code}” means rejected, and {yes:,} are told as accepted.")
        if means in ("accept", "partial") and yes == 0 and not no:
            raise Unclear(f"“{code}” means accepted, and the accepted quantity is 0.")
        if means == "partial" and yes is None:
            raise Unclear(f"“{code}” means accepted in part, and no quantity is told.")
        if not means and yes is None and no is None:
            raise Unclear("neither a status nor a quantity is told.")
        if yes is None and no is None or means == "reject" and not no:
            if whole not in ("", means):
                raise Unclear("one row accepts all units and another rejects them.")
            whole = means
        accepted += yes or 0
        rejected += max(0, rest - yes) if means == "partial" and no is None and yes is not None else no or 0
    if whole and len(rows) > 1 and (accepted or rejected):
        raise Unclear("one row speaks of all units and another of some.")
    if whole:
        return Answer(line=line.public_id, code="accepted" if whole == "accept" else "rejected", reason=reason)
    return Answer(line=line.public_id, accepted=accepted, rejected=rejected or None, reason=reason)


def _says_nothing_new(line: RequestLine, one: Answer) -> bool:
    """Whether a line stands as the answer says; asked of requests that are over, which take no answer any more."""
    means, rest = answers.meaning(one.code) if one.code else "", line.ordered - line.voided
    if one.code and not means:
        return False
    accepted = rest - line.cancelled if means == "accept" else one.accepted or 0
    rejected = rest - line.shipped if means == "reject" else one.rejected or 0
    return bool(accepted <= line.acknowledged + line.shipped and rejected <= line.cancelled)


def _by_sku(reply: Reply) -> dict[str, list[tuple[int, Mapping[str, Any]]]]:
    found: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for row, values in reply.rows:
        found.setdefault(str(values["sku"] or ""), []).append((row, values))
    return found


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value not in ("", None)}


def _known(request: FulfillmentRequest, one: Answer, origin: Origin) -> bool:
    """Whether the very same answer is a problem that was kept before: a file that is read again tells it once."""
    told = {"lines": [{name: value for name, value in vars(one).items() if value not in ("", None)}]}
    return _told_before(request.source_id, request.id, told, origin)


def _note(source: Source, request: FulfillmentRequest | None, words: str, told: Mapping[str, Any], origin: Origin) -> int:
    if _told_before(source.id, request.id if request else None, told, origin, words):
        return 0
    answers.note_problem(source.merchant, source, request, words, told, origin)
    return 1


def _told_before(source_id: int, request_id: int | None, told: Mapping[str, Any], origin: Origin, words: str = "") -> bool:
    before = AnswerProblem.select().where(AnswerProblem.source == source_id, AnswerProblem.cause == origin.cause)
    before = before.where(AnswerProblem.request.is_null() if request_id is None else AnswerProblem.request == request_id)
    before = before.where(AnswerProblem.words == words[:500]) if words else before
    return any(one.told == dict(told) for one in before)


def _record(work: Work, version: MappingVersion, document: Document, reply: Reply, counts: Counter[str]) -> None:
    assert work.source is not None
    origin = Origin("file", document_id=document.id, run_id=work.run.id, row=reply.row)
    found = take(work.source, reply, version.rules.get("codes") or {}, origin)
    counts.update(found)
    if found["problems"] and counts["problems"] <= MOST_SHOWN:
        work.say(f"Row {reply.row}: the answer to {reply.values['order_reference']} waits for you.", "warning")


ANSWERS = Reader(
    "Get Acknowledgements",
    order_mapping.compile_answers,
    lambda values: (values["order_reference"],),
    Reply,
    _record,
    ANSWER_FIELDS,
    waits="problems",
)
