"""Link to products, in bulk: look, then apply what is sure (and what a person takes beside it), and undo within 7 days.

looking ─▶ ready ─▶ applying ─▶ applied ─▶ undoing ─▶ undone          a linking only ever adds links, so that undoing it takes those away
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from portal import audit, clock, runs
from portal.catalogue import judging, keys, matching
from portal.errors import Invalid, NotFound, Refused
from portal.leases import Work
from portal.models import Linking, Merchant, Product, ProductLink, Run, Source, bulk, database
from portal.models.fields import new_public_id
from portal.models.runs import UNFINISHED
from portal.runs import Outcome

KIND = "linking"
DAYS_TO_UNDO = 7
MADE_AT_ONCE = 2_000  # products of one transaction
ACTS = {"look": "looking", "apply": "applying", "undo": "undoing"}
_BUSY = tuple(ACTS.values())


def begin(merchant: Merchant, source: Source | None, rules: Sequence[str], who: str, then: str = "", after: int = 0) -> Linking:
    """Start to look at what could be linked, of the items behind `after`.

    `then`: "confident" applies that by itself, "create" makes products of the rest, too.
    Raises Invalid ("rules"), Refused while another linking of the merchant is under way."""
    if not rules or len(set(rules)) != len(rules) or not set(rules) <= set(matching.RULES):
        raise Invalid({"rules": "Choose at least one rule, each once."})
    with database.atomic():
        _only_one(merchant)
        made = Linking.create(merchant=merchant, source=source, rules=list(rules), at=clock.now(), by=who, after_item_id=after)
        _run(made, "look", who, then)
    return made


def apply(linking: Linking, include: Iterable[str], create_rest: bool, who: str) -> Linking:
    """Link the confident and what is included; with `create_rest`, make products of the unmatched. Raises Refused, Invalid."""
    taken = list(dict.fromkeys(include))
    if not set(taken) <= set(judging.MAY_TAKE):
        raise Invalid({"include": "Choose among what can be linked in bulk."})
    with database.atomic():
        _only_one(linking.merchant)
        columns = {"state": "applying", "include": taken, "create_rest": int(create_rest)}
        if not Linking.update(columns).where(Linking.id == linking.id, Linking.state == "ready").execute():
            raise Refused("This linking was applied already, or is not ready. Nothing was done.")
        fresh: Linking = Linking.get_by_id(linking.id)
        _run(fresh, "apply", who)
        told = {"verdicts": ["confident", *taken], "create": create_rest}
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
    if not is_stuck(linking) or linking.state == "undoing":
        raise Refused("There is nothing to give up. What is being undone can only be gone on with.")
    added = ProductLink.select().where(ProductLink.linking == linking).count()
    ends: dict[str, Any] = {"state": "stopped"}
    if linking.state == "applying":
        ends = {"state": "applied", "applied_at": clock.now(), "counts": {**linking.counts, "applied": added}}
    with database.atomic():
        Linking.update(ends).where(Linking.id == linking.id, Linking.state == linking.state).execute()
        audit.write(linking.merchant, who, "linking.give_up", "linking", linking.public_id, after={"links": added})
    return Linking.get_by_id(linking.id)


def go_on(linking: Linking, who: str) -> Linking:
    """Continue what stopped half-way. Raises Refused where nothing did."""
    if not is_stuck(linking):
        raise Refused("It is not stopped: there is nothing to go on with.")
    with database.atomic():
        act = next(one for one, state in ACTS.items() if state == linking.state)
        run = run_of(linking)
        _run(linking, act, who, str(run.settings.get("then") or "") if run else "")
    return linking


def find(merchant: Merchant, public_id: str) -> Linking:
    """The merchant's linking of that id. Raises NotFound."""
    found: Linking | None = Linking.get_or_none(Linking.merchant == merchant, Linking.public_id == public_id)
    if found is None:
        raise NotFound("linking")
    return found


def listing(merchant: Merchant, limit: int = 10) -> list[Linking]:
    """The last linkings, newest first."""
    return list(Linking.select().where(Linking.merchant == merchant).order_by(Linking.id.desc()).limit(limit))


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


def _only_one(merchant: Merchant) -> None:
    Merchant.update(id=Merchant.id).where(Merchant.id == merchant.id).execute()  # the row is held: two never begin at once
    busy = Linking.select().where(Linking.merchant == merchant, Linking.state << _BUSY)
    for one in busy:
        if is_stuck(one):
            raise Refused("A linking stopped half-way. Go on with it before you begin another.")
        raise Refused("Another linking is under way. Wait for its end, or stop it.")


def _run(linking: Linking, act: str, who: str, then: str = "") -> None:
    told = {"linking": linking.id, "act": act, "then": then}
    run = runs.start(linking.source, KIND, merchant=linking.merchant, started_by=who, settings=told)
    linking.run_id = run.id
    linking.save(only=[Linking.run_id])


def perform(work: Work) -> Outcome:
    """Run handler of all three acts. What an interruption left is gone on with."""
    linking = Linking.get_by_id(work.run.settings["linking"])
    act = work.run.settings["act"]
    if linking.state != ACTS[act]:
        return Outcome("finished", linking.counts)
    told: dict[str, int] = _ACTS[act](work, linking)
    endings: dict[str, dict[str, Any]] = {
        "look": {"state": "ready"}, "apply": {"state": "applied", "applied_at": clock.now()},
        "undo": {"state": "undone", "undone_at": clock.now()},
    }  # fmt: skip
    with work.transaction():
        Linking.update(counts={**linking.counts, **told}, **endings[act]).where(Linking.id == linking.id).execute()
        if then := work.run.settings.get("then"):
            apply(Linking.get_by_id(linking.id), (), then == "create", work.run.started_by)
    return Outcome("finished", told)


def _apply(work: Work, linking: Linking) -> dict[str, int]:
    verdicts = ["confident", *linking.include]
    marks = ", ".join("?" for _ in verdicts)
    last = int(bulk.one("SELECT coalesce(max(item_id), 0) FROM link_candidate WHERE linking_id = ?", [linking.id])[0])
    work.stage("link", "items")
    at, applied = int(work.checkpoint.get("linked", 0)), int(work.checkpoint.get("applied", 0))
    while at < last:
        end = min(at + matching.SPAN, last)
        with work.transaction():
            done = bulk.run(
                f"""
                INSERT INTO product_link (item_id, product_id, source_id, linking_id, rule, place, told, at, by)
                SELECT c.item_id, c.product_id, c.source_id, c.linking_id, c.rule, c.place,
                    CASE c.rule WHEN 'sku' THEN p.sku WHEN 'gtin' THEN p.gtin ELSE p.mpn_key END, ?, ?
                FROM link_candidate c JOIN product p ON p.id = c.product_id
                WHERE c.linking_id = ? AND c.item_id > ? AND c.item_id <= ? AND c.verdict IN ({marks})
                AND NOT EXISTS (SELECT 1 FROM product_link l WHERE l.item_id = c.item_id)
                AND (c.verdict = 'crowded' OR NOT EXISTS (
                    SELECT 1 FROM product_link l WHERE l.product_id = c.product_id AND l.source_id = c.source_id))
                """,
                [clock.now(), linking.by, linking.id, at, end, *verdicts],
            )
            applied += done.rowcount
            work.save_checkpoint(linked=end, applied=applied)
        at = end
        work.progress(applied, None)
        bulk.pause()
    made, left = _create(work, linking) if linking.create_rest else (0, 0)
    chosen = sum(int(linking.counts.get(one, 0)) for one in verdicts)
    return {"applied": applied, "created": made, "left": left, "passed_over": max(0, chosen - applied)}


def _create(work: Work, linking: Linking) -> tuple[int, int]:
    """(products made of unmatched items, items left because their Master SKU is another product's)."""
    where, values = matching.scope(linking)
    sql = f"""
        SELECT i.id, i.source_id, {keys.sku_sql("i", "s")}, i.title, i.brand, i.upc, i.mpn, i.images
        FROM inventory_item i JOIN source s ON s.id = i.source_id
        WHERE i.id > ? AND {where} AND {matching.UNMATCHED} ORDER BY i.id LIMIT ?
    """
    work.stage("create", "items")
    at, made, left = (int(work.checkpoint.get(name, 0)) for name in ("created_to", "created", "left"))
    while rows := bulk.run(sql, [at, *values, linking.id, MADE_AT_ONCE]).fetchall():
        with work.transaction():
            fresh = _make(linking, rows)
            at, made, left = rows[-1][0], made + fresh, left + len(rows) - fresh
            work.save_checkpoint(created_to=at, created=made, left=left)
        work.progress(made + left, linking.counts.get("unmatched"))
        bulk.pause()
    return made, left


_PRODUCT = ("public_id", "merchant_id", "sku", "title", "brand", "gtin", "mpn", "mpn_key", "images", "linking_id", "at", "by")
_LINK = ("item_id", "product_id", "source_id", "linking_id", "rule", "place", "told", "at", "by")


def _make(linking: Linking, rows: Sequence[Sequence[Any]]) -> int:
    now = clock.now()
    first: dict[str, Sequence[Any]] = {}
    for row in rows:
        first.setdefault(row[2], row)
    taken = set(_ids(linking, list(first)))
    chosen = {sku: row for sku, row in first.items() if sku not in taken}
    bulk.insert("product", _PRODUCT, [
        (new_public_id(), linking.merchant_id, sku, title or "", brand or "", keys.gtin(upc), mpn or "", keys.mpn(mpn, brand), images,
         linking.id, now, linking.by)
        for sku, (_, _, _, title, brand, upc, mpn, images) in chosen.items()
    ])  # fmt: skip
    ids = _ids(linking, list(chosen))
    bulk.insert("product_link", _LINK, [
        (row[0], ids[sku], row[1], linking.id, "created", 0, sku, now, linking.by) for sku, row in chosen.items()
    ])  # fmt: skip
    return len(chosen)


def _ids(linking: Linking, skus: Sequence[str]) -> dict[str, int]:
    rows: Any = Product.select(Product.sku, Product.id).where(Product.merchant == linking.merchant_id, Product.sku << list(skus)).tuples()
    return dict(rows)


def _undo(work: Work, linking: Linking) -> dict[str, int]:
    first, last = (int(one) for one in bulk.one(
        "SELECT coalesce(min(item_id), 0), coalesce(max(item_id), -1) FROM product_link WHERE linking_id = ?", [linking.id]
    ))  # fmt: skip
    work.stage("undo", "items")
    at, gone = first - 1, int(work.checkpoint.get("taken_back", 0))
    while at < last:
        end = min(at + matching.SPAN, last)
        with work.transaction():
            done = bulk.run("DELETE FROM product_link WHERE linking_id = ? AND item_id > ? AND item_id <= ?", [linking.id, at, end])
            gone += done.rowcount
            work.save_checkpoint(taken_back=gone)
        at = end
        work.progress(gone)
        bulk.pause()
    removed = _unmake(work, linking)
    links = int(linking.counts.get("applied", 0)) + int(linking.counts.get("created", 0))
    return {"taken_back": gone, "unmade": removed, "kept": max(0, links - gone)}


def _unmake(work: Work, linking: Linking) -> int:
    """Products that it made go, but for those to which something is linked by now."""
    sql = """
        DELETE FROM product WHERE id IN (
            SELECT p.id FROM product p WHERE p.linking_id = ?
            AND NOT EXISTS (SELECT 1 FROM product_link l WHERE l.product_id = p.id) LIMIT ?)
    """
    removed = int(work.checkpoint.get("unmade", 0))
    while True:
        with work.transaction():
            count = int(bulk.run(sql, [linking.id, MADE_AT_ONCE]).rowcount)
            removed += count
            work.save_checkpoint(unmade=removed)
        if not count:
            return removed
        bulk.pause()


_ACTS: Mapping[str, Callable[[Work, Linking], dict[str, int]]] = {"look": matching.look, "apply": _apply, "undo": _undo}
