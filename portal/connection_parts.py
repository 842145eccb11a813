"""The parts that a connection is made of: its supplier, all its settings, its opened credentials, and what may be reached."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from portal import config, directory, vault
from portal.connection_values import server_of
from portal.connectors.network import Guard, is_public
from portal.errors import NotFound, SupplierError
from portal.models import Connection, OauthGrant, SealedSecret, Source
from portal.records import Secret
from portal.sources import CHANNEL_LINE
from portal.suppliers import Supplier
from portal.suppliers.channels import as_channel

LOOPBACK = "127.0.0.1"
LONGEST_LINK = 1_000  # characters
UNTESTED: dict[str, Any] = {
    "state": "untested",
    "checks": [],
    "listing": [],
    "check_run_id": None,
    "offered_key": None,
    "tested_at": None,
    "certificate_ends": None,
}


def supplier_of(source: Source) -> Supplier:
    """The source's supplier, as a channel where the source is the line of one. Raises NotFound before one was chosen."""
    supplier = directory.find(source.supplier)
    return as_channel(supplier) if source.kind == CHANNEL_LINE else supplier


def mark_untested(source: Source) -> None:
    """Forget the last test: something that it depends on was changed."""
    Connection.update(**UNTESTED, version=Connection.version + 1).where(Connection.source == source).execute()


def whole_settings(source: Source) -> dict[str, Any]:
    """The settings that a connector takes: the supplier's own and what was typed; only the former before a connection was saved."""
    connection = Connection.get_or_none(Connection.source == source)
    return supplier_of(source).whole(connection.settings if connection else {})


def opened_secrets(source: Source) -> dict[str, Secret]:
    """The credentials that belong to the chosen way of signing in, opened."""
    connection, supplier = Connection.get(Connection.source == source), supplier_of(source)
    wanted = {one.key for one in supplier.settings if one.secret and one.applies(connection.settings)}
    kept = {row.field: row.sealed for row in SealedSecret.select().where(SealedSecret.source == source)}
    return {key: vault.unseal(source.merchant, source.public_id, key, kept[key]) for key in wanted if key in kept}


def sign_in_standing(source: Source) -> str:
    """How the source stands with signing in at its supplier: "none" (it signs in another way), "needed" or "given"."""
    try:
        way = whole_settings(source).get("auth") if source.supplier else None
    except NotFound:  # an entry that the directory has no more
        way = None
    if way != "code":
        return "none"
    grant = OauthGrant.get_or_none(OauthGrant.source == source)
    return "needed" if grant is None or grant.ended_at is not None else "given"


def host_of(source: Source) -> str:
    """The host that the connection talks to."""
    return server_of(whole_settings(source))


def plain_ok(source: Source) -> bool:
    """Whether the merchant allowed a sign-in over plain HTTP."""
    return whole_settings(source).get("plain_ok") in (True, "true", "on", "1")


def guard() -> Guard:
    """The egress guard of this installation. The demo supplier's two loopback ports are open in demo mode only."""
    settings = config.current()
    demo = [(LOOPBACK, settings.demo_sftp_port), (LOOPBACK, settings.demo_http_port)] if settings.demo else []
    return Guard.from_config(settings.egress_allow, demo)


def link_problem(text: str, in_it: str = "") -> str:
    """What is wrong with a link that we are to send to, in a sentence; "" for nothing. `in_it`: why it must not be read on the way."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.username is None and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(text) > LONGEST_LINK or not text.isprintable():
        return "Enter the whole address, beginning with https://."
    try:
        target = guard().resolve(parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
    except SupplierError as error:
        return f"{error.problem.headline}. {error.problem.body}"
    if parts.scheme == "http" and any(is_public(one) for one in target.addresses):
        return f"{in_it}, so it needs https:// outside of your own network." if in_it else "It needs https:// outside of your own network."
    return ""
