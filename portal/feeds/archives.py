"""A packed feed is unpacked to a file beside it, within limits: nothing in an archive names a path of ours.

zip or gzip ─▶ limits ─▶ the one member ─▶ `<path>.<random>.unpacked`
"""

from __future__ import annotations

import errno
import gzip
import os
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO

from portal.feeds import refusals

LARGEST_PACKED = 500_000_000
LARGEST_UNPACKED = 10_000_000_000
LARGEST_RATIO = 100
SMALL = 16_000_000  # unpacked bytes that no ratio matters for
MOST_ENTRIES = 1_000
LARGEST_DIRECTORY = 4_000_000  # bytes of a zip's list of files; a thousand long names fit
ENDINGS = (
    ".csv", ".txt", ".tsv", ".tab", ".psv", ".dat", ".asc", ".xlsx", ".xlsm", ".xls", ".xml", ".json", ".jsonl", ".ndjson", ".edi", ".x12",
)  # fmt: skip
PACKED = ((b"PK\x03\x04", "zip"), (b"PK\x05\x06", "zip"), (b"\x1f\x8b", "gzip"))
_NO_FEED = ("readme", "license", "licence", "changelog", "copyright")
_BLOCK = 1 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, gzip.BadGzipFile, ValueError, OverflowError, NotImplementedError)


@dataclass(frozen=True)
class Plain:
    """A file to read: where it lies, its own name, and whether it was unpacked for this reading. `others`: members not chosen."""

    path: Path
    name: str
    is_copy: bool = False
    others: int = 0


def packing_of(head: bytes) -> str | None:
    """ "zip" or "gzip" by the first bytes, None for a file that is not packed. A workbook is a zip too: see `is_workbook`."""
    return next((name for signature, name in PACKED if head.startswith(signature)), None)


@contextmanager
def unpacked(path: Path, name: str = "", member: str = "", most: int | None = None) -> Iterator[Plain]:
    """The plain file of `path`, erased afterwards when it had to be unpacked.

    `most`: stop after that many unpacked bytes, for a look at the beginning. Raises SupplierError: unsafe_archive, file_cut,
    encrypted_file, member_missing, too_large, unsupported_format.
    """
    plain = unpack(path, name, member, most)
    try:
        yield plain
    finally:
        if plain.is_copy:
            plain.path.unlink(missing_ok=True)


def unpack(path: Path, name: str = "", member: str = "", most: int | None = None) -> Plain:
    """The same without erasing: the caller does that when `is_copy`."""
    name = name or path.name
    with path.open("rb") as file:
        packing = packing_of(file.read(4))
    if packing is None:
        return Plain(path, name)
    if path.stat().st_size > LARGEST_PACKED:
        raise refusals.packed_too_large(LARGEST_PACKED)
    if packing == "gzip":
        return _gunzip(path, name, most)
    with opened(path) as archive:
        if is_workbook(archive):
            return Plain(path, name)
        return _unzip(archive, path, member, most)


def members(path: Path, member: str = "") -> list[str]:
    """Names in the zip that the pattern fits, the one that is read first; [] for any other file. Raises like `unpack`."""
    with path.open("rb") as file:
        if packing_of(file.read(4)) != "zip":
            return []
    with opened(path) as archive:
        return [] if is_workbook(archive) else [one.filename for one in _fitting(archive, member)]


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The zip, its list of files judged before it is read. Raises SupplierError."""
    _check_directory(path)
    try:
        archive = zipfile.ZipFile(path)
    except _BROKEN as error:
        raise refusals.broken_archive("zip") from error
    with archive:
        _check_entries(archive.infolist())
        yield archive


def is_workbook(archive: zipfile.ZipFile) -> bool:
    """Whether the zip is an Excel workbook."""
    names = archive.NameToInfo
    return "xl/workbook.xml" in names or ("[Content_Types].xml" in names and any(name.startswith("xl/") for name in names))


def blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Generator[bytes, None, None]:
    """The bytes of a member, counted: what it unpacks to may differ from what the zip announces. Raises SupplierError."""
    if entry.flag_bits & 0x1:
        raise refusals.encrypted("zip archive")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise refusals.unsupported("packed in an unusual way", "Pack it with ordinary zip compression")
    done = 0
    try:
        with archive.open(entry) as source:
            while block := source.read(_BLOCK):
                done += len(block)
                check_growth(done, entry.compress_size)
                yield block
    except _BROKEN as error:
        raise refusals.cut_archive(entry.filename) from error
    except RuntimeError as error:  # zipfile's word for a password
        raise refusals.encrypted("zip archive") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # a place before the file's beginning
            raise
        raise refusals.cut_archive(entry.filename) from error
    if done != entry.file_size:
        raise refusals.cut_archive(entry.filename)


def check_growth(unpacked_bytes: int, packed_bytes: int) -> None:
    """Refuse what grows past the limits."""
    if unpacked_bytes > LARGEST_UNPACKED:
        raise refusals.bomb(f"more than {LARGEST_UNPACKED // 1_000_000_000:,} GB")
    if unpacked_bytes > SMALL and unpacked_bytes > LARGEST_RATIO * max(packed_bytes, 1):
        raise refusals.bomb(f"more than {LARGEST_RATIO} times its size")


def _check_directory(path: Path) -> None:
    """Refuse endless lists of files before zipfile reads them, and a zip without its list: it was cut."""
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 66_000))
        tail = file.read()
    # zipfile looks in this order too: the very end first, then for the last mark, and a 64-bit list goes before all
    at = len(tail) - 22 if tail[-22:-18] == b"PK\x05\x06" and tail.endswith(b"\0\0") else tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < 22:
        raise refusals.cut_archive("")
    entries, length = struct.unpack("<10xHI", tail[at : at + 16])
    if at >= 76 and tail[at - 20 : at - 16] == b"PK\x06\x07":
        entries, length = struct.unpack("<32xQQ", tail[at - 76 : at - 28])
    if entries > MOST_ENTRIES or length > LARGEST_DIRECTORY:
        raise refusals.too_many_entries(MOST_ENTRIES)


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MOST_ENTRIES:
        raise refusals.too_many_entries(MOST_ENTRIES)
    for entry in entries:
        if problem := _unsafe(entry):
            raise refusals.unsafe_archive(problem)
    if len({entry.filename for entry in entries}) < len(entries):
        raise refusals.unsafe_archive("two files of one name")
    check_growth(sum(entry.file_size for entry in entries), sum(entry.compress_size for entry in entries))


def _unsafe(entry: zipfile.ZipInfo) -> str | None:
    name = entry.orig_filename.replace("\\", "/")
    if name.startswith("/") or name[1:2] == ":" or ".." in name.split("/") or "\0" in name:
        return "a name that leads outside the archive"
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return "a link instead of a file"
    return None


def _fitting(archive: zipfile.ZipFile, member: str) -> list[zipfile.ZipInfo]:
    """The members that may be the feed, newest first, then the largest."""
    files = [one for one in archive.infolist() if not one.is_dir() and not _is_clutter(one.filename)]
    if member:
        files = [one for one in files if fnmatchcase(PurePosixPath(one.filename).name, member) or fnmatchcase(one.filename, member)]
    else:
        likely = [one for one in files if one.filename.lower().endswith(ENDINGS) and not _is_paper(one.filename)]
        files = likely or files
    return sorted(files, key=lambda one: (one.date_time, one.file_size), reverse=True)


def _is_clutter(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part.startswith(".") or part == "__MACOSX" for part in parts) or parts[-1:] in (("Thumbs.db",), ("desktop.ini",))


def _is_paper(name: str) -> bool:
    return PurePosixPath(name).name.lower().startswith(_NO_FEED)


def _unzip(archive: zipfile.ZipFile, path: Path, member: str, most: int | None) -> Plain:
    fitting = _fitting(archive, member)
    if not fitting:
        raise refusals.member_missing(member, sorted(archive.namelist())[:3])
    chosen = fitting[0]
    copy = _spool(path, blocks(archive, chosen), most)
    return Plain(copy, PurePosixPath(chosen.filename).name, True, len(fitting) - 1)


def _gunzip(path: Path, name: str, most: int | None) -> Plain:
    with path.open("rb") as packed:
        copy = _spool(path, _gzip_blocks(packed), most)
    return Plain(copy, name[: -len(".gz")] if name.lower().endswith(".gz") else name, True)


def _gzip_blocks(packed: IO[bytes]) -> Generator[bytes, None, None]:
    done = 0
    try:
        with gzip.GzipFile(fileobj=packed) as source:
            while block := source.read(_BLOCK):
                done += len(block)
                check_growth(done, packed.tell())
                yield block
    except EOFError as error:
        raise refusals.cut_archive("") from error
    except _BROKEN as error:
        raise refusals.broken_archive("gzip") from error


def _spool(path: Path, source: Generator[bytes, None, None], most: int | None) -> Path:
    handle, made = tempfile.mkstemp(suffix=".unpacked", prefix=f"{path.name[:60]}.", dir=path.parent)
    copy = Path(made)
    done = 0
    try:
        with os.fdopen(handle, "wb") as out, closing(source):
            for block in source:
                if not done:
                    _refuse_nested(block)
                done += out.write(block)
                if most is not None and done >= most:
                    break
    except BaseException:
        copy.unlink(missing_ok=True)
        raise
    return copy


def _refuse_nested(block: bytes) -> None:
    """No archive inside an archive, but for a workbook, whose parts are judged when it is opened."""
    packing = packing_of(block)
    if packing == "gzip" or (packing == "zip" and not _looks_like_workbook(block)):
        raise refusals.unsafe_archive("another archive")


def _looks_like_workbook(block: bytes) -> bool:
    return any(part in block for part in (b"[Content_Types].xml", b"xl/", b"_rels/.rels", b"docProps/"))
