"""A delimited file cut into raw records, undecoded: a line, or the lines that an open quote joins.

Cutting counts quotes and nothing else, so it is fast and may be wrong; `Reader.rows_of` proves each record that it reads.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from portal.records import FeedFormat

BLOCK = 1 << 20
MOST_LINES = 2_000
_RETURN, _FEED = b"\r"[0], b"\n"[0]
LONGEST = 16_000_000  # bytes of one record
_ASCII_BELOW_128 = {"utf-8", "ascii", "cp1252", "cp1250", "cp1251", "iso8859-1", "iso8859-2", "iso8859-15"}


class NotInRecords(Exception):
    """The file does not come apart this way: read it from end to end."""


class Block(NamedTuple):
    """Some records in a row. `numbers`: the 1-based line each one starts on. `end`: bytes of the file read so far."""

    records: list[bytes]
    numbers: Sequence[int]
    end: int


def can_cut(form: FeedFormat) -> bool:
    """Whether a file of this format may be cut at all. Rows that depend on those above them are told apart by their cells."""
    if form.above or form.kind != "delimited" or not form.delimiter.isascii() or not form.quote.isascii():
        return False
    return codecs.lookup(form.encoding).name in _ASCII_BELOW_128


def blocks(path: Path, form: FeedFormat, skip: int, size: int = BLOCK) -> Iterator[Block]:
    """The records after the first `skip` lines, in blocks of about `size` bytes. Raises NotInRecords for a bare CR or an endless record."""
    mark, rest, line = form.quote.encode(), b"", 1
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(size):
            if b"\r" in chunk and _bare_returns(chunk, rest):
                raise NotInRecords("a carriage return without a line feed")
            lines = _lines(rest, chunk)
            rest = lines.pop()
            if line <= skip:
                dropped = min(skip - line + 1, len(lines))
                line += dropped
                del lines[:dropped]
            records, numbers, open_lines = _joined(lines, mark, line)
            line = numbers[-1] + records[-1].count(b"\n") + 1 if records else line
            if open_lines:
                rest = b"\n".join([*open_lines, rest])
                if len(open_lines) > MOST_LINES or len(rest) > LONGEST:
                    raise NotInRecords("a record without an end")
            if records:
                yield Block(records, numbers, file.tell())
    if rest.endswith(b"\r") or (mark and rest.count(mark) & 1):
        raise NotInRecords("a record is open at the end")
    if rest and line > skip:
        yield Block([rest], (line,), path.stat().st_size)


def _lines(rest: bytes, chunk: bytes) -> list[bytes]:
    """The lines of both together; only the first one is put together anew, unless a record is open."""
    if b"\n" in rest:
        return (rest + chunk).split(b"\n")
    lines = chunk.split(b"\n")
    lines[0] = rest + lines[0]
    return lines


def _bare_returns(chunk: bytes, rest: bytes) -> bool:
    """Whether a CR is not followed by LF; a CR at the very end is judged with the next chunk, where it ends `rest`."""
    if rest.endswith(b"\r") and not chunk.startswith(b"\n"):
        return True
    import numpy as np  # a program that only knows formats does without it

    letters = np.frombuffer(chunk, np.uint8)
    after = np.flatnonzero(letters[:-1] == _RETURN) + 1
    return bool((letters[after] != _FEED).any())


def _joined(lines: list[bytes], mark: bytes, line: int) -> tuple[list[bytes], Sequence[int], list[bytes]]:
    """Lines as records: (records, their first lines, the lines of a record that is still open)."""
    odd = [place for place, text in enumerate(lines) if text.count(mark) & 1] if mark else ()
    if not odd:
        return lines, range(line, line + len(lines)), []
    records: list[bytes] = []
    numbers: list[int] = []
    done = 0
    for first, last in zip(odd[::2], odd[1::2], strict=False):
        records += lines[done:first]
        records.append(b"\n".join(lines[first : last + 1]))
        numbers.extend(range(line + done, line + first + 1))
        done = last + 1
    end = odd[-1] if len(odd) & 1 else len(lines)
    records += lines[done:end]
    numbers.extend(range(line + done, line + end))
    return records, numbers, lines[end:]
