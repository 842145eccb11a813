"""What each connector that sends says once a document may have left: never an error, whatever comes back and whatever fails with us."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from portal.connectors import rest_send, shopify_send, soap_send
from portal.connectors.caller import Asked, Caller
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.connectors.shopify import ShopifyConnector
from portal.connectors.shopify_words import user_errors
from portal.connectors.soap_files import sort_uploads
from portal.errors import SupplierError
from portal.records import Exchange, Secret
from tests.connectors.json_server import JsonAnswers, serving
from tests.connectors.shopify_server import Store
from tests.connectors.soaping import Asking, Shelf
from tests.servers import LOOPBACK, free_port

SAMPLES = Path(__file__).parents[1] / "suppliers" / "promostandards"
SOAP = {
    "operation": "send_orders", "wsdl_operation": "sendPO", "arguments": "wsVersion = 1.0.0\nid = <user>\npassword = <password>",
    "sent_id": "transactionId", "auth": "arguments", "wsdl_from": "upload", "errors_at": "", "items": "",
}  # fmt: skip
REST = {
    "operation": "send_orders", "path": "/orders", "sent_id": "id", "error_at": "errors", "auth": "header", "header_name": "X-Key",
    "plain_ok": "1",
}  # fmt: skip
VARIANT = {"variantId": "gid://shopify/ProductVariant/1", "quantity": 1}
SECRET = "s3cret-of-the-test"


class NotKept(Exception):
    """What a database says when it is gone; the text quotes what was to be written."""


@dataclass
class Heard:
    """A server that keeps each request's body and answers with `says`; `announced` bytes more than come cut it."""

    says: bytes = b""
    status: int = 200
    announced: int = 0
    port: int = 0
    bodies: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"


@pytest.fixture
def server() -> Iterator[Heard]:
    made = Heard()

    class Answers(JsonAnswers):
        def do_POST(self) -> None:  # noqa: N802
            made.bodies.append(self.heard())
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(made.says) + made.announced))
            self.end_headers()
            self.wfile.write(made.says)
            self.close_connection = True

    with serving(Answers) as made.port:
        yield made


def by_rest(base: str, guard: Guard) -> tuple[Any, Caller, bytes]:
    connector = RestConnector({**REST, "base": base}, {"key": Secret(SECRET)}, guard=guard, trusted_key=None)
    return connector, connector.caller, b'{"po": "PO-1"}'


def by_soap(base: str, guard: Guard) -> tuple[Any, Caller, bytes]:
    library = Shelf(sort_uploads([("send_orders.wsdl", (SAMPLES / "send_orders.wsdl").read_bytes())]))
    connector = Asking(library=library, guard=guard, secret=SECRET, endpoint=f"{base}/po", **SOAP).connector
    return connector, connector.caller, json.dumps(json.loads((SAMPLES / "send_orders.json").read_text())["document"]).encode()


def by_shopify(base: str, guard: Guard) -> tuple[Any, Caller, bytes]:
    settings = Store().settings(operation="send_orders", base=base)
    connector = ShopifyConnector(settings, {"key": Secret(SECRET)}, guard=guard, trusted_key=None)
    return connector, connector.graph.caller, json.dumps({"lineItems": [VARIANT]}).encode()


SENDERS: dict[str, Callable[[str, Guard], tuple[Any, Caller, bytes]]] = {"rest": by_rest, "soap": by_soap, "shopify": by_shopify}
TAKEN = {
    "rest": b'{"id": 42}',
    "soap": b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><SendPOResponse xmlns="http://www.promostandards.org/'
    b'WSDL/PO/1.0.0/" xmlns:s="http://www.promostandards.org/WSDL/PO/1.0.0/SharedObjects/"><s:transactionId>42</s:transactionId>'
    b"</SendPOResponse></e:Body></e:Envelope>",
    "shopify": b'{"data": {"orderCreate": {"order": {"id": "42"}, "userErrors": []}}}',
}
every_sender = pytest.mark.parametrize("by", SENDERS)


def not_kept(_: Exchange) -> None:
    raise NotKept(f"INSERT … {SECRET}")


@every_sender
def test_an_exchange_that_is_not_recorded_changes_no_outcome(
    server: Heard, guard: Guard, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    outcomes = {}
    for status, says in ((200, TAKEN[by]), (403, b"no"), (500, b"no"), (200, b"")):
        connector, caller, document = SENDERS[by](server.base, guard)
        caller.record, server.status, server.says = not_kept, status, says
        sent = connector.send("send_orders", document, "PO-1")
        outcomes[status, says[:2]] = (sent.outcome, sent.their_id)
    assert outcomes[200, TAKEN[by][:2]] == ("sent", "42") and outcomes[403, b"no"] == ("not_sent", "")
    assert outcomes[500, b"no"] == outcomes[200, b""] == ("unknown", "") and len(server.bodies) == 4
    connector, caller, document = SENDERS[by](f"http://{LOOPBACK}:{free_port()}", guard)
    caller.record = not_kept
    assert connector.send("send_orders", document, "PO-1").outcome == "not_sent"
    assert caplog.text.count("An exchange was not recorded: NotKept") == 5 and SECRET not in caplog.text


def deep(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


ODD: dict[str, bytes] = {
    "list": b"[]", "list of lists": b"[[1]]", "text": b'"fine"', "number": b"5", "null": b"null", "true": b"true", "empty": b"",
    "nested": deep(900), "nested too deep": deep(5_000), "no text": b"\xff\xfe\x00", "web page": b"<html><body>ok</body></html>",
    "empty object": b"{}", "id is a list": b'{"id": [1]}', "id is null": b'{"id": null}', "cut": b'{"id": 4',
    "nested fault": b"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body>" + b"<a>" * 200 + b"</a>" * 200
    + b"</e:Body></e:Envelope>",
    "empty envelope": b"<e:Envelope xmlns:e='http://schemas.xmlsoap.org/soap/envelope/'><e:Body/></e:Envelope>",
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@every_sender
def test_an_odd_answer_of_success_is_not_known(server: Heard, guard: Guard, by: str, odd: str) -> None:
    connector, _, document = SENDERS[by](server.base, guard)
    server.says = ODD[odd]
    sent = connector.send("send_orders", document, "PO-1")
    assert (sent.outcome, len(server.bodies)) == ("unknown", 1) and sent.problem and "do not send it again" in sent.problem.body


@every_sender
def test_a_body_that_is_cut_is_not_known(server: Heard, guard: Guard, by: str) -> None:
    connector, _, document = SENDERS[by](server.base, guard)
    server.says, server.announced = TAKEN[by], 9
    assert connector.send("send_orders", document, "PO-1").outcome == "unknown" and len(server.bodies) == 1


@pytest.mark.parametrize("errors", [b"[5]", b'["out of stock"]', b"7", b'"x"', b"true", b'{"a": [1]}', deep(300)])
@pytest.mark.parametrize("status", [200, 500])
def test_errors_of_a_rest_api_in_any_form_never_raise(server: Heard, guard: Guard, errors: bytes, status: int) -> None:
    connector, _, document = SENDERS["rest"](server.base, guard)
    server.says, server.status = b'{"id": 42, "errors": ' + errors + b"}", status
    sent = connector.send("send_orders", document, "PO-1")
    assert sent.outcome == ("unknown" if status == 500 else "refused") and sent.problem


UNREADABLE: dict[str, Any] = {
    "errors: texts": {"errors": ["x"]}, "errors: number": {"errors": 7}, "errors: null among them": {"errors": [None]},
    "errors: object": {"errors": {"base": ["x"]}}, "errors: nothing in it": {"errors": [{}]},
    "errors: odd inside": {"errors": [{"message": [1], "extensions": 3}]},
    "errors: odd code": {"errors": [{"extensions": {"code": ["THROTTLED"]}}]},
    **{
        f"userErrors: {name}": {"data": {"orderCreate": {"order": None, "userErrors": odd}}}
        for name, odd in {
            "text": "x", "number": 7, "true": True, "object": {"message": "x"}, "texts": ["x"], "null among them": [None], "lists": [[1]],
            "field is a number": [{"message": "x", "field": 5}], "field of numbers": [{"message": "x", "field": [5]}],
            "message is a list": [{"message": ["x"]}], "no message": [{"code": "X"}], "code is a list": [{"message": "x", "code": [1]}],
        }.items()
    },
    "an order beside userErrors": {"data": {"orderCreate": {"order": {"id": "42"}, "userErrors": [{"message": "x", "field": None}]}}},
    "an order named by a list": {"data": {"orderCreate": {"order": {"id": [42]}, "userErrors": []}}},
    "a list of payloads": {"data": {"orderCreate": [1]}}, "odd extensions": {"data": {}, "extensions": {"cost": {"throttleStatus": [1]}}},
}  # fmt: skip


@pytest.mark.parametrize("odd", UNREADABLE)
def test_errors_of_shopify_in_an_unknown_form_are_not_known(server: Heard, guard: Guard, odd: str) -> None:
    connector, _, document = SENDERS["shopify"](server.base, guard)
    server.says = json.dumps(UNREADABLE[odd]).encode()
    sent = connector.send("send_orders", document, "PO-1")
    assert (sent.outcome, len(server.bodies)) == ("unknown", 1) and sent.problem is not None


def test_a_read_says_of_errors_in_an_unknown_form_that_they_cannot_be_read(server: Heard, guard: Guard) -> None:
    connector, _, _ = SENDERS["shopify"](server.base, guard)
    for odd in ({"errors": ["x"]}, {"errors": 7}):
        server.says = json.dumps(odd).encode()
        with pytest.raises(SupplierError, match="cannot be read"):
            connector.graph.read("{ shop { name } }", {}, lambda *_: None)
    for odd in ({"userErrors": ["x"]}, {"userErrors": [{"message": "x", "field": 5}]}):
        with pytest.raises(SupplierError, match="cannot be read"):
            user_errors(odd)


@every_sender
def test_a_fault_of_ours_after_the_request_left_is_not_known_and_logged_by_its_kind(
    server: Heard, guard: Guard, by: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise TypeError(f"a fault of ours about {SECRET}")

    for module, name in ((rest_send, "_ended"), (soap_send, "ended"), (shopify_send, "_ended")):
        monkeypatch.setattr(module, name, broken)
    connector, caller, document = SENDERS[by](server.base, guard)
    server.says = TAKEN[by]
    assert connector.send("send_orders", document, "PO-1").outcome == "unknown" and len(server.bodies) == 1
    assert "PO-1 ended cannot be told: TypeError" in caplog.text and SECRET not in caplog.text
    monkeypatch.setattr(caller, "ask", broken)
    with pytest.raises(TypeError):  # before anything left it is a fault like any other
        connector.send("send_orders", document, "PO-1")
    assert len(server.bodies) == 1


def test_a_read_ends_as_it_did_also_where_it_is_not_recorded(server: Heard, guard: Guard) -> None:
    caller = Caller(guard, secrets={}, record=not_kept, plain_ok=True)
    server.says = b"whole"
    assert caller.ask(Asked("POST", server.base)).body == b"whole"
    server.announced = 5
    with pytest.raises(SupplierError) as cut:
        caller.ask(Asked("POST", server.base))
    assert cut.value.problem.code == "connection_lost"
