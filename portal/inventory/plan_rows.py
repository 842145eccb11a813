"""What a plan holds: every add listed, rows that wait for a person, and was and would be of each row, as SQL and as the plan tells it."""

from __future__ import annotations

from collections.abc import Sequence

from portal.inventory import role_sql, stage
from portal.inventory.plan import CHUNK, INSERT, REMOVALS_FROM, WHOLE, each_fresh_row
from portal.inventory.role_sql import bit, differs
from portal.inventory.roles import Role
from portal.leases import Work
from portal.models import bulk
from portal.models.staging import Stage

Move = tuple[str, str, str, str]
"""A column that moves, as SQL over an item `i`: its name, what it was, what it becomes, when it does."""


def list_adds(work: Work, held: Stage) -> None:
    """List the rows of a plan that adds every usable one (`Summary.whole`), from the start even after an interruption."""
    stage.erase_rows(work, "plan_row", "n", work.run.id)
    each_fresh_row(work, held, f"""
        {INSERT}SELECT s.run_id, s.row_number, 'add', s.sku, NULL, s.row_number, 'waiting', 0 FROM {held.table} s
        WHERE s.run_id = ? AND s.row_number > ? AND s.row_number <= ? AND s.used = 1""", ())  # fmt: skip
    bulk.analyze("plan_row")


def hold_rows(run_id: int, marks: int, removals: bool, everything: bool) -> None:
    """Let planned rows wait for a person. `marks`: which of them, and what of each row; `removals`: all that the file lacks."""
    if everything:
        bulk.run("UPDATE plan_row SET state = 'held', marks = marks | ? WHERE run_id = ?", (WHOLE, run_id))
        return
    chosen = "run_id = ? AND (marks & ?) <> 0"
    bulk.run(f"UPDATE plan_row SET state = 'held', marks = marks & ? WHERE {chosen}", (marks, run_id, marks))
    if removals:
        bulk.run("UPDATE plan_row SET state = 'held' WHERE run_id = ? AND n >= ?", (run_id, REMOVALS_FROM))


def count_held(run_id: int) -> int:
    """How many planned rows wait."""
    return int(bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND state = 'held'", (run_id,))[0])


def keep_values(work: Work, held: Stage, role: Role, pins: bool) -> None:
    """Write was and would be of every planned row into the plan, in chunks. Inside `held.attached()`."""
    here, locks = "plan_row.run_id = ? AND plan_row.n > ? AND plan_row.n <= ?", role_sql.kept(role, pins)
    row = f"{held.table} s WHERE {here} AND s.run_id = plan_row.run_id AND s.row_number = plan_row.row_number"
    added = bulk.json_object([(name, f's."{name}"', f's."{name}" IS NOT NULL') for name in role.columns])
    was, will = (bulk.json_object([(name, f'{side}."{name}"', differs(name, locks)) for name in role.columns]) for side in ("i", "s"))
    gone, zero = both_sides(removal_moves(role))
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


def may_empty() -> str:
    """SQL: whether the item's quantity goes to 0 when a file lacks it: not while a person keeps it, and not twice."""
    return f"(i.pinned & {bit('quantity')}) = 0 AND i.missing_since IS NULL"


def removal_moves(role: Role) -> list[Move]:
    """What an item that the file lacks loses, and has then."""
    free, lacked = may_empty(), role_sql.lacked_now(role)
    return [
        ("quantity", "i.quantity", "0", f"{bulk.differs('i.quantity', '0')} AND {free}"),
        ("warehouses", "i.warehouses", "CAST(NULL AS text)", f"i.warehouses IS NOT NULL AND {free}"),
        ("missing_in", "i.missing_in", lacked, f"i.missing_in <> {lacked}"),
    ]


def archive_moves(role: Role, at: str) -> list[Move]:
    """What an item that is archived becomes; `at` as SQL."""
    return [("archived_at", "CAST(NULL AS text)", at, "1 = 1"), ("archived_by", "i.archived_by", f"CAST('{role.kind}' AS text)", "1 = 1")]


def both_sides(moves: Sequence[Move]) -> tuple[str, str]:
    """SQL: the JSON of what the columns were, and of what they become."""
    was = bulk.json_object([(name, old, when) for name, old, _, when in moves])
    return was, bulk.json_object([(name, new, when) for name, _, new, when in moves])
