"""A15: 80 and more ways to write a closed address, in every place where an address is typed or told: nobody is connected to.

One server is open to us; a listener on every address of this machine must see nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from xml.sax.saxutils import quoteattr

import pytest

from portal.connectors import caller, oauth, open_connector, rest_list, soap_files
from portal.connectors.caller import Caller
from portal.connectors.network import Guard
from portal.connectors.oauth import Tokens
from portal.connectors.shopify_oauth import refreshed as shopify_refreshed
from portal.errors import SupplierError
from portal.records import Secret
from tests.connectors.shopify_server import SHOP
from tests.connectors.soaping import ALL, Shelf
from tests.connectors.test_network import ODD, counting
from tests.connectors.web_server import Web, answer, web
from tests.servers import LOOPBACK

REFUSED = {"address_refused", "host_unknown", "protocol_error", "redirected", "http_status", "port_closed", "not_set_up"}
SECRETS = {name: Secret("canary-of-the-forms") for name in ("key", "password", "client_secret")}
SOON = datetime(2020, 1, 1)
SHOPIFY = {
    "shop": SHOP, "auth": "header", "header_name": "X-Shopify-Access-Token", "token_name": "X-Shopify-Access-Token", "plain_ok": "1",
    "locations": "all", "drafts": "skip",
}  # fmt: skip


@dataclass
class Place:
    """Where addresses are written: `there(host)` asks the connectors to go there."""

    server: Web
    listener: int

    def link(self, host: str, path: str = "/x") -> str:
        return f"http://{host}:{self.listener}{path}"

    @property
    def guard(self) -> Guard:
        return Guard.from_config(f"{LOOPBACK}:{self.server.port}")

    def open(self, protocol: str, **settings: Any) -> Any:
        more = {"library": Shelf()} if protocol == "soap" else {}
        return open_connector(protocol, settings, SECRETS, guard=self.guard, trusted_key=None, record=lambda _: None, **more)

    def rest(self, **settings: Any) -> Any:
        usual = {"base": f"http://{LOOPBACK}:{self.server.port}", "path": "/items", "items": "data", "auth": "none", "paging": "none"}
        return self.open("rest", **usual | {"plain_ok": "1"} | settings)

    def says(self, *answers: bytes) -> None:
        self.server.says = list(answers)


def json_of(text: str, **headers: str) -> bytes:
    return answer(text.encode(), Content_Type="application/json", **headers)


def raw(text: str) -> str:
    """The text as a header carries it: its UTF-8 bytes."""
    return text.encode().decode("latin-1")


def check(connector: Any) -> None:
    with connector:
        connector.check(lambda _: None, "")


def fetch(connector: Any, folder: Any) -> None:
    with connector:
        connector.fetch("", "newest", "*", folder / "items", 10**6, lambda *_: None, 0.0)


def of_a_caller(place: Place) -> Caller:
    return Caller(place.guard, secrets=SECRETS, record=lambda _: None, plain_ok=True)


def next_address(place: Place, host: str, folder: Any) -> None:
    place.says(json_of(json.dumps({"data": [{"sku": "A"}], "next": place.link(host)})))
    fetch(place.rest(paging="next", cursor="next"), folder)


def link_header(place: Place, host: str, folder: Any) -> None:
    place.says(json_of('{"data": [{"sku": "A"}]}', Link=f'<{raw(place.link(host))}>; rel="next"'))
    fetch(place.rest(paging="link"), folder)


def redirect(protocol: str) -> Callable[[Place, str, Any], None]:
    def go(place: Place, host: str, folder: Any) -> None:
        place.says(answer(status="302 There", Location=raw(place.link(host))))
        url = f"http://{LOOPBACK}:{place.server.port}/stock.csv"
        fetch(place.rest() if protocol == "rest" else place.open("http", url=url, auth="none"), folder)

    return go


def token_redirect(place: Place, host: str, folder: Any) -> None:
    place.says(answer(status="307 There", Location=raw(place.link(host))))
    check(place.rest(auth="client_credentials", token_url=f"http://{LOOPBACK}:{place.server.port}/token", client_id="ana"))


def code_token(place: Place, host: str, folder: Any) -> None:
    settings = {"client_id": "ana", "token_url": place.link(host)}
    oauth.exchange(of_a_caller(place), settings, SECRETS["key"], "code", "verifier" * 8, "http://localhost/oauth/return")


def code_refresh(place: Place, host: str, folder: Any) -> None:
    tokens = Tokens(Secret("a"), Secret("r"), SOON)
    oauth.refreshed(of_a_caller(place), {"client_id": "ana", "token_url": place.link(host)}, SECRETS["key"], tokens)


def shopify_token(place: Place, host: str, folder: Any) -> None:
    tokens = Tokens(Secret("a"), Secret("r"), SOON)
    shopify_refreshed(of_a_caller(place), {"client_id": "ana", "shop": SHOP, "token_url": place.link(host)}, SECRETS["key"], tokens)


def soap_import(place: Place, host: str, folder: Any) -> None:
    begin = '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" targetNamespace="urn:x"><import namespace="urn:y" location='
    place.says(answer(f"{begin}{quoteattr(place.link(host))}/></definitions>".encode(), Content_Type="text/xml"))
    check(place.open("soap", wsdl_from="address", wsdl=f"http://{LOOPBACK}:{place.server.port}/a.wsdl", auth="none", plain_ok="1",
                     wsdl_operation="ListStock", arguments=ALL, items="items"))  # fmt: skip


PLACES: dict[str, Callable[[Place, str, Any], None]] = {
    "SFTP host": lambda place, host, _: check(place.open("sftp", host=host, port=place.listener, user="ana", auth="password")),
    "FTP host": lambda place, host, _: check(place.open("ftp", host=host, port=place.listener, user="ana", security="explicit")),
    "file link": lambda place, host, folder: fetch(place.open("http", url=place.link(host), auth="none"), folder),
    "base address": lambda place, host, folder: fetch(place.rest(base=place.link(host, "")), folder),
    "base of a log-in": lambda place, host, _: check(place.rest(base=place.link(host, ""), auth="login", user="ana", login_path="/login")),
    "token address": lambda place, host, _: check(place.rest(auth="client_credentials", token_url=place.link(host), client_id="ana")),
    "token address of a code": code_token,
    "token address of a refresh": code_refresh,
    "Shopify's base": lambda place, host, folder: fetch(place.open("shopify", **SHOPIFY, base=place.link(host, "")), folder),
    "Shopify's token address": shopify_token,
    "WSDL": lambda place, host, _: check(place.open("soap", wsdl_from="address", wsdl=place.link(host), auth="none", plain_ok="1")),
    "import of a WSDL": soap_import,
    "next address": next_address,
    "Link header": link_header,
    "redirect of a list": redirect("rest"),
    "redirect of a file": redirect("http"),
    "redirect of a token": token_redirect,
}  # fmt: skip


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller, "wait", lambda *_: None)
    monkeypatch.setattr(caller, "MOST_TRIES", 2)


@pytest.fixture
def place() -> Iterator[tuple[Place, list[str]]]:
    with counting() as (port, seen), web(answer()) as server:
        yield Place(server, port), seen


def spoken(form: str) -> str:
    """The form as it stands in an address."""
    return f"[{form}]" if ":" in form and "/" not in form and "[" not in form else form


@pytest.mark.parametrize("name", PLACES)
def test_no_form_of_a_closed_address_is_reached_from_any_place(name: str, place: tuple[Place, list[str]], tmp_path: Any) -> None:
    there, seen = place
    for form in ODD:
        host = form if name in ("SFTP host", "FTP host") else spoken(form)
        with pytest.raises(SupplierError) as refused:
            PLACES[name](there, host, tmp_path)
        assert refused.value.problem.code in REFUSED, (form, refused.value.problem)
        assert "canary" not in repr(refused.value.problem)
    assert seen == [] and len(set(ODD)) >= 80


@pytest.mark.parametrize("name", [name for name in PLACES if not name.startswith("redirect")])
def test_without_the_guard_the_listener_would_see_it(
    name: str, place: tuple[Place, list[str]], tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage: no address is judged, and a next page may be anywhere."""
    there, seen = place
    monkeypatch.setattr(Guard, "_judge", lambda *_: None)
    monkeypatch.setattr(rest_list, "_stay", lambda *_: None)
    monkeypatch.setattr(soap_files, "origin", lambda _: ("one", "", None))
    with pytest.raises(SupplierError):
        PLACES[name](there, "127.0.0.1", tmp_path)
    assert seen
