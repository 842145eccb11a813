"""BigCommerce's single-click app: the store begins, and a person in the portal says whether it is theirs.

store's control panel ─▶ code ─▶ token (it alone says which store) ─▶ kept aside ─▶ confirmed by a person ─▶ proved at the store, sealed
The store opens the app (`opened`) and removes it (`removed`) with a signed message; what is not signed changes and tells nothing.
"""

from __future__ import annotations

import json
import logging
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal import clock, connection_parts, connections, exchanges, key_offers, runs, store_payloads
from portal.connectors import problems
from portal.connectors.caller import Asked, Caller
from portal.errors import NotFound, Refused, SupplierError
from portal.models import Integration, KeyOffer, Source, database

log = logging.getLogger(__name__)

KIND = "bigcommerce"
LASTS = timedelta(hours=1)
MOST_AN_HOUR = 10
"""Codes that are changed for tokens, for one source: anybody can open the address that the store's control panel opens."""
SCOPES = ("store_v2_products_read_only", "store_inventory_read_only")
_CODE, _CONTEXT = re.compile(r"[\x21-\x7e]{1,500}"), re.compile(r"stores/([a-z0-9]{3,20})")


@dataclass(frozen=True)
class Installed:
    """A store that installed the app and waits for a person: who allowed it there, with which scopes, until when."""

    number: int
    store: str
    user: str
    scopes: tuple[str, ...]
    at: datetime

    @property
    def missing(self) -> tuple[str, ...]:
        """Scopes that reading stock needs and that were not given; one that may write covers the one that may read."""
        return tuple(one for one in SCOPES if not {one, one.removesuffix("_read_only")} & {*self.scopes})


def install(source_id: str, code: str, context: str, scope: str, redirect: str) -> str:
    """Change the code that a store's control panel brought for a token, and keep that aside. Returns the store's hash.

    Found without a merchant, since nobody is signed in here. There is no state and no signature: only what BigCommerce itself answers
    counts, and it must be the store that the source is for. Raises NotFound, Refused, SupplierError.
    """
    source = known(source_id)
    settings, _ = _app_of(source)
    if not _CODE.fullmatch(code) or not _CONTEXT.fullmatch(context):
        raise Refused("BigCommerce opens this address itself, when the app is installed in a store.")
    offer = _noted(source, str(settings["store_hash"]))
    told = _exchanged(source, settings, {"code": code, "context": context, "scope": scope, "redirect_uri": redirect})
    found = _CONTEXT.fullmatch(str(told.get("context") or ""))
    if found is None or found[1] != offer.store:
        raise Refused("The app was installed in another store than this source is for. Nothing was kept.")
    user = told.get("user")
    facts = {"user": str(user.get("email") or "") if isinstance(user, Mapping) else "", "scopes": str(told.get("scope") or "").split()}
    sealed = key_offers.seal(source, {"key": _token_of(told)})
    columns = {"sealed": sealed, "received_at": clock.now(), "told": facts}
    KeyOffer.update(columns).where(KeyOffer.id == offer.id).execute()
    return found[1]


def opened(source_id: str, payload: str) -> str:
    """Judge the message with which a store opens the app: "connected", "waits" for a person, or "none". Raises NotFound, Refused."""
    source = known(source_id)
    _told_by(source, payload)
    if waiting(source):
        return "waits"
    return "connected" if "key" in connection_parts.opened_secrets(source) else "none"


def removed(source_id: str, payload: str) -> bool:
    """Judge the message that the store removed the app, and drop its token: the next run asks a person to sign in again.

    False for a message from before the token that lies here: the app was installed again since. Raises NotFound, Refused.
    """
    source = known(source_id)
    told = _told_by(source, payload)
    kept = connections.secrets_of(source).get("key")
    if kept is not None and kept.saved_at >= told.at + timedelta(seconds=1):  # the message tells whole seconds
        return False
    with database.atomic():
        KeyOffer.delete().where(KeyOffer.source == source, KeyOffer.kind == KIND, KeyOffer.received_at <= told.at).execute()
        if kept is None:
            return True
        connections.drop_key(source, "key", "BigCommerce")
    if source.state == "live":
        for feed in Integration.select().where(Integration.source == source, Integration.enabled == True):  # noqa: E712
            if feed.kind in runs.SYNC_KINDS and not feed.paused:
                _tell(feed)
    return True


def _tell(feed: Integration) -> None:
    """A run that finds no token says at once what a person has to do."""
    try:
        runs.start_sync(feed, cause="system")
    except runs.AlreadyRunning:  # that one finds no token either, or was done before it mattered; the next says it
        log.info("feed %s already runs; its next run finds the app removed", feed.id)


def _told_by(source: Source, payload: str) -> store_payloads.Told:
    settings, hidden = _app_of(source)
    return store_payloads.proved(payload, str(settings["client_id"]), hidden["client_secret"], str(settings["store_hash"]), clock.now())


def _app_of(source: Source) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The settings and secrets of a source with an app of its own. Raises NotFound."""
    settings, hidden = connection_parts.whole_settings(source), connection_parts.opened_secrets(source)
    if not settings.get("client_id") or "client_secret" not in hidden:
        raise NotFound("app")
    return settings, hidden


def known(source_id: str) -> Source:
    """The source that an app of a store may be for, whoever's it is. Raises NotFound."""
    source = Source.get_or_none(Source.public_id == source_id, Source.supplier == KIND, Source.state != "deleted")
    if source is None:
        raise NotFound("source")
    return source


def waiting(source: Source) -> Installed | None:
    """The newest installation that waits for a person. Only the store that the source is for is ever here."""
    offer = KeyOffer.select().where(_open(source)).order_by(KeyOffer.id.desc()).first()
    return None if offer is None else Installed(offer.id, offer.store, offer.told["user"], tuple(offer.told["scopes"]), offer.received_at)


def confirm(source: Source, number: int, who: str) -> None:
    """A person says that the store is theirs: prove the token there and keep it. Raises Refused, SupplierError."""
    offer = KeyOffer.get_or_none(_open(source) & (KeyOffer.id == number))
    taken = _open(source) & (KeyOffer.id == number)
    if offer is None or not KeyOffer.update(used_at=clock.now()).where(taken).execute():
        raise Refused("That installation is over, or was confirmed already. Open the app in the store's control panel again.")
    key_offers.settle(source, offer, who)


def _open(source: Source) -> Any:
    mine = (KeyOffer.source == source) & (KeyOffer.kind == KIND) & (KeyOffer.ends_at > clock.now())
    store = str(connection_parts.whole_settings(source).get("store_hash") or "")
    return mine & (KeyOffer.store == store) & KeyOffer.received_at.is_null(False) & KeyOffer.used_at.is_null()


def _noted(source: Source, store: str) -> KeyOffer:
    """The try itself, counted. Raises Refused for too many."""
    mine = (KeyOffer.source == source) & (KeyOffer.kind == KIND)
    with database.atomic():
        KeyOffer.delete().where(mine & (KeyOffer.ends_at < clock.now())).execute()
        if KeyOffer.select().where(mine).count() >= MOST_AN_HOUR:
            raise Refused("The app was installed too often within the hour. Wait, then try again.")
        return KeyOffer.create(
            token_hash=key_offers.hashed(secrets.token_urlsafe(32)), source=source, kind=KIND, store=store, ends_at=clock.now() + LASTS
        )


def _exchanged(source: Source, settings: Mapping[str, Any], more: Mapping[str, str]) -> Mapping[str, Any]:
    hidden = connection_parts.opened_secrets(source)
    caller = Caller(connection_parts.guard(), secrets=hidden, record=exchanges.recorder(source), plain_ok=connection_parts.plain_ok(source))
    fields = {"client_id": settings["client_id"], "client_secret": hidden["client_secret"].reveal(), "grant_type": "authorization_code"}
    asked = Asked(
        "POST", str(settings["token_url"]), headers={"Content-Type": "application/json"}, body=json.dumps({**fields, **more}).encode(),
        private=True,
    )  # fmt: skip
    answer = caller.ask(asked)
    if not answer.good:
        raise problems.http_status(
            answer.status,
            "BigCommerce gave no token",
            "Check the client id and secret of your app, and its callback address.",
            permanent=True,
        )
    try:
        told = json.loads(answer.body)
    except ValueError:
        told = None
    if not isinstance(told, Mapping):
        raise _no_token()
    return told


def _token_of(told: Mapping[str, Any]) -> str:
    token = told.get("access_token")
    if not isinstance(token, str) or not 0 < len(token) <= key_offers.LONGEST_KEY or not token.isascii() or not token.isprintable():
        raise _no_token()
    return token


def _no_token() -> SupplierError:
    return problems.protocol_error("BigCommerce gave no token", "What came back is none. Nothing was kept.")
