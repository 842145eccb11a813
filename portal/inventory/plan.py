"""What a run would do, worked out in the database: fresh rows beside the items the source has now.

add · change · zero (was in stock, now 0) · back (was missing) · missing; the rest is unchanged and only counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.fields import INVENTORY_COLUMNS
from portal.intake.hashing import sku_hash
from portal.inventory import stage
from portal.leases import Work
from portal.models import bulk
from portal.models.database import is_postgres
from portal.models.staging import Stage

CHUNK = 4_000
REMOVALS_FROM = 1 << 40
"""Plan numbers of missing items begin here, after any row number of a file."""

ZERO, PRICE, WHOLE = 1, 2, 4
"""What `plan_row.marks` adds up: quantity goes to zero, a price moves far, the whole row; on held rows, what is held of it."""

PRICES = ("cost", "list_price", "msrp", "map_price")
STOCK = ("quantity", "warehouses")
BY_FEED = "get_inventory"
"""How `archived_by` begins when a feed archived the item; a person's archiving is never undone by a feed."""

_INSERT = "INSERT INTO plan_row (run_id, n, action, sku, item_id, row_number, state, marks) "
_WEIGHTS = {"add": 3, "change": 5, "zero": 7, "back": 9, "missing": 11}
_SUMS = "sum(s.content_hash >> 32), sum(s.content_hash & 4294967295)"  # in halves: SQLite's sums end at 64 bits


@dataclass(frozen=True)
class Summary:
    """Counts of a plan. `known`, `in_stock`: items the source had, not missing, before it; `usable`: SKUs of the file.

    `whole`: the source had no items, so every usable row is added and none is listed in the plan.
    `price_moved`: rows with a price that moves further than the guard's share. `hash`: digest of the plan.
    """

    known: int
    in_stock: int
    usable: int
    add: int = 0
    change: int = 0
    zero: int = 0
    back: int = 0
    missing: int = 0
    price_moved: int = 0
    whole: bool = False
    hash: str = ""

    @property
    def unchanged(self) -> int:
        """SKUs of the file that are as they were."""
        return self.usable - self.add - self.change - self.zero - self.back

    @property
    def matched(self) -> int:
        """SKUs of the file that the source had before."""
        return self.usable - self.add

    @property
    def listed(self) -> int:
        """Rows that something is done about."""
        return self.add + self.change + self.zero + self.back + self.missing


@dataclass(frozen=True)
class Terms:
    """What a plan is made by. `columns`: those the mapping writes. `removals` False: items the file lacks are left alone.

    `whole`: the stage holds every row of the file, not only what is new in it. `pins`: the source has pinned values.
    `adds` False: SKUs that the source does not have are left out. `price_step`: how far a price may move, as a share.
    """

    columns: tuple[str, ...]
    removals: bool = True
    whole: bool = True
    pins: bool = False
    adds: bool = True
    price_step: float = 0.5


def written_columns(rules: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that these mapping rules speak for; a run leaves all others as they are."""
    named = set(rules.get("fields", {}))
    if rules.get("warehouses") or rules.get("warehouse_rows"):
        named |= {"quantity", "warehouses"}
    if rules.get("custom"):
        named.add("custom")
    if "weight" in named:
        named.add("weight_unit")
    if named & {"length", "width", "height"}:
        named.add("dimension_unit")
    return tuple(column for column in INVENTORY_COLUMNS if column in named and column != "sku")


def differs(column: str, pins: bool) -> str:
    """SQL: whether the fresh row would change the item's column."""
    free = f" AND (i.pinned & {bit(column)}) = 0" if pins else ""
    return bulk.differs(f'i."{column}"', f's."{column}"') + free


def bit(column: str) -> int:
    """The column's bit in `inventory_item.pinned`."""
    return 1 << INVENTORY_COLUMNS.index(column)


def make(work: Work, held: Stage, terms: Terms, usable: int, counts: tuple[int, int]) -> Summary:
    """Write the run's plan in chunks, from the start even after an interruption, and count it.

    `usable`: SKUs of the file; `counts`: (known, in stock) items of the source. Inside `held.attached()`.
    """
    stage.erase_rows(work, "plan_row", "n", work.run.id)
    known, in_stock = counts
    if _is_empty(work):
        add = usable if terms.adds else 0
        return Summary(0, 0, usable, add=add, whole=True, hash=_hash_of_adds(work, held) if add else _digest(0))
    _compare(work, held, terms)
    if terms.removals:
        (_find_missing if terms.whole else _take_gone)(work, held)
    bulk.analyze("plan_row")
    return _summarize(work, held, usable, known, in_stock)


def list_adds(work: Work, held: Stage) -> None:
    """List the rows of a plan that adds every usable one (`Summary.whole`), from the start even after an interruption."""
    stage.erase_rows(work, "plan_row", "n", work.run.id)
    _each_fresh_row(work, held, f"""
        {_INSERT}SELECT s.run_id, s.row_number, 'add', s.sku, NULL, s.row_number, 'waiting', 0 FROM {held.table} s
        WHERE s.run_id = ? AND s.row_number > ? AND s.row_number <= ? AND s.used = 1""", ())  # fmt: skip
    bulk.analyze("plan_row")


def hold_rows(run_id: int, marks: int, removals: bool, everything: bool) -> None:
    """Let planned rows wait for a person. `marks`: which of them, and what of each row; `removals`: all that are missing."""
    if everything:
        bulk.run("UPDATE plan_row SET state = 'held', marks = marks | ? WHERE run_id = ?", (WHOLE, run_id))
        return
    chosen = "run_id = ? AND (marks & ?) <> 0"
    bulk.run(f"UPDATE plan_row SET state = 'held', marks = marks & ? WHERE {chosen}", (marks, run_id, marks))
    if removals:
        bulk.run("UPDATE plan_row SET state = 'held' WHERE run_id = ? AND action = 'missing'", (run_id,))


def count_held(run_id: int) -> int:
    """How many planned rows wait."""
    return int(bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND state = 'held'", (run_id,))[0])


def keep_values(work: Work, held: Stage, columns: Sequence[str], pins: bool) -> None:
    """Write was and would be of every planned row into the plan, in chunks. Inside `held.attached()`."""
    here = "plan_row.run_id = ? AND plan_row.n > ? AND plan_row.n <= ?"
    row = f"{held.table} s WHERE {here} AND s.run_id = plan_row.run_id AND s.row_number = plan_row.row_number"
    added = bulk.json_object([(name, f's."{name}"', f's."{name}" IS NOT NULL') for name in columns])
    was, will = (bulk.json_object([(name, f'{side}."{name}"', differs(name, pins)) for name in columns]) for side in ("i", "s"))
    gone, zero = removed_values()
    statements = (
        f"UPDATE plan_row SET before = '{{}}', after = {added} FROM {row} AND plan_row.action = 'add'",
        f"UPDATE plan_row SET before = {was}, after = {will} FROM inventory_item i, {row} AND i.id = plan_row.item_id",
        f"UPDATE plan_row SET before = {gone}, after = {zero} FROM inventory_item i "
        f"WHERE {here} AND plan_row.action = 'missing' AND i.id = plan_row.item_id",
    )
    chunk = f"SELECT n FROM plan_row WHERE run_id = ? AND n > ? ORDER BY n LIMIT {CHUNK}"
    after, done = 0, 0
    while last := bulk.one(f"SELECT max(n) FROM ({chunk}) AS chunk", (work.run.id, after))[0]:
        with work.transaction():
            for statement in statements:
                bulk.run(statement, (work.run.id, after, last))
        after, done = last, done + CHUNK
        work.progress(done)
        bulk.pause()


def removed_values() -> tuple[str, str]:
    """SQL: the JSON of what a missing item `i` loses, and of what it has then."""
    free = f"(i.pinned & {bit('quantity')}) = 0"
    gone = [("quantity", "i.quantity", f"{bulk.differs('i.quantity', '0')} AND {free}"),
            ("warehouses", "i.warehouses", f"i.warehouses IS NOT NULL AND {free}")]  # fmt: skip
    left = [(name, "0" if name == "quantity" else "CAST(NULL AS text)", when) for name, _, when in gone]
    return bulk.json_object(gone), bulk.json_object(left)


def counted(source_id: int) -> tuple[int, int]:
    """(items that are not missing and not archived, those of them in stock), counted anew: seconds for a million."""
    stock = "count(*), coalesce(sum(CASE WHEN quantity > 0 THEN 1 ELSE 0 END), 0)"
    found = bulk.one(
        f"SELECT {stock} FROM inventory_item WHERE source_id = ? AND missing_since IS NULL AND archived_at IS NULL", (source_id,)
    )
    return int(found[0]), int(found[1])


def _is_empty(work: Work) -> bool:
    return not bulk.one("SELECT EXISTS (SELECT 1 FROM inventory_item WHERE source_id = ?)", (work.run.source_id,))[0]


def _compare(work: Work, held: Stage, terms: Terms) -> None:
    """Plan the rows of the file that are new, differ, or come back."""
    _each_fresh_row(work, held, _INSERT + _compare_sql(held.table, terms), (work.run.source_id,))


def _each_fresh_row(work: Work, held: Stage, sql: str, first: tuple[Any, ...]) -> None:
    """Execute SQL for the rows of the file in chunks; its last parameters are the run's id and the row numbers between."""
    chunk = f"SELECT row_number FROM {held.table} WHERE run_id = ? AND row_number > ? ORDER BY row_number LIMIT {CHUNK}"
    after, done = 0, 0
    while last := bulk.one(f"SELECT max(row_number) FROM ({chunk}) AS chunk", (work.run.id, after))[0]:
        with work.transaction():
            bulk.run(sql, (*first, work.run.id, after, last))
        after, done = last, done + CHUNK
        work.progress(done)
        bulk.pause()


def _compare_sql(table: str, terms: Terms) -> str:
    columns = terms.columns
    changed = " OR ".join(f"({differs(column, terms.pins)})" for column in columns) or "1 = 0"
    zero = "i.quantity > 0 AND coalesce(s.quantity, 0) = 0" if "quantity" in columns else "1 = 0"
    moved = " OR ".join(
        f"abs(s.{name} - i.{name}) > {float(terms.price_step)} * i.{name}" for name in PRICES if name in columns
    ) or "1 = 0"  # fmt: skip
    return f"""
        SELECT s.run_id, s.row_number,
            CASE WHEN i.id IS NULL THEN 'add' WHEN i.missing_since IS NOT NULL OR i.archived_at IS NOT NULL THEN 'back'
                WHEN {zero} THEN 'zero' ELSE 'change' END,
            s.sku, i.id, s.row_number, 'waiting',
            CASE WHEN i.id IS NULL THEN 0 ELSE (CASE WHEN {zero} THEN {ZERO} ELSE 0 END) + (CASE WHEN {moved} THEN {PRICE} ELSE 0 END) END
        FROM {table} s LEFT JOIN inventory_item i ON i.source_id = ? AND i.sku = s.sku
        WHERE s.run_id = ? AND s.row_number > ? AND s.row_number <= ? AND s.used = 1
        AND ({"i.id IS NULL OR" if terms.adds else "i.id IS NOT NULL AND"}
            ((i.archived_at IS NULL OR i.archived_by LIKE '{BY_FEED}%%') AND (i.missing_since IS NOT NULL OR i.archived_at IS NOT NULL
            OR (i.content_hash <> s.content_hash AND ({changed})))))""".replace("%%", "%%" if is_postgres() else "%")


def _take_gone(work: Work, held: Stage) -> None:
    """Plan the items whose SKUs the last feed named and this one does not."""
    sql = f"""{_INSERT}
        SELECT s.run_id, ? - s.row_number, 'missing', i.sku, i.id, NULL, 'waiting', 0
        FROM {held.table} s JOIN inventory_item i ON i.source_id = ? AND i.sku = s.sku
        WHERE s.run_id = ? AND s.row_number < ? AND s.row_number >= ? AND s.used = 2
        AND i.missing_since IS NULL AND i.archived_at IS NULL"""
    chunk = f"SELECT row_number FROM {held.table} WHERE run_id = ? AND row_number < ? ORDER BY row_number DESC LIMIT {CHUNK}"
    before = 0
    while (first := bulk.one(f"SELECT min(row_number) FROM ({chunk}) AS chunk", (work.run.id, before))[0]) is not None:
        with work.transaction():
            bulk.run(sql, (REMOVALS_FROM, work.run.source_id, work.run.id, before, first))
        before = first
        work.check_stop()
        bulk.pause()


def _find_missing(work: Work, held: Stage) -> None:
    """Plan the items that the file does not name, in the order of their SKUs. A row set aside names its SKU too."""
    if not is_postgres():
        bulk.run("CREATE INDEX IF NOT EXISTS stage.fresh_sku ON fresh_row (sku)")
    size = CHUNK if not is_postgres() else 1 << 31  # Postgres hashes the stage once for each statement, and locks nobody out
    chunk = f"""
        SELECT id, sku FROM inventory_item
        WHERE source_id = ? AND sku > ? AND missing_since IS NULL AND archived_at IS NULL ORDER BY sku LIMIT {size}"""
    sql = f"""{_INSERT}
        SELECT ?, ? + row_number() OVER (ORDER BY i.sku), 'missing', i.sku, i.id, NULL, 'waiting', 0 FROM ({chunk}) AS i
        WHERE NOT EXISTS (SELECT 1 FROM {held.table} s WHERE s.run_id = ? AND s.sku = i.sku)"""
    after, number = "", REMOVALS_FROM
    while last := bulk.one(f"SELECT max(sku) FROM ({chunk}) AS chunk", (work.run.source_id, after))[0]:
        with work.transaction():
            number += bulk.run(sql, (work.run.id, number, work.run.source_id, after, work.run.id)).rowcount
        after = last
        work.check_stop()
        bulk.pause()


def _summarize(work: Work, held: Stage, usable: int, known: int, in_stock: int) -> Summary:
    run_id = work.run.id
    counts = dict(bulk.run("SELECT action, count(*) FROM plan_row WHERE run_id = ? GROUP BY action", (run_id,)).fetchall())
    moved = bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND (marks & 2) = 2", (run_id,))[0]
    return Summary(known, in_stock, usable, **counts, price_moved=moved, hash=_hash_of_plan(work, held))


def _hash_of_plan(work: Work, held: Stage) -> str:
    rows = f"plan_row p JOIN {held.table} s ON s.run_id = p.run_id AND s.row_number = p.row_number WHERE p.run_id = ?"
    total = _summed(f"SELECT p.action, {_SUMS} FROM {rows} GROUP BY p.action", work.run.id)
    after: int | None = REMOVALS_FROM - 1
    chunk = f"SELECT n, sku FROM plan_row WHERE run_id = ? AND n > ? ORDER BY n LIMIT {CHUNK}"
    while after is not None:
        gone = bulk.run(chunk, (work.run.id, after)).fetchall()
        total += sum(sku_hash(sku) for _, sku in gone) * _WEIGHTS["missing"]
        after = gone[-1][0] if gone else None
    return _digest(total)


def _hash_of_adds(work: Work, held: Stage) -> str:
    return _digest(_summed(f"SELECT 'add', {_SUMS} FROM {held.table} s WHERE s.run_id = ? AND s.used = 1", work.run.id))


def _summed(sql: str, run_id: int) -> int:
    """The content hashes of planned rows, which cover their SKUs, added up by action: the order of rows does not matter."""
    found = bulk.run(sql, (run_id,)).fetchall()
    return sum(_WEIGHTS[action] * ((int(high or 0) << 32) + int(low or 0)) for action, high, low in found)


def _digest(total: int) -> str:
    return f"{total % (1 << 96):024x}"


NOTHING = _digest(0)
"""The digest of a plan that changes nothing."""
