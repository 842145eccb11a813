"""A server that does not work, said once by support to every merchant with a source there, until it is over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from portal import audit, clock
from portal.connection_values import servers_of
from portal.errors import Invalid, NotFound, Refused
from portal.models import Connection, Merchant, Source, StaffPerson, SupplierOutage, database

SHOWN = 20


@dataclass(frozen=True)
class Told:
    """An outage and the sources of one merchant that it stops."""

    outage: SupplierOutage
    names: Sequence[str]


def affected(host: str) -> list[Source]:
    """Every live or paused source whose connection talks with that host, with its merchant."""
    host = _tidy(host)
    like = fn.LOWER(Connection.settings).contains(host)
    rows: Any = Connection.select(Connection, Source, Merchant).join(Source).join(Merchant)
    found = rows.where(like, Source.state << ("live", "paused")).order_by(Source.id) if host else []
    return [one.source for one in found if host in servers_of(one.settings)]


def announce(host: str, words: str, person: StaffPerson) -> SupplierOutage:
    """Say it to all who have a source there. Raises Invalid naming host and words, Refused where it is said already."""
    host, words = _tidy(host), " ".join(words.replace("\x00", "").split())
    errors = {}
    if not affected(host):
        errors["host"] = "No source that works talks with this host. Type it as their connections have it, such as sftp.kestrel.example."
    if not 10 <= len(words) <= 400:
        errors["words"] = "Say what happened and what to expect, in 10 to 400 characters."
    if errors:
        raise Invalid(errors)
    with database.atomic():
        if SupplierOutage.select().where(SupplierOutage.host == host, SupplierOutage.ended_at.is_null()).exists():
            raise Refused(f"An outage of {host} is announced already. End that one first.")
        made = SupplierOutage.create(host=host, words=words, begun_by=person.email, begun_at=clock.now())
        for merchant, names in _by_merchant(affected(host)):
            told = {"host": host, "said": words, "sources": names}
            audit.write(merchant, person.email, "support.outage", "merchant", merchant.public_id, after=told)
    return made


def over(public_id: str, person: StaffPerson) -> SupplierOutage:
    """Take the notice off every screen. Raises NotFound."""
    found: SupplierOutage | None = SupplierOutage.get_or_none(SupplierOutage.public_id == public_id, SupplierOutage.ended_at.is_null())
    if found is None:
        raise NotFound("outage")
    with database.atomic():
        SupplierOutage.update(ended_at=clock.now(), ended_by=person.email).where(SupplierOutage.id == found.id).execute()
        for merchant, names in _by_merchant(affected(found.host)):
            told = {"host": found.host, "sources": names}
            audit.write(merchant, person.email, "support.outage_end", "merchant", merchant.public_id, after=told)
    return found


def listing() -> list[SupplierOutage]:
    """What is announced now, and what was before, the newest first."""
    return list(SupplierOutage.select().order_by(SupplierOutage.ended_at.is_null(False), SupplierOutage.id.desc()).limit(SHOWN))


def of(merchant: Merchant) -> list[Told]:
    """What the merchant is to be told now. One small query while nothing is announced."""
    now = list(SupplierOutage.select().where(SupplierOutage.ended_at.is_null()).order_by(SupplierOutage.id))
    if not now:
        return []
    rows: Any = Connection.select(Connection, Source).join(Source).where(Source.merchant == merchant, Source.state << ("live", "paused"))
    hosts = [(one.source.name, servers_of(one.settings)) for one in rows]
    told = [Told(outage, sorted(name for name, known in hosts if outage.host in known)) for outage in now]
    return [one for one in told if one.names]


def _tidy(host: str) -> str:
    return host.replace("\x00", "").strip().rstrip(".").casefold()[:255]


def _by_merchant(found: Sequence[Source]) -> list[tuple[Merchant, list[str]]]:
    names: dict[int, list[str]] = {}
    whose = {one.merchant_id: one.merchant for one in found}
    for one in found:
        names.setdefault(one.merchant_id, []).append(one.name)
    return [(whose[key], several) for key, several in names.items()]
