"""A dry run: the plan of any file by any mapping, judged by the guards, and written nowhere but into the run's own rows.

fetch │ parse │ plan │ guard, as a sync does them, but the file is read whole. Its plan's digest is the one that a sync of the same
file then has. The rows of the plan stay for a day, or until the integration has a newer dry run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from typing import Any

from portal import clock, documents, mappings, read_files, readers, runs
from portal.errors import NotFound, Refused, SupplierError
from portal.inventory import baseline, feed_states, movers, plan, plan_rows, stage, steps, words
from portal.inventory.baseline import Baseline
from portal.inventory.parsing import Tally
from portal.inventory.plan import Summary
from portal.inventory.steps import Holds, Reading
from portal.leases import Stopped, Work
from portal.models import Document, Integration, ItemPin, MappingVersion, Run, Source, bulk, database
from portal.runs import DRY_RUN, Outcome

WRITERS = ("inventory", "accept_removals", "revert", "fixed_rows", "edit", "silence", "remove_inventory")
KEPT_FOR = timedelta(days=1)
ORIGIN = "dry_run"
"""Origin of a document that was uploaded for a dry run only: never the latest upload of its source."""


@dataclass(frozen=True)
class Choice:
    """What a dry run reads. `document` None: what the supplier has now, or the latest upload. `version` 0: the saved mapping.

    `rules` with the `headers` they were made on: a mapping that is not saved.
    """

    document: Document | None = None
    version: int = 0
    rules: Mapping[str, Any] | None = None
    headers: Sequence[str] = ()


def start(integration: Integration, choice: Choice, who: str, *, cause: str = "person", claimed: bool = False) -> Run:
    """Start a dry run, beside a sync if there is one. Raises Refused, Invalid (unusable rules), NotFound, AlreadyRunning."""
    source = integration.source
    if runs.SYNC_KINDS.get(integration.kind) != "inventory":
        raise Refused("Only inventory can be dry run.")
    if source.state == "deleted":
        raise Refused("This source was deleted. Restore it first.")
    settings: dict[str, Any] = {}
    if choice.document is not None:
        if choice.document.source_id != source.id:
            raise NotFound("document")
        settings["document"] = choice.document.id
    if choice.rules is not None:
        mappings.check(integration, choice.rules, choice.headers)
        settings |= {"rules": dict(choice.rules), "headers": list(choice.headers)}
    elif choice.version:
        if not MappingVersion.select().where(_version(integration, choice.version)).exists():
            raise NotFound("mapping version")
        settings["version"] = choice.version
    return runs.start(source, DRY_RUN, integration=integration, cause=cause, started_by=who, settings=settings, claimed=claimed)


def perform(work: Work) -> Outcome:
    """Run handler: plan and judge, write nothing. Raises SupplierError for a file that cannot be read."""
    try:
        return _perform(work)
    except (Stopped, SupplierError) as ended:
        stage.erase(work)
        steps.erase_stage(work)
        if isinstance(ended, SupplierError) and ended.problem.act_at == "columns":  # whose page would start a sync
            raise SupplierError(replace(ended.problem, act="Edit the mapping", act_at="mapping"), permanent=True) from ended
        raise


def _perform(work: Work) -> Outcome:
    readers.make_ready()
    reading, before = steps.fetch(work), baseline.of(work.run)
    if reading is None:
        raise SupplierError(words.nothing_new(), permanent=True)
    held, memory = stage.opened(work), feed_states.nothing(work)
    tally = steps.parse(work, reading, held, memory)
    with held.attached():
        same = "rules" not in work.run.settings and steps.is_unchanged(work, reading, before)
        summary = _nothing(work, reading, tally) if same else steps.make_plan(work, held, reading.role, tally, before, memory)
        _judge(work, reading, tally, summary, before, same)
        _keep_rows(work, reading, summary)
    steps.erase_stage(work)
    return Outcome("finished", _counts(work, tally, summary))


def _nothing(work: Work, reading: Reading, tally: Tally) -> Summary:
    """The plan of the very file that was last accepted: a sync ends as No change, also where a person changed an item since."""
    known, in_stock = plan.counted(work.run.source_id, reading.role)
    summary = Summary(known, in_stock, tally.known + tally.usable, hash=plan.NOTHING)
    with work.transaction():
        work.save(plan_hash=summary.hash)
        work.save_checkpoint(summary=asdict(summary))
    return summary


def _judge(work: Work, reading: Reading, tally: Tally, summary: Summary, before: Baseline, same: bool) -> None:
    """Keep what every guard says, and what a sync would do about it."""
    work.stage("guard")
    verdicts = [*steps.judge_age(work, reading.document, before), *steps.judge_plan(work, tally, summary, before)]
    steps.keep_verdicts(work, verdicts)
    refused = any(verdict.verdict == "refuse" for verdict in verdicts)
    holds = any(verdict.verdict == "hold" for verdict in verdicts)
    would = "no_change" if same else "refused" if refused else "held" if holds else "applied"
    work.save_checkpoint(would=would, holds=asdict(Holds.of(verdicts)))


def _keep_rows(work: Work, reading: Reading, summary: Summary) -> None:
    """Give each planned row its values, and those that a sync would hold their mark."""
    if work.checkpoint.get("rows_kept"):
        return
    held = stage.opened(work)
    if summary.whole and summary.add:
        plan_rows.list_adds(work, held)
    pins = ItemPin.select().where(ItemPin.source == work.run.source_id).exists()
    plan_rows.keep_values(work, held, reading.role, pins)
    holds = Holds(**work.checkpoint["holds"])
    with work.transaction():
        if holds != Holds():
            plan_rows.hold_rows(work.run.id, holds.marks, holds.removals, holds.everything)
        waiting = plan_rows.count_held(work.run.id)
        work.save_checkpoint(rows_kept=True, waiting=waiting, movers=movers.of(work.run.id, reading.role.columns))


def _counts(work: Work, tally: Tally, summary: Summary) -> dict[str, int]:
    return {
        "rows": tally.rows, "add": summary.add, "change": summary.change, "zero": summary.zero, "missing": summary.missing,
        "back": summary.back, "unchanged": summary.unchanged, "set_aside": tally.set_aside, "noted": tally.noted,
        "duplicates": tally.duplicates, "waits": work.checkpoint["waiting"],
        **{name: number for name, number in (("archive", summary.archive), ("note", summary.note), ("unknown", summary.unknown)) if number},
        **summary.kept,
    }  # fmt: skip


def why_not_sync(run: Run) -> str:
    """Why a sync cannot be started with this dry run's file and mapping; "" when it can."""
    if run.state != "finished" or run.source is None or run.integration_id is None:
        return "It did not come to its end."
    if run.source.state in ("draft", "deleted"):
        return "This source is a draft. Finish its set-up first." if run.source.state == "draft" else "This source was deleted."
    integration = Integration.get_by_id(run.integration_id)
    saved = MappingVersion.get_or_none(_version(integration, integration.mapping_version))
    if saved is None or saved.rules != rules_of(run):
        return "Its mapping is not the saved one. Save that mapping first."
    if integration.settings.get("format") not in (None, run.settings["format"]):
        return "The file is read another way by now."
    document = Document.get_or_none(Document.id == run.document_id)
    if document is None or document.stored_name is None or not documents.path_of(document).exists():
        return "The file was erased by age."
    return ""


def rules_of(run: Run) -> Mapping[str, Any] | None:
    """The mapping rules that a dry run reads by; None before it has begun, or when that version is gone."""
    if "rules" in run.settings:
        return dict(run.settings["rules"])
    version = MappingVersion.get_or_none(MappingVersion.integration == run.integration_id, MappingVersion.number == run.mapping_version)
    return None if version is None else dict(version.rules)


def start_sync(run: Run, who: str) -> Run:
    """Start a sync of the very document of a dry run. Raises Refused, AlreadyRunning."""
    reason = why_not_sync(run)
    if reason:
        raise Refused(f"{reason} Nothing was written.")
    parts = [file.document_id for file in read_files.of_run(run, "file")]
    settings = {"document": parts if len(parts) > 1 else run.document_id, "dry_run": run.id}
    integration = Integration.get_by_id(run.integration_id)
    with database.atomic():
        started = runs.start_sync(integration, started_by=who, settings=settings)
        if started.settings.get("dry_run") != run.id:  # one that waited to try again was brought forward
            raise runs.AlreadyRunning(started)
        origin = documents.UPLOADED[integration.kind]
        Document.update(origin=origin).where(Document.id == run.document_id, Document.origin == ORIGIN).execute()
    return started


def of_sync(run: Run) -> Run | None:
    """The dry run that a sync was started from."""
    mine = (Run.merchant == run.merchant_id) & (Run.kind == DRY_RUN)
    return Run.get_or_none(mine, Run.id == run.settings.get("dry_run", 0)) if run.kind == "inventory" else None


def syncs_of(run: Run) -> list[Run]:
    """The syncs that were started from a dry run, newest first."""
    later = Run.select().where(Run.integration == run.integration_id, Run.kind == "inventory", Run.document_id == run.document_id)
    return [one for one in later.where(Run.id > run.id).order_by(Run.id.desc()) if one.settings.get("dry_run") == run.id]


def written_since(run: Run) -> list[Run]:
    """Runs that may have written to the source since a dry run began, newest first; its plan may be another by now."""
    ended = Run.finished_at.is_null() | (Run.finished_at > run.started_at)
    others = Run.select().where(Run.source == run.source_id, Run.id != run.id, Run.kind << WRITERS, Run.started_at.is_null(False), ended)
    return [one for one in others.order_by(Run.id.desc()) if _wrote(one)]


def _wrote(run: Run) -> bool:
    """Whether the run is about to write, or has written anything."""
    wrote = any((run.counts or {}).get(name) for name in ("new", "changed", "zeroed", "back", "missing", "items", "values", "removed"))
    return run.state == "running" or (run.state not in ("queued", "no_change") and (wrote or run.kind != "inventory"))


def kept_files(source: Source, most: int = 50) -> list[Document]:
    """Stock files of the source that still lie here, newest first."""
    mine = Document.select().where(Document.source == source, Document.stored_name.is_null(False))
    files = (
        mine.where(Document.origin << ("fetched", "sample", ORIGIN, *documents.UPLOADED.values())).order_by(Document.id.desc()).limit(most)
    )
    return [one for one in files if documents.path_of(one).exists()]


def erase_old() -> int:
    """Erase the rows of dry runs that are a day old, or have a newer one beside them; of how many runs."""
    newer = f"n.kind = '{DRY_RUN}' AND n.integration_id = r.integration_id AND n.id > r.id AND n.state = 'finished'"
    old = f"""
        SELECT r.id FROM run r WHERE r.kind = '{DRY_RUN}' AND r.state NOT IN ('queued', 'running')
        AND (r.finished_at < ? OR EXISTS (SELECT 1 FROM run n WHERE {newer}))
        AND (EXISTS (SELECT 1 FROM plan_row p WHERE p.run_id = r.id) OR EXISTS (SELECT 1 FROM set_aside_row a WHERE a.run_id = r.id))"""
    found = [int(row[0]) for row in bulk.run(old, (clock.now() - KEPT_FOR,)).fetchall()]
    for run_id in found:
        stage.erase_of_ended(run_id)
    return len(found)


def _version(integration: Integration, number: int) -> Any:
    return (MappingVersion.integration == integration) & (MappingVersion.number == number)
