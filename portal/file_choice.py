"""Which file of the supplier is the feed, and how it is read: all from the listing and the sample that lie here.

No socket is opened; reading again is a new connection test.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from portal import (
    after_read,
    audit,
    clock,
    connections,
    documents,
    feeds,
    file_looks,
    file_rules,
    sample_options,
    secondary,
    setup_steps,
    sources,
)
from portal.connection_values import server_of, without_tail
from portal.connectors import selection
from portal.errors import Invalid, NotFound, Problem, Stale, SupplierError
from portal.models import Connection, Document, Integration, Run, Source, database
from portal.records import FeedFormat, FileEntry, Row
from portal.sources import PRIMARY

PREVIEW_ROWS = 10
LONGEST_PATTERN = 255
DELIMITERS, QUOTES, ENCODINGS, DECIMAL_MARKS = feeds.DELIMITERS, feeds.QUOTES, feeds.ENCODINGS, feeds.DECIMAL_MARKS

FORMAT = ("kind", "delimiter", "quote", "encoding", "header_row", "decimal_mark", "cuts", "sheet", "row_path", "variants", "member",
          "as_above")  # fmt: skip
_FEED_WORDS = re.compile(r"stock|invent|feed|product|item|catalog|price|avail|bestand|artikel", re.I)
_CHANGING = re.compile(r"(?:\d{4,}|\d{1,2}[-_.]\d{1,2}[-_.]\d{2,4})(?:[-_.T: ]\d+)*")


@dataclass(frozen=True)
class Preview:
    """The first rows of the sample read one way, or why they cannot be read that way. `filled`: blank cells that mean what is above."""

    headers: Sequence[str] = ()
    rows: Sequence[Row] = ()
    problem: Problem | None = None
    filled: int = 0


@dataclass(frozen=True)
class Chosen:
    """What the file page shows: where we look, what was there, and how the sample is read. `link`: of a second file behind a link."""

    folder: str
    match: str
    pattern: str
    format: FeedFormat
    sample: Document | None
    said: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    link: str = ""


def integration_of(source: Source, kind: str = PRIMARY) -> Integration:
    """The integration that reads the file. Raises NotFound, for a kind that reads no stock file too."""
    if kind not in sources.INVENTORY_KINDS:
        raise NotFound("integration")
    return sources.integration(source, kind)


def current(source: Source, connection: Connection, kind: str = PRIMARY) -> Chosen:
    """The choice as saved, filled up with what the last test read and detected."""
    integration = integration_of(source, kind)
    sample, kept = _sample(integration), integration.settings
    facts = _facts(connection, "sample", kind).get("choice") or {}
    seen = _understood(connection, sample, kind)
    name = sample.name if sample else ""
    saved = bool(kept.get("pattern"))
    asked = _asked(connection, integration)
    match = asked.get("match") or kept.get("match") or "newest"
    pattern = asked.get("pattern") or kept.get("pattern") or (propose_pattern(name) if name else "")
    usual = connection.settings.get("folder") if kind == PRIMARY else listed_folder(connection) or connection.settings.get("folder")
    folder = asked.get("folder") or (kept.get("folder") if saved else facts.get("folder") or usual)
    form = _format(kept.get("format") or seen.get("format"))
    said, warnings = seen.get("said") or {}, seen.get("warnings") or ()
    link = str(kept.get("link") or facts.get("link") or "")
    return Chosen(str(folder or ""), str(match), str(pattern), form, sample, said, warnings, link)


def rules_as_chosen(integration: Integration, connection: Connection) -> dict[str, str]:
    """When a file is finished and what becomes of it: as saved, or as typed when another file was read since."""
    asked = _asked(connection, integration)
    return file_rules.as_typed(integration) | {name: str(asked[name]) for name in file_rules.FIELDS if name in asked}


def _asked(connection: Connection, integration: Integration) -> Mapping[str, Any]:
    """What was typed when another file was read, as long as nothing was saved since."""
    asked: Mapping[str, Any] = _facts(connection, "sample", integration.kind).get("asked") or {}
    newer = connection.tested_at is not None and connection.tested_at > integration.changed_at
    return asked if newer and asked.get("pattern") else {}


def tested_kind(connection: Connection) -> str:
    """The integration whose file the last test of the connection read."""
    run = None if connection.check_run_id is None else Run.get_or_none(Run.id == connection.check_run_id)
    return str(run.settings.get("kind") or PRIMARY) if run is not None else PRIMARY


def shows_listing(connection: Connection, chosen: Chosen, kind: str) -> bool:
    """Whether the folder of the last test tells something about this file: it was read for it, or nothing was so far."""
    return chosen.sample is None or tested_kind(connection) == kind


def listed(connection: Connection) -> list[FileEntry]:
    """The folder as the last test saw it: folders, then files from new to old, at most 200."""
    return [replace(FileEntry(**one), modified=one["modified"] and datetime.fromisoformat(one["modified"])) for one in connection.listing]


def listed_folder(connection: Connection) -> str:
    """The absolute path of the folder that `listed` shows, "" when the supplier has none."""
    return str(_facts(connection, "folder").get("folder") or "")


def parent_of(folder: str) -> str:
    """The folder above, "" for the top."""
    return posixpath.dirname(folder.rstrip("/")) if folder not in ("", "/") else ""


def inside(folder: str, name: str) -> str:
    """The path of the folder `name` in `folder`."""
    return posixpath.join(folder, name)


def fitting(entries: Sequence[FileEntry], match: str, pattern: str) -> list[FileEntry]:
    """The files that the choice means, the one that would be read first."""
    found = list(entries)
    fits: list[FileEntry] = []
    while found:
        try:
            best = selection.pick(found, match, pattern)
        except SupplierError:
            return fits
        fits.append(best)
        found.remove(best)
    return fits


def likely(entries: Sequence[FileEntry]) -> dict[str, str] | None:
    """The newest file that looks like a feed, for a first look. None when there is no such file."""
    files = [one for one in entries if not one.is_folder and selection.is_finished(one.name) and one.name.lower().endswith(feeds.ENDINGS)]
    named = [one for one in files if _FEED_WORDS.search(one.name)]
    best = next(iter(selection.newest_first(named or files)), None)
    return None if best is None else {"match": "exact", "pattern": best.name}


def propose_pattern(name: str) -> str:
    """ "stock_2026-11-25_0900.csv" -> "stock_*.csv": dates and long numbers, which change from file to file, become a star."""
    stem, dot, ending = name.rpartition(".")
    return (_CHANGING.sub("*", stem) if dot else _CHANGING.sub("*", name)) + dot + (ending if dot else "")


def preview(source: Source, form: FeedFormat, kind: str = PRIMARY) -> Preview:
    """The first rows of the sample read as `form`. Raises NotFound before a sample was read."""
    sample = _sample(integration_of(source, kind))
    if sample is None:
        raise NotFound("sample")
    try:
        feeds.check_format(form)
        path = documents.path_of(sample)
        headers, rows = file_looks.preview(path, form, PREVIEW_ROWS)
        plain = file_looks.preview(path, replace(form, as_above=""), PREVIEW_ROWS)[1] if form.above else rows
    except SupplierError as error:
        return Preview(problem=error.problem)
    except Invalid as refused:
        words = " ".join(f"{text}." for text in refused.errors.values())
        return Preview(problem=Problem("malformed_file", "The file cannot be read this way", words))
    filled = sum(now != cell for row, was in zip(rows, plain, strict=True) for now, cell in zip(row.cells, was.cells, strict=True))
    return Preview(headers, rows, filled=filled)


def options(source: Source, form: FeedFormat, kind: str = PRIMARY) -> sample_options.Options:
    """What may be chosen about reading the sample as `form`."""
    sample = _sample(integration_of(source, kind))
    detected = (_understood(connections.find(source), sample, kind).get("format") or {}).get("kind", form.kind)
    return sample_options.of(documents.path_of(sample) if sample else None, form, detected)


def format_from(typed: Mapping[str, str], otherwise: FeedFormat) -> FeedFormat:
    """The format as typed; what is missing or no number comes from `otherwise`. Columns of other items are forgotten."""
    row = str(typed.get("header_row", "")).strip()
    number = int(row) if row.isascii() and row.isdigit() and len(row) < 6 else -1 if row else otherwise.header_row
    texts: dict[str, Any] = {key: str(typed[key]) for key in FORMAT if key in typed and key != "header_row"}
    found = replace(otherwise, header_row=number, **texts)
    same = all(getattr(found, key) == getattr(otherwise, key) for key in ("kind", "row_path", "variants", "member"))
    return found if same else replace(found, columns=())


def save(source: Source, choice: Mapping[str, str], form: FeedFormat, version: int, who: str, kind: str = PRIMARY) -> Integration:
    """Keep which file is read and how; the step "file" is then done. Raises Invalid, Stale, NotFound."""
    integration, connection = integration_of(source, kind), connections.find(source)
    sample, choice = _sample(integration), {**file_rules.as_typed(integration), **choice}
    errors = _choice_errors(integration, connection, sample, choice)
    try:
        feeds.check_format(form)
    except Invalid as refused:
        errors |= {key: f"{text.rstrip('.')}." for key, text in refused.errors.items()}
    errors = errors or _errors_of_above(sample, form)
    if errors:
        raise Invalid(errors)
    form = _with_columns(sample, form)
    settings = {**integration.settings, **_kept(integration, choice), "format": asdict(form)}
    before, rule = integration.policies.get("after_read", {}), after_read.kept(choice) if chooses_files(source) else {}
    policies = {
        **{name: kept for name, kept in integration.policies.items() if name != "after_read"},
        **({"after_read": rule} if rule else {}),
    }
    columns = {"settings": settings, "policies": policies, "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who}
    with database.atomic():
        if not Integration.update(columns).where(Integration.id == integration.id, Integration.version == version).execute():
            raise Stale(integration.changed_by, integration.changed_at)
        told = (without_tail(integration.settings), without_tail(settings))
        audit.write(source.merchant, who, "integration.file", "source", source.public_id, before=told[0], after=told[1])
        if rule != before:
            audit.write(source.merchant, who, "integration.after_read", "integration", integration.public_id, before=before, after=rule)
        _mark(integration)
    return integration_of(source, kind)


def _mark(integration: Integration) -> None:
    if integration.kind == PRIMARY:
        setup_steps.mark(integration.source, "file")
    else:
        secondary.mark(integration, "file")


def _errors_of_above(sample: Document | None, form: FeedFormat) -> dict[str, str]:
    """Columns whose blank cells are to mean what is above, and that the sample does not have."""
    if not form.above or sample is None:
        return {}
    try:
        headers = file_looks.preview(documents.path_of(sample), form, PREVIEW_ROWS)[0]
    except SupplierError as error:
        return {"as_above": f"{error.problem.headline}. {error.problem.body}"}
    absent = [name for name in form.above if name not in headers]
    return {"as_above": f"The file has no column “{absent[0][:60]}”. Its columns are {_listed(headers)}."} if absent else {}


def _listed(headers: Sequence[str]) -> str:
    more = f" and {len(headers) - 12:,} more" if len(headers) > 12 else ""
    return ", ".join(f"“{name[:40]}”" for name in headers[:12]) + more


def _with_columns(sample: Document | None, form: FeedFormat) -> FeedFormat:
    """The format with the columns of the sample, so that one that few items have is looked for in every file."""
    if form.columns or sample is None:
        return form
    try:
        return file_looks.with_columns(documents.path_of(sample), form)
    except SupplierError as error:
        raise Invalid({"row_path": f"{error.problem.headline}. {error.problem.body}"}) from error


def chooses_files(source: Source) -> bool:
    """Whether the supplier has folders to choose from; a link and an upload are one file each."""
    return connections.supplier_of(source).protocol in ("sftp", "ftp")


def asks_link(source: Source, kind: str) -> bool:
    """Whether the file is another link, or the path of another list: of a supplier whose own is the first file."""
    return kind != PRIMARY and (connections.supplier_of(source).protocol == "http" or connections.asks_path(source))


def check_link(connection: Connection, link: str) -> None:
    """Raise Invalid unless `link` leads to the server of the connection, whose credentials it gets."""
    if connections.supplier_of(connection.source).protocol == "rest":
        _check_path(connection, link.strip())
        return
    if not link.strip():
        raise Invalid({"link": "Paste the link of the second file."})
    if not connections.same_server(connection, link.strip()):
        server = server_of(connection.settings)
        raise Invalid({"link": f"This leads to another server than {server}, which the sign-in is for. Add it as a source of its own."})


def _check_path(connection: Connection, path: str) -> None:
    if not path.startswith("/") or path.startswith("//") or any(letter in path for letter in " \\#") or "://" in path:
        raise Invalid({"link": "Enter only the path under the base address, such as /v1/prices."})
    if path.rstrip("/") == str(connection.settings.get("path") or "").rstrip("/"):
        raise Invalid({"link": "This is the list that Get Inventory Primary reads already. Enter the path of another one."})


def _kept(integration: Integration, choice: Mapping[str, str]) -> dict[str, str]:
    if not chooses_files(integration.source):
        link = {"link": str(choice.get("link", "")).strip()} if asks_link(integration.source, integration.kind) else {}
        return {"folder": "", "match": "newest", "pattern": "*", **link, **file_rules.kept({})}
    return {key: str(choice.get(key, "")).strip() for key in ("folder", "match", "pattern")} | file_rules.kept(choice)


def _choice_errors(integration: Integration, connection: Connection, sample: Document | None, choice: Mapping[str, str]) -> dict[str, str]:
    if sample is None:
        return {"pattern": "Read a file first: what you map next comes from it."}
    if asks_link(integration.source, integration.kind):
        return _link_errors(integration, connection, str(choice.get("link", "")).strip())
    if not chooses_files(integration.source):
        return {}
    match, pattern = str(choice.get("match", "")), str(choice.get("pattern", "")).strip()
    mine = tested_kind(connection) == integration.kind
    errors = file_rules.errors(choice, listed_folder(connection) if mine else "")
    if match not in selection.MATCHES:
        return errors | {"match": "Choose how we find the file."}
    if not pattern or len(pattern) > LONGEST_PATTERN or "/" in pattern or not pattern.isprintable():
        return errors | {"pattern": "Enter a file name such as stock.csv, or a pattern such as stock_*.csv, without folders."}
    kept = integration.settings
    if all(kept.get(key) == str(choice.get(key, "")).strip() for key in ("folder", "match", "pattern")):
        return errors
    entries = listed(connection) if mine else [FileEntry(sample.name, sample.size, sample.modified)]
    return errors | _other_file(entries, listed_folder(connection) if mine else "", sample, match, pattern)


def _link_errors(integration: Integration, connection: Connection, link: str) -> dict[str, str]:
    try:
        check_link(connection, link)
    except Invalid as refused:
        return dict(refused.errors)
    if link not in (integration.settings.get("link"), (_facts(connection, "sample", integration.kind).get("choice") or {}).get("link")):
        return {"link": "The rows below come from another link. Choose Read this file first."}
    return {}


def _other_file(entries: Sequence[FileEntry], folder: str, sample: Document, match: str, pattern: str) -> dict[str, str]:
    """Whether the choice means another file than the one that was read and is shown below."""
    try:
        picked = selection.pick(entries, match, pattern, folder)
    except SupplierError as error:
        return {"pattern": f"{error.problem.headline}. {error.problem.body}"}
    if match == "all" and selection.fits(sample.name, pattern):
        return {}
    if picked.name != sample.name:
        return {"pattern": f"This means {picked.name}, but the rows below come from {sample.name}. Choose Read this file first."}
    return {}


def _sample(integration: Integration) -> Document | None:
    row = integration.sample_document_id
    found = None if row is None else Document.get_or_none(Document.id == row, Document.source == integration.source)
    return found if found is not None and found.stored_name is not None else None


def _facts(connection: Connection, name: str, kind: str = "") -> Mapping[str, Any]:
    """What the last test found out; with `kind`, nothing when it read the file of another integration."""
    if kind and tested_kind(connection) != kind:
        return {}
    return next((one["facts"] for one in connection.checks if one["name"] == name and one["state"] == "passed"), {})


def _understood(connection: Connection, sample: Document | None, kind: str) -> Mapping[str, Any]:
    """What the sample was taken for: by the last test, or looked at again when that one read another integration's file."""
    seen = _facts(connection, "understand", kind)
    if seen or sample is None or tested_kind(connection) == kind:
        return seen
    try:
        found = file_looks.detect(documents.path_of(sample), sample.name)
    except SupplierError:
        return {}
    return {"format": asdict(found.format), "said": dict(found.said), "warnings": list(found.warnings)}


def _format(kept: Mapping[str, Any] | None) -> FeedFormat:
    return FeedFormat(**kept) if kept else FeedFormat()
