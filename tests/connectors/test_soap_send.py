"""A document sent to a SOAP service: once, whatever comes; how that ended; and how it is found again."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.connectors.sending import Sent
from portal.connectors.soap_files import sort_uploads
from portal.errors import SupplierError
from tests.connectors.soap_server import Stack, needs_promostandards, soap_stack
from tests.connectors.soaping import Asking, Shelf
from tests.connectors.web_server import Says, web
from tests.servers import LOOPBACK, free_port

SAMPLES = Path(__file__).parents[1] / "suppliers" / "promostandards"
PO = {
    "operation": "send_orders", "wsdl_operation": "sendPO", "arguments": "wsVersion = 1.0.0\nid = <user>\npassword = <password>",
    "sent_id": "transactionId", "auth": "arguments", "wsdl_from": "upload", "errors_at": "", "items": "",
}  # fmt: skip
WITNESS = {
    "path": "getOrderShipmentNotification", "field": "purchaseOrderNumber", "id": "SalesOrderArray.SalesOrder.0.salesOrderNumber",
    "query": "wsVersion=2.0.0&id=<user>&password=<password>&queryType=1&referenceNumber={reference}",
    "items": "OrderShipmentNotificationArray.OrderShipmentNotification", "proves": "listed",
}  # fmt: skip
ADDRESS = {"shipmentId": 1, "customerPickup": False, "ContactDetails": {"companyName": "Harbor & Pine", "address1": "1 Quay"}}
ORDER: dict[str, Any] = {
    "PO": {
        "orderType": "Blank", "orderNumber": "PO-1", "orderDate": "2026-11-27T08:00:00Z", "totalAmount": "25.50",
        "rush": False, "currency": "USD",
        "ShipmentArray": {"Shipment": [{"allowConsolidation": True, "blindShip": True, "packingListRequired": False,
                                        "FreightDetails": {"carrier": "UPS", "service": "GROUND"}, "ShipTo": ADDRESS}]},
        "LineItemArray": {"LineItem": [
            {"lineNumber": n, "description": f"Shirt <{n}>", "lineType": "New", "ToleranceDetails": {"tolerance": "ExactOnly"},
             "allowPartialShipments": False, "lineItemTotal": "12.75"} for n in (1, 2)]},
        "termsAndConditions": "None",
    }
}  # fmt: skip


def peer(name: str) -> Shelf:
    return Shelf(sort_uploads([(path.name, path.read_bytes()) for path in (needs_promostandards() / name).iterdir()]))


def sample(name: str) -> Shelf:
    return Shelf(sort_uploads([(name, (SAMPLES / name).read_bytes())]))


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with soap_stack() as made:
        yield made


def test_a_purchase_order_as_promostandards_wsdl_says(stack: Stack) -> None:
    one = Asking(library=peer("po-1.0.0"), endpoint=f"{stack.base}/promo/po", **PO)
    found = one.connector.send("send_orders", json.dumps(ORDER).encode(), "PO-1")
    assert found == Sent("sent", "PO-1", "4711", answer={"transactionId": "4711"})
    (asked,) = stack.asked()
    body = asked["body"]
    assert body.count(":lineNumber>") == 4 and "Shirt &lt;2&gt;" in body and "Harbor &amp; Pine" in body
    assert "k3y" not in repr(one.exchanges)


READS = {
    "getFilterValues": ("inventory-2.0.0", "inventory", "2.0.0", "productId = PC61", "FilterValues.Filter.partIdArray.partId"),
    "getInventoryLevels": ("inventory-2.0.0", "inventory", "2.0.0", "productId = PC61", "Inventory.PartInventoryArray.PartInventory"),
    "getSupportedOrderTypes": ("po-1.0.0", "po", "1.0.0", "", "supportedOrderTypes"),
    "getOrderShipmentNotification": (
        "osn-2.0.0", "osn", "2.0.0", "queryType = 1\nreferenceNumber = PO-1", "OrderShipmentNotificationArray.OrderShipmentNotification",
    ),
}  # fmt: skip
"""Every operation of the three services that reads; `sendPO` is the one that does not."""


@pytest.mark.parametrize("operation", READS)
def test_every_operation_of_promostandards_is_answered(stack: Stack, tmp_path: Path, operation: str) -> None:
    folder, service, version, more, items = READS[operation]
    arguments = f"wsVersion = {version}\nid = <user>\npassword = <password>\n{more}"
    settings = {**PO, "operation": "get_inventory", "wsdl_operation": operation, "arguments": arguments, "items": items}
    one = Asking(library=peer(folder), endpoint=f"{stack.base}/promo/{service}", **settings)
    assert one.fetch(tmp_path), one.exchanges
    assert {exchange.status for exchange in one.exchanges} == {200} and "k3y" not in repr(one.exchanges)


def test_every_operation_of_the_wsdls_is_among_them() -> None:
    texts = [path.read_text() for path in needs_promostandards().glob("*/*.wsdl")]
    found = {name for text in texts for name in re.findall(r'<(?:wsdl:)?operation\s+name="(\w+)"', text)}
    assert found == {*READS, "sendPO"}


def test_an_order_that_lacks_what_the_wsdl_needs_is_not_sent(stack: Stack) -> None:
    stack.forget()
    broken = {"PO": {name: part for name, part in ORDER["PO"].items() if name != "currency"}}
    one = Asking(library=peer("po-1.0.0"), endpoint=f"{stack.base}/promo/po", **PO)
    with pytest.raises(SupplierError) as refused:
        one.connector.send("send_orders", json.dumps(broken).encode(), "PO-1")
    assert "currency" in refused.value.problem.body and stack.asked() == []


def test_an_order_is_found_by_its_number_where_the_service_tells_it(stack: Stack) -> None:
    settings = {**PO, "endpoint": f"{stack.base}/promo/osn", "witness": WITNESS}
    one = Asking(library=peer("osn-2.0.0"), **settings)
    found = one.connector.find("PO-1")
    assert found is not None and (found.their_id, found.count) == ("SO-9", 1)
    assert one.connector.find("PO-2") is None, "code 160 is an answer"
    assert one.connector.find("PO-1</x>") is None and "PO-1&lt;/x&gt;" in stack.asked()[-1]["body"]


def test_where_nothing_proves_it_nothing_is_looked_for(stack: Stack) -> None:
    one = Asking(library=sample("send_orders.wsdl"), endpoint=f"{stack.base}/nowhere", **{**PO, "witness": {"proves": "nothing"}})
    with pytest.raises(SupplierError) as refused:
        one.connector.find("PO-1")
    assert refused.value.problem.code == "not_set_up"


SMALL = json.loads((SAMPLES / "send_orders.json").read_text())["document"]


def send(endpoint: str, document: bytes = json.dumps(SMALL).encode(), operation: str = "send_orders", **more: Any) -> Sent:
    return Asking(library=sample("send_orders.wsdl"), endpoint=endpoint, **{**PO, **more}).connector.send(operation, document, "PO-1")


def cut(opened: socket.socket) -> None:
    opened.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n<e:Envelope")


def gone(_: socket.socket) -> None:
    """The line ends without a word."""


@pytest.mark.parametrize("says", [cut, gone, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"nonsense"])
def test_what_may_have_left_is_not_known_and_not_repeated(says: Says) -> None:
    with web(says) as server:
        found = send(server.link("/po"))
    assert found.outcome == "unknown" and found.problem is not None and len(server.heard) == 1


def test_what_never_reached_the_server_was_not_sent() -> None:
    found = send(f"http://{LOOPBACK}:{free_port()}/po")
    assert found.outcome == "not_sent" and found.problem is not None and found.problem.code == "port_closed"


@pytest.mark.parametrize(
    ("document", "words"), [(b"not json", "no JSON"), (b"[]", "no JSON object"), (b'{"PO": {"colour": 1}}', "do not fit")]
)
def test_a_document_that_is_none_is_not_sent(document: bytes, words: str) -> None:
    with web(b"") as server, pytest.raises(SupplierError) as refused:
        send(server.link("/po"), document)
    assert words in refused.value.problem.headline and server.heard == []


def test_a_connection_for_reading_sends_nothing() -> None:
    with web(b"") as server, pytest.raises(SupplierError) as refused:
        send(server.link("/po"), operation="get_inventory")
    assert refused.value.problem.headline == "Nothing can be sent this way" and server.heard == []
