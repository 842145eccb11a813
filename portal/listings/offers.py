"""What a channel offers: price and quantity of each listing, set-wise, a chunk at a time. Pages, export, feed and push all read this.

listings of the chunk ─▶ items behind them that count ─▶ sums ─▶ rule (portal.listings.reckoning says the same of one) ─▶ Offer
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from portal import clock
from portal.fields import MONEY_SCALE
from portal.inventory import counted
from portal.listings import rules as listing_rules
from portal.listings.reckoning import CENT, MOST_UNITS
from portal.listings.rules import FACTOR_SCALE, MOST_PRICE, TO_THE_CENT, Rules
from portal.models import Channel, bulk

CHUNK = 2_000
OFFERED = ("live", "paused")
"""States of listings that a shop is told of; an ended one only for so long as its 0 units may be news to a shop."""
DAYS_AFTER_END = 7
"""How long an ended listing stays in the file with 0 units, at least until a file was fetched that said so: a shop that fetches keeps
selling what merely disappears."""


class Offer(NamedTuple):
    """A listing as the channel offers it. `price`, `map_price`, `own_price`, `pushed_price`: ten-thousandths of the channel's currency.

    `price` is None where there is none; `quantity` is 0 then, and of a listing that is not live. `items`: how many count behind it.
    `foreign`: 1 where a counting item has a cost in another currency, which is not used; `foreign_map` the same of a MAP.
    """

    id: int
    public_id: str
    sku: str
    title: str
    price: int | None
    quantity: int
    state: str
    map_price: int | None
    own_price: int | None
    items: int
    foreign: int
    foreign_map: int
    master_sku: str
    product: str
    brand: str
    gtin: str
    mpn: str
    images: str | None
    their_id: str
    pushed_price: int | None
    pushed_quantity: int | None

    @property
    def is_below_map(self) -> bool:
        """Whether its price is below the lowest that a source allows to advertise."""
        return self.price is not None and self.map_price is not None and self.price < self.map_price

    @property
    def differs(self) -> bool:
        """Whether the store was told another price or quantity, or none yet."""
        return self.pushed_quantity is None or self.quantity != self.pushed_quantity or self.price != self.pushed_price


def offers(channel: Channel, states: Collection[str] = OFFERED, changed: bool = False, after: str = "") -> Iterator[Offer]:
    """Every listing of those states by Listing SKU, in bounded memory, and those that ended within DAYS_AFTER_END, or of which the shop,
    or the store, was not told since, which have 0 units.

    `changed`: only those of which the store was told otherwise.
    """
    rules = listing_rules.of(channel)
    marks = ", ".join("?" for _ in states)
    told = f"(l.state IN ({marks}) OR (l.state = 'ended' AND (l.changed_at > ? OR l.pushed_quantity > 0)))"
    which = f"l.channel_id = ? AND l.sku > ? AND {told} ORDER BY l.sku LIMIT {CHUNK}"
    ended = clock.now() - timedelta(days=DAYS_AFTER_END)
    shown = Channel.select(Channel.shown_at).where(Channel.id == channel.id).scalar()
    ended = min(ended, shown) if shown is not None else ended
    while found := of_chunk(rules, f"SELECT l.id FROM listing l WHERE {which}", [channel.id, after, *states, ended]):
        yield from (one for one in found if one.differs or not changed)
        if len(found) < CHUNK:
            return
        after = found[-1].sku


def of_ids(channel: Channel, ids: Sequence[int], rules: Rules | None = None) -> list[Offer]:
    """The offers of some listings, in the order of their ids' list. `rules`: others than the channel's, for a preview."""
    if not ids:
        return []
    marks = ", ".join("?" for _ in ids)
    chosen = f"SELECT l.id FROM listing l WHERE +l.channel_id = ? AND l.id IN ({marks})"  # the plus keeps SQLite from that index
    found = {one.id: one for one in of_chunk(rules or listing_rules.of(channel), chosen, [channel.id, *ids])}
    return [found[one] for one in ids if one in found]


def of_chunk(rules: Rules, chosen: str, params: Sequence[Any]) -> list[Offer]:
    """The offers of the listings whose ids the SQL `chosen` gives, by Listing SKU. A few thousand at most."""
    return [Offer(*row) for row in bulk.run(statement(rules, chosen), [*params, rules.currency]).fetchall()]


def statement(rules: Rules, chosen: str) -> str:
    """The SQL of `of_chunk`; its last parameter is the currency. Amounts of the rule stand in it as whole numbers."""
    price, units = rules.price, rules.quantity
    cost = {"highest": "z.most", "lowest": "z.least", "stocked": "coalesce(z.stocked, CASE WHEN z.best = 0 THEN z.least END)"}[
        price.cost_of
    ]
    found = "z.best" if units.of == "best" else "z.total"
    return f"""
        WITH page AS MATERIALIZED ({chosen}), behind AS MATERIALIZED (
            SELECT g.id, 1 AS one, i.cost, i.map_price, CASE WHEN s.currency = ? THEN 1 ELSE 0 END AS same,
                CASE WHEN s.allow_backorders THEN 1 ELSE 0 END AS waits,
                coalesce(i.quantity, 0) - coalesce((SELECT sum(c.quantity) FROM committed_stock c
                    WHERE c.source_id = i.source_id AND c.sku = i.sku AND c.quantity > 0), 0) AS spare
            FROM page g JOIN listing l ON l.id = g.id JOIN product_link k ON k.product_id = l.product_id
            JOIN inventory_item i ON i.id = k.item_id JOIN source s ON s.id = k.source_id
            WHERE {COUNTS}
            UNION ALL SELECT g.id, 0, NULL, NULL, 0, 0, 0 FROM page g
        ), bounded AS (
            SELECT id, one, cost, map_price, same, waits, {_between("spare", 0, MOST_UNITS)} AS spare FROM behind
        ), sums AS (
            SELECT id, {_whole("sum(one)")} AS items, {
        _between("sum(spare)", 0, MOST_UNITS)
    } AS total, max(spare) AS best, max(waits) AS waits,
                min(CASE WHEN same = 1 AND cost > 0 THEN cost END) AS least, max(CASE WHEN same = 1 AND cost > 0 THEN cost END) AS most,
                min(CASE WHEN same = 1 AND cost > 0 AND spare > 0 THEN cost END) AS stocked,
                max(CASE WHEN same = 1 AND map_price > 0 THEN map_price END) AS floor,
                max(CASE WHEN same = 0 AND cost > 0 THEN 1 ELSE 0 END) AS abroad,
                max(CASE WHEN same = 0 AND map_price > 0 THEN 1 ELSE 0 END) AS far
            FROM bounded GROUP BY id
        ), raw AS (
            SELECT z.id, z.items, z.abroad, z.far, z.floor, {_price(price.factor, price.amount, cost)} AS made, {found} AS spare, z.waits
            FROM sums z
        ), floored AS (
            SELECT id, items, abroad, far, floor, spare, waits, {_floored(price.map_floor)} AS made FROM raw
        ), ended AS (
            SELECT id, items, abroad, far, floor, spare, waits, {_ended(rules.ending, price.map_floor)} AS made FROM floored
        ), told AS (
            SELECT l.*, e.items, e.abroad, e.far, e.floor, e.waits, e.spare - coalesce(l.buffer, {int(units.buffer)}) AS rest,
                coalesce(l.cap, {int(MOST_UNITS if units.cap is None else units.cap)}) AS top,
                coalesce(l.price, CASE WHEN e.made BETWEEN {CENT} AND {MOST_PRICE} THEN e.made END) AS worth
            FROM ended e JOIN listing l ON l.id = e.id
        ), counted AS (
            SELECT t.*, CASE WHEN t.waits = 1 AND t.rest < {int(units.backorder)} THEN {int(units.backorder)}
                WHEN t.rest < 0 THEN 0 ELSE t.rest END AS units FROM told t
        )
        SELECT t.id, t.public_id, t.sku, coalesce(t.title, p.title), t.worth, {
        _whole("CASE WHEN t.state <> 'live' OR t.worth IS NULL THEN 0 WHEN t.units > t.top THEN t.top ELSE t.units END")
    },
            t.state, t.floor, t.price, t.items, t.abroad, t.far, p.sku, p.public_id, p.brand, p.gtin, p.mpn, p.images, t.their_id,
            t.pushed_price, t.pushed_quantity
        FROM counted t JOIN product p ON p.id = t.product_id ORDER BY t.sku
    """


COUNTS = f"{counted.sql('i')} AND i.missing_since IS NULL AND s.state = 'live'"
"""The condition that an item `i` of a source `s` counts for price and quantity; `detail.left_out` says the same in words."""


def _whole(value: str) -> str:
    return f"CAST({value} AS BIGINT)"  # what a database sums may come as another kind of number


def _between(value: str, low: int, high: int) -> str:
    return _whole(f"CASE WHEN {value} < {low} THEN {low} WHEN {value} > {high} THEN {high} ELSE {value} END")


def _price(factor: int, amount: int, cost: str) -> str:
    """cost × factor + amount, a half of a ten-thousandth up; in two parts, as the product alone may pass 64 bits."""
    if not factor:
        return "CAST(NULL AS BIGINT)"
    millions = f"(({cost}) / {FACTOR_SCALE})"
    rest = f"(({cost}) - {millions} * {FACTOR_SCALE})"
    return f"{millions} * {_big(factor)} + ({rest} * {_big(factor)} + {FACTOR_SCALE // 2}) / {FACTOR_SCALE} + {_big(amount)}"


def _big(number: int) -> str:
    return f"CAST({int(number)} AS BIGINT)"


def _floored(used: bool) -> str:
    """None where a MAP is in another currency: whatever is made could be below it."""
    return "CASE WHEN far = 1 THEN NULL WHEN floor > made THEN floor ELSE made END" if used else "made"


def _ended(ending: int, floor: bool) -> str:
    """As `reckoning.rounded`; nothing here is below 0."""
    if ending == TO_THE_CENT:
        value, up = f"(made + {CENT // 2}) / {CENT} * {CENT}", f"(floor + {CENT - 1}) / {CENT} * {CENT}"
        return f"CASE WHEN {value} < floor THEN {up} ELSE {value} END" if floor else value
    end = int(ending) * CENT
    return f"(made + {MONEY_SCALE - 1 - end}) / {MONEY_SCALE} * {MONEY_SCALE} + {end}"
