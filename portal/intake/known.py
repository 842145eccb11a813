"""Which records of a feed the last accepted one held, and what became of the others."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from portal.intake.feed_record import LONGEST_SKU, READ_AGAIN, Entries, FeedRecord, among
from portal.intake.hashing import sku_hash

_NONE = FeedRecord.of([], [])
_EVERY = slice(None)


class Known:
    """The record of the last accepted feed, ticked off while the new feed is read; and the entries of the new one."""

    def __init__(self, before: FeedRecord | None, stale: Iterable[str] = ()) -> None:
        self.before = before or _NONE
        self.before.read_again(map(sku_hash, stale))
        self.before = self.before.ordered()
        self.seen = np.zeros(len(self.before), np.bool_)
        self._again: set[int] = set()  # record hashes that stand twice, or whose SKU stands twice
        self.hashes = array("Q")
        self.sku_hashes = array("Q")
        self.rows = array("Q")
        self.lengths = array("H")
        self.blob = bytearray()
        self.used = array("b")

    @property
    def matched(self) -> int:
        """Records that were in the last accepted feed."""
        return int(self.seen.sum())

    def unseen(self, hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Places of the hashes that must be read; the others are ticked off."""
        there = self.before.hashes
        if not len(there):
            return np.arange(len(hashes))
        order = np.argsort(hashes)
        asked = hashes[order]
        at = np.searchsorted(there, asked)
        at[at == len(there)] = 0
        found = (there[at] == asked) & (asked != READ_AGAIN)
        entries = at[found]  # ascending, so that one that stands twice stands beside itself
        again = self.seen[entries]
        again[1:] |= entries[1:] == entries[:-1]
        self._again.update(there[entries[again]].tolist())
        self.seen[entries] = True
        return np.sort(order[~found])

    def forced(self, hashes: NDArray[np.uint64]) -> NDArray[np.intp]:
        """Places of the hashes that `settle` asked to be read after all."""
        return np.flatnonzero(among(hashes, np.fromiter(self._again, np.uint64)))

    def add(self, record: int, sku: str, row: int, used: bool) -> None:
        """Enter a row that was read: its record's hash (READ_AGAIN when it must be read every time), SKU and row number."""
        text = sku.encode("utf-8", "surrogatepass")[:LONGEST_SKU]
        self.hashes.append(record)
        self.sku_hashes.append(xxh3_64_intdigest(text))
        self.rows.append(row)
        self.lengths.append(len(text))
        self.blob += text
        self.used.append(used)

    def add_used(self, entered: Sequence[tuple[int, int, str]]) -> None:
        """Enter used rows by the thousand, each as (record's hash, row number, SKU)."""
        if entered:
            records, numbers, skus = zip(*entered, strict=True)
            texts = [sku.encode("utf-8", "surrogatepass") for sku in skus]
            self.hashes.extend(records)
            self.sku_hashes.extend(map(xxh3_64_intdigest, texts))
            self.rows.extend(numbers)
            self.lengths.extend(map(len, texts))
            self.blob += b"".join(texts)
            self.used.extend(b"\1" * len(texts))

    def settle(self) -> bool:
        """After the first reading: whether records that were ticked off must be read too, as their SKU stands twice."""
        fresh = np.frombuffer(self.sku_hashes, np.uint64)[np.frombuffer(self.used, np.int8) == 1] if len(self.used) else _NONE.hashes
        doomed = self.seen & among(self.before.sku_hashes, fresh)
        if self._again:
            doomed |= self.seen & among(self.before.hashes, np.fromiter(self._again, np.uint64))
        self._again.update(int(one) for one in self.before.hashes[doomed])
        self.seen[doomed] = False
        return bool(doomed.any())

    def doubled(self) -> list[list[int]]:
        """Numbers of used rows that share a SKU, a list for each; their records are read every time from now on."""
        if not len(self.used):
            return []
        keys, used = np.frombuffer(self.sku_hashes, np.uint64), np.frombuffer(self.used, np.int8) == 1
        ordered = keys[used]
        ordered.sort()
        double = among(keys, ordered[1:][ordered[1:] == ordered[:-1]])
        for place in np.flatnonzero(double):
            self.hashes[place] = READ_AGAIN
        rows, places = np.frombuffer(self.rows, np.uint64), np.flatnonzero(double & used)
        groups: dict[int, list[int]] = {}
        for key, row in zip(keys[places].tolist(), rows[places].tolist(), strict=True):
            groups.setdefault(key, []).append(row)
        return list(groups.values())

    def gone(self) -> list[str]:
        """SKUs of the last accepted feed that this one does not name."""
        keys = self.before.sku_hashes
        missing = np.flatnonzero(~self.seen)
        named = keys[self.seen & among(keys, keys[missing])]  # by another record that is still there
        missing = missing[~among(keys[missing], named)]
        if len(self.sku_hashes):
            missing = missing[~among(keys[missing], np.frombuffer(self.sku_hashes, np.uint64))]
        missing = missing[np.argsort(self.before.starts[missing])]  # in the order of their feed
        return list(dict.fromkeys(self.before.skus(missing)))

    def after(self, delta: bool) -> Entries:
        """The record of this feed, to be saved. `delta`: what it does not name stays in it."""
        fresh = _NONE
        if len(self.hashes):
            lengths = np.frombuffer(self.lengths, np.uint16)
            starts = np.zeros(len(lengths), np.uint64)
            np.cumsum(lengths[:-1], dtype=np.uint64, out=starts[1:])
            hashes, keys = np.frombuffer(self.hashes, np.uint64), np.frombuffer(self.sku_hashes, np.uint64)
            fresh = FeedRecord(hashes, keys, starts, lengths, self.blob)
        kept, before = self.seen, self.before
        if delta and len(before):
            kept = ~among(before.sku_hashes, fresh.sku_hashes)
        if int(before.lengths[kept].sum(dtype=np.uint64)) * 2 < len(before.blob):  # else half of it would be of no use
            return Entries([(before.apart(kept), _EVERY), (fresh, _EVERY)])
        return Entries([(before, kept), (fresh, _EVERY)] if len(before) else [(fresh, _EVERY)])
