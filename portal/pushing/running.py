"""Run kind push_listings: a channel's store is told price and quantity of what differs; with {"look": True} it is only looked at.

match ─▶ weigh ─▶ too much at once? those wait for a person, the rest goes ─▶ push, a batch at a time
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from portal import channels, clock, connection_parts, connections, runs
from portal.connectors import goods as stores_goods
from portal.connectors.goods import Goods, Ware
from portal.errors import NotFound, Problem, Refused
from portal.leases import Work
from portal.listings import offers
from portal.listings.offers import Offer
from portal.models import Channel, ChannelPush, Listing, ListingPush
from portal.pushing import batches, due, judging, settings, story
from portal.pushing.judging import Guard
from portal.runs import Outcome

KIND = "push_listings"
SAMPLES = 20
READ_AT_ONCE = 500
AGAIN = {"missing": timedelta(days=1), "twice": timedelta(days=1), "refused": timedelta(hours=1)}
"""After so long what the store did not know, or refused, is tried again by itself; a person's run tries it at once."""
INTERRUPTED = "The worker was interrupted with it. The store is read again."
T = TypeVar("T")


@dataclass
class Weighed:
    """What a push would do. `samples`: {"differ", "zero", "moves" or a state: [[SKU, public id, title, units, new, price, new]]}."""

    counts: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[Any]] = field(default_factory=dict)

    def note(self, name: str, offer: Offer, units: int | None = None, price: int | None = None) -> None:
        """Count it there, with a sample of the first."""
        self.counts[name] += 1
        kept = self.samples.setdefault(name, [])
        if len(kept) < SAMPLES:
            kept.append([offer.sku, offer.public_id, offer.title, units, offer.quantity, price, offer.price])


def perform(work: Work) -> Outcome:
    """The run handler. Raises SupplierError where the store cannot be asked, Refused where it is not to be told as things are."""
    if work.source is None:
        raise NotFound("channel")
    channel = channels.of_line(work.source)
    channel.merchant = work.merchant
    push, looks = settings.kept(channel), bool(work.run.settings.get("look"))
    if push.state != "on" and not looks:
        return Outcome("finished", {})
    _same_store(work, channel, push, looks)
    marks = due.marks(channel)
    lost = _close_open(work, channel)
    if not looks and next(_chosen(work, channel, push), None) is None:
        _compared(work, push, marks, {}, lost, push.looked)
        return Outcome("no_change", {})
    with connections.open_for(work.source, work.run.id, operation=channels.PUSH) as connector:
        goods = stores_goods.of(channel.kind, connector)
        goods.progress = lambda *_: work.check_stop()
        _judge_store(work, channel, push, goods)
        _match(work, channel, push, goods, looks)
        weighed = _weigh(work, channel, push)
        if looks:
            return _looked(work, channel, push, weighed)
        guard, held = _guarded(work, push, weighed)
        counts = _push(work, channel, push, goods, guard)
    _compared(work, push, marks, held, counts["doubt"] + lost, {**push.looked, "trouble": story.troubles(channel)})
    return _outcome(counts, held)


def _same_store(work: Work, channel: Channel, push: ChannelPush, looks: bool) -> None:
    """Raises Refused where the connection leads to another store than before: what that one was told says nothing of this one."""
    base = str(connection_parts.whole_settings(channels.line_of(channel)).get("base") or "")
    before = push.looked.setdefault("base", base)
    if before == base:
        return
    with work.transaction():
        settings.forget(channel, push, base)
    if not looks:
        raise Refused("The connection leads to another store than before, so sending was turned off and nothing was sent. "
                      "Look at what it would do in this one, then turn it on again.")  # fmt: skip


def _judge_store(work: Work, channel: Channel, push: ChannelPush, goods: Goods) -> None:
    """Raises Refused where the store has other money, or several places and none was chosen."""
    told = goods.currency().strip().upper()
    if told != channel.currency:
        said = f"The store's prices are in {told}" if told else "The store does not say in which currency its prices are"
        raise Refused(f"{said}, the channel's in {channel.currency}. Nothing is converted, and nothing was sent. "
                      "Change the currency under Prices and units, or connect another store.")  # fmt: skip
    if push.place or not settings.face(channel)["place"]:
        return
    places = goods.places()
    with work.transaction():
        columns: dict[str, Any] = {"looked": {**push.looked, "places": [[one.id, one.name] for one in places]}}
        if len(places) == 1:
            columns |= {"place": places[0].id, "place_name": places[0].name}
        ChannelPush.update(columns).where(ChannelPush.id == push.id).execute()
    for name, value in columns.items():
        setattr(push, name, value)
    if len(places) != 1:
        named = f"The store has {len(places)} locations." if places else "The store has no active location."
        raise Refused(f"{named} Choose under Send to the store at which one units are set. Nothing was sent.")


def _chosen(work: Work, channel: Channel, push: ChannelPush, after: str = "", everything: bool = False) -> Iterator[Offer]:
    """Offers of which the store was told otherwise, by Listing SKU, less what it did not take not long ago. `everything`: those too."""
    by_hand = everything or runs.is_by_hand(work.run)
    wanted = (one for one in offers.offers(channel, changed=True, after=after) if _differs(one, push))
    for some in _chunks(wanted, READ_AT_ONCE):
        rows = Listing.select(Listing.id, Listing.push_state, Listing.asked_at).where(Listing.id << [one.id for one in some])
        stands = {row.id: (row.push_state, row.asked_at) for row in rows}
        yield from (one for one in some if by_hand or not _rests(*stands.get(one.id, ("", None))))


def _differs(offer: Offer, push: ChannelPush) -> bool:
    """As Offer.differs, but for prices that are not sent, or that are none."""
    price = bool(push.prices) and offer.price is not None and offer.price != offer.pushed_price
    return offer.pushed_quantity is None or offer.quantity != offer.pushed_quantity or price


def _rests(state: str, asked_at: datetime | None) -> bool:
    return state in AGAIN and asked_at is not None and clock.now() < asked_at + AGAIN[state]


def _match(work: Work, channel: Channel, push: ChannelPush, goods: Goods, everything: bool) -> None:
    """Find what the store has under the SKUs of listings that it was never asked for; of a look, of all."""
    work.stage("match", "items")
    done = 0
    unknown = (one for one in _chosen(work, channel, push, everything=everything) if everything or not one.their_id)
    for some in _chunks(unknown, goods.most):
        wares = batches.look(goods, push, some)
        with work.transaction():
            for offer in some:
                Listing.update(_found(offer, wares.get(offer.sku))).where(Listing.id == offer.id).execute()
        done += len(some)
        work.progress(done)


def _found(offer: Offer, ware: Ware | None) -> dict[str, Any]:
    state = batches.unusable(ware)
    if state is not None or ware is None:
        name, said = state(offer.sku)
        return {"their_id": "", "asked_at": clock.now(), "push_state": name, "push_said": said[:300]}
    return {**batches.seen_as(ware), "push_state": "refused" if ware.barred else "", "push_said": ware.barred[:300]}


def _weigh(work: Work, channel: Channel, push: ChannelPush) -> Weighed:
    """Count what would change, by what each listing has in the store as far as we know."""
    work.stage("weigh", "items")
    weighed, every = Weighed(), Guard(True, True, push.move)
    mine = Listing.select().where(Listing.channel == channel.id)
    weighed.counts |= Counter(
        listings=mine.where(Listing.state << offers.OFFERED).count(), live=mine.where(Listing.state == "live").count()
    )
    names = (Listing.id, Listing.push_state, Listing.store_price, Listing.store_quantity, Listing.their_id)
    for some in _chunks(_chosen(work, channel, push, everything=True), READ_AT_ONCE):
        rows = {row.id: row for row in Listing.select(*names).where(Listing.id << [one.id for one in some])}
        for offer in some:
            if (row := rows.get(offer.id)) is not None:
                _weigh_one(weighed, push, every, offer, row)
        work.progress(sum(weighed.counts[name] for name in ("differ", "missing", "twice")))
    return weighed


def _weigh_one(weighed: Weighed, push: ChannelPush, every: Guard, offer: Offer, row: Listing) -> None:
    if row.push_state in ("missing", "twice", "refused"):
        weighed.note(row.push_state, offer)
    if not row.their_id:
        return
    barred = row.push_state == "refused" and row.store_quantity is None
    price = offer.price if push.prices else None
    wanted = judging.wanted(0 if barred else row.store_quantity, row.store_price, 0 if barred else offer.quantity, price, Guard())
    if wanted.nothing:
        return
    told = (offer, row.store_quantity, row.store_price)
    weighed.note("differ", *told)
    if wanted.units is not None and offer.state == "live" and judging.falls(row.store_quantity, wanted.units):
        weighed.note("zero", *told)
    if judging.leaps(row.store_price, wanted.price, every.move):
        weighed.note("moves", *told)


def _looked(work: Work, channel: Channel, push: ChannelPush, weighed: Weighed) -> Outcome:
    with work.transaction():
        told = {**push.looked, "counts": dict(weighed.counts), "samples": weighed.samples, "trouble": story.troubles(channel)}
        ChannelPush.update(looked=told, looked_at=clock.now()).where(ChannelPush.id == push.id).execute()
    return Outcome("finished", {name: weighed.counts[name] for name in ("listings", "differ", "missing", "twice", "refused")})


def _guarded(work: Work, push: ChannelPush, weighed: Weighed) -> tuple[Guard, dict[str, Any]]:
    """What is held of this push, and what is kept of that for a person, {} for nothing."""
    let = work.run.settings.get("released") or {}
    over = {
        name: judging.trips(weighed.counts[name], weighed.counts["live"], push.share, push.least)
        and weighed.counts[name] > let.get(name, 0)
        for name in ("zero", "moves")
    }
    guard = Guard(over["zero"], over["moves"], push.move)
    if not any(over.values()):
        return guard, {}
    counts = {name: weighed.counts[name] if over[name] else 0 for name in over}
    before = ChannelPush.get_by_id(push.id).held
    left = before.get("left_by") if all(counts[name] <= int(before.get(name, 0)) for name in counts) else ""
    samples = {name: weighed.samples.get(name, []) for name in over if over[name]}
    told = {**counts, "live": weighed.counts["live"], "samples": samples, "run": work.run.number, "at": clock.now().isoformat()}
    return guard, {**told, "left_by": left or ""}


def _push(work: Work, channel: Channel, push: ChannelPush, goods: Goods, guard: Guard) -> Counter[str]:
    work.stage("push", "items")
    counts = Counter[str](work.checkpoint.get("pushed", {}))
    batch = batches.Batch(work, channel, push, goods, guard)
    for some in _chunks(_chosen(work, channel, push, after=work.checkpoint.get("pushed_to", "")), goods.most):
        counts += batch.run([one.id for one in some])
        work.save_checkpoint(pushed_to=some[-1].sku, pushed=dict(counts))
        work.save(counts=dict(counts))
        work.progress(sum(counts.values()))
    return counts


def _compared(
    work: Work, push: ChannelPush, marks: dict[str, Any], held: dict[str, Any], doubts: int, looked: dict[str, Any]
) -> None:  # fmt: skip
    """All offers were compared as of `marks`; what is in doubt is looked at once more."""
    with work.transaction():
        columns = {**marks, "due_at": clock.now() + batches.SETTLE if doubts else None, "held": held, "looked": looked}
        ChannelPush.update(columns).where(ChannelPush.id == push.id, ChannelPush.state == "on").execute()


def _outcome(counts: Counter[str], held: dict[str, Any]) -> Outcome:
    if held and not held["left_by"]:
        told = [f"{held['zero']:,} would fall to 0 units"] if held["zero"] else []
        told += [f"{held['moves']:,} prices would move far"] if held["moves"] else []
        body = f"Of {held['live']:,} live listings {' and '.join(told)}. Those wait for you; the rest was sent."
        code = "zeroed" if held["zero"] else "prices_moved"
        return Outcome("held", dict(counts), Problem(code, "Too much would change at once", body))
    bad = sum(counts[name] for name in ("refused", "missing", "twice", "doubt"))
    return Outcome("warnings" if bad else "finished" if counts["sent"] else "no_change", dict(counts))


def _close_open(work: Work, channel: Channel) -> int:
    """Sends that a worker died with, how many: their end is not known until the store is read again."""
    mine = Listing.select(Listing.id).where(Listing.channel == channel.id)
    with work.transaction():
        told = ListingPush.update(outcome="unknown", said=INTERRUPTED)
        return int(told.where(ListingPush.outcome == "", ListingPush.listing << mine).execute())


def _chunks(found: Iterable[T], size: int) -> Iterator[Sequence[T]]:
    rest = iter(found)
    while some := list(islice(rest, size)):
        yield some
