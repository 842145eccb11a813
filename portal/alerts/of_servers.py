"""Rules of servers: sign-ins that ended, certificates that end soon, servers that keep failing; and backups of our own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from peewee import fn

from portal.alerts.findings import LIVE, Finding, Look, counted
from portal.connection_values import servers_of
from portal.models import Circuit, Connection, Merchant, OauthGrant, Source, SupplierOutage, User
from portal.operation import notes

_WHOSE = (Source.id, Source.name, Source.merchant, Merchant.time_zone)


def sign_ins(look: Look) -> Iterator[Finding]:
    """Grants that the supplier accepts no longer."""
    query: Any = OauthGrant.select(OauthGrant.ended_at, *_WHOSE).join(Source).join(Merchant)
    for ended, source, name, merchant, zone in query.where(LIVE, OauthGrant.ended_at.is_null(False)).tuples():
        body = f"It ended {look.at(ended, zone)}. Nothing was lost: stock stays as it last came, and orders wait. Sign in again."
        yield Finding(merchant, "sign_in_ended", f"source {source}", f"{name} no longer accepts our sign-in", body, source,
                      mark="grant", facts={"place": "sign_in"})  # fmt: skip


def certificates(look: Look) -> Iterator[Finding]:
    """Certificates that end within the days of the limit, as last seen."""
    for over, whose in look.policies.groups("certificate_ending", Source.merchant):
        query: Any = Connection.select(Connection.certificate_ends, *_WHOSE).join(Source).join(Merchant)
        soon = Connection.certificate_ends < look.now + timedelta(days=over)
        for ends, source, name, merchant, _zone in query.where(LIVE, soon, whose).tuples():
            over_now, days = ends < look.now, (ends - look.now).days
            when = f"{ends.day} {ends:%b %Y}"
            what = "ended" if over_now else "ends today" if days < 1 else f"ends in {counted(days, 'day')}"
            body = f"It {'was' if over_now else 'is'} good until {when}. After that we do not connect, and stock stays as it last came. "
            yield Finding(merchant, "certificate_ending", f"source {source}", f"{name}'s certificate {what}",
                          f"{body}Only {name} can renew it: tell them.", source, level="action" if over_now else "",
                          mark=when, facts={"place": "checks"})  # fmt: skip


def silent(look: Look) -> Iterator[Finding]:
    """Servers that are left alone for a while because they failed again and again."""
    query: Any = Circuit.select(Circuit.failures, Circuit.headline, Circuit.until, Circuit.opened, *_WHOSE).join(Source).join(Merchant)
    for failures, said, until, opened, source, name, merchant, zone in query.where(LIVE, Circuit.until.is_null(False)).tuples():
        next_try = f"We try again at {look.at(until, zone)}." if until > look.now else "We try again now."
        failed = f"{said}, {counted(failures, 'time')} in a row."
        body = f"{failed} Stock stays as it last came; orders wait and leave later, once each. {next_try}"
        yield Finding(merchant, "server_silent", f"source {source}", f"{name}'s server keeps failing", body, source,
                      mark=f"opened {opened}", facts={"place": "source"})  # fmt: skip


def outages(look: Look) -> Iterator[Finding]:
    """Servers of which support said that they do not work, to each source that talks with one."""
    query: Any = SupplierOutage.select().where(SupplierOutage.ended_at.is_null()).order_by(SupplierOutage.id)
    for outage in query:
        rows: Any = Connection.select(Connection.settings, *_WHOSE).join(Source).join(Merchant)
        like = fn.LOWER(Connection.settings).contains(outage.host)
        for settings, source, name, merchant, zone in rows.where(LIVE, like).tuples():
            if outage.host in servers_of(settings):
                told = f"Support told {look.at(outage.begun_at, zone)}: {outage.words}"
                body = f"{told} Nothing was lost: stock stays as it last came, and orders wait."
                yield Finding(merchant, "supplier_outage", f"source {source}", f"{name}'s server has an outage", body, source,
                              mark=outage.public_id, facts={"place": "source"})  # fmt: skip


def backups(look: Look) -> Iterator[Finding]:
    """A last backup that is too old, or none since the installation began; for the workspaces of its staff."""
    staff: Any = User.select(User.merchant, Merchant.time_zone).join(Merchant).where(User.is_staff == True, User.disabled_at.is_null())  # noqa: E712
    note = notes.last(notes.BACKUP)
    begun = Merchant.select(Merchant.created_at).order_by(Merchant.id).limit(1).scalar()
    for merchant, zone in staff.distinct().tuples():
        last = note.at if note else begun
        if look.now - last <= timedelta(hours=look.policies.over("backup_old", merchant)):
            continue
        headline = f"The last backup is of {look.at(last, zone)}" if note else "No backup was ever made"
        body = "Everything works. But what was saved since would be lost with this machine. Make one: flask --app app backup."
        facts = {"place": "installation"}
        yield Finding(merchant, "backup_old", "installation", headline, body, mark=f"{last:%Y-%m-%dT%H:%M}", facts=facts)
