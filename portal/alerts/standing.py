"""Which open alerts still stand although no look found them now: nothing has proved yet that they are over.

a run failed ─▶ the next ones fail otherwise, or are stopped ─▶ it stands      a run that ended well, or a test of the connection ─▶ over
stock fell   ─▶ the next feed just does not repeat it        ─▶ it stands      the stock is back · acknowledged, and a day is over ─▶ over
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from portal.alerts.findings import Policies
from portal.models import Run, bulk

PROVES = ("finished", "warnings", "no_change", "held")
"""States of a run that got through: what stopped an earlier one is over."""
OF_RUNS = ("sign_in_ended", "identity_changed", "columns_changed", "feed_refused", "stock_collapsed")
MOVED = timedelta(days=1)


def of(alerts: Sequence[Any], policies: Policies, now: datetime) -> set[int]:
    """Ids of those that still stand. `alerts`: open ones whose condition no look found."""
    stopped = {one.id: one for one in alerts if one.rule in OF_RUNS and one.facts.get("run") and one.facts.get("integration")}
    fallen = [one for one in alerts if one.rule == "stock_collapsed" and one.facts.get("rows")]
    return _stopped(stopped) | {one.id for one in fallen if _still_low(one, policies, now)}


def _stopped(alerts: dict[int, Any]) -> set[int]:
    names = {one.facts["run"] for one in alerts.values()}
    failed = {run.public_id: run for run in Run.select(Run.id, Run.public_id, Run.source).where(Run.public_id << names)} if names else {}
    return {key for key, one in alerts.items() if (run := failed.get(one.facts["run"])) is not None and not _proved(one, run)}


def _proved(alert: Any, failed: Run) -> bool:
    """Whether a later run of the integration got through; for what is of the whole source, any of its runs, or a test of its connection."""
    later = (Run.source == failed.source_id) & (Run.id > failed.id) & (Run.kind != "dry_run")
    if alert.object_key.startswith("source "):
        tested = (Run.kind == "connection_check") & (Run.state == "finished")
        through = tested | (Run.integration.is_null(False) & (Run.state << PROVES))
    else:
        through = (Run.integration == alert.facts["integration"]) & (Run.state << PROVES)
    return bool(Run.select(Run.id).where(later, through).exists())


def _still_low(alert: Any, policies: Policies, now: datetime) -> bool:
    """Whether of the items that the feed took to 0 still more than the limit are there."""
    if alert.state == "acknowledged" and now - alert.first_seen_at > MOVED:
        return False
    sql = """SELECT count(*) FROM inventory_change c JOIN inventory_item i ON i.id = c.item_id AND i.sku = c.sku
        WHERE c.run_id = (SELECT r.id FROM run r WHERE r.public_id = ?) AND c.action = 'zero' AND coalesce(i.quantity, 0) = 0"""
    low = int(bulk.one(sql, (alert.facts["run"],))[0])
    return 100 * low > policies.over("stock_collapsed", alert.merchant_id) * int(alert.facts["rows"])
