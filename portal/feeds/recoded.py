"""A file's text as UTF-8 bytes without its mark, whatever its encoding: for parsers that know UTF-8 only."""

from __future__ import annotations

import codecs
import io
from typing import BinaryIO, cast

_BLOCK = 1 << 16


class _Recoded(io.RawIOBase):
    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file, self._decoder, self._ready, self._first = file, codecs.getincrementaldecoder(encoding)("replace"), b"", True

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self._ready:
            block = self._file.read(_BLOCK)
            text = self._decoder.decode(block, not block)
            self._ready = (text.removeprefix("\ufeff") if self._first else text).encode("utf-8", "replace")
            self._first = self._first and not text
            if not block:
                break
        size = min(len(buffer), len(self._ready))
        buffer[:size], self._ready = self._ready[:size], self._ready[size:]
        return size


def as_utf8(file: BinaryIO, encoding: str) -> BinaryIO:
    """The open file itself where it is UTF-8, set after its mark; else a stream over it."""
    if encoding == "utf-8":
        at = file.tell()
        if file.read(3) != codecs.BOM_UTF8:
            file.seek(at)
        return file
    return cast(BinaryIO, io.BufferedReader(cast(io.RawIOBase, _Recoded(file, encoding))))
