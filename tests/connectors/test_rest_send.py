"""A document sent to an API: once, whatever comes; how that ended; and how it is found again."""

from __future__ import annotations

from typing import Any

import pytest

from portal.connectors import open_connector, sending
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.connectors.sending import Sent, outcome_of
from portal.errors import SupplierError
from portal.records import Secret
from tests.connectors.told_server import Request, Told, told
from tests.servers import LOOPBACK, free_port

ORDER = b'{"po": "PO-1001"}'
SENDS = {"operation": "send_orders", "path": "/orders", "sent_id": "id", "error_at": "errors", "auth": "header", "header_name": "X-Key"}
WITNESS = {"path": "/orders", "query": "po={reference}&after={since}", "field": "po", "id": "id", "proves": "listed", "settle_seconds": 60}


def connector(base: str, guard: Guard, **settings: Any) -> RestConnector:
    whole = {"base": base, "plain_ok": "1", **SENDS, **settings}
    return RestConnector(whole, {"key": Secret("k3y"), "password": Secret("k3y")}, guard=guard, trusted_key=None)


def sent(server: Told, guard: Guard, **settings: Any) -> Sent:
    found = connector(server.base, guard, **settings).send("send_orders", ORDER, "PO-1001")
    assert (found.outcome == "sent") == (found.problem is None) and found.reference == "PO-1001"
    assert len([one for one in server.asked if one.path == "/orders"]) == 1, "a send is never repeated"
    return found


def test_an_order_that_was_taken_has_their_number_and_their_answer(guard: Guard) -> None:
    with told(lambda _: (201, {"id": 42, "lines": [1]})) as server:
        found = sent(server, guard, query="notify=0")
    assert (found.outcome, found.their_id, found.answer) == ("sent", "42", {"id": 42, "lines": [1]})
    asked = server.asked[0]
    assert (asked.method, asked.query, asked.body.encode()) == ("POST", {"notify": "0"}, ORDER)
    assert (asked.headers["content-type"], asked.headers["x-key"]) == ("application/json", "k3y")


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, {"id": 0}, "sent"), (200, {}, "unknown"), (200, {"id": ""}, "unknown"), (200, {"id": True}, "unknown"),
        (200, {"id": 7, "errors": [{"message": "out of stock"}]}, "refused"), (204, None, "unknown"),
        (301, {}, "not_sent"), (302, {}, "unknown"), (303, {}, "unknown"), (308, {}, "not_sent"),
        (400, {}, "refused"), (401, {}, "not_sent"), (403, {}, "not_sent"), (404, {}, "refused"), (408, {}, "unknown"),
        (409, {}, "unknown"), (422, {"error": "no such SKU"}, "refused"), (429, {}, "unknown"), (500, {}, "unknown"),
        (502, {}, "unknown"), (503, {}, "unknown"),
    ],
)  # fmt: skip
def test_how_a_send_ended_by_its_answer(guard: Guard, status: int, body: Any, outcome: str) -> None:
    with told(lambda _: (status, body)) as server:
        assert sent(server, guard).outcome == outcome


def test_a_supplier_may_say_which_answers_come_before_anything_was_done(guard: Guard) -> None:
    with told(lambda _: (429, {})) as server:
        assert sent(server, guard, not_taken="429|503").outcome == "not_sent"


def test_an_answer_that_cannot_be_read_is_not_known(guard: Guard) -> None:
    with told(lambda _: (200, {"id": 1})) as server:
        assert sent(server, guard, form="xml").outcome == "unknown"


def test_a_line_that_breaks_after_the_request_is_not_known(guard: Guard) -> None:
    with told(lambda _: None) as server:
        found = sent(server, guard)
    assert found.outcome == "unknown" and found.problem and "do not send it again" in found.problem.body


def test_a_server_that_is_not_reached_has_nothing(guard: Guard) -> None:
    found = connector(f"http://{LOOPBACK}:{free_port()}", guard).send("send_orders", ORDER, "PO-1001")
    assert found.outcome == "not_sent" and found.problem and found.problem.code == "port_closed"


def test_a_sign_in_that_fails_sends_nothing(guard: Guard) -> None:
    with told(lambda _: (500, {})) as server:
        shop = connector(server.base, guard, auth="login", login_path="/login", user="ana")
        assert shop.send("send_orders", ORDER, "PO-1001").outcome == "not_sent"
    assert [one.path for one in server.asked] == ["/login"]


def test_a_token_that_ended_is_renewed_for_the_next_send_only(guard: Guard) -> None:
    good = [False]

    def answer(request: Request) -> Any:
        if request.path == "/login":
            return 200, {"access_token": "t"}
        return (201, {"id": 1}) if good[0] else (401, {})

    with told(answer) as server:
        shop = connector(server.base, guard, auth="login", login_path="/login", user="ana")
        assert shop.send("send_orders", ORDER, "PO-1001").outcome == "not_sent"
        good[0] = True
        assert shop.send("send_orders", ORDER, "PO-1001").outcome == "sent"
    assert [one.path for one in server.asked] == ["/login", "/orders"] * 2


def test_an_operation_that_the_supplier_has_not_is_never_sent(guard: Guard) -> None:
    with told(lambda _: (201, {"id": 1})) as server:
        for settings in ({"operation": "get_inventory"}, {"operation": ""}, {"path": ""}, {"method": "GET"}):
            with pytest.raises(SupplierError) as refused:
                connector(server.base, guard, **settings).send("send_orders", ORDER, "PO-1001")
            assert refused.value.problem.code == "not_set_up"
    assert server.asked == []


@pytest.mark.parametrize("protocol", ["sftp", "ftp", "http"])
def test_connections_that_only_read_say_so(guard: Guard, protocol: str) -> None:
    told_ = {"host": LOOPBACK, "url": f"http://{LOOPBACK}/x", "port": "1", "user": "ana", "auth": "none"}
    with open_connector(protocol, told_, {}, guard=guard, trusted_key=None) as one:
        assert one.witness.proves == "nothing"
        for act in (lambda: one.send("send_orders", ORDER, "PO-1001"), lambda: one.find("PO-1001")):
            with pytest.raises(SupplierError) as refused:
                act()
            assert refused.value.problem.code == "not_set_up"


# the witness


def test_an_order_is_found_by_its_reference_to_the_letter(guard: Guard) -> None:
    orders = [{"id": 1, "po": "PO-100"}, {"id": 2, "po": "PO-1001 "}, {"id": 3, "po": ["x", "PO-1001"]}, {"id": 4, "po": None}]
    with told(lambda _: (200, orders)) as server:
        shop = connector(server.base, guard, witness=WITNESS)
        found, other = shop.find("PO-1001", "2026-11-27T08:00:00Z"), shop.find("po-1001")
    assert found and (found.their_id, found.count, found.answer["id"]) == ("3", 1, 3) and other is None
    assert (
        server.asked[0].query == {"po": "PO-1001", "after": "2026-11-27T08:00:00Z"}
        and server.asked[1].query["after"] == "1970-01-01T00:00:00Z"
    )


def test_an_order_that_arrived_twice_is_counted(guard: Guard) -> None:
    with told(lambda _: (200, [{"id": 1, "po": "PO-1001"}, {"id": 2, "po": "PO-1001"}])) as server:
        found = connector(server.base, guard, witness=WITNESS).find("PO-1001")
    assert found and (found.their_id, found.count) == ("1", 2)


def test_no_content_is_an_empty_list_and_a_refusal_is_none(guard: Guard) -> None:
    answers = [(204, None), (403, {})]
    with told(lambda _: answers.pop(0)) as server:
        shop = connector(server.base, guard, witness=WITNESS)
        assert shop.find("PO-1001") is None
        with pytest.raises(SupplierError):
            shop.find("PO-1001")


def test_without_a_witness_nothing_is_looked_for(guard: Guard) -> None:
    with told(lambda _: (200, [])) as server:
        for witness in ({}, {"proves": "nothing"}):
            with pytest.raises(SupplierError) as refused:
                connector(server.base, guard, witness=witness).find("PO-1001")
            assert refused.value.problem.code == "not_set_up"
    assert server.asked == []


def test_every_status_has_an_outcome_and_only_certain_ones_allow_another_send() -> None:
    assert {outcome_of(status) for status in range(100, 600)} == set(sending.OUTCOMES)
    assert {status for status in range(100, 600) if outcome_of(status) == "not_sent"} == sending.NEVER_TAKEN
    assert all(outcome_of(status) == "unknown" for status in (100, 199, *range(500, 600)))
