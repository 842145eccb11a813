"""List many products on a channel: look, then apply, and undo within 7 days.

looking ─▶ ready ─▶ applying ─▶ applied ─▶ undoing ─▶ undone          a batch only ever adds listings; undoing takes the untouched away
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from portal import audit, clock, runs
from portal.catalogue import keys
from portal.errors import Invalid, NotFound, Refused
from portal.leases import LostLease, Work
from portal.listings import offers
from portal.listings import rules as listing_rules
from portal.models import Channel, ListingBatch, Merchant, Run, bulk, database
from portal.models.runs import UNFINISHED
from portal.runs import Outcome

KIND = "listing_batch"
DAYS_TO_UNDO = 7
HOURS_TO_APPLY = 24
SPAN = 20_000  # ids of one transaction
SAMPLES = 20
LONGEST_QUERY = 140
BEGIN_AS = {"live": "Live: offered at once", "paused": "Paused: offered with 0 units until you make them live"}
KINDS = {
    "create": "Can be listed",
    "no_price": "Without a price",
    "listed": "Listed already",
    "clash": "Listing SKU is taken",
    "long": "Listing SKU is too long",
}
"""What a look tells apart. Without a price: listed only where a person wants that."""
ACTS = {"look": "looking", "apply": "applying", "undo": "undoing"}


def begin(channel: Channel, query: str, begin_as: str, unpriced: bool, who: str) -> ListingBatch:
    """Look at what would be listed, of all products or those that `query` finds. Lists nothing. Raises Invalid, Refused."""
    query = query.strip()
    if len(query) > LONGEST_QUERY or begin_as not in BEGIN_AS:
        raise Invalid({"query": f"Use at most {LONGEST_QUERY} characters, and choose how they begin."})
    with database.atomic():
        _lock(channel.merchant)
        for other in ListingBatch.select().where(ListingBatch.channel == channel.id, ListingBatch.state << (*ACTS.values(), "ready")):
            if is_moving(other):
                raise Refused("Another batch of this channel is under way. Wait for its end.")
            if other.state in ("applying", "undoing"):
                raise Refused("A batch of this channel stopped half-way. Go on with it before you begin another.")
            ListingBatch.update(state="stopped").where(ListingBatch.id == other.id).execute()
        made: ListingBatch = ListingBatch.create(
            channel=channel, merchant=channel.merchant, query=query, begin_as=begin_as, unpriced=int(unpriced), by=who, at=clock.now()
        )
        _run(made, "look", who)
    return made


def apply(batch: ListingBatch, who: str) -> None:
    """List what the look found. Raises Refused."""
    with database.atomic():
        _lock(batch.merchant)
        if clock.now() > batch.at + timedelta(hours=HOURS_TO_APPLY):
            raise Refused(f"This was looked at more than {HOURS_TO_APPLY} hours ago. Look again, and list that. Nothing was listed.")
        _moved(batch, "ready", "applying", "This batch was applied already, or is not ready. Nothing was done.")
        _run(batch, "apply", who)
        audit.write(batch.merchant, who, "listing_batch.apply", "listing_batch", batch.public_id, after={"query": batch.query})


def undo(batch: ListingBatch, who: str) -> None:
    """Take away the listings that the batch made and nobody touched. Raises Refused after 7 days, or with nothing to undo."""
    if not may_undo(batch):
        raise Refused(f"There is nothing to undo: it was not applied, was undone already, or is older than {DAYS_TO_UNDO} days.")
    with database.atomic():
        _lock(batch.merchant)
        _moved(batch, "applied", "undoing", "There is nothing to undo: it was undone already. Nothing was done.")
        _run(batch, "undo", who)
        audit.write(batch.merchant, who, "listing_batch.undo", "listing_batch", batch.public_id)


def go_on(batch: ListingBatch, who: str) -> None:
    """Continue what stopped half-way, from where it stopped. Raises Refused where nothing did."""
    with database.atomic():
        _lock(batch.merchant)
        fresh = ListingBatch.get_by_id(batch.id)
        act = next((one for one, state in ACTS.items() if state == fresh.state), "")
        before = run_of(fresh)
        if not act or is_moving(fresh):
            raise Refused("It is not stopped: there is nothing to go on with.")
        _run(fresh, act, who)
        if before is not None:
            Run.update(checkpoint=before.checkpoint).where(Run.id == fresh.run_id).execute()


def find(channel: Channel, public_id: str) -> ListingBatch:
    """The channel's batch of that id. Raises NotFound."""
    found: ListingBatch | None = ListingBatch.get_or_none(ListingBatch.channel == channel.id, ListingBatch.public_id == public_id)
    if found is None:
        raise NotFound("batch")
    found.channel, found.merchant = channel, channel.merchant
    return found


def listing(channel: Channel, limit: int = 5) -> list[ListingBatch]:
    """The newest batches of a channel that did something or can."""
    mine = ListingBatch.select().where(ListingBatch.channel == channel.id, ListingBatch.state != "stopped")
    return list(mine.order_by(ListingBatch.id.desc()).limit(limit))


def run_of(batch: ListingBatch) -> Run | None:
    """Its latest run."""
    return runs.find_of(batch.merchant, batch.run_id)


def is_moving(batch: ListingBatch) -> bool:
    """Whether a run is at it."""
    run = run_of(batch)
    return batch.state in ACTS.values() and run is not None and run.state in UNFINISHED


def may_undo(batch: ListingBatch) -> bool:
    """Whether it was applied, not too long ago."""
    return batch.state == "applied" and clock.now() <= (batch.applied_at or clock.now()) + timedelta(days=DAYS_TO_UNDO)


def would(batch: ListingBatch) -> int:
    """How many listings applying it makes."""
    return int(batch.counts.get("create", 0)) + (int(batch.counts.get("no_price", 0)) if batch.unpriced else 0)


def _lock(merchant: Merchant) -> None:
    Merchant.update(id=Merchant.id).where(Merchant.id == merchant.id).execute()  # the row is held: two never begin at once


def _moved(batch: ListingBatch, before: str, after: str, why_not: str) -> None:
    if not ListingBatch.update(state=after).where(ListingBatch.id == batch.id, ListingBatch.state == before).execute():
        raise Refused(why_not)


def _run(batch: ListingBatch, act: str, who: str) -> None:
    run = runs.start(None, KIND, merchant=batch.merchant, started_by=who, settings={"batch": batch.id, "act": act})
    batch.run_id = run.id
    batch.save(only=[ListingBatch.run_id])


def perform(work: Work) -> Outcome:
    """Run handler of all three acts. What an interruption left is gone on with; of a removed channel nothing is done."""
    batch = ListingBatch.get_by_id(work.run.settings["batch"])
    act = work.run.settings["act"]
    if batch.state != ACTS[act] or batch.run_id != work.run.id or batch.channel.state != "open":
        return Outcome("finished", {})
    told: dict[str, Any] = _ACTS[act](work, batch)
    endings: dict[str, dict[str, Any]] = {
        "look": {"state": "ready"}, "apply": {"state": "applied", "applied_at": clock.now()},
        "undo": {"state": "undone", "undone_at": clock.now()},
    }  # fmt: skip
    with work.transaction():
        mine = (ListingBatch.id == batch.id) & (ListingBatch.state == ACTS[act]) & (ListingBatch.run_id == work.run.id)
        listing_rules.touch(batch.channel_id)
        if not ListingBatch.update(counts={**batch.counts, **told}, **endings[act]).where(mine).execute():
            raise LostLease(work.run.public_id)
    return Outcome("finished", {key: value for key, value in told.items() if key != "samples"})


def _judged(batch: ListingBatch, wanted: str = "") -> tuple[str, list[Any]]:
    """(SQL of products in the id range that follows as two parameters, each with its key of KINDS; the parameters before them)."""
    rules = listing_rules.of(batch.channel)
    before, after = bulk.text(rules.sku.prefix), bulk.text(rules.sku.suffix)
    sku = f"{before} || p.sku || {after}"
    able = f"""
        SELECT 1 FROM product_link k JOIN inventory_item i ON i.id = k.item_id JOIN source s ON s.id = k.source_id
        WHERE k.product_id = p.id AND {offers.COUNTS} AND s.currency = {bulk.text(rules.currency)} AND i.cost > 0
    """
    priced = f"EXISTS ({able})" if rules.price.factor else "1 = 0"
    channel = int(batch.channel_id)
    kind = f"""
        CASE WHEN EXISTS (SELECT 1 FROM listing l WHERE l.product_id = p.id AND l.channel_id = {channel}) THEN 'listed'
            WHEN length({sku}) > {int(rules.sku.longest)} THEN 'long'
            WHEN EXISTS (SELECT 1 FROM listing l WHERE l.channel_id = {channel} AND l.sku = {sku}) THEN 'clash'
            WHEN {priced} THEN 'create' ELSE 'no_price' END
    """
    where, values = _meant(batch.query)
    sql = f"""
        SELECT p.id, p.sku, p.title, {sku} AS listing_sku, {kind} AS kind
        FROM product p WHERE p.merchant_id = ? AND {where} AND p.id > ? AND p.id <= ?
    """
    return f"SELECT {wanted} FROM ({sql}) j" if wanted else sql, [batch.merchant_id, *values]


def _meant(query: str) -> tuple[str, list[Any]]:
    """As the list of products is searched: how a Master SKU begins, a whole UPC, or a whole MPN."""
    if not query:
        return "1 = 1", []
    code = keys.gtin(query) if query.isascii() and query.isdigit() and len(query) in (8, 12, 13, 14) else "-"
    length = len(query)
    return f"(substr(p.sku, 1, {length}) IN (?, ?) OR p.mpn = ? OR p.gtin = ?)", [query, query.upper(), query, code]


def _span(merchant_id: int) -> tuple[int, int]:
    first, last = bulk.one("SELECT coalesce(min(id), 0), coalesce(max(id), -1) FROM product WHERE merchant_id = ?", [merchant_id])
    return int(first), int(last)


def _look(work: Work, batch: ListingBatch) -> dict[str, Any]:
    counts, samples = dict.fromkeys(KINDS, 0), {kind: [] for kind in KINDS}  # type: dict[str, int], dict[str, list[Any]]
    work.stage("look", "items")
    first, last = _span(batch.merchant_id)
    sql, values = _judged(batch, "kind, count(*)")
    some, _ = _judged(batch, "sku, title, listing_sku")
    at = first - 1
    while at < last:
        end = min(at + SPAN, last)
        for kind, number in bulk.run(f"{sql} GROUP BY kind", [*values, at, end]).fetchall():
            counts[kind] += int(number)
            if room := SAMPLES - len(samples[kind]):
                rows = bulk.run(f"{some} WHERE kind = ? ORDER BY id LIMIT {room}", [*values, at, end, kind]).fetchall()
                samples[kind] += [list(row) for row in rows]
        at = end
        work.progress(at - first + 1, last - first + 1)
    return {**counts, "products": sum(counts.values()), "samples": samples}


def _apply(work: Work, batch: ListingBatch) -> dict[str, Any]:
    work.stage("list", "items")
    first, last = _span(batch.merchant_id)
    at, made = int(work.checkpoint.get("listed_to", first - 1)), int(work.checkpoint.get("made", 0))
    kinds = "('create', 'no_price')" if batch.unpriced else "('create')"
    columns = "public_id, channel_id, product_id, sku, state, batch_id, their_id, version, created_at, changed_at, changed_by"
    while at < last:
        end = min(at + SPAN, last)
        wanted = f"{bulk.random_id()}, {int(batch.channel_id)}, id, listing_sku, ?, {int(batch.id)}, '', 1, ?, ?, ?"
        sql, values = _judged(batch, wanted)
        with work.transaction():
            own = [batch.begin_as, clock.now(), clock.now(), batch.by]
            done = bulk.run(f"INSERT INTO listing ({columns}) {sql} WHERE kind IN {kinds} ON CONFLICT DO NOTHING", [*own, *values, at, end])
            made += int(done.rowcount)
            work.save_checkpoint(listed_to=end, made=made)
        at = end
        work.progress(made, would(batch))
        bulk.pause()
    bulk.analyze("listing")
    return {"made": made, "passed_over": max(0, would(batch) - made)}


def _undo(work: Work, batch: ListingBatch) -> dict[str, Any]:
    work.stage("undo", "items")
    first, last = (int(one) for one in bulk.one(
        "SELECT coalesce(min(id), 0), coalesce(max(id), -1) FROM listing WHERE batch_id = ?", [batch.id]
    ))  # fmt: skip
    at, gone, over = first - 1, int(work.checkpoint.get("taken_back", 0)), int(work.checkpoint.get("ended", 0))
    untouched = "version = 1 AND pushed_at IS NULL AND their_id = ''"
    shown = "EXISTS (SELECT 1 FROM channel c WHERE c.id = listing.channel_id AND c.shown_at > listing.created_at) AND state = 'live'"
    while at < last:
        end = min(at + SPAN, last)
        which, scope, now = f"batch_id = ? AND id > ? AND id <= ? AND {untouched}", [batch.id, at, end], clock.now()
        with work.transaction():  # a shop that has a file with it must be told 0 before it may go
            ends = f"UPDATE listing SET state = 'ended', version = version + 1, changed_at = ?, changed_by = ? WHERE {which} AND {shown}"
            over += int(bulk.run(ends, [now, work.run.started_by, *scope]).rowcount)
            gone += int(bulk.run(f"DELETE FROM listing WHERE {which}", scope).rowcount)
            work.save_checkpoint(taken_back=gone, ended=over)
        at = end
        work.progress(gone)
        bulk.pause()
    left = int(bulk.one("SELECT count(*) FROM listing WHERE batch_id = ?", [batch.id])[0])
    kept, made = max(0, left - over), int(batch.counts.get("made", 0))
    return {"taken_back": gone, "ended": over, "kept": kept, "gone": max(0, made - gone - over - kept)}


def erase_removed() -> int:
    """Erase the listings of removed channels, some rows at a time; how many went. The clock calls it."""
    gone = 0
    for channel in Channel.select(Channel.id).where(Channel.state == "removed"):
        some = "DELETE FROM listing WHERE id IN (SELECT id FROM listing WHERE channel_id = ? ORDER BY sku LIMIT ?)"
        while count := int(bulk.run(some, [channel.id, SPAN // 10]).rowcount):
            gone += count
            bulk.pause()
    return gone


_ACTS: Mapping[str, Callable[[Work, ListingBatch], dict[str, Any]]] = {"look": _look, "apply": _apply, "undo": _undo}
