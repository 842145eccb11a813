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

from portal import audit, clock, connections, documents, feeds, file_looks, sample_options, setup_steps, sources
from portal.connectors import selection
from portal.errors import Invalid, NotFound, Problem, Stale, SupplierError
from portal.models import Connection, Document, Integration, Source, database
from portal.records import FeedFormat, FileEntry, Row

PREVIEW_ROWS = 10
LONGEST_PATTERN = 255
DELIMITERS, QUOTES, ENCODINGS, DECIMAL_MARKS = feeds.DELIMITERS, feeds.QUOTES, feeds.ENCODINGS, feeds.DECIMAL_MARKS

FORMAT = ("kind", "delimiter", "quote", "encoding", "header_row", "decimal_mark", "cuts", "sheet", "row_path", "variants", "member")
_FEED_WORDS = re.compile(r"stock|invent|feed|product|item|catalog|price|avail|bestand|artikel", re.I)
_CHANGING = re.compile(r"(?:\d{4,}|\d{1,2}[-_.]\d{1,2}[-_.]\d{2,4})(?:[-_.T: ]\d+)*")


@dataclass(frozen=True)
class Preview:
    """The first rows of the sample read one way, or why they cannot be read that way."""

    headers: Sequence[str] = ()
    rows: Sequence[Row] = ()
    problem: Problem | None = None


@dataclass(frozen=True)
class Chosen:
    """What the file page shows: where we look, what was there, and how the sample is read."""

    folder: str
    match: str
    pattern: str
    format: FeedFormat
    sample: Document | None
    said: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def integration_of(source: Source) -> Integration:
    """The integration that reads the file. Raises NotFound."""
    return sources.integration(source, "get_inventory_primary")


def current(source: Source, connection: Connection) -> Chosen:
    """The choice as saved, filled up with what the last test read and detected."""
    integration = integration_of(source)
    sample, kept = _sample(integration), integration.settings
    facts = _facts(connection, "sample").get("choice") or {}
    seen = _facts(connection, "understand")
    name = sample.name if sample else ""
    saved = bool(kept.get("pattern"))
    match = kept.get("match") or "newest"
    pattern = kept.get("pattern") or (propose_pattern(name) if name else "")
    folder = kept.get("folder") if saved else facts.get("folder") or connection.settings.get("folder")
    form = _format(kept.get("format") or seen.get("format"))
    return Chosen(str(folder or ""), str(match), str(pattern), form, sample, seen.get("said") or {}, seen.get("warnings") or ())


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


def preview(source: Source, form: FeedFormat) -> Preview:
    """The first rows of the sample read as `form`. Raises NotFound before a sample was read."""
    sample = _sample(integration_of(source))
    if sample is None:
        raise NotFound("sample")
    try:
        feeds.check_format(form)
        headers, rows = file_looks.preview(documents.path_of(sample), form, PREVIEW_ROWS)
    except SupplierError as error:
        return Preview(problem=error.problem)
    except Invalid as refused:
        words = " ".join(f"{text}." for text in refused.errors.values())
        return Preview(problem=Problem("malformed_file", "The file cannot be read this way", words))
    return Preview(headers, rows)


def options(source: Source, form: FeedFormat) -> sample_options.Options:
    """What may be chosen about reading the sample as `form`."""
    sample = _sample(integration_of(source))
    detected = (_facts(connections.find(source), "understand").get("format") or {}).get("kind", form.kind)
    return sample_options.of(documents.path_of(sample) if sample else None, form, detected)


def format_from(typed: Mapping[str, str], otherwise: FeedFormat) -> FeedFormat:
    """The format as typed; what is missing or no number comes from `otherwise`. Columns of other items are forgotten."""
    row = str(typed.get("header_row", "")).strip()
    number = int(row) if row.isascii() and row.isdigit() and len(row) < 6 else -1 if row else otherwise.header_row
    texts: dict[str, Any] = {key: str(typed[key]) for key in FORMAT if key in typed and key != "header_row"}
    found = replace(otherwise, header_row=number, **texts)
    same = all(getattr(found, key) == getattr(otherwise, key) for key in ("kind", "row_path", "variants", "member"))
    return found if same else replace(found, columns=())


def save(source: Source, choice: Mapping[str, str], form: FeedFormat, version: int, who: str) -> Integration:
    """Keep which file is read and how; the step "file" is then done. Raises Invalid, Stale, NotFound."""
    integration, connection = integration_of(source), connections.find(source)
    sample = _sample(integration)
    errors = _choice_errors(source, connection, sample, choice)
    try:
        feeds.check_format(form)
    except Invalid as refused:
        errors |= {key: f"{text.rstrip('.')}." for key, text in refused.errors.items()}
    if errors:
        raise Invalid(errors)
    form = _with_columns(sample, form)
    settings = {**integration.settings, **_kept(source, choice), "format": asdict(form)}
    columns = {"settings": settings, "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who}
    with database.atomic():
        if not Integration.update(columns).where(Integration.id == integration.id, Integration.version == version).execute():
            raise Stale(integration.changed_by, integration.changed_at)
        audit.write(source.merchant, who, "integration.file", "source", source.public_id, before=integration.settings, after=settings)
        setup_steps.mark(source, "file")
    return integration_of(source)


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


def _kept(source: Source, choice: Mapping[str, str]) -> dict[str, str]:
    if not chooses_files(source):
        return {"folder": "", "match": "newest", "pattern": "*"}
    return {key: str(choice.get(key, "")).strip() for key in ("folder", "match", "pattern")}


def _choice_errors(source: Source, connection: Connection, sample: Document | None, choice: Mapping[str, str]) -> dict[str, str]:
    if sample is None:
        return {"pattern": "Read a file first: what you map next comes from it."}
    if not chooses_files(source):
        return {}
    match, pattern = str(choice.get("match", "")), str(choice.get("pattern", "")).strip()
    if match not in ("newest", "exact"):
        return {"match": "Choose how we find the file."}
    if not pattern or len(pattern) > LONGEST_PATTERN or "/" in pattern or not pattern.isprintable():
        return {"pattern": "Enter a file name such as stock.csv, or a pattern such as stock_*.csv, without folders."}
    kept = integration_of(source).settings
    if all(kept.get(key) == str(choice.get(key, "")).strip() for key in ("folder", "match", "pattern")):
        return {}
    return _other_file(connection, sample, match, pattern)


def _other_file(connection: Connection, sample: Document, match: str, pattern: str) -> dict[str, str]:
    """Whether the choice means another file than the one that was read and is shown below."""
    try:
        picked = selection.pick(listed(connection), match, pattern, listed_folder(connection))
    except SupplierError as error:
        return {"pattern": f"{error.problem.headline}. {error.problem.body}"}
    if picked.name != sample.name:
        return {"pattern": f"This means {picked.name}, but the rows below come from {sample.name}. Choose Read this file first."}
    return {}


def _sample(integration: Integration) -> Document | None:
    row = integration.sample_document_id
    found = None if row is None else Document.get_or_none(Document.id == row, Document.source == integration.source)
    return found if found is not None and found.stored_name is not None else None


def _facts(connection: Connection, name: str) -> Mapping[str, Any]:
    return next((one["facts"] for one in connection.checks if one["name"] == name and one["state"] == "passed"), {})


def _format(kept: Mapping[str, Any] | None) -> FeedFormat:
    return FeedFormat(**kept) if kept else FeedFormat()
