"""Clients of the JSON API: calls with a token, answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portal import api_tokens
from portal.api.limits import buckets
from portal.api.routes import refusals


@pytest.fixture(autouse=True)
def fresh_counts() -> Iterator[None]:
    buckets.forget()
    refusals.forget()
    yield


class Caller:
    """call("POST", "/orders", {...}, key="k"): the answer. `secret` "" sends no token."""

    def __init__(self, app: Any, secret: str) -> None:
        self.app, self.secret = app, secret

    def __call__(self, method: str, path: str, body: Any = None, key: str = "", **options: Any) -> Any:
        headers = {"Authorization": f"Bearer {self.secret}"} if self.secret else {}
        headers |= {"Idempotency-Key": key} if key else {}
        content = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
        return self.app.test_client().open(f"/api/v1{path}", method=method, headers=headers, **content, **options)


@pytest.fixture
def caller(app: Any, merchant: Any) -> Callable[..., Caller]:
    """caller(source=None, scopes=everything it may have, of=merchant): a Caller with a token of its own."""

    def make(source: Any = None, scopes: Any = None, of: Any = None, name: str = "Till") -> Caller:
        chosen = scopes or (api_tokens.OF_SOURCE if source is not None else list(api_tokens.SCOPES))
        return Caller(app, api_tokens.make(of or merchant, name, chosen, source, "90", "ana@harbor.example")[1])

    return make
