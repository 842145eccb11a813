"""Which items count: in the catalogue, in linking, in routing, in listings, in the plan. And how many do, by source.

An item is in one place: archived · excluded by a rule · waiting for room in the plan · else counted.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from portal.models import InventoryItem, Source, bulk
from portal.sources import CHANNEL_LINE

IN, EXCLUDED, WAITING = 0, 1, 2
"""What `InventoryItem.kept_out` says."""

COUNTED = (InventoryItem.kept_out == IN) & InventoryItem.archived_at.is_null()
"""Neither excluded nor waiting nor archived, as a peewee expression."""

WHY = {EXCLUDED: "an exclusion rule keeps the item out", WAITING: "the item waits for room in the plan"}


def sql(alias: str = "i") -> str:
    """COUNTED of the table `alias`."""
    return f"{alias}.kept_out = {IN} AND {alias}.archived_at IS NULL"


@dataclass(frozen=True)
class Tally:
    """How many items there are, and where: the four add up to `items`."""

    items: int = 0
    archived: int = 0
    excluded: int = 0
    waiting: int = 0

    @property
    def counted(self) -> int:
        """SKUs that the plan counts."""
        return self.items - self.archived - self.excluded - self.waiting

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.items + other.items, self.archived + other.archived, self.excluded + other.excluded, self.waiting + other.waiting
        )  # fmt: skip


def of_sources(source_ids: Collection[int]) -> dict[int, Tally]:
    """{source: its tally}, from the sources' own counts of items and what indexes tell of those that do not count."""
    rows: Any = Source.select(Source.id, Source.item_count).where(Source.id << list(source_ids)).tuples()
    items: dict[int, int] = dict(rows)
    ids = bulk.as_list(items)
    archived = dict(bulk.run(
        f"SELECT source_id, count(*) FROM inventory_item WHERE source_id {bulk.any_of()} AND archived_at IS NOT NULL GROUP BY source_id",
        (ids,),
    ).fetchall())  # fmt: skip
    kept: dict[tuple[int, int], int] = {
        (source, kept_out): number
        for source, kept_out, number in bulk.run(
            f"""SELECT source_id, kept_out, count(*) FROM inventory_item
            WHERE source_id {bulk.any_of()} AND kept_out > 0 AND archived_at IS NULL GROUP BY source_id, kept_out""",
            (ids,),
        ).fetchall()
    }
    return {
        key: Tally(number, archived.get(key, 0), kept.get((key, EXCLUDED), 0), kept.get((key, WAITING), 0)) for key, number in items.items()
    }


def by_source(merchant_id: int) -> dict[int, Tally]:
    """{source: its tally} of the merchant's sources that are not deleted."""
    mine = (Source.merchant == merchant_id) & (Source.state != "deleted") & (Source.kind != CHANNEL_LINE)
    rows: Any = Source.select(Source.id).where(mine).tuples()
    return of_sources([row[0] for row in rows])


def of_merchant(merchant_id: int) -> Tally:
    """The merchant's items by where they are."""
    return sum(by_source(merchant_id).values(), Tally())
