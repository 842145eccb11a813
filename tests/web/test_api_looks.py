"""A REST source on screen: the request before it is sent, the tree of the first answer, and its second list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import pytest

from portal import api_looks, connections, file_choice, runs, secondary, sources
from portal.errors import Invalid, Refused
from portal.models import Connection, Integration, InventoryItem, MappingVersion, Run, Source
from portal.suppliers import find
from tasks.work import HANDLERS
from tests.connecting import WHO, check, fresh, save, states
from tests.connectors.api_server import Api, api
from tests.test_api_sources import LIST, RULES

pytest_plugins = ("tests.connected",)

KEY = "canary-k3y-9d1f"
PRICES = {"fields": {"sku": {"columns": ["sku"]}, "cost": {"columns": ["price"]}}}
SIGN_INS: dict[str, tuple[dict[str, str], dict[str, str], list[str]]] = {
    "none": ({}, {}, []),
    "header": ({"header_name": "X-Api-Key"}, {"key": KEY}, ["X-Api-Key: ***"]),
    "query": ({"query_name": "api_key"}, {"key": KEY}, ["api_key=***"]),
    "basic": ({"user": "ana"}, {"password": KEY}, ["Authorization: Basic ***"]),
    "login": (
        {"user": "ana", "login_path": "/login", "login_user": "email", "login_password": "password"}, {"password": KEY},
        ["POST http://127.0.0.1:9/v1/login", '{"email":"ana","password":"***"}', "Authorization: Bearer ***"],
    ),
    "client_credentials": (
        {"client_id": "ana", "token_url": "http://127.0.0.1:9/token"}, {"client_secret": KEY},
        ["POST http://127.0.0.1:9/token", "client_secret=***", "Authorization: Bearer ***"],
    ),
}  # fmt: skip


@pytest.fixture
def page_of(client: Any, chosen: Any) -> Callable[[Source, str], str]:
    return lambda source, page: client.get(f"/sources/{source.public_id}/{page}").text


@pytest.mark.parametrize("auth", SIGN_INS)
def test_the_request_is_shown_as_it_will_be_sent_with_secrets_masked(page_of: Any, chosen: Any, auth: str) -> None:
    source = chosen("rest-api")
    extra, secrets, words = SIGN_INS[auth]
    save(source, {**LIST, "base": "http://127.0.0.1:9/v1", "auth": auth, **extra}, **secrets)
    page = page_of(source, "connection")
    begins = page.index('id="request"')
    for word in ["GET http://127.0.0.1:9/v1/items?", "limit=3", "page=1", "User-Agent: Quayside", *words]:
        assert word in unescape(page[begins:]), word
    assert KEY not in page and not Run.select().exists()


def test_no_request_is_shown_before_its_address_is_known(page_of: Any, chosen: Any) -> None:
    assert 'id="request"' not in page_of(chosen("rest-api"), "connection")
    assert 'id="request"' not in page_of(chosen("http-file", name="Other"), "connection")


def test_what_is_shown_is_what_is_sent(chosen: Any, run_work: Callable[[], None]) -> None:
    with api(auth="header") as server:
        source = chosen("rest-api")
        values = {**LIST, "base": server.base, "auth": "header", "header_name": "X-Api-Key"}
        save(source, values, key=server.key)
        (shown,) = api_looks.requests(find("rest-api"), values)
        check(source, run_work)
    assert f"{shown.method} {shown.address.removeprefix(server.base)}" in server.asked


# the tree


@pytest.mark.parametrize(
    ("body", "places"),
    [
        ([{"sku": "A"}, {"sku": "B"}], {"$": ""}),
        ({"data": {"list": [{"sku": "A"}, {"sku": "B"}]}}, {"$": "", "$.data": "data", "$.data.list": "data.list"}),
        ({"all": [{"in": [{"sku": "A"}]}, {"in": [{"sku": "B"}]}]}, {"$": "", "$.all": "all", "$.all.in": "all[].in[]"}),
        ({"the list": [{"sku": "A"}]}, {"$": "", "$.the list": '"the list"[]'}),
        ([{"variants": [{"sku": "A"}]}], {"$": "", "$.variants": "[].variants[]"}),
        ({"error": "none"}, {"$": ""}),
        ([], {}),
        ("text", {}),
    ],
)  # fmt: skip
def test_every_place_that_can_be_the_items_may_be_chosen(body: Any, places: dict[str, str]) -> None:
    found = {one.path: one.items for one in api_looks.tree_of(body) if one.items is not None}
    assert found == places


@pytest.fixture
def server() -> Iterator[Api]:
    with api(auth="header", count=7) as made:
        yield made


def connect(source: Source, server: Api, **values: str) -> Source:
    save(source, {**LIST, "base": server.base, "auth": "header", "header_name": "X-Api-Key", **values}, key=server.key)
    return fresh(source)


def test_items_that_were_looked_for_in_the_wrong_place_are_found_by_a_click(
    client: Any, chosen: Any, server: Api, run_work: Callable[[], None]
) -> None:
    source = connect(chosen("rest-api"), server, items="products")
    check(source, run_work)
    assert states(source)["folder"] == "failed"
    checks = f"/sources/{source.public_id}/connection/checks"
    page = client.get(checks).text
    assert '<details id="answer" open' in page and 'name="items" value="data"' in page and "A-0001" in page and server.key not in page
    answer = client.send_form(f"/sources/{source.public_id}/connection/items", {"items": "data"}, page=checks)
    assert answer.status_code == 303 and answer.headers["Location"].endswith("/connection/checks")
    run_work()
    assert set(states(source).values()) == {"passed"} and connections.find(source).settings["items"] == "data"
    assert 'aria-pressed="true" aria-label="Items: $.data"' in client.get(checks).text


def test_a_place_that_is_no_path_or_an_older_page_changes_nothing(client: Any, chosen: Any, server: Api, run_work: Any) -> None:
    source = connect(chosen("rest-api"), server)
    check(source, run_work)
    before = Connection.get(Connection.source == source).settings
    at = f"/sources/{source.public_id}/connection/items"
    for sent in ({"items": "data["}, {"items": "meta", "version": "1"}):
        assert client.send_form(at, sent, page=at.replace("items", "checks")).status_code in (409, 422)
    assert Connection.get(Connection.source == source).settings == before


# the second list


def live(source: Source) -> Source:
    integration = sources.integration(source, "get_inventory_primary")
    MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["sku", "stock.units", "price"])
    settings = {"format": {"kind": "jsonl"}, "match": "newest", "pattern": "*"}
    Integration.update(mapping_version=1, enabled=True, settings=settings).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == source.id).execute()
    return fresh(source)


def test_a_second_feed_reads_a_list_of_its_own(page_of: Any, client: Any, chosen: Any, server: Api, run_work: Any) -> None:
    source = live(connect(chosen("rest-api"), server))
    assert 'id="add-secondary"' in page_of(source, "integrations")
    secondary.add(source, WHO)
    page = page_of(source, "secondary/file")
    assert "Path of the second list" in page
    connection = connections.find(source)
    for path, words in (("/items", "reads already"), ("/items/", "reads already"), ("https://evil.example/x", "Enter only the path"),
                        ("//evil.example", "Enter only the path"), ("", "Enter only the path")):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            file_choice.check_link(connection, path)
        assert words in refused.value.errors["link"]
    server.asked.clear()
    check(source, run_work, {"link": "/v2/prices"}, sources.SECONDARY)
    assert states(source)["sample"] == "passed" and all(one.startswith("GET /v2/prices") for one in server.asked), server.asked
    integration = sources.integration(source, sources.SECONDARY)
    MappingVersion.create(integration=integration, number=1, rules=PRICES,
                          headers=["sku", "price"])  # fmt: skip
    settings = {**integration.settings, "link": "/v2/prices", "format": {"kind": "jsonl"}, "pattern": "*", "match": "newest"}
    Integration.update(mapping_version=1, enabled=True, settings=settings).where(Integration.id == integration.id).execute()
    run = runs.start_sync(sources.integration(source, sources.PRIMARY))
    runs.work_available(HANDLERS)
    server.asked.clear()
    run = runs.start_sync(sources.integration(source, sources.SECONDARY))
    runs.work_available(HANDLERS)
    assert Run.get_by_id(run.id).state == "finished" and all("/v2/prices?" in one for one in server.asked), Run.get_by_id(run.id).problem
    assert InventoryItem.select().count() == 7


def test_a_supplier_with_one_list_is_not_offered_a_second_feed(page_of: Any, chosen: Any, server: Api, monkeypatch: Any) -> None:
    source = live(connect(chosen("rest-api"), server))
    monkeypatch.setattr(connections, "asks_path", lambda _: False)
    page = page_of(source, "integrations")
    assert 'id="add-secondary"' not in page and "would read the same again" in page
    with pytest.raises(Refused, match="reads already"):
        secondary.add(source, WHO)
