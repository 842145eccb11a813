"""Overwrites what speaks of a person: their orders wholly, and in every other table the texts that hold something of them.

Each step may be done twice: what is erased already is left as it is.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import inf
from typing import Any

from peewee import Tuple

from portal import audit, belonging, clock, config, documents, raw_files
from portal import models as of
from portal.erasing import finding
from portal.erasing.terms import ERASED, Terms, blank_address
from portal.models import Document, Merchant, Order, OrderFile, Table, database

CHUNK = 200
BLOCK = 1 << 20
COUNTED_FOR = 2.0  # seconds that a page waits for its counts
OVERLAP = 512  # bytes of the block before that are looked at again
WHOLE = frozenset({"request", "answer", "head", "body"})
"""Columns whose text goes wholly where it holds anything: it is cut, or nobody can say where a value ends in it."""

SCANNED: dict[type[Table], tuple[str, ...]] = {
    of.Exchange: ("request", "answer", "problem"),
    of.Submission: ("problem",),
    of.SendAttempt: ("steps", "problem"),
    of.AnswerProblem: ("told", "words"),
    of.RequestEvent: ("words",),
    of.FulfillmentRequest: ("said",),
    of.Shipment: ("note", "why", "suggestions"),
    of.WebhookDelivery: ("head",),
    of.ChannelOrder: ("told", "why", "differs"),
    of.ChannelNotice: ("said",),
    of.ChannelAttempt: ("words",),
    of.OrderFile: ("bad",),
    of.ApiAnswer: ("body",),
    of.Alert: ("headline", "body", "facts"),
    of.AlertMessage: ("said",),
    of.Run: ("problem",),
    of.RunMessage: ("text",),
    of.SetAsideRow: ("cells", "problems"),
}
"""Tables in which something of a customer may stand, and the columns in which it does."""

Told = Callable[[], None]


def erase(merchant: Merchant, orders: Sequence[Order], terms: Terms, told: Told) -> Counter[str]:
    """Erase the person of these orders; how many rows of each table. `told` is called after each chunk, and may raise to end it."""
    counts: Counter[str] = Counter()
    for order in orders:
        with database.atomic():
            counts["orders"] += blank_order(order)
            counts["documents sent"] += _sent(order)
            counts["store orders"] += _store_order(order)
        told()
    if terms:
        for table, columns in SCANNED.items():
            counts[table._meta.table_name.replace("_", " ")] += scan(merchant, table, columns, terms, told, write=True)
        counts["raw files"] += _raw_files(merchant, orders, terms, told)
        counts["audit lines"] += _audit(merchant, terms, told)
    return +counts


def erase_order(merchant: Merchant, order: Order) -> None:
    """The same of one order whose days are over, and of what is tied to it. Inside the caller's transaction."""
    terms = finding.of([order]).terms
    blank_order(order)
    _sent(order)
    _store_order(order)
    requests = of.FulfillmentRequest.select(of.FulfillmentRequest.id).where(of.FulfillmentRequest.order == order.id)
    tied: list[Any] = [of.AnswerProblem, of.RequestEvent, of.Shipment]
    for table in tied:
        scan(merchant, table, SCANNED[table], terms, lambda: None, write=True, among=table.request << requests)
    _audit(merchant, terms, lambda: None, of.AuditLine.object_id == order.public_id)


def count(merchant: Merchant, terms: Terms, seconds: float = COUNTED_FOR) -> tuple[Counter[str], bool]:
    """How many rows of each table hold something of the person, and whether all were looked through in time; nothing is changed."""
    found: Counter[str] = Counter()
    until = time.monotonic() + seconds
    for table, columns in SCANNED.items():
        if time.monotonic() > until:
            return +found, False
        found[table._meta.table_name.replace("_", " ")] += scan(merchant, table, columns, terms, lambda: None, False, until)
    return +found, time.monotonic() <= until


def blank_order(order: Order) -> int:
    """Its addresses, note and the customer's own reference go; number, lines, units and money stay."""
    columns: dict[str, Any] = {"ship_to": blank_address(order.ship_to), "bill_to": blank_address(order.bill_to)}
    columns |= {name: ERASED for name in ("customer_reference", "note") if getattr(order, name)}
    columns |= {"problems": [], "content_hash": ERASED}
    if all(getattr(order, name) == value for name, value in columns.items()):
        return 0
    stamped = {**columns, "version": Order.version + 1, "changed_at": clock.now()}
    return int(Order.update(stamped).where(Order.id == order.id).execute())


def scan(
    merchant: Merchant,
    table: type[Table],
    columns: Sequence[str],
    terms: Terms,
    told: Told,
    write: bool,
    until: float = inf,
    among: Any = None,
) -> int:
    """Look through the merchant's rows of a table; how many held something of the person, which with `write` is overwritten."""
    count = 0
    for row in _rows(merchant, table, columns, among):
        if until < inf and time.monotonic() > until:
            break
        changed = {}
        for name in columns:
            value = getattr(row, name)
            now = (ERASED if terms.in_text(value) else value) if name in WHOLE and isinstance(value, str) else terms.blanked(value)
            if now != value:
                changed[name] = now
        if changed:
            count += 1
            if write:
                here = [one == getattr(row, one.name) for one in belonging.key_of(table)]
                table.update(changed).where(*here).execute()
                told()
    return count


def _rows(merchant: Merchant, table: type[Table], columns: Sequence[str], among: Any = None) -> Iterator[Any]:
    keys = belonging.key_of(table)
    fields = [getattr(table, name) for name in columns]
    query = table.select(*keys, *fields).where(belonging.rows(table, merchant.id)).order_by(*keys).limit(CHUNK)
    query = query if among is None else query.where(among)
    last: tuple[Any, ...] = ()
    while True:
        rows = list(query.where(Tuple(*keys) > Tuple(*last)) if last else query)
        yield from rows
        if len(rows) < CHUNK:
            return
        last = tuple(rows[-1].__data__[key.name] for key in keys)


def _sent(order: Order) -> int:
    """The documents that left with requests of the order: their bytes go wholly, their size and hash stay."""
    requests = of.FulfillmentRequest.select(of.FulfillmentRequest.id).where(of.FulfillmentRequest.order == order.id)
    members = of.SubmissionMember.select(of.SubmissionMember.submission).where(of.SubmissionMember.request << requests)
    blank = ERASED.encode()
    parts = of.SubmissionPart.submission << members
    return int(of.SubmissionPart.update(content=blank).where(parts, of.SubmissionPart.content != blank).execute())


def _store_order(order: Order) -> int:
    """What the store told of it: compared no more, so that the next pull brings nothing of it back."""
    rows = (of.ChannelOrder.order == order.id) & (of.ChannelOrder.told != {"erased": True})
    return int(of.ChannelOrder.update(told={"erased": True}, differs="").where(rows).execute())


def _raw_files(merchant: Merchant, orders: Sequence[Order], terms: Terms, told: Told) -> int:
    """Raw files that told of the orders, or that hold something of the person as text; and all files of orders that are no plain text."""
    chosen = [order.id for order in orders]
    requests = of.FulfillmentRequest.select(of.FulfillmentRequest.id).where(of.FulfillmentRequest.order << chosen)
    named: set[int] = {order.document_id for order in orders if order.document_id}
    telling: list[Any] = [of.RequestEvent, of.AnswerProblem, of.Shipment]
    for table in telling:
        rows = table.select(table.document_id).where(table.request << requests, table.document_id.is_null(False)).tuples()
        named |= {one for (one,) in rows}
    kept = Document.select().where(Document.merchant == merchant.id, Document.stored_name.is_null(False))
    read = of.RunFile.select(of.RunFile.document).join(of.Run).where(of.Run.kind << ("get_shipments", "get_acknowledgements"))
    searched = [
        one for one in kept.where((Document.id << read) | (Document.origin == "webhook")) if _in_file(documents.path_of(one), terms)
    ]
    count = 0
    for document in {one.id: one for one in [*kept.where(Document.id << sorted(named)), *searched]}.values():
        documents.erase(document)
        count += int(Document.update(stored_name=None).where(Document.id == document.id).execute())
        told()
    for file in OrderFile.select().where(OrderFile.merchant == merchant.id):
        path = config.current().spool_dir / file.stored_name
        if path.is_file() and (file.format.get("kind") not in ("delimited", "fixed_width") or _in_file(path, terms)):
            raw_files.erase(file.stored_name)
            count += 1
            told()
    return count


def _in_file(path: Any, terms: Terms) -> bool:
    """Whether a file holds something of the person, read piece by piece as text of the two usual forms."""
    if not path.is_file():
        return False
    before = b""
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            whole = before + block
            if terms.in_text(whole.decode("utf-8", "replace")) or terms.in_text(whole.decode("latin-1")):
                return True
            if b"\x00" in whole[:1000] and terms.in_text(whole.decode("utf-16", "replace")):
                return True
            before = block[-OVERLAP:]
    return False


def _audit(merchant: Merchant, terms: Terms, told: Told, among: Any = None) -> int:
    """Lines of the audit log whose before or after tells of the person: that goes; who did what when stays, and the chain holds."""
    lines = {}
    for line in _rows(merchant, of.AuditLine, ("number", "before", "after"), among):
        now = {"before": terms.blanked(line.before), "after": terms.blanked(line.after)}
        if now != {"before": line.before, "after": line.after}:
            lines[line.number] = {name: _address(value) for name, value in now.items()}
    audit.blank(merchant, lines)
    told()
    return len(lines)


def _address(value: Any) -> Any:
    """Of an address that held something of the person, the rest is theirs too."""
    if isinstance(value, dict):
        found = {key: _address(one) for key, one in value.items()}
        return blank_address(found) if ERASED in found.values() and "country_code" in found else found
    return value
