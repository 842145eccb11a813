"""What was said to a supplier's API and what it answered: a row for each request, without secrets, erased by age."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from portal import clock, records
from portal.models import Exchange, Retention, Source, database

KEEP_DAYS = 7
LONGEST_KEPT = 16_384
"""Bytes of a body that are kept."""
SHOWN = 50
MOST_OF_A_RUN = 300
LONGEST_QUOTED = 1_000


def recorder(source: Source, run_id: int | None = None) -> Callable[[records.Exchange], None]:
    """What a connector tells its exchanges to: each becomes a row at once, so that a killed run leaves its story.

    After the first MOST_OF_A_RUN those of success share one row, which always tells the latest: thousands of like calls would bury
    the rest, and the call that a run ends with is the one that is looked for.
    """
    kept, last = 0, None

    def record(told: records.Exchange) -> None:
        nonlocal kept, last
        columns = _columns(told)
        with database.atomic():
            if last is not None and _good(told):
                Exchange.update(columns).where(Exchange.id == last).execute()
                return
            row = Exchange.create(merchant=source.merchant_id, source=source, run_id=run_id, **columns)
        kept += 1
        last = row.id if kept > MOST_OF_A_RUN and _good(told) else None

    return record


def _good(told: records.Exchange) -> bool:
    return told.status is not None and told.status < 400 and not told.problem


def _columns(told: records.Exchange) -> dict[str, Any]:
    return {
        "at": told.at, "method": told.method, "address": told.address[:1_000], "status": told.status, "milliseconds": told.milliseconds,
        "sent": told.sent, "received": told.received, "request": _text(told.request), "answer": _text(told.answer),
        "problem": told.problem[:200],
    }  # fmt: skip


def latest(source: Source, run_id: int | None = None, limit: int = SHOWN) -> list[Exchange]:
    """The newest exchanges of the source, or of one of its runs, newest first."""
    rows = Exchange.select().where(Exchange.merchant == source.merchant_id, Exchange.source == source)
    if run_id is not None:
        rows = rows.where(Exchange.run_id == run_id)
    return list(rows.order_by(Exchange.id.desc()).limit(limit))


def letter(one: Exchange) -> str:
    """What to send to the supplier about one request: what, when, and their answer. Free of secrets, as the row is."""
    answer = f"{one.status}" if one.status is not None else f"none: {one.problem}"
    lines = [
        f"Request: {one.method} {one.address}", f"Time: {one.at:%Y-%m-%d %H:%M:%S} UTC, {one.milliseconds:,} ms", f"Answer: {answer}",
        f"Answer's body, {one.received:,} bytes: {one.answer[:LONGEST_QUOTED]}" if one.answer else "",
    ]  # fmt: skip
    return "\n".join(line for line in lines if line)


def erase_old() -> int:
    """Erase rows past their age; how many went. Merchants that set days of their own keep to those (portal.retention)."""
    own = Retention.select(Retention.merchant).where(Retention.exchanges.is_null(False))
    old = (Exchange.at < clock.now() - timedelta(days=KEEP_DAYS)) & Exchange.merchant.not_in(own)
    with database.atomic():
        return int(Exchange.delete().where(old).execute())


def _text(body: bytes) -> str:
    kept = body[:LONGEST_KEPT].decode("utf-8", "replace").replace("\x00", "\ufffd")
    return kept if len(body) <= LONGEST_KEPT else f"{kept}… ({len(body):,} bytes)"
