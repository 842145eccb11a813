"""A file from the operator's disk through the whole path of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from portal import after_read, clock, documents, runs, sources
from portal.errors import NotFound, Problem, Refused
from portal.inventory import sync
from portal.models import Document, Integration, Merchant, Run, Source

COUNTED = ("rows", "new", "changed", "unchanged", "missing", "set_aside", "held")
WHO = "command line"
KIND = "get_inventory_primary"
SHORT = {"primary": "get_inventory_primary", "secondary": "get_inventory_secondary"}
ACTIONS = ("add", "change", "zero", "missing", "back")
GOOD = ("finished", "warnings", "no_change", "applied")


def find_source(merchant: Merchant, name_or_id: str) -> Source:
    """The merchant's source of that name (however it is written) or public id. Raises NotFound."""
    key = sources.name_key(name_or_id)
    named = Source.get_or_none(Source.merchant == merchant, Source.name_key == key, Source.state != "deleted")
    return named or sources.find(merchant, name_or_id)


def only_merchant_with(name_or_id: str) -> Merchant:
    """The one workspace that has a source of that name or id, for the command line. Raises NotFound; Refused when several do."""
    named = (Source.public_id == name_or_id) | (Source.name_key == sources.name_key(name_or_id))
    found = list(Source.select(Source.merchant).where(named, Source.state != "deleted").distinct().limit(2))
    if not found:
        raise NotFound("source")
    if len(found) > 1:
        raise Refused(f"Several workspaces have a source named {name_or_id}. Name the workspace with --merchant.")
    return found[0].merchant


def import_file(merchant: Merchant, name_or_id: str, path: Path, create: bool = False, dry: bool = False) -> Run:
    """Import the file into the source here and now, or only dry run it; the run as it ended.

    `create`: a source of that name is made when there is none. Raises NotFound, Invalid, Refused, SupplierError (the file
    cannot be kept, or cannot be read at all when a source is made for it).
    """
    try:
        integration = sources.integration(find_source(merchant, name_or_id), KIND)
        document = documents.store_file(integration.source, path, runs.DRY_RUN if dry else "uploaded")
    except NotFound:
        if not create:
            raise
        from portal import feed_source  # who imports into a source that is there needs none of it

        integration, document = feed_source.create(merchant, name_or_id, path, WHO)
    return perform_dry(integration, document) if dry else perform(integration, {"document": document.id})


def perform(integration: Integration, settings: Mapping[str, Any] | None = None) -> Run:
    """Start the integration's run and do it in this process; the run as it ended. Raises Refused, AlreadyRunning."""
    _refuse_deleted(integration)
    run = runs.start_sync(integration, cause="command", started_by=WHO, settings=settings, claimed=True)
    runs.perform(run, {"inventory": sync.perform})
    after_read.settle_due(run)
    return Run.get_by_id(run.id)


def perform_dry(integration: Integration, document: Document | None = None) -> Run:
    """Dry run the document, or what is there now, in this process; the run as it ended. Raises Refused, AlreadyRunning."""
    from portal.inventory import dry_run

    _refuse_deleted(integration)
    run = dry_run.start(integration, dry_run.Choice(document), WHO, cause="command", claimed=True)
    runs.perform(run, {runs.DRY_RUN: dry_run.perform})
    return Run.get_by_id(run.id)


def _refuse_deleted(integration: Integration) -> None:
    if integration.source.merchant.closing_at is not None:
        raise Refused("This workspace is being deleted, so nothing of it runs. An owner can bring it back.")


def report(run: Run) -> dict[str, Any]:
    """The run's outcome as `import-feed --json` prints it, but for the process's memory. A dry run's counts are what would be.

    A dry run that came to its end also tells "would": applied, no_change, held or refused; "plan": {action: rows}; and "verdicts".
    """
    planned, counts = run.counts, {name: run.counts.get(name, 0) for name in COUNTED}
    dry: dict[str, Any] = {}
    if run.kind == runs.DRY_RUN and run.state == "finished":
        counts |= {"new": planned["add"], "changed": planned["change"] + planned["zero"], "held": planned["waits"]}
        dry = {"would": run.checkpoint["would"], "plan": {name: planned[name] for name in ACTIONS}, "verdicts": run.verdicts}
    ended = run.finished_at or clock.now()
    seconds = (ended - run.started_at).total_seconds() if run.started_at else 0.0
    stages = {name: told["seconds"] for name, told in run.stages.items()}
    return {
        "status": run.state, **counts, "seconds": round(seconds, 3), "stages": stages, "run": run.public_id,
        "source": run.source.public_id if run.source else None, "problem": run.problem, "plan_hash": run.plan_hash, **dry,
    }  # fmt: skip


def report_without_run(problem: Problem) -> dict[str, Any]:
    """The same for a file that was refused before it became a run."""
    counts = dict.fromkeys(COUNTED, 0)
    return {"status": "failed", "error": problem.headline, **counts, "seconds": 0.0, "stages": {}, "problem": asdict(problem)}


def sentence(run: Run) -> str:
    """The run's outcome for a person."""
    told = report(run)
    if "would" in told:
        return _planned(told)
    text = (
        f"{told['status'].replace('_', ' ').capitalize()}: {told['rows']:,} rows, {told['new']:,} new, {told['changed']:,} changed, "
        f"{told['unchanged']:,} unchanged, {told['missing']:,} missing, {told['set_aside']:,} set aside, {told['held']:,} held "
        f"in {told['seconds']:.1f} s."
    )
    return text if run.problem is None else f"{text}\n{run.problem['headline']}. {run.problem['body']}"


def _planned(told: Mapping[str, Any]) -> str:
    """A dry run for a person."""
    plan = told["plan"]
    ends = {"applied": "be applied", "no_change": "end with no change", "held": "be held in part", "refused": "be refused whole"}
    lines = [
        f"Nothing was written. A run would {ends[told['would']]}: {told['rows']:,} rows, {plan['add']:,} to add, {plan['change']:,} to "
        f"change, {plan['zero']:,} to go to 0, {plan['missing']:,} missing, {plan['back']:,} back, {told['unchanged']:,} unchanged, "
        f"{told['set_aside']:,} set aside, {told['held']:,} to be held in {told['seconds']:.1f} s.",
        *[f"Because: {one['sentence']}" for one in told["verdicts"] if one["verdict"] in ("hold", "refuse")],
        f"Plan {told['plan_hash']}",
    ]
    return "\n".join(lines)


def runnable(source: Source, kind: str) -> Integration:
    """The source's integration of that kind (or primary, secondary), for `sync`. Raises Refused for a source that is not live, NotFound."""
    if source.state == "draft":
        raise Refused(f"{source.name} is not set up yet.")
    return sources.integration(source, SHORT.get(kind, kind))
