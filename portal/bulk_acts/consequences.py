"""What an act would meet, counted now: for its confirm page, and the items themselves as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from portal import clock
from portal.bulk_acts.deleting import OPEN
from portal.fields import INVENTORY_FIELDS
from portal.inventory import counted, export
from portal.models import BulkAct, InventoryItem, Product, ProductLink, Source, bulk

COUNTED_AT_ONCE = 50_000
"""Items that a page counts before it answers; of more it shows what was counted when they were chosen."""

CHUNK = 2_000
_HERE = """FROM bulk_item b JOIN inventory_item i ON i.id = b.item_id JOIN source s ON s.id = i.source_id
    WHERE b.act_id = ? AND i.added_at <= ? AND s.state <> 'deleted'"""
_LINKED = "EXISTS (SELECT 1 FROM product_link l WHERE l.item_id = i.id)"
_LISTED = """EXISTS (SELECT 1 FROM product_link l JOIN listing g ON g.product_id = l.product_id
    WHERE l.item_id = i.id AND g.state = 'live')"""
_PINNED = "EXISTS (SELECT 1 FROM item_pin p WHERE p.item_id = i.id)"


@dataclass(frozen=True)
class Met:
    """Items of an act, each number of all that are `here`: `changed` since they were chosen, `stocked` with a quantity, `requested`
    by open fulfillment requests, `listed` where a live listing offers its product.
    `at`: when that was counted. The rest of `chosen` is gone.
    """

    chosen: int
    here: int
    sources: int
    changed: int
    stocked: int
    archived: int
    excluded: int
    waiting: int
    linked: int
    pinned: int
    requested: int
    listed: int
    at: datetime

    @property
    def gone(self) -> int:
        """Items that are not here any more."""
        return self.chosen - self.here

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self) | {"at": self.at.isoformat()}


def of(act: BulkAct) -> Met:
    """Counted now; of very many items as it was when they were chosen."""
    told = act.options.get("met")
    if told is not None and act.counts.get("chosen", 0) > COUNTED_AT_ONCE:
        return Met(**{"listed": 0, **told, "at": datetime.fromisoformat(told["at"])})
    return count(act)


def count(act: BulkAct) -> Met:
    """Counted now, however many they are."""
    now = act.chosen_at or clock.now()
    flags = (
        "i.changed_at > ?", "i.quantity > 0", "i.archived_at IS NOT NULL", f"i.kept_out = {counted.EXCLUDED}",
        f"i.kept_out = {counted.WAITING}", _LINKED, _PINNED, OPEN, _LISTED,
    )  # fmt: skip
    sums = ", ".join(f"coalesce(sum(CASE WHEN {flag} THEN 1 ELSE 0 END), 0)" for flag in flags)
    found = bulk.one(f"SELECT count(*), count(DISTINCT i.source_id), {sums} {_HERE}", (now, act.id, now))
    numbers = [int(one) for one in found]
    return Met(int(act.counts.get("chosen", 0)), *numbers, clock.now())  # type: ignore[arg-type,call-arg]


def names(act: BulkAct, most: int = 5) -> list[str]:
    """The names of the first sources that its items are of."""
    sql = f"SELECT DISTINCT s.name {_HERE} ORDER BY s.name LIMIT {most}"
    return [name for (name,) in bulk.run(sql, (act.id, act.chosen_at or clock.now())).fetchall()]


def csv(act: BulkAct) -> Iterator[str]:
    """The items that were chosen and are still here, in the order in which they came: all their fields, source, Master SKU, state."""
    labels = [field.label for field in INVENTORY_FIELDS]
    yield export.line(["Source", *labels, "Warehouses", "Custom fields", "Master SKU", "State", "Changed"])
    after = 0
    while items := _next(act, after):
        ids = [item.id for item in items]
        links = ProductLink.select(ProductLink, Product).join(Product).where(ProductLink.item << ids)
        masters = {one.item_id: one.product.sku for one in links}
        for item in items:
            columns = [export.shown(field.key, getattr(item, field.key)) for field in INVENTORY_FIELDS]
            more = [export.shown(name, getattr(item, name)) for name in ("warehouses", "custom")]
            changed = f"{item.changed_at:%Y-%m-%d %H:%M:%S}"
            yield export.line([item.source.name, *columns, *more, masters.get(item.id, ""), _state(item), changed])
        after = ids[-1]


def _next(act: BulkAct, after: int) -> list[InventoryItem]:
    sql = f"SELECT i.id {_HERE} AND b.item_id > ? ORDER BY b.item_id LIMIT {CHUNK}"
    ids = [one for (one,) in bulk.run(sql, (act.id, act.chosen_at, after)).fetchall()]
    rows = InventoryItem.select(InventoryItem, Source).join(Source).where(InventoryItem.id << ids)
    return list(rows.order_by(InventoryItem.id)) if ids else []


def _state(item: InventoryItem) -> str:
    if item.archived_at is not None:
        return "Archived"
    kept: dict[int, str] = {counted.EXCLUDED: "Excluded", counted.WAITING: "Waits for room in the plan"}
    return kept.get(item.kept_out) or ("Missing from the last file" if item.missing_since is not None else "")
