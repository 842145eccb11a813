"""Committed stock: what open requests hold of a source, and what is left to sell. available = feed - committed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from peewee import fn

from portal import clock
from portal.models import CommittedStock, FulfillmentRequest, InventoryItem, Merchant, RequestEvent, RequestLine, database
from portal.models.database import is_postgres
from portal.requests.events import lock_order
from portal.requests.rules import of_workspace

SQL_VALUES = 10_000  # in one query; SQLite takes 32,766


def lock(merchant_id: int, skus: Iterable[str]) -> None:
    """Hold what routes these Master SKUs until the open transaction ends, so that no unit is promised to two orders.

    SQLite lets only one transaction write anyway. Postgres: an advisory lock for each SKU, always in the same order.
    """
    if is_postgres():
        keys = sorted({_key(merchant_id, sku) for sku in skus})
        for key in keys:
            database.execute_sql("SELECT pg_advisory_xact_lock(%s)", (key,))


def _key(merchant_id: int, sku: str) -> int:
    return int.from_bytes(hashlib.sha256(f"stock {merchant_id} {sku}".encode()).digest()[:8], "big", signed=True)


def committed(source_id: int, skus: Iterable[str]) -> Mapping[str, int]:
    """{Inventory SKU of the source: units that open requests hold}; without those that hold none."""
    found: dict[str, int] = {}
    wanted = sorted(set(skus))
    for start in range(0, len(wanted), SQL_VALUES):
        some = wanted[start : start + SQL_VALUES]
        query: Any = CommittedStock.select(CommittedStock.sku, fn.SUM(CommittedStock.quantity)).where(
            CommittedStock.source == source_id, CommittedStock.sku << some, CommittedStock.quantity > 0
        )
        found |= {sku: int(units) for sku, units in query.group_by(CommittedStock.sku).tuples()}
    return found


def available(source_id: int, skus: Iterable[str]) -> Mapping[str, int]:
    """{Inventory SKU: feed - committed, never below 0} of the SKUs that the source has an item of."""
    wanted = sorted(set(skus))
    held = committed(source_id, wanted)
    found: dict[str, int] = {}
    for start in range(0, len(wanted), SQL_VALUES):
        some = wanted[start : start + SQL_VALUES]
        query: Any = InventoryItem.select(InventoryItem.sku, InventoryItem.quantity).where(
            InventoryItem.source == source_id, InventoryItem.sku << some
        )
        found |= {sku: max(0, (quantity or 0) - held.get(sku, 0)) for sku, quantity in query.tuples()}
    return found


def release_old() -> int:
    """Release the stock of requests that were not answered for as many days as their merchant set; how many lines.

    The clock calls it. Each release is written to the request's timeline: nothing of the request itself changes.
    """
    released = 0
    for merchant in Merchant.select().where(Merchant.id << CommittedStock.select(CommittedStock.merchant).where(_HELD)):
        days = of_workspace(merchant).release_after_days
        if days:
            released += _release(merchant, days)
    return released


_HELD = CommittedStock.quantity > 0


def _release(merchant: Merchant, days: int) -> int:
    old = (CommittedStock.merchant == merchant.id) & (CommittedStock.committed_at < clock.now() - timedelta(days=days)) & _HELD
    rows: Any = CommittedStock.select(FulfillmentRequest.id, FulfillmentRequest.order).join(RequestLine).join(FulfillmentRequest).where(old)
    count = 0
    for request_id, order_id in sorted(set(rows.tuples()), key=lambda pair: pair[1]):
        with database.atomic():
            lock_order(order_id)
            lines = RequestLine.select(RequestLine.id).where(RequestLine.request == request_id)
            now = clock.now()
            units = CommittedStock.select(fn.SUM(CommittedStock.quantity)).where(old, CommittedStock.line << lines).scalar() or 0
            columns = {"quantity": 0, "released_because": "age", "released_at": now, "changed_at": now}
            done = CommittedStock.update(columns).where(old, CommittedStock.line << lines).execute()
            if done:
                words = (
                    f"{units:,} units are no longer committed: nothing came of them for {days:,} days. The request itself stays as it is."
                )
                RequestEvent.create(request=request_id, kind="note", cause="system", words=words, at=now)
            count += int(done)
    return count
