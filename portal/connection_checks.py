"""Testing a connection: seven named checks, each with its own result, written down while they happen.

address ─ port ─ identity ─ sign_in ─ folder   by the connector
                                       └ sample ─ understand   the whole file, read as a feed
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from portal import (
    api_looks,
    clock,
    config,
    connection_parts,
    connections,
    deliveries,
    documents,
    file_choice,
    file_looks,
    file_rules,
    runs,
    setup_steps,
    sources,
)  # fmt: skip
from portal.connectors import Connector
from portal.connectors.lists import ListReader
from portal.connectors.selection import newest_first
from portal.errors import Later, NotFound, Problem, SupplierError
from portal.leases import Stopped, Work
from portal.models import Connection, Document, Integration, Run, Source, database
from portal.models.runs import UNFINISHED
from portal.records import CHECK_NAMES, Check, FileEntry
from portal.runs import Outcome
from portal.sources import PRIMARY

LISTED = 200  # entries of a folder that are kept for the page
SETTLE_SECONDS = 1.0  # between the two looks at a sample; a sync looks for longer
UPLOAD_CHECKS = ("sample", "understand")
LABELS = dict(CHECK_NAMES)
STORE_CHECKS = tuple(name for name in LABELS if name not in UPLOAD_CHECKS)

_NOTHING_UPLOADED = Problem(
    "file_missing", "No file was uploaded yet", "Upload the supplier's stock file first.", "Upload a file", "connection"
)
_NOTHING_CAME = Problem(
    "file_missing",
    "No delivery of stock came yet",
    "Let the supplier send a test event, and look at what came.",
    "Edit connection",
    "connection",
)


def start(source: Source, who: str, choice: Mapping[str, str] | None = None, kind: str = PRIMARY) -> Run:
    """Queue a test that reads the file of the integration `kind`. An older test stops.

    `choice`: {"folder", "match", "pattern"} (of a link also "link") to read another file than the saved one.
    """
    connection = connections.find(source)
    older = Run.get_or_none(Run.id == connection.check_run_id, Run.state << UNFINISHED)
    with database.atomic():
        run = runs.start(source, "connection_check", started_by=who, settings={"choice": dict(choice or {}), "kind": kind})
        waiting = [_plain(Check(name, "waiting")) for name in _names(source)]
        Connection.update(check_run_id=run.id, checks=waiting).where(Connection.id == connection.id).execute()
    if older is not None:
        runs.request_stop(older, who)
    return run


def latest(connection: Connection) -> Run | None:
    """The run that wrote, or is writing, the checks of the connection."""
    return None if connection.check_run_id is None else Run.get_or_none(Run.id == connection.check_run_id)


def is_running(run: Run | None) -> bool:
    """Whether the test is not over yet."""
    return run is not None and run.state in UNFINISHED


def read_back(connection: Connection) -> list[Check]:
    """The checks of the last test, as records."""
    return [_record(one) for one in connection.checks]


def passed(checks: list[Check], name: str) -> bool:
    """Whether the check called `name` is among `checks` and passed."""
    return any(one.name == name and one.state == "passed" for one in checks)


def perform(work: Work) -> Outcome:
    """The run handler: do the checks, keep the listing and the sample. The first failure stops the rest."""
    if work.source is None:
        raise NotFound("source")
    results = Results(work, work.source)
    try:
        if work.source.kind == sources.CHANNEL_LINE:
            _ask_store(results)
        elif connections.is_given(work.source):
            _understand(results, _given(results))
        else:
            _ask_server(results)
    except Later:
        raise
    except SupplierError as error:
        results.fail(error)
        return results.outcome(error.problem)
    return results.outcome(None)


class Results:
    """The checks of one run, written to the connection as they change, as long as this run is its test."""

    def __init__(self, work: Work, source: Source) -> None:
        self.work, self.source, self.connection = work, source, connections.find(source)
        self.kind = str(work.run.settings.get("kind") or PRIMARY)
        self.checks = {name: Check(name, "waiting") for name in _names(source)}
        self.write()

    def report(self, check: Check) -> None:
        """Take a result from the connector or from one of our own checks."""
        if check.name == "identity" and check.facts.get("fingerprint"):
            self._offer(check)
        if check.state == "running":
            check = replace(check, facts={**check.facts, "since": clock.now().isoformat()})
        if "choices" in check.facts:
            self.write(choices=check.facts["choices"])
            check = replace(check, facts={name: fact for name, fact in check.facts.items() if name != "choices"})
        self.checks[check.name] = check
        self.write()
        self.work.look_for_stop()

    def fail(self, error: SupplierError) -> None:
        """End the list: what was not reached is "not tried"; a failure that no check reported belongs to signing in."""
        if not any(one.state in ("failed", "question") for one in self.checks.values()):
            name = "sign_in" if error.problem.code in ("sign_in_paused", "sign_in_ended", "not_set_up") else self._reached()
            self.checks[name] = replace(self.checks[name], state="failed", problem=error.problem)
        self.skip_rest()

    def skip_rest(self) -> None:
        """Mark every check that still waits as not tried."""
        for name, one in self.checks.items():
            if one.state in ("waiting", "running"):
                self.checks[name] = replace(one, state="not_tried")
        self.write()

    def outcome(self, problem: Problem | None) -> Outcome:
        """How the run ends. A question is the merchant's to answer, so it is no failure."""
        state = "broken" if problem else "ok"
        asked = any(one.state == "question" for one in self.checks.values())
        if passed(list(self.checks.values()), "folder"):
            state = "ok"
        self.write(state="untested" if asked else state, tested_at=clock.now())
        if problem is None:
            return Outcome("finished")
        return Outcome("warnings" if asked else "failed", problem=problem)

    def write(self, **columns: Any) -> None:
        """Write checks and `columns`. Raises Stopped when the connection was changed or is tested anew meanwhile."""
        mine = (Connection.id == self.connection.id) & (Connection.check_run_id == self.work.run.id)
        with self.work.transaction():
            if not Connection.update(checks=[_plain(one) for one in self.checks.values()], **columns).where(mine).execute():
                raise Stopped(self.work.run.public_id)

    def _offer(self, check: Check) -> None:
        """Keep a key that waits for a person; drop an older offer once the key is the trusted one."""
        asked = check.state == "question" or (check.problem is not None and check.problem.code == "host_key_changed")
        key = {"key_type": check.facts["key_type"], "fingerprint": check.facts["fingerprint"], "at": clock.now().isoformat()}
        self.write(offered_key=key if asked else None)

    def _reached(self) -> str:
        running = [name for name, one in self.checks.items() if one.state in ("running", "waiting")]
        return running[0] if running else list(self.checks)[-1]

    @contextmanager
    def step(self, name: str) -> Iterator[dict[str, Any]]:
        """One of our own checks around its work; the yielded dict takes "detail" and "facts"."""
        found: dict[str, Any] = {"detail": "", "facts": {}}
        began = time.monotonic()
        self.report(Check(name, "running"))
        try:
            yield found
        except SupplierError as error:
            self.report(Check(name, "failed", time.monotonic() - began, found["detail"], error.problem, found["facts"]))
            raise
        self.report(Check(name, "passed", time.monotonic() - began, found["detail"], None, found["facts"]))


def _ask_server(results: Results) -> None:
    choice = _choice(results)
    over = {"sends": True} if _places_orders(results.source) else {}
    with connections.open_for(results.source, results.work.run.id, sample=True, link=choice["link"], over=over) as connector:
        try:
            entries = connector.check(results.report, choice["folder"])
        except SupplierError as error:
            _offer_folders(results, connector, error)
            raise
        finally:
            if isinstance(connector, ListReader) and connector.first is not None:
                results.work.save_checkpoint(answer=api_looks.to_keep(connector.first))
        results.write(listing=_listed(entries))
        setup_steps.mark(results.source, "connection")
        _say_what_is_read(results, entries, choice)
        if not choice["pattern"]:
            choice |= file_choice.likely(_of_no_other(results, entries)) or {}
        if not choice["pattern"]:
            results.skip_rest()
            return
        document = _fetch(results, connector, choice)
    _understand(results, document)


def _places_orders(source: Source) -> bool:
    """Whether orders are to leave by the supplier's own API, which may need more rights than reading the stock."""
    sending = sources.integration(source, "send_orders")
    return bool(sending.enabled) and not sending.settings.get("leave_by")


def _ask_store(results: Results) -> None:
    """Of a channel there is no file to read: what it lets us do is all that is tested."""
    with connections.open_for(results.source, results.work.run.id, operation="get_channel_orders") as connector:
        connector.check(results.report, "")


def _choice(results: Results) -> dict[str, str]:
    """Which file to read: as asked for this run, else as saved, else unknown ("")."""
    integration = sources.integration(results.source, results.kind)
    asked = results.work.run.settings.get("choice") or {}
    settings = results.connection.settings
    kept = integration.settings if integration.settings.get("pattern") else {}
    usual = {"folder": str(settings.get("folder", "")), "match": "newest", "pattern": _link_name(results.source), "link": ""}
    return {key: str({**usual, **kept, **asked}.get(key) or "") for key in usual}


def _say_what_is_read(results: Results, entries: list[FileEntry], choice: Mapping[str, str]) -> None:
    """Add to the check of the folder which of its files a run would read now."""
    if not choice["pattern"] or not file_choice.chooses_files(results.source):
        return
    integration, check = sources.integration(results.source, results.kind), results.checks["folder"]
    asked = results.work.run.settings.get("choice") or {}
    typed = file_rules.as_typed(integration) | {name: str(value) for name, value in asked.items()} | dict(choice)
    seen = file_rules.outlook(integration, entries, str(check.facts.get("folder") or ""), typed)
    results.checks["folder"] = replace(check, detail=f"{check.detail}. {seen.words}")
    results.write()


def _of_no_other(results: Results, entries: list[FileEntry]) -> list[FileEntry]:
    """The files that no other inventory integration reads: none of them is a guess for this one."""
    for one in sources.integrations(results.source):
        if one.kind in sources.INVENTORY_KINDS and one.kind != results.kind and one.settings.get("pattern"):
            read = file_choice.fitting(entries, one.settings.get("match", "newest"), one.settings["pattern"])
            entries = [entry for entry in entries if entry not in read]
    return entries


def _link_name(source: Source) -> str:
    """A link or an API has exactly one file, whatever its name; anything but "" stands for it."""
    return "" if file_choice.chooses_files(source) else "*"


def _offer_folders(results: Results, connector: Connector, error: SupplierError) -> None:
    """A missing folder is the file page's matter: we are signed in, so show what is there instead."""
    if error.problem.code != "folder_missing":
        return
    setup_steps.mark(results.source, "connection")
    with suppress(SupplierError):  # the missing folder is what the merchant must hear about
        results.write(listing=_listed(connector.listing("")))


def _listed(entries: list[FileEntry]) -> list[dict[str, Any]]:
    kept = newest_first(entries)[:LISTED]
    return [{**asdict(one), "modified": one.modified and one.modified.isoformat()} for one in kept]


def _fetch(results: Results, connector: Connector, choice: Mapping[str, str]) -> Document:
    work, limit = results.work, config.current().max_feed_bytes
    into: Path = documents.spool_path(results.source)
    with results.step("sample") as found:
        work.stage("fetch", "bytes")
        fetched = connector.fetch(
            choice["folder"], choice["match"], choice["pattern"], into, limit, work.progress, settle_seconds=SETTLE_SECONDS
        )
        found["detail"] = f"{fetched.name}, {fetched.size:,} bytes"
        found["facts"] = {
            "name": fetched.name,
            "size": fetched.size,
            "choice": dict(choice),
            "asked": work.run.settings.get("choice") or {},
        }
    return documents.adopt(results.source, fetched, work.run, "sample")


def _given(results: Results) -> Document:
    """What was uploaded, or came by webhook."""
    with results.step("sample") as found:
        sent = connections.is_webhook(results.source)
        document = deliveries.sample(results.source) if sent else documents.latest_upload(results.source, results.kind)
        if document is None:
            raise SupplierError(_NOTHING_CAME if sent else _NOTHING_UPLOADED, permanent=True)
        found["detail"] = f"{document.name}, {document.size:,} bytes"
        found["facts"] = {"name": document.name, "size": document.size}
    return document


def _understand(results: Results, document: Document) -> None:
    """Check 7. A sample that can be read becomes the one that the file page and the mapping show."""
    work = results.work
    with results.step("understand") as found:
        path = documents.path_of(document)
        seen = file_looks.detect(path, document.name, _member(results))
        headers, rows = file_looks.preview(path, seen.format, 3)
        found["detail"] = f"{len(headers)} columns" if rows else f"{len(headers)} columns, and no rows yet"
        found["facts"] = {"format": asdict(seen.format), "said": dict(seen.said), "warnings": list(seen.warnings), "columns": len(headers)}
    with work.transaction():
        mine = (Integration.source == results.source) & (Integration.kind == results.kind)
        Integration.update(sample_document_id=document.id).where(mine).execute()
        if connections.is_given(results.source):
            setup_steps.mark(results.source, "connection")


def _member(results: Results) -> str:
    """The pattern of the file in an archive, where one was chosen."""
    kept = sources.integration(results.source, results.kind).settings.get("format") or {}
    return str(kept.get("member") or "")


def seconds_running(check: Check) -> float | None:
    """How long a running check runs already; None for any other."""
    since = check.facts.get("since")
    return (clock.now() - datetime.fromisoformat(since)).total_seconds() if check.state == "running" and since else None


def letter(connection: Connection) -> str:
    """What to send to the supplier about a failed test: what we tried, when, from where, their answer. Free of secrets."""
    failed = next((one for one in read_back(connection) if one.state in ("failed", "question")), None)
    if failed is None or failed.problem is None:
        raise NotFound("failed check")
    facts = {key: value for one in connection.checks for key, value in one["facts"].items()}
    settings, problem = connection.settings, failed.problem
    lines = [
        ("What happened", problem.headline), ("Step", LABELS[failed.name]),
        ("Time", f"{connection.tested_at or clock.now():%Y-%m-%d %H:%M} UTC"), ("Our address", facts.get("our_address")),
        ("Server", connection_parts.host_of(connection.source)),
        ("Port", settings.get("port") or facts.get("port")), ("User", settings.get("user")),
        ("Folder", facts.get("folder") or settings.get("folder")), ("Host key or certificate", facts.get("fingerprint")),
        ("Your server said", problem.server_said),
    ]  # fmt: skip
    return "\n".join(["Our connection to your server stops. The details:", ""] + [f"{label}: {value}" for label, value in lines if value])


def _names(source: Source) -> tuple[str, ...]:
    if source.kind == sources.CHANNEL_LINE:
        return STORE_CHECKS
    return UPLOAD_CHECKS if connections.is_given(source) else tuple(LABELS)


def _plain(check: Check) -> dict[str, Any]:
    facts = {key: list(value) if isinstance(value, tuple) else value for key, value in check.facts.items()}
    return {**asdict(check), "facts": facts, "seconds": round(check.seconds, 2)}


def _record(plain: Mapping[str, Any]) -> Check:
    problem = Problem(**plain["problem"]) if plain["problem"] else None
    return Check(**{**plain, "problem": problem})


def is_stuck(run: Run | None) -> bool:
    """Whether a test waits for a worker longer than it should: none may be running."""
    return run is not None and run.state == "queued" and clock.now() - run.created_at > timedelta(seconds=10)
