"""What the rules and the plan's limit would do to the rows of a plan: judged by the values that the items will have. Writes nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from portal.exclusions import conditions, keeping, room
from portal.inventory import counted, plan_rows, role_sql
from portal.inventory.counted import EXCLUDED, IN, WAITING
from portal.inventory.plan import REMOVALS_FROM, Summary
from portal.inventory.roles import Role
from portal.leases import Work
from portal.models import Exclusion, bulk

_SAME_ROW = "s.run_id = p.run_id AND s.row_number = p.row_number"


@dataclass
class _Moves:
    """How many go out and come back, and what that does to the places of the plan.

    `returning`: from the archive, before all others; `late`: others that wait from this run on.
    """

    excluded: int = 0
    included: int = 0
    freed: int = 0
    early: int = 0
    returning: int = 0
    late: int = 0

    def item(self, kept: int, archived: bool, offered: bool, out: bool, number: int) -> None:
        """Items that are as `kept` and `archived` say; `offered`: not archived after it; `out`: a rule means them after it."""
        self.excluded += number if out and kept != EXCLUDED else 0
        self.included += number if kept == EXCLUDED and not out else 0
        self.freed += number if kept == IN and not archived and (out or not offered) else 0
        self.early -= number if kept == WAITING and not archived and (out or not offered) else 0
        if not out and offered:
            self.early += number if kept == WAITING and archived else 0
            self.returning += number if kept == IN and archived else 0
            self.late += number if kept == EXCLUDED else 0


def of(work: Work, table: str, role: Role, locks: str, summary: Summary) -> dict[str, int]:
    """{"excluded", "included", "no_room": items}, those that are not 0, once the plan is written. Inside `held.attached()`."""
    rules = keeping.rules_of(work.run.merchant_id, work.run.source_id)
    limit = room.limit_of(work.run.merchant_id)
    if not rules and limit is None:
        return {}
    moves, out = _Moves(), _adds_out(work, table, rules, summary)
    if not summary.whole:
        _changes(work, table, role, locks, rules, moves)
    moves.excluded += out
    moves.late += summary.add - out
    told = {"excluded": moves.excluded, "included": moves.included, "no_room": _without_room(work, limit, moves)}
    return {name: number for name, number in told.items() if number}


def _without_room(work: Work, limit: int | None, moves: _Moves) -> int:
    """Of those that come now, how many find no room: who was in comes in first, then who waits already."""
    if limit is None:
        return 0
    tally = counted.of_merchant(work.run.merchant_id)
    free = max(0, limit - tally.counted + moves.freed)
    rest = max(0, free - moves.returning)
    return max(0, moves.returning - free) + min(moves.late, max(0, tally.waiting + moves.early + moves.late - rest))


def _adds_out(work: Work, table: str, rules: list[Exclusion], summary: Summary) -> int:
    if not rules or not summary.add:
        return 0
    fits, values = conditions.any_fits(rules, conditions.of_item("s"), str(int(work.run.source_id)), work.run.source_id)
    if summary.whole:
        which = f"FROM {table} s WHERE s.run_id = ? AND s.used = 1"
    else:
        which = f"FROM plan_row p CROSS JOIN {table} s WHERE p.run_id = ? AND p.action = 'add' AND {_SAME_ROW}"
    return int(bulk.one(f"SELECT count(*) {which} AND {fits}", (work.run.id, *values))[0])


def _changes(work: Work, table: str, role: Role, locks: str, rules: list[Exclusion], moves: _Moves) -> None:
    def becomes(name: str) -> str:
        if name not in role.columns or name == "sku":
            return f'i."{name}"'
        return f'CASE WHEN {role_sql.free(name, locks)} THEN s."{name}" ELSE i."{name}" END' if locks else f's."{name}"'

    def without(name: str) -> str:
        return f"CASE WHEN {plan_rows.may_empty()} THEN 0 ELSE i.quantity END" if name == "quantity" else f'i."{name}"'

    rows = f"plan_row p CROSS JOIN {table} s CROSS JOIN inventory_item i WHERE p.run_id = ? AND p.n < {REMOVALS_FROM} AND {_SAME_ROW}"
    back = f"CASE WHEN i.archived_at IS NULL OR (p.action = 'back' AND {_comes_whole(role)}) THEN 1 ELSE 0 END"
    _group(work, rows, becomes, back, rules, moves)
    gone = f"plan_row p CROSS JOIN inventory_item i WHERE p.run_id = ? AND p.n >= {REMOVALS_FROM}"
    still = "CASE WHEN p.action = 'archive' OR i.archived_at IS NOT NULL THEN 0 ELSE 1 END"
    _group(work, gone, without, still, rules, moves)


def _comes_whole(role: Role) -> str:
    held = role_sql.away(role)
    return f"NOT ({held})" if held else "1 = 1"


def _group(
    work: Work, rows: str, column: Callable[[str], str], offered: str, rules: list[Exclusion], moves: _Moves
) -> None:  # fmt: skip
    out, values = conditions.any_fits(rules, column, known=work.run.source_id)
    found: list[Any] = bulk.run(
        f"""SELECT i.kept_out, CASE WHEN i.archived_at IS NULL THEN 0 ELSE 1 END AS archived, {offered} AS offered,
            CASE WHEN {out} THEN 1 ELSE 0 END AS out_, count(*)
        FROM {rows} AND i.id = p.item_id GROUP BY 1, 2, 3, 4""",
        (*values, work.run.id),
    ).fetchall()
    for kept, archived, still, gone, number in found:
        moves.item(int(kept), bool(archived), bool(still), bool(gone), int(number))
