"""The run that sends: what is due at one source is collected, claimed and delivered, one submission after the other.

journal ─▶ stop? ─▶ collect ─▶ claim ─▶ deliver ─▶ settle ─▶ … until nothing is due
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from typing import Any

from portal import clock, connection_parts, connections, runs
from portal.errors import Problem
from portal.leases import Work
from portal.models import FulfillmentRequest, Integration, Run, Source, Submission
from portal.outbox import calls, claim, collect, deciding, files, journal, others, settle, stops, testing, ways, witnesses
from portal.outbox.claim import Hold, LostClaim
from portal.outbox.leaving import parts_of
from portal.outbox.ways import CALLS, FILES, Way
from portal.runs import Outcome

KIND = "send_orders"


def perform(work: Work) -> Outcome:
    """Send what is due at the run's source, and look for what is in doubt. Raises SupplierError where its server cannot be used."""
    source, integration = _whose(work)
    work.stage("send", "items")
    way = ways.of(source, integration)
    stop = stops.mind_the_journal() or stops.of(source)
    collected = 0
    if runs.is_by_hand(work.run):
        _bring_forward(source)
    if stop is None and way.transport != "pull":
        collected = collect.collect(source, integration, way, work.run.started_by)
    counts: Counter[str] = Counter()
    try:
        _all(work, way, counts, looks_only=stop is not None)
    finally:
        work.save(counts={"collected": collected, **_told(counts)})
    return _outcome(counts, collected, stop)


def _bring_forward(source: Source) -> None:
    """A person asks for it now: what only waits for its next try is tried now. What is in doubt keeps its times."""
    waits = (Submission.source == source) & (Submission.state << ("waiting", "uploaded")) & Submission.unknown_at.is_null()
    Submission.update(next_at=clock.now()).where(waits, Submission.next_at > clock.now()).execute()


def _whose(work: Work) -> tuple[Source, Integration]:
    assert work.source is not None and work.integration is not None
    return work.source, work.integration


def _all(work: Work, way: Way, counts: Counter[str], looks_only: bool) -> None:
    (source, _), done = _whose(work), 0
    if way.transport == "pull" or not claim.due(source.id, looks_only).exists():
        return
    with ExitStack() as stack:
        server, address = stack.enter_context(opened(source, way, work.run.id))
        while True:
            work.check_stop()
            hold = claim.claim(source.id, looks_only)
            if hold is None:
                return
            hold.submission.source = source
            try:
                one(hold, server, address, way)
            except LostClaim:
                work.say(f"{hold.submission.reference}: another worker had taken it over")
            finally:
                state = Submission.get_by_id(hold.submission.id).state
                counts[state] += 1
                done += 1
                work.progress(done)
            looks_only = looks_only or stops.of(source) is not None


def one(hold: Hold, server: Any, address: str, way: Way) -> None:
    """Deliver one held submission. Raises SupplierError where the others would fare the same, and LostClaim."""
    row = hold.submission
    if row.state != "check_needed" and journal.is_behind(row):
        words = Problem("refused", "The database was restored", collect.RESTORED)
        settle.check_needed(hold, words, collect.RESTORED)
        return
    if row.server and row.server != address and row.left_at is not None and (row.transport not in FILES or row.state != "uploading"):
        words = Problem("refused", "The connection leads elsewhere now", f"It began at {row.server}; orders now go to {address}.")
        settle.check_needed(
            hold, words, f"It began at {row.server}, and the connection leads to {address} now: what is there proves nothing."
        )
        return
    if not row.server or row.left_at is None:
        row.server = address[:300]  # written with the moment from which it may leave
    if row.transport != way.transport:
        words = Problem("refused", "Orders leave another way now", f"It was made to leave by {row.transport}, and nothing of it has left.")
        if row.left_at is not None:
            settle.check_needed(hold, words, "Orders leave for this source another way now, so that we cannot look.")
        else:
            _put_back(hold, words)
        return
    if testing.is_real_place(row, server, way):
        settle.refused(hold, Problem("refused", "That is where real orders go", "A test must go somewhere else. Nothing was sent."))
    elif row.kind == "test" and row.transport == "webhook":
        (part,) = parts_of(row)
        calls.deliver(hold, others.poster(row.source, part.folder, test=True), way)
    elif row.transport in FILES:
        files.deliver(hold, server)
    else:
        calls.deliver(hold, server, way)


def _put_back(hold: Hold, words: Problem) -> None:
    settle.end(hold, "not_sent", words)
    deciding.take_back(hold.submission, words.body)


@contextmanager
def opened(source: Source, way: Way, run_id: int | None) -> Iterator[tuple[Any, str]]:
    """(what delivers by this way, where that is as "host:port")."""
    if way.transport in (*FILES, *CALLS):
        address = connections.place_for(source, KIND)
        with connections.open_for(source, run_id, operation=KIND) as server:
            yield server, address
        return
    yield others.opened(source, way, run_id)


def _told(counts: Counter[str]) -> dict[str, int]:
    waiting = counts["waiting"] + counts["uploading"] + counts["uploaded"]
    told = {"sent": counts["sent"], "check_needed": counts["check_needed"], "rejected": counts["rejected"], "later": waiting}
    return {name: count for name, count in told.items() if count}


def _outcome(counts: Counter[str], collected: int, stop: Any) -> Outcome:
    told = {"collected": collected, **_told(counts)}
    if stop is not None:
        problem = Problem("refused", "Sending rests", stop.why)
        return Outcome("warnings", told, problem)
    if counts["check_needed"] or counts["rejected"]:
        return Outcome("warnings", told)
    return Outcome("finished" if counts or collected else "no_change", told)


def start_due() -> int:
    """Start a run for each live source where something is due: a retry, a look, or, with auto send, a new request. How many.

    One run at a time of a source, by the rows of the runs themselves.
    """
    started = 0
    for integration in _with_something_due():
        try:
            runs.start_sync(integration, cause="system")
            started += 1
        except runs.AlreadyRunning:
            continue
    return started


def _with_something_due() -> list[Integration]:
    ids = _sources_of(claim.due(), Submission.source)
    new = _sources_of(collect.due(), FulfillmentRequest.source)
    if resting := stops.resting(ids | new):
        ids = (ids - resting) | _sources_of(claim.due(looks_only=True), Submission.source)
        new -= resting
    if not ids | new:
        return []
    rows = Integration.select(Integration, Source).join(Source).where(
        Integration.kind == KIND, Integration.on(), Source.state == "live", Integration.source << (ids | new),
    )  # fmt: skip
    return [
        one
        for one in rows
        if connection_parts.sign_in_standing(one.source) != "needed"
        and (one.source_id in ids or _sends_by_itself(one))
        and not _waits_after_failures(one)
    ]


def _sources_of(query: Any, column: Any) -> set[int]:
    return {source for (source,) in query.select(column).distinct().tuples()}


def _waits_after_failures(integration: Integration) -> bool:
    """Whether the last runs failed as a whole, so lately that the next one would only fail again."""
    last = list(Run.select().where(Run.integration == integration, Run.kind == KIND).order_by(Run.id.desc()).limit(5))
    failed = len(list(takewhile(lambda run: run.state == "failed", last)))
    ended = last[0].finished_at if failed else None
    return ended is not None and ended + witnesses.back_off(failed) > clock.now()


def _sends_by_itself(integration: Integration) -> bool:
    return bool(integration.settings.get("auto_send", True)) and integration.settings.get("leave_by") != "pull"
