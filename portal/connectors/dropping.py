"""Handing a file over at a server with folders: under a temporary name until it is whole, then by a rename that overwrites nothing.

write temp ─▶ size there ─▶ rename        after any doubt: temp there ─▶ rename · temp gone, folder there ─▶ it was delivered
"""

from __future__ import annotations

import posixpath
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from typing import Any

from portal.connectors import problems
from portal.errors import SupplierError
from portal.records import FileEntry

DROPPED = {
    "done": "the server renamed it",
    "gone": "there is no such file, so it has been renamed before",
    "taken": "a file of that name is there already",
}


class DropsFiles(ABC):
    """The upload side of a FolderConnector: single steps, each of which may be taken again; which one comes next is the caller's."""

    @abstractmethod
    def _store(self, folder: str, name: str, content: bytes) -> None:
        """Write a new file, and return once the server said that it has all of it. Raises FileExistsError where it can tell."""

    @abstractmethod
    def _move(self, folder: str, name: str, target: str) -> None: ...

    @abstractmethod
    def _remove(self, folder: str, name: str) -> None: ...

    @abstractmethod
    def _look(self, folder: str, name: str) -> Any: ...

    @abstractmethod
    def _there(self, folder: str, name: str) -> bool:
        """Whether the file is there, asked for by its name: a listing may leave out names that begin with a dot."""

    @abstractmethod
    def _list(self, place: str) -> list[FileEntry]: ...

    @abstractmethod
    def _told(self, doing: str) -> AbstractContextManager[None]: ...

    @abstractmethod
    def _ready(self) -> None: ...

    @abstractmethod
    def close(self) -> None: ...

    def write(self, place: str, name: str, content: bytes) -> int | None:
        """Write a file into the absolute folder `place`; its size there afterwards in bytes, None where the server does not tell.

        Raises SupplierError: folder_missing, permission_denied, or what the line did. What is there then may be a part of it.
        """
        self._ready()
        with self._told("writing the file"):
            try:
                self._store(place, name, content)
            except FileNotFoundError as error:
                self._list(place)  # raises folder_missing with the folders that are there
                raise problems.not_written(place) from error
            except PermissionError as error:
                raise problems.not_written(place, "permission denied") from error
            size: int | None = self._size(place, name)
        return size

    def rename(self, place: str, name: str, target: str) -> str:
        """Give a file of the absolute folder `place` its final name: a key of DROPPED. Never over another file.

        "gone" is only said while the folder itself can be listed. Raises SupplierError where it cannot be told.
        """
        self._ready()
        with self._told("renaming the file"):
            if not self._is_there(place, name):
                return self._gone(place)
            if self._is_there(place, target):
                return "taken"
            try:
                self._move(place, name, posixpath.join(place, target))
            except (FileNotFoundError, SupplierError):
                if self._is_there(place, name):
                    raise
                return self._gone(place)
        return "done"

    def sizes(self, place: str) -> dict[str, int | None]:
        """Size in bytes of each file in the absolute folder `place`, None where the server does not tell it."""
        self._ready()
        with self._told("listing the folder"):
            return {one.name: one.size for one in self._list(place) if not one.is_folder}

    def clear(self, place: str, begin: str, end: str, but: frozenset[str] = frozenset()) -> list[str]:
        """Delete the files whose names begin and end so, but for some; the names of those that went, as far as they are listed."""
        self._ready()
        gone = []
        with self._told("clearing old parts"):
            for name in sorted(self._names(place)):
                if name.startswith(begin) and name.endswith(end) and name not in but:
                    try:
                        self._remove(place, name)
                    except FileNotFoundError:
                        continue  # another worker cleared it meanwhile
                    gone.append(name)
        return gone

    def discard(self, place: str, name: str) -> bool:
        """Delete one file of the absolute folder `place` by its name; False where there was none."""
        self._ready()
        with self._told("clearing old parts"):
            if not self._is_there(place, name):
                return False
            self._remove(place, name)
        return True

    def _is_there(self, place: str, name: str) -> bool:
        try:
            return self._there(place, name)
        except FileNotFoundError:
            self._list(place)  # raises folder_missing
            raise

    def _gone(self, place: str) -> str:
        """ "gone", once the folder is seen by a session of its own: one that stands in a deleted folder sees it empty."""
        self.close()
        self._ready()
        self._list(place)
        return "gone"

    def _size(self, place: str, name: str) -> int | None:
        try:
            size: int | None = self._look(place, name).size
        except FileNotFoundError:
            return None if self._there(place, name) else 0
        return size

    def _names(self, place: str) -> set[str]:
        return {one.name for one in self._list(place) if not one.is_folder}
