"""What a person decides about files beside their name: when one is finished, and what becomes of it; and what would be read now."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from portal import after_read, read_files
from portal.connectors import selection
from portal.connectors.selection import Choice
from portal.models import Integration
from portal.records import FileEntry

FIELDS = ("marker", "marker_text", "after_act", "after_folder", "after_suffix")
MARKERS = {
    "": "Once its size and time stay the same",
    "beside": "Once a marker file of its name is there",
    "folder": "Once one marker file is in the folder",
}
LONGEST_MARKER = 100
NAMED = 3


@dataclass(frozen=True)
class Outlook:
    """What a run would make of a listing. `next`: names in the order they are read; `read` before; `waits`: name -> why.

    `older`: how many fit besides, and do not count.
    """

    next: Sequence[str] = ()
    read: Sequence[str] = ()
    waits: Mapping[str, str] = field(default_factory=dict)
    older: int = 0

    @property
    def fits(self) -> int:
        """Files that the choice means at all."""
        return len(self.next) + len(self.read) + len(self.waits) + self.older

    @property
    def words(self) -> str:
        """In a sentence or two."""
        if not self.fits:
            return "No file here fits."
        said = ["1 file here fits" if self.fits == 1 else f"{self.fits:,} files here fit"]
        said += [f"{len(self.read):,} of them {'was' if len(self.read) == 1 else 'were'} read before"] if self.read else []
        parts = [", ".join(said)]
        if self.waits:
            name, why = next(iter(self.waits.items()))
            parts.append(f"{name} does not count as finished: {why}")
        if self.next:
            more = f" and {len(self.next) - NAMED:,} more" if len(self.next) > NAMED else ""
            what = "would be read" if len(self.next) == 1 else "would be read in this order, as one feed"
            parts.append(f"{', '.join(self.next[:NAMED])}{more} {what}")
        else:
            parts.append("Nothing would be read now")
        return ". ".join(parts) + "."


def kept(typed: Mapping[str, str]) -> dict[str, str]:
    """What of the typed marker is kept in the integration's settings."""
    how = typed.get("marker", "")
    return {"marker": how, "marker_text": typed.get("marker_text", "").strip() if how else ""}


def as_typed(integration: Integration) -> dict[str, str]:
    """The fields as they are saved."""
    rule, settings = after_read.rule(integration), integration.settings
    told = {"after_act": rule.act, "after_folder": rule.folder, "after_suffix": rule.suffix}
    return told | {name: str(settings.get(name) or "") for name in ("marker", "marker_text")}


def errors(typed: Mapping[str, str], folder: str = "") -> dict[str, str]:
    """What is wrong, by field. `folder`: the files' own, absolute, "" where it is not known."""
    found = after_read.errors(typed)
    how, text = typed.get("marker", ""), typed.get("marker_text", "").strip()
    if how not in MARKERS:
        found["marker"] = "Choose when a file is finished."
    elif how and (not text or "/" in text or "\\" in text or not text.isprintable() or len(text) > LONGEST_MARKER):
        example = "an ending such as .done" if how == "beside" else "a name such as READY.txt"
        found["marker_text"] = f"Enter {example}, without folders."
    away = typed.get("after_folder", "").strip()
    if not found and typed.get("after_act") == "move" and folder and posixpath.normpath(posixpath.join(folder, away)) == folder:
        found["after_folder"] = "This is the folder that files are read from. Choose another one."
    return found


def choice_of(typed: Mapping[str, str]) -> Choice:
    """The choice that is typed so far."""
    left_out = typed.get("after_suffix", "").strip() if typed.get("after_act") == "rename" else ""
    match, how = typed.get("match", "newest"), typed.get("marker", "")
    text = typed.get("marker_text", "").strip()
    how = how if text else ""
    return Choice(match, typed.get("pattern", "").strip(), how, text if how else "", left_out)


def outlook(integration: Integration, entries: Sequence[FileEntry], folder: str, typed: Mapping[str, str]) -> Outlook:
    """What a run would read of the listing of `folder`, by what is typed so far. Tells times as the listing does."""
    choice = choice_of(typed)
    if not choice.pattern:
        return Outlook()
    found = selection.sort_out(entries, choice)
    once = choice.match == "all" or typed.get("after_act", "leave") != "leave"
    before = read_files.known(integration, [posixpath.join(folder, entry.name) for entry in entries if not entry.is_folder])
    read = [
        entry.name for entry in (*found.finished, *(one for one, _ in found.unfinished))
        if once and read_files.is_read(entry, before.get(posixpath.join(folder, entry.name), []))
    ]  # fmt: skip
    waits = {entry.name: why for entry, why in found.unfinished if entry.name not in read}
    unread = [entry for entry in found.finished if entry.name not in read]
    if choice.match == "all":
        full = (integration.policies or {}).get("feed") != "delta"
        return Outlook([] if waits and full else [entry.name for entry in unread], read, waits)
    every = sorted([*unread, *(entry for entry, _ in found.unfinished if entry.name in waits)], key=selection.in_order)
    newest = every[-1].name if every else ""
    return Outlook(
        [] if newest in waits or not newest else [newest], read, {newest: waits[newest]} if newest in waits else {}, max(0, len(every) - 1)
    )
