"""The requests of a list behind an API as they will be sent, with *** for every secret. Opens no socket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from portal.connectors.api_auth import ApiAuth
from portal.connectors.caller import ALWAYS, Asked
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.records import Secret

HIDDEN = "***"
_SECRETS = ("key", "user_key", "password", "client_secret")


@dataclass(frozen=True)
class Shown:
    """One request in words: `what` it is for, its first line and headers, and its body ("" for none)."""

    what: str
    method: str
    address: str
    headers: tuple[tuple[str, str], ...]
    body: str = ""


def requests_of(settings: Mapping[str, Any]) -> list[Shown]:
    """What is sent first, in order: the call that fetches a token, if there is one, and the first page of the list."""
    auth = ApiAuth(settings, {name: Secret(HIDDEN) for name in _SECRETS}, lambda _: None)
    found = []
    if auth.fetches_token:
        if auth.kind != "code":
            found.append(_shown("The call that gives a token", auth.token_request()))
        auth.token = Secret(HIDDEN)
    headers, query = auth.carried()
    if auth.kind == "basic":
        headers = {"Authorization": f"Basic {HIDDEN}"}
    since = {"since": "…"} if settings.get("delta") == "since" else {}
    first = RestConnector({**settings, **since}, {}, guard=Guard(), trusted_key=None).first_request()
    asked = replace(first, headers={**headers, **first.headers}, query={**first.query, **query})
    return [*found, _shown("The first page of the list", asked)]


def _shown(what: str, asked: Asked) -> Shown:
    headers = {**ALWAYS, **asked.headers}
    whole = asked.whole.replace("%2A%2A%2A", HIDDEN).replace("%E2%80%A6", "…")
    return Shown(what, asked.method, whole, tuple(headers.items()), asked.body.decode("utf-8", "replace").replace("%2A%2A%2A", HIDDEN))
