"""A store gives us a key by WooCommerce's /wc-auth: to the person who asked, for the source and store that was asked, once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from portal import clock, connection_parts, key_offers
from portal import config as installation
from portal.models import AuditLine, Connection, Exchange, KeyOffer, SealedSecret, Source
from tests.conftest import PASSWORD
from tests.connecting import check, states
from tests.connectors.told_server import Request, Told, told

pytest_plugins = ("tests.connected",)
KEY, SECRET = "ck_7f1e0c", "cs_7f1e0c"
HTTPS = "https://localhost"


@pytest.fixture
def store() -> Iterator[Told]:
    """Accepts the one key."""

    def answer(request: Request) -> Any:
        good = request.headers.get("authorization") == "Basic Y2tfN2YxZTBjOmNzXzdmMWUwYw=="
        return (200, [{"id": 1, "sku": "A", "manage_stock": True, "stock_quantity": 4}]) if good else (401, {"code": "cannot_view"})

    with told(answer) as made:
        yield made


@pytest.fixture
def source(chosen: Any, store: Told) -> Source:
    made: Source = chosen("woocommerce")
    Connection.update(settings={"base": store.base, "plain_ok": "1"}).where(Connection.source == made).execute()
    return made


def begin(client: Any, source: Source) -> dict[str, str]:
    """The query of the link that leads to the store."""
    page = client.get(f"/sources/{source.public_id}/approval", base_url=HTTPS)
    assert page.status_code == 200
    link = unescape(re.findall(r'id="leave-go" href="([^"]+)"', page.text)[0])
    assert link.startswith(f"{connection_parts.whole_settings(source)['base']}/wc-auth/v1/authorize?")
    return {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}


def bring(client: Any, token: str, **more: Any) -> int:
    """What the store's program is answered."""
    body = {"key_id": 2, "user_id": token, "consumer_key": KEY, "consumer_secret": SECRET, "key_permissions": "read", **more}
    found: int = client.post("/wc-auth", json={name: value for name, value in body.items() if value is not None}).status_code
    return found


def kept(source: Source) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in connection_parts.opened_secrets(source).items()}


def test_the_whole_way(client: Any, anonymous: Any, source: Source, store: Told) -> None:
    asked = begin(client, source)
    assert asked["app_name"] == "Quayside" and asked["scope"] == "read" and len(asked["user_id"]) >= 43
    assert (asked["callback_url"], asked["return_url"]) == (f"{HTTPS}/wc-auth", f"{HTTPS}/wc-auth/return")
    assert bring(anonymous, asked["user_id"]) == 200
    assert not SealedSecret.select().exists() and store.asked == [], "an unsigned message alone changes and asks nothing"
    answer = client.get(f"/wc-auth/return?success=1&user_id={asked['user_id']}", base_url=HTTPS)
    assert answer.status_code == 303 and answer.headers["Location"].endswith(f"/sources/{source.public_id}/connection/checks")
    assert kept(source) == {"user_key": KEY, "password": SECRET}
    assert [one.path for one in store.asked] == ["/wp-json/wc/v3/products"], "the key was proved at the store"
    told_ = repr([list(model.select().dicts()) for model in (KeyOffer, Exchange, AuditLine, SealedSecret)])
    assert KEY not in told_ and SECRET not in told_ and asked["user_id"] not in told_ and KeyOffer.get().sealed == ""
    assert bring(anonymous, asked["user_id"]) == 404
    assert client.get(f"/wc-auth/return?success=1&user_id={asked['user_id']}", base_url=HTTPS).status_code == 422


@pytest.mark.one_database
@pytest.mark.parametrize("harm", ["declined", "no token", "not brought", "late", "session", "merchant", "moved", "bad key"])
def test_a_return_that_is_not_ours_keeps_nothing(
    app: Any, client: Any, anonymous: Any, other_client: Any, owner: Any, source: Source, store: Told, harm: str, monkeypatch: Any
) -> None:
    token, success, who = begin(client, source)["user_id"], "1", client
    if harm != "not brought":
        assert bring(anonymous, token, **({"consumer_secret": "cs_of_another_store"} if harm == "bad key" else {})) == 200
    if harm == "declined":
        success = "0"
    if harm == "no token":
        token = ""
    if harm == "late":
        later = clock.now() + key_offers.LASTS + timedelta(seconds=1)
        monkeypatch.setattr(clock, "now", lambda: later)
    if harm == "session":
        who = app.test_client().sign_in(owner.email, PASSWORD)
    if harm == "merchant":
        who = other_client
    if harm == "moved":
        Connection.update(settings={"base": f"http://localhost:{store.port}", "plain_ok": "1"}).execute()
    answer = who.get(f"/wc-auth/return?success={success}&user_id={token}", base_url=HTTPS)
    assert answer.status_code == 422 and not SealedSecret.select().exists() and Connection.get().state == "untested"
    assert len(store.asked) == (harm == "bad key")


BODIES = [
    b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"user_id": 7}', b'{"a":' * 100_000, b"x" * 100_000,
    json.dumps({"user_id": "x", "consumer_key": "ck", "consumer_secret": "cs", "key_permissions": "read"}).encode(),
]  # fmt: skip


@pytest.mark.one_database
@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_a_message_that_nobody_waits_for_gets_the_one_answer(anonymous: Any, source: Source, body: bytes) -> None:
    answer = anonymous.post("/wc-auth", data=body, content_type="application/json;charset=utf-8")
    assert (answer.status_code, answer.data) == (404, b'{"status":"refused"}\n') and not KeyOffer.select().exists()


def test_a_token_takes_one_whole_message(client: Any, anonymous: Any, source: Source) -> None:
    token = begin(client, source)["user_id"]
    for more in (
        {"consumer_secret": None},
        {"consumer_key": ""},
        {"consumer_key": 5},
        {"consumer_secret": "cs\r\nX: 1"},
        {"consumer_key": "k" * 201},
    ):
        assert bring(anonymous, token, **more) == 404
    assert bring(anonymous, token + "x") == 404 and bring(anonymous, token) == 200
    assert bring(anonymous, token, consumer_key="ck_another") == 404, "what came first stays"


def test_a_store_inside_our_own_network_gets_no_request(client: Any, anonymous: Any, source: Source, store: Told, config: Any) -> None:
    token = begin(client, source)["user_id"]
    assert bring(anonymous, token) == 200
    installation.use(replace(config, egress_allow=""))
    answer = client.get(f"/wc-auth/return?success=1&user_id={token}", base_url=HTTPS)
    assert answer.status_code == 422 and "inside this server" in answer.text
    assert store.asked == [] and not SealedSecret.select().exists() and KeyOffer.get().sealed == ""


def test_over_http_and_without_a_store_nothing_begins(client: Any, source: Source) -> None:
    page = client.get(f"/sources/{source.public_id}/approval", base_url="http://localhost")
    assert page.status_code == 422 and "only to an https address" in page.text and "ours is http://localhost" in page.text
    Connection.update(settings={}).execute()
    page = client.get(f"/sources/{source.public_id}/approval", base_url=HTTPS)
    assert page.status_code == 422 and "save it first" in page.text and not KeyOffer.select().exists()


def test_a_test_without_a_key_sends_nothing_and_leads_to_the_store(client: Any, source: Source, store: Told, run_work: Any) -> None:
    run = check(source, run_work)
    assert (run.state, run.problem["code"], states(source)["sign_in"]) == ("failed", "not_set_up", "failed") and store.asked == []
    page = client.get(f"/sources/{source.public_id}/connection/checks").text
    assert f'id="checks-approval" href="/sources/{source.public_id}/approval"' in page and "There is no key yet" in page


def test_only_a_store_that_gives_keys_has_the_page(client: Any, chosen: Any, source: Source) -> None:
    assert 'id="connection-approval"' in client.get(f"/sources/{source.public_id}/connection").text
    other = chosen("rest-api", name="Another")
    assert client.get(f"/sources/{other.public_id}/approval", base_url=HTTPS).status_code == 404
    assert 'id="connection-approval"' not in client.get(f"/sources/{other.public_id}/connection").text
