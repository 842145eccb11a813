"""A small API on loopback: a list of items paged in any style behind any sign-in, with a ledger of what it was asked."""

from __future__ import annotations

import contextlib
import json
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.connectors.json_server import JsonAnswers, serving
from tests.servers import LOOPBACK


@dataclass
class Api:
    """`style`: page, offset, cursor, link or next. `auth`: none, header, query, basic, login or client_credentials.

    `tokens` that are good now; `broken`: page number -> status it answers instead, once each, asking us to `wait`.
    """

    count: int = 7
    size: int = 3
    style: str = "page"
    auth: str = "none"
    key: str = "k3y-of-the-test"
    port: int = 0
    tokens: set[str] = field(default_factory=set)
    broken: dict[int, int] = field(default_factory=dict)
    wait: str = "0"
    asked: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def items(self, start: int, size: int) -> list[dict[str, Any]]:
        numbers = range(start, min(start + size, self.count))
        return [{"sku": f"A-{n:04}", "stock": {"units": n % 9}, "price": f"{n}.50"} for n in numbers]

    def may(self, headers: Any, query: dict[str, str]) -> bool:
        given = headers.get("Authorization", "")
        if self.auth == "header":
            return headers.get("X-Api-Key") == self.key
        if self.auth == "query":
            return query.get("api_key") == self.key
        if self.auth == "basic":
            return given.startswith("Basic ") and b64decode(given[6:]).decode() == f"ana:{self.key}"
        if self.auth in ("login", "client_credentials"):
            return given.removeprefix("Bearer ") in self.tokens
        return True

    def new_token(self) -> str:
        token = f"token-{len(self.asked)}"
        self.tokens = {token}
        return token

    def page(self, query: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        size = int(query.get("limit", self.size))
        start = {
            "page": (int(query.get("page", 1)) - 1) * size, "link": (int(query.get("page", 1)) - 1) * size,
            "offset": int(query.get("offset", 0)), "cursor": int(query.get("after", 0)), "next": int(query.get("from", 0)),
        }[self.style]  # fmt: skip
        after, more = start + size, start + size < self.count
        body: dict[str, Any] = {"data": self.items(start, size), "meta": {"count": self.count}}
        headers = {}
        if self.style == "cursor":
            body["end"] = str(after) if more else None
        if self.style == "next":
            body["next"] = f"/items?from={after}" if more else None
        if self.style == "link" and more:
            headers["Link"] = f'<{self.base}/items?page={after // size + 1}&limit={size}>; rel="next"'
        return body, headers


@contextlib.contextmanager
def api(**options: Any) -> Iterator[Api]:
    made = Api(**options)

    class Answers(JsonAnswers):
        def do_GET(self) -> None:  # noqa: N802
            made.asked.append(f"GET {self.path}")
            query = dict(parse_qsl(urlsplit(self.path).query))
            if not made.may(self.headers, query):
                return self.say(401, {"error": "who are you?"})
            status = made.broken.pop(len([one for one in made.asked if "/items" in one]), 0)
            if status:
                return self.say(status, {"error": "not now"}, {"Retry-After": made.wait})
            if urlsplit(self.path).path == "/me":
                return self.say(200, {"name": "ana"})
            body, headers = made.page(query)
            return self.say(200, body, headers)

        def do_POST(self) -> None:  # noqa: N802
            raw = self.heard()
            made.asked.append(f"POST {self.path}")
            if urlsplit(self.path).path == "/items":
                return self.say(201, {"id": f"S-{len(made.asked)}"})
            if self.path == "/login":
                good = json.loads(raw) == {"email": "ana", "password": made.key}
            else:
                form = {name: values[0] for name, values in parse_qs(raw).items()}
                good = (form.get("grant_type"), form.get("client_id"), form.get("client_secret")) == ("client_credentials", "ana", made.key)
            if not good:
                return self.say(401, {"error": "wrong"})
            return self.say(200, {"access_token": made.new_token(), "token_type": "Bearer"})

    with serving(Answers) as made.port:
        yield made
