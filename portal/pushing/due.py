"""When units and prices go to stores by themselves: after whatever may have changed an offer, once things have been still for a moment.

looked at each minute: a run, an act of a person, committed stock since the last comparison? ─▶ due in GATHER ─▶ push_listings
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from portal import channels, clock, connection_parts, runs
from portal.models import AuditLine, Channel, ChannelPush, CommittedStock, Integration, ListingPush, Run
from portal.models.runs import UNFINISHED
from portal.outbox import witnesses

GATHER = timedelta(seconds=30)
"""From the first change to the run, so that what comes together goes together."""
AT_LEAST = timedelta(hours=1)
"""Offers are compared so often in any case: an offer may change by what no event tells."""
PULLED_WITHIN = timedelta(minutes=5)
"""Orders that were pulled so long ago are current enough: they hold units that the store has sold."""
KEEP_DAYS = 90
ERASED_AT_ONCE = 5_000
MOVERS = (
    "inventory", "accept_removals", "fixed_rows", "revert", "silence", "remove_inventory", "delete_source", "edit", "linking",
    "listing_batch", "bulk_act", "exclusion", "room",
)  # fmt: skip
"""Kinds of runs that may change what is offered."""
ACTS = ("listing", "product", "item", "source", "exclusion", "integration", "channel.listing_rules", "linking", "bulk")
"""How the acts of persons begin that may."""


def start_due() -> int:
    """Begin a run for each channel that is switched on and due; how many. What failed waits longer and longer."""
    started = 0
    rows = ChannelPush.select(ChannelPush, Channel).join(Channel).where(ChannelPush.state == "on", Channel.state == "open")
    for push in rows:
        if not _is_due(push):
            continue
        integration = Integration.get_or_none(Integration.source == push.channel.line_id, Integration.kind == channels.PUSH)
        if integration is None or _waits_after_failures(integration) or _was_stopped(push, integration):
            continue
        if connection_parts.sign_in_standing(channels.line_of(push.channel)) == "needed":
            continue
        orders = _orders_first(push)
        started += orders == "begun"
        if orders:
            continue
        try:
            runs.start_sync(integration, cause="system")
            started += 1
        except runs.AlreadyRunning:
            continue
    return started


def _orders_first(push: ChannelPush) -> str:
    """Orders that the store has and we do not hold units too, so they are pulled first, where that is on by schedule: "begun" or "pulling".

    "" for no need to wait: they are current, that just failed, or it takes too long.
    """
    pulls = Integration.get_or_none(Integration.source == push.channel.line_id, Integration.kind == channels.PULL)
    if pulls is None or not pulls.schedule or not pulls.enabled or pulls.removed_at is not None:
        return ""
    last = Run.select().where(Run.integration == pulls).order_by(Run.id.desc()).first()
    if last is not None and (last.created_at > clock.now() - PULLED_WITHIN or last.state in UNFINISHED):
        return "pulling" if last.state in UNFINISHED and last.created_at > clock.now() - PULLED_WITHIN else ""
    try:
        runs.start_sync(pulls, cause="system")
    except runs.AlreadyRunning:
        return "pulling"
    return "begun"


def _is_due(push: ChannelPush) -> bool:
    """Whether it may begin now; notes when it may, the first time that something has changed."""
    now = clock.now()
    if push.due_at is not None:
        return bool(push.due_at <= now)
    if not changed_since(push):
        return False
    ChannelPush.update(due_at=now + GATHER).where(ChannelPush.id == push.id, ChannelPush.due_at.is_null()).execute()
    return False


def changed_since(push: ChannelPush) -> bool:
    """Whether something happened since its offers were compared that may have changed one."""
    since, merchant = push.compared_at, push.channel.merchant_id
    if since is None or since + AT_LEAST < clock.now():
        return True
    ended = (Run.merchant == merchant) & (Run.finished_at > since) & (Run.kind << MOVERS)
    held = (CommittedStock.merchant == merchant) & (CommittedStock.changed_at > since)
    if Run.select().where(ended).exists() or CommittedStock.select().where(held).exists():
        return True
    acts: Any = AuditLine.select(AuditLine.action).where(AuditLine.merchant == merchant, AuditLine.number > push.audited_to)
    return any(action.startswith(ACTS) for (action,) in acts.limit(1_000).tuples())


def marks(channel: Channel) -> dict[str, Any]:
    """Columns that say up to where offers are compared; taken before they are read, so that what comes meanwhile counts as later."""
    last = AuditLine.select(AuditLine.number).where(AuditLine.merchant == channel.merchant_id).order_by(AuditLine.number.desc())
    return {"compared_at": clock.now(), "audited_to": last.limit(1).scalar() or 0}


def _was_stopped(push: ChannelPush, integration: Integration) -> bool:
    """Whether a person stopped it since it was due: it goes once something changes again."""
    last = Run.select().where(Run.integration == integration).order_by(Run.id.desc()).first()
    if last is None or last.state != "stopped" or push.due_at is None or push.due_at > last.finished_at:
        return False
    columns = {**marks(push.channel), "due_at": None}
    ChannelPush.update(columns).where(ChannelPush.id == push.id, ChannelPush.due_at == push.due_at).execute()
    return True


def _waits_after_failures(integration: Integration) -> bool:
    last = list(Run.select().where(Run.integration == integration).order_by(Run.id.desc()).limit(5))
    failed = len(list(takewhile(lambda run: run.state == "failed", last)))
    ended: datetime | None = last[0].finished_at if failed else None
    return ended is not None and ended + witnesses.back_off(failed) > clock.now()


def erase_old() -> int:
    """Erase the journal of sends that are older than KEEP_DAYS, the oldest first; how many went. The clock calls it."""
    before = clock.now() - timedelta(days=KEEP_DAYS)
    oldest = [row.id for row in ListingPush.select(ListingPush.id, ListingPush.at).order_by(ListingPush.id).limit(ERASED_AT_ONCE)
              if row.at < before]  # fmt: skip
    return int(ListingPush.delete().where(ListingPush.id << oldest).execute()) if oldest else 0
