"""Dry runs: choose a file and a mapping, read the plan, and start a sync with the very file."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app, g, url_for
from htmx_flask import request
from wtforms import RadioField, SelectField

import tasks
from portal import connections, documents, mappings, plans, read_files, run_report, runs, sources
from portal.errors import NotFound, Refused, SupplierError
from portal.inventory import dry_run, held, planned
from portal.web import guards
from portal.web.filters import moment, size
from portal.web.forms import LedgerForm
from portal.web.render import download, render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("dry_runs", __name__)
LONGEST_SEARCH = 120
ONE_RUNS = "A dry run of this integration is going on already"


class DryRunForm(LedgerForm):
    """Which file is read, and by which mapping."""

    what = RadioField("File", validate_choice=False)
    kept = SelectField("Kept file", validate_choice=False)
    mapping = SelectField("Mapping", validate_choice=False)


@blueprint.get("/sources/<source_id>/integrations/<kind>/dry-run")
@guards.signed_in
def new(source_id: str, kind: str) -> Response:
    """Choose the file and the mapping. `document` in the query is the kept file that was asked for."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    return _page(integration, _form(integration))


@blueprint.post("/sources/<source_id>/integrations/<kind>/dry-run")
@guards.signed_in
@guards.takes_files
@guards.once
def start(source_id: str, kind: str) -> Response:
    """Start the dry run."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    form = _form(integration)
    try:
        document = _document(integration, form)
    except SupplierError as error:
        return _page(integration, form.refuse(f"{error.problem.headline}. {error.problem.body}"), 422)
    except Refused as refused:
        return _page(integration, form.refuse(refused), 422)
    choice = dry_run.Choice(document, version=whole_number(form.mapping.data or ""))
    return begin(integration, choice)


def begin(integration: Any, choice: dry_run.Choice) -> Response:
    """Start a dry run and go to its page; to the one that is going on, where there is one. Raises Refused, Invalid."""
    try:
        run = dry_run.start(integration, choice, g.user.email)
    except runs.AlreadyRunning as busy:
        return saved(url_for("runs.show", run_id=busy.run.public_id), f"{ONE_RUNS} (started {busy.ago} ago)")
    tasks.ring()
    return saved(url_for("runs.show", run_id=run.public_id), "Dry run started. Nothing is written.")


@blueprint.get("/runs/<run_id>/plan")
@guards.signed_in
def plan(run_id: str) -> Response:
    """The plan of a dry run; `q` looks for a SKU, `action` shows one kind of row."""
    run = _finished(run_id)
    query, action = _asked()
    after = max(0, request.args.get("after", 0, type=int))
    rows, following = planned.rows(run, action, query, after)
    asked: dict[str, Any] = {"run_id": run_id, "q": query or None, "action": action or None}
    aside, more_aside = run_report.set_aside(run, max(0, request.args.get("aside", 0, type=int)))
    integration, actions = run.integration, {key: words for key, words in planned.ACTIONS.items() if key in run.counts}
    return render(
        "dry_runs/plan.html", "dry_runs/_rows.html", run=run, source=run.source, integration=integration, q=query, action=action,
        rows=[(one, run_report.values_of(one.before, one.after)) for one in rows], actions=actions,
        next_url=url_for("dry_runs.plan", **asked, after=following) if following else "",
        first_url=url_for("dry_runs.plan", **asked) if after else "", csv_url=url_for("dry_runs.csv", **asked),
        report=run_report.report(run), judged=planned.judged(run), verdicts=planned.VERDICTS, reasons=planned.reasons(run),
        movers=planned.movers(run), kept=planned.is_kept(run), chart=held.chart(run), why_not=dry_run.why_not_sync(run),
        syncs=dry_run.syncs_of(run), written=dry_run.written_since(run), aside=aside, more_aside=more_aside, places=read_files.Rows(run),
        title=sources.INTEGRATION_KINDS[integration.kind], planned=sum(run.counts[key] for key in actions),
        limit=plans.limits(g.merchant.id)["skus"],
    )  # fmt: skip


@blueprint.get("/runs/<run_id>/plan.csv")
@guards.signed_in
def csv(run_id: str) -> Response:
    """The rows of the plan as a file, as filtered."""
    run, (query, action) = _finished(run_id), _asked()
    lines = planned.csv(run, action, query)
    return download(_bytes(lines), f"run-{run.number}-plan.csv")


@blueprint.post("/runs/<run_id>/sync")
@guards.signed_in
@guards.once
def sync(run_id: str) -> Response:
    """Run Sync with the file of a dry run."""
    run = _finished(run_id)
    try:
        started = dry_run.start_sync(run, g.user.email)
    except runs.AlreadyRunning as busy:
        return saved(url_for("runs.show", run_id=busy.run.public_id), f"A sync is already running (started {busy.ago} ago)")
    tasks.ring()
    return saved(url_for("runs.show", run_id=started.public_id), f"Sync started with the file of dry run {run.number:,}.")


def _finished(run_id: str) -> Any:
    run = runs.find(g.merchant, run_id)
    if run.kind != runs.DRY_RUN or run.state != "finished" or run.source is None:
        raise NotFound("plan")
    return run


def _asked() -> tuple[str, str]:
    """What rows are looked for: (a part of the SKU, one action or "")."""
    action = request.args.get("action", "")
    return request.args.get("q", "").strip()[:LONGEST_SEARCH], action if action in (*planned.ACTIONS, "waits") else ""


def _form(integration: Any) -> Any:
    source, files = integration.source, dry_run.kept_files(integration.source)
    asked = request.args.get("document", "")
    usual = {"what": "kept" if asked else "now", "kept": asked, "mapping": "0"}
    form = DryRunForm.read(**usual)
    given = "The newest delivery" if connections.is_webhook(source) else "The latest upload"
    now = given if connections.is_given(source) else "What the supplier has now"
    form.what.choices = [("now", now), ("upload", "A file of mine, for this dry run only")] + (
        [("kept", "A file kept here")] if files else []
    )
    form.kept.choices = [(one.public_id, f"{one.name}, {size(one.size)}, {_plain(moment(one.at))}") for one in files]
    form.mapping.choices = [("0", "The saved one")] + [
        (str(one.number), f"Version {one.number:,}, {_plain(moment(one.made_at))}")
        for one in mappings.versions(integration)
        if one.number != integration.mapping_version
    ]
    return form


def _plain(moment_: Any) -> str:
    return str(moment_.striptags()) if hasattr(moment_, "striptags") else str(moment_)


def _document(integration: Any, form: Any) -> Any:
    """The document that was chosen, None for what is there now. Raises Refused, SupplierError, NotFound."""
    if form.what.data == "upload":
        sent = request.files.get("file")
        if sent is None or not sent.filename:
            raise Refused("Choose the file first.")
        return documents.store_upload(integration.source, sent.stream, sent.filename, origin=dry_run.ORIGIN)
    return documents.find(g.merchant, form.kept.data or "") if form.what.data == "kept" else None


def _page(integration: Any, form: Any, status: int = 200) -> Response:
    return render(
        "dry_runs/new.html", "dry_runs/_form.html", status, source=integration.source, integration=integration, form=form,
        title=sources.INTEGRATION_KINDS[integration.kind], limit=current_app.config["PORTAL"].max_feed_bytes,
        mapped=integration.mapping_version > 0,
    )  # fmt: skip


def _bytes(lines: Any) -> Any:
    yield b"\xef\xbb\xbf"
    for line in lines:
        yield line.encode()
