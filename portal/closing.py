"""A workspace is deleted: seven days in which nothing of it runs or leaves and it can be brought back, then everything goes.

asked for (password, typed name) ─▶ closing: sign-in leads to one page ─▶ brought back │ erased table by table, a piece at a time
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from math import inf
from typing import Any

from peewee import Tuple

from portal import audit, belonging, clock, config, failpoints, raw_files, runs, vault
from portal.erasing import scrubbing, tombstones
from portal.errors import Forbidden, Invalid, Refused
from portal.models import (
    TABLES,
    Document,
    FulfillmentRequest,
    InventoryItem,
    Invoice,
    InvoiceMark,
    Merchant,
    Order,
    OrderFile,
    Product,
    RequestLine,
    Run,
    Session,
    Source,
    User,
    WorkspaceExport,
    database,
)
from portal.models.runs import UNFINISHED
from portal.roles import may

GRACE = timedelta(days=7)
CHUNK = 1_000
KEPT_FOR_BOOKS = (Invoice, InvoiceMark)
"""Invoices are the operator's books, which nobody may change. They stay, under a workspace without a name."""
GONE_NAME = "(deleted)"


@dataclass(frozen=True)
class Losses:
    """What goes with a workspace. `waiting`: fulfillment requests with units that are neither shipped nor given up."""

    sources: int
    items: int
    products: int
    orders: int
    waiting: int
    files: int
    people: int
    invoices: int


def losses(merchant: Merchant) -> Losses:
    """Counted now."""
    lines = RequestLine.select(RequestLine.request).where(RequestLine.open + RequestLine.acknowledged > 0)
    return Losses(
        sources=Source.select().where(Source.merchant == merchant).count(),
        items=InventoryItem.select().where(InventoryItem.merchant == merchant).count(),
        products=Product.select().where(Product.merchant == merchant).count(),
        orders=Order.select().where(Order.merchant == merchant).count(),
        waiting=FulfillmentRequest.select().where(FulfillmentRequest.merchant == merchant, FulfillmentRequest.id << lines).count(),
        files=Document.select().where(Document.merchant == merchant, Document.stored_name.is_null(False)).count(),
        people=User.select().where(User.merchant == merchant).count(),
        invoices=Invoice.select().where(Invoice.merchant == merchant).count(),
    )


def close(actor: User, typed_name: str, address: str = "") -> None:
    """Let the workspace end in 7 days. Raises Invalid ("typed_name"), Refused, Forbidden."""
    merchant = actor.merchant
    if not may(actor.role, "owners"):
        raise Forbidden("Only an owner deletes the workspace. Nothing was changed.")
    if " ".join(typed_name.split()) != merchant.name:
        raise Invalid({"typed_name": f"The name does not match. Type {merchant.name}."})
    if User.select().where(User.merchant == merchant, User.is_staff == True).exists():  # noqa: E712
        raise Refused("Somebody who runs this installation signs in to this workspace. It cannot be deleted. Nothing was changed.")
    now = clock.now()
    with database.atomic():
        open_ = (Merchant.id == merchant.id) & Merchant.closing_at.is_null()
        if not Merchant.update(closing_at=now + GRACE, closing_by=actor.email).where(open_).execute():
            raise Refused("This workspace is being deleted already.")
        for run in Run.select().where(Run.merchant == merchant, Run.state << UNFINISHED):
            runs.request_stop(run, actor.email)
        others = User.select(User.id).where(User.merchant == merchant, User.role != "owner")
        Session.delete().where(Session.user << others).execute()
        told = {"ends": now + GRACE, "name": merchant.name}
        audit.write(merchant, actor.email, "workspace.close", "merchant", merchant.public_id, after=told, address=address)


def reopen(actor: User, address: str = "") -> None:
    """Take the deletion back: everything is as it was. Raises Refused once the days are over, Forbidden."""
    merchant = actor.merchant
    if not may(actor.role, "owners"):
        raise Forbidden("Only an owner brings the workspace back.")
    with database.atomic():
        still = (Merchant.id == merchant.id) & (Merchant.closing_at > clock.now())
        if not Merchant.update(closing_at=None, closing_by=None).where(still).execute():
            raise Refused("The days are over, and it is being erased.")
        audit.write(merchant, actor.email, "workspace.reopen", "merchant", merchant.public_id, address=address)


def erase_due(seconds: float = 20.0) -> int:
    """Erase workspaces whose days are over, for so long at most; how many are gone. The next call goes on where this one left."""
    until, gone = time.monotonic() + seconds, 0
    due = list(Merchant.select().where(Merchant.closing_at <= clock.now()))
    if due:
        with scrubbing.scrubbed():
            gone = sum(erase(merchant, until) for merchant in due)
    return gone


def again(merchant: Merchant, _line: Mapping[str, Any]) -> None:
    """Erase a workspace that a restored database holds once more."""
    erase(merchant, inf, remember=False)


def erase(merchant: Merchant, until: float = inf, remember: bool = True) -> bool:
    """Files first, then every row, those that others lead to last; whether all of it is gone. Each step may be done twice."""
    if remember and not any(line["kind"] == "merchant" and line["merchant"] == merchant.public_id for line in tombstones.known()):
        tombstones.keep(at=clock.now().isoformat(), kind="merchant", merchant=merchant.public_id)
    Session.delete().where(belonging.rows(Session, merchant.id)).execute()
    if not _files(merchant, until):
        return False
    keeps_books = Invoice.select().where(Invoice.merchant == merchant.id).exists()
    for table in reversed(TABLES):
        if table is Merchant or belonging.way(table) is None or (keeps_books and table in KEPT_FOR_BOOKS):
            continue
        while _some(table, merchant.id):
            failpoints.reach("closing-chunk")
            if time.monotonic() > until:
                return False
    if keeps_books:
        blank: dict[str, Any] = {
            "name": GONE_NAME,
            "data_key": vault.new_data_key(),
            "closing_at": None,
            "closing_by": None,
            "order_settings": {},
        }
        Merchant.update(blank | {"changed_by": "", "audit_lines": 0}).where(Merchant.id == merchant.id).execute()
    else:
        Merchant.delete().where(Merchant.id == merchant.id).execute()
    return True


def _some(table: Any, merchant_id: int) -> int:
    keys = belonging.key_of(table)
    some = table.select(*keys).where(belonging.rows(table, merchant_id)).limit(CHUNK)
    with database.atomic():
        return int(table.delete().where((Tuple(*keys) if len(keys) > 1 else keys[0]) << some).execute())


def _files(merchant: Merchant, until: float) -> bool:
    for table in (Document, OrderFile, WorkspaceExport):
        kept = table.select().where(belonging.rows(table, merchant.id), table.stored_name.is_null(False), table.stored_name != "")
        for row in kept.order_by(table.id):
            raw_files.erase(str(row.stored_name))
            table.update(stored_name="" if table is OrderFile else None).where(table.id == row.id).execute()
            if time.monotonic() > until:
                return False
    own = [f"orders-{merchant.public_id}", f"exports-{merchant.public_id}"]
    for source in Source.select(Source.public_id).where(Source.merchant == merchant.id):
        own.append(source.public_id)
    for name in own:
        shutil.rmtree(config.current().spool_dir / name, ignore_errors=True)
    return True
