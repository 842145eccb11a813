"""What an accepted feed held: a hash of each record and the SKU it named, in one file of plain arrays (about 35 bytes a record).

Hash 0 marks a SKU that was in the feed but whose record must be read again every time: doubled, noted, set aside or held.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest, xxh3_128, xxh3_128_hexdigest

MAGIC = b"QSFR1\n"
READ_AGAIN = 0
LONGEST_SKU = 65_535  # bytes
_BLOCK = 1 << 18

_Hashes = NDArray[np.uint64]
_ARRAYS: tuple[tuple[str, Any], ...] = (("hashes", np.uint64), ("sku_hashes", np.uint64), ("starts", np.uint64), ("lengths", np.uint16))


@dataclass
class FeedRecord:
    """The arrays, entry by entry: `hashes` of raw records, `sku_hashes`, and where each SKU's UTF-8 lies in `blob`."""

    hashes: _Hashes
    sku_hashes: _Hashes
    starts: NDArray[np.uint64]
    lengths: NDArray[np.uint16]
    blob: bytes | bytearray | memoryview

    @classmethod
    def of(cls, hashes: Sequence[int] | _Hashes, skus: Iterable[str]) -> FeedRecord:
        """A record of entries in any order."""
        texts = [sku.encode("utf-8", "surrogatepass")[:LONGEST_SKU] for sku in skus]
        lengths = np.fromiter(map(len, texts), np.uint16, len(texts))
        starts = np.zeros(len(texts), np.uint64)
        np.cumsum(lengths[:-1], dtype=np.uint64, out=starts[1:])
        keys = np.fromiter(map(xxh3_64_intdigest, texts), np.uint64, len(texts))
        return cls(np.asarray(hashes, np.uint64), keys, starts, lengths, b"".join(texts))

    def __len__(self) -> int:
        return len(self.hashes)

    def skus(self, places: Iterable[int]) -> list[str]:
        """The SKUs of some entries."""
        blob, starts, lengths = self.blob, self.starts, self.lengths
        return [str(blob[(at := int(starts[n])) : at + int(lengths[n])], "utf-8", "surrogatepass") for n in places]

    def apart(self, chosen: NDArray[np.bool_]) -> FeedRecord:
        """The entries that `chosen` marks, with a blob of their own."""
        lengths = self.lengths[chosen]
        starts = np.zeros(len(lengths), np.uint64)
        np.cumsum(lengths[:-1], dtype=np.uint64, out=starts[1:])
        blob = bytearray()
        for at, length in zip(self.starts[chosen].tolist(), lengths.tolist(), strict=True):
            blob += self.blob[at : at + length]
        return FeedRecord(self.hashes[chosen], self.sku_hashes[chosen], starts, lengths, blob)

    def ordered(self) -> FeedRecord:
        """The entries by their hashes, so that a look for one touches little memory."""
        if (self.hashes[1:] >= self.hashes[:-1]).all():
            return self
        order = np.argsort(self.hashes, kind="stable")
        return FeedRecord(self.hashes[order], self.sku_hashes[order], self.starts[order], self.lengths[order], self.blob)

    def joined(self, other: FeedRecord) -> FeedRecord:
        """The entries of both."""
        if not len(self) or not len(other):
            return self if len(self) else other
        return FeedRecord(
            np.concatenate([self.hashes, other.hashes]),
            np.concatenate([self.sku_hashes, other.sku_hashes]),
            np.concatenate([self.starts, other.starts + np.uint64(len(self.blob))]),
            np.concatenate([self.lengths, other.lengths]),
            b"".join([self.blob, other.blob]),
        )

    def read_again(self, sku_hashes: Iterable[int]) -> None:
        """Forget the record hashes of some SKUs, so that they are read whatever they look like."""
        listed = np.fromiter(sku_hashes, np.uint64)
        if len(listed):
            self.hashes = np.where(among(self.sku_hashes, listed), np.uint64(READ_AGAIN), self.hashes)

    def save(self, path: Path, key: str) -> None:
        """Write the file durably under its final name. `key`: what reading depended on."""
        arrays = (np.ascontiguousarray(getattr(self, name), kind) for name, kind in _ARRAYS)
        _write(path, key, len(self), arrays, [self.blob])


@dataclass(frozen=True)
class Entries:
    """Chosen entries of some records, in the order of their hashes.

    Each array is made when it is written, and held by nobody: of millions of entries it takes tens of megabytes.
    """

    parts: Sequence[tuple[FeedRecord, NDArray[np.bool_] | slice]]

    def whole(self) -> FeedRecord:
        """All of them as one record."""
        order = self._order()
        hashes, sku_hashes, starts, lengths = (self._joined(name)[order] for name, _ in _ARRAYS)
        return FeedRecord(hashes, sku_hashes, starts, lengths, b"".join(self._blobs()))

    def save(self, path: Path, key: str) -> None:
        """As `FeedRecord.save`."""
        _write(path, key, sum(len(record.hashes[chosen]) for record, chosen in self.parts), self._pieces(), self._blobs())

    def _blobs(self) -> list[bytes | bytearray | memoryview]:
        return [record.blob for record, _ in self.parts]

    def _order(self) -> NDArray[np.uint32]:
        return np.argsort(self._joined("hashes"), kind="stable").astype(np.uint32)

    def _pieces(self) -> Iterator[NDArray[Any]]:
        """One array after the other, put in order piece by piece."""
        order = self._order()
        for name, _ in _ARRAYS:
            joined = self._joined(name)
            for start in range(0, len(order), _BLOCK):
                yield joined[order[start : start + _BLOCK]]
            del joined  # before the next one is made

    def _joined(self, name: str) -> NDArray[Any]:
        found, before = [], 0
        for record, chosen in self.parts:
            one = getattr(record, name)[chosen]
            found.append(one + np.uint64(before) if before and name == "starts" else one)
            before += len(record.blob)
        return np.concatenate(found) if len(found) > 1 else found[0]


def _write(path: Path, key: str, entries: int, arrays: Iterable[NDArray[Any]], blobs: Sequence[Any]) -> None:
    head = {"key": key, "entries": entries, "blob": sum(map(len, blobs)), "sum": xxh3_128().hexdigest()}
    digest = xxh3_128()
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(MAGIC + json.dumps(head).encode() + b"\n")
        for one in chain(arrays, blobs):  # one after the other: together they may be hundreds of megabytes
            digest.update(one)
            file.write(one)
        file.seek(len(MAGIC))
        file.write(json.dumps({**head, "sum": digest.hexdigest()}).encode())  # as long as the first one
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def load(path: Path, key: str | None = None) -> FeedRecord | None:
    """The record in that file; None when it is not there, damaged, or of another key. None for `key` takes any."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    end = raw.find(b"\n", len(MAGIC))
    if not raw.startswith(MAGIC) or end < 0:
        return None
    try:
        head = json.loads(raw[len(MAGIC) : end])
    except ValueError:
        return None
    body = memoryview(raw)[end + 1 :]
    if (key is not None and head["key"] != key) or xxh3_128_hexdigest(body) != head["sum"]:
        return None
    entries, at, arrays = head["entries"], 0, {}
    for name, kind in _ARRAYS:
        arrays[name] = np.frombuffer(body, kind, entries, at)
        at += arrays[name].nbytes
    return FeedRecord(**arrays, blob=body[at:])


def among(values: _Hashes, chosen: _Hashes) -> NDArray[np.bool_]:
    """Which values are among the chosen ones; in blocks, so that it needs little memory besides its answer."""
    found = np.zeros(len(values), np.bool_)
    if len(chosen):
        ordered = np.sort(chosen)
        for start in range(0, len(values), _BLOCK):
            some = values[start : start + _BLOCK]
            found[start : start + _BLOCK] = ordered[np.minimum(np.searchsorted(ordered, some), len(ordered) - 1)] == some
    return found
