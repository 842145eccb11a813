"""Which encoding the bytes of a text file are in: marks first, then a scan of the whole file."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# What a merchant may choose; the key is Python's codec name.
ENCODINGS: dict[str, str] = {
    "utf-8": "UTF-8",
    "utf-16-le": "UTF-16 little endian (Excel's Unicode text)",
    "utf-16-be": "UTF-16 big endian",
    "cp1252": "Windows-1252 (Western European)",
    "iso-8859-1": "ISO 8859-1 (Latin-1)",
    "iso-8859-15": "ISO 8859-15 (Latin-9)",
    "cp1250": "Windows-1250 (Central European)",
    "cp850": "DOS code page 850",
}

MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

LARGEST_SHARE_UNREADABLE = 0.001  # of rows; above it the reading is refused
_BLOCK = 1 << 20
_SCANNED = 512 << 20  # a file this long shows its encoding in its first half gigabyte
_HIGH = bytes(range(0x80, 0x100))
_NOT_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def mark_of(head: bytes) -> str | None:
    """The encoding that the file's first bytes announce, or None."""
    return next((name for mark, name in MARKS if head.startswith(mark)), None)


def name_of(encoding: str) -> str:
    """The encoding's name for a person, without its explanation."""
    return ENCODINGS.get(encoding, encoding).partition(" (")[0]


def blocks(path: Path, most: int = _SCANNED) -> Iterator[bytes]:
    """The file's bytes in blocks of one megabyte, at most `most` bytes of them."""
    with path.open("rb") as file:
        while most > 0 and (block := file.read(min(_BLOCK, most))):
            most -= len(block)
            yield block


@dataclass
class Seen:
    """Counts over the scanned bytes. `broken` counts byte runs that are not UTF-8, `letters` right multi-byte characters."""

    lines: int = 0
    broken: int = 0
    letters: int = 0
    odd_in_cp1252: int = 0


def guess(path: Path, head: bytes) -> tuple[str, str]:
    """(encoding, one sentence about why). `head` are the file's first bytes."""
    if marked := mark_of(head):
        return marked, f"{name_of(marked)}, announced by the file's first bytes."
    if wide := _unmarked_utf16(head):
        return wide, f"{name_of(wide)}: every second byte of the first part is empty."
    seen = _scan(path)
    if not seen.broken:
        if seen.letters:
            return "utf-8", f"UTF-8: all {seen.letters:,} accented letters and signs read well."
        return "utf-8", "UTF-8: only plain letters were seen, which read the same in every choice."
    if seen.letters > 20 * seen.broken:
        return "utf-8", f"UTF-8: {seen.letters:,} letters read well, {seen.broken:,} do not."
    if seen.odd_in_cp1252 > max(1, seen.lines * LARGEST_SHARE_UNREADABLE):
        return "iso-8859-1", "ISO 8859-1: the file is not UTF-8 and holds bytes that Windows-1252 does not know."
    return "cp1252", f"Windows-1252: {seen.broken:,} letters are not UTF-8 and read well this way."


def _unmarked_utf16(head: bytes) -> str | None:
    head = head[: len(head) // 2 * 2]
    if len(head) < 4 or not head.count(0):
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > 0.4 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.4 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _scan(path: Path) -> Seen:
    seen = Seen()
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    for block in blocks(path):
        seen.lines += block.count(b"\n")
        if block.isascii():
            seen.broken += decoder.decode(block).count("\ufffd")
            continue
        text = decoder.decode(block)
        broken = text.count("\ufffd") - block.count("\ufffd".encode())
        seen.broken += broken
        seen.letters += sum(map(len, text.split("\ufffd"))) - _ascii_count(block)
        if broken:
            seen.odd_in_cp1252 += len(block) - len(block.translate(None, _NOT_IN_CP1252))
    seen.broken += decoder.decode(b"", True).count("\ufffd")
    return seen


def _ascii_count(block: bytes) -> int:
    return len(block.translate(None, _HIGH))
