"""Process, and why a request is not sent, in one sentence for each state."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from portal import clock, routing
from portal.errors import Invalid, Refused
from portal.models import FulfillmentRequest, Integration, Merchant, SendingStop, ShippingCode, Source
from portal.outbox import collect
from portal.requests import events, process, why
from tests.ordered import ask, place
from tests.stocked import stock_up

NOW = datetime(2026, 11, 27, 12, 0)  # a Friday


@pytest.fixture(autouse=True)
def at_noon(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)


@pytest.fixture
def north(make_source):
    return stock_up(make_source("Northwind"), {"HX-1": 100})


@pytest.fixture
def waiting(merchant, north):
    return routing.route(place(merchant), "ana@harbor.example").requests[0]


def said(request):
    fresh = FulfillmentRequest.get_by_id(request.id)
    return why.not_sent(fresh, why.facts("UTC", [fresh.source_id]))


def change(table, of, **columns):
    table.update(columns).where(table.id == of.id).execute()


def test_a_person_puts_it_in_line_once(waiting):
    assert said(waiting) == "Nobody has pressed Process yet, and Auto Process is off for Northwind."
    done = process.process([waiting], "ana@harbor.example")
    assert [one.state for one in done.processed] == ["processing"] and done.processed[0].processed_at == NOW
    assert said(waiting) == "It is in line and leaves with the next run of Send Orders."
    again = process.process([waiting], "ana@harbor.example")
    assert [words for _, words in again.refused] == ["It is Processing already."] and not again.processed
    assert [entry["kind"] for entry in events.timeline(waiting)] == ["created", "processed"]


def test_it_waits_for_the_hours_of_the_source(waiting, north):
    week = {"days": [0, 1, 2, 3, 4], "opens": "06:00", "closes": "17:00", "cut_off": "11:00", "zone": "UTC"}
    change(Source, north, order_rules={"window": week})
    (done,) = process.process([waiting], "ana").processed
    assert done.not_before == datetime(2026, 11, 30, 6)
    assert said(waiting) == "It waits until Northwind takes orders again, Monday at 06:00."
    change(FulfillmentRequest, waiting, not_before=None)
    change(Source, north, order_rules={"window": {**week, "days": [5], "closes": "", "cut_off": ""}})
    assert said(waiting) == "Northwind takes orders Saturday, 06:00 to 24:00 (UTC); it is outside of that now."
    assert not collect.due().exists()
    change(Source, north, order_rules={"window": {**week, "closes": "", "cut_off": ""}})
    assert [one.id for one in collect.due(north.id)] == [waiting.id]


def test_each_state_in_one_sentence(waiting, north, merchant):
    process.process([waiting], "ana")
    sends = Integration.get(Integration.source == north, Integration.kind == "send_orders")
    sent, failed = {"sending": "sent", "state": "processed"}, {"sending": "rejected", "state": "failed", "said": "SKU unknown."}
    in_line, by_hand = "It is in line and leaves with the next run", "Automatically Send Orders is off, so it leaves with the next Run Sync"
    late = "Its cancel-after date passed at 10:00, so it is not sent any more."
    unknown = "We do not know whether Northwind has it. Look at what we know, and decide."
    for row, columns, sentence in (
        (sends, {"next_run_at": NOW + timedelta(hours=1)}, f"{in_line} of Send Orders, at 13:00."),
        (sends, {"settings": {"auto_send": False}}, f"{by_hand} of Send Orders."),
        (sends, {"paused": True}, "Send Orders of Northwind is paused. Resume it, and it leaves."),
        (sends, {"enabled": False}, "Send Orders of Northwind is not set up, so nothing can tell them."),
        (north, {"state": "paused"}, "Northwind is paused. Resume it, and it leaves."),
        (waiting, {"cancel_after": NOW - timedelta(hours=2)}, late),
        (waiting, {"sending": "uploading"}, "It is being sent now."),
        (waiting, {"sending": "check_needed"}, unknown),
        (waiting, sent, ""),
        (waiting, failed, "SKU unknown. Mend that, then press Process."),
        (waiting, {"sending": "", "state": "voided"}, "It was voided before it left, so Northwind is not told of it."),
    ):
        change(type(row), row, **columns)
        assert said(waiting) == sentence


def test_sending_that_rests(waiting, north):
    process.process([waiting], "ana")
    SendingStop.create(source=north, why="3 unknowns in an hour.")
    assert said(waiting) == "Sending to Northwind rests: 3 unknowns in an hour."
    SendingStop.create(source=None, why="restored from a backup.")
    assert said(waiting) == "Sending is switched off for everything: restored from a backup."


def test_a_flagged_number_is_looked_at_again_and_can_be_replaced(waiting, north):
    change(Source, north, order_rules={"number": {"longest": 3, "forbidden": "#"}})
    (refused,) = process.process([waiting], "ana").refused
    assert refused[0].state == "too_long" and said(waiting).endswith("It was not cut. Give it another number.")
    for wrong, words in (("", "1 to 120"), ("12#", "does not take #"), ("1234", "has 4 characters")):
        with pytest.raises(Invalid, match=words):
            process.renumber(waiting, wrong, "ana")
    fresh = process.renumber(waiting, " 999 ", "ana")
    assert (fresh.number, fresh.state, fresh.said) == ("999", "unprocessed", "")
    assert process.process([fresh], "ana").processed
    with pytest.raises(Refused, match="It is Processing, so its number stays"):
        process.renumber(fresh, "998", "ana")


def test_a_number_that_the_source_had_is_not_taken_even_after_a_void(merchant, north, waiting):
    other = ask(place(merchant, number="77"), north, state="voided")
    change(FulfillmentRequest, other, sent_at=NOW)
    with pytest.raises(Invalid, match="already has a request with the number 77"):
        process.renumber(waiting, "77", "ana")
    change(FulfillmentRequest, other, sent_at=None)  # it never left, so nobody knows it by that
    assert process.renumber(waiting, "77", "ana").number == "77"


def test_what_lacked_a_shipping_code_goes_on_by_itself_once_it_is_there(merchant, north):
    code = ShippingCode.create(source=north, text_key="ground", text="Ground", code="G")
    Merchant.update(auto_process=True).execute()
    merchant.auto_process = True
    (request,) = routing.route(place(merchant, shipping_text="Air"), "").requests
    assert said(request) == "Northwind has no shipping code for “Air”." and process.by_itself() == 0
    assert [words for _, words in process.process([request], "ana").refused] == ["Northwind has no shipping code for “Air”."]
    ShippingCode.update(code="A1").where(ShippingCode.id != code.id).execute()
    assert process.by_itself() == 1
    fresh = FulfillmentRequest.get_by_id(request.id)
    assert (fresh.state, fresh.shipping_code) == ("processing", "A1")


def test_what_turning_auto_process_on_would_send(merchant, north, make_source, waiting):
    own = stock_up(make_source("Own", override_global=True), {"HX-2": 9})
    routing.route(place(merchant, [("HX-2", 1)], "2"), "ana")
    assert [one.id for one in process.would_leave(merchant)] == [waiting.id]
    assert [one.source_id for one in process.would_leave(merchant, own)] == [own.id]
