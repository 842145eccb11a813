"""The ledger of committed stock of one source, as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import fn

from portal.models import CommittedStock, FulfillmentRequest, RequestLine, Source

PAGE = 50


@dataclass(frozen=True)
class Page:
    """`rows`: entries, newest first. `held`: units that are committed now, on `lines` lines. `next`: id to go on below, 0 on the last."""

    rows: list[CommittedStock]
    next: int
    held: int
    lines: int


def page(source: Source, which: str = "held", sku: str = "", below: int = 0) -> Page:
    """One page. `which`: held, what is committed now, or all, with what was released. `sku`: a part of an Inventory SKU."""
    entry = CommittedStock
    query = entry.select(entry, RequestLine, FulfillmentRequest).join(RequestLine).join(FulfillmentRequest).where(entry.source == source.id)
    if which == "held":
        query = query.where(entry.quantity > 0)
    if sku:
        query = query.where(entry.sku.contains(sku))
    if below:
        query = query.where(entry.id < below)
    rows = list(query.order_by(entry.id.desc()).limit(PAGE + 1))
    total: Any = entry.select(fn.COALESCE(fn.SUM(entry.quantity), 0), fn.COUNT(entry.id)).where(
        entry.source == source.id, entry.quantity > 0
    )
    held, lines = total.tuples().get()
    return Page(rows[:PAGE], rows[PAGE - 1].id if len(rows) > PAGE else 0, int(held), int(lines))
