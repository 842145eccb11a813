"""Signing in at Shopify by authorization code: its own proof on the way back, and tokens that end and renew themselves.

authorization ─▶ (the store's owner allows it) ─▶ judge: hmac, time, store ─▶ exchange ─▶ Tokens ─▶ refreshed ─▶ Tokens …
Facts: shopify.dev "Authorization code grant", "Expiring offline access tokens"; @shopify/shopify-api 13.1.0.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode

import orjson

from portal.connectors import oauth, problems, shopify_words
from portal.connectors.caller import Answer, Asked, Caller
from portal.connectors.oauth import Tokens
from portal.errors import Refused
from portal.records import Secret
from portal.suppliers import find, native_hosts

TOLERANCE = 90
"""Seconds that the return's timestamp may differ from our clock (the library's own)."""
UNENDING = 10 * 365 * 86_400
"""Seconds of a token that was given without an end."""


def asked(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes that are asked for. `settings["scope"]` has them with commas, spaces or both between."""
    return tuple(str(settings.get("scope") or "").replace(",", " ").split())


def granted(scope: str) -> tuple[str, ...]:
    """The scopes that were granted; one that may write may read too, and Shopify then names only the former."""
    told = scope.replace(",", " ").split()
    return tuple(dict.fromkeys([*told, *(f"read_{one.removeprefix('write_')}" for one in told if one.startswith("write_"))]))


def authorization(settings: Mapping[str, Any], redirect: str, state: str, _verifier: str) -> str:
    """The address where the store's owner allows us in. `settings`: authorize_url, client_id, scope. Shopify knows no PKCE."""
    judge_store(settings)
    oauth.require(settings, "client_id")
    query = {"client_id": str(settings["client_id"]), "scope": ",".join(asked(settings)), "redirect_uri": redirect, "state": state}
    return f"{settings['authorize_url']}?{urlencode(query)}"


def judge_store(settings: Mapping[str, Any]) -> None:
    """Raises SupplierError unless `shop` is an address of Shopify's own, to the letter: credentials go there."""
    native = find("shopify").native_host
    assert native is not None
    if not native_hosts.is_native(native, str(settings.get("shop") or "")):
        words = f"{native_hosts.RULE}, such as your-store.myshopify.com. Nothing was sent."
        raise problems.host_unusable(str(settings.get("shop") or "")[:40], words)


def judge(settings: Mapping[str, Any], secret: Secret | None, answer: Mapping[str, str], now: datetime) -> None:
    """Prove that the return comes from Shopify, now, and for this store. `now` naive UTC. Raises Refused, before anything is sent."""
    given = answer.get("hmac", "")
    if secret is None or not given.isascii() or not hmac.compare_digest(given.lower(), signature(secret, answer)):
        raise Refused("What came back was not signed by Shopify with the client secret that is saved here. Nothing was saved. Begin again.")
    told = answer.get("timestamp", "")
    seconds = (now - datetime(1970, 1, 1)).total_seconds()
    if not re.fullmatch(r"[0-9]{1,12}", told) or abs(seconds - int(told)) > TOLERANCE:
        raise Refused("What came back is too old, or the clock of this server is wrong. Nothing was saved. Begin again.")
    if not hmac.compare_digest(answer.get("shop", "").encode(), str(settings.get("shop") or "").encode()):
        raise Refused("Another store answered than the one that you connect here. Nothing was saved. Check the store address.")


def signature(secret: Secret, answer: Mapping[str, str]) -> str:
    """Hex HMAC-SHA256 of everything that came back but the proof itself, sorted by name and coded as in an address."""
    told = sorted((name, value) for name, value in answer.items() if name not in ("hmac", "signature"))
    return hmac.new(secret.reveal().encode(), urlencode(told).encode(), sha256).hexdigest()


def exchange(caller: Caller, settings: Mapping[str, Any], secret: Secret | None, code: str, _verifier: str, _redirect: str) -> Tokens:
    """Change the code for tokens that end and can be renewed, once. Raises SupplierError sign_in_ended when Shopify refuses it."""
    return _asked(caller, settings, secret, {"code": code, "expiring": "1"}, None)


def refreshed(caller: Caller, settings: Mapping[str, Any], secret: Secret | None, tokens: Tokens) -> Tokens:
    """A new pair for the refresh token, which is replaced each time. Raises SupplierError sign_in_ended."""
    if tokens.refresh is None:
        raise oauth.ended("The sign-in ended, and it came without a way to renew it.")
    told = {"grant_type": "refresh_token", "refresh_token": tokens.refresh.reveal()}
    return _asked(caller, settings, secret, told, tokens)


def _asked(caller: Caller, settings: Mapping[str, Any], secret: Secret | None, told: Mapping[str, str], before: Tokens | None) -> Tokens:
    judge_store(settings)
    whole = {"client_id": str(settings["client_id"]), "client_secret": secret.reveal() if secret else "", **told}
    headers = {"Content-Type": "application/json"}
    answer = caller.ask(Asked("POST", str(settings["token_url"]), headers=headers, body=orjson.dumps(whole), private=True))
    if answer.status in (400, 401, 403):
        raise oauth.ended("Shopify does not accept it any more.", _error_of(answer, caller))
    if not answer.good:
        raise shopify_words.refused(answer, caller, settings)
    try:
        token = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        token = None
    if not isinstance(token, Mapping):
        raise problems.protocol_error("Shopify did not give a token", "What came back is no token.")
    return oauth.read_tokens({"expires_in": UNENDING, **token}, before)


def _error_of(answer: Answer, caller: Caller) -> str:
    """Its error and description; nothing else of a body that may hold what we sent."""
    try:
        told = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        told = {}
    words = f"{told.get('error') or ''} {told.get('error_description') or ''}" if isinstance(told, Mapping) else ""
    return problems.quoted(f"{answer.status} {words}", caller.secrets.values())
