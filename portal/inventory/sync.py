"""One inventory run: fetch │ parse │ plan │ guard │ apply. Each step is kept in the checkpoint, so that any worker can go on.

The document, its format and the mapping version are fixed at the start; live items change only in the last step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from portal import connections, documents, failpoints, feeds, mapping
from portal.errors import Problem, SupplierError
from portal.inventory import baseline, duplicates, guards, plan, stage, words
from portal.inventory.apply import Applying, journaled
from portal.inventory.baseline import Baseline
from portal.inventory.guards import Facts, Verdict
from portal.inventory.plan import Summary
from portal.inventory.stage import Filling, Tally
from portal.leases import Stopped, Work
from portal.models import Document, Integration, MappingVersion, bulk
from portal.records import FeedFormat
from portal.runs import Outcome

HOLDS = {"skus_lost": "missing", "lost_slowly": "missing", "zeroed": "zero"}  # guard -> the planned action that waits for a person


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
        stage.erase(work)
        raise
    except SupplierError:
        stage.erase(work)
        raise


def _perform(work: Work) -> Outcome:
    reading, before = _fetch(work), baseline.of(work.run)
    if baseline.is_unchanged(work.run, reading.document, before):
        return _no_change(work, before)
    _refuse_older(work, reading.document, before)
    tally = _parse(work, reading)
    columns = plan.written_columns(reading.rules)
    summary = _plan(work, columns, removals=before.run is not None)
    held = _guard(work, tally, summary, before)
    _apply(work, columns, summary)
    return _outcome(work, tally, summary, held)


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


def _parse(work: Work, reading: Reading) -> Tally:
    """Stage the rows of the document and settle its duplicates."""
    if work.checkpoint.get("parsed"):
        return Tally.of(work)
    work.stage("parse")
    stage.erase_earlier(work)
    path, rules = documents.path_of(reading.document), reading.rules
    with feeds.open_rows(path, reading.format) as reader:
        mapper = _compile(reading, reader.headers)
        alone = {"fields": {"sku": rules["fields"]["sku"]}}
        tally = Filling(work, mapper, mapping.compile_rules(alone, reader.headers, reading.format.decimal_mark)).read(reader)
    settled = duplicates.settle(work, rules.get("duplicates") or "last", words.column_of(rules, "sku"))
    if settled.duplicates:
        with feeds.open_rows(path, reading.format) as reader:
            duplicates.fill_cells(work, reader)
        work.say(words.duplicates(settled.duplicates, rules.get("duplicates") or "last"), "warning")
        tally = settled
    with work.transaction():
        work.save(done_rows=tally.rows, total_rows=tally.rows)
        work.save_checkpoint(parsed=True)
    return tally


def _compile(reading: Reading, headers: list[str]) -> Any:
    try:
        return mapping.compile_rules(reading.rules, headers, reading.format.decimal_mark)
    except SupplierError as error:
        missing = [column for column in mapping.needed_columns(reading.rules) if column not in headers]
        renamed = words.renamed(reading.version.integration.source.name, missing, reading.version.headers, headers)
        if error.problem.code != "columns_missing" or renamed is None:
            raise
        raise SupplierError(renamed, permanent=True) from error


def _plan(work: Work, columns: tuple[str, ...], removals: bool) -> Summary:
    done = _summary(work)
    if done is not None:
        return done
    work.stage("plan")
    summary = plan.make(work, columns, removals)
    with work.transaction():
        work.save_checkpoint(summary=asdict(summary))
    failpoints.reach("planned")
    return summary


def _summary(work: Work) -> Summary | None:
    told = work.checkpoint.get("summary")
    return None if told is None else Summary(**told)


def _guard(work: Work, tally: Tally, summary: Summary, before: Baseline) -> Problem | None:
    """Judge the plan; hold what must wait. Returns what is held for the merchant to read. Raises SupplierError when refused."""
    if "held" not in work.checkpoint:
        work.stage("guard")
        facts = Facts(
            tally.rows, summary.usable, tally.bad_quantity, before.rows, before.history, summary.known, summary.missing,
            summary.in_stock, summary.zero, before.source, duplicates=tally.duplicates, high=before.high, high_at=before.high_at,
            days=before.days,
        )  # fmt: skip
        verdicts = _judge(work, guards.judge(facts, guards.limits(work.integration)))
        with work.transaction():
            holds = [verdict for verdict in verdicts if verdict.verdict == "hold"]
            for verdict in holds:
                bulk.run("UPDATE plan_row SET state = 'held' WHERE run_id = ? AND action = ?", (work.run.id, HOLDS[verdict.name]))
            problems = [asdict(verdict.problem) for verdict in holds if verdict.problem]
            work.save_checkpoint(held=problems[0] if problems else None)
        failpoints.reach("guarded")
    held = work.checkpoint["held"]
    return Problem(**held) if held else None


def _judge(work: Work, verdicts: list[Verdict]) -> list[Verdict]:
    """Keep the verdicts with the run. Raises SupplierError with the first refusal."""
    known = [told for told in work.run.verdicts if told["name"] not in {verdict.name for verdict in verdicts}]
    work.save(verdicts=known + [verdict.told() for verdict in verdicts])
    for verdict in verdicts:
        if verdict.verdict == "refuse" and verdict.problem is not None:
            work.save(counts=_counts(work, Tally.of(work), None))
            raise SupplierError(verdict.problem, permanent=True)
    return verdicts


def _apply(work: Work, columns: tuple[str, ...], summary: Summary) -> None:
    if work.checkpoint.get("done"):
        return
    work.stage("apply")
    total = summary.add + summary.change + summary.zero + summary.back + summary.missing
    applying = Applying(work, columns)
    applying.apply_rows(total)
    applying.remove("waiting", total)
    applying.finish()
    work.save_checkpoint(done=True)


def _outcome(work: Work, tally: Tally, summary: Summary, held: Problem | None) -> Outcome:
    counts = _counts(work, tally, summary)
    stage.erase(work, keep_held=held is not None)
    if held is not None:
        return Outcome("held", counts, held)
    return Outcome("warnings" if tally.set_aside or tally.duplicates else "finished", counts, accepted=True)


def _counts(work: Work, tally: Tally, summary: Summary | None) -> dict[str, int]:
    """The run's counts: what was done by its journal, what was seen by its tally and plan."""
    counts = {"rows": tally.rows, "set_aside": tally.set_aside, "noted": tally.noted}
    if summary is None:
        return counts
    done = journaled(work.run.id)
    held = bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND state = 'held'", (work.run.id,))[0]
    return counts | {
        "new": done.get("add", 0), "changed": done.get("change", 0) + done.get("zero", 0), "zeroed": done.get("zero", 0),
        "back": done.get("back", 0), "unchanged": summary.unchanged, "missing": summary.missing, "held": held,
    }  # fmt: skip
