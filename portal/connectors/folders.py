"""What SFTP and FTP have in common: a signed-in session, folders, and a file that must stand still.

pick ─ look ─ wait ─ look again ─ read to `.part` ─ look ─ rename        later: look ─ move or delete
"""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from portal.connectors import problems, selection
from portal.connectors.dropping import DropsFiles
from portal.connectors.network import Guard
from portal.connectors.sending import SendsNothing
from portal.connectors.spool import Progress, Spool, wait
from portal.connectors.steps import Steps
from portal.errors import SupplierError
from portal.records import Check, Fetched, FileEntry, Secret

MOST_ENTRIES = 50_000


@dataclass(frozen=True)
class Look:
    """A file at one moment. `size` in bytes, `modified` naive UTC; None = not told."""

    size: int | None
    modified: datetime | None


class FolderConnector(SendsNothing, DropsFiles, ABC):
    """See `portal.connectors.Connector` for the contract. Protocols fill in the abstract methods.

    `_entries`, `_look`, `_receive`, `_move` and `_remove` raise FileNotFoundError and PermissionError, and `faults`, which
    `_translate` turns into a SupplierError.
    """

    faults: tuple[type[Exception], ...] = (OSError, EOFError)

    def __init__(
        self, settings: Mapping[str, Any], secrets: Mapping[str, Secret], *, guard: Guard, trusted_key: Mapping[str, Any] | None
    ) -> None:
        self.settings, self.secrets, self.guard, self.trusted_key = settings, secrets, guard, trusted_key
        self.host, self.user = str(settings.get("host", "")), str(settings.get("user", ""))

    @abstractmethod
    def _open(self, steps: Steps) -> None:
        """Checks 1 to 4: leaves a signed-in session. Raises SupplierError, the session closed."""

    @abstractmethod
    def _is_open(self) -> bool: ...

    @abstractmethod
    def _home(self) -> str:
        """The absolute path of the folder that signing in leads to."""

    @abstractmethod
    def _entries(self, folder: str) -> list[FileEntry]:
        """All entries of an absolute folder, tidied by `plain_name`."""

    @abstractmethod
    def _look(self, folder: str, name: str) -> Look:
        """Size and time of one file now."""

    @abstractmethod
    def _receive(self, folder: str, name: str, spool: Spool) -> Look:
        """Write the whole file into `spool`. Returns a look at what was read, taken after the last byte."""

    @abstractmethod
    def _move(self, folder: str, name: str, target: str) -> None:
        """Give one file another path, where none may be yet."""

    @abstractmethod
    def _remove(self, folder: str, name: str) -> None:
        """Delete one file."""

    @abstractmethod
    def _translate(self, error: Exception, doing: str) -> SupplierError:
        """The SupplierError for one of `faults`."""

    @abstractmethod
    def close(self) -> None: ...

    def check(self, report: Callable[[Check], None], folder: str) -> list[FileEntry]:
        """Checks 1 to 5 on a fresh connection."""
        self.close()
        steps = Steps(report)
        self._open(steps)
        with steps.step("folder") as found, self._told("opening the folder"):
            place = self._place(folder)
            entries = self._list(place)
            files = sum(not entry.is_folder for entry in entries)
            found.detail = f"{'1 file' if files == 1 else f'{files:,} files'} in {place}"
            found.facts.update(folder=place, files=files, folders=[entry.name for entry in entries if entry.is_folder][:50])
        return entries

    def listing(self, folder: str) -> list[FileEntry]:
        """Files and folders in `folder`."""
        self._ready()
        with self._told("listing the folder"):
            return self._list(self._place(folder))

    def fetch(
        self, folder: str, match: str, pattern: str, into: Path, limit_bytes: int, progress: Progress, settle_seconds: float = 5.0
    ) -> Fetched:
        """Bring one file to `into`; see Connector.fetch. "all" brings the newest, as a sample."""
        self._ready()
        with self._told("fetching the file"):
            place = self._place(folder)
            name = selection.pick(self._list(place), match, pattern, place).name
            return self._bring(place, name, self._still(place, name, settle_seconds, progress), into, limit_bytes, progress)

    def place_of(self, folder: str) -> str:
        """The absolute path of the folder that was typed, seen from where signing in leads."""
        self._ready()
        return self._place(folder)

    def still(self, place: str, names: Sequence[str], progress: Progress, settle_seconds: float = 5.0) -> dict[str, Look]:
        """Looks twice at files of the absolute folder `place`: those that stood still for so long, as they are."""
        self._ready()
        with self._told("looking at the files"):
            first = self._looks(place, names)
            if first:
                wait(settle_seconds, progress, None)
            second = self._looks(place, list(first))
        return {name: look for name, look in second.items() if look == first[name]}

    def bring(self, place: str, name: str, seen: Look, into: Path, limit_bytes: int, progress: Progress) -> Fetched:
        """Bring the file that was `seen` to `into`. Raises file_growing when it is another by now, file_missing when it is gone."""
        self._ready()
        with self._told("fetching the file"):
            if (now := self._look(place, name)) != seen:
                raise problems.file_growing(name, seen.size, now.size)
            return self._bring(place, name, seen, into, limit_bytes, progress)

    def put_away(self, path: str, seen: Look, target: str | None) -> str:
        """Give the file at the absolute `path` the path `target`, or delete it (None), if it still is what was `seen`.

        Returns "done", "changed" (left alone) or "gone". Raises SupplierError not_put_away when the server refuses.
        """
        self._ready()
        folder, name = posixpath.split(path)
        with self._told("putting the file away"):
            try:
                entries = self._entries(folder)  # it also tells how an odd name is spelled
            except FileNotFoundError:
                return "gone"
            except PermissionError as error:
                raise problems.not_put_away("permission denied", self._said(error)) from error
            if not any(entry.name == name and not entry.is_folder for entry in entries):
                return "gone"
            now = self._look(folder, name)
            if now != seen:
                return "changed"
            if target is None and now.modified is None:
                raise problems.not_put_away("the server does not tell when a file was changed, so we delete none")
            self._put(folder, name, target)
        return "done"

    def look_at(self, path: str) -> Look | None:
        """Size and time of the file at an absolute path; None when there is none."""
        self._ready()
        with self._told("looking at a file"):
            try:
                return self._look(*posixpath.split(path))
            except FileNotFoundError:
                return None

    def _put(self, folder: str, name: str, target: str | None) -> None:
        try:
            if target is None:
                self._remove(folder, name)
            else:
                self._move(folder, name, target)
        except FileNotFoundError as error:
            where = posixpath.dirname(target or folder)
            raise problems.not_put_away(f"the server finds no folder {where}", self._said(error)) from error
        except PermissionError as error:
            raise problems.not_put_away("permission denied", self._said(error)) from error

    def _bring(self, place: str, name: str, seen: Look, into: Path, limit_bytes: int, progress: Progress) -> Fetched:
        with Spool(into, limit_bytes, seen.size, progress) as spool:
            after = self._receive(place, name, spool)
            if after != seen:
                raise problems.file_growing(name, seen.size, after.size)
            digest = spool.finish()
        return Fetched(str(into), name, spool.size, digest, seen.modified, posixpath.join(place, name))

    def _looks(self, place: str, names: Sequence[str]) -> dict[str, Look]:
        """What there is now of these files; one that went away is left out."""
        found = {}
        for name in names:
            with suppress(FileNotFoundError):  # it was listed a moment ago, and is not there any more
                found[name] = self._look(place, name)
        return found

    def _still(self, place: str, name: str, seconds: float, progress: Progress) -> Look:
        """Look twice; the second look, when both agree."""
        first = self._look(place, name)
        wait(seconds, progress, first.size)
        second = self._look(place, name)
        if first != second:
            raise problems.file_growing(name, first.size, second.size)
        return second

    def _ready(self) -> None:
        if not self._is_open():
            self._open(Steps())

    def _place(self, folder: str) -> str:
        """An absolute, tidy path; what the merchant types is relative to where signing in leads."""
        if any(ord(letter) < 32 for letter in folder):
            raise problems.folder_missing(problems.quoted(folder), [])
        path = posixpath.normpath(posixpath.join(self._home(), folder.strip().replace("\\", "/")))
        return "/" + path.lstrip("/")

    def _list(self, place: str) -> list[FileEntry]:
        try:
            return self._entries(place)
        except FileNotFoundError as error:
            raise problems.folder_missing(place, self._folders_near(place)) from error
        except PermissionError as error:
            raise problems.permission_denied(place, self._said(error)) from error

    def _folders_near(self, place: str) -> list[str]:
        """The folders in the nearest parent that exists, for someone who mistyped."""
        while place != "/":
            place = posixpath.dirname(place)
            try:
                return sorted(posixpath.join(place, entry.name) for entry in self._entries(place) if entry.is_folder)
            except (FileNotFoundError, PermissionError):
                continue
        return []

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turns what a library raises into a SupplierError, and closes a session that may be broken."""
        try:
            yield
        except FileNotFoundError as error:
            body = "It was listed a moment ago. We try again by ourselves."
            raise problems.file_missing("The file went away while we looked", body) from error
        except PermissionError as error:
            raise problems.permission_denied("the file", self._said(error)) from error
        except self.faults as error:
            told = self._translate(error, doing)
            self.close()
            raise told from error

    def _said(self, error: BaseException) -> str:
        return problems.quoted(str(error.args[-1]) if error.args else "", self.secrets.values())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def plain_name(name: str) -> bool:
    """Whether a name from a server can be one: no path, no control characters, not the folder itself."""
    return name not in ("", ".", "..") and "/" not in name and "\\" not in name and name.isprintable()


def port_of(settings: Mapping[str, Any], default: int) -> int:
    """The port setting as a number. Raises SupplierError port_closed for anything else."""
    text = str(settings.get("port") or default).strip()
    if not text.isascii() or not text.isdigit() or len(text) > 6:
        raise problems.port_unusable(text[:20])
    return int(text)
