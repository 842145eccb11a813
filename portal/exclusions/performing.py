"""The run that applies a change of the rules: items judged anew in chunks, resumable, then those let in that have room now.

walk "all": every item of the rule's sources · "list": the items that a list names · "kept": those that the rule kept out
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal import clock, failpoints, runs
from portal.exclusions import keeping, room
from portal.exclusions.keeping import Keeping
from portal.inventory.counted import EXCLUDED
from portal.leases import Work
from portal.models import Exclusion, Run, bulk
from portal.runs import Outcome

KIND = "exclusion"
SPAN = 10_000  # item ids, or SKUs of a list, of one transaction


def start(rule: Exclusion, walk: str, who: str) -> Run:
    """Queue the run that applies what became of the rule, in the transaction that changed it."""
    room.lock(room.RULES, rule.merchant_id)  # who reads the rules now ends first, and is seen by the run
    told = {"exclusion": rule.id, "walk": walk, "name": rule.name}
    run = runs.start(rule.source, KIND, merchant=rule.merchant, started_by=who, settings=told)
    Exclusion.update(run_id=run.id).where(Exclusion.id == rule.id).execute()
    rule.run_id = run.id
    return run


def perform(work: Work) -> Outcome:
    """Run handler: judge the items that the changed rule may be about, by all rules as they are meanwhile."""
    rule = Exclusion.get_by_id(work.run.settings["exclusion"])
    work.stage("judge", "items")
    counts: dict[str, int] = dict.fromkeys(keeping.ACTS, 0) | work.checkpoint.get("counts", {})

    def count(name: str, number: int) -> None:
        counts[name] = counts.get(name, 0) + number

    kept = Keeping(work.run, count)
    {"list": _walk_list, "kept": _walk_kept}.get(work.run.settings["walk"], _walk_all)(work, rule, kept, counts)
    work.stage("let_in", "items")
    told = {**counts, **keeping.finish(work)}
    with work.transaction():
        recount(work.run.merchant_id)
    work.say(_said(rule, told))
    return Outcome("finished", told)


def _walk_all(work: Work, _rule: Exclusion, kept: Keeping, counts: dict[str, int]) -> None:
    where, scope = "i.merchant_id = ?", [work.run.merchant_id]
    if work.run.source_id is not None:
        where, scope = "i.source_id = ?", [work.run.source_id]
    if "bounds" not in work.checkpoint:
        bounds = bulk.one(f"SELECT coalesce(min(i.id), 0), coalesce(max(i.id), -1) FROM inventory_item i WHERE {where}", scope)
        with work.transaction():
            work.save_checkpoint(bounds=[int(bounds[0]), int(bounds[1])])
    first, last = work.checkpoint["bounds"]
    at = int(work.checkpoint.get("at", first - 1))
    while at < last:
        end = min(at + SPAN, last)
        _chunk(work, kept, f"i.id > ? AND i.id <= ? AND {where}", (at, end, *scope), counts, end)
        at = end
        work.progress(at - first + 1, last - first + 1)
        bulk.pause()


def _walk_kept(work: Work, rule: Exclusion, kept: Keeping, counts: dict[str, int]) -> None:
    some = f"SELECT i.id FROM inventory_item i WHERE i.kept_out = {EXCLUDED} AND i.exclusion_id = ? AND i.id > ? ORDER BY i.id LIMIT ?"
    at, done = int(work.checkpoint.get("at", 0)), 0
    while last := bulk.one(f"SELECT max(id) FROM ({some}) AS chunk", (rule.id, at, SPAN))[0]:
        which = f"i.kept_out = {EXCLUDED} AND i.exclusion_id = ? AND i.id > ? AND i.id <= ?"
        _chunk(work, kept, which, (rule.id, at, last), counts, last)
        at, done = int(last), done + SPAN
        work.progress(done)
        bulk.pause()


def _walk_list(work: Work, rule: Exclusion, kept: Keeping, counts: dict[str, int]) -> None:
    some = """SELECT e.source_id, e.sku FROM exclusion_sku e WHERE e.exclusion_id = ? AND (e.source_id, e.sku) > (?, ?)
        ORDER BY e.source_id, e.sku LIMIT ?"""
    here, after = work.checkpoint.get("at", [0, ""])
    done = 0
    while rows := bulk.run(some, (rule.id, here, after, SPAN)).fetchall():
        until = rows[-1]
        which = """i.id IN (SELECT n.id FROM exclusion_sku e JOIN inventory_item n ON n.source_id = e.source_id AND n.sku = e.sku
            WHERE e.exclusion_id = ? AND (e.source_id, e.sku) > (?, ?) AND (e.source_id, e.sku) <= (?, ?))"""
        _chunk(work, kept, which, (rule.id, here, after, until[0], until[1]), counts, [int(until[0]), until[1]])
        (here, after), done = until, done + len(rows)
        work.progress(done)
        bulk.pause()


def _chunk(work: Work, kept: Keeping, chosen: str, scope: Sequence[Any], counts: dict[str, int], at: Any) -> None:
    before = dict(counts)
    work.check_stop()
    try:
        with work.transaction():
            kept.look_at_all(work.run.merchant_id)
            kept.judge(chosen, scope)
            work.save_checkpoint(at=at, counts=dict(counts))
    except BaseException:
        counts.clear()
        counts.update(before)
        raise
    failpoints.reach("exclusion-chunk")


def recount(merchant_id: int) -> None:
    """Note how many items each rule of the merchant keeps out now."""
    sql = f"""UPDATE exclusion SET counted_at = ?, counted = (SELECT count(*) FROM inventory_item i
        WHERE i.kept_out = {EXCLUDED} AND i.exclusion_id = exclusion.id) WHERE merchant_id = ? AND state <> 'deleted'"""
    bulk.run(sql, (clock.now(), merchant_id))


def _said(rule: Exclusion, told: dict[str, int]) -> str:
    parts = [f"{told['excluded']:,} items went out"] if told.get("excluded") else []
    parts += [f"{told['included']:,} are no longer excluded"] if told.get("included") else []
    return f"“{rule.name}”: {' and '.join(parts) if parts else 'no item goes out or comes back'}."
