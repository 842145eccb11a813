"""A SOAP service as a source, through the product: connect, choose what is asked, test, sync; its WSDL is kept and its changes are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portal import connections, exchanges, file_choice, runs, service_calls, service_descriptions, setup_steps, sources
from portal.errors import Invalid, NotFound, Stale, SupplierError
from portal.models import AuditLine, Exchange, Integration, InventoryItem, MappingVersion, Run, RunMessage, ServiceDescription, Source
from tasks.work import HANDLERS
from tests.connecting import WHO, check, fresh, save, states
from tests.connectors.soap_server import HERE, Stack, needs_promostandards, soap_stack
from tests.connectors.soaping import PASSWORD

pytest_plugins = ("tests.connected",)

CONNECT = {"wsdl_from": "address", "auth": "arguments", "user": "ana", "plain_ok": "1", "endpoint": "", "rest": ""}
CALL = {
    "operation": "Stock11:ListStock", "items": "items.item", "errors_at": "result.code", "errors_good": "0",
    "arguments": {"user": {"from": "user"}, "password": {"from": "password"}, "status": {"from": "value", "lines": ["all"]}},
}  # fmt: skip
EACH = {
    "operation": "Stock12:GetStock",
    "items": "item",
    "errors_at": "result.code",
    "errors_good": "0",
    "arguments": {"productId": {"from": "product"}},
}
RULES = {"fields": {"sku": {"columns": ["sku"]}, "quantity": {"columns": ["qty"]}, "cost": {"columns": ["price"]}}}


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with soap_stack() as made:
        yield made


@pytest.fixture
def stack(running: Stack) -> Iterator[Stack]:
    original = {path: path.read_text() for path in running.folder.rglob("*.[wx]s*") if path.is_file()}
    running.set(auth="arguments")
    running.forget()
    yield running
    for path, text in original.items():
        path.write_text(text)


@pytest.fixture
def source(chosen: Any, stack: Stack) -> Source:
    made: Source = chosen("soap-service")
    save(made, {**CONNECT, "wsdl": f"{stack.base}/stock.wsdl"}, password=PASSWORD)
    return fresh(made)


def ask(source: Source, call: dict[str, Any], **more: Any) -> None:
    service_calls.save(source, {**call, **more}, service_descriptions.find(source).version, WHO)


def live(source: Source, rules: dict[str, Any], headers: list[str]) -> None:
    integration = sources.integration(source, "get_inventory_primary")
    seen = file_choice.current(source, connections.find(source))
    file_choice.save(source, {}, seen.format, integration.version, WHO)
    MappingVersion.create(integration=integration, number=1, rules=rules, headers=headers)
    Integration.update(mapping_version=1, enabled=True).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == source.id).execute()


def sync(source: Source) -> Run:
    run = runs.start_sync(sources.integration(fresh(source), "get_inventory_primary"))
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def test_from_the_wsdls_address_to_items(source: Source, stack: Stack, run_work: Callable[[], None]) -> None:
    run = check(source, run_work)
    assert states(source)["folder"] == "question" and states(source)["sign_in"] == "not_tried" and run.state == "warnings"
    assert connections.find(source).state == "untested" and "connection" in setup_steps.left(source)
    row = service_descriptions.find(source)
    assert [one["name"] for one in service_descriptions.operations(row)] == ["ListStock", "GetStock"] * 2
    ask(source, CALL)
    run = check(source, run_work)
    assert run.state == "finished" and set(states(source).values()) == {"passed"}, run.problem
    assert "connection" not in setup_steps.left(fresh(source))
    live(source, RULES, ["sku", "qty", "price"])
    stack.forget()
    run = sync(source)
    assert run.state in ("finished", "warnings"), run.problem
    assert {item.sku: item.quantity for item in InventoryItem.select()} == {"000-A&B": 0, "001-A&B": None, "002-A&B": 6}
    assert [one["method"] for one in stack.asked()] == ["POST"], "a sync does not read the WSDL again"
    told = exchanges.latest(source, run.id)
    assert len(told) == 1 and "002-A&amp;B" in told[0].answer
    kept = repr([one.__data__ for one in Exchange.select()]) + repr([one.__data__ for one in ServiceDescription.select()])
    kept += repr([one.__data__ for one in AuditLine.select()])
    assert "k3y" not in kept


def test_a_call_for_each_product_is_counted(source: Source, stack: Stack, run_work: Callable[[], None]) -> None:
    check(source, run_work)
    with pytest.raises(Invalid) as refused:
        ask(source, EACH)
    assert "one product at a time" in refused.value.errors["products"]
    ask(source, EACH, products=[f"P{n}" for n in range(7)])
    check(source, run_work)
    assert set(states(source).values()) == {"passed"}
    live(source, {"fields": {name: one for name, one in RULES["fields"].items() if name != "cost"}}, ["sku", "qty"])
    run = sync(source)
    assert run.state in ("finished", "warnings"), run.problem
    assert InventoryItem.select().count() == 14
    fetched = run.stages["fetch"]
    assert (fetched["count"], fetched["unit"], fetched["pages"], fetched["of_pages"]) == (14, "items", 7, 7)
    texts = [one.text for one in RunMessage.select().where(RunMessage.run == run.id)]
    assert any(text.startswith("Fetched 14 items in 7 calls") for text in texts), texts


@pytest.mark.one_database
def test_what_changed_about_the_wsdl_is_told(source: Source, stack: Stack, run_work: Callable[[], None]) -> None:
    check(source, run_work)
    ask(source, CALL)
    types = stack.folder / "types" / "stock.xsd"
    types.write_text(types.read_text().replace('name="status" type="t:Status"/>', 'name="state" type="t:Status"/>'))
    check(source, run_work)
    row = service_descriptions.find(source)
    assert row.changes == "The WSDL is another than before: ListStock no longer takes status; ListStock now needs state"
    problem = connections.find(source).checks[4]["problem"]
    assert states(source)["folder"] == "question" and "does not take status" in problem["body"]
    ask(source, CALL, arguments={**CALL["arguments"], "status": {}, "state": {"from": "value", "lines": ["all"]}})
    assert service_descriptions.find(source).changes == ""


@pytest.mark.one_database
def test_a_sync_that_fails_says_that_the_wsdl_changed(source: Source, stack: Stack, run_work: Callable[[], None]) -> None:
    check(source, run_work)
    ask(source, CALL)
    check(source, run_work)
    live(source, RULES, ["sku", "qty", "price"])
    stack.set(auth="arguments", fault="Client")
    assert "WSDL" not in sync(source).problem["body"], "it is the same"
    types = stack.folder / "types" / "stock.xsd"
    types.write_text(types.read_text().replace('name="status" type="t:Status"/>', 'name="state" type="t:Status"/>'))
    problem = sync(source).problem
    assert "ListStock now needs state" in problem["body"] and problem["act_at"] == "operation" and "It went wrong" in problem["server_said"]


@pytest.mark.one_database
def test_an_uploaded_wsdl_needs_the_services_address_and_asks_nobody(chosen: Any, stack: Stack, run_work: Callable[[], None]) -> None:
    source = chosen("soap-service")
    save(source, {**CONNECT, "wsdl_from": "upload"}, password=PASSWORD)
    check(source, run_work)
    assert connections.find(source).checks[4]["problem"]["act_at"] == "wsdl"
    names = ("stock.wsdl", "types/stock.xsd", "types/shared.xsd")
    with pytest.raises(SupplierError):
        service_descriptions.upload(source, [("notes.txt", b"hello")], WHO)
    service_descriptions.upload(source, [(name, (HERE / name).read_bytes()) for name in names], WHO)
    check(source, run_work)
    ask(source, CALL)
    check(source, run_work)
    problem = connections.find(source).checks[4]["problem"]
    assert problem["act_at"] == "connection" and "ENDPOINT" in problem["body"] and stack.asked() == []
    with pytest.raises(Invalid) as refused:
        save(source, {**CONNECT, "wsdl_from": "upload", "endpoint": "ftp://x.example/"})
    assert "endpoint" in refused.value.errors
    save(source, {**CONNECT, "wsdl_from": "upload", "endpoint": f"{stack.base}/stock"}, password=PASSWORD)
    check(source, run_work)
    assert set(states(source).values()) == {"passed"}, connections.find(source).checks
    with pytest.raises(Invalid) as refused:
        save(source, {**CONNECT, "wsdl_from": "upload", "endpoint": "https://other.example/stock"})
    assert "another server" in refused.value.errors["password"], "a saved password goes where it was meant to go only"


@pytest.mark.one_database
@pytest.mark.parametrize(
    "change, field, words",
    [
        ({"operation": "Stock11:Gone"}, "operation", "Choose one"),
        ({"arguments": {}}, "status", "needs status"),
        ({"arguments": {"status": {"from": "value", "lines": ["none"]}}}, "status", "allows"),
        ({"arguments": {**CALL["arguments"], "only.sku": {"from": "value", "lines": ["x" * 2_001]}}}, "only.sku", "2,000"),
        ({"arguments": {**CALL["arguments"], "user": {"from": "value", "lines": ["a", "b"]}}}, "user", "one value"),
        ({"arguments": {**CALL["arguments"], "user": {"from": "elsewhere"}}}, "user", "comes from"),
        ({"items": "items["}, "items", "JMESPath"),
        ({**EACH, "products": ["x" * 101]}, "products", "no product id"),
        ({**EACH, "products": [str(n) for n in range(20_001)]}, "products", "20,000"),
    ],
)
def test_what_is_typed_is_judged(source: Source, run_work: Callable[[], None], change: dict[str, Any], field: str, words: str) -> None:
    check(source, run_work)
    with pytest.raises(Invalid) as refused:
        ask(source, CALL, **change)
    assert words in refused.value.errors[field] and set(refused.value.errors) == {field}
    assert service_descriptions.find(source).call == {}


@pytest.mark.one_database
def test_two_people_do_not_overwrite_each_other(source: Source, run_work: Callable[[], None]) -> None:
    check(source, run_work)
    version = service_descriptions.find(source).version
    ask(source, CALL)
    with pytest.raises(Stale):
        service_calls.save(source, CALL, version, WHO)


@pytest.mark.one_database
def test_a_first_guess_by_the_names(source: Source, run_work: Callable[[], None]) -> None:
    check(source, run_work)
    row = service_descriptions.find(source)
    listing = service_descriptions.operation_of(row, "ListStock")
    assert service_calls.proposed(listing or {}, {"auth": "arguments"}) == {"user": {"from": "user"}, "password": {"from": "password"}}
    assert service_calls.proposed(listing or {}, {"auth": "basic"}) == {}
    one = service_descriptions.operation_of(row, "GetStock")
    assert service_calls.proposed(one or {}, {"auth": "none"}) == {"productId": {"from": "product"}}


def test_product_ids_as_people_paste_them() -> None:
    assert service_calls.products_in('PC61\r\n"PC54", K500;K500\t 0012 \n\n') == ["PC61", "PC54", "K500", "0012"]
    assert service_calls.products_of("PC61\r\nÄ1".encode("utf-16")) == ["PC61", "Ä1"]
    with pytest.raises(Invalid):
        service_calls.products_of(b"PK\x03\x04workbook")


@pytest.mark.one_database
def test_a_source_of_another_kind_has_no_wsdl(chosen: Any) -> None:
    with pytest.raises(NotFound):
        service_descriptions.find(chosen("sftp-file"))


def test_promostandards_is_filled_in_but_for_the_products(chosen: Any, stack: Stack, run_work: Callable[[], None]) -> None:
    folder = needs_promostandards() / "inventory-2.0.0"
    stack.set()
    source = chosen("promostandards")
    save(
        source,
        {"wsdl_from": "upload", "endpoint": f"{stack.base}/promo/inventory", "user": "ana", "plain_ok": "1", "rest": "0"},
        password=PASSWORD,
    )
    service_descriptions.upload(source, [(path.name, path.read_bytes()) for path in folder.iterdir()], WHO)
    check(source, run_work)
    problem = connections.find(source).checks[4]["problem"]
    assert problem["act_at"] == "operation" and "product ids" in problem["body"]
    ask(source, {"operation": "", "arguments": {}}, products=["PC61", "UNKNOWN", "K500"])
    check(source, run_work)
    assert set(states(source).values()) == {"passed"}, connections.find(source).checks
    live(source, {"fields": {"sku": {"columns": ["partId"]}, "quantity": {"columns": ["quantityAvailable.Quantity.value"]}}}, ["partId"])
    run = sync(source)
    assert run.state in ("finished", "warnings"), run.problem
    assert {item.sku: item.quantity for item in InventoryItem.select()} == {"PC61-S": 10, "PC61-M": 30, "K500-S": 10, "K500-M": 30}
