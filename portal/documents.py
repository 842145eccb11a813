"""Raw files as they came: kept in the spool folder under names of ours, erased by age."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, timedelta
from pathlib import Path
from typing import IO, Any

from peewee import JOIN

from portal import clock, config, early_digest, raw_files, readers
from portal.errors import NotFound, Problem, SupplierError
from portal.models import Document, Integration, Merchant, Retention, Run, RunFile, Source, WorkspaceExport, database
from portal.models.fields import new_public_id
from portal.records import Fetched

BLOCK = 1 << 20
LONGEST_NAME = 255
ORPHAN_HOURS = 24
UPLOADED = {"get_inventory_primary": "uploaded", "get_inventory_secondary": "secondary"}
"""The origin of a file that a person uploaded, by the integration that it is for."""


def spool_path(source: Source) -> Path:
    """A fresh path in the spool for a file of the source; its folder exists."""
    path = config.current().spool_dir / source.public_id / new_public_id()
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def largest() -> int:
    """Bytes that a file may have (MAX_FEED_MB)."""
    return config.current().max_feed_bytes


def adopt(source: Source, fetched: Fetched, run: Run | None, origin: str = "fetched") -> Document:
    """Make a file that lies whole in the spool (see `spool_path`) a document. `origin`: fetched, uploaded, secondary, sample or webhook.

    Raises SupplierError while a bucket that keeps raw files is away.
    """
    stored = Path(fetched.path).resolve().relative_to(config.current().spool_dir.resolve())
    raw_files.keep(str(stored))
    return Document.create(
        merchant=source.merchant_id, source=source, run_id=run.id if run else None, origin=origin, name=_tidy(fetched.name),
        remote_path=fetched.remote_path[-1000:], size=fetched.size, sha256=fetched.sha256, modified=fetched.modified,
        etag=fetched.etag, asked=fetched.asked,
        stored_name=str(stored), at=clock.now(), erase_at=clock.now() + timedelta(days=_days(source)),
    )  # fmt: skip


def _days(source: Source) -> int:
    """How long a file of the source is kept: as its merchant set it, else as the installation does."""
    own = Retention.get_or_none(Retention.merchant == source.merchant_id)
    return own.files if own is not None and own.files is not None else config.current().keep_files_days


def store_upload(
    source: Source, stream: IO[bytes], name: str, limit: int | None = None, run: Run | None = None, origin: str = "uploaded"
) -> Document:
    """Keep an uploaded stream of at most `limit` bytes (default: MAX_FEED_MB). Raises SupplierError too_large or empty_file."""
    return adopt(source, spool(source, stream, name, limit), run, origin)


def spool(source: Source, stream: IO[bytes], name: str, limit: int | None = None) -> Fetched:
    """Bring a stream into the spool, safe on the disk, for `adopt`. Raises SupplierError as `store_upload` does, and OSError."""
    return spool_at(spool_path(source), stream, name, limit)


def spool_at(path: Path, stream: IO[bytes], name: str, limit: int | None = None) -> Fetched:
    """As `spool`, at a path whose folder is in the spool; one that is made no document is erased after ORPHAN_HOURS."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        size, digest = _copy(stream, part, limit or largest())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    _sync_folder(path.parent)
    return Fetched(str(path), name, size, digest)


def store_file(source: Source, path: Path, origin: str = "uploaded") -> Document:
    """Keep a file of this machine. One whose very bytes the source has already is linked to them instead of copied.

    Raises SupplierError too_large or empty_file.
    """
    size = path.stat().st_size
    alike = Document.select().where(Document.source == source, Document.size == size, Document.stored_name.is_null(False))
    digest = early_digest.of(path) if alike.exists() else ""
    same = alike.where(Document.sha256 == digest).order_by(Document.id.desc()).first()
    target = spool_path(source)
    if same is not None and _linked(path_of(same), target):
        return adopt(source, Fetched(str(target), path.name, size, digest), None, origin)
    if same is None:
        readers.make_ready()  # it will be read, so while it is copied
    with path.open("rb") as stream:
        return store_upload(source, stream, path.name, origin=origin)


def _linked(kept: Path, target: Path) -> bool:
    """Whether the file could get a second name: not every file system has them, and the file may just have been erased."""
    try:
        target.hardlink_to(kept)
    except OSError:
        return False
    _sync_folder(target.parent)
    return True


def path_of(document: Document) -> Path:
    """Where the bytes of the document lie. Raises NotFound once they were erased, SupplierError while a bucket that has them is away."""
    if document.stored_name is None:
        raise NotFound("file")
    return raw_files.found(document.stored_name)


def erase(document: Document) -> None:
    """Erase the bytes of the document, where they are kept; its row says so only once the caller writes that."""
    if document.stored_name is not None:
        raw_files.erase(document.stored_name)


def find(merchant: Merchant, public_id: str) -> Document:
    """The merchant's document of that id. Raises NotFound."""
    document = Document.get_or_none(Document.merchant == merchant, Document.public_id == public_id)
    if document is None:
        raise NotFound("document")
    return document


def find_unscoped(document_id: int | None) -> Document:
    """The document of that row id, for a run that carries it. Raises NotFound."""
    document = Document.get_or_none(Document.id == document_id)
    if document is None:
        raise NotFound("document")
    return document


def latest_upload(source: Source, kind: str = "get_inventory_primary") -> Document | None:
    """The newest file uploaded for the source's integration of that kind that is still kept."""
    uploads = Document.select().where(Document.source == source, Document.origin == UPLOADED[kind], Document.stored_name.is_null(False))
    newest: Document | None = uploads.order_by(Document.id.desc()).first()
    return newest


def erase_old() -> int:
    """Erase files past their age, except the last accepted ones, mapping samples and those of unfinished runs; how many went."""
    erased = 0
    for document in list(_old()):
        erase(document)
        with database.atomic():
            erased += Document.update(stored_name=None).where(Document.id == document.id).execute()
    return erased + _erase_orphans()


def _old() -> Any:
    accepted = Run.select(Run.document_id).join(Integration, on=(Integration.last_accepted_run_id == Run.id))
    samples = Integration.select(Integration.sample_document_id)
    unfinished = Run.select(Run.document_id).where(Run.state << ("queued", "running"))
    parts = RunFile.select(RunFile.document).join(Run).switch(RunFile).join(Integration, JOIN.LEFT_OUTER)
    parts = parts.where((Run.state << ("queued", "running")) | (Integration.last_accepted_run_id == Run.id))
    query = Document.select().where(Document.erase_at <= clock.now(), Document.stored_name.is_null(False))
    for kept in (accepted, samples, unfinished, parts):
        query = query.where(Document.id.not_in(kept.where(kept.selected_columns[0].is_null(False))))
    return query


def _erase_orphans() -> int:
    """Files that a killed process left behind before the database knew of them, and copies of those that a bucket has."""
    spool, erased = config.current().spool_dir, 0
    oldest = (clock.now() - timedelta(hours=ORPHAN_HOURS)).replace(tzinfo=UTC).timestamp()
    for path in spool.glob("*/*") if spool.is_dir() else ():
        name = str(path.relative_to(spool))
        known = any(one.select().where(one.stored_name == name).exists() for one in (Document, WorkspaceExport))
        if path.is_file() and path.stat().st_mtime < oldest and (not known or raw_files.in_bucket()):
            path.unlink(missing_ok=True) if known else raw_files.erase(name)
            erased += 1
    return erased


def _copy(stream: IO[bytes], part: Path, limit: int) -> tuple[int, str]:
    size, digest = 0, hashlib.sha256()
    with part.open("wb") as out:
        while block := stream.read(BLOCK):
            size += len(block)
            if size > limit:
                raise _too_large(limit)
            digest.update(block)
            out.write(block)
        out.flush()
        os.fsync(out.fileno())
    if size == 0:
        raise _refused("empty_file", "The file is empty", "It holds nothing at all. We kept your stock as it was.")
    return size, digest.hexdigest()


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _tidy(name: str) -> str:
    """A file name fit to show: no folders, no control characters."""
    plain = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(letter for letter in plain if letter.isprintable())[:LONGEST_NAME] or "file"


def _too_large(limit: int) -> SupplierError:
    shown = f"{limit // 1_000_000:,} MB" if limit >= 1_000_000 else f"{limit:,} bytes"
    body = "We stopped reading and used nothing of it. The operator can raise the limit."
    return _refused("too_large", f"The file is larger than {shown}", body)


def _refused(code: str, headline: str, body: str) -> SupplierError:
    return SupplierError(Problem(code, headline, body, "Choose another file", "file"), permanent=True)
