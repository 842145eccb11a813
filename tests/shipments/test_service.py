"""Shipments by SOAP: PromoStandards' Order Shipment Notification by its own WSDL, and an operation that the merchant chooses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, notice_calls, runs, service_descriptions
from portal.connectors.soap_files import sort_uploads
from portal.connectors.soap_wsdl import contract_of
from portal.models import Exchange, FulfillmentRequest, Integration, Run, RunMessage, Shipment, Source
from tasks.work import HANDLERS
from tests.connected import chosen, loopback  # noqa: F401
from tests.connecting import save
from tests.connectors.soap_server import PASSWORD, Stack, needs_promostandards, soap_stack
from tests.ordered import ask, lines_of, place

UPS, AMAZON, NEXT = "1Z999AA10123456784", "TBA000000000001", "TBA000000000002"
CALL = "wsVersion = 2.0.0\nid = <user>\npassword = <password>\nqueryType = 1\nreferenceNumber = {reference}"
PARCELS = "OrderShipmentNotificationArray.OrderShipmentNotification.SalesOrderArray.SalesOrder.ShipmentArray.Shipment.PackageArray.Package"
COLUMNS = {
    "order_reference": "parent.purchaseOrderNumber", "tracking_number": "trackingNumber", "sku": "ItemArray.Item.supplierPartId",
    "quantity": "ItemArray.Item.Quantity.value",
}  # fmt: skip


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    needs_promostandards()
    with soap_stack() as made:
        yield made


def parcel(number: str, *items: tuple[Any, ...]) -> dict[str, Any]:
    return {"number": number, "items": [list(one) for one in items]}


def order(po: str, *places: list[dict[str, Any]], full: bool = False) -> dict[str, Any]:
    return {"po": po, "so": f"SO-{po}", "full": full, "places": list(places)}


@pytest.fixture
def source(request: Any, chosen: Any, stack: Stack) -> Source:  # noqa: F811
    stack.forget()
    stack.set(orders=[])
    own, uploads = getattr(request, "param", "promostandards") == "promostandards", needs_promostandards() / "osn-2.0.0"
    made: Source = chosen("promostandards" if own else "soap-service")
    where = {"shipments_endpoint": f"{stack.base}/promo/osn", "endpoint": "http://127.0.0.1:9/stock"}
    where = where if own else {"endpoint": f"{stack.base}/promo/osn", "auth": "arguments"}
    save(made, {"wsdl_from": "upload", "user": "ana", "plain_ok": "1", "rest": "0", **where}, password=PASSWORD)
    files = [(one.name, one.read_bytes()) for one in uploads.iterdir()]
    if own:
        service_descriptions.upload(made, files, "ana@harbor.example")
    else:
        kept = sort_uploads(files)
        service_descriptions.Shelf(made).keep(kept, contract_of(kept).outline())
    done = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
    Source.update(state="live", setup_done=done).where(Source.id == made.id).execute()
    return Source.get_by_id(made.id)


def sent(source: Source, number: str, *lines: tuple[str, int]) -> FulfillmentRequest:
    made = ask(place(source.merchant, list(lines), number), source, their_id=f"SO-{number}")
    FulfillmentRequest.update(number=number, sending="confirmed", sent_at=clock.now()).where(FulfillmentRequest.id == made.id).execute()
    return FulfillmentRequest.get_by_id(made.id)


def read(source: Source) -> Run:
    run = runs.start_sync(Integration.get(Integration.source == source, Integration.kind == "get_shipments"))
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def story(run: Run) -> str:
    return " ".join(row.text for row in RunMessage.select().where(RunMessage.run == run.id))


def test_each_open_order_is_asked_for_and_counted_once(client: Any, source: Source, stack: Stack) -> None:
    at = f"/sources/{source.public_id}/mapping/shipments"
    page = client.get(at).text
    assert "There is nothing to map" in page and 'value="reference" checked' in page and "has-error" not in page
    assert client.send_form(at, {"use": "yes", "ask": "guess", "do": "save"}).status_code == 422
    assert client.send_form(at, {"use": "yes", "ask": "reference", "do": "save"}).status_code == 303
    assert read(source).state == "no_change" and stack.asked() == [], "nothing was sent, so nothing is asked"
    first, second = sent(source, "PO-1", ("HX-1", 3), ("HX-2", 1)), sent(source, "PO-2", ("HX-1", 2))
    third = sent(source, "PO-3", ("HX-1", 1))
    stack.set(broken=["PO-3"], orders=[
        order("PO-1", [parcel(UPS, ("HX-1", 2), ("HX-2", 1))], [parcel(AMAZON, ("HX-1", 1)), parcel("", ("HX-1", 1))]),
        order("PO-2", [parcel(NEXT, ("HX-1", 1, "DZ"))]),
    ])  # fmt: skip
    run = read(source)
    assert run.counts["new"] == 2, (run.problem, run.counts)
    assert [line.shipped for one in (first, second, third) for line in lines_of(one)] == [3, 1, 0, 0]
    shown = Shipment.get(Shipment.tracking_number == UPS)
    assert (shown.carrier_key, str(shown.shipped_at)[:10]) == ("ups", "2026-11-26")
    told = story(run)
    for words in ("3 orders that we placed", "no tracking number yet", "“1 DZ” of HX-1", "PO-3: The service answered with an error"):
        assert words in told, (words, told)
    assert (run.stages["fetch"]["pages"], run.stages["fetch"]["of_pages"], len(stack.asked())) == (3, 3, 3)
    stack.set(orders=[
        order("PO-1", [parcel(UPS, ("HX-1", 2), ("HX-2", 1))], [parcel(NEXT, ("HX-1", 1))], full=True),
        order("PO-2", [parcel("TBA000000000003", ("HX-1", 1))], full=True),
    ])  # fmt: skip
    run = read(source)
    assert (run.counts["known"], run.counts["corrected"], run.counts["new"]) == (1, 1, 1), run.counts
    assert [line.shipped for one in (first, second) for line in lines_of(one)] == [3, 1, 1], "a corrected number moves nothing"
    told = story(run)
    assert "PO-2: they say that all of it has shipped, and tell 1 of 2 units" in told and "tells no parcel yet of 1 of 3" in told, told
    assert read(source).state == "no_change"
    stack.set(orders=[{**order("PO-3", [{"number": "TBA000000000004"}], full=True)}])
    read(source)
    assert [line.shipped for line in lines_of(third)] == [1], "the only parcel of a complete order holds all of it"
    assert PASSWORD not in repr([one.__data__ for one in [*Exchange.select(), *RunMessage.select()]])


@pytest.mark.one_database
def test_it_can_be_asked_by_their_number_and_by_the_moment(client: Any, source: Source, stack: Stack) -> None:
    at = f"/sources/{source.public_id}/mapping/shipments"
    client.send_form(at, {"use": "yes", "ask": "number", "do": "save"})
    request = sent(source, "PO-1", ("HX-1", 5))
    stack.set(orders=[order("PO-1", [parcel(UPS, ("HX-1", 2))])])
    assert read(source).counts["new"] == 1 and "SO-PO-1" in stack.asked()[-1]["body"]
    client.send_form(at, {"use": "yes", "ask": "since", "do": "save"})
    stack.set(orders=[order("PO-1", [parcel(UPS, ("HX-1", 2)), parcel(AMAZON, ("HX-1", 1))]), order("PO-X", [parcel(NEXT, ("HX-9", 1))])])
    run = read(source)
    assert (run.counts["known"], run.counts["new"], run.counts["unmatched"]) == (1, 1, 1), run.counts
    day = f"{clock.now() - timedelta(days=1):%Y-%m-%dT}"
    assert f">{day}" in stack.asked()[-1]["body"] and ">3</" in stack.asked()[-1]["body"]
    assert [line.shipped for line in lines_of(request)] == [3]
    integration = Integration.get(Integration.source == source, Integration.kind == "get_shipments")
    assert notice_calls.since(integration, run, "iso")[:10] == f"{run.started_at - timedelta(days=2):%Y-%m-%d}"
    stack.set(code=105)
    failed = read(source)
    assert failed.state == "failed" and failed.problem["code"] == "sign_in_refused"
    assert [line.shipped for line in lines_of(request)] == [3]


@pytest.mark.one_database
@pytest.mark.parametrize("source", ["soap-service"], indirect=True)
def test_any_operation_tells_shipments_as_the_merchant_says(client: Any, source: Source, stack: Stack) -> None:
    at = f"/sources/{source.public_id}/mapping/shipments"
    (operation,) = service_descriptions.operations(service_descriptions.find(source))
    first = {**client.form_values(client.get(at).text, at), "operation": operation["key"]}
    shown = client.post(f"{at}/draft", data={**first, "do": "preview"}).text
    assert f'value="{PARCELS}"' in shown and "password = &lt;password&gt;" in shown and "What it takes" in shown
    typed = {**client.form_values(shown, at), "arguments": CALL, "items_list": PARCELS}
    for change, words in (
        ({"operation": "x"}, "Choose one of the operations"), ({"arguments": "colour = red"}, "does not take colour"),
        ({"arguments": "id = <user>"}, "needs wsVersion too"), ({"items_list": "other", "items": "a["}, "JMESPath"),
        ({}, "No order is open"),
    ):  # fmt: skip
        refused = client.post(f"{at}/draft", data={**typed, **change, "do": "list"})
        assert refused.status_code == 422 and words in refused.text, (change, words)
    request = sent(source, "PO-1", ("HX-1", 3), ("HX-2", 1))
    stack.set(orders=[order("PO-1", [parcel(UPS, ("HX-1", 2), ("HX-2", 1))], [parcel(AMAZON, ("HX-1", 1))])])
    page = client.post(f"{at}/draft", data={**typed, "do": "list"})
    assert page.status_code == 200, page.text
    values = {**client.form_values(page.text, at), "use": "yes", "do": "save", "errors_nothing": "302"}
    for field, column in COLUMNS.items():
        values |= {f"s.{field}.column": f"c:{column}", f"confirmed.{field}": column}
    saved = client.post(at, data=values)
    assert saved.status_code == 303, saved.text
    other = sent(source, "PO-2", ("HX-1", 1))
    run = read(source)
    assert run.counts["new"] == 2, (run.problem, run.counts, story(run))
    assert [line.shipped for one in (request, other) for line in lines_of(one)] == [3, 1, 0]
    assert read(source).state == "no_change"
