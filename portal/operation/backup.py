"""A backup: the database at one moment, the raw files that it names, and a manifest with the hash of each. The key stays out of it.

FOLDER/quayside-20261127T190000Z.part/ ─▶ database, files/, manifest.json, all on the disk ─▶ renamed: a half one never has the name
Who makes one holds a lock of the folder, so that each .part beside it is a killed one's, and goes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from portal import clock, config, documents, failpoints, vault
from portal.erasing import tombstones
from portal.errors import NotFound, Refused
from portal.models import Document
from portal.operation import VERSION, notes, snapshot

FORM = 1
MANIFEST, FILES, KEY = "manifest.json", "files", "secret.key"
PREFIX, PART, LOCK = "quayside-", ".part", ".quayside-backup.lock"


@dataclass(frozen=True)
class Made:
    """A finished backup. `bytes` of all its files; `missing`: raw files that the database names and nobody has any more.

    `damaged`: raw files that are not what the database says they were, by their names; they are in it as they are.
    """

    folder: Path
    bytes: int
    rows: int
    raw_files: int
    missing: int
    damaged: list[str]


def make(place: Path, with_key: bool = False, keep: int | None = None, with_files: bool = True) -> Made:
    """Back up this installation below `place`, while it runs. `keep`: so many backups, this one among them, are left there.

    What a killed backup left there goes. Raises Refused where it cannot be written, or another one is being made there.
    """
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (place / LOCK).open("a")
    except OSError as problem:
        raise Refused(f"{place} cannot be written: {problem.strerror}. No backup was made.") from problem
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as busy:
            raise Refused(f"Another backup is being made in {place}. This one was not begun.") from busy
        for left in place.glob(f"{PREFIX}*{PART}"):
            shutil.rmtree(left)
        return _made(place, with_key, keep, with_files)


def _made(place: Path, with_key: bool, keep: int | None, with_files: bool) -> Made:
    settings = config.current()
    name = f"{PREFIX}{clock.now():%Y%m%dT%H%M%S}Z"
    folder, part = place / name, place / (name + PART)
    try:
        part.mkdir(mode=0o700)
    except OSError as problem:
        raise Refused(f"{place} cannot be written: {problem.strerror}. No backup was made.") from problem
    try:
        told = snapshot.take(settings.database_url, part)
        failpoints.reach("backup-part")
        files, missing, damaged = _raw_files(told, part, newest(place)) if with_files else ({}, 0, [])
        if with_key:
            shutil.copyfile(settings.secret_key_file, part / KEY)
        manifest = {
            "form": FORM, "version": VERSION, "made_at": clock.now().isoformat(), **told, "keys": vault.current().key_ids,
            "raw_files": {"kept": len(files), "missing": missing, "damaged": damaged, "left_out": not with_files},
            "files": {**_hashes(part, files), **files},
        }  # fmt: skip
        _write(part / MANIFEST, json.dumps(manifest, indent=1, sort_keys=True))
        _to_disk(part)
        part.rename(folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
    tombstones.copy_to(place)
    size = sum(one["bytes"] for one in manifest["files"].values())
    rows, count = sum(told["tables"].values()), len(files)
    facts = {"bytes": size, "rows": rows, "raw_files": count, "missing": missing, "damaged": damaged[:20]}
    notes.write(notes.BACKUP, folder=str(folder), **facts)
    for old in all_in(place)[keep:] if keep else []:
        shutil.rmtree(old.rename(old.with_name(old.name + PART)))  # a kill meanwhile leaves no half one under its name
    return Made(folder, size, rows, count, missing, damaged)


def all_in(place: Path) -> list[Path]:
    """The finished backups below `place`, the newest first."""
    found = [one for one in place.glob(f"{PREFIX}*Z") if (one / MANIFEST).is_file()] if place.is_dir() else []
    return sorted(found, key=lambda one: one.name, reverse=True)


def newest(place: Path) -> Path | None:
    """The newest finished backup there."""
    return next(iter(all_in(place)), None)


def manifest_of(folder: Path) -> dict[str, Any]:
    """The manifest of a backup. Raises Refused where there is none that this version reads."""
    try:
        told: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError) as problem:
        raise Refused(f"{folder} holds no backup: its {MANIFEST} cannot be read.") from problem
    if told.get("form") != FORM:
        raise Refused(f"{folder} is a backup of another form ({told.get('form')}). This version reads form {FORM}.")
    return told


def damage(folder: Path, told: Mapping[str, Any]) -> list[str]:
    """A sentence for each file of the database in the backup that is not there or not as it was written."""
    return _damage(folder, {name: was for name, was in told["files"].items() if not is_raw(name)})


def raw_damage(folder: Path, told: Mapping[str, Any]) -> list[str]:
    """The same of its raw files, and a sentence for each that was damaged already when it was backed up."""
    before = [f"{FILES}/{name} was damaged already when it was backed up" for name in told["raw_files"].get("damaged", ())]
    return before + _damage(folder, {name: was for name, was in told["files"].items() if is_raw(name)})


def is_raw(name: str) -> bool:
    """Whether a file of a backup is a raw file."""
    return name.startswith(f"{FILES}/")


def _damage(folder: Path, files: Mapping[str, Any]) -> list[str]:
    found = []
    for name, was in files.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.stat().st_size != was["bytes"] or digest(path) != was["sha256"]:
            found.append(f"{name} is not as it was written")
    return found


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _raw_files(told: dict[str, Any], part: Path, before: Path | None) -> tuple[dict[str, dict[str, Any]], int, list[str]]:
    """Bring the raw files in; {path in the backup: {"bytes", "sha256"}}, how many are gone, and which are not what they were.

    One that the backup before has whole is linked. The hash is of what is in the backup.
    """
    kept: dict[str, dict[str, Any]] = {}
    missing, damaged = 0, []
    for name, sha256, public_id in snapshot.stored_names(told, part):
        target = part / FILES / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        is_now = sha256
        if not _linked(before, name, sha256, target):
            if not _copied(name, public_id, target):
                missing += 1
                continue
            is_now = digest(target)
        if is_now != sha256:
            damaged.append(name)
        kept[f"{FILES}/{name}"] = {"bytes": target.stat().st_size, "sha256": is_now}
    return kept, missing, damaged


def _linked(before: Path | None, name: str, sha256: str, target: Path) -> bool:
    old = before / FILES / name if before else None
    if old is None or not old.is_file() or digest(old) != sha256:
        return False
    try:
        target.hardlink_to(old)
    except OSError:  # not every file system has them
        return False
    return True


def _copied(name: str, public_id: str, target: Path) -> bool:
    try:
        document = Document.get_or_none(Document.public_id == public_id, Document.stored_name == name)
        if document is None:  # erased by age since the snapshot
            return False
        shutil.copyfile(documents.path_of(document), target)
    except (FileNotFoundError, NotFound):
        return False
    return True


def _hashes(part: Path, known: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Bytes and hash of every other file of the backup."""
    paths = [path for path in sorted(part.rglob("*")) if path.is_file()]
    names = {str(path.relative_to(part)): path for path in paths}
    return {name: {"bytes": path.stat().st_size, "sha256": digest(path)} for name, path in names.items() if name not in known}


def _write(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def _to_disk(folder: Path) -> None:
    """Everything below is safe on the disk before the folder gets its name."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
