"""Exclude the chosen by a rule that lists their SKUs, also for the next time a file brings them; and include them again.

Only a list lets go of single items: what another rule keeps out stays out, and is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from portal import runs
from portal.bulk_acts import chunks
from portal.errors import Invalid, NotFound
from portal.exclusions import performing, room, saving
from portal.exclusions.keeping import Keeping
from portal.inventory.counted import EXCLUDED
from portal.leases import Work
from portal.models import BulkAct, Exclusion, InventoryItem, Run, bulk
from portal.models.runs import UNFINISHED

_LISTS = "e.exclusion_id IN (SELECT x.id FROM exclusion x WHERE x.merchant_id = ? AND x.kind = 'skus' AND x.state <> 'deleted')"
_CHOSEN = """i.id IN (SELECT b.item_id FROM bulk_item b WHERE b.act_id = ?) AND i.added_at <= ?
    AND EXISTS (SELECT 1 FROM source s WHERE s.id = i.source_id AND s.state <> 'deleted')"""


def exclude(work: Work, act: BulkAct) -> dict[str, int]:
    """Make a rule of the SKUs; a run of that rule then keeps the items out. {"done", "already", "gone"}."""
    here = int(bulk.one(f"SELECT count(*) FROM inventory_item i WHERE {_CHOSEN}", _values(act))[0])
    named = make_rule(work, act, f"i.kept_out <> {EXCLUDED}")
    return {"done": named, "already": here - named, "gone": int(act.counts.get("chosen", 0)) - here}


def make_rule(work: Work, act: BulkAct, which: str) -> int:
    """A rule that lists the SKUs of those of the chosen of which `which` holds; how many, also after an interruption."""
    if "named" in work.checkpoint:
        return int(work.checkpoint["named"])
    with work.transaction():
        try:
            made = saving.exclude_items(act.merchant, f"{_CHOSEN} AND {which}", _values(act), act.by)
            named = saving.skus_of(made)
            BulkAct.update(options={**act.options, "rule": made.public_id}).where(BulkAct.id == act.id).execute()
        except Invalid:  # none is left to exclude
            named = 0
        work.save_checkpoint(named=named)
    return named


def rule_of(act: BulkAct) -> Exclusion | None:
    """The rule that this act made, while it is there."""
    try:
        return saving.find(act.merchant, act.options["rule"]) if act.options.get("rule") else None
    except NotFound:
        return None


def under_way(act: BulkAct) -> Run | None:
    """The run that still carries out what this act made or undid of its rule; None once that is done."""
    rule = Exclusion.get_or_none(Exclusion.merchant == act.merchant_id, Exclusion.public_id == act.options.get("rule", ""))
    run = runs.find_of(act.merchant, rule.run_id) if rule is not None else None
    return run if run is not None and run.state in UNFINISHED else None


def undo_exclude(work: Work, act: BulkAct) -> dict[str, int]:
    """The rule goes; a run of it lets come back what no other rule keeps out. {"back"}."""
    back = int(act.counts.get("done", 0))
    if work.checkpoint.get("deleted"):
        return {"back": back}
    with work.transaction():
        rule = rule_of(act)
        if rule is not None:
            saving.delete(rule, work.run.started_by)
        work.save_checkpoint(deleted=True)
    return {"back": back}


def include(work: Work, act: BulkAct) -> dict[str, int]:
    """Take the SKUs off every list, and judge the items anew; {"done", "already" (not excluded), "ruled" (by another rule), "gone"}."""

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        room.lock(room.RULES, act.merchant_id)  # before the items, as feeds do: else each waits for the other
        chunks.hold(ids)
        here, out = chunks.there(act, ids), chunks.there(act, ids, f"i.kept_out = {EXCLUDED}")
        listed = f"""SELECT e.exclusion_id, e.source_id, e.sku, i.id FROM exclusion_sku e
            JOIN inventory_item i ON i.source_id = e.source_id AND i.sku = e.sku WHERE i.id {bulk.any_of()} AND {_LISTS}"""
        rows = bulk.run(listed, (bulk.as_list(out), act.merchant_id)).fetchall()
        bulk.run_many(
            "DELETE FROM exclusion_sku WHERE exclusion_id = ? AND source_id = ? AND sku = ?", [(rule, of, sku) for rule, of, sku, _ in rows]
        )
        _judge(work, act, out)
        done = chunks.there(act, out, f"i.kept_out <> {EXCLUDED}")
        was: dict[int, list[int]] = {}
        for rule, _, _, item in rows:
            was.setdefault(item, []).append(rule)
        note = "UPDATE bulk_item SET was = ? WHERE act_id = ? AND item_id = ?"
        bulk.run_many(note, [(f'{{"rules":{rules}}}', act.id, item) for item, rules in was.items()])
        chunks.note(act, done)
        return {"done": len(done), "already": len(here) - len(out), "ruled": len(out) - len(done), "gone": len(ids) - len(here)}

    told = chunks.each(work, act, do)
    performing.recount(act.merchant_id)
    return told


def undo_include(work: Work, act: BulkAct) -> dict[str, int]:
    """Put the SKUs on their lists again, where those are still there; {"back", "kept", "lost"}."""

    def do(ids: Sequence[int]) -> Mapping[str, int]:
        room.lock(room.RULES, act.merchant_id)
        chunks.hold(ids)
        here = chunks.there(act, ids, "i.kept_out <> 1")
        back: list[int] = []
        for item in InventoryItem.select(InventoryItem.id, InventoryItem.source, InventoryItem.sku).where(InventoryItem.id << here):
            back += [item.id] if _list_again(act, item) else []
        _judge(work, act, back)
        chunks.note(act, back, chunks.UNDONE)
        return {"back": len(back), "kept": len(here) - len(back), "lost": len(ids) - len(here)}

    told = chunks.each(work, act, do, done=chunks.DONE)
    performing.recount(act.merchant_id)
    return told


def _list_again(act: BulkAct, item: InventoryItem) -> bool:
    was = chunks.was(act, item.id).get("rules", [])
    alive = [one.id for one in Exclusion.select(Exclusion.id).where(Exclusion.id << was, Exclusion.state != "deleted")]
    sql = "INSERT INTO exclusion_sku (exclusion_id, source_id, sku) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    bulk.run_many(sql, [(rule, item.source_id, item.sku) for rule in alive])
    return bool(alive)


def _judge(work: Work, act: BulkAct, ids: Sequence[int]) -> None:
    kept = Keeping(work.run, lambda _name, _number: None)
    kept.look_at_all(act.merchant_id)
    kept.judge(f"i.id {bulk.any_of()}", (bulk.as_list(ids),))


def _values(act: BulkAct) -> tuple[object, ...]:
    return act.id, act.chosen_at
