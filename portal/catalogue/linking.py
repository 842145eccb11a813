"""Link to products, in bulk: look, then apply what is sure (and what a person takes beside it), and undo within 7 days.

looking ─▶ ready ─▶ applying ─▶ applied ─▶ undoing ─▶ undone          what it adds is taken away again, what it moved goes back
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from portal import audit, clock, runs
from portal.catalogue import judging, keys, making, matching, moving
from portal.errors import Invalid, NotFound, Refused
from portal.leases import LostLease, Work
from portal.models import Linking, LinkMoved, Merchant, Product, ProductLink, Run, Source, bulk, database
from portal.models.database import is_postgres
from portal.models.runs import UNFINISHED
from portal.runs import Outcome

KIND = "linking"
BY_ITSELF = "Quayside"  # who links new items of a source where that is turned on
MOST_LISTED = 50
DAYS_TO_UNDO = 7
HOURS_TO_APPLY = 24
GONE_AT_ONCE = 2_000  # products of one transaction
MOST_RESUMED = 3
ACTS = {"look": "looking", "apply": "applying", "undo": "undoing"}
_BUSY = tuple(ACTS.values())


def begin(
    merchant: Merchant, source: Source | None, rules: Sequence[str], who: str, then: str = "", after: int = 0, chosen: int | None = None
) -> Linking:  # fmt: skip
    """Start to look at what could be linked, of the items behind `after`, or of those of the bulk act `chosen`.

    `then`: "confident" applies that by itself, "create" makes products of the rest, too.
    Raises Invalid ("rules"), Refused while another linking of the merchant is under way."""
    if not rules or len(set(rules)) != len(rules) or not set(rules) <= set(matching.RULES):
        raise Invalid({"rules": "Choose at least one rule, each once."})
    with database.atomic():
        _only_one(merchant)
        made = Linking.create(
            merchant=merchant, source=source, rules=list(rules), at=clock.now(), by=who, after_item_id=after, bulk_act_id=chosen
        )  # fmt: skip
        _run(made, "look", who, then)
    return made


def apply(linking: Linking, include: Iterable[str], create_rest: bool, who: str, master_from: str = "") -> Linking:
    """Link the confident and what is included; with `create_rest`, make products of the unmatched. Raises Refused, Invalid.

    `master_from`: what the Master SKUs of those are made of, a key of keys.MASTERS; "" as the source of each says.
    """
    taken = list(dict.fromkeys(include))
    if master_from and master_from not in keys.MASTERS:
        raise Invalid({"master_from": "Choose what the Master SKU is made of."})
    if not set(taken) <= set(judging.MAY_TAKE):
        raise Invalid({"include": "Choose among what can be linked in bulk."})
    with database.atomic():
        _only_one(linking.merchant)
        if clock.now() > linking.at + timedelta(hours=HOURS_TO_APPLY):
            raise Refused(f"This was looked at more than {HOURS_TO_APPLY} hours ago. Look again, and apply that. Nothing was linked.")
        columns = {"state": "applying", "include": taken, "create_rest": int(create_rest), "master_from": master_from}
        if not Linking.update(columns).where(Linking.id == linking.id, Linking.state == "ready").execute():
            raise Refused("This linking was applied already, or is not ready. Nothing was done.")
        fresh: Linking = Linking.get_by_id(linking.id)
        _run(fresh, "apply", who)
        told = {"verdicts": ["confident", *taken], "create": create_rest, "master_from": master_from}
        audit.write(linking.merchant, who, "linking.apply", "linking", linking.public_id, after=told)
    return fresh


def undo(linking: Linking, who: str) -> Linking:
    """Take back the links that this linking added and the products that it made. Raises Refused after 7 days, or with nothing to undo."""
    if linking.applied_at is not None and clock.now() > linking.applied_at + timedelta(days=DAYS_TO_UNDO):
        raise Refused(f"A linking can be undone for {DAYS_TO_UNDO} days. This one is older. Nothing was changed.")
    with database.atomic():
        _only_one(linking.merchant)
        if not Linking.update(state="undoing").where(Linking.id == linking.id, Linking.state == "applied").execute():
            raise Refused("There is nothing to undo: this linking was not applied, or was undone already.")
        fresh: Linking = Linking.get_by_id(linking.id)
        _run(fresh, "undo", who)
        audit.write(linking.merchant, who, "linking.undo", "linking", linking.public_id)
    return fresh


def give_up(linking: Linking, who: str) -> Linking:
    """Leave what stopped half-way as it is: links that were added stay, and can be undone. Raises Refused where nothing stopped."""
    with database.atomic():
        fresh = _held(linking)
        if not is_stuck(fresh) or fresh.state == "undoing":
            raise Refused("There is nothing to give up. What is being undone can only be gone on with.")
        ends: dict[str, Any] = {"state": "stopped"}
        if fresh.state == "applying":
            ends = {"state": "applied", "applied_at": clock.now(), "counts": {**fresh.counts, **standing(fresh)}}
        Linking.update(ends).where(Linking.id == linking.id).execute()
        audit.write(linking.merchant, who, "linking.give_up", "linking", linking.public_id, after=ends["state"])
    return Linking.get_by_id(linking.id)


def standing(linking: Linking) -> dict[str, int]:
    """What stands of it now, counted in the tables: {"applied", "joined", "moved"} links, and "created": links of products that it made."""
    links = ProductLink.select().where(ProductLink.linking == linking)
    created = links.where(ProductLink.rule == "created").count()
    ours = Product.select(Product.id).where(Product.linking == linking)
    joined = links.where(ProductLink.rule != "created", ProductLink.product << ours).count()
    moved = links.join(LinkMoved, on=((LinkMoved.item == ProductLink.item) & (LinkMoved.linking == linking))).count()
    return {"applied": links.count() - created - joined - moved, "created": created, "joined": joined, "moved": moved}


def go_on(linking: Linking, who: str) -> Linking:
    """Continue what stopped half-way, from where it stopped. Raises Refused where nothing did."""
    with database.atomic():
        fresh = _held(linking)
        if not is_stuck(fresh):
            raise Refused("It is not stopped: there is nothing to go on with.")
        act = next(one for one, state in ACTS.items() if state == fresh.state)
        before = run_of(fresh)
        _run(fresh, act, who, str(before.settings.get("then") or "") if before else "")
        if before is not None:
            Run.update(checkpoint=before.checkpoint).where(Run.id == fresh.run_id).execute()
    return fresh


def _held(linking: Linking) -> Linking:
    """The linking as it is, behind the lock of all linkings of its merchant."""
    hold(linking.merchant)
    return Linking.get_by_id(linking.id)


def hold(merchant: Merchant) -> None:
    """No linking of the merchant begins, and nobody else passes here, until the open transaction ends."""
    Merchant.update(id=Merchant.id).where(Merchant.id == merchant.id).execute()  # the row is held: two never begin at once


def find(merchant: Merchant, public_id: str) -> Linking:
    """The merchant's linking of that id. Raises NotFound."""
    found: Linking | None = Linking.get_or_none(Linking.merchant == merchant, Linking.public_id == public_id)
    if found is None:
        raise NotFound("linking")
    return found


def listing(merchant: Merchant, limit: int = 10) -> list[Linking]:
    """The last linkings, newest first, and older ones of a person that can still be undone."""
    mine = Linking.select().where(Linking.merchant == merchant).order_by(Linking.id.desc())
    last = list(mine.limit(limit))
    undoable = (Linking.state == "applied") & (Linking.applied_at > clock.now() - timedelta(days=DAYS_TO_UNDO)) & (Linking.by != BY_ITSELF)
    known = {one.id for one in last}
    return last + [one for one in mine.where(undoable).limit(MOST_LISTED) if one.id not in known]


def stuck(merchant: Merchant) -> Linking | None:
    """The linking of the merchant that stopped half-way, where there is one."""
    return next((one for one in Linking.select().where(Linking.merchant == merchant, Linking.state << _BUSY) if is_stuck(one)), None)


def run_of(linking: Linking) -> Run | None:
    """Its latest run."""
    return runs.find_of(linking.merchant, linking.run_id)


def is_stuck(linking: Linking) -> bool:
    """Whether it was to do something, and its run ended without that: stopped by a person, or failed."""
    run = run_of(linking)
    return linking.state in _BUSY and (run is None or run.state not in UNFINISHED)


def may_undo(linking: Linking) -> bool:
    """Whether it was applied, not too long ago."""
    return linking.state == "applied" and clock.now() <= (linking.applied_at or clock.now()) + timedelta(days=DAYS_TO_UNDO)


def is_under_way(merchant: Merchant) -> bool:
    """Whether a linking of the merchant is looking, applying or undoing now."""
    return any(not is_stuck(one) for one in Linking.select().where(Linking.merchant == merchant, Linking.state << _BUSY))


def _only_one(merchant: Merchant) -> None:
    hold(merchant)
    busy = Linking.select().where(Linking.merchant == merchant, Linking.state << _BUSY)
    for one in busy:
        if is_stuck(one):
            raise Refused("A linking stopped half-way. Go on with it, or leave it so, before you begin another.")
        raise Refused("Another linking is under way. Wait for its end.")


def _run(linking: Linking, act: str, who: str, then: str = "") -> None:
    told = {"linking": linking.id, "act": act, "then": then}
    run = runs.start(linking.source, KIND, merchant=linking.merchant, started_by=who, settings=told)
    linking.run_id = run.id
    linking.save(only=[Linking.run_id])


def perform(work: Work) -> Outcome:
    """Run handler of all three acts. What an interruption left is gone on with."""
    linking = Linking.get_by_id(work.run.settings["linking"])
    act = work.run.settings["act"]
    if linking.state != ACTS[act] or linking.run_id != work.run.id:
        return Outcome("finished", linking.counts)
    told: dict[str, int] = _ACTS[act](work, linking)
    endings: dict[str, dict[str, Any]] = {
        "look": {"state": "ready"}, "apply": {"state": "applied", "applied_at": clock.now()},
        "undo": {"state": "undone", "undone_at": clock.now()},
    }  # fmt: skip
    with work.transaction():
        mine = (Linking.id == linking.id) & (Linking.state == ACTS[act]) & (Linking.run_id == work.run.id)
        if not Linking.update(counts={**linking.counts, **told}, **endings[act]).where(mine).execute():
            raise LostLease(work.run.public_id)
        if then := work.run.settings.get("then"):
            apply(Linking.get_by_id(linking.id), (), then == "create", work.run.started_by)
    return Outcome("finished", told)


def _apply(work: Work, linking: Linking) -> dict[str, int]:
    """Link the chosen candidates that are still what they were when they were looked at, then make products of the rest."""
    verdicts = ["confident", *(one for one in linking.include if one != moving.VERDICT)]
    where, values = matching.scope(linking)
    first, last = bulk.one(
        "SELECT coalesce(min(item_id), 0), coalesce(max(item_id), -1) FROM link_candidate WHERE linking_id = ?", [linking.id]
    )
    work.stage("link", "items")
    at, applied = int(work.checkpoint.get("linked", first - 1)), int(work.checkpoint.get("applied", 0))
    moved = int(work.checkpoint.get("moved", 0))
    while at < last:
        end = min(at + matching.SPAN, last)
        with work.transaction():
            done = bulk.run(
                f"""
                INSERT INTO product_link (item_id, product_id, source_id, linking_id, rule, place, told, at, by)
                SELECT c.item_id, c.product_id, c.source_id, c.linking_id, c.rule, c.place,
                    CASE c.rule WHEN 'sku' THEN p.sku WHEN 'gtin' THEN p.gtin ELSE p.mpn_key END, ?, ?
                FROM link_candidate c JOIN product p ON p.id = c.product_id
                JOIN inventory_item i ON i.id = c.item_id JOIN source s ON s.id = i.source_id
                WHERE c.linking_id = ? AND c.item_id > ? AND c.item_id <= ? AND c.verdict IN ({", ".join("?" for _ in verdicts)})
                AND {where} AND ({matching.still()})
                AND NOT EXISTS (SELECT 1 FROM product_link l WHERE l.item_id = c.item_id)
                AND (c.verdict = 'crowded' OR NOT EXISTS (
                    SELECT 1 FROM product_link l WHERE l.product_id = c.product_id AND l.source_id = c.source_id))
                ON CONFLICT DO NOTHING
                """,
                [clock.now(), linking.by, linking.id, at, end, *verdicts, *values],
            )
            applied += done.rowcount
            moved += moving.move(linking, at, end) if moving.VERDICT in linking.include else 0
            work.save_checkpoint(linked=end, applied=applied, moved=moved)
        at = end
        work.progress(applied + moved, None)
        bulk.pause()
    made = making.of_the_rest(work, linking, work.save_checkpoint) if linking.create_rest else {}
    chosen = sum(int(linking.counts.get(one, 0)) for one in ("confident", *linking.include))
    return {"applied": applied, "moved": moved, "passed_over": max(0, chosen - applied - moved), **made}


def _undo(work: Work, linking: Linking) -> dict[str, int]:
    first, last = (int(one) for one in bulk.one(
        "SELECT coalesce(min(item_id), 0), coalesce(max(item_id), -1) FROM (SELECT item_id FROM product_link WHERE linking_id = ? "
        "UNION ALL SELECT item_id FROM link_moved WHERE linking_id = ?) t", [linking.id, linking.id]
    ))  # fmt: skip
    work.stage("undo", "items")
    without = int(work.checkpoint.get("without", 0))
    at, gone, back = first - 1, int(work.checkpoint.get("taken_back", 0)), int(work.checkpoint.get("moved_back", 0))
    while at < last:
        end = min(at + matching.SPAN, last)
        with work.transaction():
            moving.hand_on(linking, at, end)
            back += moving.give_back(linking, at, end)
            without += moving.without(linking, at, end)
            done = bulk.run("DELETE FROM product_link WHERE linking_id = ? AND item_id > ? AND item_id <= ?", [linking.id, at, end])
            gone += done.rowcount
            work.save_checkpoint(taken_back=gone, moved_back=back, without=without)
        at = end
        work.progress(gone + back)
        bulk.pause()
    removed = _unmake(work, linking)
    links = sum(int(linking.counts.get(one, 0)) for one in ("applied", "moved", "created", "joined"))
    kept = _moved_since(linking)
    told = "SELECT count(DISTINCT p.id) FROM product p JOIN listing t ON t.product_id = p.id WHERE p.linking_id = ?"
    listed = int(bulk.one(f"{told} AND NOT EXISTS (SELECT 1 FROM product_link l WHERE l.product_id = p.id)", [linking.id])[0])
    gone_before = max(0, links - gone - back - kept)
    told_back = {"taken_back": gone, "moved_back": back, "without": without, "unmade": removed}
    return {**told_back, "kept": kept, "gone": gone_before, "listed": listed}


def _moved_since(linking: Linking) -> int:
    """Items of this linking that a person put to a product since it was applied."""
    told = """
        SELECT count(*) FROM product_link l WHERE l.rule = 'hand' AND l.at >= ? AND (
            EXISTS (SELECT 1 FROM link_candidate c WHERE c.linking_id = ? AND c.item_id = l.item_id)
            OR EXISTS (SELECT 1 FROM link_unmatched u WHERE u.linking_id = ? AND u.item_id = l.item_id))
    """
    return int(bulk.one(told, [linking.applied_at or linking.at, linking.id, linking.id])[0])


def _unmake(work: Work, linking: Linking) -> int:
    """Products that it made go, and those of linkings undone before it, but for those to which something is linked, or that are listed."""
    found = f"""
        SELECT p.id FROM product p JOIN linking g ON g.id = p.linking_id
        WHERE g.merchant_id = ? AND (g.id = ? OR g.state = 'undone') AND {_unused("p")} LIMIT ?
    """
    removed = int(work.checkpoint.get("unmade", 0))
    while True:
        with work.transaction():
            ids = [row[0] for row in bulk.run(found, [linking.merchant_id, linking.id, GONE_AT_ONCE]).fetchall()]
            marks = ", ".join("?" for _ in ids)
            if ids and is_postgres():
                bulk.run(f"SELECT id FROM product WHERE id IN ({marks}) FOR UPDATE", ids)  # who links to one of them waits, or came first
            free = f"id IN ({marks}) AND {_unused('product')}"
            count = int(bulk.run(f"DELETE FROM product WHERE {free}", ids).rowcount) if ids else 0
            removed += count
            work.save_checkpoint(unmade=removed)
        if not count:
            return removed
        bulk.pause()


def _unused(product: str) -> str:
    used = (f"SELECT 1 FROM {table} u WHERE u.product_id = {product}.id" for table in ("product_link", "listing"))
    return " AND ".join(f"NOT EXISTS ({one})" for one in used)


def erase_old() -> None:
    """Forget what linkings looked at that can neither be applied nor undone any more, some rows at a time."""
    day, week = (clock.now() - timedelta(**ago) for ago in ({"hours": HOURS_TO_APPLY}, {"days": DAYS_TO_UNDO}))
    over = (
        ((Linking.state == "ready") & (Linking.at < day)) | (Linking.state << ("undone", "stopped"))
        | ((Linking.state == "applied") & (Linking.applied_at < week))
    )  # fmt: skip
    for linking in Linking.select(Linking.id).where(over):
        for table in (*matching.FOUND, "link_moved"):
            some = f"SELECT item_id FROM {table} WHERE linking_id = ? LIMIT ?"
            while bulk.run(
                f"DELETE FROM {table} WHERE linking_id = ? AND item_id IN ({some})", [linking.id, linking.id, matching.SPAN]
            ).rowcount:
                bulk.pause()


_ACTS: Mapping[str, Callable[[Work, Linking], dict[str, int]]] = {"look": matching.look, "apply": _apply, "undo": _undo}
