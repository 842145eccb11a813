"""The files of a run, in order: the one it was started for, the latest upload, what a link gives, or what a folder has.

list ─ leave out what was read ─ wait for what is unfinished ─ fix the set ─ bring each ─ skip what only repeats another
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from portal import after_read, clock, connection_parts, connections, deliveries, documents, notice_lists, placed_orders, read_files
from portal.connectors import Conditional, Connector, Progress, Unchanged, problems, selection
from portal.connectors.folders import FolderConnector, Look
from portal.connectors.lists import ListReader
from portal.errors import Problem, SupplierError
from portal.inventory import changes, roles, words
from portal.leases import Work
from portal.models import Document, Integration, Run, RunFile
from portal.records import Fetched, FileEntry

MOST_FILES = 500
INVENTORY_KINDS = ("get_inventory_primary", "get_inventory_secondary")
CHANGED = ("file_growing", "file_missing")


def files(work: Work, integration: Integration) -> list[RunFile]:
    """Bring the run's files and keep which they are; none when the supplier has nothing new. Raises SupplierError."""
    source = integration.source
    if given := work.run.settings.get("document"):
        numbers = given if isinstance(given, list) else [given]
        return _only(work, _as_declared(work, [_kept(documents.find_unscoped(number)) for number in numbers]))
    if connections.is_webhook(source):
        return _only(work, _as_declared(work, _delivered(work, integration)))
    if connections.is_upload(source):
        uploaded = documents.latest_upload(source, integration.kind)
        if uploaded is None:
            raise SupplierError(words.nothing_uploaded(), permanent=True)
        return _only(work, [uploaded])
    asked = changes.next_read(work.run, integration) if integration.kind in INVENTORY_KINDS else None
    since = asked.value(str(connection_parts.whole_settings(source).get("since_form") or "iso")) if asked else ""
    notices = integration.kind not in INVENTORY_KINDS
    operation = integration.kind if notices else "get_inventory"
    over: dict[str, Any] | None = None
    if operation == "get_shipments" and (placed_orders.are_asked(source) or connection_parts.supplier_of(source).protocol == "soap"):
        over, since = _of_placed(work, integration)
        if over is None:
            return []
    elif notices and (kept := integration.settings.get("list")):
        over, since = notice_lists.settings_of(kept), notice_lists.since(integration, work.run)
    with connections.open_for(source, work.run.id, link=_link_of(integration), since=since, operation=operation, over=over) as connector:
        if isinstance(connector, FolderConnector):
            return _Folder(work, integration, connector).files()
        have = _had(integration, connector)
        progress = _of_a_list(work, connector) if isinstance(connector, ListReader) else work.progress
        try:
            fetched = connector.fetch("", "newest", "*", documents.spool_path(source), documents.largest(), progress)
        except Unchanged:
            assert have is not None
            work.say(f"The server says that {have.name} is still the one that we read last. Nothing had to be fetched.")
            return _only(work, [have])
        read = connector.story() if isinstance(connector, ListReader) else fetched.name
    work.say(f"Fetched {read}, {fetched.size:,} bytes.")
    if asked is not None and not _holds_something(work, asked, fetched):
        return []
    if over is not None and not fetched.size:
        work.say(f"Nothing has shipped{f' that changed since {since}' if since else ''}.")
        Path(fetched.path).unlink(missing_ok=True)
        return []
    return _only(work, [documents.adopt(source, fetched, work.run)])


def _of_placed(work: Work, integration: Integration) -> tuple[dict[str, Any] | None, str]:
    """(settings that say which orders are asked for their parcels, since when); None where there is none to ask for."""
    source, since, by_moment = integration.source, "", False
    if connection_parts.supplier_of(source).protocol == "soap":
        over, since = import_module("portal.notice_calls").of_run(integration, work.run)
        by_moment = bool(since)
    else:
        orders = placed_orders.of(source)
        over = {"orders": orders} if orders else None
    if by_moment and over is not None:
        work.say(f"Asked for what has shipped since {since}.")
    else:
        work.say(f"{len(over['orders']) if over else 0:,} orders that we placed there are asked for their parcels.")
    return over, since


def _link_of(integration: Integration) -> str:
    """The link of a file that is not the connection's own: of a second feed, or of tracking files behind a link."""
    if integration.kind in ("get_shipments", "get_acknowledgements") and connections.supplier_of(integration.source).protocol == "http":
        return str(integration.settings.get("pattern") or "")
    return str(integration.settings.get("link") or "")


def _holds_something(work: Work, asked: changes.Read, fetched: Fetched) -> bool:
    """Note whether changes or the whole list were asked for; False when nothing changed, which is kept as no file."""
    work.save_checkpoint(changes_only=asked.at is not None, nothing_changed=asked.at is not None and not fetched.size)
    if asked.at is None:
        work.say(f"Asked for the whole list: {asked.why}.")
        return True
    since = words.moment(asked.at, work.merchant)
    work.say(f"Asked only for what changed since {since}{'' if fetched.size else ': nothing did'}.")
    if not fetched.size:
        Path(fetched.path).unlink(missing_ok=True)
    return bool(fetched.size)


def _of_a_list(work: Work, reader: ListReader) -> Progress:
    """Progress that counts items of those expected, and pages; it looks for a stop each time, also while we wait."""
    work.stage("fetch", "items")
    reader.say = work.say  # type: ignore[method-assign]

    def progress(done: int, total: int | None) -> None:
        work.progress(done, total, pages=reader.pages, of_pages=reader.expected_pages, called=reader.called)

    return progress


def _delivered(work: Work, integration: Integration) -> list[Document]:
    """What came by webhook and waits; for a dry run, which takes nothing, the newest."""
    if work.run.kind != "dry_run":
        found = deliveries.taken(work)
        if not found:
            work.say("Nothing came since the last run.")
        return found
    newest = deliveries.sample(integration.source)
    return [] if newest is None else [newest]


def _as_declared(work: Work, given: list[Document]) -> list[Document]:
    """Deliveries count as what they were declared to hold when they came, whatever the feed's policy says by now."""
    changes_only = deliveries.are_changes(given)
    if changes_only is not None:
        work.save_checkpoint(changes_only=changes_only)
    return given


def _had(integration: Integration, connector: Connector) -> Document | None:
    """The last accepted file of that very link, where it still lies here; the connector then asks for it only if it changed."""
    last = Run.get_or_none(Run.id == integration.last_accepted_run_id)
    document = Document.get_or_none(Document.id == last.document_id) if last is not None else None
    if document is None or not isinstance(connector, Conditional) or document.asked != connector.asked or not _lies_here(document):
        return None
    connector.unless(document.etag, document.modified)
    return document


def _kept(document: Document) -> Document:
    if not _lies_here(document):
        raise SupplierError(words.erased(document.name), permanent=True)
    return document


def _only(work: Work, given: Sequence[Document]) -> list[RunFile]:
    """Files that lie here. Those that an earlier run fetched, with their markers, are put away after this one."""
    puts_away = after_read.rule(Integration.get_by_id(work.run.integration_id)).act != "leave"
    with work.transaction():
        RunFile.delete().where(RunFile.run == work.run.id).execute()
        for place, document in enumerate(given, 1):
            fetched = puts_away and document.origin == "fetched" and document.remote_path
            _keep(work, place, document, **({"act": "waiting", "act_at": clock.now()} if fetched else {}))
        earlier = {document.run_id for document in given if document.run_id not in (None, work.run.id)}
        markers = RunFile.select().where(RunFile.run << list(earlier), RunFile.kind == "marker") if puts_away and earlier else ()
        for marker in markers:
            RunFile.create(
                run=work.run.id, integration=work.run.integration_id, kind="marker", place=marker.place, path=marker.path,
                size=marker.size, modified=marker.modified, act="waiting", act_at=clock.now(),
            )  # fmt: skip
    return read_files.of_run(work.run)


def _keep(work: Work, place: int, document: Document, **columns: Any) -> RunFile:
    return RunFile.create(
        run=work.run.id, integration=work.run.integration_id, document=document, place=place, path=document.remote_path,
        size=document.size, modified=document.modified, **columns,
    )  # fmt: skip


class _Folder:
    """One look into the supplier's folder for one run."""

    def __init__(self, work: Work, integration: Integration, connector: FolderConnector) -> None:
        self.work, self.integration, self.connector = work, integration, connector
        self.choice = read_files.choice_of(integration)
        self.all = self.choice.match == "all"
        self.delta = roles.feed_of(integration) == "delta"
        self.folder = connector.place_of(str(integration.settings.get("folder") or ""))

    def files(self) -> list[RunFile]:
        """Bring what is wanted. The set is kept, so that a run that is interrupted or tried again goes on with the same files."""
        wanted = self.work.checkpoint.get("files") if self.all else None
        if not wanted:
            wanted = self._wanted()
            with self.work.transaction():
                RunFile.delete().where(RunFile.run == self.work.run.id).execute()
                self.work.save_checkpoint(files=wanted)
        try:
            for place, one in enumerate(wanted, 1):
                self._have(place, one)
        except SupplierError as error:
            if error.problem.code in CHANGED:  # the set is not there any more: choose anew when we try again
                self.work.save(checkpoint={name: kept for name, kept in self.work.checkpoint.items() if name != "files"})
            raise
        if self.all:
            self._settle_repeats()
        return read_files.of_run(self.work.run)

    def _wanted(self) -> list[dict[str, Any]]:
        entries = self.connector.listing(self.folder)
        sorted_out = selection.sort_out(entries, self.choice)
        finished, unfinished = self._with_read(sorted_out)
        if not finished and not unfinished and not self._may_be_empty():
            raise selection.missing(entries, self.choice, self.folder)
        if read_files.reads_once(self.integration):
            finished = self._unread(finished)
        finished, unfinished = (self._of_all if self.all else self._newest)(finished, unfinished)
        if unfinished and not finished:
            raise problems.unfinished(unfinished[0][0].name, unfinished[0][1])
        if not finished:
            self.work.say(f"No new file: all that fit {self.choice.pattern} in {self.folder} were read before.")
            return []
        return self._standing(finished, sorted_out.markers)

    def _with_read(self, found: selection.Sorted) -> tuple[list[FileEntry], list[tuple[FileEntry, str]]]:
        """What is finished and what is not; a file that was read is, whatever became of its marker."""
        unread = {entry.name for entry in self._unread([entry for entry, _ in found.unfinished])}
        read = [entry for entry, _ in found.unfinished if entry.name not in unread]
        finished = sorted([*found.finished, *read], key=selection.in_order)
        return finished, [pair for pair in found.unfinished if pair[0].name in unread]

    def _may_be_empty(self) -> bool:
        """Whether no file at all is no mistake: those that were read are put away, and some were."""
        return after_read.rule(self.integration).act != "leave" and self.integration.last_accepted_run_id is not None

    def _unread(self, entries: Sequence[FileEntry]) -> list[FileEntry]:
        """Those that no accepted run read. One of a known name is looked at, as a listing may tell less of it."""
        before = read_files.known(self.integration, [self._path(entry.name) for entry in entries])
        doubtful = [
            entry.name for entry in entries
            if self._path(entry.name) in before and not read_files.is_read(entry, before[self._path(entry.name)])
        ]  # fmt: skip
        looks = self.connector.still(self.folder, doubtful, self.work.progress, 0.0) if doubtful else {}
        return [
            entry for entry in entries
            if self._path(entry.name) not in before
            or (entry.name in doubtful and not read_files.is_read(looks.get(entry.name, entry), before[self._path(entry.name)]))
        ]  # fmt: skip

    def _newest(self, finished: list[FileEntry], unfinished: list[Any]) -> tuple[list[FileEntry], list[Any]]:
        """The newest file alone; where read ones are put away, none that is older than the last that was read."""
        if read_files.reads_once(self.integration):
            last = max((one.modified for one in read_files.last_read(self.integration) if one.modified), default=None)
            finished = [one for one in finished if not (last and one.modified and one.modified < last)]
            unfinished = [one for one in unfinished if not (last and one[0].modified and one[0].modified < last)]
        every = sorted([*finished, *(one for one, _ in unfinished)], key=selection.in_order)
        newest = every[-1:]
        return [one for one in newest if one in finished], [pair for pair in unfinished if pair[0] in newest]

    def _of_all(self, finished: list[FileEntry], unfinished: list[Any]) -> tuple[list[FileEntry], list[Any]]:
        """A full feed waits until all of its parts are finished; changes are read up to the first that is not, as order counts."""
        if unfinished and not self.delta:
            return [], unfinished
        first = min((selection.in_order(entry) for entry, _ in unfinished), default=None)
        finished = [entry for entry in finished if first is None or selection.in_order(entry) < first]
        if len(finished) > MOST_FILES and not self.delta:
            raise SupplierError(_too_many(len(finished)), permanent=True)
        if len(finished) > MOST_FILES:
            self.work.say(f"{len(finished):,} new files: the oldest {MOST_FILES:,} are read now, the others by the next runs.")
        return finished[:MOST_FILES], unfinished

    def _standing(self, chosen: Sequence[FileEntry], markers: Mapping[str, FileEntry]) -> list[dict[str, Any]]:
        """The chosen files that stand still, with their markers, as they are now."""
        names = [entry.name for entry in chosen]
        beside = [markers[name].name for name in names if name in markers]
        looks = self.connector.still(self.folder, list(dict.fromkeys([*names, *beside])), self.work.progress)
        still: list[dict[str, Any]] = []
        for entry in chosen:
            marker = markers.get(entry.name)
            if entry.name not in looks or (marker is not None and marker.name not in looks):
                if not self.delta or not still:
                    raise problems.file_growing(entry.name, None, None)
                break
            told = _told(entry.name, looks[entry.name])
            still.append({**told, "marker": _told(marker.name, looks[marker.name]) if marker else None})
        if self.all and sum(one["size"] or 0 for one in still) > documents.largest():
            raise problems.too_large(documents.largest())
        return still

    def _have(self, place: int, one: Mapping[str, Any]) -> None:
        """The file lies here and is kept as one of the run's, unless that was done before an interruption."""
        row = RunFile.get_or_none(RunFile.run == self.work.run.id, RunFile.place == place, RunFile.kind << ("file", "repeat"))
        if row is not None and _lies_here(documents.find_unscoped(row.document_id)):
            return
        into = documents.spool_path(self.integration.source)
        fetched = self.connector.bring(self.folder, one["name"], _look(one), into, documents.largest(), self.work.progress)
        again = self._repeats(fetched, place) if self.all else None
        self.work.say(f"Fetched {fetched.name}, {fetched.size:,} bytes." if again is None else again)
        with self.work.transaction():
            RunFile.delete().where(RunFile.run == self.work.run.id, RunFile.place == place).execute()
            act = {"act": "waiting", "act_at": clock.now()} if after_read.rule(self.integration).act != "leave" else {}
            kind = "file" if again is None else "repeat"
            _keep(self.work, place, documents.adopt(self.integration.source, fetched, self.work.run), kind=kind, **act)
            if act and one["marker"]:
                self._keep_marker(place, one["marker"], act)

    def _keep_marker(self, place: int, marker: Mapping[str, Any], act: Mapping[str, Any]) -> None:
        path, look = self._path(marker["name"]), _look(marker)
        mine = (RunFile.run == self.work.run.id) & (RunFile.kind == "marker") & (RunFile.path == path)
        if not RunFile.select().where(mine).exists():
            RunFile.create(
                run=self.work.run.id, integration=self.integration, kind="marker", place=place, path=path, size=look.size,
                modified=look.modified, **act,
            )  # fmt: skip

    def _repeats(self, fetched: Fetched, place: int) -> str | None:
        """Why one file need not be read, in words; None when it must.

        Of changes: its bytes are those last read under its name, so it was only touched, or those of the file right before it;
        older ones may come back for good. Of a full feed: another part of it holds the very same.
        """
        now = [documents.find_unscoped(row.document_id) for row in read_files.of_run(self.work.run) if row.place < place]
        twins = [(one.name, one.sha256) for one in now]
        if self.delta:
            last = read_files.last_read(self.integration)
            twins = [*((posixpath.basename(one.path), one.sha256) for one in last), *twins][-1:]
            named = read_files.known(self.integration, [self._path(fetched.name)]).get(self._path(fetched.name), [])
            twins += [(posixpath.basename(one.path), one.sha256) for one in named[-1:]]
        twin = next((name for name, sha in twins if sha == fetched.sha256), None)
        return None if twin is None else _again(fetched.name, twin)

    def _settle_repeats(self) -> None:
        """A full feed of which every file holds what a file of the last one held is that feed again, or a part of it."""
        files = read_files.of_run(self.work.run, "file")
        last = {one.sha256: posixpath.basename(one.path) for one in read_files.last_read(self.integration)}
        held = {file.id: documents.find_unscoped(file.document_id) for file in files}
        if self.delta or not files or any(one.sha256 not in last for one in held.values()):
            return
        for one in held.values():
            self.work.say(_again(one.name, last[one.sha256]))
        with self.work.transaction():
            RunFile.update(kind="repeat").where(RunFile.id << list(held)).execute()

    def _path(self, name: str) -> str:
        return posixpath.join(self.folder, name)


def _lies_here(document: Document) -> bool:
    return document.stored_name is not None and documents.path_of(document).is_file()


def _again(name: str, twin: str) -> str:
    other = "as when we read it before" if name == twin else f"of {twin}, which was read before"
    return f"{name} holds the very bytes {other}. It was not read again."


def _told(name: str, look: Look) -> dict[str, Any]:
    return {"name": name, "size": look.size, "modified": look.modified.isoformat() if look.modified else None}


def _look(told: Mapping[str, Any]) -> Look:
    return Look(told["size"], datetime.fromisoformat(told["modified"]) if told["modified"] else None)


def _too_many(count: int) -> Problem:
    body = f"Together they would be one feed, and one feed has at most {MOST_FILES:,} files. Narrow the pattern, or read the newest only."
    return Problem("too_large", f"{count:,} new files fit the pattern", body, "Choose the files", "file")
