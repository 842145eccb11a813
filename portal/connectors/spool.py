"""Bytes to disk: hashed while written, under a `.part` name until whole, then flushed and renamed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from portal.connectors import problems

CHUNK = 131_072

Progress = Callable[[int, int | None], None]


class Spool:
    """A file being received. Leaving the block without `finish` removes what was written.

    `announced` is the size in bytes that the server told, or None. Raises too_large and cut_download.
    """

    def __init__(self, into: Path, limit_bytes: int, announced: int | None, progress: Progress) -> None:
        self.into, self.limit, self.announced, self._progress = into, limit_bytes, announced, progress
        self.part = into.with_name(into.name + ".part")
        self.size = 0
        self._sha = hashlib.sha256()
        if announced is not None and announced > limit_bytes:
            raise problems.too_large(limit_bytes)

    def __enter__(self) -> Self:
        with _own_disk():
            self.into.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.part.open("wb", buffering=0)
        self._progress(0, self.announced)
        return self

    def write(self, chunk: bytes) -> None:
        """Take the next bytes, at most 256 kB."""
        self.size += len(chunk)
        if self.size > self.limit:
            raise problems.too_large(self.limit)
        with _own_disk():
            left = memoryview(chunk)
            while left:
                left = left[self._file.write(left) :]
        self._sha.update(chunk)
        self._progress(self.size, self.announced)

    def finish(self) -> str:
        """Prove the length, make it durable under its real name. Returns the SHA-256 in hex."""
        if self.announced is not None and self.size < self.announced:
            raise problems.cut_download(self.size, self.announced)
        if self.announced is not None and self.size > self.announced:
            raise problems.file_growing(self.into.name, self.announced, self.size)
        with _own_disk():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self.part.replace(self.into)
            _sync_folder(self.into.parent)
        return self._sha.hexdigest()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()
        self.part.unlink(missing_ok=True)


@contextmanager
def _own_disk() -> Iterator[None]:
    """A fault of our disk must not look like one of the supplier's server."""
    try:
        yield
    except OSError as error:
        raise problems.not_stored(error.strerror or type(error).__name__) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def wait(seconds: float, progress: Progress, announced: int | None) -> None:
    """Sleep between the two looks, asking `progress` about each second whether to go on."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        progress(0, announced)
        time.sleep(min(left, 1.0))
