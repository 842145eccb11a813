"""What webhooks brought: read by runs in the order it came, shown, read again, and erased when its time is over.

kept, until what reads it is on ─▶ waiting ─▶ taken by a run ─▶ read │ failed │ back to waiting, alone
Each is read as what it was declared to hold when it came, and a run takes one kind only. Of full deliveries that wait side by side
the newest replaces the others. Partial ones are the files of one run: a SKU's last one counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from peewee import JOIN, fn

from portal import audit, clock, config, runs
from portal.errors import NotFound, Refused
from portal.leases import Work
from portal.models import Document, Integration, Run, Source, WebhookDelivery, WebhookSeen, database
from portal.models.runs import UNFINISHED
from portal.receiving import ORIGIN, REMEMBERED
from portal.webhooks import READ_BY

SHOWN = 50
MOST_AT_ONCE = 200  # partial deliveries of one run
PACE = timedelta(seconds=10)  # between two runs of a source: what comes meanwhile is read together
BUSY, PACE_WHEN_BUSY = 30, timedelta(minutes=1)
"""After so many runs within an hour they keep this distance, so that a supplier who sends each second does not fill the history."""

PACE_AFTER_NOTHING = timedelta(minutes=5)  # after a run that failed before it took anything
KEPT_FILES = 5_000  # of one source; older ones that were read are erased before their age
KEPT_BYTES = 500_000_000  # the same in bytes, well below what a source may have here (hook_limits.MOST_BYTES)
LATELY = timedelta(days=1)
KEPT_LINES = timedelta(days=30)


@dataclass(frozen=True)
class Line:
    """A delivery as its page shows it, with the run that read it."""

    delivery: WebhookDelivery
    run: Run | None


def latest(source: Source, limit: int = SHOWN) -> list[Line]:
    """The newest deliveries of the source, refused ones among them, newest first."""
    mine = WebhookDelivery.select().where(WebhookDelivery.merchant == source.merchant_id, WebhookDelivery.source == source)
    rows = list(mine.order_by(WebhookDelivery.id.desc()).limit(limit))
    numbers = {row.run_id for row in rows if row.run_id is not None}
    known = {run.id: run for run in Run.select().where(Run.id << list(numbers), Run.merchant == source.merchant_id)}
    return [Line(row, known.get(row.run_id or 0)) for row in rows]


def counts(source: Source) -> Mapping[str, int]:
    """How many deliveries wait for a run ("waiting"), and until what reads them is turned on ("kept")."""
    mine = WebhookDelivery.select(WebhookDelivery.state, fn.COUNT(WebhookDelivery.id)).where(
        WebhookDelivery.source == source, WebhookDelivery.state << ("waiting", "kept")
    )
    found = dict(mine.group_by(WebhookDelivery.state).tuples().iterator())
    return {"waiting": 0, "kept": 0, **found}


def refused_lately(source: Source) -> int:
    """How many signatures did not fit within a day, since the last one that did: the sender may have another secret by now."""
    mine = (WebhookDelivery.source == source) & (WebhookDelivery.at > clock.now() - LATELY)
    last = WebhookDelivery.select(fn.MAX(WebhookDelivery.id)).where(mine, WebhookDelivery.status == 202).scalar() or 0
    return int(WebhookDelivery.select().where(mine, WebhookDelivery.id > last, WebhookDelivery.status == 401).count())


def find(source: Source, public_id: str) -> WebhookDelivery:
    """The source's delivery of that id. Raises NotFound."""
    row = WebhookDelivery.get_or_none(
        WebhookDelivery.merchant == source.merchant_id, WebhookDelivery.source == source, WebhookDelivery.public_id == public_id
    )
    if row is None:
        raise NotFound("delivery")
    return row


def sample(source: Source, kind: str = "inventory") -> Document | None:
    """The newest delivery of the kind whose bytes still lie here: what mappings are made on, and what a dry run reads."""
    mine = (Document.source == source) & (WebhookDelivery.kind == kind) & Document.stored_name.is_null(False)
    rows = Document.select().join(WebhookDelivery, on=(WebhookDelivery.document == Document.id))
    found: Document | None = rows.where(mine, WebhookDelivery.state != "left_out").order_by(WebhookDelivery.id.desc()).first()
    return found


# runs


def start_due() -> int:
    """Start a run for each live source whose deliveries wait, unless one is under way or has just been; how many were started.

    Whatever is committed is found here, so a worker that was killed, or a bell that nobody heard, only delays.
    """
    settle()
    release()
    started = 0
    for integration in _awaited():
        if _may_start(integration):
            try:
                runs.start_sync(integration, cause="delivery")
            except runs.AlreadyRunning:  # a person was a moment faster; that run takes the deliveries too
                continue
            started += 1
    return started


def release() -> None:
    """What was kept waits for a run from the moment on that its Get Shipments or Get Acknowledgements is on."""
    for kind, read_by in READ_BY.items():
        on = Integration.select(Integration.source).where(Integration.kind == read_by, Integration.enabled == True)  # noqa: E712
        kept = (WebhookDelivery.state == "kept") & (WebhookDelivery.kind == kind)
        if WebhookDelivery.select().where(kept, WebhookDelivery.source << on).exists():
            WebhookDelivery.update(state="waiting").where(kept, WebhookDelivery.source << on).execute()


def _awaited() -> Iterable[Integration]:
    on = (Source.state == "live") & Integration.on()
    found: list[Integration] = []
    for kind, read_by in READ_BY.items():
        waits = WebhookDelivery.select(WebhookDelivery.source).where(WebhookDelivery.state == "waiting", WebhookDelivery.kind == kind)
        rows = Integration.select(Integration, Source).join(Source).where(Integration.kind == read_by, on, Integration.source << waits)
        found += list(rows.order_by(Integration.id))
    return found


def _may_start(integration: Integration) -> bool:
    kind = runs.SYNC_KINDS[integration.kind]
    mine = Run.select().where(Run.integration == integration.id, Run.kind == kind)
    last = mine.order_by(Run.id.desc()).first()
    if last is None:
        return True
    if last.state in UNFINISHED:
        return False
    if _first_waiting(integration.source_id, kind).alone:
        return True
    took = WebhookDelivery.select().where(WebhookDelivery.run_id == last.id).exists()
    pace = PACE_AFTER_NOTHING if last.state == "failed" and last.cause == "delivery" and not took else _pace(mine)
    return bool(last.created_at <= clock.now() - pace)


def _pace(mine: Any) -> timedelta:
    """The least time between two of these runs now."""
    earlier = mine.order_by(Run.id.desc()).offset(BUSY - 1).limit(1).first()
    return PACE_WHEN_BUSY if earlier is not None and earlier.created_at > clock.now() - timedelta(hours=1) else PACE


def taken(work: Work) -> list[Document]:
    """The documents that this run reads, in the order they came; the same ones when it is interrupted or tried again."""
    mine = (WebhookDelivery.run_id == work.run.id) & (WebhookDelivery.state == "taken")
    if not WebhookDelivery.select().where(mine).exists():
        with work.transaction():
            _take(work)
    rows = list(WebhookDelivery.select().where(mine).order_by(WebhookDelivery.id))
    documents = {row.id: row for row in Document.select().where(Document.id << [row.document_id for row in rows])}
    return [documents[row.document_id] for row in rows]


def are_changes(documents: Sequence[Document]) -> bool | None:
    """Whether these came as deliveries of changes, or of all items; None for files that are no deliveries."""
    rows = WebhookDelivery.select(WebhookDelivery.holds).where(WebhookDelivery.document << list(documents), WebhookDelivery.holds != "")
    found = {row.holds for row in rows}
    return "partial" in found if found else None


def _take(work: Work) -> None:
    """Mark what the run reads, oldest first and of one kind: the newest of the full deliveries, which replaces them, or partial ones."""
    source_id, run_kind = work.run.source_id, work.run.kind
    holds = _first_waiting(source_id, run_kind).holds
    other = _waiting(source_id, run_kind).where(WebhookDelivery.holds != holds).order_by(WebhookDelivery.id).first()
    mine = _waiting(source_id, run_kind) if other is None else _waiting(source_id, run_kind).where(WebhookDelivery.id < other.id)
    waiting = list(mine.order_by(WebhookDelivery.id).limit(None if holds == "full" else MOST_AT_ONCE))
    if not waiting:
        return
    if holds == "full":
        chosen, replaced = waiting[-1:], waiting[:-1]
    elif waiting[0].alone:
        chosen, replaced = waiting[:1], []
    else:
        chosen, replaced = [row for row in waiting if not row.alone], []
        first_alone = next((row.id for row in waiting if row.alone), None)
        chosen = [row for row in chosen if first_alone is None or row.id < first_alone]
    _set(chosen, "waiting", state="taken", run_id=work.run.id)
    _set(replaced, "waiting", state="replaced", run_id=work.run.id, reason="A newer full delivery came before this one was read")
    _let_go(row.document_id for row in replaced)
    _tell(work, len(chosen), len(replaced))


def _tell(work: Work, count: int, replaced: int) -> None:
    if replaced:
        work.say(f"Only the newest of {replaced + 1:,} full deliveries is read; it replaces the others.")
    elif count > 1:
        last = " Of a SKU in several the last one counts." if work.run.kind == "inventory" else ""
        work.say(f"{count:,} deliveries are read together, in the order they came.{last}")


def settle() -> None:
    """Give each delivery of a run that has ended its end. Those of a run of several that failed wait again, each for a run alone."""
    ended = (
        Run.select()
        .join(WebhookDelivery, on=(WebhookDelivery.run_id == Run.id))
        .where(WebhookDelivery.state == "taken", Run.state.not_in(UNFINISHED))
        .distinct()
    )
    for run in list(ended):
        with database.atomic():
            rows = list(WebhookDelivery.select().where(WebhookDelivery.run_id == run.id, WebhookDelivery.state == "taken"))
            if run.state == "failed" and len(rows) > 1:
                _set(rows, "taken", state="waiting", alone=True, run_id=None)
                continue
            read = run.accepted or run.state == "held"
            why = {} if read or run.problem is None else {"reason": f"{run.problem['headline']}. {run.problem['body']}"[:300]}
            _set(rows, "taken", state="read" if read else "failed", alone=False, **why)
            _let_go(row.document_id for row in rows)


# what a person does


def leave_out(source: Source, public_id: str, who: str) -> None:
    """A delivery that waits, or is kept, is not read. Raises NotFound, Refused once a run has it."""
    row = find(source, public_id)
    with database.atomic():
        waits = (WebhookDelivery.id == row.id) & (WebhookDelivery.state << ("waiting", "kept"))
        if not WebhookDelivery.update(state="left_out", alone=False).where(waits).execute():
            raise Refused("This delivery does not wait any more. Nothing was changed.")
        _let_go([row.document_id])
        _log(source, who, "webhook.left_out", row)


def read_again(source: Source, public_id: str, who: str) -> int:
    """Let a delivery wait once more, with all of its kind that came after it, so that later values win again; how many wait then.

    Raises NotFound, Refused for one that was never kept, is not read yet, or whose bytes were erased.
    """
    row = find(source, public_id)
    with database.atomic():
        again = list(_settled_from(source, row))
        if not again or again[0].id != row.id:
            raise Refused("This delivery cannot be read again: it waits already, was refused, or its body was erased by age.")
        _set(again, "", state="waiting", alone=False, run_id=None, reason="")
        Document.update(erase_at=None).where(Document.id << [one.document_id for one in again]).execute()
        _log(source, who, "webhook.read_again", row)
    return len(again)


def may_read_again(row: WebhookDelivery) -> bool:
    """Whether `read_again` may be offered: its bytes are looked for only then."""
    return bool(row.state in ("read", "failed", "replaced", "left_out") and row.document_id is not None)


def _settled_from(source: Source, row: WebhookDelivery) -> Any:
    rows = WebhookDelivery.select(WebhookDelivery, Document).join(Document)
    mine = (WebhookDelivery.source == source) & (WebhookDelivery.kind == row.kind) & (WebhookDelivery.id >= row.id)
    kept = WebhookDelivery.state << ("read", "failed", "replaced", "left_out")
    later = (WebhookDelivery.id == row.id) | (WebhookDelivery.state != "left_out")
    return rows.where(mine, kept, later, Document.stored_name.is_null(False)).order_by(WebhookDelivery.id)


# what is erased


def erase_old() -> int:
    """Erase lines past their age, ids that are no longer remembered, and let the oldest files of busy sources go; how many lines went."""
    now = clock.now()
    with database.atomic():
        WebhookSeen.delete().where(WebhookSeen.at < now - REMEMBERED).execute()
        over = WebhookDelivery.state.not_in(("waiting", "taken", "kept"))
        old = WebhookDelivery.select(WebhookDelivery.id).join(Document, JOIN.LEFT_OUTER).where(over, WebhookDelivery.at < now - KEPT_LINES)
        erasable = old.where(Document.id.is_null() | Document.stored_name.is_null())
        gone = WebhookDelivery.delete().where(WebhookDelivery.id << erasable).execute()
    for source in Source.select().where(Source.id << Document.select(Document.source).where(Document.origin == ORIGIN)):
        _thin_out(source)
    return int(gone)


def _thin_out(source: Source) -> None:
    kept = Document.select().where(Document.source == source, Document.origin == ORIGIN, Document.stored_name.is_null(False))
    size, last = 0, None
    newest: Any = kept.select(Document.id, Document.size).order_by(Document.id.desc())
    for place, (number, more) in enumerate(newest.limit(KEPT_FILES + 1).tuples().iterator()):
        size += more
        if place == KEPT_FILES or size > KEPT_BYTES:
            last = number
            break
    if last is not None:
        mine = (Document.source == source) & (Document.origin == ORIGIN) & (Document.id <= last)
        Document.update(erase_at=clock.now()).where(mine, Document.erase_at.is_null(False)).execute()


def _let_go(documents: Iterable[int | None]) -> None:
    """From now on their bytes may be erased by age."""
    until = clock.now() + timedelta(days=config.current().keep_files_days)
    Document.update(erase_at=until).where(Document.id << [one for one in documents if one is not None]).execute()


def _waiting(source_id: int, run_kind: str) -> Any:
    """What waits for a run of that kind."""
    kind = next(one for one, read_by in READ_BY.items() if runs.SYNC_KINDS[read_by] == run_kind)
    mine = (WebhookDelivery.source == source_id) & (WebhookDelivery.kind == kind) & (WebhookDelivery.state == "waiting")
    return WebhookDelivery.select().where(mine)


def _first_waiting(source_id: int, run_kind: str) -> Any:
    return _waiting(source_id, run_kind).order_by(WebhookDelivery.id).first() or WebhookDelivery(alone=False)


def _set(rows: Sequence[WebhookDelivery], now: str, **columns: Any) -> None:
    """Write `columns` to those of the rows that are still as they were read: in state `now` ("" for any), of the same run."""
    for run_id in {row.run_id for row in rows}:
        mine = WebhookDelivery.id << [row.id for row in rows if row.run_id == run_id]
        same = WebhookDelivery.run_id.is_null() if run_id is None else WebhookDelivery.run_id == run_id
        WebhookDelivery.update(columns).where(mine, same, *([WebhookDelivery.state == now] if now else [])).execute()


def _log(source: Source, who: str, action: str, row: WebhookDelivery) -> None:
    audit.write(source.merchant, who, action, "source", source.public_id, before=None, after={"delivery": row.public_id})
