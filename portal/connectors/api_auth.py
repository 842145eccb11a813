"""Signing in to an API: what each request carries. A token that is fetched first is kept for the connector's life."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol
from urllib.parse import urlencode

import orjson

from portal.connectors import answers, problems
from portal.connectors.answers import put_json
from portal.connectors.caller import Answer, Asked, Caller
from portal.connectors.masking import masked
from portal.errors import SupplierError
from portal.records import Secret

KINDS = {
    "none": "Nothing, it is open",
    "header": "A key in a header",
    "query": "A key in the address",
    "basic": "User and password",
    "login": "A token from a log-in call",
    "client_credentials": "OAuth2 client credentials",
    "code": "Signing in at the supplier (OAuth2)",
}
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "accept-encoding", "authorization", "cookie"})


class TokenSource(Protocol):
    """Where tokens come from that a person's sign-in gave. Both raise SupplierError sign_in_ended once it is over."""

    def access(self) -> Secret:
        """A token that is good for some minutes."""

    def renewed(self, stale: Secret) -> Secret:
        """Another token than the one that was refused."""


@dataclass
class ApiAuth:
    """How requests are signed, from the connection's settings.

    `auth`: a key of KINDS. header: `header_name` with the secret `key`, after `header_prefix` if there is one. query: `query_name`.
    basic: `user` (or the secret `user_key`) and the secret `password`. login: `login_path` gets `login_user` and `login_password`,
    names of the fields, as JSON, or the JSON text `login_body` with {who} and {secret} in it; the token is at `token_path` of the answer
    or in its header `token_header`, and goes out as Bearer. `login_error`: where an answer of success says that it is none.
    client_credentials: `token_url`, `client_id`, the secret `client_secret`, `scope`. code: from `tokens`. A token that is fetched
    goes out as Bearer, or by itself in the header `token_name`.
    `headers`: others that each request carries, one "Name: value" a line; no secret can be among them.
    `hide` is called with every token that was fetched, so that it is masked wherever it could be told.
    """

    settings: Mapping[str, Any]
    secrets: Mapping[str, Secret]
    hide: Callable[[Secret], None]
    tokens: TokenSource | None = None
    token: Secret | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        return str(self.settings.get("auth") or "none")

    @property
    def fetches_token(self) -> bool:
        """Whether a call of its own comes before the first request."""
        return self.kind in ("login", "client_credentials", "code")

    def sign(self, asked: Asked, caller: Caller) -> Asked:
        """The request with what proves who we are. Raises SupplierError."""
        if self.fetches_token and self.token is None:
            self.renew(caller)
        headers, query = self.carried()
        return replace(asked, headers={**_others(self.settings), **headers, **asked.headers}, query={**asked.query, **query})

    def renew(self, caller: Caller) -> None:
        """Fetch a new token. Raises SupplierError."""
        if self.kind == "code":
            self._take()
            return
        answer = caller.ask(self.token_request())
        if not answer.good:
            raise refused(answer, caller, str(self.settings.get("user") or self.settings.get("client_id") or ""))
        if said := self._login_error(answer):
            user = str(self.settings.get("user") or "")
            raise problems.sign_in_refused(host_of(answer), user, problems.quoted(said, caller.secrets.values()), trusted=False)
        self.token = self._token_of(answer)
        self.hide(self.token)

    def token_request(self) -> Asked:
        """The call that gives a token, of a kind that is not "code"."""
        return self._login() if self.kind == "login" else self._client_credentials()

    def _take(self) -> None:
        if self.tokens is None:
            raise problems.sign_in_other("Nobody has signed in at the supplier yet", "Sign in there first.")
        self.token = self.tokens.access() if self.token is None else self.tokens.renewed(self.token)
        self.hide(self.token)

    def words(self) -> str:
        """How we sign in, for the merchant; no secret in it."""
        return {
            "none": "Nothing is sent to sign in", "header": f"Header {self.settings.get('header_name')} was sent",
            "query": f"Parameter {self.settings.get('query_name')} was sent",
            "basic": f"Signed in as {self.settings.get('user') or 'the key'}",
            "login": f"Logged in as {self.settings.get('user')}", "client_credentials": "The client credentials were accepted",
            "code": "The sign-in at the supplier is good",
        }[self.kind]  # fmt: skip

    def carried(self) -> tuple[dict[str, str], dict[str, str]]:
        """The headers and the query that sign a request. Raises SupplierError for a header that cannot be sent."""
        kind = self.kind
        if kind in ("header", "query") and not self._secret("key"):
            raise self._no_key()
        if kind == "header":
            name, value = (
                str(self.settings.get("header_name", "")).strip(),
                f"{self.settings.get('header_prefix') or ''}{self._secret('key')}",
            )
            if not _NAME.fullmatch(name) or not value.isascii() or not value.isprintable():
                raise problems.sign_in_other("This header cannot be sent", "Check its name and its value: one line of plain letters.")
            return {name: value}, {}
        if kind == "query":
            return {}, {str(self.settings.get("query_name", "")): self._secret("key")}
        if kind == "basic":
            user = str(self.settings.get("user") or "") or self._secret("user_key")
            if not user:
                raise self._no_key()
            return {"Authorization": "Basic " + b64encode(f"{user}:{self._secret('password')}".encode()).decode()}, {}
        if self.token is None:
            return {}, {}
        name = str(self.settings.get("token_name") or "")
        return {name or "Authorization": self.token.reveal() if name else f"Bearer {self.token.reveal()}"}, {}

    def _no_key(self) -> SupplierError:
        return problems.no_key(bool(self.settings.get("approval")), bool(self.settings.get("app_removed")))

    def _login(self) -> Asked:
        fields = {
            str(self.settings.get("login_user") or "username"): str(self.settings.get("user") or ""),
            str(self.settings.get("login_password") or "password"): self._secret("password"),
        }
        whole = str(self.settings.get("login_body") or "")
        texts = {"who": str(self.settings.get("user") or ""), "secret": self._secret("password")}
        body = put_json(whole, texts).encode() if whole else orjson.dumps(fields)
        place, headers = address(self.settings, str(self.settings.get("login_path") or "")), {"Content-Type": "application/json"}
        return Asked("POST", place, headers=headers, body=body, private=True)

    def _login_error(self, answer: Answer) -> str:
        path = str(self.settings.get("login_error") or "")
        if not path:
            return ""
        try:
            said = answers.at(answers.read(answer.body, "json"), path)
        except answers.Unreadable:
            return ""
        return said if isinstance(said, str) else ""

    def _client_credentials(self) -> Asked:
        fields = {"grant_type": "client_credentials", "client_id": str(self.settings.get("client_id") or "")}
        fields |= {"client_secret": self._secret("client_secret")}
        if scope := str(self.settings.get("scope") or ""):
            fields["scope"] = scope
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Asked("POST", str(self.settings.get("token_url") or ""), headers=headers, body=urlencode(fields).encode(), private=True)

    def _token_of(self, answer: Answer) -> Secret:
        named = str(self.settings.get("token_header") or "").lower()
        found = next((value for name, value in answer.headers.items() if named and name.lower() == named), None)
        if found is None:
            try:
                found = answers.at(answers.read(answer.body, "json"), str(self.settings.get("token_path") or "access_token"))
            except answers.Unreadable as error:
                raise problems.protocol_error("The log-in gave no token", f"{error}.") from None
        if not isinstance(found, str) or not found or not found.isascii() or not found.isprintable():
            where = named or self.settings.get("token_path") or "access_token"
            words = str(self.settings.get("words_no_token") or f"We looked for it at {where}.")
            raise problems.protocol_error("The log-in gave no token", words, permanent=True)
        return Secret(found)

    def _secret(self, key: str) -> str:
        return (self.secrets.get(key) or Secret("")).reveal()


def _others(settings: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for line in filter(None, str(settings.get("headers") or "").splitlines()):
        name, _, value = (part.strip() for part in line.partition(":"))
        if not _NAME.fullmatch(name) or name.lower() in _OURS or not value or not value.isascii() or not value.isprintable():
            raise problems.sign_in_other(
                f"The header {name[:40]} cannot be sent", "Check what you entered for it: one line of plain letters."
            )
        found[name] = value
    return found


def address(settings: Mapping[str, Any], path: str) -> str:
    """A path under the base address, whatever it looks like: the key that goes along must not leave that server."""
    return f"{str(settings.get('base') or '').rstrip('/')}/{path.lstrip('/')}"


def host_of(answer: Answer) -> str:
    """The host that was asked, with its port if it was named."""
    return answer.address.partition("://")[2].partition("/")[0]


def refused(answer: Answer, caller: Caller, user: str) -> SupplierError:
    """An answer that is no success, in words."""
    said = problems.quoted(f"{answer.status} {answer.reason} {_first_words(answer, caller)}", caller.secrets.values())
    host = host_of(answer)
    if answer.status == 401:
        return problems.sign_in_refused(host, user or "of the key", said)
    if answer.status == 403:
        body = "The key is known, but it may not read this. Ask the supplier for the permission that “What you need” names."
        return problems.http_status(403, "The key lacks a permission", body, said, permanent=True)
    if answer.status in (404, 410):
        return problems.http_status(answer.status, "The address is not there", "Check the store and the path.", said, permanent=True)
    if 300 <= answer.status < 400:
        body = "We do not follow to another address, so that no key can leak. Enter the address that it leads to, if you trust it."
        return problems.http_status(answer.status, "The server sends us elsewhere", body, said, permanent=True)
    permanent = 400 <= answer.status < 500 and answer.status not in (408, 425, 429)
    return problems.http_status(answer.status, "The server did not accept the request", "See what it said.", said, permanent=permanent)


def _first_words(answer: Answer, caller: Caller) -> str:
    text = masked(answer.body[:4_000], caller.secrets.values())[:400].decode("utf-8", "replace").strip()  # no part of one at the end
    return "" if text.startswith("<") else text
