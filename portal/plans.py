"""What a merchant's plan holds, how much of it is used, and how that is counted.

A limit never takes anything away and never touches an order, a shipment or an item that is in. At the limit of SKUs new items wait for
room (`portal.exclusions.room`), and come in by themselves, the longest waiting first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from portal import audit, clock
from portal.errors import Invalid
from portal.exclusions import room
from portal.inventory import counted
from portal.models import Channel, Merchant, Order, PlanLimit, Source, User, database
from portal.sources import CHANNEL_LINE

DIMENSIONS = {
    "skus": "SKUs", "orders": "Orders this month", "sources": "Fulfillment sources", "channels": "Channels", "users": "People",
}  # fmt: skip
"""What a plan may limit, in words."""

FORMULA = "SKUs = inventory items − archived − excluded − waiting for room"
FORMULA_SAID = (
    "An inventory item is one SKU of one source. The same SKU at two sources counts twice: each source's stock and cost is kept up to "
    "date by itself. An item that a file no longer holds counts until it is archived. Products, links and listings count nothing."
)
HIGHEST = 2_000_000_000
NONE: Mapping[str, int | None] = dict.fromkeys(DIMENSIONS)
"""No limit at all, as a self-hoster has it."""


def limits(merchant_id: int) -> Mapping[str, int | None]:
    """{dimension: how much the plan holds, None for no limit}."""
    row = PlanLimit.get_or_none(PlanLimit.merchant == merchant_id)
    return NONE if row is None else {name: getattr(row, name) for name in DIMENSIONS}


def set_limits(merchant: Merchant, changes: Mapping[str, int | None], who: str) -> Mapping[str, int | None]:
    """Change some limits; what becomes of all. What waits and now has room comes in soon after, by a run. Raises Invalid."""
    errors = {}
    for name, value in changes.items():
        if name not in DIMENSIONS:
            errors[name] = f"There is no such limit. Choose of: {', '.join(DIMENSIONS)}."
        elif value is not None and not 0 <= value <= HIGHEST:
            errors[name] = f"Enter a number from 0 to {HIGHEST:,}, or none."
    if errors:
        raise Invalid(errors)
    with database.atomic():
        before = dict(limits(merchant.id))
        after = {**before, **changes}
        PlanLimit.delete().where(PlanLimit.merchant == merchant.id).execute()
        PlanLimit.create(merchant=merchant.id, **after, changed_at=clock.now(), changed_by=who)
        audit.write(merchant, who, "plan.limits", "merchant", "", before=before, after=after)
        room.start_due(merchant.id)
    return after


def usage(merchant: Merchant) -> Mapping[str, int]:
    """{dimension: how much is used now}. Orders: those that came since the first of this month, by UTC."""
    month = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return {
        "skus": counted.of_merchant(merchant.id).counted,
        "orders": _orders_since(merchant, month),
        "sources": Source.select().where(Source.merchant == merchant, Source.state != "deleted", Source.kind != CHANNEL_LINE).count(),
        "channels": Channel.select().where(Channel.merchant == merchant, Channel.state == "open").count(),
        "users": User.select().where(User.merchant == merchant, User.disabled_at.is_null()).count(),
    }


def _orders_since(merchant: Merchant, since: datetime) -> int:
    return int(Order.select().where(Order.merchant == merchant, Order.created_at >= since).count())
