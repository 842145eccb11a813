"""The items of one page: of a search, a filter and an order, among a million, without counting.

The first way that ends: a short walk along the order, a longer one where it would soon be enough ─▶ the ids, when few can match ─▶ in the
order of SKUs, piece by piece of it, as a word may stand in one only (`zones`) ─▶ a longer walk ─▶ all that can match, in order
(and without an index that knows them, the walk to its end). Each item is proved by its own texts, so no way finds another page.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice, repeat

from portal.inventory import paging, search_index, zones
from portal.inventory.paging import FIRST_TEXT, FITS, ID, Scope, Seen
from portal.inventory.queries import Query
from portal.models import InventoryItem
from portal.models.database import is_postgres

FEW = 12_000
"""Items that are fetched singly. What more of a million match fills a page, on average, within the first windows of WALK."""

PROBE = (100, 400)
NEAR, SOON = 6_000, 3
"""Items that are walked on, in so many windows, where they would fill the page at the rate so far."""

MOST_TRIED = 32
"""Pieces of the order that one page tries, however deep they lie: each asks the index once."""

WALK = (600, 1_400, 6_000, 8_000)
STRIDE = 16_000
MANY = 30_000
"""Items that cost as much to sort as an index of a million costs to read."""

BARE = (4_000, 16_000, 64_000)


def page(merchant_id: int, scope: Scope, asked: Query, but: Collection[int], size: int) -> list[Seen]:
    """The first `size` items of a search. In the order of SKUs those that begin as asked come before the rest."""
    lead = asked.lead if asked and scope.sort.column == "sku" and paging.is_bytewise() else ()
    if not lead:
        return Finder(merchant_id, scope, asked, but).page(size)
    tiers = [False, True] if scope.downwards else [True, False]
    after, found = scope.after, list[Seen]()
    if after is not None:
        tiers = tiers[tiers.index(after[0].startswith(lead)) :]
    for leads in tiers:
        here = replace(scope, after=after, begins=lead if leads else ())
        found += Finder(merchant_id, here, asked, but, unlike=() if leads else lead).page(size - len(found))
        if len(found) == size:
            break
        after = None
    return found


class Finder:
    """One search of a merchant's items in a scope, leaving out the items `but` and SKUs that begin in one of the ways `unlike`."""

    def __init__(self, merchant_id: int, scope: Scope, asked: Query, but: Collection[int] = (), unlike: tuple[str, ...] = ()) -> None:
        self.merchant_id, self.scope, self.asked, self.but, self.unlike = merchant_id, scope, asked, but, unlike
        self._walk = paging.walk(scope, chain(PROBE, WALK, repeat(STRIDE)))
        self._found: list[Seen] = []
        self._walked = 0

    def page(self, size: int) -> list[Seen]:
        """The first `size` items in the scope's order, or as many as there are."""
        found = self._quickly(size, iter(range(MOST_TRIED)))
        return self._wholly(size) if found is None else found

    def every(self) -> Iterator[tuple[list[Seen], Seen | None]]:
        """All of them, in the scope's order: windows of (those that are meant, the last that was looked at; None behind the last)."""
        few = self.few()
        if few is not None:
            yield few, None
            return
        for window in paging.walk(self.scope, repeat(STRIDE)):
            yield list(self._meant(window)), window[-1] if len(window) == STRIDE else None

    def few(self) -> list[Seen] | None:
        """All of them, in order, where the database can tell that at most FEW can be meant; else None."""
        ids = self._candidates(FEW)
        return None if ids is None else list(self._meant(paging.choose(self.scope, ids)))

    def _quickly(self, size: int, tries: Iterator[int]) -> list[Seen] | None:
        """The page, where it stands near, or few match, or few pieces tell it; else None. Each piece takes one of `tries`."""
        if self._walks(len(PROBE), size) or (self._soon(size) and self._walks(SOON, size)):
            return self._found
        few = self._candidates(FEW)
        if few is not None:
            return list(islice(self._meant(paging.choose(self.scope, few)), size))
        pieces = zones.of(self.scope) if self._is_indexed else None
        return None if pieces is None else self._of_pieces(pieces, size, tries)

    def _wholly(self, size: int) -> list[Seen]:
        """The page from a longer walk, or from all that can match."""
        if (not self.asked or is_postgres()) and self._walks(len(WALK), size):
            return self._found
        every = self._candidates(None)
        if every is not None:
            return list(islice(self._meant(self._along(every)), size))
        self._walks(None, size)
        return self._found

    def _soon(self, size: int) -> bool:
        """Whether the next windows fill the page if items go on to match as often as so far."""
        return bool(self._found) and (size - len(self._found)) * self._walked <= NEAR * len(self._found)

    @property
    def _is_indexed(self) -> bool:
        return bool(self.asked.words) and search_index.usable() and search_index.behind(self.scope.sources) is not None

    def _of_pieces(self, pieces: Sequence[str], size: int, tries: Iterator[int]) -> list[Seen] | None:
        """The page from one piece of the order after the other; the index tells which of them hold nothing.

        None once the tries are over. Of a piece that the index cannot tell apart nothing is learned by cutting it further.
        """
        found = list[Seen]()
        for piece in pieces:
            if next(tries, None) is None:
                return None
            here = Finder(self.merchant_id, replace(self.scope, begins=(piece,)), self.asked, self.but, self.unlike)
            told = search_index.tells(piece)
            more = here._quickly(size - len(found), tries if told else iter(()))
            if more is None and told and zones.of(here.scope) is None:
                more = here._wholly(size - len(found))
            if more is None:
                return None
            found += more
            if len(found) == size:
                break
        return found

    def _along(self, ids: Collection[int]) -> Iterator[Seen]:
        """Those of many ids, in order. SQLite reads the order's index until enough of them stood in it; Postgres sorts them quicker."""
        if is_postgres() or len(ids) <= MANY:
            yield from paging.choose(self.scope, ids)
            return
        known = set(ids)
        for window in paging.walk(self.scope, chain(BARE, repeat(BARE[-1])), bare=True):
            if members := [one[ID] for one in window if one[ID] in known]:
                yield from paging.choose(self.scope, members)

    def codes(self, limit: int) -> list[int]:
        """Ids of items that carry a whole code that was asked for, at most `limit` by each kind of code."""
        if not self.asked:
            return []
        item, codes = InventoryItem, list(self.asked.codes)
        mine = item.merchant == self.merchant_id
        by_sku = item.select(item.id).where(item.source << list(self.scope.sources), item.sku << codes)
        by_mpn = item.select(item.id).where(mine, item.mpn << codes)
        by_upc = item.select(item.id).where(mine, item.upc << list(self.asked.gtins))
        return list({row.id for one in (by_sku, by_mpn, by_upc) for row in one.limit(limit)})

    def _walks(self, windows: int | None, size: int) -> bool:
        """Go on by so many windows; whether that filled the page or came to the end."""
        walked = 0
        for window in islice(self._walk, windows):
            walked += 1
            self._walked += len(window)
            self._found += islice(self._meant(window), size - len(self._found))
            if len(self._found) == size:
                return True
        return windows is None or walked < windows

    def _meant(self, seen: Iterable[Seen]) -> Iterator[Seen]:
        but, unlike, means = self.but, self.unlike, self.asked.means if self.asked else None
        for one in seen:
            if not one[FITS] or one[ID] in but or (unlike and one[FIRST_TEXT].startswith(unlike)):
                continue
            if means is None or means(*one[FIRST_TEXT:]):
                yield one

    def _candidates(self, limit: int | None) -> Collection[int] | None:
        """Ids among which every match is; None when they cannot be told, or are more than `limit`."""
        ids = self._of_query(limit) if self.asked else None
        if ids is None and (limit is not None or not self.asked):
            ids = paging.rare(self.scope, limit)
        return ids

    def _of_query(self, limit: int | None) -> Collection[int] | None:
        most = None if limit is None else limit + 1
        if self.asked.words:
            start = self.scope.begins[0] if len(self.scope.begins) == 1 else ""
            ids = search_index.hits(self.merchant_id, self.asked.words, most, start) if search_index.usable() else None
            behind = None if ids is None else search_index.behind(self.scope.sources)
            if ids is None or behind is None:
                return None
            ids += behind
        else:
            found = self._starting(most)
            if found is None:
                return None
            ids = found
        ids += self.codes(most or 10**9)
        return ids if limit is None or len(ids) <= limit else None

    def _starting(self, limit: int | None) -> list[int] | None:
        """Ids of items whose SKU or MPN begins as asked; None where the database orders texts by a language's rules."""
        if not paging.is_bytewise():
            return None
        item, ids = InventoryItem, set[int]()
        for start in self.asked.starts:
            above = paging.above(start)
            by_sku = item.select(item.id).where(item.source << list(self.scope.sources), item.sku >= start, item.sku < above)
            by_mpn = item.select(item.id).where(item.merchant == self.merchant_id, item.mpn >= start, item.mpn < above)
            ids |= {row.id for one in (by_sku, by_mpn) for row in (one if limit is None else one.limit(limit))}
        return list(ids)
