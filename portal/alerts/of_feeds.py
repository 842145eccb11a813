"""Rules of feeds and runs: late, held, refused, columns changed, stock collapsed, and runs that could not sign in or trust the server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from peewee import fn

from portal.alerts.findings import LIVE, Finding, Look
from portal.freshness import FEEDS
from portal.models import Integration, Merchant, PlanRow, Run, Source
from portal.sources import INTEGRATION_KINDS

SIGN_IN = frozenset({"sign_in_refused", "key_refused", "user_locked", "sign_in_paused", "sign_in_ended"})
IDENTITY = frozenset({"host_key_changed", "certificate_name", "certificate_ended", "certificate_untrusted", "certificate_early"})
COLLAPSES = frozenset({"skus_lost", "lost_slowly", "zeroed"})
COLLAPSED = frozenset({"too_few_rows", "header_only"})
"""Problems of a refused file that say the same."""
KINDS = {
    **INTEGRATION_KINDS,
    "get_channel_orders": "Pulling orders",
    "send_tracking": "Telling tracking numbers",
    "send_listings": "Sending units and prices",
}
READS = ("inventory", "accept_removals")
MOVED = timedelta(days=1)
UNTOUCHED = "Your stock is as it was."


def works() -> Any:
    """Predicate of integrations of which something is expected: on, not paused, of a live source."""
    return Integration.on() & Integration.removed_at.is_null() & LIVE


def late(look: Look) -> Iterator[Finding]:
    """Feeds past their expected-by time: the clock alone makes them so (portal.lateness)."""
    columns = (Integration.id, Integration.kind, Integration.late_since, Integration.last_accepted_at, Source.id, Source.name,
               Source.merchant, Merchant.time_zone)  # fmt: skip
    for over, whose in look.policies.groups("feed_late", Source.merchant):
        query: Any = Integration.select(*columns).join(Source).join(Merchant)
        late_for = Integration.late_since < look.now - timedelta(hours=over)
        rows = query.where(works(), late_for, Integration.kind << FEEDS, whose).tuples()
        for one, kind, since, accepted, source, name, merchant, zone in rows:
            last = f"The last one was accepted {look.at(accepted, zone)}. " if accepted else "None was accepted yet. "
            body = f"It was expected by {look.at(since, zone)}. {last}Nothing was removed or set to 0; stock stays as it last came."
            yield Finding(merchant, "feed_late", f"integration {one}", f"No new feed from {name}", f"{KINDS[kind]}: {body}",
                          source, mark=f"{since:%Y-%m-%dT%H:%M}", facts={"kind": kind})  # fmt: skip


def held(look: Look) -> Iterator[Finding]:
    """Held feeds that no newer feed and no person has settled; those that hold a fall of stock are told as that."""
    newest = Run.select(fn.MAX(Run.id)).where(Run.state == "held", Run.kind << READS).group_by(Run.integration)
    open_ = Integration.last_accepted_at.is_null() | (Integration.last_accepted_at <= Run.created_at)
    waiting = fn.EXISTS(PlanRow.select(1).where(PlanRow.run == Run.id, PlanRow.state == "held"))
    later: Any = Run.alias()
    gone = fn.EXISTS(later.select(later.id).where(later.source == Run.source, later.id > Run.id, later.kind == "remove_inventory"))
    columns = (Run.id, Run.public_id, Run.created_at, Run.problem, Run.verdicts, Run.settings, Integration.id, Integration.last_accepted_at,
               Source.id, Source.name, Source.merchant, Merchant.time_zone)  # fmt: skip
    query: Any = Run.select(*columns).join(Integration).join(Source).join(Merchant)
    for row in query.where(Run.id << newest, works(), ~gone, open_ | waiting).tuples():
        run, public_id, created, problem, verdicts, settings, one, accepted, source, name, merchant, zone = row
        delta = bool((settings.get("role") or {}).get("delta"))
        if not delta and accepted is not None and accepted > created:
            continue  # a newer whole feed settled it; of a delta only its own rows count
        names = {told["name"] for told in verdicts if told.get("verdict") == "hold"}
        rule = "stock_collapsed" if names & COLLAPSES else "feed_held"
        what = (problem or {}).get("headline") or "A feed is held"
        told = (problem or {}).get("body") or "Nothing was removed or set to 0."
        body = f"{name}, {look.at(created, zone)}: {told} It waits for you."
        facts = {"run": public_id, "place": "held"}
        yield Finding(merchant, rule, f"integration {one}", what, body, source, mark=f"run {run}", facts=facts)


def failed(look: Look) -> Iterator[Finding]:
    """Last runs that failed for good: by what stopped them they are of four rules."""
    columns = (Run.id, Run.public_id, Run.finished_at, Run.problem, Run.checkpoint, Integration.id, Integration.kind,
               Integration.schedule, Integration.failures, Source.id, Source.name, Source.merchant, Merchant.time_zone)  # fmt: skip
    query: Any = Run.select(*columns).join(Integration, on=Integration.last_run_id == Run.id).join(Source).join(Merchant)
    for row in query.where(Run.state == "failed", works()).tuples():
        _run, public_id, at, problem, checkpoint, one, kind, schedule, failures, source, name, merchant, zone = row
        if checkpoint.get("given_up") and schedule:
            continue  # it may pass by itself, and something tries again; late tells of it if it does not
        rule, place, whole = _of(problem or {}, kind)
        told = problem or {}
        untouched = "" if "stock" in told.get("body", "").lower() or kind not in FEEDS else f" {UNTOUCHED}"
        what = f"{KINDS[kind]} of {name}, {look.at(at, zone)}"
        key = f"source {source}" if whole else f"integration {one}"
        times = failures if kind in FEEDS else 0  # only a feed's failures are counted anew after a good one
        counted = f" It failed {times:,} times in a row." if times > 1 else ""
        body = f"{what}: {told.get('body', '')}{untouched}{counted}".strip()
        facts = {"run": public_id, "place": place, "integration": one} | ({"failed": times} if times > 1 else {})
        headline, mark = told.get("headline") or "A run failed", str(told.get("code", ""))  # the same again is no news
        yield Finding(merchant, rule, key, headline, body, source, mark=mark, facts=facts)


def _of(problem: dict[str, Any], kind: str) -> tuple[str, str, bool]:
    """(rule, where it is mended, whether it is of the whole source)."""
    code = problem.get("code", "")
    if code in SIGN_IN:
        return "sign_in_ended", "connection", True
    if code in IDENTITY:
        return "identity_changed", "host_key" if code == "host_key_changed" else "checks", True
    if code == "columns_missing":
        return "columns_changed", "columns", False
    return ("stock_collapsed" if code in COLLAPSED and kind in FEEDS else "feed_refused"), "run", False


def zeroed(look: Look) -> Iterator[Finding]:
    """Last accepted feeds of the day that took more of the stock to 0 than the limit, though no guard held them."""
    columns = (Run.id, Run.public_id, Run.finished_at, Run.counts, Integration.id, Source.id, Source.name, Source.merchant,
               Merchant.time_zone)  # fmt: skip
    query: Any = Run.select(*columns).join(Integration, on=Integration.last_accepted_run_id == Run.id).join(Source).join(Merchant)
    counts_text: Any = Run.counts.cast("TEXT")  # canonical JSON
    some = counts_text.contains('"zeroed":') & ~counts_text.contains('"zeroed":0') & (Run.finished_at > look.now - MOVED)
    for run, public_id, at, counts, one, source, name, merchant, zone in query.where(works(), some, Integration.kind << FEEDS).tuples():
        gone, rows = int(counts.get("zeroed") or 0), int(counts.get("rows") or 0)
        if not rows or 100 * gone <= look.policies.over("stock_collapsed", merchant) * rows:
            continue
        body = f"The feed of {look.at(at, zone)} was applied: it took {gone:,} items to 0, and has {rows:,} rows. It can be reverted."
        yield Finding(merchant, "stock_collapsed", f"integration {one}", f"{gone:,} items of {name} went to 0", body, source,
                      mark=f"run {run}", facts={"run": public_id, "place": "run", "rows": rows})  # fmt: skip
