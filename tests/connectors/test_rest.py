"""A list behind an API: every sign-in, every way of paging, and what goes wrong on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portal import feeds
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.errors import SupplierError
from portal.records import Check, Exchange, Secret
from tests.connectors.api_server import Api, api
from tests.connectors.told_server import Request, told

STYLES = {
    "page": {"paging": "page", "size": 3, "size_name": "limit", "page_name": "page"},
    "offset": {"paging": "offset", "size": 3, "size_name": "limit", "page_name": "offset", "total": "meta.count"},
    "cursor": {"paging": "cursor", "size": 3, "size_name": "limit", "page_name": "after", "cursor": "end"},
    "link": {"paging": "link", "size": 3, "size_name": "limit"},
    "next": {"paging": "next", "cursor": "next"},
}
SIGN_INS: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "none": ({}, {}),
    "header": ({"header_name": "X-Api-Key"}, {"key": "k3y-of-the-test"}),
    "query": ({"query_name": "api_key"}, {"key": "k3y-of-the-test"}),
    "basic": ({"user": "ana"}, {"password": "k3y-of-the-test"}),
    "login": ({"user": "ana", "login_path": "/login", "login_user": "email"}, {"password": "k3y-of-the-test"}),
    "client_credentials": ({"client_id": "ana", "token_url": "{base}/token"}, {"client_secret": "k3y-of-the-test"}),
}


class Shop:
    """A connector to the API, and everything that it told."""

    def __init__(self, server: Api, guard: Any, **settings: Any) -> None:
        extra, secrets = SIGN_INS[server.auth]
        told = {"base": server.base, "path": "/items", "items": "data", "auth": server.auth, "plain_ok": "1", **STYLES[server.style]}
        told |= {name: text.format(base=server.base) for name, text in extra.items()} | settings
        self.exchanges: list[Exchange] = []
        self.checks: list[Check] = []
        sealed = {name: Secret(text) for name, text in secrets.items()}
        self.connector = RestConnector(told, sealed, guard=guard, trusted_key=None, record=self.exchanges.append)

    def fetch(self, tmp_path: Path, limit: int = 10**7) -> list[Any]:
        into = tmp_path / "items.jsonl"
        fetched = self.connector.fetch("", "newest", "*", into, limit, lambda *_: None)
        lines = into.read_bytes().splitlines()
        assert fetched.size == into.stat().st_size and fetched.name == "items.jsonl"
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("count", [0, 1, 6, 7])
def test_every_style_of_paging_brings_each_item_once(guard: Any, tmp_path: Path, style: str, count: int) -> None:
    with api(style=style, count=count) as server:
        found = Shop(server, guard).fetch(tmp_path)
    assert [one["sku"] for one in found] == [f"A-{n:04}" for n in range(count)]
    assert len(server.asked) <= count // 3 + 2


@pytest.mark.parametrize("auth", SIGN_INS)
def test_every_sign_in_is_accepted_and_never_told(guard: Any, tmp_path: Path, auth: str) -> None:
    with api(auth=auth) as server:
        shop = Shop(server, guard, check_path="/me")
        assert shop.connector.check(shop.checks.append, "")[0].name == "items.jsonl"
        assert len(shop.fetch(tmp_path)) == 7
    done = [one for one in shop.checks if one.state != "running"]
    assert [(one.name, one.state) for one in done] == [
        (name, "passed") for name in ("address", "port", "identity", "sign_in", "folder")
    ]  # fmt: skip
    assert "k3y" not in repr(shop.exchanges) + repr(shop.checks) and "token-" not in repr(shop.exchanges)


@pytest.mark.parametrize("auth", [name for name in SIGN_INS if name != "none"])
def test_a_wrong_key_is_refused_at_the_sign_in(guard: Any, auth: str) -> None:
    with api(auth=auth, key="another") as server:
        shop = Shop(server, guard)
        with pytest.raises(SupplierError) as refused:
            shop.connector.check(shop.checks.append, "")
    assert refused.value.problem.code == "sign_in_refused" and "k3y" not in repr(refused.value.problem)


def test_what_else_each_request_carries_goes_beside_the_sign_in_and_to_nobody_else(guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        if request.path == "/token":
            return 200, {"access_token": "t0ken"}
        return 200, [{"sku": "A"}] if request.path == "/items" else [{"id": "A", "qty": 3}]

    with told(answer) as server:
        settings = {
            "base": server.base, "path": "/items", "join_path": "/stock", "join_key": "id", "join_on": "sku", "join_as": "stock",
            "auth": "client_credentials", "token_url": f"{server.base}/token", "client_id": "ana", "plain_ok": "1",
            "headers": "X-Account: 17\nX-Inherit: 1\n",
        }  # fmt: skip
        with RestConnector(settings, {"client_secret": Secret("s")}, guard=guard, trusted_key=None) as connector:
            connector.fetch("", "newest", "*", tmp_path / "items.jsonl", 10**6, lambda *_: None)
    carried = {one.path: (one.headers.get("x-account"), one.headers.get("x-inherit")) for one in server.asked}
    assert carried == {"/token": (None, None), "/items": ("17", "1"), "/stock": ("17", "1")}
    assert all(one.headers.get("authorization") == "Bearer t0ken" for one in server.asked if one.path != "/token")


@pytest.mark.parametrize(
    "line", ["X-Account", "X-Account:", ": 17", "Authorization: Bearer x", "Host: elsewhere.example", "X-Account: é", "X Account: 1"]
)
def test_a_header_that_cannot_be_sent_is_named_and_nothing_is_asked(guard: Guard, line: str) -> None:
    with told(lambda _: (200, [])) as server:
        settings = {"base": server.base, "path": "/items", "headers": line}
        with RestConnector(settings, {}, guard=guard, trusted_key=None) as connector, pytest.raises(SupplierError) as refused:
            connector.check(lambda _: None, "")
    assert refused.value.problem.headline == f"The header {line.partition(':')[0]} cannot be sent" and server.asked == []


def test_a_token_that_ended_in_the_middle_is_renewed_once(guard: Any, tmp_path: Path) -> None:
    with api(auth="login") as server:
        shop = Shop(server, guard)
        read, pages = shop.connector.caller.read, []

        def ended(asked: Any, progress: Any, **more: Any) -> Any:
            pages.append(asked)
            if len(pages) == 2:
                server.tokens = set()
            return read(asked, progress, **more)

        shop.connector.caller.read = ended  # type: ignore[method-assign]
        assert len(shop.fetch(tmp_path)) == 7
    assert [one for one in server.asked if one.startswith("POST")] == ["POST /login"] * 2


def test_a_busy_page_is_asked_again_and_nothing_is_lost(guard: Any, tmp_path: Path) -> None:
    with api(broken={2: 429, 4: 503}) as server:
        assert len(Shop(server, guard).fetch(tmp_path)) == 7


def test_a_page_that_stays_away_leaves_no_file(guard: Any, tmp_path: Path) -> None:
    with api(broken={2: 404}) as server, pytest.raises(SupplierError):
        Shop(server, guard).fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_limit_on_bytes_holds_over_all_pages(guard: Any, tmp_path: Path) -> None:
    with api(count=300) as server, pytest.raises(SupplierError) as refused:
        Shop(server, guard, size=100).fetch(tmp_path, limit=5_000)
    assert refused.value.problem.code == "too_large" and list(tmp_path.iterdir()) == []


def test_a_next_page_on_another_server_gets_no_key(guard: Any, tmp_path: Path) -> None:
    with api(style="next", auth="header") as server, api(auth="header") as other:
        shop = Shop(server, guard)
        page = server.page

        def elsewhere(query: Any) -> Any:
            body, headers = page(query)
            return {**body, "next": f"{other.base}/items"}, headers

        server.page = elsewhere  # type: ignore[method-assign]
        with pytest.raises(SupplierError) as refused:
            shop.fetch(tmp_path)
    assert refused.value.problem.code == "redirected" and other.asked == []


def test_items_that_are_not_where_we_look_are_said(guard: Any, tmp_path: Path) -> None:
    with api() as server, pytest.raises(SupplierError) as refused:
        Shop(server, guard, items="products").fetch(tmp_path)
    assert "products" in refused.value.problem.body and "data, meta" in refused.value.problem.body


def test_what_was_read_is_a_feed(guard: Any, tmp_path: Path) -> None:
    with api() as server:
        Shop(server, guard).fetch(tmp_path)
    form = feeds.detect(tmp_path / "items.jsonl", "items.jsonl").format
    headers, rows = feeds.preview(tmp_path / "items.jsonl", form, 2)
    assert form.kind == "jsonl" and list(headers) == ["sku", "stock.units", "price"]
    assert [list(row.cells) for row in rows] == [["A-0000", "0", "0.50"], ["A-0001", "1", "1.50"]]


def test_a_log_in_may_be_a_text_of_its_own_whose_token_comes_in_a_header(guard: Any, tmp_path: Path) -> None:
    bodies: list[Any] = []

    def answer(request: Any) -> Any:
        if request.path == "/log-in":
            bodies.append(json.loads(request.body))
            good = bodies[-1]["variables"]["p"] == 'k3y-"of\\the-test'
            return 200, {"data": {"login": {} if good else {"message": "Wrong name or password"}}}, {"X-Token": "t-1"} if good else {}
        return (200, {"data": [{"sku": "A"}]}) if request.headers.get("authorization") == "Bearer t-1" else (401, {})

    log_in = {
        "auth": "login", "user": "ana", "login_path": "/log-in", "token_header": "X-Token", "login_error": "data.login.message",
        "login_body": '{"query": "mutation { }", "variables": {"u": "{who}", "p": "{secret}"}}',
    }  # fmt: skip
    with told(answer) as server:
        base = {"base": server.base, "path": "/items", "items": "data", "plain_ok": "1", **log_in}
        for password, code in (('k3y-"of\\the-test', ""), ("another", "sign_in_refused")):
            shop = RestConnector(base, {"password": Secret(password)}, guard=guard, trusted_key=None)
            if code:
                with pytest.raises(SupplierError) as refused:
                    shop.check(lambda _: None, "")
                assert refused.value.problem.code == code and refused.value.problem.server_said == "Wrong name or password"
            else:
                assert shop.check(lambda _: None, "")
    assert bodies[0]["variables"]["u"] == "ana"


def test_what_else_a_server_offers_is_looked_at_while_it_is_tested(guard: Any) -> None:
    asks = {
        "probe_path": "/wp-json/", "probe_at": "[namespaces, keys(routes)][]", "probe_needs": "wc/v3", "probe_needs_words": "No shop here.",
        "probe_names": "/fulfillments=itself|ast/v3=a plugin", "probe_words": "Tracking comes from", "probe_none": "No tracking",
    }  # fmt: skip
    index: dict[str, Any] = {"namespaces": ["wp/v2", "wc/v3"], "routes": {"/wc/v3/orders": {}}}
    with told(lambda request: (200, index if request.path == "/wp-json/" else {"data": [{"sku": "A"}]})) as server:
        said = []
        for names in ([], ["wc-ast/v3"]):
            index["namespaces"] += names
            shop = Shop(Api(port=server.port), guard, **asks)
            shop.connector.check(shop.checks.append, "")
            said.append((shop.checks[-1].detail, shop.checks[-1].facts["offers"]))
        index["namespaces"] = ["wp/v2"]
        with pytest.raises(SupplierError) as refused:
            Shop(Api(port=server.port), guard, **asks).connector.check(lambda _: None, "")
    assert said[0] == ("1 item on the first page. No tracking.", [])
    assert said[1] == ("1 item on the first page. Tracking comes from a plugin.", ["a plugin"])
    assert refused.value.problem.body == "No shop here."


def test_an_entry_says_what_to_do_about_an_answer(guard: Any) -> None:
    with told(lambda _: (403, {"error": "no"})) as server, pytest.raises(SupplierError) as refused:
        Shop(Api(port=server.port), guard, words_403="Ask for read_products.").connector.check(lambda _: None, "")
    assert (refused.value.problem.headline, refused.value.problem.body) == ("The key lacks a permission", "Ask for read_products.")
