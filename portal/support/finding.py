"""Find a workspace or a source by id, name, host or e-mail domain, and see its state, runs and exchanges; never a credential.

Unscoped on purpose: these look-ups are for support staff alone, and each look is noted in the merchant's audit log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from peewee import fn

from portal import audit, clock, exchanges, removals, runs, source_status, sources
from portal.connection_values import servers_of
from portal.errors import NotFound
from portal.models import AuditLine, BulkAct, Connection, Exchange, Merchant, Run, Source, SourceReset, StaffPerson, User
from portal.records import Check
from portal.source_status import SourceStatus

MOST = 50
RUNS = 30
EXCHANGES = 30
LOOK_LASTS = timedelta(minutes=15)
"""A second look of the same person within it writes no second line."""


@dataclass(frozen=True)
class Found:
    """What a search found: workspaces, and sources with the host that they talk with. `more`: there were more than MOST of one."""

    merchants: Sequence[Merchant]
    sources: Sequence[tuple[Source, str]]
    more: bool = False


@dataclass(frozen=True)
class Workspace:
    """One workspace as support sees it. `people`: those who sign in, without anything that they sign in with."""

    merchant: Merchant
    people: Sequence[User]
    statuses: Sequence[SourceStatus]
    deleted: Sequence[Source]


@dataclass(frozen=True)
class Seen:
    """One source as support sees it. `facts`: settings of the connection that name no one and open nothing."""

    source: Source
    status: SourceStatus | None
    hosts: Sequence[str]
    checks: Sequence[Check]
    test: Run | None
    runs: Sequence[Run]
    exchanges: Sequence[Exchange]
    losses: removals.Losses
    resets: Sequence[tuple[SourceReset, BulkAct | None]]


def search(text: str) -> Found:
    """Workspaces and sources whose id, name, host, or people's e-mail or its domain are like `text`."""
    wanted = " ".join(text.replace("\x00", "").split()).lower()[:200]
    if not wanted:
        return Found([], [])
    people = User.select(User.merchant).where((User.email == wanted) | User.email.endswith("@" + wanted.removeprefix("@")))
    by_run = Run.select(Run.source).where(Run.public_id == text.strip())
    named = fn.LOWER(Merchant.name).contains(wanted) | (Merchant.public_id == text.strip()) | (Merchant.id << people)
    merchants = list(Merchant.select().where(named).order_by(Merchant.name, Merchant.id).limit(MOST + 1))
    like = (fn.LOWER(Source.name).contains(wanted)) | (Source.public_id == text.strip()) | (Source.id << by_run)
    at_host = Connection.select(Connection.source).where(fn.LOWER(Connection.settings).contains(wanted))
    rows = Source.select(Source, Merchant).join(Merchant).where(like | (Source.id << at_host)).order_by(Source.name_key, Source.id)
    found = list(rows.limit(MOST + 1))
    hosts = hosts_of(found)
    named_so = {one.id for one in found if wanted in one.name.lower() or text.strip() == one.public_id}
    runs_of = {one.source_id for one in by_run}
    kept = [(one, ", ".join(hosts.get(one.id, ()))) for one in found
            if one.id in named_so | runs_of or any(wanted in host for host in hosts.get(one.id, ()))]  # fmt: skip
    return Found(merchants[:MOST], kept[:MOST], more=len(merchants) > MOST or len(found) > MOST)


def hosts_of(found: Sequence[Source]) -> Mapping[int, Sequence[str]]:
    """The hosts that the connections of these sources talk with."""
    rows = Connection.select(Connection.source, Connection.settings).where(Connection.source << [one.id for one in found])
    return {one.source_id: sorted(servers_of(one.settings)) for one in rows}


def merchant_of(public_id: str) -> Merchant:
    """The workspace of that id, whoever asks. Raises NotFound."""
    found: Merchant | None = Merchant.get_or_none(Merchant.public_id == public_id)
    if found is None:
        raise NotFound("merchant")
    return found


def source_of(public_id: str) -> Source:
    """The source of that id, whoever asks; a deleted one too while it can be restored. Raises NotFound."""
    rows: Any = Source.select(Source, Merchant).join(Merchant).where(Source.public_id == public_id)
    source: Source | None = rows.first()
    if source is None or (source.state == "deleted" and (source.purge_at is None or source.purge_at <= clock.now())):
        raise NotFound("source")
    return source


def run_of(public_id: str) -> Run:
    """The run of that id, whoever asks, with its source and merchant. Raises NotFound."""
    found: Run | None = Run.get_or_none(Run.public_id == public_id)
    if found is None:
        raise NotFound("run")
    return found


def workspace(merchant: Merchant) -> Workspace:
    """People, sources with where they stand, and what was deleted."""
    people = list(User.select().where(User.merchant == merchant, User.is_staff == False).order_by(User.email))  # noqa: E712
    return Workspace(merchant, people, source_status.of_all(merchant, sources.listing(merchant), "UTC"), removals.deleted(merchant))


def seen(source: Source) -> Seen:
    """Where a source stands, its last test, runs and exchanges, and what was reset."""
    from portal import connection_checks  # loads the connectors

    connection: Connection | None = Connection.get_or_none(Connection.source == source)
    resets = list(SourceReset.select().where(SourceReset.source == source).order_by(SourceReset.id.desc()).limit(10))
    acts = {one.id: one for one in BulkAct.select().where(BulkAct.id << [one.act_id for one in resets if one.act_id])}
    return Seen(
        source=source, status=source_status.of(source, "UTC") if source.state != "deleted" else None,
        hosts=sorted(servers_of(connection.settings)) if connection else [],
        checks=connection_checks.read_back(connection) if connection else [],
        test=connection_checks.latest(connection) if connection else None,
        runs=runs.listing(source.merchant, source, RUNS), exchanges=exchanges.latest(source, limit=EXCHANGES),
        losses=removals.losses(source), resets=[(one, acts.get(one.act_id or 0)) for one in resets],
    )  # fmt: skip


def note_look(person: StaffPerson, merchant: Merchant, kind: str, public_id: str) -> None:
    """Say in the merchant's audit log that support looked at it; the same look again only after a quarter of an hour."""
    same = (AuditLine.merchant == merchant) & (AuditLine.object_id == public_id) & (AuditLine.action == "support.look")
    if not AuditLine.select().where(same, AuditLine.who == person.email, AuditLine.at > clock.now() - LOOK_LASTS).exists():
        audit.write(merchant, person.email, "support.look", kind, public_id)
