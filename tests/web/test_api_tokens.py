"""Tokens of the API on their pages: made once, shown once, revoked at once."""

from __future__ import annotations

import re
from typing import Any

from portal import api_tokens
from portal.models import ApiToken
from tests.web.walk import everything


def test_a_token_is_made_shown_once_used_and_revoked(client: Any, app: Any, make_source: Any) -> None:
    source = make_source()
    page = client.get("/api-tokens/new")
    sent = client.form_values(page.text, "/api-tokens/new")
    made = client.post("/api-tokens/new", data={**sent, "name": "Warehouse", "source": source.public_id, "scopes": ["requests:read"]})
    secret = re.search(r"qs_src_[\w-]{43}", made.text)
    assert made.status_code == 200 and secret and made.headers["Cache-Control"] == "no-store"
    assert secret[0] not in repr(everything(but=())) and secret[0] not in client.get("/api-tokens").text

    def read() -> int:
        headers = {"Authorization": f"Bearer {secret[0]}"}
        return int(app.test_client().get("/api/v1/fulfillment-requests", headers=headers).status_code)

    assert read() == 200 and "qs_src_…" in client.get("/api-tokens").text
    token = ApiToken.get()
    done = client.send_form(f"/api-tokens/{token.public_id}/revocation")
    assert done.status_code == 303 and read() == 401 and "Revoked" in client.get("/api-tokens").text


def test_what_a_token_cannot_be_is_told_and_what_was_typed_is_kept(client: Any, make_source: Any) -> None:
    source = make_source()
    sent = client.form_values(client.get("/api-tokens/new").text, "/api-tokens/new")
    empty = client.post("/api-tokens/new", data={**sent, "name": " ", "days": "9999"})
    assert empty.status_code == 422
    for words in ("Give the token a name", "Choose what the token may do", "Choose how long it lasts"):
        assert words in empty.text
    wide = client.post("/api-tokens/new", data={**sent, "name": "Till", "source": source.public_id, "scopes": ["orders:read"]})
    assert wide.status_code == 422 and "A token of one source cannot: read orders." in wide.text and 'value="Till"' in wide.text
    assert not ApiToken.select().count()


def test_operators_neither_see_tokens_nor_make_them(operator_client: Any, merchant: Any) -> None:
    token, _ = api_tokens.make(merchant, "Till", ["orders:read"], None, "90", "ana")
    page = operator_client.get("/api-tokens")
    assert page.status_code == 403 and "Till" not in page.text
    assert operator_client.get("/api-tokens/new").status_code == 403
    assert operator_client.get(f"/api-tokens/{token.public_id}/revocation").status_code == 403
