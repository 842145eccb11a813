"""The whole OAuth2 way against oidc-provider, which is strict, in a real Chromium: allowed by a person, renewed, and replayed in vain."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from urllib.request import Request, urlopen

import pytest

from portal import clock, exchanges, oauth
from portal.models import Exchange, OauthGrant, Run
from tests.connecting import check, fresh, save, states
from tests.peers.started import started
from tests.servers import LOOPBACK, free_port

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(os.environ.get("OIDC_PROVIDER") or ROOT / ".peers" / "node_modules" / "oidc-provider")
CLIENT, SECRET = "quayside", "cl1ent-s3cret-of-the-peer"


@pytest.fixture
def provider(site: Any) -> Iterator[str]:
    """The issuer, started with our return address as its client's only one."""
    if not PACKAGE.is_dir():
        pytest.skip(f"`make peers` fetches oidc-provider ({PACKAGE})")
    port = free_port()
    script = Path(__file__).with_name("oidc_provider.mjs")
    with started(["node", str(script), str(PACKAGE), str(port), site.url("/oauth/return")], "oidc-provider listens"):
        yield f"http://{LOOPBACK}:{port}"


def connect(source: Any, issuer: str) -> None:
    """Save what a merchant types."""
    save(source, {
        "base": issuer, "auth": "code", "authorize_url": f"{issuer}/auth", "token_url": f"{issuer}/token", "issuer": issuer,
        "client_id": CLIENT, "scope": "openid read_stock", "path": "/me", "items": "", "form": "json", "paging": "none", "plain_ok": "1",
    }, client_secret=SECRET)  # fmt: skip


def allow(page: Any, site: Any, source: Any) -> dict[str, str]:
    """A person follows our link, signs in over there, consents, and is back here; what came back."""
    page.watched.paused = True  # the pages of the provider have a policy of their own
    page.goto(f"/sources/{source.public_id}/sign-in")
    assert LOOPBACK in page.locator("#leave").inner_text() and "read_stock" in page.locator("#leave").inner_text()
    page.click("#leave-go")
    page.fill("input[name=login]", "ana")
    page.fill("input[name=password]", "any")
    page.click("button[type=submit]")
    with page.expect_request(lambda one: one.url.startswith(site.url("/oauth/return"))) as came:
        page.click("button[type=submit]")  # the consent
    page.wait_for_url(f"**/sources/{source.public_id}/connection/checks")
    page.watched.paused = False
    return {name: values[0] for name, values in parse_qs(urlsplit(came.value.url).query).items()}


def refused_by_the_server(issuer: str, **form: str) -> str:
    """The error that the token address answers to a form of our client."""
    request = Request(f"{issuer}/token", urlencode(form).encode(), method="POST")
    request.add_header("Authorization", "Basic " + b64encode(f"{CLIENT}:{SECRET}".encode()).decode())
    try:
        with urlopen(request, timeout=10) as answer:
            return f"{answer.status}"
    except OSError as error:
        return error.read().decode()  # type: ignore[attr-defined]


def test_a_person_allows_us_in_a_browser_and_nothing_serves_twice(
    page: Any,
    site: Any,
    provider: str,
    chosen: Callable[..., Any],
    run_work: Callable[[], None],
) -> None:
    source = chosen("rest-api")
    connect(source, provider)
    assert check(source, run_work).problem["act_at"] == "sign_in"

    query = allow(page, site, source)
    assert "Signed in." in page.inner_text("body")
    assert query["iss"] == provider and query.keys() == {"code", "state", "iss"}

    run = check(fresh(source), run_work)
    assert run.state == "finished" and set(states(source).values()) == {"passed"}, run.problem

    page.goto(f"/oauth/return?{urlencode(query)}")  # the very return again
    assert "not begun here, is over, or was used already" in page.inner_text("body")
    assert OauthGrant.select().count() == 1

    store, grant = oauth.TokenStore(fresh(source)), OauthGrant.get()
    first = store._opened(grant)
    OauthGrant.update(expires_at=clock.now()).execute()
    second = store.access().reveal()
    assert second != first.access.reveal() and OauthGrant.get().version == grant.version + 1
    assert check(fresh(source), run_work).state == "finished"

    assert first.refresh is not None
    said = refused_by_the_server(provider, grant_type="refresh_token", refresh_token=first.refresh.reveal())
    assert "invalid_grant" in said, said  # the old refresh token; the provider then ends the whole grant
    OauthGrant.update(expires_at=clock.now()).execute()
    run = check(fresh(source), run_work)
    assert run.problem["code"] == "sign_in_ended" and OauthGrant.get().ended_at is not None, run.problem
    assert Run.select().where(Run.state == "running").count() == 0

    told = repr(list(Exchange.select().dicts())) + repr([exchanges.letter(one) for one in exchanges.latest(source)])
    for secret in (SECRET, second, first.access.reveal(), first.refresh.reveal(), query["code"], query["state"]):
        assert secret not in told


def test_a_code_that_was_used_is_refused_and_ends_what_it_gave(
    page: Any,
    site: Any,
    provider: str,
    chosen: Callable[..., Any],
    run_work: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    test = {"redirect_uri": site.url("/oauth/return"), "code_verifier": ""}
    source = chosen("rest-api")
    connect(source, provider)
    way = oauth._way({})
    real = way.exchange

    def keeping(caller: Any, settings: Any, secret: Any, code: str, verifier: str, redirect: str) -> Any:
        test.update(code=code, code_verifier=verifier)
        return real(caller, settings, secret, code, verifier, redirect)

    monkeypatch.setattr(way, "exchange", keeping)
    allow(page, site, source)
    assert check(fresh(source), run_work).state == "finished"
    assert "invalid_grant" in refused_by_the_server(provider, grant_type="authorization_code", **test)
    run = check(fresh(source), run_work)  # what the code had given was ended by that
    assert run.problem["code"] == "sign_in_ended", run.problem
