"""Due requests become submissions: members fixed, bytes rendered once and stored, in one transaction, before anything leaves.

processing, due ─▶ lines ─▶ files(…) ─▶ Submission + members + parts      one that does not fit ─▶ failed, and says why; the rest goes on
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from peewee import fn

from portal import clock, config, order_mapping, order_setup
from portal.errors import Refused
from portal.models import FulfillmentRequest, Integration, Source, Submission, SubmissionMember, SubmissionPart, database
from portal.models.database import is_postgres
from portal.outbox import journal, messages
from portal.outbox.ways import CALLS, Way
from portal.requests import rules, sending
from portal.requests.document import Line, order_lines_of

MOST_IN_A_FILE = 500
_DIGITS, _LOOKED_BACK = 6, 100
AGAIN = ("", "rejected", "cancelled")
"""States of the newest submission after which a request that was processed (again) is due."""


def due(source_id: int | None = None) -> Any:
    """The query of requests that are to be sent now."""
    now = clock.now()
    at = FulfillmentRequest.not_before.is_null() | (FulfillmentRequest.not_before <= now)
    in_time = FulfillmentRequest.cancel_after.is_null() | (FulfillmentRequest.cancel_after > now)
    wanted = (FulfillmentRequest.state == "processing") & (FulfillmentRequest.sending << AGAIN) & at & in_time
    closed = rules.closed_now()
    return FulfillmentRequest.select().where(
        wanted, *([FulfillmentRequest.source == source_id] if source_id is not None else []),
        *([FulfillmentRequest.source.not_in(closed)] if closed else []),
    )  # fmt: skip


def collect(source: Source, integration: Integration, way: Way, who: str = "") -> int:
    """Make submissions of everything that is due at the source; how many requests they hold. Raises Refused for an unusable layout."""
    taken = 0
    while some := _collect_some(source, integration, way, who):
        taken += some
    return taken


def _collect_some(source: Source, integration: Integration, way: Way, who: str) -> int:
    if not due(source.id).exists():
        return 0
    journal.unknown_here()  # read before the transaction, so that it stays short
    with database.atomic():
        if is_postgres():  # two must not give the same number to a file
            database.execute_sql("SELECT id FROM source WHERE id = %s FOR NO KEY UPDATE", (source.id,))
        query = due(source.id).order_by(FulfillmentRequest.id).limit(MOST_IN_A_FILE)
        found = list(query.for_update(skip_locked=True) if is_postgres() else query)
        if not found:
            return 0
        for one in found:
            _next_generation(one)
        before = journal.left_before(source.public_id, [journal.key(one.number, one.generation) for one in found])
        known = [one for one in found if journal.key(one.number, one.generation) in before]
        fresh = [one for one in found if one not in known]
        lines = order_lines_of(found)
        for one in known:
            _open_as_unknown(source, way, one, who)
        for group in [[one] for one in fresh] if way.one_each else [fresh] if fresh else []:
            _make(source, integration, way, group, lines, who)
    return len(found)


def _next_generation(request: FulfillmentRequest) -> None:
    """A request that was in a submission before is sent as a new generation of itself."""
    last = SubmissionMember.select(fn.MAX(SubmissionMember.generation)).where(SubmissionMember.request == request.id).scalar()
    if last is not None and request.generation <= last:
        request.generation = last + 1
        FulfillmentRequest.update(generation=request.generation).where(FulfillmentRequest.id == request.id).execute()


def _make(
    source: Source, integration: Integration, way: Way, group: Sequence[FulfillmentRequest], lines: Mapping[int, list[Line]], who: str
) -> None:  # fmt: skip
    try:
        reference, parts = render(source, integration, way, group, lines)
    except Refused as refusal:
        if len(group) == 1:
            _fail(group[0], str(refusal))
            return
        good = [one for one in group if _fits(source, integration, way, one, lines)]
        if len(good) == len(group):
            raise
        if good:
            _make(source, integration, way, good, lines, who)
        return
    ids = [one.id for one in group]
    made = Submission.create(
        merchant=source.merchant_id, source=source, transport=way.transport, witness=way.witness, reference=reference,
        created_by=who, created_at=clock.now(), next_at=clock.now(),
    )  # fmt: skip
    add_parts(made, way.folder, parts)
    rows = [{"submission": made.id, "request": one.id, "generation": one.generation} for one in group]
    for start in range(0, len(rows), sending.CHUNK):
        SubmissionMember.insert_many(rows[start : start + sending.CHUNK]).execute()
    sending.copy_state(ids, "waiting", said="")


def add_parts(made: Submission, folder: str, parts: Sequence[order_mapping.OrderFile]) -> None:
    """Store what leaves, as it was rendered."""
    for place, one in enumerate(parts):
        SubmissionPart.create(
            submission=made, place=place, folder=folder, name=one.name, content_type=one.content_type, content=one.content,
            size=len(one.content), sha256=hashlib.sha256(one.content).hexdigest(),
        )  # fmt: skip


def render(
    source: Source, integration: Integration, way: Way, group: Sequence[FulfillmentRequest], lines: Mapping[int, list[Line]]
) -> tuple[str, list[order_mapping.OrderFile]]:  # fmt: skip
    """(our reference, the files or bodies) of these requests. Raises Refused for what cannot be written."""
    layout = way.layout or order_setup.layout_of(integration)
    number = group[0].number if way.one_each else next_number(source)
    rows = [line for one in group for line in lines[one.id]]
    if any(not lines[one.id] for one in group):
        empty = next(one for one in group if not lines[one.id])
        raise Refused(f"Nothing is left to ship of {empty.number}: every line is canceled or voided.")
    return number, documents(source, layout, way, rows, number)


def documents(
    source: Source, layout: Mapping[str, Any], way: Way, rows: Sequence[Line], number: str, test: bool = False
) -> list[order_mapping.OrderFile]:  # fmt: skip
    """What leaves of these order lines by this way: files, one message, or one body. Raises Refused for what cannot be written."""
    at = local_now(source)
    if way.transport == "webhook":
        return [messages.webhook(rows, reference=number, test=test)]
    if way.transport in CALLS:
        layout = {**layout, "one": True}  # a call is one order
    attached = str(way.settings.get("email_attach") or "file") if way.transport == "email" else "file"
    made = order_mapping.files(layout, rows, at=at, number=number) if attached != "sheet" else []
    if way.transport != "email":
        return made
    sender, to = config.current().smtp_from, way.folder
    if not sender:
        raise Refused("This installation has no address to send e-mail from (SMTP_FROM). Only its operator can set one.")
    name = source.merchant.name
    if attached != "file":
        made.append(
            order_mapping.OrderFile(f"{number}.pdf", order_mapping.PDF, order_mapping.order_sheets(rows, name=name, at=at, test=test))
        )
    return [messages.mail(rows, made, sender=sender, to=to, reference=number, name=name, at=at, test=test)]


def next_number(source: Source) -> str:
    """The number of the source's next file: one more than any that it, or the journal outside the database, ever knew."""
    newest = Submission.select(Submission.reference).where(Submission.source == source).order_by(Submission.id.desc()).limit(_LOOKED_BACK)
    ever = [one.reference for one in newest] + list(journal.references_of(source.public_id))
    number = max([int(one) for one in ever if one.isascii() and one.isdigit() and len(one) >= _DIGITS], default=0) + 1
    while Submission.select().where(Submission.source == source, Submission.reference == f"{number:0{_DIGITS}}").exists():
        number += 1
    return f"{number:0{_DIGITS}}"


def local_now(source: Source) -> datetime:
    """Now on the merchant's clock."""
    zone = ZoneInfo(source.merchant.time_zone or "UTC")
    return clock.now().replace(tzinfo=ZoneInfo("UTC")).astimezone(zone)


def _fits(source: Source, integration: Integration, way: Way, one: FulfillmentRequest, lines: Mapping[int, list[Line]]) -> bool:
    try:
        render(source, integration, way, [one], lines)
    except Refused as refusal:
        _fail(one, str(refusal))
        return False
    return True


def _fail(request: FulfillmentRequest, why: str) -> None:
    words = f"It does not fit into the order document, and was not sent. {why}"
    FulfillmentRequest.update(
        state="failed", said=words[:500], changed_at=clock.now(), version=FulfillmentRequest.version + 1
    ).where(FulfillmentRequest.id == request.id).execute()  # fmt: skip
    sending.note([request.id], "note", words)


RESTORED = (
    "It left this machine, or may have, before the database was restored from a backup, and what became of it since is not known here. "
    "It was not sent again."
)


def _open_as_unknown(source: Source, way: Way, request: FulfillmentRequest, who: str) -> None:
    """Nothing is rendered: what left is not known here any more, so there are no bytes that one could call the ones that left."""
    now = clock.now()
    made = Submission.create(
        merchant=source.merchant_id, source=source, transport=way.transport, witness=way.witness,
        reference=f"{request.number}@{now:%H%M%S%f}",
        state="check_needed", created_by=who, created_at=now, left_at=now, unknown_at=now, tries=1,
        problem={"code": "restored", "headline": "The database was restored", "body": RESTORED, "server_said": "", "why": RESTORED},
    )  # fmt: skip
    SubmissionMember.create(submission=made, request=request, generation=request.generation)
    sending.copy_state([request.id], "check_needed", said=RESTORED[:500])
    sending.note([request.id], "unknown", RESTORED)
