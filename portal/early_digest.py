"""The digest of a file that a command names, taken beside the loading of the program: a large file then waits for neither."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

BLOCK = 4 << 20  # large, as the interpreter's lock is taken once a block


Seen = tuple[int, int, int, int]
"""A file as it was: another one of that name, or one that was written to since, differs."""


NEVER: Seen = (0, 0, -1, 0)


def _seen(file: int | Path) -> Seen:
    found = os.stat(file)  # noqa: PTH116 - a path or an open file
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class _Digesting(threading.Thread):
    def __init__(self, path: Path) -> None:
        super().__init__(name="digest", daemon=True)
        self.path = path
        self.found: tuple[Seen, str] | None = None

    def run(self) -> None:
        try:
            self.found = _digested(self.path)
        except OSError:  # whoever wants the file will say what is wrong with it
            self.found = None


_begun: dict[Path, _Digesting] = {}


def begin(path: str) -> None:
    """Begin to digest that file, if it is one, in a thread of its own."""
    file = Path(path).absolute()
    if file.is_file():
        _begun[file] = _Digesting(file)
        _begun[file].start()


def of(path: Path) -> str:
    """The SHA-256 of the file as it is now, in hex; from `begin`, where it has not changed since. Raises OSError."""
    digesting = _begun.pop(path.absolute(), None)
    if digesting is not None:
        digesting.join()
        if digesting.found is not None and digesting.found[0] == _seen(path):
            return digesting.found[1]
    return _digested(path)[1]


def _digested(path: Path) -> tuple[Seen, str]:
    digest, block = hashlib.sha256(), memoryview(bytearray(BLOCK))
    with path.open("rb", buffering=0) as file:
        seen = _seen(file.fileno())
        while read := file.readinto(block):
            digest.update(block[:read])
        if seen != _seen(file.fileno()):  # written to meanwhile: the next look must not take it for the same
            seen = NEVER
    return seen, digest.hexdigest()
