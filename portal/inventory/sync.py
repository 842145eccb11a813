"""One inventory run: fetch │ parse │ plan │ guard │ apply. Each step is kept in the checkpoint, so that any worker can go on.

The document, its format and the mapping version are fixed at the start; live items change only in the last step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from portal import connections, documents, failpoints, feeds, mapping
from portal.errors import Problem, SupplierError
from portal.intake.job import Job
from portal.inventory import baseline, contract, duplicates, feed_states, guards, parsing, plan, stage, words
from portal.inventory.apply import Applying, hold
from portal.inventory.baseline import Baseline
from portal.inventory.feed_states import Memory
from portal.inventory.guards import Facts, Limits, Verdict
from portal.inventory.parsing import Parsing, Tally
from portal.inventory.plan import PRICE, ZERO, Summary, Terms
from portal.leases import Stopped, Work
from portal.models import Document, Integration, ItemPin, MappingVersion
from portal.models.staging import Stage
from portal.records import FeedFormat
from portal.runs import Outcome

REMOVALS_HELD_BY = {"skus_lost", "lost_slowly"}
MARKS_HELD_BY = {"zeroed": ZERO, "prices_moved": PRICE}
ALL_HELD_BY = {"match_rate"}


@dataclass(frozen=True)
class Reading:
    """What one run reads and how: fixed when it was fetched."""

    document: Document
    format: FeedFormat
    version: MappingVersion

    @property
    def rules(self) -> Mapping[str, Any]:
        """The mapping rules of that version."""
        rules: Mapping[str, Any] = self.version.rules
        return rules


def perform(work: Work) -> Outcome:
    """Run handler of Get Inventory. Raises SupplierError for a file that is refused, with nothing of the inventory touched."""
    try:
        return _perform(work)
    except Stopped:
        work.save(counts=_counts(work, Tally.of(work), _summary(work)))
        _erase(work)
        raise
    except SupplierError:
        _erase(work)
        raise


def _perform(work: Work) -> Outcome:
    parsing.make_ready()
    reading, before = _fetch(work), baseline.of(work.run)
    if baseline.is_unchanged(work.run, reading.document, before):
        return _no_change(work, before)
    _refuse_older(work, reading.document, before)
    held, memory = stage.opened(work), feed_states.recalled(work)
    tally = _parse(work, reading, held, memory)
    columns = plan.written_columns(reading.rules)
    with held.attached() as rows:
        summary = _plan(work, held, columns, tally, before, memory)
        problem = _guard(work, rows, tally, summary, before)
        _apply(work, rows, columns, summary)
    if problem is None:
        contract.remember(reading.version, reading.document, reading.format, bool(work.checkpoint.get("columns_differ")))
    return _outcome(work, tally, summary, problem)


def _fetch(work: Work) -> Reading:
    """Bring the file into the spool, once; and fix how it is read."""
    integration = Integration.get_by_id(work.run.integration_id)
    if not work.checkpoint.get("fetched"):
        work.stage("fetch", "bytes")
        number = integration.mapping_version
        _version(integration, number)
        document = _document(work, integration)
        form = integration.settings.get("format") or asdict(feeds.detect(documents.path_of(document), document.name).format)
        with work.transaction():
            settings = {**work.run.settings, "format": form}
            work.save(document_id=document.id, mapping_version=number, settings=settings)
            work.save_checkpoint(fetched=True)
        failpoints.reach("fetch-done")
    document = documents.find_unscoped(work.run.document_id)
    return Reading(document, FeedFormat(**work.run.settings["format"]), _version(integration, work.run.mapping_version))


def _version(integration: Integration, number: int) -> MappingVersion:
    version = MappingVersion.get_or_none(MappingVersion.integration == integration, MappingVersion.number == number)
    if version is None:
        raise SupplierError(words.not_mapped(), permanent=True)
    return version


def _document(work: Work, integration: Integration) -> Document:
    """The document this run was started for, the latest upload, or what the supplier has now."""
    if given := work.run.settings.get("document"):
        return documents.find_unscoped(given)
    source = integration.source
    if connections.is_upload(source):
        uploaded = documents.latest_upload(source)
        if uploaded is None:
            raise SupplierError(words.nothing_uploaded(), permanent=True)
        return uploaded
    choice, into = integration.settings, documents.spool_path(source)
    with connections.open_for(source) as connector:
        folder, match, pattern = choice.get("folder", ""), choice.get("match", "newest"), choice.get("pattern", "*")
        fetched = connector.fetch(folder, match, pattern, into, documents.largest(), work.progress)
    work.say(f"Fetched {fetched.name}, {fetched.size:,} bytes.")
    return documents.adopt(source, fetched, work.run)


def _no_change(work: Work, before: Baseline) -> Outcome:
    work.say(f"No change: the file is byte for byte the one from {words.moment(before.document_at, work.merchant)}.")
    told = before.counts
    unchanged = sum(told.get(name, 0) for name in ("new", "changed", "unchanged", "back"))
    counts = {"rows": told.get("rows", 0), "unchanged": unchanged, "set_aside": told.get("set_aside", 0), "noted": told.get("noted", 0)}
    return Outcome("no_change", counts, accepted=True)


def _refuse_older(work: Work, document: Document, before: Baseline) -> None:
    times = (words.moment(document.modified, work.merchant), words.moment(before.modified, work.merchant))
    verdict = guards.freshness(document.modified, before.modified, times)
    if verdict is not None:
        _judge(work, [verdict])


def _parse(work: Work, reading: Reading, held: Stage, memory: Memory) -> Tally:
    """Stage what is new in the document, or all of it where no record of the last feed serves; settle its duplicates."""
    if work.checkpoint.get("parsed") and held.is_whole(Tally.of(work).fresh):
        return Tally.of(work)
    work.stage("parse")
    path, rules = documents.path_of(reading.document), dict(reading.rules)
    job = Job(
        str(path), asdict(reading.format), rules, after=str(feed_states.fresh_path(work)), before=memory.path,
        compared=memory.compared, stale=memory.stale, block=parsing.BLOCK, most_reported=duplicates.MOST_REPORTED,
        seconds=parsing.job_seconds(path.stat().st_size),
    )  # fmt: skip
    reader = Parsing(work, held)
    try:
        tally = reader.read(job, rules.get("duplicates") or "last", words.column_of(rules, "sku"))
    except SupplierError as error:
        raise _renamed(reading, reader.heading.headers, error) from error
    if tally.duplicates:
        work.say(words.duplicates(tally.duplicates, rules.get("duplicates") or "last"), "warning")
    heading = reader.heading
    differ = contract.check(work, reading.version, reading.format, heading.headers)
    with work.transaction():
        work.save(done_rows=tally.rows, total_rows=tally.rows)
        work.save_checkpoint(
            parsed=True, tally=asdict(tally), stage=held.path.name, whole=heading.whole, compared=heading.compared, key=heading.key,
            record=feed_states.fresh_path(work).name, looked_at=memory.looked_at.isoformat(), columns_differ=differ,
        )  # fmt: skip
    return tally


def _renamed(reading: Reading, headers: Sequence[str], error: SupplierError) -> SupplierError:
    """The error, said as a renamed column where it is one; either leads to the page where columns are chosen."""
    if error.problem.code != "columns_missing":
        return error
    missing = [column for column in mapping.needed_columns(reading.rules) if column not in headers]
    renamed = words.renamed(reading.version.integration.source.name, missing, reading.version.headers, headers)
    found = renamed or replace(error.problem, act="Choose the columns")
    return SupplierError(replace(found, act_at="columns"), permanent=True)


def _plan(work: Work, held: Stage, columns: tuple[str, ...], tally: Tally, before: Baseline, memory: Memory) -> Summary:
    done = _summary(work)
    if done is not None:
        return done
    work.stage("plan")
    whole = bool(work.checkpoint["whole"])
    pins = ItemPin.select().where(ItemPin.source == work.run.source_id).exists()
    step = guards.limits(Integration.get_by_id(work.run.integration_id)).price_step / 100
    terms = Terms(columns, before.run is not None, whole, pins, price_step=step)
    usable = tally.known + tally.usable
    counts = memory.counts if not whole and memory.counts else plan.counted(work.run.source_id)
    summary = plan.make(work, held, terms, usable, counts)
    with work.transaction():
        work.save(plan_hash=summary.hash)
        work.save_checkpoint(summary=asdict(summary))
    failpoints.reach("planned")
    return summary


def _summary(work: Work) -> Summary | None:
    told = work.checkpoint.get("summary")
    return None if told is None else Summary(**told)


def _guard(work: Work, rows: str, tally: Tally, summary: Summary, before: Baseline) -> Problem | None:
    """Judge the plan; hold what must wait. Returns what is held for the merchant to read. Raises SupplierError when refused."""
    if "held" not in work.checkpoint:
        work.stage("guard")
        verdicts = _judge(work, guards.judge(_facts(tally, summary, before), _limits(work)))
        holds = [verdict for verdict in verdicts if verdict.verdict == "hold"]
        names = {verdict.name for verdict in holds}
        marks = sum(bits for name, bits in MARKS_HELD_BY.items() if name in names)
        waiting = hold(work, rows, marks, bool(names & REMOVALS_HELD_BY), bool(names & ALL_HELD_BY)) if holds else 0
        problems = [asdict(verdict.problem) for verdict in holds if verdict.problem]
        work.save_checkpoint(held=problems[0] if problems and waiting else None, waiting=waiting)
        failpoints.reach("guarded")
    held = work.checkpoint["held"]
    return Problem(**held) if held else None


def _limits(work: Work) -> Limits:
    return guards.limits(Integration.get_by_id(work.run.integration_id))


def _facts(tally: Tally, summary: Summary, before: Baseline) -> Facts:
    return Facts(
        tally.rows, summary.usable, tally.bad_quantity, before.rows, before.history, summary.known, summary.missing,
        summary.in_stock, summary.zero, before.source, priced=summary.matched, price_moved=summary.price_moved,
        matched=summary.matched, high=before.high, high_at=before.high_at, days=before.days, broken=tally.unreadable,
        duplicates=tally.duplicates,
    )  # fmt: skip


def _judge(work: Work, verdicts: list[Verdict]) -> list[Verdict]:
    """Keep the verdicts with the run. Raises SupplierError with the first refusal."""
    known = [told for told in work.run.verdicts if told["name"] not in {verdict.name for verdict in verdicts}]
    work.save(verdicts=known + [verdict.told() for verdict in verdicts])
    for verdict in verdicts:
        if verdict.verdict == "refuse" and verdict.problem is not None:
            work.save(counts=_counts(work, Tally.of(work), None))
            raise SupplierError(verdict.problem, permanent=True)
    return verdicts


def _apply(work: Work, rows: str, columns: tuple[str, ...], summary: Summary) -> None:
    if work.checkpoint.get("done"):
        return
    work.stage("apply")
    stage.erase_earlier(work)  # not before: a file that is refused settles nothing of what an earlier one holds
    feed_states.forget(work)
    applying = Applying(work, columns, rows)
    if summary.whole:
        applying.add_all(summary.add)
    else:
        applying.apply_rows(summary.listed)
        applying.remove("waiting", summary.listed)
    feed_states.remember(work, summary, applying.counts)
    work.save_checkpoint(done=True)


def _outcome(work: Work, tally: Tally, summary: Summary, held: Problem | None) -> Outcome:
    counts = _counts(work, tally, summary)
    _erase(work, keep_held=held is not None)
    if held is not None:
        return Outcome("held", counts, held)
    return Outcome("warnings" if tally.set_aside or tally.duplicates else "finished", counts, accepted=True)


def _erase(work: Work, keep_held: bool = False) -> None:
    stage.erase(work, keep_held=keep_held)
    with work.staging():
        stage.opened(work).erase()
    feed_states.fresh_path(work).unlink(missing_ok=True)


def _counts(work: Work, tally: Tally, summary: Summary | None) -> dict[str, int]:
    """The run's counts: what was done by its checkpoint, what was seen by its tally and plan."""
    counts = {"rows": tally.rows, "set_aside": tally.set_aside, "noted": tally.noted}
    if summary is None:
        return counts
    done = dict.fromkeys(("add", "change", "zero", "back"), 0) | work.checkpoint.get("counts", {})
    return counts | {
        "new": done["add"], "changed": done["change"] + done["zero"], "zeroed": done["zero"], "back": done["back"],
        "unchanged": summary.unchanged, "missing": summary.missing, "held": work.checkpoint.get("waiting", 0),
    }  # fmt: skip
