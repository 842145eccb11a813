"""Addresses of ours that others use begin with PUBLIC_URL, whatever a request claims to have asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from werkzeug.routing import BuildError

from portal.config import Config
from portal.models import Source
from portal.web.addresses import Paths
from tests.conftest import PASSWORD
from tests.connecting import fresh, save
from tests.hooked import Sender
from tests.web.setting_up import path

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
PUBLIC = "https://portal.example.com"
ROOT = Path(__file__).resolve().parents[2]
FORWARDED = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "Forwarded": "host=evil.example;proto=https"}
CODE = {
    "auth": "code", "base": "https://api.kestrel.example", "path": "/stock", "paging": "none", "form": "json",
    "authorize_url": "https://api.kestrel.example/authorize", "token_url": "https://api.kestrel.example/token", "client_id": "app-1",
}  # fmt: skip


@pytest.fixture
def public(app: Any, config: Config) -> str:
    app.config["PORTAL"] = replace(config, public_url=PUBLIC)
    return PUBLIC


@pytest.fixture
def oauth_source(chosen: Callable[..., Source]) -> Source:
    source = chosen("rest-api")
    save(source, CODE, client_secret="s-7f1e0c")
    return fresh(source)


def page(client: Any, where: str, host: str) -> str:
    """The page at `where`, asked for under the name `host` by the browser that is signed in."""
    cookie = f"quayside_session={client.get_cookie('quayside_session').value}"
    text: str = client.application.test_client(use_cookies=False).get(where, headers={"Host": host, "Cookie": cookie, **FORWARDED}).text
    return text


def shown(client: Any, where: str, id: str, host: str) -> str:
    """The copyable text `id` of the page at `where`, asked for under the name `host`."""
    text = page(client, where, host)
    found = re.search(rf'<pre id="{id}"[^>]*>([^<]*)</pre>', text)
    assert found, text
    return unescape(found[1])


def redirect_of(client: Any, source: Source, host: str) -> str:
    """Where the supplier is asked to send the browser back to."""
    (link,) = [unescape(one) for one in re.findall(r'id="leave-go" href="([^"]+)"', page(client, path(source, "/sign-in"), host))]
    return parse_qs(urlsplit(link).query)["redirect_uri"][0]


@pytest.mark.parametrize("host", ["localhost", "evil.example", "portal.example.com.evil.example", "portal.example.com:8443"])
def test_no_host_header_changes_where_a_sign_in_returns(client: Any, public: str, oauth_source: Source, host: str) -> None:
    assert redirect_of(client, oauth_source, host) == f"{PUBLIC}/oauth/return"
    assert shown(client, path(oauth_source, "/connection"), "return-address", host) == f"{PUBLIC}/oauth/return"


@pytest.mark.parametrize("host", ["localhost", "evil.example"])
def test_no_host_header_changes_a_webhook_address(client: Any, public: str, chosen: Callable[..., Source], host: str) -> None:
    source = chosen("webhook")
    sender = Sender(client, source)
    assert shown(client, path(source, "/webhook"), "address-1", host) == f"{PUBLIC}{sender.path}"
    assert "a name that only this machine knows" not in page(client, path(source, "/webhook"), host)


def test_no_host_header_changes_what_a_store_is_told(client: Any, public: str, chosen: Callable[..., Source]) -> None:
    woo, big = chosen("woocommerce", name="Woo"), chosen("bigcommerce", name="Big")
    save(woo, {"base": "https://store.example"})
    text = page(client, path(woo, "/approval"), "evil.example")
    asked = parse_qs(urlsplit(unescape(re.findall(r'id="leave-go" href="([^"]+)"', text)[0])).query)
    assert (asked["callback_url"], asked["return_url"]) == ([f"{PUBLIC}/wc-auth"], [f"{PUBLIC}/wc-auth/return"])
    save(big, {"store_hash": "a1b2c3", "client_id": "app-1"}, client_secret="app-secret")
    text = page(client, path(big, "/app"), "evil.example")
    assert f"{PUBLIC}/bigcommerce/{big.public_id}/auth" in text and "evil.example" not in text


def test_without_it_the_host_counts_and_what_anybody_can_forward_does_not(client: Any, oauth_source: Source) -> None:
    assert redirect_of(client, oauth_source, "portal.kestrel.example") == "http://portal.kestrel.example/oauth/return"


def test_forms_are_taken_from_the_public_address_and_from_no_other(anonymous: Any, owner: Any, public: str) -> None:
    def sign_in(origin: str) -> int:
        page = anonymous.get("/sign-in").text
        token = re.findall(r'name="csrf_token" value="([^"]+)"', page)[0]
        form = {"email": owner.email, "password": PASSWORD, "csrf_token": token}
        return int(anonymous.post("/sign-in", data=form, headers={"Origin": origin}).status_code)

    assert sign_in("https://portal.example.com.evil.example") == 403
    assert sign_in(PUBLIC) == 303, "a proxy may ask us under another name than the browser asked it"


def test_nothing_else_makes_a_whole_address() -> None:
    files = [*(ROOT / "portal").rglob("*.py"), *(ROOT / "templates").rglob("*.html")]
    makers = {one.name for one in files if re.search(r"_external|host_url|url_root|base_url\b.*request", one.read_text("utf-8"))}
    assert makers == {"addresses.py"}


@pytest.mark.parametrize("value", ["a7f3", "a-b_c", "two words", "50%", "ü", "a/b", ""])
@pytest.mark.parametrize("prefix", ["", "/shop"])
def test_paths_that_are_filled_in_are_those_that_flask_builds(app: Any, value: str, prefix: str) -> None:
    paths, filled = Paths(app), 0
    for rule in app.url_map.iter_rules():
        for more in ({}, {"q": value}, {"zone": "x", "after": value}):
            given = dict.fromkeys(sorted(rule.arguments), value) | more
            with app.test_request_context(environ_overrides={"SCRIPT_NAME": prefix}):
                try:
                    wanted = app.url_for(rule.endpoint, **given)
                except (BuildError, ValueError):  # a page of a number, or no such page
                    continue
                assert [paths.of(rule.endpoint, **given) for _ in range(2)] == [wanted, wanted]
                filled += 1
    assert bool(any(paths._built.values())) == (not prefix) and (filled > 300 or "/" in value or not value)
