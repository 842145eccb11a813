"""Some listings at a time: what the store has is read, what differs is journaled and set, and what nobody saw the end of is read again.

read ─▶ differs? no: it has it │ yes ─▶ journal ─▶ still ours? ─▶ set ─▶ sent · refused │ not known, not sent ─▶ read … (TURNS)

Values are absolute and reckoned anew each time, and nothing leaves once another worker has the run: an older push never writes over
a newer one.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from portal import clock, failpoints
from portal.channels.telling import BLAMED
from portal.connectors import waits
from portal.connectors.goods import PRICE, UNITS, Change, Ends, Goods, Ware
from portal.connectors.sending import Sent, TooLate
from portal.connectors.spool import wait
from portal.errors import Problem, SupplierError
from portal.leases import LostLease, Work
from portal.listings import offers
from portal.listings.offers import Offer
from portal.models import Channel, ChannelPush, Listing, ListingPush
from portal.pushing import judging
from portal.pushing.judging import Guard, Wanted

TURNS = 3
FRESH = 30.0
"""Seconds from reading the store to the first byte of what is set; a worker that slept longer sets nothing, it reads anew."""
SETTLE = timedelta(minutes=7)
"""After a send whose end nobody saw the store is looked at once more: longer than a request can be on its way."""
WORST = ("unknown", "not_sent", "refused", "sent")
TWICE = "The store has this SKU on several of its goods, so we cannot tell which is meant."
SEEN = "No whole answer came. The store was read again, and has it."
LOST = "No whole answer came, and the store did not have it when it was read again. It is looked at once more."

UNKNOWN = Problem(
    "connection_lost", "No whole answer came from the store", "It was asked to set units or prices, was read again, and does not have them."
)


@dataclass
class Batch:
    """One channel's push under way. `guard`: what is held."""

    work: Work
    channel: Channel
    push: ChannelPush
    goods: Goods
    guard: Guard
    states: dict[int, str] = field(default_factory=dict)
    doubted: dict[int, int] = field(default_factory=dict)  # listing -> the row of its journal that is not known yet
    sent: set[int] = field(default_factory=set)
    young: set[int] = field(default_factory=set)  # in doubt since an earlier try, of which something may still be on its way

    def run(self, ids: Sequence[int]) -> Counter[str]:
        """Set these listings; how many ended how, by keys of PUSH_LABELS. Raises SupplierError where all others would fare the same."""
        self.states, self.doubted, self.sent, self.young = {}, {}, set(), _young(ids)
        left, problem = list(ids), None
        for turn in range(TURNS):
            if turn:
                wait(waits.back_off(turn, random.random()), self.goods.progress, None)  # noqa: S311
            left, problem = self._turn(left)
            if not left:
                break
        for one in left:
            self._note(one, "doubt", LOST if one in self.doubted else _words(problem), pushed_quantity=None)
        counts = Counter("sent" if state == "sent" and one in self.sent else state for one, state in self.states.items())
        if problem is not None and left and len(left) == len(self.states):
            raise SupplierError(problem)
        counts["unchanged"] = sum(state == "sent" and one not in self.sent for one, state in self.states.items())
        counts["sent"] -= counts["unchanged"]
        return +counts

    def _turn(self, ids: Sequence[int]) -> tuple[list[int], Problem | None]:
        """One reading and setting; what is to be read again, and why."""
        began, at = time.monotonic(), clock.now()
        found = offers.of_ids(self.channel, ids)
        wares = look(self.goods, self.push, found)
        changes: dict[int, tuple[Offer, Ware, Wanted]] = {}
        with self.work.transaction():
            for offer in found:
                ware = wares.get(offer.sku)
                wanted = self._judged(offer, ware)
                if wanted is not None and ware is not None:
                    changes[offer.id] = (offer, ware, wanted)
            rows = {one: self._journal(*change) for one, change in changes.items()}
        if not changes:
            return [], None
        ends = self._set([Change(ware, wanted.units, wanted.price) for _, ware, wanted in changes.values()], began, at)
        return self._ended(changes, rows, ends)

    def _judged(self, offer: Offer, ware: Ware | None) -> Wanted | None:
        """What is to be set for it; None where that is settled."""
        if state := unusable(ware):
            self._note(offer.id, *state(offer.sku), their_id="", asked_at=clock.now())
            return None
        assert ware is not None
        wanted = differing(self.push, self.guard, offer, ware)
        seen = seen_as(ware)
        if not wanted.nothing:
            Listing.update(seen).where(Listing.id == offer.id).execute()
            return wanted
        told: dict[str, Any] = {} if ware.barred or wanted.held else {"pushed_quantity": offer.quantity}
        told |= {"pushed_price": offer.price} if self._tells_price(ware) and not wanted.held else {}
        if offer.id in self.doubted or offer.id in self.young:
            ListingPush.update(outcome="sent", said=SEEN).where(ListingPush.id == self.doubted.pop(offer.id, 0)).execute()
            self._doubtless(offer.id, {**seen, **told})
            return None
        barred = self._barred(ware)
        state = "held" if wanted.held else "refused" if barred else "sent"
        self._note(offer.id, state, barred if state == "refused" else "", **seen, **told, **({"pushed_at": clock.now()} if told else {}))
        return None

    def _tells_price(self, ware: Ware) -> bool:
        return bool(self.push.prices) and not ware.priceless

    def _barred(self, ware: Ware) -> str:
        """Why a part of it can never be set, in words."""
        return ware.barred or (ware.priceless if self.push.prices else "")

    def _doubtless(self, listing: int, columns: Mapping[str, Any]) -> None:
        """It stands there now; what else is on its way may still come, so it is read once more later."""
        self.sent.add(listing)
        self._note(listing, "doubt", SEEN, **{**columns, "pushed_quantity": None, "pushed_at": clock.now()})

    def _journal(self, offer: Offer, ware: Ware, wanted: Wanted) -> int:
        units = {"old_quantity": ware.units, "new_quantity": wanted.units} if wanted.units is not None else {}
        price = {"old_price": ware.price, "new_price": wanted.price} if wanted.price is not None else {}
        made = ListingPush.create(listing=offer.id, run_id=self.work.run.id, at=clock.now(), **units, **price)
        return int(made.id)

    def _set(self, changes: Sequence[Change], began: float, at: datetime) -> Ends:
        failpoints.reach("push-leaving")
        self.goods.caller.leaving = lambda: self._check_still_ours(began, at)
        try:
            return self.goods.set(changes, self.push.place)
        finally:
            self.goods.caller.leaving = lambda: None
            failpoints.reach("push-answered")

    def _check_still_ours(self, began: float, at: datetime) -> None:
        """The last moment before a byte is written. Raises TooLate: whoever was taken over, or slept, or was switched off, sets nothing."""
        failpoints.reach("push-connected")
        try:
            with self.work.transaction():
                on = ChannelPush.select().where(ChannelPush.id == self.push.id, ChannelPush.state == "on").exists()
        except LostLease as error:
            raise TooLate("units and prices were set; another worker does it now") from error
        slept = max(time.monotonic() - began, (clock.now() - at).total_seconds())  # the machine itself may sleep
        if not on or slept > FRESH:
            raise TooLate("units and prices were set")

    def _ended(
        self, changes: Mapping[int, tuple[Offer, Ware, Wanted]], rows: Mapping[int, int], ends: Ends
    ) -> tuple[list[int], Problem | None]:  # fmt: skip
        left: list[int] = []
        problem: Problem | None = None
        with self.work.transaction():
            for one, (offer, ware, wanted) in changes.items():
                parts = {part: ends[ware.their_id, part] for part in (UNITS, PRICE) if (ware.their_id, part) in ends}
                worst = min(parts.values(), key=lambda sent: WORST.index(sent.outcome), default=Sent("not_sent", ""))
                said = "" if worst.outcome == "sent" else UNKNOWN.headline if worst.outcome == "unknown" else _words(worst.problem)
                ListingPush.update(outcome=worst.outcome, said=said).where(ListingPush.id == rows[one]).execute()
                if worst.outcome in ("unknown", "not_sent"):
                    left.append(one)
                    problem = UNKNOWN if worst.outcome == "unknown" else worst.problem or problem
                    if worst.outcome == "unknown":
                        self.doubted[one] = rows[one]
                    continue
                self._settled(offer, ware, wanted, parts, said)
        if problem is not None and problem.code in BLAMED:
            raise SupplierError(problem, permanent=True)
        return left, problem

    def _settled(self, offer: Offer, ware: Ware, wanted: Wanted, parts: Mapping[str, Sent], said: str) -> None:
        """The store answered for every part of it."""
        taken = {part for part, sent in parts.items() if sent.outcome == "sent"}
        columns: dict[str, Any] = {"pushed_at": clock.now()} if taken else {}
        same_units = wanted.units is None and not ware.barred and ware.units == offer.quantity
        if UNITS in taken or same_units:
            columns |= {"pushed_quantity": offer.quantity, "store_quantity": offer.quantity}
        if PRICE in taken or (wanted.price is None and not wanted.held and self._tells_price(ware)):
            columns |= {"pushed_price": offer.price} | ({"store_price": offer.price} if PRICE in taken else {})
        if taken:
            self.sent.add(offer.id)
        if (self.doubted.pop(offer.id, None) or offer.id in self.young) and len(taken) == len(parts):
            self._doubtless(offer.id, columns)
            return
        said = said or self._barred(ware)
        self._note(offer.id, "refused" if said else "held" if wanted.held else "sent", said, **columns)

    def _note(self, listing: int, state: str, said: str, **columns: Any) -> None:
        self.states[listing] = state
        Listing.update(push_state=state, push_said=said[:300], **columns).where(Listing.id == listing).execute()


def _young(ids: Sequence[int]) -> set[int]:
    doubts = (Listing.push_state == "doubt") & (Listing.asked_at > clock.now() - SETTLE)
    return {row.id for row in Listing.select(Listing.id).where(Listing.id << list(ids), doubts)}


def look(goods: Goods, push: ChannelPush, found: Sequence[Offer]) -> dict[str, Ware]:
    """{Listing SKU: what the store has under it} of those that it knows. Raises SupplierError."""
    return {one.sku: one for one in goods.read({offer.sku: offer.their_id for offer in found}, push.place)} if found else {}


def seen_as(ware: Ware) -> dict[str, Any]:
    """Columns of a listing: what the store has of it."""
    units = None if ware.barred else ware.units
    return {"their_id": ware.their_id, "store_price": ware.price, "store_quantity": units, "asked_at": clock.now()}


def unusable(ware: Ware | None) -> Any:
    """None where it can be set; else what gives (its state, in words) for a SKU."""
    if ware is None:
        return lambda sku: ("missing", f"The store has no SKU {sku}.")
    if ware.twice:
        return lambda _: ("twice", TWICE)
    return None if ware.their_id else lambda _: ("refused", ware.barred)


def differing(push: ChannelPush, guard: Guard, offer: Offer, ware: Ware) -> Wanted:
    """The parts of it that are to be set."""
    price = offer.price if push.prices and not ware.priceless else None
    if offer.state != "live":
        guard = replace(guard, zero=False)  # 0 is what a person wants of it
    if ware.barred:
        return judging.wanted(0, ware.price, 0, price, guard)
    return judging.wanted(ware.units, ware.price, offer.quantity, price, guard)


def _words(problem: Problem | None) -> str:
    return f"{problem.headline}. {problem.body}"[:300] if problem else "It did not say why."
