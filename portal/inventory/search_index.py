"""The index that finds items by parts of their words. It may be behind: whoever searches asks `behind` as well, and proves every hit.

triggers note what came, was reworded or went (search_gap) ─▶ `catch_up` takes it in, a short transaction at a time ─▶ `hits`

SQLite: FTS5 with trigrams. Postgres: a table of texts with a pg_trgm index; where that extension may not be had, there is no index
and searches read the items in their order.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from peewee import DatabaseError

from portal import failpoints
from portal.inventory.queries import SHORTEST_WORD, fold
from portal.models import bulk, database
from portal.models.database import is_postgres

log = logging.getLogger(__name__)

CHUNK = 500
"""Items of a first transaction; later ones are as large as take HOLD seconds on SQLite, where one writer keeps others out."""

SMALLEST_CHUNK, LARGEST_CHUNK = 50, 4_000
HOLD = 0.02
MERGE_PAGES, MERGES = 50, 8
"""Pages of 4 kB that FTS5 merges in one transaction, and how many of those may follow a chunk."""

MOST_BEHIND = 50_000
MOST_TRIGRAMS, MOST_WORDS = 48, 12  # proving a hit looks at the rest
LONGEST_START = 12
_ASCII = re.compile(r"[\x01-\x7f]*")
_TAIL = 1  # the row of search_gap that stands for all items after those that were indexed (SQLite)
_EVERYTHING = "INSERT INTO search_gap (gone, low, high) SELECT 0, min(id), max(id) FROM inventory_item HAVING count(*) > 0"
_TEXT = "i.id, i.merchant_id, i.sku, i.mpn, i.title, i.brand"
_PATTERN_SIGNS = re.compile(r"[%_\\]")
_INDEXABLE = re.compile(r"[^\W_]{3}|[^\W_]{2}[\W_]|[\W_][^\W_]")


def usable() -> bool:
    """Whether this database has the index, up to date or not."""
    if is_postgres():
        return bool(bulk.one("SELECT to_regclass('item_search_text') IS NOT NULL")[0])
    return bool(bulk.one("SELECT count(*) FROM sqlite_master WHERE name = 'item_search'")[0])


def prepare() -> bool:
    """Make the index of a Postgres that could not have it so far, if it may be had now; whether the index is usable."""
    if usable() or not is_postgres():
        return usable()
    try:
        with database.atomic():
            database.execute_sql("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            database.execute_sql("DELETE FROM search_gap")
            database.execute_sql("DELETE FROM item_search")
            database.execute_sql("CREATE INDEX item_search_text ON item_search USING gin (text gin_trgm_ops)")
            database.execute_sql(_EVERYTHING)
    except DatabaseError as error:
        log.warning("searches read every item: the extension pg_trgm may not be had (%s)", str(error).splitlines()[0])
        database.execute_sql("DELETE FROM search_gap")
        return False
    return True


def catch_up(leave: Callable[[], bool] = lambda: False) -> int:
    """Index what was noted, until nothing is left or `leave()`; how many items were looked at. Killed anywhere, it goes on there."""
    if not usable():
        return 0
    done, size = 0, CHUNK
    while not leave():
        began = time.perf_counter()
        looked_at = _take_in(size)
        held = max(time.perf_counter() - began, 0.001)
        if looked_at is None:
            break
        done += looked_at
        fitting = LARGEST_CHUNK if is_postgres() else int(max(looked_at, 1) * HOLD / held)
        size = max(SMALLEST_CHUNK, min(LARGEST_CHUNK, 2 * size, fitting))
        bulk.pause()
        _merge()
    return done


def waiting() -> bool:
    """Whether anything is noted that the index does not have yet."""
    if is_postgres():
        return bool(bulk.one("SELECT EXISTS (SELECT 1 FROM search_gap)")[0])
    noted = "SELECT EXISTS (SELECT 1 FROM search_gap WHERE id > ?) OR EXISTS (SELECT 1 FROM inventory_item WHERE id >= {})"
    return bool(bulk.one(noted.format("(SELECT low FROM search_gap WHERE id = 1)"), (_TAIL,))[0])


def hits(merchant_id: int, words: Sequence[str], limit: int | None = None, start: str = "") -> list[int] | None:
    """Ids of items that may hold all `words` (as `queries.fold` writes them); None when no word can be looked up.

    Some of them may be gone, reworded or hits of trigrams only. With `limit` the first that are met. `start`: only items whose SKU
    begins so are asked for, and others may be left out.
    """
    most, begin = "" if limit is None else f" LIMIT {limit}", fold(_ascii_part(start)[:LONGEST_START])
    if is_postgres():
        usable_words = [word for word in words if len(word) >= SHORTEST_WORD and _INDEXABLE.search(word)]
        chosen = sorted(usable_words, key=len)[-MOST_WORDS:]
        likes = ["%" + _PATTERN_SIGNS.sub(r"\\\g<0>", word) + "%" for word in chosen]
        if not likes:
            return None
        if begin:
            likes.append(_PATTERN_SIGNS.sub(r"\\\g<0>", begin) + "%")
        every = " AND ".join(["text LIKE ?"] * len(likes))
        with _by_index():
            found = bulk.run(f"SELECT item_id FROM item_search WHERE merchant_id = ? AND {every}{most}", (merchant_id, *likes))
            return [row[0] for row in found]
    trigrams = list(dict.fromkeys(word[at : at + 3] for word in words for at in range(len(word) - 2)))
    if not trigrams:
        return None
    tagged = _tag(merchant_id) + begin
    anchors = [tagged[at : at + 3] for at in range(len(tagged) - 2)][1 if begin else 0 :]  # the tag alone is in every text
    match = " AND ".join('"' + one.replace('"', '""') + '"' for one in (*anchors, *trigrams[:MOST_TRIGRAMS]))
    return [row[0] for row in bulk.run(f"SELECT rowid FROM item_search WHERE item_search MATCH ?{most}", (match,))]


def behind(sources: Sequence[int]) -> list[int] | None:
    """Ids of these sources' items that the index may not have as they are now; None when they are too many to be looked at singly."""
    which = "SELECT i.id, i.source_id FROM search_gap g {} inventory_item i {} i.id BETWEEN g.low AND g.high {} g.gone = 0 LIMIT ?"
    if is_postgres():
        with _by_index():
            rows = bulk.run(which.format("JOIN", "ON", "WHERE"), (MOST_BEHIND + 1,)).fetchall()
    else:
        rows = bulk.run(which.format("CROSS JOIN", "WHERE", "AND"), (MOST_BEHIND + 1,)).fetchall()
    if len(rows) > MOST_BEHIND:
        return None
    mine = set(sources)
    return [item for item, source in rows if source in mine]


@contextmanager
def _by_index() -> Iterator[None]:
    """A transaction in which Postgres does not read a whole table where it has an index."""
    with database.atomic():
        database.execute_sql("SET LOCAL enable_seqscan = off")
        yield


def _take_in(size: int) -> int | None:
    """Index up to `size` ids of the oldest notes, and take them off, in one transaction; how many. None when nothing is noted."""
    with database.atomic():
        ids, spent, rest = _noted(size)
        if not spent and rest is None:
            return None if is_postgres() else _take_in_tail(size)
        rows = bulk.run(f"SELECT {_TEXT} FROM inventory_item i WHERE i.id {bulk.any_of()}", (bulk.as_list(ids),)).fetchall()
        _forget(set(ids) - {row[0] for row in rows})
        _keep(rows)
        failpoints.reach("indexing-chunk")
        if spent:
            bulk.run(f"DELETE FROM search_gap WHERE id {bulk.any_of()}", (bulk.as_list(spent),))
        if rest is not None:
            bulk.run("UPDATE search_gap SET low = ? WHERE id = ?", (rest[1], rest[0]))
        return len(ids)


def _noted(size: int) -> tuple[list[int], list[int], tuple[int, int] | None]:
    """Up to `size` ids of notes; the notes that are done with them; and the one of which a part is left, with where it begins."""
    notes = "SELECT id, low, high FROM search_gap WHERE id > ? ORDER BY id LIMIT ?"
    rows = bulk.run(notes + (" FOR UPDATE SKIP LOCKED" if is_postgres() else ""), (0 if is_postgres() else _TAIL, size)).fetchall()
    ids: dict[int, None] = {}
    spent: list[int] = []
    for note, low, high in rows:
        last = min(high, low + size - len(ids) - 1)
        ids.update(dict.fromkeys(range(low, last + 1)))
        if last < high:
            return list(ids), spent, (note, last + 1)
        spent.append(note)
        if len(ids) >= size:
            break
    return list(ids), spent, None


def _take_in_tail(size: int) -> int | None:
    """Index the next items that came after all that were indexed (SQLite)."""
    low = bulk.one("SELECT low FROM search_gap WHERE id = ?", (_TAIL,))[0]
    rows = bulk.run(f"SELECT {_TEXT} FROM inventory_item i WHERE i.id >= ? ORDER BY i.id LIMIT ?", (low, size)).fetchall()
    if not rows:
        return None
    _keep(rows)
    failpoints.reach("indexing-chunk")
    bulk.run("UPDATE search_gap SET low = ? WHERE id = ?", (rows[-1][0] + 1, _TAIL))
    return len(rows)


def _keep(rows: Sequence[tuple[Any, ...]]) -> None:
    if not rows:
        return
    texts = [(item, merchant, fold("\n".join(value or "" for value in values))) for item, merchant, *values in rows]
    if is_postgres():
        bulk.run(
            """INSERT INTO item_search (item_id, merchant_id, text)
            SELECT * FROM unnest(?::bigint[], ?::bigint[], ?::text[])
            ON CONFLICT (item_id) DO UPDATE SET text = EXCLUDED.text, merchant_id = EXCLUDED.merchant_id""",
            tuple(map(list, zip(*texts, strict=True))),
        )
    else:
        tagged = [(item, _tag(merchant) + text) for item, merchant, text in texts]
        bulk.run_many("INSERT OR REPLACE INTO item_search (rowid, text) VALUES (?, ?)", tagged)


def _forget(ids: set[int]) -> None:
    if ids:
        key = "item_id" if is_postgres() else "rowid"
        bulk.run(f"DELETE FROM item_search WHERE {key} {bulk.any_of()}", (bulk.as_list(ids),))


def _tag(merchant_id: int) -> str:
    """A trigram that no text has: the merchant's number in letters for private use."""
    return "".join(chr(0xE000 + merchant_id // 6_400**place % 6_400) for place in (2, 1, 0))


def _merge() -> None:
    """Join small pieces of FTS5's index, in transactions of their own."""
    for _ in range(0 if is_postgres() else MERGES):
        with database.atomic():
            before = database.connection().total_changes
            bulk.run("INSERT INTO item_search (item_search, rank) VALUES ('merge', ?)", (MERGE_PAGES,))
            if database.connection().total_changes - before < 2:
                return
        bulk.pause()


def tells(start: str) -> bool:
    """Whether `hits` can leave out all that begins otherwise."""
    return start == _ascii_part(start)[:LONGEST_START]


def _ascii_part(text: str) -> str:
    """The ASCII that the text begins with: what follows it cannot change how `fold` writes it."""
    found = _ASCII.match(text)
    return found[0] if found else ""
