"""BigCommerce's app: its control panel brings a code, the token alone says which store, and a person confirms it in the portal."""

from __future__ import annotations

import base64
import hmac
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from portal import bigcommerce_app, clock, connection_parts, sources
from portal.models import AuditLine, Connection, Exchange, Integration, KeyOffer, MappingVersion, Run, SealedSecret, Source
from tests.connecting import fresh, save
from tests.connectors.told_server import Request, Told, told

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
HTTPS, STORE = "https://localhost", "a1b2c3"
GRANT = {
    "access_token": "bc-token-7f1e0c", "scope": "store_v2_products_read_only store_inventory", "context": f"stores/{STORE}",
    "user": {"id": 9, "username": "jo", "email": "jo@kestrel.example"}, "owner": {"id": 9}, "account_uuid": "x",
}  # fmt: skip


@pytest.fixture
def grant() -> dict[str, Any]:
    return dict(GRANT)


@pytest.fixture
def store(grant: dict[str, Any]) -> Iterator[Told]:
    """BigCommerce: it changes the one code for a token, and answers requests that carry it."""

    def answer(request: Request) -> Any:
        if request.path == "/oauth2/token":
            sent = json.loads(request.body)
            good = (sent["client_id"], sent["client_secret"], sent["code"]) == ("app-1", "app-secret", "the-code")
            return (200, grant) if good else (400, {"error": "invalid_grant"})
        return (200, {"data": []}) if request.headers.get("x-auth-token") == "bc-token-7f1e0c" else (401, {})

    with told(answer) as made:
        yield made


@pytest.fixture
def source(chosen: Any, store: Told) -> Source:
    made: Source = chosen("bigcommerce")
    save(made, {"store_hash": STORE, "client_id": "app-1"}, client_secret="app-secret")
    settings = {"store_hash": STORE, "client_id": "app-1", "base": f"{store.base}/stores/{STORE}", "plain_ok": "1"}
    Connection.update(settings={**settings, "token_url": f"{store.base}/oauth2/token"}).execute()
    return fresh(made)


def install(client: Any, source: Source, **more: str) -> Any:
    query = {"code": "the-code", "context": f"stores/{STORE}", "scope": GRANT["scope"], "account_uuid": "x", **more}
    return client.get(f"/bigcommerce/{source.public_id}/auth", query_string=query, base_url=HTTPS)


def keys(source: Source) -> dict[str, str]:
    return {name: secret.reveal() for name, secret in connection_parts.opened_secrets(source).items()}


def page(client: Any, source: Source) -> str:
    text: str = client.get(f"/sources/{source.public_id}/app").text
    return text


def confirm(client: Any, source: Source, number: int | None = None) -> Any:
    waiting = bigcommerce_app.waiting(source)
    data = {"installation": str(number or (waiting.number if waiting else 0)), "csrf_token": csrf_of(client)}
    return client.post(f"/sources/{source.public_id}/app", data=data)


def csrf_of(client: Any) -> str:
    return str(re.findall(r'name="csrf_token" value="([^"]+)"', client.get("/sources/new").text)[0])


def test_the_whole_way(client: Any, anonymous: Any, source: Source, store: Told) -> None:
    assert client.get(f"/sources/{source.public_id}/approval").headers["Location"].endswith(f"/sources/{source.public_id}/app")
    assert "No installation in store" in page(client, source) and f"/bigcommerce/{source.public_id}/auth" in page(client, source)
    framed = install(anonymous, source)
    assert framed.status_code == 200 and "confirm in the portal that store a1b2c3 is yours" in framed.text
    assert "frame-ancestors https://*.mybigcommerce.com" in framed.headers["Content-Security-Policy"] and "<form" not in framed.text
    asked = json.loads(store.asked[0].body)
    assert asked["redirect_uri"] == f"{HTTPS}/bigcommerce/{source.public_id}/auth" and asked["grant_type"] == "authorization_code"
    assert "key" not in keys(source) and len(store.asked) == 1, "nothing is connected by the store alone"
    shown = page(client, source)
    assert "jo@kestrel.example" in shown and "store_inventory" in shown and "Not given" not in shown
    assert confirm(client, source).status_code == 303 and keys(source)["key"] == "bc-token-7f1e0c"
    assert [one.path for one in store.asked] == ["/oauth2/token", f"/stores/{STORE}/v3/inventory/items"]
    told_ = repr([list(model.select().dicts()) for model in (KeyOffer, Exchange, AuditLine, SealedSecret)])
    assert "bc-token" not in told_ and "app-secret" not in told_ and "the-code" not in told_
    assert confirm(client, source, KeyOffer.get().id).status_code == 409 and "No installation in store" in page(client, source)


@pytest.mark.parametrize("context", ["stores/zzz999", "stores/A1B2C3", "a1b2c3", "", None, 7, "stores/a1b2c3/../zzz999"])
def test_a_token_of_another_store_is_not_kept(anonymous: Any, source: Source, grant: dict[str, Any], context: Any) -> None:
    grant["context"] = context
    answer = install(anonymous, source)
    assert answer.status_code == 422 and "another store" in answer.text and bigcommerce_app.waiting(source) is None
    assert not KeyOffer.select().where(KeyOffer.sealed != "").exists()


@pytest.mark.parametrize("token", [None, "", 7, "x" * 300, "line\nbreak", "ü"])
def test_a_token_that_is_none_is_not_kept(anonymous: Any, source: Source, grant: dict[str, Any], token: Any) -> None:
    grant["access_token"] = token
    assert install(anonymous, source).status_code == 422 and bigcommerce_app.waiting(source) is None


@pytest.mark.parametrize(
    "more", [{"code": ""}, {"code": "x y"}, {"code": "x" * 501}, {"context": "stores/"}, {"context": "https://evil.example"}]
)
def test_what_bigcommerce_never_sends_is_not_asked_about(anonymous: Any, source: Source, store: Told, more: dict[str, str]) -> None:
    assert install(anonymous, source, **more).status_code == 422 and store.asked == []


def test_a_guessed_code_gets_nothing_and_tries_are_counted(anonymous: Any, source: Source, store: Told, monkeypatch: Any) -> None:
    answers = [install(anonymous, source, code=f"guess-{n}") for n in range(bigcommerce_app.MOST_AN_HOUR + 3)]
    assert {one.status_code for one in answers} == {422} and len(store.asked) == bigcommerce_app.MOST_AN_HOUR
    assert "too often" in answers[-1].text and bigcommerce_app.waiting(source) is None
    later = clock.now() + bigcommerce_app.LASTS + timedelta(seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert install(anonymous, source).status_code == 200


def test_only_this_workspace_confirms_and_only_for_the_store_that_is_meant(
    client: Any, other_client: Any, anonymous: Any, source: Source
) -> None:
    install(anonymous, source)
    waiting = bigcommerce_app.waiting(source)
    assert waiting and confirm(other_client, source, waiting.number).status_code == 404
    assert confirm(client, source, waiting.number + 1).status_code == 409
    connection = Connection.get()
    Connection.update(settings={**connection.settings, "store_hash": "zzz999"}).execute()
    assert "No installation in store" in page(client, source) and confirm(client, source, waiting.number).status_code == 409
    assert "key" not in keys(source)


def test_a_token_that_the_store_refuses_is_not_kept(client: Any, anonymous: Any, source: Source, grant: dict[str, Any]) -> None:
    grant |= {"access_token": "another", "scope": "store_v2_products_read_only"}
    install(anonymous, source)
    assert "Not given" in page(client, source)
    answer = confirm(client, source)
    assert answer.status_code == 422 and "was not kept" in answer.text and "key" not in keys(source) and KeyOffer.get().sealed == ""


def test_without_an_app_or_for_another_supplier_there_is_nothing(
    client: Any, anonymous: Any, chosen: Any, source: Source, store: Told
) -> None:
    other = chosen("woocommerce", name="Another")
    for place in (
        f"/bigcommerce/{other.public_id}/auth?code=x&context=stores/a1b2c3",
        f"/bigcommerce/{other.public_id}/load",
        f"/bigcommerce/{other.public_id}/uninstall",
    ):
        assert anonymous.get(place).status_code == 404
    assert anonymous.get(f"/bigcommerce/{source.public_id}/load").status_code == 401
    assert client.get(f"/sources/{other.public_id}/app").status_code == 404
    Connection.update(settings={"store_hash": STORE}).where(Connection.source == source).execute()
    assert install(anonymous, source).status_code == 404 and store.asked == [] and "save it first" in page(client, source)


# opened and removed at the store, by its signed message


def signed(secret: str = "app-secret", header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A message as BigCommerce signs it; a claim that is None is left out."""
    now = int(time.time())
    told_ = {"aud": "app-1", "iss": "bc", "iat": now, "nbf": now - 5, "exp": now + 86_400, "jti": "x", "sub": f"stores/{STORE}", **claims}
    parts = [header or {"alg": "HS256", "typ": "JWT"}, {name: one for name, one in told_.items() if one is not None}]
    text = ".".join(b64(json.dumps(one).encode()) for one in parts)
    return f"{text}.{b64(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def callback(client: Any, source: Source, name: str, payload: str) -> Any:
    return client.get(f"/bigcommerce/{source.public_id}/{name}", query_string={"signed_payload_jwt": payload}, base_url=HTTPS)


FORGED: dict[str, Callable[[], str]] = {
    "nothing": lambda: "",
    "no JWT": lambda: "garbage",
    "letters of nowhere": lambda: "ü.ü.ü",
    "far too long": lambda: signed(more="x" * 9_000),
    "another secret": lambda: signed("another-secret"),
    "an empty secret": lambda: signed("\0"),
    "no signature": lambda: signed(header={"alg": "none"}).rpartition(".")[0] + ".",
    "alg none, signed": lambda: signed(header={"alg": "none"}),
    "another alg": lambda: signed(header={"alg": "HS512"}),
    "another body": lambda: ".".join([signed().split(".")[0], signed(sub="stores/zzz999").split(".")[1], signed().split(".")[2]]),
    "no object": lambda: f"{b64(b'[]')}.{b64(b'[]')}.x",
    "another app": lambda: signed(aud="app-2"),
    "a list of apps": lambda: signed(aud=["app-1", "app-2"]),
    "another issuer": lambda: signed(iss="https://evil.example"),
    "another store": lambda: signed(sub="stores/zzz999"),
    "no store": lambda: signed(sub=None),
    "over": lambda: signed(iat=int(time.time()) - 90_000, exp=int(time.time()) - 90),
    "no end": lambda: signed(exp=None),
    "an end in words": lambda: signed(exp="tomorrow"),
    "an end that is true": lambda: signed(exp=True),
    "no beginning": lambda: signed(iat=None),
    "of tomorrow": lambda: signed(iat=int(time.time()) + 86_000),
    "not before tomorrow": lambda: signed(nbf=int(time.time()) + 86_000),
}


@pytest.mark.parametrize("name", ["load", "uninstall"])
@pytest.mark.parametrize("forged", FORGED)
def test_a_message_that_does_not_count_tells_and_changes_nothing(
    client: Any, anonymous: Any, source: Source, name: str, forged: str
) -> None:
    install(anonymous, source)
    confirm(client, source)
    answer = callback(anonymous, source, name, FORGED[forged]())
    assert answer.status_code == 401 and "does not count" in answer.text and keys(source)["key"] == "bc-token-7f1e0c"
    assert not AuditLine.select().where(AuditLine.action == "connection.key_ended").exists()


def test_the_store_opens_the_app(client: Any, anonymous: Any, source: Source) -> None:
    assert "not connected" in callback(anonymous, source, "load", signed()).text
    install(anonymous, source)
    assert "Confirm in the portal" in callback(anonymous, source, "load", signed()).text
    confirm(client, source)
    framed = callback(anonymous, source, "load", signed())
    assert framed.status_code == 200 and "works in the background" in framed.text
    assert "frame-ancestors https://*.mybigcommerce.com" in framed.headers["Content-Security-Policy"] and "<form" not in framed.text


def test_the_store_removes_the_app_and_a_person_signs_in_again(
    client: Any, anonymous: Any, source: Source, store: Told, run_work: Any, monkeypatch: Any
) -> None:
    install(anonymous, source)
    confirm(client, source)
    live(source)
    early = signed(iat=int(time.time()) - 60)
    assert "installed again since" in callback(anonymous, source, "uninstall", early).text and keys(source)["key"]
    at = clock.now() + timedelta(minutes=5)
    monkeypatch.setattr(clock, "now", lambda: at)
    payload, asked = signed(iat=int(time.time()) + 300, exp=int(time.time()) + 86_400), len(store.asked)
    for _ in range(2):  # BigCommerce may say it twice
        assert "asks to sign in again" in callback(anonymous, source, "uninstall", payload).text
    assert "key" not in keys(source) and keys(source)["client_secret"] == "app-secret" and fresh(source).state == "live"
    run_work()
    (run,) = Run.select().where(Run.cause == "system")
    assert (run.state, run.problem["code"], run.problem["act_at"]) == ("failed", "sign_in_ended", "approval") and len(store.asked) == asked
    shown = client.get("/sources").text + client.get(f"/sources/{source.public_id}").text
    assert "Action needed" in shown and "The app was removed in the store" in shown
    assert AuditLine.select().where(AuditLine.action == "connection.key_ended", AuditLine.who == "BigCommerce").count() == 1
    later = at + timedelta(minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    install(anonymous, source)
    assert confirm(client, source).status_code == 303 and keys(source)["key"] == "bc-token-7f1e0c"
    assert "installed again since" in callback(anonymous, source, "uninstall", payload).text, "the old message ends no new token"
    assert keys(source)["key"] and "app_removed" not in Connection.get().settings


def live(source: Source) -> None:
    """The source is set up, with a mapping."""
    rules = {"fields": {"sku": {"columns": ["sku"]}, "quantity": {"columns": ["available_to_sell"]}}}
    integration = sources.integration(source, "get_inventory_primary")
    MappingVersion.create(integration=integration, number=1, rules=rules, headers=["sku", "available_to_sell"])
    settings = {"match": "newest", "pattern": "*", "format": {"kind": "jsonl"}}
    Integration.update(mapping_version=1, enabled=True, settings=settings).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == source.id).execute()
