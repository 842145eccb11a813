"""Which files of a folder a pattern means, and which of them are finished. A file that is visibly unfinished is never the newest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase

from portal.connectors import problems
from portal.errors import SupplierError
from portal.records import FileEntry

UNFINISHED = (".part", ".partial", ".filepart", ".tmp", ".crdownload", ".writing")
MATCHES = ("newest", "all", "exact")
MARKERS = ("", "beside", "folder")


@dataclass(frozen=True)
class Choice:
    """Which files are meant. `match`: newest, all or exact; `pattern`: a glob, for "exact" a name.

    `marker`: "" for none; "beside": a file is finished once one of its full name or stem with `marker_text` after it is there;
    "folder": once a file named `marker_text` is there. `left_out`: the ending of files that were read and renamed, "" for none.
    """

    match: str = "newest"
    pattern: str = "*"
    marker: str = ""
    marker_text: str = ""
    left_out: str = ""


@dataclass(frozen=True)
class Sorted:
    """The files that a choice means, each list from old to new. `unfinished`: with the reason. `markers`: by the name of their file."""

    finished: list[FileEntry] = field(default_factory=list)
    unfinished: list[tuple[FileEntry, str]] = field(default_factory=list)
    markers: dict[str, FileEntry] = field(default_factory=dict)


def sort_out(entries: Sequence[FileEntry], choice: Choice) -> Sorted:
    """The files that the choice means. A marker must not be older than its file: it may be left from an earlier one."""
    names = {entry.name: entry for entry in entries if not entry.is_folder}
    found = Sorted()
    for entry in sorted(names.values(), key=in_order):
        uploading = _uploading(entry.name, choice)
        if uploading or not _is_meant(entry.name, choice):
            found.unfinished.extend([(entry, "its name is that of a running upload")] if uploading else [])
            continue
        marker, why = _marker(entry, choice, names)
        if why:
            found.unfinished.append((entry, why))
            continue
        found.finished.append(entry)
        if marker is not None:
            found.markers[entry.name] = marker
    return found


def fits(name: str, pattern: str) -> bool:
    """Whether a finished file of that name fits the glob, letter by letter."""
    return is_finished(name) and fnmatchcase(name, pattern)


def missing(entries: Sequence[FileEntry], choice: Choice, folder: str = "") -> SupplierError:
    """The error that no file of the folder is meant."""
    headline = "The file is not there" if choice.match == "exact" else "No file fits the pattern"
    return problems.file_missing(headline, _seen([entry for entry in entries if not entry.is_folder], choice.pattern, folder))


def in_order(entry: FileEntry) -> tuple[datetime, list[tuple[int, str]]]:
    """Old before new; of one moment part2 before part10."""
    parts = re.findall(r"\d+|\D+", entry.name)
    return entry.modified or datetime.min, [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _is_meant(name: str, choice: Choice) -> bool:
    if choice.match == "exact":
        return name == choice.pattern
    if not fits(name, choice.pattern) or (choice.left_out and name.endswith(choice.left_out)):
        return False
    return not (choice.marker and (name.endswith(choice.marker_text) if choice.marker == "beside" else name == choice.marker_text))


def _uploading(name: str, choice: Choice) -> bool:
    """Whether it will be one of all new files once its upload is over."""
    ending = next((one for one in UNFINISHED if name.lower().endswith(one)), "")
    return choice.match == "all" and bool(ending) and fnmatchcase(name[: -len(ending)], choice.pattern)


def _marker(entry: FileEntry, choice: Choice, names: dict[str, FileEntry]) -> tuple[FileEntry | None, str]:
    """The file's marker, or why it does not count as finished."""
    if not choice.marker:
        return None, ""
    text = choice.marker_text
    wanted = [text] if choice.marker == "folder" else [entry.name + text, entry.name.rpartition(".")[0] + text]
    there = [names[name] for name in wanted if name in names and name != entry.name]
    if not there:
        return None, f"{wanted[0]} is not there yet"
    marker = max(there, key=in_order)
    if marker.modified and entry.modified and marker.modified < entry.modified:
        return None, f"its marker {marker.name} is older than it"
    return marker, ""


def pick(entries: Sequence[FileEntry], match: str, pattern: str, folder: str = "") -> FileEntry:
    """The file of that exact name ("exact"), or the newest whose name fits the glob ("newest").

    Names are compared letter by letter, case included. Raises file_missing saying what was seen.
    """
    files = [entry for entry in entries if not entry.is_folder]
    if match == "exact":
        found = [entry for entry in files if entry.name == pattern]
    else:
        found = [entry for entry in files if fits(entry.name, pattern)]
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
