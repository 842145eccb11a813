"""A source behind an API, through the product: connect, test, sample, sync; its exchanges are kept without a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, connections, directory, exchanges, file_choice, mappings, runs, setup_steps, sources
from portal.errors import Invalid
from portal.models import Exchange, Integration, InventoryItem, MappingVersion, Run, SealedSecret, Source
from portal.suppliers.operations import Operation
from tasks.work import HANDLERS
from tests.connecting import WHO, check, fresh, save, states
from tests.connectors.api_server import Api, api

pytest_plugins = ("tests.connected",)

LIST = {
    "path": "/items", "items": "data", "form": "json", "paging": "page", "page_name": "page", "size_name": "limit", "size": "3",
    "total": "meta.count", "plain_ok": "1",
}  # fmt: skip
RULES = {"fields": {"sku": {"columns": ["sku"]}, "quantity": {"columns": ["stock.units"]}, "cost": {"columns": ["price"]}}}


@pytest.fixture
def server() -> Iterator[Api]:
    with api(auth="header", count=20) as made:
        yield made


@pytest.fixture
def source(chosen: Any, server: Api) -> Source:
    made: Source = chosen("rest-api")
    save(made, {**LIST, "base": server.base, "auth": "header", "header_name": "X-Api-Key"}, key=server.key)
    return fresh(made)


def test_the_seven_checks_pass_and_only_some_pages_are_read(source: Source, server: Api, run_work: Callable[[], None]) -> None:
    run = check(source, run_work)
    assert run.state == "finished" and set(states(source).values()) == {"passed"}, run.problem
    read = [one for one in server.asked if "page=" in one]
    assert len(read) == 1 + connections.SAMPLE_PAGES  # the endpoint check's page, and those of the sample
    found = file_choice.current(source, connections.find(source))
    assert found.format.kind == "jsonl" and "stock.units" in file_choice.preview(source, found.format).headers


def test_a_sync_reads_every_page_and_tells_what_it_asked(source: Source, server: Api, run_work: Callable[[], None]) -> None:
    check(source, run_work)
    integration = sources.integration(source, "get_inventory_primary")
    chosen = file_choice.current(source, connections.find(source))
    file_choice.save(source, {}, chosen.format, integration.version, WHO)
    MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["sku", "stock.units", "price"])
    Integration.update(mapping_version=1, enabled=True).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == source.id).execute()
    run = runs.start_sync(sources.integration(fresh(source), "get_inventory_primary"))
    runs.work_available(HANDLERS)
    run = Run.get_by_id(run.id)
    assert run.state == "finished", run.problem
    assert {item.sku: item.quantity for item in InventoryItem.select()} == {f"A-{n:04}": n % 9 for n in range(20)}
    told = exchanges.latest(source, run.id)
    assert len(told) == 7 and {one.status for one in told} == {200} and all(one.address.endswith("/items?…") for one in told)
    assert "A-0019" in told[0].answer and server.key not in repr([one.__data__ for one in Exchange.select()])


def test_the_suppliers_own_mapping_comes_first_and_only_until_one_is_saved(
    source: Source, run_work: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    check(source, run_work)
    integration = sources.integration(source, "get_inventory_primary")
    sample = mappings.sample_of(integration)
    assert sample
    plain = mappings.first_rules(integration, sample, mappings.propose(integration, sample))
    assert plain["fields"]["quantity"]["columns"] == ["stock.units"] and plain["fields"]["cost"]["columns"] == ["price"]
    mapping = [{"field": "sku", "columns": ["sku", "gone"], "join": "/"}, {"field": "msrp", "columns": ["price"]}]
    known = replace(directory.find("rest-api"), operations={"get_inventory": Operation(mapping=mapping)})
    monkeypatch.setattr(directory, "find", lambda _: known)
    matches = {one.field: one for one in mappings.propose(integration, sample)}
    assert (matches["msrp"].column, matches["msrp"].words) == ("price", "As this supplier's entry says")
    first = mappings.first_rules(integration, sample, list(matches.values()))
    assert first["fields"]["sku"] == {"columns": ["sku"], "steps": [], "join": "/"}
    assert first["fields"]["msrp"]["columns"] == ["price"] and "cost" not in first["fields"]
    assert "quantity" not in first["fields"], "beside an entry's mapping nothing is guessed"
    mappings.save(integration, RULES, sample.headers, WHO)
    fresh_one = sources.integration(source, "get_inventory_primary")
    assert {one.field: one.words for one in mappings.propose(fresh_one, sample)}["cost"] == "Same name as last run"


def test_the_rows_are_erased_by_age(source: Source, run_work: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    check(source, run_work)
    assert exchanges.erase_old() == 0 and exchanges.latest(source)
    later = clock.now() + timedelta(days=exchanges.KEEP_DAYS, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert exchanges.erase_old() > 0 and exchanges.latest(source) == []


@pytest.mark.parametrize(
    "field, typed, words",
    [
        ("base", "api.example.com", "https://api.example.com"),
        ("base", "http://api.example.com/v1", "https link"),
        ("base", "https://api.example.com/v1?key=1", "question mark"),
        ("base", "https://ana:pass@api.example.com/", "out of the link"),
        ("path", "https://evil.example/x", "Enter only the path"),
        ("path", "//evil.example/x", "Enter only the path"),
        ("items", "data[", "JMESPath"),
        ("size", "many", "whole number"),
        ("size", "100000", "10,000"),
        ("rest", "-1", "seconds"),
        ("page_name", "page number", "letters, digits"),
    ],
)
def test_what_is_typed_is_judged(chosen: Any, field: str, typed: str, words: str) -> None:
    made = chosen("rest-api")
    values = {**LIST, "base": "https://api.example.com", "auth": "header", "header_name": "X-Api-Key", "plain_ok": ""}
    with pytest.raises(Invalid) as refused:
        save(made, {**values, field: typed}, key="k3y")
    assert words in refused.value.errors[field] and set(refused.value.errors) == {field}
    assert not SealedSecret.select().exists() and "connection" in setup_steps.left(made)


def test_a_store_whose_sign_in_is_fixed_is_refused_over_http_too(chosen: Any) -> None:
    made = chosen("woocommerce")
    for base, words in (("http://store.kestrel.example", "https link"), ("https://store.kestrel.example/?rest_route=/", "question mark")):
        with pytest.raises(Invalid) as refused:
            save(made, {"base": base}, user_key="ck_1", password="cs_1")
        assert words in refused.value.errors["base"] and set(refused.value.errors) == {"base"}


def test_another_server_asks_for_the_key_again(source: Source) -> None:
    with pytest.raises(Invalid) as refused:
        save(source, {**LIST, "base": "https://other.example", "auth": "header", "header_name": "X-Api-Key"})
    assert "another server" in refused.value.errors["key"]
