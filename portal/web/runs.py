"""Runs: the history, one run live and afterwards, its downloads, stopping it, and accepting what it held."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, g, redirect, url_for
from htmx_flask import request

import tasks
from portal import clock, documents, plans, read_files, run_report, runs, sources
from portal.errors import NotFound, Refused
from portal.inventory import accepting, dry_run, export, fixes, held, revert
from portal.web import guards
from portal.web.connecting import act_of
from portal.web.render import download, render, saved, wants_fragment

blueprint = Blueprint("runs", __name__)

STATES = {
    "queued": "Queued", "running": "Running", "finished": "Finished", "warnings": "Finished with warnings", "no_change": "No change",
    "held": "Held for review", "failed": "Failed", "stopped": "Stopped",
}  # fmt: skip
PLACES = {
    "connection": ("connections.edit", "source_id"),
    "host_key": ("connections.host_key", "source_id"),
    "sign_in": ("signing_in.leave", "source_id"),
    "approval": ("approvals.leave", "source_id"),
    "file": ("connections.file", "source_id"),
    "mapping": ("mappings.inventory", "source_id"),
    "guards": ("limits.edit", "source_id"),
    "silence": ("limits.silence", "source_id"),
    "operation": ("soap.operation", "source_id"),
    "wsdl": ("soap.wsdl", "source_id"),
}
OF_A_FEED = ("connections.file", "mappings.inventory")
QUICK, CALM = timedelta(seconds=30), timedelta(minutes=5)


@blueprint.get("/runs")
@guards.signed_in
def index() -> Response:
    """Every run of the workspace, newest first."""
    known = sources.listing(g.merchant)
    chosen = next((one for one in known if one.public_id == request.args.get("source")), None)
    return _history("runs/index.html", chosen, known)


@blueprint.get("/sources/<source_id>/runs")
@guards.signed_in
def of_source(source_id: str) -> Response:
    """The runs of one source."""
    source = sources.find_line(g.merchant, source_id)
    return _history("runs/of_source.html", source, [source], source=source)


@blueprint.get("/runs/<run_id>")
@guards.signed_in
def show(run_id: str) -> Response:
    """One run: live while it moves, and afterwards what it changed and what it set aside."""
    run = runs.find(g.merchant, run_id)
    if run.kind == runs.DRY_RUN and run.state == "finished" and not wants_fragment():
        return redirect(url_for("dry_runs.plan", run_id=run_id))  # type: ignore[return-value]
    report, problem = run_report.report(run), run.problem or {}
    moving = run.state in run_report.UNFINISHED
    changes, more_changes = ([], None) if moving else run_report.differences(run, request.args.get("changes", 0, type=int))
    aside, more_aside = ([], None) if moving else run_report.set_aside(run, _after("aside"))
    return render(
        "runs/show.html",
        "runs/_progress.html",
        run=run,
        source=run.source if run.source and run.source.state != "deleted" else None,
        report=report,
        moving=moving,
        limit=plans.limits(g.merchant.id)["skus"],
        delay=_delay(run),
        changes=changes,
        more_changes=more_changes,
        aside=aside,
        more_aside=more_aside,
        places=read_files.Rows(run),
        act_at=_place(run),
        act=act_of(run.source, problem.get("act", ""), problem.get("act_at", "")),
        live=_spoken(report),
        may_revert=not revert.may_revert(run),
        target=revert.target_of(run),
        reverts=revert.reverts_of(run),
        dry=dry_run.of_sync(run),
        dry_run_at=_dry_run_at(run, report.document),
        to_mend=0 if moving else fixes.open_rows(run),
    )


@blueprint.post("/runs/<run_id>/stop")
@guards.signed_in
@guards.once
def stop(run_id: str) -> Response:
    """Stop a run safely."""
    run = runs.find(g.merchant, run_id)
    runs.request_stop(run, g.user.email)
    return saved(url_for("runs.show", run_id=run_id), "Stop requested. What is applied stays; the rest is skipped.")


@blueprint.post("/runs/<run_id>/files")
@guards.signed_in
def leave_out(run_id: str) -> Response:
    """Leave a file of a failed run out of those that come, or take that back."""
    run, out = runs.find(g.merchant, run_id), request.form.get("act") != "take_back"
    name = read_files.leave_out(run, request.form.get("document", ""), out, g.user.email)
    words = f"{name} is left out until it changes. Run Sync reads the others." if out else f"{name} is read again by the next run."
    return saved(url_for("runs.show", run_id=run_id, _anchor="files"), words)


@blueprint.get("/runs/<run_id>/acceptance")
@guards.signed_in
def acceptance(run_id: str) -> Response:
    """What accepting the held part would do, with counts, before anything is done."""
    run = runs.find(g.merchant, run_id)
    if run.state != "held":
        raise Refused("This run holds nothing back.")
    counts = held.kinds(run)
    if not sum(counts.values()):
        counts["missing"] = (run.counts or {}).get("held", 0)
    return render("runs/acceptance.html", run=run, source=run.source, counts=counts, title=run_report.title_of(run))


@blueprint.post("/runs/<run_id>/acceptance")
@guards.signed_in
@guards.once
def accept(run_id: str) -> Response:
    """Apply what the run held back, in a run of its own."""
    started = accepting.start_acceptance(runs.find(g.merchant, run_id), g.user.email)
    tasks.ring()
    return saved(url_for("runs.show", run_id=started.public_id), "Accepted. The held part is being applied.")


@blueprint.get("/runs/<run_id>/changes.csv")
@guards.signed_in
def changes(run_id: str) -> Response:
    """Everything the run changed, safe to open in a spreadsheet."""
    run = runs.find(g.merchant, run_id)
    return download("".join(export.changes_csv(run)).encode("utf-8-sig"), f"run-{run.number}-changes.csv")


@blueprint.get("/runs/<run_id>/set-aside.csv")
@guards.signed_in
def set_aside(run_id: str) -> Response:
    """The rows that were set aside, with every reason."""
    run = runs.find(g.merchant, run_id)
    return download("".join(export.set_aside_csv(run)).encode("utf-8-sig"), f"run-{run.number}-set-aside.csv")


@blueprint.get("/runs/<run_id>/file")
@guards.signed_in
def file(run_id: str) -> Response:
    """A raw file of the run, byte for byte; `document` names which, where there are several. Gone once it has been erased by age."""
    document = run_report.document_of(runs.find(g.merchant, run_id), request.args.get("document", ""))
    path = documents.path_of(document)
    if not path.exists():
        raise NotFound("file")
    return download(_chunks(path), document.name, "application/octet-stream")


def _chunks(path: Any) -> Any:
    with path.open("rb") as file_:
        while part := file_.read(1 << 16):
            yield part


def _history(page: str, chosen: Any, known: list[Any], source: Any = None) -> Response:
    kind, state = request.args.get("kind", ""), request.args.get("state", "")
    before = request.args.get("before", 0, type=int)
    groups, following = run_report.history(
        g.merchant, source=chosen, kind=kind if kind in run_report.FILTERS else "", state=state if state in STATES else "", before=before
    )
    asked = {"kind": kind or None, "state": state or None}
    here = {"source_id": source.public_id} if source else {"source": chosen.public_id if chosen else None}
    endpoint = "runs.of_source" if source else "runs.index"
    return render(
        page,
        "runs/_list.html",
        source=source,
        tab="runs",
        sources=known,
        chosen=chosen,
        groups=groups,
        kinds=run_report.FILTERS,
        title_of=run_report.title_of,
        states=STATES,
        kind=kind,
        state=state,
        clear_url=url_for(endpoint, **({"source_id": source.public_id} if source else {})),
        next_url=url_for(endpoint, **here, **asked, before=following) if following else "",
        first_url=url_for(endpoint, **here, **asked) if before else "",
    )


def _dry_run_at(run: Any, document: Any) -> str:
    """Where this run's file can be dry run, "" where it cannot."""
    kind = run.integration.kind if run.integration else ""
    if runs.SYNC_KINDS.get(kind) != "inventory" or document is None or document.stored_name is None or run.kind == "fixed_rows":
        return ""
    if run.source is None or run.source.state == "deleted":
        return ""
    return url_for("dry_runs.new", source_id=run.source.public_id, kind=kind, document=document.public_id)


def _after(name: str) -> int:
    asked: int = request.args.get(name, 0, type=int)
    return max(0, asked)


def _delay(run: Any) -> str:
    """Ask again each second at first, then less often."""
    age = clock.now() - (run.started_at or run.created_at)
    return "1s" if age < QUICK else ("3s" if age < CALM else "10s")


def _place(run: Any) -> str:
    """Where the problem's act leads, "" when it leads nowhere (run again is a button)."""
    if (run.problem or {}).get("act_at") == "columns":
        return url_for("columns.show", run_id=run.public_id)
    endpoint, name = PLACES.get((run.problem or {}).get("act_at", ""), ("", ""))
    if not endpoint or run.source is None or run.source.state == "deleted":
        return ""
    of = run.integration
    if of is not None and of.removed_at is not None:
        return ""
    kind = of.kind if of is not None else run.settings.get("kind")
    told = {"kind": kind} if endpoint.startswith("limits.") else {"which": kind} if endpoint in OF_A_FEED and kind else {}
    return url_for(endpoint, **{name: run.source.public_id}, **told)


def _spoken(report: Any) -> str:
    """What a screen reader is told: quarters and changes of state only, so that most refreshes say nothing new."""
    if report.run.state in run_report.UNFINISHED:
        quarter = (report.progress.percent or 0) // 25 * 25
        return f"{STATES[report.run.state]}, {quarter} %" if quarter else STATES[report.run.state]
    return STATES[report.run.state]
