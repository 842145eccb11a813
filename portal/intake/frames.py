"""What the reading process says: frames of a length and a marshalled (kind, value). Marshal, as both ends are the same Python."""

from __future__ import annotations

import marshal
import struct
from collections.abc import Iterator
from typing import IO, Any

_PLAIN = 2  # the format without references between objects, which cost more than they save
_LENGTH = struct.Struct("<I")


def write(out: IO[bytes], kind: str, value: Any) -> None:
    """Send one frame."""
    body = marshal.dumps((kind, value), _PLAIN)
    out.write(_LENGTH.pack(len(body)))
    out.write(body)
    out.flush()


def read(source: IO[bytes]) -> Iterator[tuple[str, Any]]:
    """Every frame until the other end closes. Raises EOFError when it closes amid one."""
    while head := source.read(_LENGTH.size):
        if len(head) < _LENGTH.size:
            raise EOFError("half a length")
        (size,) = _LENGTH.unpack(head)
        body = source.read(size)
        if len(body) < size:
            raise EOFError("half a frame")
        kind, value = marshal.loads(body)
        yield kind, value
