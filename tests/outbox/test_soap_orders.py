"""Purchase orders by SOAP, over the whole way: the service of its own for orders, business errors inside 200, and answers that are lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree

from portal import order_calls, order_mapping, order_setup, service_descriptions, suppliers
from portal.connectors.soap_files import sort_uploads
from portal.connectors.soap_wsdl import contract_of
from portal.errors import Invalid, SupplierError
from portal.models import Connection, FulfillmentRequest, Integration, RequestLine, Source
from portal.requests import why
from tests.connected import chosen, loopback  # noqa: F401
from tests.connectors.soap_server import needs_promostandards
from tests.faults.senders import SoapApi
from tests.outbox.purchase_orders import SAMPLES, ready, takes_purchase_orders, wsdl
from tests.outgoing import due_now, send, states, submissions, wants

pytestmark = pytest.mark.one_database  # the files' and the pages' tests go over both

SAMPLE = json.loads((SAMPLES / "send_orders.json").read_text("utf-8"))


Shop = Callable[..., tuple[Source, SoapApi]]


@pytest.fixture
def shop(chosen: Any) -> Iterator[Shop]:  # noqa: F811
    with ExitStack() as stack:

        def make(slug: str = "promostandards", **behaves: Any) -> tuple[Source, SoapApi]:
            api = stack.enter_context(SoapApi("nothing", **behaves))
            return takes_purchase_orders(chosen(slug), f"{api.base}/po"), api

        yield make


@pytest.fixture
def promo(shop: Shop) -> Callable[..., tuple[Source, SoapApi]]:
    def make(**behaves: Any) -> tuple[Source, SoapApi]:
        source, api = shop(**behaves)
        service_descriptions.upload(source, [wsdl("get_inventory"), wsdl("send_orders")], "ana@harbor.example")
        return source, api

    return make


def test_a_purchase_order_goes_to_its_own_service_with_address_and_lines(promo: Any) -> None:
    source, api = promo()
    (one,) = wants(source, "PO-1")
    ready(one)
    assert send(source).counts == {"collected": 1, "sent": 1}
    assert (api.taken, FulfillmentRequest.get_by_id(one.id).their_id) == (["PO-1"], "1")
    said = api.bodies["PO-1"].decode()
    for part in ("orderType>Blank<", ">k3y</", "attentionTo>Ada Byron<", "address1>12 Harbor Rd<", "region>ME<", "service>GROUND<",
                 "partId>HX-1<", "value>3<", "lineItemTotal>15.0<", "currency>USD<"):  # fmt: skip
        assert part in said, part
    assert submissions(source)[0].server == api.base.removeprefix("http://")


def test_business_errors_inside_200_are_told_apart(promo: Any) -> None:
    source, api = promo(codes=["120", "105", "999"])
    requests = wants(source, "PO-1")
    ready(*requests)
    send(source)
    assert states(*requests) == [("failed", "rejected")] and "120" in FulfillmentRequest.get_by_id(requests[0].id).said
    second = wants(source, "PO-2")
    ready(*second)
    send(source)
    assert (states(*second), api.taken) == ([("processing", "waiting")], [])
    due_now(source)
    send(source)
    assert (states(*second), api.taken) == ([("processing", "check_needed")], [])


def test_swallowed_answers_are_asked_about_and_never_sent_again(promo: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("portal.outbox.stops.UNKNOWNS", 1_000)
    source, api = promo(swallow=5)
    requests = wants(source, *(f"PO-{n}" for n in range(5)))
    ready(*requests)
    send(source)
    due_now(source)
    send(source)
    assert (len(api.taken), api.posts, set(states(*requests))) == (5, 5, {("processing", "check_needed")})


@pytest.mark.parametrize(
    ("change", "words"),
    [({"carrier": ""}, "no carrier"), ({"shipping_code": ""}, "no shipping code"), ({}, "no unit cost")],
)
def test_what_the_standard_needs_and_an_order_lacks_is_said(promo: Any, change: dict[str, str], words: str) -> None:
    source, api = promo()
    (one,) = wants(source, "PO-1")
    ready(one)
    if change:
        FulfillmentRequest.update(**change).where(FulfillmentRequest.id == one.id).execute()
    else:
        RequestLine.update(unit_cost=None).where(RequestLine.request == one).execute()
    send(source)
    said = FulfillmentRequest.get_by_id(one.id).said
    assert states(one) == [("failed", "")] and api.posts == 0
    assert words.replace("unit cost", "order total") in said, said


def test_without_the_services_own_wsdl_or_address_nothing_is_sent(shop: Shop) -> None:
    source, api = shop()
    (one,) = wants(source, "PO-1")
    ready(one)
    service_descriptions.upload(source, [wsdl("get_inventory")], "ana@harbor.example")
    assert send(source).state == "failed" and states(one) == [("processing", "waiting")]
    assert submissions(source)[0].left_at is None
    kept = Connection.get(Connection.source == source).settings
    Connection.update(settings={**kept, "orders_endpoint": ""}).where(Connection.source == source).execute()
    run = send(source)
    assert run.state == "failed" and "another service" in str(run.problem) and api.posts == 0
    request = FulfillmentRequest.get_by_id(one.id)
    assert "Enter its address under Connection" in why.not_sent(request, why.facts("UTC", [source.id]))
    row = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    with pytest.raises(Invalid) as refused:
        order_setup.save_orders(source, True, {}, {}, row.version, "ana@harbor.example", None)
    assert list(refused.value.errors) == ["use"]


def test_uploads_are_parted_by_what_they_offer(shop: Shop) -> None:
    source, _ = shop()
    row = service_descriptions.find
    service_descriptions.upload(source, [wsdl("send_orders")], "ana@harbor.example")
    assert (row(source).packed, bool(row(source).orders_packed)) == ("", True)
    service_descriptions.upload(source, [wsdl("get_inventory")], "ana@harbor.example")
    assert row(source).packed and row(source).orders_packed
    for odd in ([("note.xml", b"<note/>")], [wsdl("send_orders"), ("two.wsdl", wsdl("send_orders")[1])]):
        with pytest.raises(SupplierError):
            service_descriptions.upload(source, odd, "ana@harbor.example")


def test_any_soap_operation_takes_orders_as_the_merchant_says(shop: Shop) -> None:
    source, api = shop("soap-service")
    files = sort_uploads([wsdl("send_orders")])
    service_descriptions.Shelf(source).keep(files, contract_of(files).outline())
    row = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    typed = {**dict.fromkeys(order_calls.KEYS["soap"], ""), "operation": "sendPO", "proves": "nothing", "sent_id": "transactionId",
             "arguments": "wsVersion = 1.0.0\nid = <user>\npassword = <password>"}  # fmt: skip
    for change, key in (({"operation": "buy"}, "operation"), ({"arguments": "colour = red"}, "arguments"), ({"proves": "key"}, "proves")):
        assert list(order_calls.errors_of(source, {**typed, **change})) == [key]
    layout = {**suppliers.find("promostandards").operations["send_orders"].layout, "fixed": False}
    settings = {"auto_send": True, "call": typed}
    order_setup.save_orders(source, True, settings, layout, row.version, "ana@harbor.example", None)
    (one,) = wants(source, "PO-1")
    ready(one)
    assert send(source).counts == {"collected": 1, "sent": 1}
    assert (api.taken, FulfillmentRequest.get_by_id(one.id).their_id) == (["PO-1"], "1")


def test_the_page_offers_the_operations_of_the_wsdl(shop: Shop, client: Any) -> None:
    source, _ = shop("soap-service")
    files = sort_uploads([wsdl("send_orders")])
    service_descriptions.Shelf(source).keep(files, contract_of(files).outline())
    at = f"/sources/{source.public_id}/mapping/orders"
    page = client.get(at).text
    (operation,) = service_descriptions.operations(service_descriptions.find(source))
    assert f'<option value="{operation["key"]}"' in page and 'name="call_look_arguments"' in page
    wrong = client.post(at, data={**client.form_values(page, at), "use": "yes", "do": "save", "format": "json"})
    assert wrong.status_code == 422 and 'id="call_operation-error"' in wrong.text


def test_the_sample_order_is_valid_by_the_standards_own_schemas() -> None:
    folder = needs_promostandards() / "po-1.0.0"
    schema = etree.XMLSchema(etree.parse(str(folder / "SendPORequest.xsd")))
    contract = contract_of(sort_uploads([(one.name, one.read_bytes()) for one in folder.iterdir()]))
    operation = contract.operation("sendPO")
    known = {"wsVersion": ["1.0.0"], "id": ["harbor"], "password": ["k3y"]}
    (document,) = order_mapping.files(
        suppliers.find("promostandards").operations["send_orders"].layout,
        SAMPLE["lines"],
        at=datetime(2026, 11, 27, tzinfo=UTC),
        number="1",
    )
    body, _ = contract.message(operation, known, "https://ws.distributor.example/po", None, json.loads(document.content))
    (request,) = etree.fromstring(body).find("{*}Body")
    assert schema.validate(request), schema.error_log
