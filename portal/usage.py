"""How the use of a plan went, day by day, and where that leads: a row a merchant a day, kept by the worker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from portal import clock
from portal.exclusions import room
from portal.inventory import counted
from portal.models import Merchant, UsageDay

KEPT_DAYS = 400
LOOKED_BACK = 30
LEAST_DAYS = 7
"""Days of history without which nothing is foretold."""


def note_day(merchant_id: int) -> UsageDay:
    """Keep today's numbers, in the place of earlier ones of today."""
    now, tally = clock.now(), counted.of_merchant(merchant_id)
    told = {
        "counted": tally.counted, "excluded": tally.excluded, "archived": tally.archived, "waiting": tally.waiting,
        "skus_limit": room.limit_of(merchant_id), "at": now,
    }  # fmt: skip
    day = now.date().isoformat()
    UsageDay.insert(merchant=merchant_id, day=day, **told).on_conflict(
        conflict_target=[UsageDay.merchant, UsageDay.day], update={getattr(UsageDay, name): value for name, value in told.items()}
    ).execute()
    return UsageDay.get(UsageDay.merchant == merchant_id, UsageDay.day == day)


def note_all() -> int:
    """Today's numbers of every merchant; how many there are. Days older than KEPT_DAYS go."""
    number = 0
    for row in Merchant.select(Merchant.id):
        note_day(row.id)
        number += 1
    UsageDay.delete().where(UsageDay.day < (clock.now().date() - timedelta(days=KEPT_DAYS)).isoformat()).execute()
    return number


def history(merchant_id: int, days: int = LOOKED_BACK) -> list[UsageDay]:
    """The last days of which something was kept, newest first."""
    since = (clock.now().date() - timedelta(days=days)).isoformat()
    return list(UsageDay.select().where(UsageDay.merchant == merchant_id, UsageDay.day >= since).order_by(UsageDay.day.desc()))


def forecast(days: Sequence[UsageDay], now: int, limit: int | None) -> str:
    """Where the use of the last days leads, in a sentence, newest day first; "" without a limit. `now`: SKUs that count now."""
    if limit is None:
        return ""
    if now >= limit:
        return "The plan is full. New items wait until there is room." if now == limit else _over(now, limit)
    today = clock.now().date()
    first = days[-1] if days else None
    span = (today - date.fromisoformat(first.day)).days if first is not None else 0
    if first is None or span < LEAST_DAYS:
        had = f"{span} day{'s' * (span != 1)}" if span else "less than a day"
        return f"Not enough history to say when you reach the limit: {had} of it, and it takes {LEAST_DAYS}."
    grown = now - first.counted
    over = f"the last {span} days"
    if grown <= 0:
        return f"Over {over} your SKUs did not grow, so at that rate you do not reach the limit."
    left = (limit - now) * span / grown
    return f"At the rate of {over} you reach the limit in about {_about(left)}."


def _over(now: int, limit: int) -> str:
    return (
        f"You are {now - limit:,} over the limit. Nothing you have is taken away and all of it keeps being updated; "
        "only new items wait, until you are below it."
    )


def _about(days: float) -> str:
    for unit, size, most in (("day", 1, 14), ("week", 7, 70), ("month", 30.4, 730)):
        if days < most:
            number = max(1, round(days / size))
            return f"{number} {unit}{'s' * (number != 1)}"
    return "more than 2 years" if days < 36_500 else "more than 100 years"
