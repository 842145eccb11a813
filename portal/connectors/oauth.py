"""OAuth2 authorization code with PKCE, as Authlib does it, over guarded requests. Knows no source and stores nothing.

authorization ─▶ (the merchant signs in over there) ─▶ exchange ─▶ Tokens ─▶ refreshed ─▶ Tokens …
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import orjson
import requests
import requests.adapters

from portal.connectors import problems
from portal.connectors.caller import Answer, Asked, Caller
from portal.errors import Problem, Refused, SupplierError
from portal.records import Secret

DEFAULT_SECONDS = 3_600
"""How long a token is taken to live when the server does not say (RFC 6749 5.1 only recommends that it does)."""
LONGEST_TOKEN = 8_000
LONGEST_LIFE = 10 * 365 * 86_400.0
"""Seconds."""

_ENDED = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "access_denied", "invalid_scope"})


@dataclass(frozen=True)
class Tokens:
    """What a sign-in gave. `expires_at` naive UTC; `scope` is what was granted, "" when the server does not say."""

    access: Secret
    refresh: Secret | None
    expires_at: datetime
    scope: str = ""


class Way(Protocol):
    """One way of the authorization code grant: this module's own, strict and with PKCE, or that of a platform with its own."""

    def asked(self, settings: Mapping[str, Any], /) -> tuple[str, ...]: ...
    def granted(self, scope: str, /) -> tuple[str, ...]: ...
    def authorization(self, settings: Mapping[str, Any], redirect: str, state: str, verifier: str, /) -> str: ...
    def judge(self, settings: Mapping[str, Any], secret: Secret | None, answer: Mapping[str, str], now: datetime, /) -> None: ...
    def exchange(
        self, caller: Caller, settings: Mapping[str, Any], secret: Secret | None, code: str, verifier: str, redirect: str, /
    ) -> Tokens: ...
    def refreshed(self, caller: Caller, settings: Mapping[str, Any], secret: Secret | None, tokens: Tokens, /) -> Tokens: ...


def asked(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The scopes that are asked for."""
    return tuple(str(settings.get("scope") or "").split())


def granted(scope: str) -> tuple[str, ...]:
    """The scopes that a server says it granted."""
    return tuple(scope.replace(",", " ").split())


def judge(settings: Mapping[str, Any], _secret: Secret | None, answer: Mapping[str, str], _now: datetime) -> None:
    """Prove that the return comes from the issuer that is set (RFC 9207). Raises Refused, before anything is sent."""
    issuer = str(settings.get("issuer") or "")
    if issuer and answer.get("iss") != issuer:  # another server answered, or took its name off
        raise Refused("Another server answered than the one you were sent to. Nothing was saved. Begin again.")


def authorization(settings: Mapping[str, Any], redirect: str, state: str, verifier: str) -> str:
    """The address where the merchant allows us in. `settings`: authorize_url, client_id, scope. Raises Refused while one is not saved."""
    require(settings, "authorize_url", "token_url", "client_id")
    from authlib.integrations.requests_client import OAuth2Session  # loaded only where someone signs in

    session = OAuth2Session(str(settings["client_id"]), scope=str(settings.get("scope") or "") or None, code_challenge_method="S256")
    address, _ = session.create_authorization_url(
        str(settings["authorize_url"]), state=state, code_verifier=verifier, redirect_uri=redirect
    )
    return str(address)


def require(settings: Mapping[str, Any], *keys: str) -> None:
    """Raises Refused while the connection lacks one of these settings, as a draft made from a file does."""
    if not all(settings.get(key) for key in keys):
        raise Refused("The connection does not say yet whom to ask. Fill in its form and save it, then sign in. Nothing was sent.")


def exchange(caller: Caller, settings: Mapping[str, Any], secret: Secret | None, code: str, verifier: str, redirect: str) -> Tokens:
    """Change the code for tokens, once. Raises SupplierError sign_in_ended when the server refuses it."""
    told = {"code": code, "code_verifier": verifier, "redirect_uri": redirect}
    return _asked(caller, settings, secret, {"grant_type": "authorization_code", **told}, None)


def refreshed(caller: Caller, settings: Mapping[str, Any], secret: Secret | None, tokens: Tokens) -> Tokens:
    """New tokens for the refresh token; the old one stays where the server sends no new one. Raises SupplierError sign_in_ended."""
    if tokens.refresh is None:
        raise ended("The sign-in ended, and it came without a way to renew it.")
    return _asked(caller, settings, secret, {"grant_type": "refresh_token", "refresh_token": tokens.refresh.reveal()}, tokens)


def ended(body: str, said: str = "") -> SupplierError:
    """The sign-in is over until a person signs in again."""
    words = Problem("sign_in_ended", "The sign-in has ended", f"{body} Nothing was lost; runs wait.", "Sign in again", "sign_in", said)
    return SupplierError(words, permanent=True)


def needed() -> SupplierError:
    """Nobody has signed in at the supplier yet."""
    body = "You allow us in on their own page, and come back by yourself. Nothing is read before."
    return SupplierError(Problem("sign_in_ended", "Sign in at the supplier first", body, "Sign in", "sign_in"), permanent=True)


def _asked(caller: Caller, settings: Mapping[str, Any], secret: Secret | None, form: Mapping[str, str], before: Tokens | None) -> Tokens:
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.requests_client import OAuth2Session

    way = "none" if not secret else "client_secret_post" if settings.get("client_auth") == "body" else "client_secret_basic"
    session = OAuth2Session(str(settings["client_id"]), secret.reveal() if secret else None, token_endpoint_auth_method=way)
    session.trust_env = False
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Guarded(caller))
    try:
        token = session.fetch_token(str(settings["token_url"]), method="POST", allow_redirects=False, **form)
    except OAuthError as error:
        said = problems.quoted(f"{error.error} {error.description or ''}", caller.secrets.values())
        if str(error.error) in _ENDED:
            raise ended("The server does not accept it any more.", said) from None
        raise problems.http_status(400, "The server did not give a token", "We try again by ourselves.", said) from None
    except (requests.RequestException, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        # the library reckons with an answer of the right kinds; a server may send any
        raise problems.protocol_error("The server did not give a token", "What came back is no token.") from None
    if not isinstance(token, Mapping):
        raise problems.protocol_error("The server did not give a token", "What came back is no token.")
    return read_tokens(token, before)


def read_tokens(token: Mapping[str, Any], before: Tokens | None) -> Tokens:
    """A token answer (RFC 6749 5.1). `before`: the pair that was renewed. Raises SupplierError for what is no usable token."""
    access, refresh, kind = token.get("access_token"), token.get("refresh_token"), str(token.get("token_type") or "bearer")
    if not _usable(access) or kind.lower() != "bearer":
        raise problems.protocol_error("The server did not give a token", f"It gave a {kind[:40]} token that we cannot use.", permanent=True)
    ends = datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=_lasts(token.get("expires_in")))
    kept = Secret(str(refresh)) if _usable(refresh) else before.refresh if before else None
    return Tokens(Secret(str(access)), kept, ends, str(token.get("scope") or (before.scope if before else "")))


def _lasts(told: object) -> float:
    """Seconds that a token lives, as its server says in any spelling of a number; DEFAULT_SECONDS where that is none."""
    spelled = str(told).strip()
    return min(float(spelled), LONGEST_LIFE) if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", spelled) else DEFAULT_SECONDS


def _usable(token: object) -> bool:
    return isinstance(token, str) and 0 < len(token) <= LONGEST_TOKEN and token.isascii() and token.isprintable()


class _Guarded(requests.adapters.BaseAdapter):
    """Hands a request of Authlib's to the caller: through the guard, once, told without its bodies."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = caller

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:  # type: ignore[override]
        body = request.body.encode() if isinstance(request.body, str) else request.body or b""
        headers = {name: value for name, value in request.headers.items() if name.lower() in ("content-type", "accept", "authorization")}
        answer = self._caller.ask(Asked(request.method or "POST", request.url or "", headers=headers, body=bytes(body), private=True))
        return _as_response(request, answer)

    def close(self) -> None:
        return


def _as_response(request: requests.PreparedRequest, answer: Answer) -> requests.Response:
    made = requests.Response()
    made.status_code, made.reason, made.url, made.request = answer.status, answer.reason, answer.address, request
    made.headers.update(answer.headers)
    made._content = _whole_seconds(answer.body)
    return made


def _whole_seconds(body: bytes) -> bytes:
    """A token answer with `expires_in` as the library can read it: "3600.0" would cost a code that serves once."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return body
    if not isinstance(told, dict) or "expires_in" not in told:
        return body
    return orjson.dumps({**told, "expires_in": int(_lasts(told["expires_in"]))})
