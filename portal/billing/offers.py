"""Plans of an installation, which of them a merchant holds, and changing it: at once, or by asking an operator.

a day costs the dearest plan that is held on it; what a plan holds is portal.plans' to keep
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from peewee import SQL, IntegrityError, fn

from portal import audit, clock, plans
from portal.billing import money
from portal.errors import Invalid, NotFound, Refused
from portal.models import BillingPlan, Merchant, PlanPeriod, PlanRequest, UsageDay, database
from portal.models.database import is_postgres

CHANGES = {"immediate": "Owners choose it, and have it at once", "request": "Owners ask for it", "closed": "An operator gives it"}
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True)
class Offer:
    """A plan as a merchant sees it. `over`: {dimension: (used, held by the plan)} where more is used than it holds."""

    plan: BillingPlan
    over: Mapping[str, tuple[int, int]]


def today() -> date:
    """The day that counts, by UTC."""
    return clock.now().date()


def save(slug: str, name: str, price: str, currency: str, limits: Mapping[str, int | None], change: str) -> BillingPlan:
    """Make a plan, or change it: who holds it pays another price from today on. Raises Invalid."""
    currency = money.check_currency(currency.strip().upper())
    errors = {}
    if not _SLUG.fullmatch(slug):
        errors["slug"] = "Use small letters, digits and hyphens, at most 40."
    if not 1 <= len(name.strip()) <= 80:
        errors["name"] = "Give the plan a name of 1 to 80 characters."
    if change not in CHANGES:
        errors["change"] = f"Choose of: {', '.join(CHANGES)}."
    if unknown := set(limits) - set(plans.DIMENSIONS):
        errors["limits"] = f"There is no limit of {', '.join(sorted(unknown))}. Choose of: {', '.join(plans.DIMENSIONS)}."
    if errors:
        raise Invalid(errors)
    columns: dict[str, Any] = {
        "name": name.strip(), "price": money.read(price, currency), "currency": currency, "limits": dict(limits), "change": change,
        "changed_at": clock.now(),
    }  # fmt: skip
    with database.atomic():
        known = BillingPlan.get_or_none(BillingPlan.slug == slug)
        if known is None:
            return BillingPlan.create(slug=slug, **columns)
        BillingPlan.update(columns).where(BillingPlan.id == known.id).execute()
        fresh: BillingPlan = BillingPlan.get_by_id(known.id)
        if (known.price, known.currency, known.name) != (fresh.price, fresh.currency, fresh.name):
            for one in list(PlanPeriod.select().where(PlanPeriod.plan == known.id, PlanPeriod.until == "")):
                _move(one.merchant, fresh, "the operator")
    return fresh


def listing() -> list[BillingPlan]:
    """Every plan, the cheapest first."""
    return list(BillingPlan.select().order_by(BillingPlan.currency, BillingPlan.price, BillingPlan.id))


def find(slug: str) -> BillingPlan:
    """The plan of that slug. Raises NotFound."""
    found: BillingPlan | None = BillingPlan.get_or_none(BillingPlan.slug == slug)
    if found is None:
        raise NotFound("plan")
    return found


def held(merchant: Merchant) -> PlanPeriod | None:
    """The plan that the merchant is on, and since when; None for none."""
    found: PlanPeriod | None = PlanPeriod.get_or_none(PlanPeriod.merchant == merchant.id, PlanPeriod.until == "")
    return found


def periods(merchant: Merchant, limit: int = 50) -> list[PlanPeriod]:
    """The plans that the merchant was on, the newest first."""
    rows = PlanPeriod.select().where(PlanPeriod.merchant == merchant.id)
    return list(rows.order_by(PlanPeriod.since.desc(), PlanPeriod.id.desc()).limit(limit))


def usage_by_month(merchant: Merchant, most: int = 12) -> list[tuple[str, int, int]]:
    """(month as 2026-11, most SKUs counted on one of its days, most that waited for room), the newest first, as far as days were noted."""
    month: Any = fn.SUBSTR(UsageDay.day, SQL("1"), SQL("7"))  # as texts of the statement: Postgres compares what it groups by
    rows: Any = UsageDay.select(month, fn.MAX(UsageDay.counted), fn.MAX(UsageDay.waiting)).where(UsageDay.merchant == merchant.id)
    return [tuple(row) for row in rows.group_by(month).order_by(month.desc()).limit(most).tuples()]


def over(plan: BillingPlan, usage: Mapping[str, int]) -> Mapping[str, tuple[int, int]]:
    """{dimension: (used, held)} of what is used beyond the plan."""
    limits = plan.limits or {}
    return {name: (used, limits[name]) for name, used in usage.items() if limits.get(name) is not None and used > limits[name]}


def choosable(merchant: Merchant, plan: BillingPlan) -> str:
    """Why an owner cannot choose the plan, "" where they can."""
    now = held(merchant)
    if now is not None and now.plan_id == plan.id:
        return f"You are on {plan.name} already."
    return "An operator gives this plan. Ask whoever runs this installation." if plan.change == "closed" else ""


def choose(merchant: Merchant, plan: BillingPlan, who: str) -> bool:
    """An owner chooses a plan: True where it is theirs now, False where an operator was asked. Raises Refused."""
    if reason := choosable(merchant, plan):
        raise Refused(reason)
    if plan.change == "immediate":
        assign(merchant, plan, who)
        return True
    try:
        with database.atomic():
            PlanRequest.create(merchant=merchant, plan=plan, by=who, at=clock.now())
            audit.write(merchant, who, "billing.request", "plan", plan.slug)
    except IntegrityError as error:
        raise Refused("You asked for another plan already. Take that back first. Nothing was changed.") from error
    return False


def assign(merchant: Merchant, plan: BillingPlan, who: str) -> PlanPeriod:
    """Put the merchant on the plan from today on, with its limits; an open request is settled by that."""
    with database.atomic():
        before = held(merchant)
        made = _move(merchant, plan, who)
        settle(merchant, "done" if _wanted(merchant) == plan.id else "withdrawn", who)
        told = before.name if before is not None else None
        audit.write(merchant, who, "billing.plan", "plan", plan.slug, before=told, after=plan.name)
        plans.set_limits(merchant, {**plans.NONE, **plan.limits}, who)
    return made


def request_of(merchant: Merchant) -> PlanRequest | None:
    """What an owner asked for and nobody settled yet."""
    found: PlanRequest | None = PlanRequest.get_or_none(PlanRequest.merchant == merchant.id, PlanRequest.state == "open")
    return found


def requests() -> list[PlanRequest]:
    """What owners of all merchants asked for and nobody settled, the oldest first."""
    rows = PlanRequest.select(PlanRequest, Merchant, BillingPlan).join(Merchant).switch(PlanRequest).join(BillingPlan)
    return list(rows.where(PlanRequest.state == "open").order_by(PlanRequest.id))


def settle(merchant: Merchant, state: str, who: str) -> bool:
    """End the open request as done, declined or withdrawn; whether there was one."""
    ends = {"state": state, "settled_by": who, "settled_at": clock.now()}
    return bool(PlanRequest.update(ends).where(PlanRequest.merchant == merchant.id, PlanRequest.state == "open").execute())


def _wanted(merchant: Merchant) -> int:
    asked = request_of(merchant)
    return asked.plan_id if asked is not None else 0


def _move(merchant: Merchant, plan: BillingPlan, who: str) -> PlanPeriod:
    day = today().isoformat()
    if is_postgres():  # two who change it at once do so one after the other; SQLite has one writer anyway
        database.execute_sql("SELECT id FROM merchant WHERE id = %s FOR NO KEY UPDATE", (merchant.id,))
    now = held(merchant)
    if now is not None and (now.plan_id, now.name, now.price, now.currency) == (plan.id, plan.name, plan.price, plan.currency):
        return now
    PlanPeriod.update(until=day).where(PlanPeriod.merchant == merchant.id, PlanPeriod.until == "").execute()
    dearer = (PlanPeriod.currency == plan.currency) & (PlanPeriod.price > plan.price)
    short = (PlanPeriod.merchant == merchant.id) & (PlanPeriod.since == day) & (PlanPeriod.until == day)
    PlanPeriod.delete().where(short, ~dearer).execute()
    columns = {"name": plan.name, "price": plan.price, "currency": plan.currency}
    return PlanPeriod.create(merchant=merchant, plan=plan, since=day, by=who, at=clock.now(), **columns)
