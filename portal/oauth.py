"""Signing in at a supplier by OAuth2: begun by a person, finished by the supplier's redirect, renewed by one process at a time.

begin ─▶ state (once, ten minutes, this session, this source) ─▶ supplier ─▶ finish ─▶ OauthGrant ─▶ Tokens.access ─▶ renewed …
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from portal import audit, clock, connection_parts, exchanges, vault
from portal.connection_values import servers_of
from portal.connectors import oauth, problems, shopify_oauth
from portal.connectors.caller import Caller
from portal.connectors.oauth import Tokens, Way
from portal.errors import NotFound, Refused, SupplierError
from portal.models import Connection, Merchant, OauthGrant, OauthRequest, Session, Source, database
from portal.records import Secret

STATE_LASTS = timedelta(minutes=10)
EARLY = timedelta(minutes=5)
"""How long before they end tokens are renewed."""
LEASE = timedelta(seconds=420)
"""How long one process may take to renew tokens: longer than a request can (see web_line), so that no two use the same pair."""
PATIENCE = 100.0
WAYS: Mapping[str, Way] = {"": oauth, "shopify": shopify_oauth}
TOKENS, VERIFIER = "oauth tokens", "oauth verifier"


@dataclass(frozen=True)
class Journey:
    """A sign-in about to begin: where it leads, the host by itself, and what is asked for. `ends`: the sources whose sign-in it ends."""

    address: str
    host: str
    asked: tuple[str, ...]
    ends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Granted:
    """What came back: the scopes that were granted, and those that were asked for and were not."""

    source: Source
    granted: tuple[str, ...]
    refused: tuple[str, ...]


def begin(source: Source, session: Session, redirect: str) -> Journey:
    """Prepare a sign-in for this source and this session. Raises NotFound for a source that signs in another way."""
    settings = _settings(source)
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
    with database.atomic():
        OauthRequest.delete().where(OauthRequest.ends_at < clock.now() - timedelta(days=1)).execute()
        OauthRequest.create(
            state_hash=_hash(state), source=source, session_hash=session.token_hash, redirect=redirect,
            sealed_verifier=vault.seal(source.merchant, source.public_id, VERIFIER, verifier), ends_at=clock.now() + STATE_LASTS,
        )  # fmt: skip
    way = _way(settings)
    address = way.authorization(settings, redirect, state, verifier)
    return Journey(address, urlsplit(address).hostname or "", way.asked(settings), tuple(_ended_by(source, settings)))


def finish(merchant: Merchant, session: Session, answer: Mapping[str, str], who: str) -> Granted:
    """Take the supplier's redirect: {"state", "code"} or {"state", "error"}, "iss" from some, and what else it signed.

    Raises Refused for a state that is unknown, used, too old, of another session or merchant, and for a sign-in that was declined;
    SupplierError when the code was not changed for tokens.
    """
    request = _taken(merchant, session, answer.get("state", ""))
    source = Source.get_by_id(request.source_id)
    source.merchant = merchant
    settings = _settings(source)
    way, secret = _way(settings), _client_secret(source)
    way.judge(settings, secret, answer, clock.now())
    if answer.get("error") or not answer.get("code"):
        raise Refused("The sign-in was declined at the supplier, or broken off. Nothing was changed. You can begin again.")
    verifier = vault.unseal(merchant, source.public_id, VERIFIER, request.sealed_verifier)
    caller = _caller(source, Secret(answer["code"]), verifier)
    tokens = way.exchange(caller, settings, secret, answer["code"], verifier.reveal(), request.redirect)
    _keep_new(source, tokens, settings, who)
    asked = way.asked(settings)
    granted = way.granted(tokens.scope) if tokens.scope else asked
    return Granted(source, granted, tuple(one for one in asked if one not in granted))


def grant_of(source: Source) -> OauthGrant | None:
    """What was granted, None before the first sign-in."""
    found: OauthGrant | None = OauthGrant.get_or_none(OauthGrant.source == source)
    return found


def standing(source: Source) -> str:
    """As connection_parts.sign_in_standing."""
    return connection_parts.sign_in_standing(source)


def forget(source: Source) -> None:
    """Drop what was granted and what is under way: it belonged to another server or client."""
    for model in (OauthGrant, OauthRequest):
        model.delete().where(model.source == source).execute()


class TokenStore:
    """The tokens of one source, for a connector: renewed early, by one process at a time, stored before they are used.

    `settings`: those that the connector was opened with. Once the connection leads elsewhere it gives no token any more.
    """

    def __init__(self, source: Source, settings: Mapping[str, Any] | None = None) -> None:
        self.source, self.settings = source, _settings(source) if settings is None else settings

    def access(self) -> Secret:
        """A token that is good for some minutes. Raises SupplierError sign_in_ended, sign_in_refused before the first sign-in."""
        grant = self._grant()
        if grant.expires_at - clock.now() > EARLY:
            return self._opened(grant).access
        return self._renewed(grant)

    def renewed(self, stale: Secret) -> Secret:
        """Another token than `stale`, which the supplier has just refused. Raises SupplierError."""
        grant = self._grant()
        tokens = self._opened(grant)
        return tokens.access if tokens.access.reveal() != stale.reveal() else self._renewed(grant)

    def _grant(self) -> OauthGrant:
        grant = grant_of(self.source)
        if _whose(connection_parts.whole_settings(self.source)) != _whose(self.settings):  # read after the grant: a new one is not ours
            raise oauth.ended("The connection was changed while this ran.")
        if grant is None:
            raise oauth.needed()
        if grant.ended_at is not None:
            raise oauth.ended("The supplier accepts it no longer.")
        return grant

    def _renewed(self, grant: OauthGrant) -> Secret:
        ends = time.monotonic() + PATIENCE
        while not self._lease(grant):
            time.sleep(0.2)
            fresh = self._grant()
            if fresh.version != grant.version:
                return self._opened(fresh).access
            if time.monotonic() > ends:
                raise problems.timed_out(connection_parts.host_of(self.source), PATIENCE, "another run renewed the sign-in")
        try:
            old = self._opened(grant)
            caller = _caller(self.source, old.access, old.refresh)
            tokens = _way(self.settings).refreshed(caller, self.settings, _client_secret(self.source), old)
        except SupplierError as error:
            columns: dict[str, Any] = {"refreshing_until": None}
            if error.problem.code == "sign_in_ended":
                columns["ended_at"] = clock.now()
            OauthGrant.update(columns).where(OauthGrant.id == grant.id, OauthGrant.version == grant.version).execute()
            raise
        if not _keep(self.source, tokens, grant):  # a person signed in anew meanwhile, or the connection leads elsewhere
            return self._opened(self._grant()).access
        return tokens.access

    def _lease(self, grant: OauthGrant) -> bool:
        free = OauthGrant.refreshing_until.is_null() | (OauthGrant.refreshing_until < clock.now())
        mine = (OauthGrant.id == grant.id) & (OauthGrant.version == grant.version) & free
        return bool(OauthGrant.update(refreshing_until=clock.now() + LEASE).where(mine).execute())

    def _opened(self, grant: OauthGrant) -> Tokens:
        told = json.loads(vault.unseal(self.source.merchant, self.source.public_id, TOKENS, grant.sealed).reveal())
        refresh = Secret(told["refresh"]) if told["refresh"] else None
        return Tokens(Secret(told["access"]), refresh, grant.expires_at, grant.scope)


def _keep(source: Source, tokens: Tokens, grant: OauthGrant) -> bool:
    """Store a renewed pair in place of the one of `grant`; False when that is not the source's any more."""
    mine = (OauthGrant.id == grant.id) & (OauthGrant.version == grant.version)
    return bool(OauthGrant.update({**_columns(source, tokens), "version": OauthGrant.version + 1}).where(mine).execute())


def _keep_new(source: Source, tokens: Tokens, settings: Mapping[str, Any], who: str) -> None:
    """Store what a person's sign-in gave. Raises Refused when the connection was changed since `settings` were read."""
    columns = {**_columns(source, tokens), "granted_by": who, "granted_at": clock.now()}
    with database.atomic():
        Connection.update(version=Connection.version).where(Connection.source == source).execute()  # nobody moves it now
        if _whose(connection_parts.whole_settings(source)) != _whose(settings):
            raise Refused("The connection was changed while you signed in. Nothing was saved. Begin again.")
        if not OauthGrant.update({**columns, "version": OauthGrant.version + 1}).where(OauthGrant.source == source).execute():
            OauthGrant.create(source=source, **columns)
        audit.write(source.merchant, who, "connection.sign_in", "source", source.public_id, before=None, after={"scope": tokens.scope})


def _columns(source: Source, tokens: Tokens) -> dict[str, Any]:
    told = {"access": tokens.access.reveal(), "refresh": tokens.refresh.reveal() if tokens.refresh else ""}
    sealed = vault.seal(source.merchant, source.public_id, TOKENS, json.dumps(told))
    return {"sealed": sealed, "scope": tokens.scope, "expires_at": tokens.expires_at, "refreshing_until": None, "ended_at": None}


def _whose(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Whose tokens a connection's are: the servers that get them, and the client that they are for."""
    return settings.get("auth"), frozenset(servers_of(settings)), settings.get("client_id"), settings.get("shop")


def _taken(merchant: Merchant, session: Session, state: str) -> OauthRequest:
    """The request of that state, used up by this very call."""
    now, refusal = clock.now(), Refused("This sign-in was not begun here, is over, or was used already. Nothing was saved. Begin again.")
    mine = (OauthRequest.state_hash == _hash(state)) & (OauthRequest.session_hash == session.token_hash)
    open_ = mine & OauthRequest.used_at.is_null() & (OauthRequest.ends_at > now)
    if not state or not OauthRequest.update(used_at=now).where(open_).execute():
        raise refusal
    found: OauthRequest = OauthRequest.get(mine)
    if Source.get_or_none(Source.id == found.source_id, Source.merchant == merchant, Source.state != "deleted") is None:
        raise refusal
    return found


def _settings(source: Source) -> dict[str, Any]:
    settings = connection_parts.whole_settings(source)
    if settings.get("auth") != "code":
        raise NotFound("sign-in")
    return settings


def _ended_by(source: Source, settings: Mapping[str, Any]) -> Iterator[str]:
    """The merchant's other sources that are signed in at the same store with the same app: Shopify keeps one sign-in of them."""
    if settings.get("code_way") != "shopify":
        return
    good = (OauthGrant.ended_at.is_null()) & (Source.merchant == source.merchant) & (Source.state != "deleted") & (Source.id != source.id)
    for grant in OauthGrant.select().join(Source).where(good).order_by(Source.name):
        theirs = connection_parts.whole_settings(grant.source)
        if all(theirs.get(key) == settings.get(key) for key in ("code_way", "token_url", "client_id", "shop")):
            yield grant.source.name


def _way(settings: Mapping[str, Any]) -> Way:
    """How this supplier does it: `fixed.code_way` of its TOML names a platform with a way of its own."""
    return WAYS[str(settings.get("code_way") or "")]


def _client_secret(source: Source) -> Secret | None:
    return connection_parts.opened_secrets(source).get("client_secret")


def _caller(source: Source, *more: Secret | None) -> Caller:
    """`more`: what goes along beside the connection's own secrets, and is told as little as they."""
    hidden = connection_parts.opened_secrets(source)
    hidden |= {f"sign-in {number}": one for number, one in enumerate(more) if one is not None}
    return Caller(connection_parts.guard(), secrets=hidden, record=exchanges.recorder(source), plain_ok=connection_parts.plain_ok(source))


def _hash(state: str) -> str:
    return sha256(state.encode()).hexdigest()
