"""A key that the store's own program hands to us, asked for by a person and taken by the same person.

begin ─▶ token (once, twenty minutes, this session, source and store) ─▶ store ─▶ receive (unsigned!) ─▶ take: proved at the store, sealed
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from portal import clock, connection_parts, connections, exchanges, vault
from portal.connectors import open_connector
from portal.connectors.rest import RestConnector
from portal.errors import NotFound, Refused
from portal.models import KeyOffer, Merchant, Session, Source, database
from portal.records import Secret
from portal.sources import CHANNEL_LINE

LASTS = timedelta(minutes=20)
WOOCOMMERCE = "wc-auth"
APP_NAME = "Quayside"
ALLOWS = {"read": "read products and stock", "read_write": "read products and stock, and make and cancel orders"}
"""What the store is asked for, by its own name of the scope."""
LONGEST_BODY, LONGEST_KEY = 8_192, 200
_FIELD = "key offer"


@dataclass(frozen=True)
class Approval:
    """An approval about to begin: where it leads, the host by itself, what is asked for, and which other sign-ins it ends."""

    address: str
    host: str
    asked: tuple[str, ...] = ("read products and stock",)
    ends: tuple[str, ...] = ()


def begin(source: Source, session: Session, callback: str, back: str) -> Approval:
    """Prepare an approval by WooCommerce's /wc-auth for this source, session and store. `callback`, `back`: our addresses for the
    store's program and for the browser.

    Raises NotFound for a source of another kind, Refused without a store or where its key could not come to us by https.
    """
    settings = connection_parts.whole_settings(source)
    if settings.get("approval") != WOOCOMMERCE:
        raise NotFound("approval")
    store = str(settings.get("base") or "")
    if not store:
        raise Refused("Enter the store's address and save it first.")
    if urlsplit(callback).scheme != "https":
        raise Refused(
            f"The store hands a key only to an https address, and ours is {callback.rpartition('/wc-auth')[0]}. "
            "Make a key in the store and enter it, or open this portal by https."
        )
    token = secrets.token_urlsafe(32)
    with database.atomic():
        KeyOffer.delete().where(KeyOffer.ends_at < clock.now() - timedelta(days=1)).execute()
        KeyOffer.create(
            token_hash=hashed(token), source=source, kind=WOOCOMMERCE, session_hash=session.token_hash, store=store,
            ends_at=clock.now() + LASTS,
        )  # fmt: skip
    scope = "read_write" if settings.get("allow") == "read_write" else "read"
    query = {"app_name": APP_NAME, "scope": scope, "user_id": token, "return_url": back, "callback_url": callback}
    asked = ("read orders", "write tracking numbers and notes to orders") if source.kind == CHANNEL_LINE else (ALLOWS[scope],)
    leads = f"{store.rstrip('/')}/wc-auth/v1/authorize?{urlencode(query)}"
    return Approval(leads, urlsplit(store).hostname or "", asked)


def receive(body: bytes) -> bool:
    """Take the key that a store's program sends. Nothing proves who sends it but the token that we made; so it is only kept aside.

    True when it was waited for: the store then keeps the key alive. It is taken once.
    """
    told = _read(body)
    if told is None:
        return False
    waiting = (KeyOffer.token_hash == hashed(told["user_id"])) & (KeyOffer.kind == WOOCOMMERCE) & KeyOffer.received_at.is_null()
    offer = KeyOffer.get_or_none(waiting & KeyOffer.used_at.is_null() & (KeyOffer.ends_at > clock.now()))
    if offer is None:
        return False
    source = Source.get_by_id(offer.source_id)
    sealed = seal(source, {"user_key": told["consumer_key"], "password": told["consumer_secret"]})
    columns = {"sealed": sealed, "received_at": clock.now(), "told": {"permissions": told["key_permissions"]}}
    return bool(KeyOffer.update(columns).where(waiting & (KeyOffer.id == offer.id)).execute())


def take(merchant: Merchant, session: Session, token: str, who: str) -> Source:
    """The person came back: prove the key at the store, and seal it as the connection's own.

    Raises Refused for a token that is unknown, used, too old, of another session, merchant or store, or whose key has not come;
    SupplierError when the store does not accept its own key.
    """
    now, refusal = clock.now(), Refused("The store has given us no key in this approval, or it was used already. Begin again.")
    mine = (KeyOffer.token_hash == hashed(token)) & (KeyOffer.session_hash == session.token_hash) & (KeyOffer.kind == WOOCOMMERCE)
    open_ = mine & KeyOffer.received_at.is_null(False) & KeyOffer.used_at.is_null() & (KeyOffer.ends_at > now)
    if not token or not KeyOffer.update(used_at=now).where(open_).execute():
        raise refusal
    offer = KeyOffer.get(mine)
    source = Source.get_or_none(Source.id == offer.source_id, Source.merchant == merchant, Source.state != "deleted")
    if source is None:
        raise refusal
    source.merchant = merchant
    if connection_parts.whole_settings(source).get("base") != offer.store:
        raise Refused("The store's address was changed since you left for the store. Nothing was saved. Begin again.")
    settle(source, offer, who)
    return source


def settle(source: Source, offer: KeyOffer, who: str) -> None:
    """Prove the offered key at the store and keep it; the offer's own copy is erased either way. Raises SupplierError."""
    given = json.loads(vault.unseal(source.merchant, source.public_id, _FIELD, offer.sealed).reveal())
    KeyOffer.update(sealed="").where(KeyOffer.id == offer.id).execute()
    settings, connection = connection_parts.whole_settings(source), connections.find(source)
    opened = open_connector(
        connection_parts.supplier_of(source).protocol, settings, {key: Secret(text) for key, text in given.items()},
        guard=connection_parts.guard(), trusted_key=connection.trusted_key, record=exchanges.recorder(source),
    )  # fmt: skip
    with opened as connector:
        assert isinstance(connector, RestConnector)
        connector.prove()
    connections.keep_keys(source, given, who)


def _read(body: bytes) -> dict[str, str] | None:
    """The texts of a store's message, None when it is not one."""
    try:
        told: Any = json.loads(body[: LONGEST_BODY + 1])
    except (ValueError, RecursionError):
        return None
    if len(body) > LONGEST_BODY or not isinstance(told, Mapping):
        return None
    found = {name: told.get(name) for name in ("user_id", "consumer_key", "consumer_secret", "key_permissions")}
    fits = all(isinstance(text, str) and 0 < len(text) <= LONGEST_KEY and text.isascii() and text.isprintable() for text in found.values())
    return {name: str(text) for name, text in found.items()} if fits else None


def seal(source: Source, given: Mapping[str, str]) -> str:
    """The keys of an offer, sealed until `settle`."""
    return vault.seal(source.merchant, source.public_id, _FIELD, json.dumps(given))


def hashed(token: str) -> str:
    """How an offer is known here: nothing that is read from the database opens one."""
    return sha256(token.encode()).hexdigest()
