"""A strict authorization server on loopback: a code and a refresh token serve once, PKCE and the return address must be right."""

from __future__ import annotations

import contextlib
import secrets
import threading
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

from tests.connectors.json_server import JsonAnswers, serving
from tests.servers import LOOPBACK

CLIENT, SECRET = "quayside-app", "cl1ent-s3cret-of-the-test"


@dataclass
class Oauth:
    """`grants`: the scopes that the person allows. `lasts`: seconds of an access token. `deny`: the person says no.

    `says`: (status, body, headers) that the token address answers instead, () for none.
    """

    grants: str = "read_stock"
    lasts: int = 3_600
    deny: bool = False
    port: int = 0
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    good: set[str] = field(default_factory=set)
    refreshes: set[str] = field(default_factory=set)
    asked: list[dict[str, str]] = field(default_factory=list)
    delay: threading.Event | None = None
    says: tuple[Any, ...] = ()

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def authorize(self, query: dict[str, str]) -> str:
        """What a person who allows it is sent back with."""
        assert query["client_id"] == CLIENT and query["response_type"] == "code" and query["code_challenge_method"] == "S256"
        if self.deny:
            return f"{query['redirect_uri']}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str]) -> dict[str, Any] | str:
        """The tokens, or the error of RFC 6749 5.2."""
        if form.get("grant_type") == "authorization_code":
            asked = self.codes.pop(form.get("code", ""), None)
            digest = urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=").decode()
            if asked is None or digest != asked["code_challenge"] or form.get("redirect_uri") != asked["redirect_uri"]:
                return "invalid_grant"
        elif form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") not in self.refreshes:
                return "invalid_grant"
            self.refreshes.discard(form["refresh_token"])
        else:
            return "unsupported_grant_type"
        access, refresh = f"access-{secrets.token_urlsafe(12)}", f"refresh-{secrets.token_urlsafe(12)}"
        self.good, self.refreshes = {access}, self.refreshes | {refresh}
        told = {"access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": self.lasts}
        return told | {"scope": self.grants}


@contextlib.contextmanager
def oauth_server(**options: Any) -> Iterator[Oauth]:
    """The server, with a list of seven items at /items for whoever has a good token."""
    made = Oauth(**options)

    class Answers(JsonAnswers):
        def do_GET(self) -> None:  # noqa: N802
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                return self.say(303, {}, {"Location": made.authorize(dict(parse_qsl(parts.query)))})
            if self.headers.get("Authorization", "").removeprefix("Bearer ") not in made.good:
                return self.say(401, {"error": "invalid_token"})
            return self.say(200, {"data": [{"sku": f"A-{n}", "stock": n} for n in range(7)]})

        def do_POST(self) -> None:  # noqa: N802
            form = {name: values[0] for name, values in parse_qs(self.heard()).items()}
            made.asked.append(form)
            if made.delay:
                made.delay.wait(10)
            if made.says:
                return self.say(*made.says)
            user, _, secret = b64decode(self.headers.get("Authorization", "Basic ").removeprefix("Basic ")).decode().partition(":")
            if (unquote(user), unquote(secret)) != (CLIENT, SECRET):
                return self.say(401, {"error": "invalid_client"})
            found = made.token(form)
            return self.say(400, {"error": found}) if isinstance(found, str) else self.say(200, found)

    with serving(Answers) as made.port:
        yield made
