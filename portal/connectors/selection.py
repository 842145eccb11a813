"""Which file of a folder a pattern means. A file that is visibly unfinished is never the newest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from fnmatch import fnmatchcase

from portal.connectors import problems
from portal.records import FileEntry

UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload", ".writing")


def pick(entries: Sequence[FileEntry], match: str, pattern: str, folder: str = "") -> FileEntry:
    """The file of that exact name ("exact"), or the newest whose name fits the glob ("newest").

    Names are compared letter by letter, case included. Raises file_missing saying what was seen.
    """
    files = [entry for entry in entries if not entry.is_folder]
    if match == "exact":
        found = [entry for entry in files if entry.name == pattern]
    else:
        found = [entry for entry in files if is_finished(entry.name) and fnmatchcase(entry.name, pattern)]
    if not found:
        headline = "The file is not there" if match == "exact" else "No file fits the pattern"
        raise problems.file_missing(headline, _seen(files, pattern, folder))
    return max(found, key=_age)


def is_finished(name: str) -> bool:
    """False for hidden files and for names that a running upload has."""
    return not name.startswith(".") and not name.lower().endswith(UNFINISHED)


def newest_first(entries: Sequence[FileEntry]) -> list[FileEntry]:
    """Folders by name, then files from new to old."""
    folders = sorted((entry for entry in entries if entry.is_folder), key=lambda entry: entry.name)
    return folders + sorted((entry for entry in entries if not entry.is_folder), key=_age, reverse=True)


def _age(entry: FileEntry) -> tuple[datetime, str]:
    return entry.modified or datetime.min, entry.name


def _seen(files: Sequence[FileEntry], pattern: str, folder: str) -> str:
    where = folder or "the folder"
    wanted = f"We looked for {pattern} in {where}."
    if not files:
        return f"{wanted} It holds no files."
    twin = next((entry.name for entry in files if entry.name.lower() == pattern.lower()), None)
    if twin:
        return f"{wanted} There is {twin}: capital letters count."
    newest = max(files, key=_age)
    of = f" of {newest.modified.day} {newest.modified:%b %H:%M} UTC" if newest.modified else ""
    count = "1 file" if len(files) == 1 else f"{len(files):,} files"
    return f"{wanted} It holds {count}; the newest is {newest.name}{of}."
