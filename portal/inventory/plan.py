"""What a run would do, worked out in the database: fresh rows beside the items the source has now.

add · change · zero (was in stock, now 0) · back (was missing) · missing · archive; the rest is unchanged and only counted. What is
only noted (note) changes no value: that the secondary speaks for an item from now on, or that both files lack it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal.intake.hashing import sku_hash
from portal.inventory import role_sql, stage, unknown
from portal.inventory.role_sql import BY_A_FEED, differs
from portal.inventory.roles import SECONDARY, Role
from portal.leases import Work
from portal.models import bulk
from portal.models.database import is_postgres
from portal.models.staging import Stage

CHUNK = 4_000
ASKED = 500
REMOVALS_FROM = 1 << 40
"""Plan numbers of missing items begin here, after any row number of a file."""

ZERO, PRICE, WHOLE = 1, 2, 4
"""What `plan_row.marks` adds up: quantity goes to zero, a price moves far, the whole row; on held rows, what is held of it."""

PRICES = ("cost", "list_price", "msrp", "map_price")
ARCHIVED_FROM = REMOVALS_FROM + (REMOVALS_FROM >> 1)
"""Plan numbers of items that are archived begin here."""

INSERT = "INSERT INTO plan_row (run_id, n, action, sku, item_id, row_number, state, marks) "
_WEIGHTS = {"add": 3, "change": 5, "zero": 7, "back": 9, "missing": 11, "note": 13, "archive": 15}
_SUMS = "sum(s.content_hash >> 32), sum(s.content_hash & 4294967295)"  # in halves: SQLite's sums end at 64 bits


@dataclass(frozen=True)
class Summary:
    """Counts of a plan. `known`, `in_stock`: items the source had, not missing, before it; `usable`: SKUs of the file.

    Of Get Inventory Secondary they are the items it speaks for. `unknown`: SKUs of its file that the source has no item of.
    `whole`: the source had no items, so every usable row is added and none is listed in the plan.
    `price_moved`: rows with a price that moves further than the guard's share. `hash`: digest of the plan.
    `kept`: what rules and the plan's limit would do, as portal.exclusions.forecast says; not in the digest.
    """

    known: int
    in_stock: int
    usable: int
    add: int = 0
    change: int = 0
    zero: int = 0
    back: int = 0
    missing: int = 0
    note: int = 0
    archive: int = 0
    unknown: int = 0
    price_moved: int = 0
    whole: bool = False
    hash: str = ""
    kept: Mapping[str, int] = field(default_factory=dict)

    @property
    def unchanged(self) -> int:
        """SKUs of the file that are as they were."""
        return self.usable - self.add - self.change - self.zero - self.back - self.unknown

    @property
    def matched(self) -> int:
        """SKUs of the file that the source had before."""
        return self.usable - self.add - self.unknown

    @property
    def listed(self) -> int:
        """Rows that something is done about."""
        return self.add + self.change + self.zero + self.back + self.missing + self.note + self.archive


@dataclass(frozen=True)
class Terms:
    """What a plan is made by. `removals` False: items the file lacks are left alone. `whole`: the stage holds every row of the file,
    not only what is new in it. `pins`: the source has pinned values. `price_step`: how far a price may move, as a share.
    `archive_before`: items missing since then are archived; None for none. `stale`: SKUs that were read whatever they look like.
    """

    role: Role
    removals: bool = True
    whole: bool = True
    pins: bool = False
    price_step: float = 0.5
    archive_before: datetime | None = None
    stale: Sequence[str] = ()

    @property
    def locks(self) -> str:
        """SQL, see role_sql.kept."""
        return role_sql.kept(self.role, self.pins)


def make(work: Work, held: Stage, terms: Terms, usable: int, counts: tuple[int, int]) -> Summary:
    """Write the run's plan in chunks, from the start even after an interruption, and count it.

    `usable`: SKUs of the file; `counts`: (known, in stock) items of the source. Inside `held.attached()`.
    """
    stage.erase_rows(work, "plan_row", "n", work.run.id)
    role, (known, in_stock) = terms.role, counts
    if _is_empty(work):
        if not role.adds:
            return Summary(0, 0, usable, unknown=unknown.count(work, held, terms.whole or role.delta), hash=_digest(0))
        return Summary(0, 0, usable, add=usable, whole=True, hash=_hash_of_adds(work, held))
    _compare(work, held, terms)
    if terms.removals:
        if terms.whole:
            _find_missing(work, held, role)
        else:
            _take_gone(work, held, role)
            if not role.adds:
                _take_unnamed(work, held, terms)
        if terms.archive_before is not None:
            _find_archived(work, held, role, terms.archive_before)
    bulk.analyze("plan_row")
    if role.kind == SECONDARY:
        in_stock += _newly_spoken_for(work, role)
    lost = 0 if role.adds else unknown.count(work, held, terms.whole or role.delta)
    return _summarize(work, held, usable, known, in_stock, lost)


def counted(source_id: int, role: Role) -> tuple[int, int]:
    """(items that are not missing and not archived, those of them in stock), counted anew: seconds for a million.

    Of the secondary, unless its policy is for all items: those that it has written.
    """
    stock = "count(*), coalesce(sum(CASE WHEN i.quantity > 0 THEN 1 ELSE 0 END), 0)"
    own = role.kind == SECONDARY and not (role.removes and role.missing.scope == "all")
    mine = f" AND (i.secondary & {role_sql.bits(role.owned)}) <> 0" if own else ""
    found = bulk.one(
        f"SELECT {stock} FROM inventory_item i WHERE i.source_id = ? AND i.missing_since IS NULL AND i.archived_at IS NULL{mine}",
        (source_id,),
    )
    return int(found[0]), int(found[1])


def _newly_spoken_for(work: Work, role: Role) -> int:
    """Items in stock that the secondary writes for the first time: what its zeros are judged against holds them too."""
    if role.removes and role.missing.scope == "all":
        return 0
    sql = f"""
        SELECT count(*) FROM plan_row p CROSS JOIN inventory_item i WHERE p.run_id = ? AND p.n < ? AND i.id = p.item_id
        AND i.quantity > 0 AND i.missing_since IS NULL AND i.archived_at IS NULL AND (i.secondary & {role_sql.bits(role.owned)}) = 0"""
    return int(bulk.one(sql, (work.run.id, REMOVALS_FROM))[0])


def _is_empty(work: Work) -> bool:
    return not bulk.one("SELECT EXISTS (SELECT 1 FROM inventory_item WHERE source_id = ?)", (work.run.source_id,))[0]


def _compare(work: Work, held: Stage, terms: Terms) -> None:
    """Plan the rows of the file that are new, differ, or come back."""
    each_fresh_row(work, held, INSERT + _compare_sql(held.table, terms), (work.run.source_id,))


def each_fresh_row(work: Work, held: Stage, sql: str, first: tuple[Any, ...]) -> None:
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
    columns, locks, role = terms.role.columns, terms.locks, terms.role
    changed = " OR ".join(f"({differs(column, locks)})" for column in columns) or "1 = 0"
    zero = "1 = 0"
    if "quantity" in columns:
        zero = f"(i.quantity > 0 AND coalesce(s.quantity, 0) = 0 AND {role_sql.free('quantity', locks)})"
    moved = " OR ".join(
        f"(abs(s.{name} - i.{name}) > {float(terms.price_step)} * i.{name} AND {role_sql.free(name, locks)})"
        for name in PRICES if name in columns
    ) or "1 = 0"  # fmt: skip
    back, noted = role_sql.comes_back(role), role_sql.to_note(role)
    news = f"(i.content_hash <> s.content_hash AND ({changed}))"
    change = f"WHEN {news} THEN 'change' ELSE 'note'" if noted else "ELSE 'change'"
    return f"""
        SELECT s.run_id, s.row_number,
            CASE WHEN i.id IS NULL THEN 'add' WHEN {back} THEN 'back' WHEN {zero} THEN 'zero' {change} END,
            s.sku, i.id, s.row_number, 'waiting',
            CASE WHEN i.id IS NULL THEN 0 ELSE (CASE WHEN {zero} THEN {ZERO} ELSE 0 END) + (CASE WHEN {moved} THEN {PRICE} ELSE 0 END) END
        FROM {table} s LEFT JOIN inventory_item i ON i.source_id = ? AND i.sku = s.sku
        WHERE s.run_id = ? AND s.row_number > ? AND s.row_number <= ? AND s.used = 1
        AND ({"i.id IS NULL OR" if role.adds else "i.id IS NOT NULL AND"}
            ((i.archived_at IS NULL OR {BY_A_FEED}) AND ({back} OR {news}{f" OR {noted}" if noted else ""})))"""


def _take_gone(work: Work, held: Stage, role: Role) -> None:
    """Plan the items whose SKUs the last feed named and this one does not."""
    sql = f"""{INSERT}
        SELECT s.run_id, ? - s.row_number, CASE WHEN i.missing_since IS NULL THEN 'missing' ELSE 'note' END, i.sku, i.id, NULL, 'waiting', 0
        FROM {held.table} s JOIN inventory_item i ON i.source_id = ? AND i.sku = s.sku
        WHERE s.run_id = ? AND s.row_number < ? AND s.row_number >= ? AND s.used = 2 AND {role_sql.lacking(role)}"""
    chunk = f"SELECT row_number FROM {held.table} WHERE run_id = ? AND row_number < ? ORDER BY row_number DESC LIMIT {CHUNK}"
    before = 0
    while (first := bulk.one(f"SELECT min(row_number) FROM ({chunk}) AS chunk", (work.run.id, before))[0]) is not None:
        with work.transaction():
            bulk.run(sql, (REMOVALS_FROM, work.run.source_id, work.run.id, before, first))
        before = first
        work.check_stop()
        bulk.pause()


def _take_unnamed(work: Work, held: Stage, terms: Terms) -> None:
    """Plan the items that are new or back since the last feed and that this one does not name either: none of it is in its record."""
    named: set[str] = set()
    for start in range(0, len(terms.stale), ASKED):
        some = terms.stale[start : start + ASKED]
        marks = ", ".join("?" * len(some))
        named |= {row[0] for row in held.rows(f"SELECT sku FROM fresh_row WHERE run_id = ? AND sku IN ({marks})", (work.run.id, *some))}
    rest, number = sorted(set(terms.stale) - named), REMOVALS_FROM + (REMOVALS_FROM >> 2)
    sql = f"""{INSERT}
        SELECT ?, ?, CASE WHEN i.missing_since IS NULL THEN 'missing' ELSE 'note' END, i.sku, i.id, NULL, 'waiting', 0
        FROM inventory_item i WHERE i.source_id = ? AND i.sku = ? AND {role_sql.lacking(terms.role)}"""
    for start in range(0, len(rest), ASKED):
        numbered = enumerate(rest[start : start + ASKED], number + start)
        with work.transaction():
            bulk.run_many(sql, [(work.run.id, n, work.run.source_id, sku) for n, sku in numbered])
        bulk.pause()


def _find_missing(work: Work, held: Stage, role: Role) -> None:
    """Plan the items that the file does not name, in the order of their SKUs. A row set aside names its SKU too."""
    _find(work, held, role_sql.lacking(role), "CASE WHEN i.missing_since IS NULL THEN 'missing' ELSE 'note' END", REMOVALS_FROM)


def _find_archived(work: Work, held: Stage, role: Role, before: datetime) -> None:
    """Plan the archiving of items that the file still does not name and that have been missing for long enough."""
    _find(work, held, _due(role, before), "'archive'", ARCHIVED_FROM)


def _due(role: Role, before: datetime) -> str:
    since = bulk.text(before.isoformat(" "), "timestamp")
    mine = f"{role_sql.lacked_by(role.kind)} AND {role_sql.covers(role.missing, role.kind, role.owned)}"
    return f"i.archived_at IS NULL AND i.missing_since <= {since} AND {mine}"


def are_due(source_id: int, role: Role, before: datetime) -> bool:
    """Whether an item of the source has been missing for long enough to be archived."""
    sql = f"SELECT EXISTS (SELECT 1 FROM inventory_item i WHERE i.source_id = ? AND {_due(role, before)})"
    return bool(bulk.one(sql, (source_id,))[0])


def _find(work: Work, held: Stage, which: str, action: str, number: int) -> None:
    """Plan `action` for the items of `which` that the file does not name, numbered from `number` on."""
    if not is_postgres():
        bulk.run("CREATE INDEX IF NOT EXISTS stage.fresh_sku ON fresh_row (sku)")
    size = CHUNK if not is_postgres() else 1 << 31  # Postgres hashes the stage once for each statement, and locks nobody out
    chunk = f"""SELECT i.id, i.sku, i.missing_since FROM inventory_item i WHERE i.source_id = ? AND i.sku > ? AND {which}
        ORDER BY i.sku LIMIT {size}"""
    sql = f"""{INSERT}
        SELECT ?, ? + row_number() OVER (ORDER BY i.sku), {action}, i.sku, i.id, NULL, 'waiting', 0 FROM ({chunk}) AS i
        WHERE NOT EXISTS (SELECT 1 FROM {held.table} s WHERE s.run_id = ? AND s.sku = i.sku AND s.used <> 2)"""
    after = ""
    while last := bulk.one(f"SELECT max(sku) FROM ({chunk}) AS chunk", (work.run.source_id, after))[0]:
        with work.transaction():
            number += bulk.run(sql, (work.run.id, number, work.run.source_id, after, work.run.id)).rowcount
        after = last
        work.check_stop()
        bulk.pause()


def _summarize(work: Work, held: Stage, usable: int, known: int, in_stock: int, lost: int) -> Summary:
    run_id = work.run.id
    counts = dict(bulk.run("SELECT action, count(*) FROM plan_row WHERE run_id = ? GROUP BY action", (run_id,)).fetchall())
    moved = bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND (marks & 2) = 2", (run_id,))[0]
    return Summary(known, in_stock, usable, **counts, unknown=lost, price_moved=moved, hash=_hash_of_plan(work, held))


def _hash_of_plan(work: Work, held: Stage) -> str:
    rows = f"plan_row p JOIN {held.table} s ON s.run_id = p.run_id AND s.row_number = p.row_number WHERE p.run_id = ?"
    total = _summed(f"SELECT p.action, {_SUMS} FROM {rows} GROUP BY p.action", work.run.id)
    after: int | None = REMOVALS_FROM - 1
    chunk = f"SELECT n, sku, action FROM plan_row WHERE run_id = ? AND n > ? ORDER BY n LIMIT {CHUNK}"
    while after is not None:
        gone = bulk.run(chunk, (work.run.id, after)).fetchall()
        total += sum(sku_hash(sku) * _WEIGHTS[action] for _, sku, action in gone)
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
