"""The rule of plans: what a merchant uses comes near what the plan holds. Nothing is asked of merchants without a limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from peewee import fn

from portal.alerts.findings import Finding, Look
from portal.inventory import counted
from portal.models import Channel, Order, PlanLimit, Source, User
from portal.plans import DIMENSIONS
from portal.sources import CHANNEL_LINE

CHUNK = 500
FEW = {"sources": 10, "channels": 10, "users": 10}
"""Of smaller limits nothing is told: who has one seat and uses it is where they want to be."""


def near(look: Look) -> Iterator[Finding]:
    """Each dimension of which more than the percentage of the limit is used."""
    limited = list(PlanLimit.select())
    for name, label in DIMENSIONS.items():
        held = {one.merchant_id: int(getattr(one, name)) for one in limited if getattr(one, name) is not None}
        used = _used(name, held, look) if held else {}
        for merchant, limit in held.items():
            if limit >= FEW.get(name, 0) and 100 * used.get(merchant, 0) > look.policies.over("limit_near", merchant) * limit:
                yield _told(merchant, name, label, used[merchant], limit)


def _told(merchant: int, name: str, label: str, used: int, limit: int) -> Finding:
    full = used >= limit
    after = {
        "skus": "New items wait for room" if full else "After that new items wait for room",
        "orders": "More orders are taken all the same",
    }.get(name, "No more can be added" if full else "After that no more can be added")
    body = f"{used:,} of {limit:,} are used. {after}. What you have keeps working: nothing is removed, and no order is touched."
    headline = f"{label}: the plan is full" if full else f"{label}: {100 * used // limit}% of the plan is used"
    facts = {"place": "usage", "of": name}
    level, mark = ("action", "full") if full else ("", "near")
    return Finding(merchant, "limit_near", name, headline, body, level=level, mark=mark, facts=facts)


def _used(name: str, held: Mapping[int, int], look: Look) -> dict[int, int]:
    """{merchant: how much of it is used}, of those with a limit."""
    mine, live = list(held), Source.state != "deleted"
    if name == "skus":
        return _skus(held, look)
    if name == "orders":
        month = look.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return _counts(Order, (Order.merchant << mine) & (Order.id > _last_before(month)) & (Order.created_at >= month))
    if name == "sources":
        return _counts(Source, (Source.merchant << mine) & live & (Source.kind != CHANNEL_LINE))
    if name == "channels":
        return _counts(Channel, (Channel.merchant << mine) & (Channel.state == "open"))
    return _counts(User, (User.merchant << mine) & User.disabled_at.is_null())


def _skus(held: Mapping[int, int], look: Look) -> dict[int, int]:
    """Items that count; they are told apart from those that do not only where all together come near the limit."""
    query: Any = Source.select(Source.merchant, Source.id, Source.item_count)
    rows = list(query.where(Source.merchant << list(held), Source.state != "deleted", Source.kind != CHANNEL_LINE).tuples())
    items: dict[int, int] = {}
    for merchant, _, count in rows:
        items[merchant] = items.get(merchant, 0) + count
    close = {one for one, count in items.items() if 100 * count > look.policies.over("limit_near", one) * held[one]}
    of = {source: merchant for merchant, source, _ in rows if merchant in close}
    used: dict[int, int] = {}
    sources = list(of)
    for start in range(0, len(sources), CHUNK):
        for source, tally in counted.of_sources(sources[start : start + CHUNK]).items():
            used[of[source]] = used.get(of[source], 0) + tally.counted
    return used


def _last_before(month: datetime) -> int:
    """The id of the last order before the month: ids rise with time, so that nothing older is read."""
    found = Order.select(Order.id).where(Order.created_at < month).order_by(Order.id.desc()).limit(1).scalar()
    return int(found or 0)


def _counts(table: Any, mine: Any) -> dict[int, int]:
    query: Any = table.select(table.merchant, fn.COUNT(table.id)).where(mine).group_by(table.merchant)
    return dict(query.tuples())
