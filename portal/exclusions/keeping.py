"""Who is kept out: the one writer of `InventoryItem.kept_out`, set-wise, in the transactions of whoever changes items.

an item is added or changed ─▶ does a rule mean it?  yes: excluded · no: was it excluded, or is it new, and is the plan limited?  waits
one that comes back from the archive is the first of those that wait; what an undo gives back is in again, also beyond the limit
Without a rule and without a limit it costs one small query a transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from portal import clock
from portal.exclusions import conditions, room
from portal.inventory import counted
from portal.inventory.counted import EXCLUDED, IN, WAITING
from portal.leases import Work
from portal.models import Exclusion, PlanLimit, Run, Source, bulk

_JOURNAL = "INSERT INTO kept_out_change (merchant_id, source_id, run_id, item_id, sku, was, became, exclusion_id, at) "
Count = Callable[[str, int], None]
ACTS = ("excluded", "included")
"""What is counted: items that a rule keeps out now and did not before, and those that no rule keeps out any more."""


class Keeping:
    """What one run keeps out of a source's items. `look` first, in each transaction; `count` is told what was done (see ACTS)."""

    def __init__(self, run: Run, count: Count) -> None:
        self.run, self.count = run, count
        self.rules: Sequence[Exclusion] = ()
        self.limit: int | None = None
        self.known: int | None = run.source_id
        self.returning = 0  # items that the run has still to bring back from the archive: new ones leave them their places

    @property
    def active(self) -> bool:
        """Whether anything can be kept out at all."""
        return bool(self.rules) or self.limit is not None

    def look(self) -> None:
        """Read the rules and the limit as they are now, and hold them until the transaction ends."""
        whose = self.run.merchant_id
        room.lock(room.RULES, whose, shared=True)
        self.rules = rules_of(whose, self.run.source_id)
        limit = PlanLimit.select(PlanLimit.skus).where(PlanLimit.merchant == whose).first()
        self.limit = None if limit is None else limit.skus

    def look_at_all(self, merchant_id: int) -> None:
        """As `look`, for items of every source of the merchant."""
        room.lock(room.RULES, merchant_id, shared=True)
        self.rules, self.limit, self.known = rules_of(merchant_id, None), room.limit_of(merchant_id), None

    def place_for(self, number: int) -> int:
        """What `kept_out` so many new items begin with: IN, or WAITING where there may not be room for all of them."""
        if self.limit is None or not number:
            return IN
        room.lock(room.LIMIT, self.run.merchant_id)
        free = (room.left(self.run.merchant_id) or 0) - self.returning
        return WAITING if free < number or room.anyone_waits(self.run.merchant_id) else IN

    def adding(self, number: int) -> tuple[int, int]:
        """Before so many items are added: (the run's newest item until then, what `kept_out` they are to begin with)."""
        last = bulk.one("SELECT coalesce(max(id), 0) FROM inventory_item WHERE added_run_id = ?", (self.run.id,))[0]
        return int(last), self.place_for(number)

    def added(self, last: int, kept: int, number: int) -> None:
        """After they were added as items that are IN, and not counted with their source yet: begin them so, and judge them."""
        Source.update(item_count=Source.item_count + number).where(Source.id == self.run.source_id).execute()
        if kept == WAITING:
            bulk.run(
                f"UPDATE inventory_item SET kept_out = {WAITING}, kept_out_since = ? WHERE added_run_id = ? AND id > ?",
                (clock.now(), self.run.id, last),
            )
        self.judge_added(last, kept)

    def judge_added(self, after: int, began: int) -> None:
        """Judge what the run added behind the item `after`, which began as `place_for` said."""
        now, chosen, scope = clock.now(), "i.added_run_id = ? AND i.id > ?", (self.run.id, after)
        if self.rules:
            fits, values = conditions.any_fits(self.rules, known=self.known)
            which, more = conditions.first(self.rules, known=self.known)
            bulk.run(
                f"""UPDATE inventory_item AS i SET kept_out = {EXCLUDED}, exclusion_id = {which}, kept_out_since = ?
                WHERE {chosen} AND {fits}""",
                (*more, now, *scope, *values),
            )
        if began == WAITING:
            self._let_in_new(chosen, scope)
        bulk.run(
            f"""{_JOURNAL} SELECT i.merchant_id, i.source_id, ?, i.id, i.sku, NULL, i.kept_out, i.exclusion_id, ?
            FROM inventory_item i WHERE {chosen} AND i.kept_out > 0 ORDER BY i.id""",
            (self.run.id, now, *scope),
        )
        if self.rules:
            self.count(
                "excluded", int(bulk.one(f"SELECT count(*) FROM inventory_item i WHERE {chosen} AND i.kept_out = {EXCLUDED}", scope)[0])
            )

    def _let_in_new(self, chosen: str, scope: tuple[Any, ...]) -> None:
        """Of the new ones, as many as there is room for, in their order; none while others wait longer."""
        whose = self.run.merchant_id
        if not room.waits_longest(whose, chosen, scope):  # a look along an index, where counting the room reads all that is out
            return
        if (free := (room.left(whose) or 0) - self.returning) > 0:
            some = f"SELECT i.id FROM inventory_item i WHERE {chosen} AND i.kept_out = {WAITING} ORDER BY i.id LIMIT ?"
            bulk.run(f"UPDATE inventory_item SET kept_out = {IN}, kept_out_since = NULL WHERE id IN ({some})", (*scope, free))

    def judge(self, chosen: str, scope: Sequence[Any]) -> None:
        """Judge the items `i` of a condition anew: each goes out, or comes back, by what it is now."""
        back = IN if self.limit is None else WAITING
        which, values = conditions.first(self.rules, known=self.known)
        differs = bulk.differs("j.exclusion_id", "j.rule")
        last = int(bulk.one("SELECT coalesce(max(id), 0) FROM kept_out_change WHERE run_id = ?", (self.run.id,))[0])
        now = clock.now()
        written = bulk.run(
            f"""{_JOURNAL} SELECT j.merchant_id, j.source_id, ?, j.id, j.sku, j.kept_out,
                CASE WHEN j.rule IS NOT NULL THEN {EXCLUDED} ELSE {back} END, j.rule, ?
            FROM (SELECT i.id, i.merchant_id, i.source_id, i.sku, i.kept_out, i.exclusion_id, {which} AS rule
                FROM inventory_item i WHERE {chosen}) AS j WHERE {differs} ORDER BY j.id""",
            (self.run.id, now, *values, *scope),
        ).rowcount
        if not written:
            return
        self._write(last, which, values, now)
        for was, became, number in bulk.run(
            "SELECT was, became, count(*) FROM kept_out_change WHERE run_id = ? AND id > ? GROUP BY was, became", (self.run.id, last)
        ).fetchall():
            if became == EXCLUDED and was != EXCLUDED:
                self.count("excluded", number)
            elif became != EXCLUDED:
                self.count("included", number)

    def _write(self, last: int, which: str, values: Sequence[Any], now: Any) -> None:
        """Write what the journal behind `last` says, where the item is still what it was judged by; what is not is not said either."""
        still = f"NOT ({bulk.differs(f'({which})', 'k.exclusion_id')}) AND {bulk.differs('i.exclusion_id', 'k.exclusion_id')}"
        done = bulk.run(
            f"""UPDATE inventory_item AS i SET kept_out = k.became, exclusion_id = k.exclusion_id, kept_out_since = ?
            FROM kept_out_change k WHERE k.run_id = ? AND k.id > ? AND i.id = k.item_id AND {still}""",
            (now, self.run.id, last, *values),
        ).rowcount
        told = int(bulk.one("SELECT count(*) FROM kept_out_change WHERE run_id = ? AND id > ?", (self.run.id, last))[0])
        if done != told:  # on Postgres another writer changed some between the two statements, and judged them
            bulk.run(
                f"""DELETE FROM kept_out_change WHERE run_id = ? AND id > ? AND NOT EXISTS (SELECT 1 FROM inventory_item i
                WHERE i.id = kept_out_change.item_id AND i.kept_out = kept_out_change.became
                AND NOT ({bulk.differs("i.exclusion_id", "kept_out_change.exclusion_id")}))""",
                (self.run.id, last),
            )

    def archived_of(self, chosen: str, scope: Sequence[Any]) -> list[int]:
        """Items of a condition that hold no place in the plan because they are archived; asked before they may come back."""
        if self.limit is None:
            return []
        sql = f"SELECT i.id FROM inventory_item i WHERE i.archived_at IS NOT NULL AND i.kept_out = {IN} AND {chosen}"
        return [row[0] for row in bulk.run(sql, scope).fetchall()]

    def wait_again(self, ids: Iterable[int]) -> None:
        """Those of `ids` that are archived no more wait for room, before all others, where the plan is limited: the run's end lets in."""
        if self.limit is not None:
            self._wait(ids, room.HAD_A_PLACE)

    def give_back(self, ids: Iterable[int]) -> None:
        """Of items that an undo put in again under their numbers, those that waited when they went do so again; all others are in."""
        asked = bulk.as_list(ids)
        last = f"SELECT max(k.id) FROM kept_out_change k WHERE k.item_id {bulk.any_of()} GROUP BY k.item_id"
        sql = f"SELECT item_id FROM kept_out_change WHERE id IN ({last}) AND became = {WAITING}"
        if self.limit is not None and (waited := [row[0] for row in bulk.run(sql, (asked,)).fetchall()]):
            self._wait(waited, clock.now())

    def _wait(self, ids: Iterable[int], since: Any) -> None:
        sql = f"SELECT id FROM inventory_item WHERE id {bulk.any_of()} AND archived_at IS NULL AND kept_out = {IN}"
        room.move(self.run, [row[0] for row in bulk.run(sql, (bulk.as_list(ids),)).fetchall()], IN, WAITING, since)

    def judge_those(self, ids: Sequence[int]) -> None:
        """Judge items by their ids, where there is a rule."""
        if ids and self.rules:
            self.judge(f"i.id {bulk.any_of()}", (bulk.as_list(ids),))


def rules_of(merchant_id: int, source_id: int | None) -> list[Exclusion]:
    """The merchant's rules that are on, in their order; for a source, those that may mean its items."""
    rules = Exclusion.select().where(Exclusion.merchant == merchant_id, Exclusion.state == "on").order_by(Exclusion.id)
    return [one for one in rules if source_id is None or one.source_id in (None, source_id)]


def by_hand(run: Run, ids: Sequence[int], archived: Sequence[int] = ()) -> None:
    """After a person changed items, in the same transaction: judge them anew; what has room then comes in by a run of its own.

    `archived`: those of them that were archived before, and hold no place in the plan; none of them where an undo gives them back.
    """
    keeping = Keeping(run, lambda _name, _number: None)
    keeping.look()
    keeping.judge_those(ids)
    if keeping.limit is not None:
        keeping.wait_again(archived)
        room.start_due(run.merchant_id)


def waiting_of(run_id: int) -> int:
    """Items that a run put to wait and that still do."""
    sql = f"""SELECT count(DISTINCT i.id) FROM kept_out_change k CROSS JOIN inventory_item i
        WHERE k.run_id = ? AND k.became = {WAITING} AND i.id = k.item_id AND i.kept_out = {WAITING} AND i.archived_at IS NULL"""
    return int(bulk.one(sql, (run_id,))[0])


def finish(work: Work, undoes: bool = False) -> dict[str, int]:
    """The last thing that a run which changed items does: let in what has room, and say who waits. Its counts, those that are not 0.

    `undoes`: it gave back what was, so that more may be in than the plan holds; then that is said.
    """
    limit = room.limit_of(work.run.merchant_id)
    came = room.let_in(work)
    if came:
        work.say(room.said(came, *room.standing(work.run.merchant_id)))
    left = waiting_of(work.run.id) if limit is not None else 0
    if left:
        work.say(f"{room.told(left, limit)} SKUs. What you have keeps being updated.", "warning")
    over = max(0, counted.of_merchant(work.run.merchant_id).counted - limit) if undoes and limit is not None else 0
    if over and limit is not None:
        work.say(f"{limit + over:,} SKUs are in, and the plan holds {limit:,}: an undo gives back what was. New items wait.", "warning")
    return {name: number for name, number in (("let_in", came), ("no_room", left), ("over", over)) if number}
