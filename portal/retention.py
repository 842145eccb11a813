"""How long a workspace keeps things: its own days where it set some, kept to once a day, and what that removed is said.

days of a merchant ─▶ files get their end when they come ─▶ a sweep a day: exchanges, persons of finished orders, old lines of the log
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from portal import audit, clock, config, exchanges
from portal.erasing import blanking, finding
from portal.erasing.terms import ERASED
from portal.errors import Invalid, Stale
from portal.models import AuditLine, Document, Exchange, Merchant, Order, Retention, User, database

KINDS: dict[str, tuple[str, int, int]] = {
    "files": ("Raw files", 1, 365),
    "exchanges": ("Requests to suppliers and their answers", 1, 90),
    "persons": ("Names and addresses of finished orders", 30, 3650),
    "audit": ("The audit log", 365, 3650),
}
"""key -> (what, least days, most days)."""
ORDERS_AT_ONCE = 200
FOREVER = ("persons", "audit")
"""Kept for good unless a number of days is set."""


def default_of(kind: str) -> int | None:
    """Days by default; None: for good."""
    return {"files": config.current().keep_files_days, "exchanges": exchanges.KEEP_DAYS}.get(kind)


def of(merchant: Merchant) -> Retention:
    """What the merchant set; a row that is not saved yet where it set nothing."""
    return Retention.get_or_none(Retention.merchant == merchant.id) or Retention(merchant=merchant, version=0)


def save(actor: User, typed: Mapping[str, str], version: int, address: str = "") -> None:
    """Keep the days, "" for the default. Raises Invalid (by kind), Stale."""
    merchant, days, errors = actor.merchant, {}, {}
    for kind, (_, least, most) in KINDS.items():
        text = typed.get(kind, "").strip()
        fits = text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most
        days[kind] = int(text) if text and fits else None
        if text and not fits:
            errors[kind] = f"Enter days from {least:,} to {most:,}, or leave it empty."
    if errors:
        raise Invalid(errors)
    stamp: dict[str, Any] = {**days, "changed_at": clock.now(), "changed_by": actor.email, "kept_on": ""}
    with database.atomic():
        now = of(merchant)
        if now.version != version:
            raise Stale(now.changed_by, now.changed_at)
        Retention.insert({"merchant": merchant.id, "version": 1, **stamp}).on_conflict(
            conflict_target=[Retention.merchant], update={**stamp, "version": Retention.version + 1}
        ).execute()
        before = {kind: getattr(now, kind) for kind in KINDS}
        audit.write(
            merchant, actor.email, "workspace.retention", "merchant", merchant.public_id, before=before, after=days, address=address
        )


def sweep() -> int:
    """Keep to the days of each merchant that set some and was not looked at today; how many things went.

    A merchant with more than ORDERS_AT_ONCE persons to erase goes on with the next call.
    """
    today, removed = f"{clock.now():%Y-%m-%d}", 0
    for row in list(Retention.select(Retention, Merchant).join(Merchant).where(Retention.kept_on != today, Merchant.closing_at.is_null())):
        counts, done = keep_to(row)
        with database.atomic():
            if done:
                Retention.update(kept_on=today).where(Retention.merchant == row.merchant_id, Retention.version == row.version).execute()
            if counts:
                audit.write(row.merchant, "Quayside", "workspace.kept", "merchant", row.merchant.public_id, after=dict(counts))
        removed += counts.total()
    return removed


def keep_to(row: Retention) -> tuple[Counter[str], bool]:
    """Erase what is older than the days of the row; (what went, whether nothing is left to do)."""
    merchant, now, counts, done = row.merchant, clock.now(), Counter[str](), True
    _end_files(row)
    if row.exchanges is not None:
        old = (Exchange.merchant == merchant.id) & (Exchange.at < now - timedelta(days=row.exchanges))
        counts["exchanges"] += int(Exchange.delete().where(old).execute())
    if row.persons is not None:
        erased, done = _persons(merchant, now - timedelta(days=row.persons))
        counts += erased
    if row.audit is not None:
        counts["audit lines"] += audit.trim(merchant, now - timedelta(days=row.audit))
    return +counts, done


def last_sweeps(merchant: Merchant, most: int = 7) -> list[AuditLine]:
    """What the last sweeps removed, the newest first."""
    lines = AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.action == "workspace.kept")
    return list(lines.order_by(AuditLine.number.desc()).limit(most))


def _end_files(row: Retention) -> None:
    """Files that are here end by the days that hold now; `documents.erase_old` erases them, but for those still needed."""
    days = row.files if row.files is not None else default_of("files")
    kept = Document.select(Document.id, Document.at, Document.erase_at).where(
        Document.merchant == row.merchant_id, Document.stored_name.is_null(False), Document.erase_at.is_null(False)
    )
    for document in list(kept):
        end = document.at + timedelta(days=days or 0)
        if document.erase_at != end:
            Document.update(erase_at=end).where(Document.id == document.id).execute()


def _persons(merchant: Merchant, before: Any) -> tuple[Counter[str], bool]:
    """Blank the persons of finished orders that nothing happened to since `before`."""
    counts: Counter[str] = Counter()
    old = (Order.changed_at < before) & (Order.content_hash != ERASED)
    last = 0
    while counts["persons of finished orders"] < ORDERS_AT_ONCE:
        rows = list(Order.select().where(Order.merchant == merchant.id, old, Order.id > last).order_by(Order.id).limit(ORDERS_AT_ONCE))
        for order in rows:
            last = order.id
            if not finding.is_open(order):
                with database.atomic():
                    blanking.erase_order(merchant, order)
                counts["persons of finished orders"] += 1
        if len(rows) < ORDERS_AT_ONCE:
            return counts, True
    return counts, False
