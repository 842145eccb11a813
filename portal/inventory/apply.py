"""Carry out a plan: chunks of a transaction each, the checkpoint in it, old and new values journaled. Removals come last.

Nothing is ever deleted: an item that is missing gets quantity 0 and `missing_since`. Items that are added carry their run's id. What
the other feed owns of an item stays as it is (see roles).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from portal import clock, failpoints
from portal.exclusions import room
from portal.exclusions.keeping import Keeping
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import lineage, plan_rows, role_sql, stale
from portal.inventory.counted import IN
from portal.inventory.plan import PRICE, PRICES, REMOVALS_FROM, ZERO, Summary
from portal.inventory.plan_rows import Move
from portal.inventory.role_sql import differs
from portal.inventory.roles import STOCK, Role
from portal.leases import Work
from portal.models import ItemPin, Source, bulk
from portal.models.database import is_postgres

CHUNK = 2_000
LEAST, MOST = 500, 10_000
HELD_SECONDS = 0.02
"""How long a chunk may keep a waiting writer out of SQLite: the next one is made larger or smaller by how long the last one took."""
LONGEST_HOLD = 0.3
"""Seconds of chunks in one transaction while nobody waits: an index page that several of them touch is then written once."""

MANY_ADDED = 10_000
UNKNOWN_HASH = 0
"""Content hash of an item that no longer is what its file said; the next file is compared value by value."""

STAGED = "staged_row"
_ITS = "i.id = p.item_id AND i.sku = p.sku"  # a number alone may be another item's by now
_JOURNAL = "INSERT INTO inventory_change (merchant_id, source_id, run_id, item_id, sku, action, row_number, before, after, at) "
_CHUNK = "p.run_id = ? AND p.n > ? AND p.n <= ? AND p.state = ?"
_OF_CHUNK = "i.id IN (SELECT p.item_id FROM plan_row p WHERE p.run_id = ? AND p.n > ? AND p.n <= ? AND p.item_id IS NOT NULL)"
_SAME_ROW = "s.run_id = p.run_id AND s.row_number = p.row_number"
_COUNTS = ("add", "change", "zero", "back", "missing", "note", "archive", "in_stock")


class Applying:
    """Carries out the plan of run `planned`: that run itself, or the held one whose rest a person accepted.

    `role`: what it may write; all else stays as it is. `rows`: the table its rows lie in.
    """

    def __init__(self, work: Work, role: Role, rows: str, planned: int | None = None) -> None:
        self.work, self.role, self.columns, self.rows = work, role, role.columns, rows
        self.run_id, self.source_id, self.merchant_id = work.run.id, work.run.source_id, work.run.merchant_id
        self.planned = planned or work.run.id
        self.locks = role_sql.kept(role, ItemPin.select().where(ItemPin.source == self.source_id).exists())
        self.others = stale.others(work.run.source_id, work.run.integration_id) if role.adds else []
        self.counts: dict[str, int] = dict.fromkeys(_COUNTS, 0) | work.checkpoint.get("counts", {})
        self.done = 0
        self.keeping = Keeping(work.run, self._count)
        # CROSS JOIN pins the order on SQLite: a chunk of the plan, then its rows, then their items, each by its key.
        self._from = f"plan_row p CROSS JOIN {rows} s"

    def add_all(self, total: int) -> None:
        """Every usable row, when the source has no items at all."""
        chunk = f"SELECT row_number AS n FROM {self.rows} WHERE run_id = ? AND row_number > ? AND row_number <= ? AND used = 1"
        which = "s.run_id = ? AND s.row_number > ? AND s.row_number <= ? AND s.used = 1"

        def act(after: int, last: int) -> None:
            self._add(f"{self.rows} s", which, (self.run_id, after, last), "s.row_number")

        self._each_chunk("applied", chunk, 0, REMOVALS_FROM, total, act)
        self._learn()

    def apply_rows(self, total: int) -> None:
        """Adds, changes, zeros and items that are back; of a held row everything but what is held of it."""

        self.keeping.returning = self._returning()

        def act(after: int, last: int) -> None:
            scope, chunk = (self.planned, after, last, "waiting"), (self.planned, after, last)
            archived = self.keeping.archived_of(_OF_CHUNK, chunk)
            self._add(self._from, f"{_CHUNK} AND p.action = 'add' AND {_SAME_ROW}", scope, "p.n")
            self._change(after, last, "waiting", self.columns)
            for marks in (ZERO, PRICE, ZERO | PRICE):
                self._change(after, last, "held", self._free(marks), f" AND p.marks = {marks}")
            self._judge(chunk, archived)
            self.keeping.returning = max(0, self.keeping.returning - len(archived))

        self._each_planned("applied", 0, REMOVALS_FROM, total, act)
        self._learn()

    def _returning(self) -> int:
        """Items that the plan has still to bring back from the archive; 0 where no limit makes that matter."""
        if room.limit_of(self.merchant_id) is None:
            return 0
        sql = f"""SELECT count(*) FROM plan_row p CROSS JOIN inventory_item i WHERE p.run_id = ? AND p.action = 'back' AND {_ITS}
            AND p.state = 'waiting' AND i.archived_at IS NOT NULL AND i.kept_out = {IN}"""
        return int(bulk.one(sql, (self.planned,))[0])

    def _learn(self) -> None:
        """After many items were added: Postgres would plan the next feed's comparison as if they were not there."""
        if self.counts["add"] >= MANY_ADDED:
            bulk.analyze("inventory_item")

    def accept_rows(self, total: int) -> None:
        """The zeros, prices and whole rows that were held."""

        def act(after: int, last: int) -> None:
            archived = self.keeping.archived_of(_OF_CHUNK, (self.planned, after, last))
            self._add(self._from, f"{_CHUNK} AND p.action = 'add' AND {_SAME_ROW}", (self.planned, after, last, "held"), "p.n")
            self._change(after, last, "held", self.columns)
            self._judge((self.planned, after, last), archived)

        self._each_planned("applied", 0, REMOVALS_FROM, total, act)

    def remove(self, state: str, total: int) -> None:
        """Missing items go to quantity 0. `state`: waiting, or held ones that a person accepted. Only after every other row."""
        failpoints.reach("removals")
        self._each_planned(
            "removed", REMOVALS_FROM, 2 * REMOVALS_FROM, total, lambda after, last: self._remove(after, last, state)
        )  # fmt: skip

    def _free(self, marks: int) -> tuple[str, ...]:
        held = (STOCK if marks & ZERO else ()) + (PRICES if marks & PRICE else ())
        return tuple(name for name in self.columns if name not in held)

    def _each_planned(self, key: str, low: int, high: int, total: int, act: Callable[[int, int], None]) -> None:
        self._each_chunk(key, "SELECT n FROM plan_row WHERE run_id = ? AND n > ? AND n <= ?", low, high, total, act)

    def _each_chunk(self, key: str, rows: str, low: int, high: int, total: int, act: Callable[[int, int], None]) -> None:
        chunk = f"SELECT max(n), count(*) FROM ({rows} ORDER BY n LIMIT ?) AS chunk"
        after, most = self.work.checkpoint.get(key, low), CHUNK
        while True:
            self.work.look_for_stop()
            counts, done = dict(self.counts), self.done
            try:
                with self.work.transaction():
                    began = time.monotonic()
                    self.keeping.look()
                    while True:
                        last, size = bulk.one(chunk, (self.planned, after, high, most))
                        if last is None:
                            break
                        started = time.monotonic()
                        act(after, last)
                        after, self.done, now = last, self.done + size, time.monotonic()
                        most = _next_size(most, now - started)
                        if now - began > LONGEST_HOLD or bulk.others_wait():
                            break
                    self.work.save_checkpoint(**{key: after, "counts": self.counts})
            except BaseException:
                self.counts, self.done = counts, done
                raise
            failpoints.reach("applied-chunk")
            self.work.progress(min(self.done, total), total)
            if last is None:
                return
            bulk.pause()

    def _judge(self, chunk: tuple[Any, ...], archived: Sequence[int] = ()) -> None:
        """Let the exclusion rules judge the planned items anew; those that were archived wait for room."""
        if self.keeping.rules:
            self.keeping.judge(_OF_CHUNK, chunk)
        if archived:
            self.keeping.wait_again(archived)

    def _count(self, action: str, number: int) -> None:
        self.counts[action] = self.counts.get(action, 0) + number

    def _add(self, rows: str, chosen: str, scope: tuple[Any, ...], order: str) -> None:
        now, names = clock.now(), ", ".join(f'"{name}"' for name in INVENTORY_COLUMNS)
        values = ", ".join(f's."{name}"' for name in INVENTORY_COLUMNS)
        last = kept = IN
        if self.keeping.active:
            last, kept = self.keeping.adding(int(bulk.one(f"SELECT count(*) FROM {rows} WHERE {chosen}", scope)[0]))
        since = ("kept_out, kept_out_since, ", f"{kept}, ?, ", (now,)) if kept else ("", "", ())
        items = f"""
            INSERT INTO inventory_item
                (public_id, merchant_id, source_id, content_hash, last_run_id, last_row, added_run_id, added_row, pinned, archived_by,
                added_at, changed_at, {since[0]}{names})
            SELECT {bulk.random_id()}, ?, ?, s.content_hash, ?, s.row_number, ?, s.row_number, 0, '', ?, ?, {since[1]}{values}
            FROM {rows} WHERE {chosen} ORDER BY {order}"""
        added = bulk.run(items, (self.merchant_id, self.source_id, self.run_id, self.run_id, now, now, *since[2], *scope)).rowcount
        if added:
            self._mark_others(f"SELECT s.sku FROM {rows} WHERE {chosen}", scope)
            stocked = bulk.one(f"SELECT count(*) FROM {rows} WHERE {chosen} AND s.quantity > 0", scope)[0]
            Source.update(item_count=Source.item_count + added).where(Source.id == self.source_id).execute()
            self._count("add", added)
            self._count("in_stock", stocked)
            if self.keeping.active:
                self.keeping.judge_added(last, kept)

    def _change(self, after: int, last: int, state: str, columns: tuple[str, ...], and_: str = "") -> None:
        """Write `columns` of planned rows in `state`. Without all of ours: only what differs or comes back, as that and no zero."""
        now, whole = clock.now(), columns == self.columns
        scope = (self.planned, after, last, state)
        action = "p.action" if whole else "CASE WHEN p.action = 'back' THEN p.action ELSE 'change' END"
        every = whole and self.planned == self.run_id  # of a held run, a revert may have done meanwhile what is accepted now
        unlike = "" if every else f" AND (p.action = 'back' OR {self._any_differs(columns)})"
        passed = f"(i.archived_at IS NULL OR {role_sql.BY_A_FEED})"  # a person may have archived it since the plan was made
        chosen = f"{_CHUNK} AND p.action <> 'add' AND {_SAME_ROW}{and_}{unlike} AND {passed}"
        joined = f"{self._from} CROSS JOIN inventory_item i WHERE {chosen} AND {_ITS}"
        journal = f"""{_JOURNAL}
            SELECT ?, ?, ?, i.id, p.sku, {action}, p.row_number, {self._was(columns)}, {self._will_be(columns)}, ?
            FROM {joined} ORDER BY p.n"""
        if not bulk.run(journal, (self.merchant_id, self.source_id, self.run_id, now, *scope)).rowcount:
            return
        for name, number in bulk.run(f"SELECT {action}, count(*) FROM {joined} GROUP BY 1", scope).fetchall():
            self._count(name, number)
        self._mark_others(f"SELECT p.sku FROM {joined} AND {action} = 'back'", scope)
        stocked = "sum(CASE WHEN coalesce({}.quantity, 0) > 0 THEN 1 ELSE 0 END)"
        if "quantity" in columns:
            moved = f"coalesce({stocked.format('s')}, 0) - coalesce({stocked.format('i')}, 0)"
            free = role_sql.free("quantity", self.locks)
            self._count("in_stock", int(bulk.one(f"SELECT {moved} FROM {joined} AND {free}", scope)[0]))
        # chosen rows may differ no longer once the first of them is written, so all are in one statement
        sets = "".join(f'"{name}" = {self._new_value(name)}, ' for name in columns)
        content = self._content_hash() if whole else str(UNKNOWN_HASH)
        update = f"""
            UPDATE inventory_item AS i SET {sets}content_hash = {content}, {self._standing()}
                last_run_id = ?, last_row = s.row_number, changed_at = ?
            FROM {self._from} WHERE {chosen} AND {_ITS}"""
        bulk.run(update, (self.run_id, now, *scope))

    def _new_value(self, name: str) -> str:
        return f'CASE WHEN {role_sql.free(name, self.locks)} THEN s."{name}" ELSE i."{name}" END' if self.locks else f's."{name}"'

    def _standing(self) -> str:
        """SQL: what becomes of who speaks for the item and of its being missing or archived."""
        held = role_sql.away(self.role)
        gone = {"missing_since": "NULL", "archived_at": "NULL", "archived_by": "''"}
        if held:
            gone = {name: f"CASE WHEN {held} THEN i.{name} ELSE {value} END" for name, value in gone.items()}
        told = {**gone, "missing_in": role_sql.named_now(self.role), "secondary": role_sql.taken_now(self.role)}
        return "".join(f"{name} = {value}, " for name, value in told.items())

    def _was(self, columns: tuple[str, ...]) -> str:
        """SQL: the JSON of what the item was, of all that differs."""
        return bulk.json_object(self._pairs("i", columns) + [(name, was, when) for name, was, _, when in self._moves()])

    def _will_be(self, columns: tuple[str, ...]) -> str:
        """SQL: the JSON of what it becomes."""
        return bulk.json_object(self._pairs("s", columns) + [(name, becomes, when) for name, _, becomes, when in self._moves()])

    def _moves(self) -> list[tuple[str, str, str, str]]:
        """(column, was, becomes, when it does) of the columns that say how the item stands, as SQL."""
        back, null = role_sql.comes_back(self.role), "CAST(NULL AS text)"
        noted = {"missing_in": role_sql.named_now(self.role), "secondary": role_sql.taken_now(self.role)}
        return [
            ("missing_since", bulk.moment("i.missing_since"), null, f"i.missing_since IS NOT NULL AND {back}"),
            ("archived_at", bulk.moment("i.archived_at"), null, f"i.archived_at IS NOT NULL AND {back}"),
            ("archived_by", "i.archived_by", "CAST('' AS text)", f"i.archived_at IS NOT NULL AND {back}"),
            *((name, f"i.{name}", becomes, f"i.{name} <> {becomes}") for name, becomes in noted.items()),
        ]

    def _content_hash(self) -> str:
        """SQL: the fresh row's hash, where the item is all that row says: nothing is pinned or left of columns that others wrote."""
        others = [f'i."{name}" IS NULL' for name in INVENTORY_COLUMNS if name not in self.columns and name != "sku"]
        others += [f"{self.locks} = 0"] if self.locks else []
        return f"CASE WHEN {' AND '.join(others)} THEN s.content_hash ELSE {UNKNOWN_HASH} END" if others else "s.content_hash"

    def _remove(self, after: int, last: int, state: str) -> None:
        """Missing items go to 0, those missing for long are archived, and what is lacked twice is noted."""
        now, scope = clock.now(), (self.planned, after, last, state)
        mine = role_sql.lacking(self.role)
        joined = f"plan_row p CROSS JOIN inventory_item i WHERE {_CHUNK} AND {_ITS} AND p.action <> 'archive' AND {mine}"
        free, lacked = plan_rows.may_empty(), role_sql.lacked_now(self.role)
        self._journal_moves(joined, scope, now, plan_rows.removal_moves(self.role))
        for name, number in bulk.run(f"SELECT p.action, count(*) FROM {joined} GROUP BY 1", scope).fetchall():
            self._count(name, number)
        self._count("in_stock", -int(bulk.one(f"SELECT count(*) FROM {joined} AND i.quantity > 0 AND i.missing_since IS NULL", scope)[0]))
        update = f"""
            UPDATE inventory_item AS i SET
                quantity = CASE WHEN {free} THEN 0 ELSE i.quantity END, warehouses = CASE WHEN {free} THEN NULL ELSE i.warehouses END,
                missing_in = {lacked}, missing_since = coalesce(i.missing_since, ?), content_hash = {UNKNOWN_HASH}, last_run_id = ?,
                changed_at = ?
            FROM plan_row p WHERE {_CHUNK} AND {_ITS} AND p.action <> 'archive' AND {mine}"""
        bulk.run(update, (now, self.run_id, now, *scope))
        self._archive(scope, now)
        self._judge(scope[:3])

    def _archive(self, scope: tuple[Any, ...], now: Any) -> None:
        which = f"{_CHUNK} AND {_ITS} AND p.action = 'archive' AND i.archived_at IS NULL AND i.missing_since IS NOT NULL"
        who, moves = f"'{self.role.kind}'", plan_rows.archive_moves(self.role, bulk.text(lineage.told(now)))
        self._count("archive", self._journal_moves(f"plan_row p CROSS JOIN inventory_item i WHERE {which}", scope, now, moves))
        update = f"""UPDATE inventory_item AS i SET archived_at = ?, archived_by = {who}, last_run_id = ?, changed_at = ?
            FROM plan_row p WHERE {which}"""
        bulk.run(update, (now, self.run_id, now, *scope))

    def _journal_moves(self, joined: str, scope: tuple[Any, ...], now: Any, moves: Sequence[Move]) -> int:
        """Write the lines of items whose columns move: (column, was, becomes, when); how many."""
        was, left = plan_rows.both_sides(moves)
        journal = f"{_JOURNAL} SELECT ?, ?, ?, i.id, p.sku, p.action, NULL, {was}, {left}, ? FROM {joined} ORDER BY p.n"
        return int(bulk.run(journal, (self.merchant_id, self.source_id, self.run_id, now, *scope)).rowcount)

    def _mark_others(self, skus: str, scope: tuple[Any, ...]) -> None:
        """Let the secondary read the records of items again that are new or back: it has not written them yet."""
        for other in self.others:
            stale.mark_those(other, skus, scope)

    def _any_differs(self, columns: tuple[str, ...]) -> str:
        return " OR ".join(f"({differs(column, self.locks)})" for column in columns) or "1 = 0"

    def _pairs(self, side: str, columns: tuple[str, ...]) -> list[tuple[str, str, str]]:
        """(column, one side's value, whether it differs) as SQL."""
        return [(name, f'{side}."{name}"', differs(name, self.locks)) for name in columns]


def _next_size(size: int, seconds: float) -> int:
    """Rows of the next chunk after one of `size` rows that took `seconds`. Postgres locks no other writer out, so that chunks grow."""
    wanted = HELD_SECONDS / max(seconds, 0.001)
    step = 1.25 if is_postgres() else min(max(wanted, 0.8), 1.25)
    return max(min(int(size * step), MOST), min(size, LEAST))


def hold(work: Work, rows: str, marks: int, removals: bool, everything: bool) -> int:
    """Let planned rows wait for a person, with their rows kept; how many. `marks`: which of them, and what of each row."""
    run_id = work.run.id
    with work.transaction():
        plan_rows.hold_rows(run_id, marks, removals, everything)
        names = ", ".join(f's."{name}"' for name in ("run_id", "row_number", "used", "content_hash", *INVENTORY_COLUMNS))
        plain = names.replace("s.", "")
        bulk.run(f"DELETE FROM {STAGED} WHERE run_id = ?", (run_id,))
        bulk.run(
            f"""INSERT INTO {STAGED} ({plain}) SELECT {names} FROM plan_row p CROSS JOIN {rows} s
            WHERE p.run_id = ? AND p.state = 'held' AND p.row_number IS NOT NULL AND {_SAME_ROW}""",
            (run_id,),
        )
        _keep_values(work, rows)
        return plan_rows.count_held(run_id)


def _keep_values(work: Work, rows: str) -> None:
    """Write was and is of held rows into the plan, where a page shows them."""
    run_id, shown = work.run.id, [name for name in INVENTORY_COLUMNS if name != "sku"]
    before = bulk.json_object([(name, f'i."{name}"', bulk.differs(f'i."{name}"', f's."{name}"')) for name in shown])
    after = bulk.json_object([(name, f's."{name}"', bulk.differs(f'i."{name}"', f's."{name}"')) for name in shown])
    held = "plan_row.run_id = ? AND plan_row.state = 'held'"
    bulk.run(
        f"""UPDATE plan_row SET before = {before}, after = {after} FROM inventory_item i, {rows} s
        WHERE {held} AND i.id = plan_row.item_id AND s.run_id = plan_row.run_id AND s.row_number = plan_row.row_number""",
        (run_id,),
    )
    was = bulk.json_object([("quantity", "i.quantity", "1 = 1")])
    zero = bulk.json_object([("quantity", "0", "1 = 1")])
    bulk.run(
        f"UPDATE plan_row SET before = {was}, after = {zero} FROM inventory_item i "
        f"WHERE {held} AND plan_row.action = 'missing' AND i.id = plan_row.item_id",
        (run_id,),
    )


def summed(summary: Summary, counts: dict[str, int]) -> tuple[int, int]:
    """(known, in stock) items of the source after a run of this plan, from what it did."""
    known = summary.known + counts.get("add", 0) + counts.get("back", 0) - counts.get("missing", 0)
    return known, summary.in_stock + counts.get("in_stock", 0)
