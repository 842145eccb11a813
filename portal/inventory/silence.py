"""After so many hours without an accepted feed: keep the stock, reduce it, or set it to 0. The next accepted feed undoes it.

A run of its own does it, once for each silence; it is journaled like every other run. Of two feeds each lowers the items whose
quantity is its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import JOIN

from portal import clock, failpoints, policies, runs
from portal.errors import Invalid, Problem
from portal.exclusions import keeping
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import role_sql, roles, stale, words
from portal.inventory.apply import UNKNOWN_HASH
from portal.leases import Work
from portal.models import Integration, Merchant, Run, Source, bulk, database
from portal.runs import AlreadyRunning, Outcome

KIND = "silence"
ACTS = {"keep": "Keep the stock, and tell you", "reduce": "Reduce every quantity", "zero": "Set every quantity to 0"}
LONGEST_HOURS = 24 * 90
CHUNK = 2_000
_PINNED = 1 << INVENTORY_COLUMNS.index("quantity")


@dataclass(frozen=True)
class Silence:
    """The rule of one integration. `percent`: by how much "reduce" lowers quantities, 1 to 99."""

    hours: int = 24
    act: str = "keep"
    percent: int = 50

    @property
    def words(self) -> str:
        """What it does, in a sentence's end."""
        return {"keep": "keep stock", "reduce": f"reduce stock by {self.percent}%", "zero": "set stock to 0"}[self.act]


def rule(integration: Integration) -> Silence:
    """The integration's rule: the default, or what its policies say."""
    return Silence(**((integration.policies or {}).get("silence") or {}))


def save(integration: Integration, hours: int, act: str, percent: int, version: int, who: str) -> Integration:
    """Keep a rule. Raises Invalid (keys hours, act, percent), Stale."""
    errors = {}
    if not 1 <= hours <= LONGEST_HOURS:
        errors["hours"] = f"Enter a number of hours from 1 to {LONGEST_HOURS:,}."
    if act not in ACTS:
        errors["act"] = "Choose what happens."
    if act == "reduce" and not 1 <= percent <= 99:
        errors["percent"] = "Enter a percentage from 1 to 99."
    if errors:
        raise Invalid(errors)
    kept = {"hours": hours, "act": act} | ({"percent": percent} if act == "reduce" else {})
    return policies.save(integration, "silence", kept, version, who)


def acts_at(integration: Integration) -> datetime | None:
    """When the rule acts if no feed is accepted; None without reason to: nothing accepted yet, or by hand only."""
    if integration.last_accepted_at is None or not (integration.schedule or (integration.policies or {}).get("silence")):
        return None
    at: datetime = integration.last_accepted_at + timedelta(hours=rule(integration).hours)
    return at


def acted(integration: Integration) -> Run | None:
    """The run of the rule in the present silence; None when it has not acted since the last accepted feed."""
    if integration.last_accepted_at is None:
        return None
    mine = (Run.integration == integration) & (Run.kind == KIND) & (Run.created_at >= integration.last_accepted_at)
    newest: Run | None = Run.select().where(mine).order_by(Run.id.desc()).first()
    return newest


def promise(integration: Integration) -> str:
    """What happens if nobody acts, for the page of a hold."""
    at, now = acts_at(integration), rule(integration)
    if at is None:
        return "Until you decide, or a file passes all guards, your stock stays as it is now."
    local = words.moment(at, integration.source.merchant)
    return f"After {now.hours:,} h without an accepted feed ({local}) your setting is: {now.words}."


def start_due(now: datetime | None = None) -> int:
    """Start the rule of each integration whose feeds have been silent for too long; how many. One that is busy is tried again later."""
    now, started = now or clock.now(), 0
    for integration in _watched():
        at = acts_at(integration)
        if at is None or at > now or acted(integration) is not None:
            continue
        settings = {"act": rule(integration).act, "percent": rule(integration).percent, "hours": rule(integration).hours}
        try:
            runs.start(integration.source, KIND, integration=integration, cause="system", settings=settings)
        except AlreadyRunning:
            continue
        started += 1
    return started


def perform(work: Work) -> Outcome:
    """Run handler: lower the quantities of all items that are in stock and not pinned, in chunks, by their ids."""
    integration = Integration.get_by_id(work.run.integration_id)
    if integration.last_accepted_at is not None and integration.last_accepted_at > work.run.created_at:
        return Outcome("finished", {"changed": 0})  # a feed came before the rule could act
    chosen = Silence(work.run.settings["hours"], work.run.settings["act"], work.run.settings["percent"])
    work.stage("silence", "items")
    changed = int(work.checkpoint.get("changed", 0)) if chosen.act == "keep" else _lower(work, chosen)
    body = f"Your setting after {chosen.hours:,} h is: {chosen.words}. " + (
        "Nothing was changed."
        if chosen.act == "keep"
        else f"{changed:,} items were changed; the next accepted feed brings their stock back."
    )
    since = words.moment(integration.last_accepted_at, work.merchant)
    problem = Problem("silent", f"No feed was accepted since {since}", body, "See the rule", "silence")
    work.say(f"{problem.headline}. {body}", "warning")
    return Outcome("warnings", {"changed": changed}, problem)


def _lower(work: Work, chosen: Silence) -> int:
    after, changed = int(work.checkpoint.get("after", 0)), int(work.checkpoint.get("changed", 0))
    kept = keeping.Keeping(work.run, lambda _name, _number: None)
    mine = _mine(Integration.get_by_id(work.run.integration_id))
    some = f"SELECT i.id FROM inventory_item i WHERE i.source_id = ? AND i.id > ? AND {mine} ORDER BY i.id LIMIT {CHUNK}"
    while True:
        work.look_for_stop()
        last = bulk.one(f"SELECT max(id) FROM ({some}) AS chunk", (work.run.source_id, after))[0]
        if last is None:
            keeping.finish(work)
            return changed
        with work.transaction():
            if not after:
                stale.forget(work.run.source_id)  # the next feed is read whole, also when it is the same again
            changed += _write(work, after, last, chosen, mine)
            kept.look()
            if kept.rules:
                kept.judge("i.source_id = ? AND i.id > ? AND i.id <= ?", (work.run.source_id, after, last))
            work.save_checkpoint(after=last, changed=changed)
        failpoints.reach("silenced-chunk")
        after = last
        work.progress(changed)
        bulk.pause()


def _mine(integration: Integration) -> str:
    """SQL: items in stock whose quantity is of that feed, and not pinned."""
    owner = f" AND {role_sql.owns_quantity(roles.standing(integration))}"
    return f"i.quantity > 0 AND i.missing_since IS NULL AND (i.pinned & {_PINNED}) = 0{owner}"


def _write(work: Work, after: int, last: int, chosen: Silence, mine: str) -> int:
    now, run = clock.now(), work.run
    lower = "0" if chosen.act == "zero" else f"(i.quantity * {100 - chosen.percent}) / 100"
    which = f"i.source_id = ? AND i.id > ? AND i.id <= ? AND {mine}"
    scope = (run.source_id, after, last)
    was = bulk.json_object([("quantity", "i.quantity", "1 = 1"), ("warehouses", "i.warehouses", "i.warehouses IS NOT NULL")])
    left = bulk.json_object([("quantity", lower, "1 = 1"), ("warehouses", "CAST(NULL AS text)", "i.warehouses IS NOT NULL")])
    written = bulk.run(
        f"""INSERT INTO inventory_change (merchant_id, source_id, run_id, item_id, sku, action, row_number, before, after, at)
        SELECT i.merchant_id, i.source_id, ?, i.id, i.sku, CASE WHEN {lower} = 0 THEN 'zero' ELSE 'change' END, NULL, {was}, {left}, ?
        FROM inventory_item i WHERE {which} ORDER BY i.id""",
        (run.id, now, *scope),
    ).rowcount
    bulk.run(
        f"""UPDATE inventory_item AS i SET quantity = {lower}, warehouses = NULL, content_hash = {UNKNOWN_HASH}, last_run_id = ?,
        changed_at = ? WHERE {which}""",
        (run.id, now, *scope),
    )
    return int(written)


def _watched() -> list[Any]:
    on = Integration.on() & (Source.state == "live")
    silent = (Integration.kind << stale.KINDS) & Integration.last_accepted_at.is_null(False)
    with database.atomic():
        rows = Integration.select(Integration, Source, Merchant).join(Source).join(Merchant, JOIN.INNER)
        return list(rows.where(on & silent & (Integration.last_accepted_at < clock.now() - timedelta(hours=1))))
