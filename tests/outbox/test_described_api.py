"""Orders by an API that the merchant described: on the page, then over the whole way."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest
from lxml import etree

from portal import config as installation
from portal import connections, directory, order_calls
from portal.models import Connection, FulfillmentRequest, Integration, Source
from portal.outbox import ways
from tests.connectors.told_server import Request, Told, told
from tests.outgoing import due_now, send, states, wants
from tests.servers import LOOPBACK

pytestmark = pytest.mark.one_database  # the files' and the pages' tests go over both

CALL = {"use": "yes", "auto_send": "on", "call_path": "/orders", "call_sent_id": "data.number"}
LOOKS = {
    "call_proves": "listed", "call_look_path": "/orders?po={reference}", "call_look_items": "rows", "call_look_field": "poNumber",
    "call_look_id": "number", "call_settle_seconds": "0",
}  # fmt: skip


class Ledger:
    """An API that takes every order, keeps it, and cuts the line of so many answers."""

    def __init__(self) -> None:
        self.taken: list[Request] = []
        self.swallow = 0
        self.keys: dict[str, int] = {}

    def answer(self, request: Request) -> Any:
        if request.method == "GET":
            rows = [{"poNumber": json.loads(one.body)["poNumber"], "number": n} for n, one in enumerate(self.taken, 1)]
            return 200, {"rows": [one for one in rows if one["poNumber"] == request.query.get("po")]}
        key = request.headers.get("idempotency-key", "")
        if not key or key not in self.keys:
            self.taken.append(request)
            self.keys[key] = len(self.taken)
        cut, self.swallow = self.swallow > 0, max(0, self.swallow - 1)
        return None if cut else (201, {"data": {"number": self.keys[key]}})


Shop = Callable[..., tuple[Source, Ledger, Told]]


@pytest.fixture
def shop(client: Any, app: Any, make_source: Callable[..., Source]) -> Iterator[Shop]:
    """A live source behind a generic REST API, whose Send Orders was filled in on its page."""
    installation.use(replace(installation.current(), egress_allow=LOOPBACK))
    with ExitStack() as stack:

        def make(**typed: str) -> tuple[Source, Ledger, Told]:
            ledger = Ledger()
            server = stack.enter_context(told(ledger.answer))
            source = make_source("Northwind")
            directory.select(source, "rest-api", True, source.version, "ana@harbor.example")
            source = Source.get_by_id(source.id)
            settings = {"base": server.base, "auth": "header", "header_name": "X-Key", "path": "/items", "items": "rows", "paging": "page",
                        "page_name": "page", "total": "total", "plain_ok": "1"}  # fmt: skip
            Connection.update(settings=settings, state="ok").where(Connection.source == source).execute()
            connections._seal(source, "key", "k3y", "", "test")
            Source.update(state="live").where(Source.id == source.id).execute()
            answer = filled(client, source, **{**CALL, **typed})
            assert answer.status_code == 303, answer.text
            return Source.get_by_id(source.id), ledger, server

        yield make


def filled(client: Any, source: Source, **typed: str) -> Any:
    at = f"/sources/{source.public_id}/mapping/orders"
    page = client.get(at).text
    return client.post(at, data={**client.form_values(page, at), **typed, "do": "leave"})


def test_an_order_is_one_json_object_with_their_key_and_our_number_in_a_header(shop: Shop) -> None:
    source, ledger, server = shop(
        call_reference_header="X-PO", call_path="/v2/orders?notify=0", **{"c.0.header": "order.po", "line_tag": "rows"}
    )
    (one,) = wants(source, "PO-1")
    assert send(source).counts == {"collected": 1, "sent": 1}
    (asked,) = ledger.taken
    assert (asked.method, asked.path, asked.query, asked.headers["x-po"], asked.headers["x-key"]) == (
        "POST", "/v2/orders", {"notify": "0"}, "PO-1", "k3y",
    )  # fmt: skip
    document = json.loads(asked.body)
    assert (document["order"], document["rows"][0]["quantity"]) == ({"po": "PO-1"}, 3)
    assert FulfillmentRequest.get_by_id(one.id).their_id == "1" and len(server.asked) == 1


def test_xml_is_one_order_under_its_own_element(shop: Shop) -> None:
    source, ledger, _ = shop(format="xml", order_tag="PurchaseOrder", **{"c.0.header": "PoNumber"})
    wants(source, "PO-1")
    send(source)
    (asked,) = ledger.taken
    root = etree.fromstring(asked.body.encode())
    assert (root.tag, root.findtext("PoNumber"), asked.headers["content-type"]) == ("PurchaseOrder", "PO-1", "application/xml")


def test_an_answer_that_lacks_their_number_is_no_success(shop: Shop) -> None:
    source, ledger, _ = shop(call_sent_id="data.order_id")
    (one,) = wants(source, "PO-1")
    send(source)
    assert (states(one), len(ledger.taken)) == ([("processing", "check_needed")], 1)


@pytest.mark.parametrize("proves", ["listed", "key", "nothing"])
def test_swallowed_answers_are_never_followed_by_a_blind_send(shop: Shop, monkeypatch: Any, proves: str) -> None:
    monkeypatch.setattr("portal.outbox.stops.UNKNOWNS", 1_000)
    source, ledger, _ = shop(**{**LOOKS, "call_proves": proves}, **{"c.0.header": "poNumber"})
    requests = wants(source, *(f"PO-{n}" for n in range(5)))
    ledger.swallow = 5
    send(source)
    due_now(source)
    send(source)
    assert len(ledger.taken) == 5
    assert set(states(*requests)) == {("processing", "check_needed") if proves == "nothing" else ("processed", "sent")}


WRONG = {
    "path": ["", "orders", "//evil.example/orders", "/a b", "/orders/{id}", "/../admin", "https://evil.example/", "/x#y", "/x\\y"],
    "reference_header": ["Authorization", "Content-Type", "X PO", "Host"],
    "sent_id": ["a[", "x" * 600, "a\x00b"],
    "method": ["GET", "DELETE"],
    "proves": ["hope"],
}


def test_what_cannot_be_an_order_call_is_refused_at_its_field(shop: Shop, client: Any) -> None:
    source, _, _ = shop()
    good = order_calls.call_of(Integration.get(Integration.source == source, Integration.kind == "send_orders"))
    assert order_calls.errors_of(source, good) == {}
    for name, texts in WRONG.items():
        for text in texts:
            assert list(order_calls.errors_of(source, {**good, name: text})) == [name], (name, text)
    keyed = order_calls.errors_of(source, {**good, "proves": "key", "key_header": "", "window_hours": "0"})
    assert keyed.keys() == {"key_header", "window_hours"}
    looked = filled(client, source, **CALL, call_proves="listed", call_settle_seconds="soon")
    assert looked.status_code == 422
    assert all(f'id="call_{name}-error"' in looked.text for name in ("look_path", "look_field", "settle_seconds"))


def test_the_merchants_own_document_counts_and_nothing_is_sent_before_the_call_is_said(shop: Shop) -> None:
    source, _, _ = shop(**{"c.0.header": "ours.number"})
    row = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    assert ways.of(source, row).layout["columns"][0]["header"] == "ours.number"
    assert order_calls.settings_of(source)["path"] == "/orders"
    Integration.update(settings={}).where(Integration.id == row.id).execute()
    assert order_calls.settings_of(source) == {"operation": ""}
    run = send(source)
    assert run.state == "failed" and "Nobody has said yet" in str(run.problem)
