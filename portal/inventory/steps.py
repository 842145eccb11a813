"""The steps that a run and a dry run share: fetch │ parse │ plan │ judge. Each is kept in the checkpoint, so that any worker can go on.

Nothing here writes to the inventory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from portal import documents, failpoints, file_looks, mapping, read_files
from portal.errors import SupplierError
from portal.exclusions import forecast
from portal.intake.job import Job
from portal.inventory import (
    baseline,
    contract,
    duplicates,
    feed_states,
    fetching,
    guards,
    mended,
    missing,
    parsing,
    plan,
    roles,
    stage,
    words,
)
from portal.inventory.baseline import Baseline
from portal.inventory.feed_states import Memory
from portal.inventory.guards import Facts, Verdict
from portal.inventory.parsing import Parsing, Tally
from portal.inventory.plan import PRICE, ZERO, Summary, Terms
from portal.inventory.roles import Role
from portal.leases import Work
from portal.models import Document, Integration, ItemPin, MappingVersion, RunFile
from portal.models.staging import Stage
from portal.records import FeedFormat

REMOVALS_HELD_BY = {"skus_lost", "lost_slowly"}
MARKS_HELD_BY = {"zeroed": ZERO, "prices_moved": PRICE}
ALL_HELD_BY = {"match_rate"}


@dataclass(frozen=True)
class Reading:
    """What one run reads, how, and what it may write: fixed when it was fetched. `documents`: the parts of the feed, in order."""

    documents: Sequence[Document]
    format: FeedFormat
    version: MappingVersion
    role: Role

    @property
    def document(self) -> Document:
        """The last file, which is the newest."""
        return self.documents[-1]

    @property
    def rules(self) -> Mapping[str, Any]:
        """The mapping rules of that version, as far as this feed may write what they speak for."""
        return self.role.within(self.version.rules)


@dataclass(frozen=True)
class Holds:
    """What waits for a person by some verdicts. `marks`: which rows, and what of each (see plan.ZERO)."""

    marks: int = 0
    removals: bool = False
    everything: bool = False

    @classmethod
    def of(cls, verdicts: Sequence[Verdict]) -> Holds:
        """What the verdicts that hold say together."""
        names = {verdict.name for verdict in verdicts if verdict.verdict == "hold"}
        marks = sum(bits for name, bits in MARKS_HELD_BY.items() if name in names)
        return cls(marks, bool(names & REMOVALS_HELD_BY), bool(names & ALL_HELD_BY))


def fetch(work: Work) -> Reading | None:
    """Bring the files into the spool, once, and fix how they are read; None when there is nothing new. Raises SupplierError."""
    integration = Integration.get_by_id(work.run.integration_id)
    if not work.checkpoint.get("fetched"):
        work.stage("fetch", "bytes")
        number = work.run.settings.get("version") or integration.mapping_version
        _version(work, integration, number)
        files = fetching.files(work, integration)
        last = documents.find_unscoped(files[-1].document_id) if files else None
        form = integration.settings.get("format")
        if last is not None and not form:
            form = asdict(file_looks.detect(documents.path_of(last), last.name).format)
        with work.transaction():
            role = roles.now_of(integration, _version(work, integration, number), work.checkpoint.get("changes_only"))
            settings = {**work.run.settings, "format": form} | ({} if role.is_plain else {"role": role.told()})
            work.save(document_id=last and last.id, mapping_version=number, settings=settings)
            work.save_checkpoint(fetched=True)
        failpoints.reach("fetch-done")
    read = [documents.find_unscoped(file.document_id) for file in read_files.of_run(work.run, "file")]
    if not read:
        return None
    version = _version(work, integration, work.run.mapping_version)
    return Reading(read, FeedFormat(**work.run.settings["format"]), version, roles.of(work.run))


def is_unchanged(work: Work, reading: Reading, before: Baseline) -> bool:
    """Whether the file is the last accepted one again and nothing is left to do: no item is due to be archived either."""
    if len(reading.documents) > 1 or not baseline.is_unchanged(work.run, reading.document, before):
        return False
    due = missing.archive_before(work.run, reading.role.missing) if reading.role.removes else None
    return due is None or not plan.are_due(work.run.source_id, reading.role, due)


def _version(work: Work, integration: Integration, number: int) -> MappingVersion:
    """The saved version of that number, or the rules that the run carries with it, which were not saved."""
    told = work.run.settings
    if "rules" in told:
        return MappingVersion(integration=integration, number=number, rules=told["rules"], headers=told["headers"])
    version = MappingVersion.get_or_none(MappingVersion.integration == integration, MappingVersion.number == number)
    if version is None:
        raise SupplierError(words.not_mapped(), permanent=True)
    return version


def judge_age(work: Work, document: Document, before: Baseline) -> list[Verdict]:
    """The verdict on the file's age beside the last accepted one's; none when either is not known."""
    times = (words.moment(document.modified, work.merchant), words.moment(before.modified, work.merchant))
    verdict = guards.freshness(document.modified, before.modified, times)
    return [] if verdict is None else [verdict]


def parse(work: Work, reading: Reading, held: Stage, memory: Memory) -> Tally:
    """Stage what is new in the document, or all of it where no record of the last feed serves; settle its duplicates."""
    if work.checkpoint.get("parsed") and held.is_whole(Tally.of(work).fresh):
        return Tally.of(work)
    work.stage("parse")
    paths, rules = [documents.path_of(one) for one in reading.documents], dict(reading.rules)
    job = Job(
        str(paths[0]), asdict(reading.format), reading.role.keyed(rules), after=str(feed_states.fresh_path(work)), before=memory.path,
        more=[str(path) for path in paths[1:]], compared=memory.compared, stale=memory.stale, delta=reading.role.delta,
        mended=mended.named(work), block=parsing.BLOCK, most_reported=duplicates.MOST_REPORTED, stamp=held.stamp,
        seconds=parsing.job_seconds(sum(path.stat().st_size for path in paths)),
    )  # fmt: skip
    reader = Parsing(work, held)
    try:
        tally = reader.read(job, words.column_of(rules, "sku"), reading.role.delta)
    except SupplierError as error:
        raise _of_part(work, reading, reader, error) from error
    if tally.duplicates:
        work.say(words.duplicates(tally.duplicates, rules.get("duplicates") or "last"), "warning")
    if tally.mended:
        work.say(words.mended(tally.mended))
    if tally.replaced:
        work.say(words.replaced(tally.replaced, len(paths)))
    differ = _check_columns(work, reading, reader)
    lost = [name for name in reading.format.above if any(name not in heading.headers for heading in reader.headings)]
    if lost:
        work.say(words.nothing_above(lost), "warning")
    heading = reader.heading
    with work.transaction():
        work.save(done_rows=tally.rows, total_rows=tally.rows, settings=work.run.settings | _headers_kept(reader, tally))
        for file, base in zip(read_files.of_run(work.run, "file"), reader.bases, strict=True):
            RunFile.update(rows_before=base).where(RunFile.id == file.id).execute()
        work.save_checkpoint(
            parsed=True, tally=asdict(tally), stage=held.path.name, whole=heading.whole, compared=heading.compared, key=heading.key,
            record=feed_states.fresh_path(work).name, looked_at=memory.looked_at.isoformat(), columns_differ=differ,
        )  # fmt: skip
    return tally


def _headers_kept(reader: Parsing, tally: Tally) -> dict[str, Any]:
    """What a run keeps of the columns of its files: of each where they differ, and of the last for rows that were set aside.

    Cells of such rows are kept in the order of their file, which may be erased by age before somebody mends them.
    """
    told = [list(heading.headers) for heading in reader.headings]
    differ = {"part_headers": told} if any(one != told[0] for one in told) else {}
    return {**differ, "headers": told[-1]} if tally.set_aside or tally.noted else differ


def _check_columns(work: Work, reading: Reading, reader: Parsing) -> bool:
    """Hold the columns of each file against the contract, once for files that have the same; whether others came or went."""
    differ, seen = False, []
    for part, heading in enumerate(reader.headings):
        if heading.headers not in seen:
            seen.append(heading.headers)
            reader.part = part
            try:
                differ |= contract.check(work, reading.version, reading.rules, reading.format, heading.headers, reading.documents[part])
            except SupplierError as error:
                raise _of_part(work, reading, reader, error) from error
    return differ


def _of_part(work: Work, reading: Reading, reader: Parsing, error: SupplierError) -> SupplierError:
    """The error, said of the file it is about where there are several; that file is then the run's, to be looked at."""
    heading = reader.headings[reader.part] if reader.part < len(reader.headings) else reader.heading
    told = _renamed(reading, heading.headers, error)
    if len(reading.documents) == 1:
        return told
    document = reading.documents[reader.part]
    work.save(document_id=document.id)
    body = f"{document.name}, file {reader.part + 1} of {len(reading.documents)}: {told.problem.body} None of the files was used."
    return SupplierError(replace(told.problem, body=body), told.permanent)


def _renamed(reading: Reading, headers: Sequence[str], error: SupplierError) -> SupplierError:
    """The error, said as a renamed column where it is one; either leads to the page where columns are chosen."""
    if error.problem.code != "columns_missing":
        return error
    absent = [column for column in mapping.needed_columns(reading.rules) if column not in headers]
    renamed = words.renamed(reading.version.integration.source.name, absent, reading.version.headers, headers)
    found = renamed or replace(error.problem, act="Choose the columns")
    return SupplierError(replace(found, act_at="columns"), permanent=True)


def make_plan(work: Work, held: Stage, role: Role, tally: Tally, before: Baseline, memory: Memory) -> Summary:
    """Write the plan of what was staged, once. Inside `held.attached()`."""
    done = summary_of(work)
    if done is not None:
        return done
    work.stage("plan")
    whole = bool(work.checkpoint["whole"])
    pins = ItemPin.select().where(ItemPin.source == work.run.source_id).exists()
    step = guards.limits(Integration.get_by_id(work.run.integration_id)).price_step / 100
    removals = before.run is not None and role.removes
    archive = missing.archive_before(work.run, role.missing) if removals else None
    terms = Terms(role, removals, whole, pins, step, archive, memory.stale)
    usable = tally.known + tally.usable
    counts = memory.counts if not whole and memory.counts else plan.counted(work.run.source_id, role)
    summary = plan.make(work, held, terms, usable, counts)
    summary = replace(summary, kept=forecast.of(work, held.table, role, terms.locks, summary))
    with work.transaction():
        work.save(plan_hash=summary.hash)
        work.save_checkpoint(summary=asdict(summary))
    failpoints.reach("planned")
    return summary


def summary_of(work: Work) -> Summary | None:
    """The plan's counts that the run's checkpoint holds."""
    told = work.checkpoint.get("summary")
    return None if told is None else Summary(**told)


def judge_plan(work: Work, tally: Tally, summary: Summary, before: Baseline) -> list[Verdict]:
    """Every guard's verdict on the file and its plan, those that refuse first."""
    limits = guards.limits(Integration.get_by_id(work.run.integration_id))
    return guards.judge(_facts(tally, summary, before, roles.of(work.run)), limits)


def _facts(tally: Tally, summary: Summary, before: Baseline, role: Role) -> Facts:
    priced = max(summary.matched, summary.known) if role.delta else summary.matched
    return Facts(
        tally.rows - tally.replaced, summary.usable, tally.bad_quantity, before.rows, before.history, summary.known, summary.missing,
        summary.in_stock, summary.zero, before.source, priced=priced, price_moved=summary.price_moved,
        matched=summary.matched, high=before.high, high_at=before.high_at, days=before.days, broken=tally.unreadable,
        duplicates=tally.duplicates, delta=role.delta, secondary=not role.adds,
    )  # fmt: skip


def keep_verdicts(work: Work, verdicts: Sequence[Verdict]) -> None:
    """Keep the verdicts with the run, those of the same guards in the place of earlier ones."""
    known = [told for told in work.run.verdicts if told["name"] not in {verdict.name for verdict in verdicts}]
    work.save(verdicts=known + [verdict.told() for verdict in verdicts])


def erase_stage(work: Work) -> None:
    """Remove the fresh rows of the run and the record of the feed that it read."""
    with work.staging():
        stage.opened(work).erase()
    feed_states.fresh_path(work).unlink(missing_ok=True)
