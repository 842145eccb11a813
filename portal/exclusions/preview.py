"""What a rule would do before it is saved, counted now: who goes out, what hangs on them, and who comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from portal.bulk_acts.deleting import OPEN
from portal.exclusions import conditions, keeping, room
from portal.inventory import counted
from portal.inventory.counted import EXCLUDED
from portal.models import Exclusion, InventoryItem, Merchant, Source, bulk

SAMPLES = 20
COUNTED_AT_ONCE = 200_000
"""Items that a form counts at each change; of more it counts when it is asked to."""

_OF = "FROM inventory_item i JOIN source s ON s.id = i.source_id WHERE i.merchant_id = ? AND s.state <> 'deleted'"
_LINKED = "EXISTS (SELECT 1 FROM product_link l WHERE l.item_id = i.id)"
_LISTED = """EXISTS (SELECT 1 FROM product_link l JOIN listing g ON g.product_id = l.product_id
    WHERE l.item_id = i.id AND g.state = 'live')"""


@dataclass(frozen=True)
class Preview:
    """Numbers of items. `fits`: that the rule means; `out`: of them, that it would keep out and nothing does yet; `others`: that another
    rule keeps out already. Of `out`: `archived`, `requested` by open fulfillment requests, `listed` live on a channel, `linked`.

    `back`: that it keeps out now and that then come back, of which `wait` find no room in the plan.
    """

    fits: int = 0
    out: int = 0
    others: int = 0
    archived: int = 0
    requested: int = 0
    listed: int = 0
    linked: int = 0
    back: int = 0
    wait: int = 0


def of(merchant: Merchant, draft: Exclusion | None, rule: Exclusion | None = None) -> Preview:
    """What saving `draft` would do in the place of `rule`, None for a new one. `draft` None: what pausing or deleting `rule` would do."""
    told: list[int] = [0] * 7
    if draft is not None:
        sql, values = conditions.fits(draft)
        fresh = f"i.kept_out <> {EXCLUDED}"
        flags = (
            fresh, f"i.kept_out = {EXCLUDED} AND i.exclusion_id <> {int(rule.id) if rule else 0}",
            *(f"{fresh} AND {one}" for one in ("i.archived_at IS NOT NULL", OPEN, _LISTED, _LINKED)),
        )  # fmt: skip
        sums = ", ".join(f"coalesce(sum(CASE WHEN {flag} THEN 1 ELSE 0 END), 0)" for flag in flags)
        told = [int(one) for one in bulk.one(f"SELECT count(*), {sums} {_OF} AND {sql}", (merchant.id, *values))]
    back = _back(merchant, draft, rule) if rule is not None else 0
    free = room.left(merchant.id)
    gone = told[1] - told[3]
    wait = 0 if free is None else min(back, max(0, counted.of_merchant(merchant.id).waiting + back - free - gone))
    fits, out, others, archived, requested, listed, linked = told
    return Preview(fits, out, others, archived, requested, listed, linked, back, wait)


def draft_of(merchant: Merchant, source: Source | None, definition: Any, rule: Exclusion | None = None) -> Exclusion:
    """A rule that is not saved. Of a list of SKUs, that list."""
    if rule is not None and rule.kind == "skus":
        return rule
    return Exclusion(merchant=merchant, source=source, kind="rule", definition=definition)


def samples(merchant: Merchant, draft: Exclusion) -> list[InventoryItem]:
    """Some of the items that it would keep out and nothing does yet."""
    sql, values = conditions.fits(draft)
    found = bulk.run(f"SELECT i.id {_OF} AND i.kept_out <> {EXCLUDED} AND {sql} LIMIT {SAMPLES}", (merchant.id, *values)).fetchall()
    return _items([row[0] for row in found])


def kept(rule: Exclusion, after: int = 0, size: int = 50) -> tuple[list[InventoryItem], int]:
    """(items that the rule keeps out, in the order in which they came; behind which the next page begins, 0 for the last)."""
    some = f"SELECT id FROM inventory_item WHERE kept_out = {EXCLUDED} AND exclusion_id = ? AND id > ? ORDER BY id LIMIT ?"
    ids = [row[0] for row in bulk.run(some, (rule.id, after, size + 1)).fetchall()]
    return _items(ids[:size]), ids[size - 1] if len(ids) > size else 0


def fitting(item: InventoryItem) -> list[Exclusion]:
    """Every rule that is on and means the item, in their order: the first one keeps it out."""
    found = []
    for rule in keeping.rules_of(item.merchant_id, item.source_id):
        sql, values = conditions.fits(rule)
        if bulk.one(f"SELECT count(*) FROM inventory_item i WHERE i.id = ? AND {sql}", (item.id, *values))[0]:
            found.append(rule)
    return found


def _back(merchant: Merchant, draft: Exclusion | None, rule: Exclusion) -> int:
    others = [one for one in keeping.rules_of(merchant.id, None) if one.id != rule.id]
    free, values = conditions.any_fits([*others, draft] if draft is not None else others)
    sql = f"SELECT count(*) {_OF} AND i.kept_out = {EXCLUDED} AND i.exclusion_id = ? AND i.archived_at IS NULL AND NOT {free}"
    return int(bulk.one(sql, (merchant.id, rule.id, *values))[0])


def _items(ids: Sequence[int]) -> list[InventoryItem]:
    rows = InventoryItem.select(InventoryItem, Source).join(Source).where(InventoryItem.id << list(ids))
    return list(rows.order_by(InventoryItem.id)) if ids else []
