"""The audit log as people read it: newest first, filtered, page by page, as a file, and whether its chain holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from portal import audit, audit_words
from portal.inventory.export import line
from portal.models import AuditLine, Channel, Integration, InventoryItem, Merchant, Order, Product, Run, Source, User
from portal.sources import INTEGRATION_KINDS

PAGE = 50
CHUNK = 1_000
CHECKED_AT_ONCE = 2_000
"""Up to so many lines the page proves the chain by itself; a longer one where it is asked to."""
HEADS = ("Number", "Time (UTC)", "Who", "Support staff", "Act", "Kind", "Object", "Name", "Change", "Address", "Device", "Hash")


@dataclass(frozen=True)
class Asked:
    """What of the log is wanted; "" and None for everything. `since` and `until` (not included) are naive UTC.

    `who`: part of an email. `what`: a key of audit_words.AREAS. `thing`: the id, or the name or number, of an object.
    """

    who: str = ""
    what: str = ""
    thing: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """One line with what it is about. `name`: what the object is called now, "" where it has none or is gone. `here`: it has a page."""

    line: AuditLine
    act: str
    kind: str
    name: str
    here: bool
    pairs: Sequence[audit_words.Pair]


@dataclass(frozen=True)
class Chain:
    """Whether the log is as it was written. `problems` is None where that was not looked at, [] where it holds."""

    lines: int
    problems: list[str] | None


def page(merchant: Merchant, asked: Asked, before: int | None = None) -> tuple[list[Entry], int | None]:
    """One page, newest first, of lines numbered below `before`; and what to ask for as the next, None on the last page."""
    found = list(_lines(merchant, asked, before).limit(PAGE + 1))
    rows = found[:PAGE]
    return entries(merchant, rows), rows[-1].number if len(found) > PAGE else None


def as_csv(merchant: Merchant, asked: Asked) -> Iterator[str]:
    """Every line that is asked for as a CSV for people, newest first, without holding them all."""
    yield line(HEADS)
    before: int | None = None
    while rows := list(_lines(merchant, asked, before).limit(CHUNK)):
        for one in entries(merchant, rows):
            told = audit_words.in_line(one.pairs)[:32_000]  # a cell of a spreadsheet holds no more
            at = one.line.at.isoformat(sep=" ", timespec="seconds")
            yield line(
                [one.line.number, at, one.line.who, "yes" if one.line.staff else "", one.act, one.kind, one.line.object_id, one.name, told,
                 one.line.address, one.line.device, one.line.hash]
            )  # fmt: skip
        before = rows[-1].number


def chain(merchant: Merchant, whole: bool = False) -> Chain:
    """Prove the chain; one of more than CHECKED_AT_ONCE lines only if `whole`."""
    lines = int(Merchant.select(Merchant.audit_lines).where(Merchant.id == merchant.id).scalar())
    return Chain(lines, audit.verify(merchant) if whole or lines <= CHECKED_AT_ONCE else None)


def entries(merchant: Merchant, rows: Sequence[AuditLine]) -> list[Entry]:
    """The lines in words, with the names of what they are about: a query for each kind."""
    names = _names(merchant, rows)
    return [
        Entry(
            one, audit_words.act(one.action), audit_words.named(one.object_kind) if one.object_kind else "",
            *names.get((one.object_kind, one.object_id), ("", False)), audit_words.pairs(one.before, one.after),
        )
        for one in rows
    ]  # fmt: skip


def _lines(merchant: Merchant, asked: Asked, before: int | None) -> Any:
    query = AuditLine.select().where(AuditLine.merchant == merchant)
    if before is not None:
        query = query.where(AuditLine.number < before)
    if asked.who:
        query = query.where(fn.LOWER(AuditLine.who).contains(asked.who.lower()))
    if asked.what in audit_words.AREAS:
        begins = audit_words.AREAS[asked.what][1]
        wanted = AuditLine.action.startswith(begins[0])
        for one in begins[1:]:
            wanted |= AuditLine.action.startswith(one)
        query = query.where(wanted | (AuditLine.staff == 1) if asked.what == "support" else wanted)
    if asked.since is not None:
        query = query.where(AuditLine.at >= asked.since)
    if asked.until is not None:
        query = query.where(AuditLine.at < asked.until)
    if asked.thing:
        query = query.where(AuditLine.object_id << [asked.thing, *_called(merchant, asked.thing)])
    return query.order_by(AuditLine.number.desc())


_NAMED: Mapping[str, tuple[Any, Any]] = {
    "source": (Source, Source.name), "channel": (Channel, Channel.name), "order": (Order, Order.number),
    "product": (Product, Product.sku), "item": (InventoryItem, InventoryItem.sku), "inventory_item": (InventoryItem, InventoryItem.sku),
    "user": (User, User.email), "run": (Run, Run.number),
}  # fmt: skip


def _called(merchant: Merchant, name: str) -> list[str]:
    """Ids of what is called so, the kinds whose names people know; with each source what it connects."""
    found: list[str] = []
    for table, column in (_NAMED[kind] for kind in ("source", "channel", "order", "product", "user")):
        same = fn.LOWER(column) == name.lower()
        found += [one.public_id for one in table.select(table.public_id).where(table.merchant == merchant, same).limit(100)]
    parts = Integration.select(Integration.public_id).join(Source)
    known = (Source.public_id == name) | (fn.LOWER(Source.name) == name.lower())
    return found + [one.public_id for one in parts.where(Source.merchant == merchant, known).limit(100)]


def _names(merchant: Merchant, rows: Sequence[AuditLine]) -> dict[tuple[str, str], tuple[str, bool]]:
    """(kind, id) -> (what it is called, whether it is there)."""
    wanted: dict[str, set[str]] = {}
    for one in rows:
        wanted.setdefault(one.object_kind, set()).add(one.object_id)
    found: dict[tuple[str, str], tuple[str, bool]] = {}
    for kind, ids in wanted.items():
        if kind == "integration":
            parts: Any = Integration.select(Integration.public_id, Integration.kind, Source.name.alias("of")).join(Source)
            for public_id, key, name in parts.where(Source.merchant == merchant, Integration.public_id << ids).tuples():
                found[kind, public_id] = f"{name}, {INTEGRATION_KINDS.get(key, key)}", False
        elif kind in _NAMED:
            table, column = _NAMED[kind]
            for public_id, name in table.select(table.public_id, column).where(table.merchant == merchant, table.public_id << ids).tuples():
                found[kind, public_id] = f"Run {name:,}" if kind == "run" else str(name), True
    gone: Any = Source.select(Source.public_id, Source.name).where(
        Source.merchant == merchant, Source.state == "deleted", Source.public_id << wanted.get("source", set())
    )
    for public_id, name in gone.tuples():
        found["source", public_id] = f"{name} (deleted)", False
    return found
