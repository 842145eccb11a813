"""The run row: start, claim, perform, finish. The database is the queue; a doorbell only says that something waits in it.

queued ─▶ running ─▶ finished · warnings · no_change · held · failed · stopped
   ▲          └── temporary failure, shutdown or a dead worker: back in the queue, going on from the checkpoint
"""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from peewee import IntegrityError, InterfaceError, OperationalError, fn

from portal import accepted as accepted_feeds
from portal import clock, failpoints, leases, logs, tracing, turns
from portal.errors import Later, NotFound, Problem, Refused, SupplierError
from portal.leases import GivenBack, LostLease, Stopped, Work
from portal.models import Integration, Merchant, Run, RunMessage, Source, database
from portal.models.database import is_postgres
from portal.models.runs import UNFINISHED

__all__ = ["AlreadyRunning", "LostLease", "Outcome", "Stopped", "Work", "claim", "find", "listing", "perform", "start", "work_available"]

log = logging.getLogger(__name__)

MOST_INTERRUPTIONS = 5
RETRY_MINUTES = (2, 5, 15, 30, 60)  # after the first, second … temporary failure; then the run has failed
RETRIED_KINDS = ("inventory", "get_shipments", "get_acknowledgements", "channel_orders", "push_listings")
SYNC_KINDS = {
    "get_inventory_primary": "inventory", "get_inventory_secondary": "inventory", "send_orders": "send_orders",
    "get_shipments": "get_shipments", "get_acknowledgements": "get_acknowledgements",
    "get_channel_orders": "channel_orders", "send_tracking": "channel_tracking", "send_listings": "push_listings",
}  # fmt: skip
WRITERS = ("inventory", "accept_removals", "fixed_rows", "revert", "silence", "remove_inventory")
"""Kinds of which one at a time works on a source: two feeds of it, or a feed and a revert, never write side by side."""

DRY_RUN = "dry_run"
ASKED_FOR = (DRY_RUN, "connection_check")
KEPT_WHEN_RETRIED = ("files",)  # of the checkpoint: a set of files stays the same set
GOOD = ("finished", "warnings", "no_change")


class AlreadyRunning(Refused):
    """The integration has an unfinished run: `.run`."""

    def __init__(self, run: Run) -> None:
        seconds = max(0, int((clock.now() - (run.started_at or run.created_at)).total_seconds()))
        self.ago = f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"
        super().__init__(f"A run of this integration is not finished yet (started {self.ago} ago).")
        self.run = run


@dataclass(frozen=True)
class Outcome:
    """How a handler ended. `state`: finished, warnings, no_change, held, failed or stopped.

    `accepted`: what the run read is now what the source offers; later runs are judged against it.
    """

    state: str
    counts: Mapping[str, int] = field(default_factory=dict)
    problem: Problem | None = None
    accepted: bool = False


Handler = Callable[[Work], Outcome]


def start(
    source: Source | None,
    kind: str,
    *,
    merchant: Merchant | None = None,
    integration: Integration | None = None,
    cause: str = "person",
    started_by: str = "",
    settings: Mapping[str, Any] | None = None,
    claimed: bool = False,
) -> Run:
    """Put a run in the queue, in the transaction that is open if one is. `merchant`: whose, where no source is given.

    `cause`: person, schedule, first_sync, upload, delivery, command or system. A run that only waits to try again is brought
    forward for a person. `claimed`: the caller performs it himself, no worker may take it.
    Raises AlreadyRunning (also when two start at once).
    """
    whose = source.merchant_id if source is not None else merchant.id if merchant is not None else 0
    columns = {
        "merchant": whose, "source": source, "integration": integration, "kind": kind, "cause": cause,
        "started_by": started_by, "settings": dict(settings or {}), "due_at": clock.now(), "created_at": clock.now(),
    }  # fmt: skip
    if claimed:
        columns |= _hold(fence=0, attempt=0)
    with database.atomic():
        _lock_numbers(whose)
        unfinished = _unfinished_of(integration, kind)
        if unfinished is not None:
            return _brought_forward(unfinished, kind, cause)
        if claimed and source is not None and kind in WRITERS and (writer := writer_of(source.id)):
            raise AlreadyRunning(writer)
        last = Run.select(fn.MAX(Run.number)).where(Run.merchant == whose).scalar()
        try:
            with database.atomic():
                return Run.create(number=(last or 0) + 1, **columns)
        except IntegrityError as error:
            unfinished = _unfinished_of(integration, kind)
            if unfinished is None:
                raise
            raise AlreadyRunning(unfinished) from error


def start_sync(
    integration: Integration,
    *,
    cause: str = "person",
    started_by: str = "",
    settings: Mapping[str, Any] | None = None,
    claimed: bool = False,
) -> Run:
    """Start the run that an integration is for. Raises Refused for one that cannot run yet, and AlreadyRunning."""
    kind = SYNC_KINDS[integration.kind]
    if integration.removed_at is not None:
        raise Refused("This integration was removed. Add it again first.")
    if integration.kind == "get_inventory_secondary" and not integration.enabled:
        raise Refused("Get Inventory Secondary is not turned on. Finish setting it up first.")
    if kind == "send_orders" and not integration.enabled:
        raise Refused("Send Orders is not turned on for this source. Nothing was sent.")
    if kind == "get_shipments" and not integration.enabled:
        raise Refused("Get Shipments is not turned on for this source. Nothing was read.")
    if kind == "get_acknowledgements" and not integration.enabled:
        raise Refused("Get Acknowledgements is not turned on for this source. Nothing was read.")
    if integration.source.state == "deleted":
        raise Refused("This source was deleted. Restore it first.")
    source = integration.source
    return start(source, kind, integration=integration, cause=cause, started_by=started_by, settings=settings, claimed=claimed)


def find(merchant: Merchant, public_id: str) -> Run:
    """The merchant's run of that id. Raises NotFound."""
    run = Run.get_or_none(Run.merchant == merchant, Run.public_id == public_id)
    if run is None:
        raise NotFound("run")
    return run


def find_of(merchant: Merchant, run_id: int | None) -> Run | None:
    """The merchant's run of that number in the table, where there is one."""
    return Run.get_or_none(Run.merchant == merchant, Run.id == run_id) if run_id is not None else None


def listing(merchant: Merchant, source: Source | None = None, limit: int = 50) -> list[Run]:
    """The newest runs of the merchant, or of one source."""
    query = Run.select().where(Run.merchant == merchant)
    if source is not None:
        query = query.where(Run.source == source)
    return list(query.order_by(Run.number.desc()).limit(limit))


def request_stop(run: Run, who: str) -> None:
    """Stop a run safely: what is applied stays, the rest is skipped. Does nothing once it has ended.

    A run that no worker has touched is stopped at once, any other by the worker that holds or continues it.
    """
    words = f"{who or 'Quayside'} asked to stop."
    with database.atomic():
        untouched = (Run.id == run.id) & (Run.state == "queued") & (Run.document_id.is_null())
        problem = asdict(_STOPPED)
        if Run.update(state="stopped", finished_at=clock.now(), problem=problem).where(untouched).execute():
            _remember(run, "stopped", accepted=False)
        elif not Run.update(cancel_requested=True, due_at=clock.now()).where(Run.id == run.id, Run.state << UNFINISHED).execute():
            return
        RunMessage.create(run=run.id, text=words[: leases.LONGEST_MESSAGE], at=clock.now())


def claim(kinds: Iterable[str] | None = None) -> Run | None:
    """Take the run (of `kinds`) whose turn it is: of the merchant served least, what is due longest or lost its worker. Or None."""
    lane = turns.leaves_a_lane() & turns.among(kinds)
    while _waiting().where(lane).exists():  # a plain read first: asking must not cost the write lock
        with database.atomic():
            query = _waiting().where(lane).order_by(*turns.in_turn()).limit(1)
            run: Run | None = query.for_update(skip_locked=True).first() if is_postgres() else query.first()
            if run is None:
                return None
            if run.kind in WRITERS and run.state == "queued" and writer_of(run.source_id):
                continue  # another worker was faster, and began a run of the same source
            if _take(run):
                return run
    return None


def is_by_hand(run: Run) -> bool:
    """Whether a person asked for this very try of the run: a try that we make again by ourselves is not."""
    asked = run.kind in ASKED_FOR or run.cause not in ("schedule", "system")
    return (asked and run.tries == 0) or run.settings.get("by_hand") == run.tries


def reap(kinds: Iterable[str] | None = None) -> int:
    """How many runs (of `kinds`) wait for a worker: due ones and those whose worker is gone (`claim` takes either)."""
    return int(_waiting().where(turns.among(kinds)).count())


def perform(run: Run, handlers: Mapping[str, Handler]) -> None:
    """Do a claimed run to its end, or as far as this process lives. Raises what a handler's bug raised, after recording it."""
    bug = _attempt(run, handlers)
    if bug is not None:
        raise bug


def work_available(handlers: Mapping[str, Handler]) -> int:
    """Claim and perform until nothing for `handlers` waits or this process ends; how many were done. A bug is raised at the end."""
    done, bugs = 0, []
    while not leases.shutdown.is_set() and (run := claim(handlers)):
        bug = _attempt(run, handlers)
        bugs += [bug] if bug else []
        done += 1
    if bugs:
        raise bugs[0]
    return done


def _attempt(run: Run, handlers: Mapping[str, Handler]) -> Exception | None:
    """Perform `run` and record how it ended. The one place that catches a SupplierError, and a bug, of a run."""
    with logs.of("run", run.public_id):
        span = tracing.begin("run", kind=run.kind, attempt=run.attempt)
        try:
            return _attempt_inside(Work(run), handlers)
        finally:
            tracing.end(span, state=run.state)


def _attempt_inside(work: Work, handlers: Mapping[str, Handler]) -> Exception | None:
    run = work.run
    try:
        with leases.heartbeat(work):
            _perform(work, handlers[run.kind])
    except LostLease:
        log.warning("run %s: another worker took over; nothing more was written", run.public_id)
    except (OperationalError, InterfaceError) as error:
        log.error("run %s: the database failed (%s); it goes on when its lease has ended", run.public_id, type(error).__name__)
        return error
    except Exception as bug:  # noqa: BLE001 - recorded, logged, and handed to the caller, who raises it
        return _record_bug(work, bug)
    return None


def _perform(work: Work, handler: Handler) -> None:
    try:
        outcome = leases.performed(work, handler)
    except Stopped:
        outcome = Outcome("stopped", work.run.counts, _STOPPED)
    except GivenBack:
        _requeue(work, due_at=clock.now())
        return
    except Later as wait:  # no try is lost, as nothing was asked
        _requeue(work, due_at=wait.until, server=wait.server, problem=asdict(wait.problem))
        return
    except Refused as refusal:
        outcome = Outcome("failed", work.run.counts, Problem("refused", "This could not be done", str(refusal)))
    except SupplierError as error:
        if not error.permanent and work.run.kind in RETRIED_KINDS:
            if work.run.tries < len(RETRY_MINUTES):
                _retry_later(work, error)
                return
            work.save_checkpoint(given_up=True)  # it may pass by itself, so the next run may do
        outcome = Outcome("failed", work.run.counts, error.problem)
    failpoints.reach("finishing")
    _finish(work, outcome)


def _finish(work: Work, outcome: Outcome) -> None:
    problem = asdict(outcome.problem) if outcome.problem else None
    closing = {
        **work.closing_columns(), "state": outcome.state, "counts": dict(outcome.counts), "problem": problem,
        "accepted": outcome.accepted, "stage": "done", "lease_until": None, "finished_at": clock.now(),
    }  # fmt: skip
    with database.atomic():
        work.save(**closing)
        _remember(work.run, outcome.state, outcome.accepted)


def _remember(run: Run, state: str, accepted: bool) -> None:
    """Note on the integration what its last sync was and how long there was no good one."""
    if run.integration_id is None or run.kind not in (*SYNC_KINDS.values(), "accept_removals"):
        return
    columns: dict[str, Any] = {"last_run_id": run.id}
    if accepted:
        columns |= accepted_feeds.columns(run, state)
    elif state == "failed":
        columns["failures"] = Integration.failures + 1
    Integration.update(columns).where(Integration.id == run.integration_id).execute()


def _retry_later(work: Work, error: SupplierError) -> None:
    tries, problem = work.run.tries + 1, error.problem
    due = clock.now() + max(timedelta(minutes=RETRY_MINUTES[tries - 1]), timedelta(seconds=error.wait or 0))
    words = f"We try again at {_local(due, work.merchant)} ({tries + 1} of {len(RETRY_MINUTES) + 1})."
    with work.transaction():
        work.say(f"{problem.headline}. {words}", "warning")
        kept = {name: work.checkpoint[name] for name in KEPT_WHEN_RETRIED if name in work.checkpoint}
        _requeue(work, due_at=due, tries=tries, checkpoint=kept, problem=asdict(problem) | {"body": f"{problem.body} {words}".strip()})


def _requeue(work: Work, **columns: Any) -> None:
    work.save(state="queued", lease_until=None, **work.closing_columns(), **columns)


def _record_bug(work: Work, bug: Exception) -> Exception:
    """Fail the run under a reference code that also stands in the log, which shows frames but no values."""
    code = secrets.token_hex(3).upper()
    frames = "".join(traceback.format_tb(bug.__traceback__))
    log.error("run %s failed, code %s: %s\n%s", work.run.public_id, code, type(bug).__name__, frames)
    body = f"What was applied stays; the rest was skipped. Code {code}."
    problem = Problem("internal", "That did not work, and it is our fault", body, "Run again", "run_again")
    try:
        _finish(work, Outcome("failed", work.run.counts, problem))
    except LostLease:
        log.warning("run %s: another worker took over before its failure was recorded", work.run.public_id)
    return bug


def _take(run: Run) -> bool:
    """Write our hold on a row that is locked by us. False when the run has been interrupted too often and was ended instead."""
    interrupted = run.state == "running"
    columns = _hold(run.fence, run.attempt) | {"interruptions": run.interruptions + interrupted}
    if columns["interruptions"] > MOST_INTERRUPTIONS:
        columns |= {"state": "failed", "lease_until": None, "finished_at": clock.now(), "problem": asdict(_USED_UP)}
    if run.started_at is None:
        columns["started_at"] = clock.now()
    Run.update(columns).where(Run.id == run.id).execute()
    turns.note_taken(run)
    for name, value in columns.items():
        setattr(run, name, value)
    if run.state == "failed":
        _remember(run, "failed", accepted=False)
    elif interrupted:
        RunMessage.create(run=run.id, level="warning", text="Interrupted, continuing", at=clock.now())
    return bool(run.state == "running")


def _hold(fence: int, attempt: int) -> dict[str, Any]:
    until = clock.now() + timedelta(seconds=leases.LEASE_SECONDS)
    held = {"state": "running", "fence": fence + 1, "attempt": attempt + 1, "lease_until": until}
    return held | ({"started_at": clock.now()} if attempt == 0 else {})


def _waiting() -> Any:
    now = clock.now()
    writer = Run.alias()
    busy = writer.select(writer.id).where(writer.source == Run.source, writer.state == "running", writer.kind << WRITERS)
    due = (Run.state == "queued") & (Run.due_at <= now) & (Run.kind.not_in(WRITERS) | ~fn.EXISTS(busy)) & turns.may_begin()
    deserted = (Run.state == "running") & (Run.lease_until < now)
    return Run.select().where(due | deserted)


def _lock_numbers(merchant_id: int) -> None:
    """Two transactions must not give the same next number. SQLite has one writer anyway."""
    if is_postgres():
        database.execute_sql("SELECT id FROM merchant WHERE id = %s FOR NO KEY UPDATE", (merchant_id,))


def writer_of(source_id: int | None) -> Run | None:
    """The run that writes the source's inventory now. Its source is locked until the transaction ends, so that no two begin at once."""
    if is_postgres():
        database.execute_sql("SELECT id FROM source WHERE id = %s FOR NO KEY UPDATE", (source_id,))
    return Run.get_or_none(Run.source == source_id, Run.state == "running", Run.kind << WRITERS)


def _unfinished_of(integration: Integration | None, kind: str) -> Run | None:
    """What stands in the way of a run of that kind: a dry run and any other may go side by side."""
    if integration is None:
        return None
    like = Run.kind == DRY_RUN if kind == DRY_RUN else Run.kind != DRY_RUN
    return Run.get_or_none(Run.integration == integration, Run.state << UNFINISHED, like)


def _brought_forward(run: Run, kind: str, cause: str) -> Run:
    waits = (Run.id == run.id) & (Run.state == "queued") & (Run.due_at > clock.now())
    now = {"due_at": clock.now(), "settings": {**run.settings, "by_hand": run.tries}}
    if run.kind == kind and cause == "person" and Run.update(now).where(waits).execute():
        return Run.get_by_id(run.id)
    raise AlreadyRunning(run)


def _local(moment: datetime, merchant: Merchant) -> str:
    return moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(merchant.time_zone)).strftime("%H:%M")


_STOPPED = Problem("stopped", "The run was stopped", "What is applied stays; the rest is skipped.", "Run again", "run_again")
_USED_UP = Problem(
    "attempts_used_up",
    "The run was interrupted again and again",
    f"It ended {MOST_INTERRUPTIONS + 1} times without finishing, so we stopped it. What is applied stays; nothing else was changed.",
    "Run again",
    "run_again",
)
