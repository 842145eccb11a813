"""Ways that need no connection of the source: the installation's mail server, and a webhook of the supplier's."""

from __future__ import annotations

import base64
import secrets
from typing import Any
from urllib.parse import urlsplit

from portal import clock, config, connection_parts, connections, exchanges, vault
from portal.connectors.hook_out import BRAND, Poster
from portal.connectors.mail import PORTS, PostOffice
from portal.errors import Refused
from portal.models import SealedSecret, Source
from portal.outbox.ways import Way
from portal.records import Secret

FIELD = f"{connections.OWN_FIELDS}webhook secret"


def opened(source: Source, way: Way, run_id: int | None) -> tuple[Any, str]:
    """(what delivers by e-mail or webhook, where that is as "host:port"). Raises Refused where it is not set up."""
    if way.transport == "email":
        office = post_office()
        return office, f"{office.host}:{office.port}"
    return poster(source, way.folder, run_id), _place(way.folder)


def post_office() -> PostOffice:
    """The mail server of this installation. Raises Refused where the operator set none."""
    told = config.current()
    if not told.smtp_host:
        raise Refused("This installation has no mail server (SMTP_HOST). Only its operator can set one. Nothing was sent.")
    password = Secret(told.smtp_password_file.read_text("utf-8").strip()) if told.smtp_password_file else Secret("")
    port = told.smtp_port or PORTS[told.smtp_security]
    return PostOffice(connection_parts.guard(), told.smtp_host, port, told.smtp_security, told.smtp_user, password)


def poster(source: Source, url: str, run_id: int | None = None, test: bool = False) -> Poster:
    """What posts to the supplier's address. Raises Refused before a secret was made."""
    secret = secret_of(source)
    if not url or secret is None:
        raise Refused("The webhook has no address or no secret yet. Finish How orders leave. Nothing was sent.")
    plain = urlsplit(url).scheme == "http"  # only ever to what the operator opened: see way_settings
    whose = source.public_id
    return Poster(connection_parts.guard(), url, secret, whose, exchanges.recorder(source, run_id), test=test, plain_ok=plain)


def secret_of(source: Source) -> Secret | None:
    """The secret that webhooks to the supplier are signed with, None before one was made."""
    row = SealedSecret.get_or_none(SealedSecret.source == source, SealedSecret.field == FIELD)
    return None if row is None else vault.unseal(source.merchant, source.public_id, FIELD, row.sealed)


def make_secret(source: Source, who: str) -> str:
    """A new secret, in place of the one before; the text, to be shown once."""
    text = BRAND + base64.b64encode(secrets.token_bytes(32)).decode()
    SealedSecret.delete().where(SealedSecret.source == source, SealedSecret.field == FIELD).execute()
    sealed = vault.seal(source.merchant, source.public_id, FIELD, text)
    SealedSecret.create(source=source, field=FIELD, sealed=sealed, hint=f"ends in ..{text[-4:]}", saved_at=clock.now(), saved_by=who)
    return text


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname or ''}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
