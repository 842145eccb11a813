"""A change of quantities is whole: lines, order, stock, states and event, or nothing."""

from __future__ import annotations

import pytest
from peewee import IntegrityError

from portal import requests
from portal.models import CommittedStock, Order, OrderLine, RequestEvent, RequestLine, database
from portal.requests import TooMany, counts, events
from tests.ordered import ask, lines_of, place


@pytest.fixture
def request_of_two(merchant, make_source):
    return ask(place(merchant, [("HX-1", 3), ("HX-2", 1)]), make_source())


def stock(request):
    return {row.sku: row.quantity for row in CommittedStock.select()}


def test_from_acknowledgement_to_the_last_parcel(request_of_two):
    one, two = lines_of(request_of_two)
    request = requests.record(request_of_two, "accept", [("accept", one.id, 3)], cause="file")
    assert request.state == "processed" and Order.get().acknowledged == "partial"
    request = requests.record(request, "accept", [("accept", two.id, 1)], cause="file")
    assert request.state == "acknowledged" and request.acknowledged_at is not None and Order.get().acknowledged == "completed"
    request = requests.record(request, "ship", [("ship", one.id, 2)], cause="file")
    assert request.shipped == "partial" and stock(request) == {"HX-1": 1, "HX-2": 1}
    request = requests.record(request, "ship", [("ship", one.id, 1), ("ship", two.id, 1)], cause="file")
    order = Order.get()
    assert (request.shipped, order.shipped, order.state) == ("shipped", "completed", "closed") and stock(request) == {"HX-1": 0, "HX-2": 0}
    assert {row.released_because for row in CommittedStock.select()} == {"shipment"}
    assert [entry["kind"] for entry in events.timeline(request)] == ["accept", "accept", "ship", "ship"]


def test_fill_frees_the_order_line_and_kill_ends_it(request_of_two):
    one, two = lines_of(request_of_two)
    request = requests.record(request_of_two, "cancel", [("cancel", one.id, 2)], cause="api")
    assert OrderLine.get(OrderLine.sku == "HX-1").unrouted == 2 and Order.get().routing == "waiting" and request.state == "processed"
    request = requests.record(request, "cancel", [("cancel", one.id, 1), ("cancel", two.id, 1)], cause="api", fill=False)
    first = OrderLine.get(OrderLine.sku == "HX-1")
    assert (first.unrouted, first.routed, first.cancelled) == (2, 0, 1) and request.state == "canceled" and request.shipped == "canceled"
    assert stock(request) == {"HX-1": 0, "HX-2": 0}


def test_too_many_changes_nothing_and_says_how_many_there_are(request_of_two):
    one, two = lines_of(request_of_two)
    with pytest.raises(TooMany) as told:
        requests.record(request_of_two, "ship", [("ship", two.id, 1), ("ship", one.id, 4)], cause="file")
    assert (told.value.asked, told.value.possible) == (4, 3)
    assert [counts(line).shipped for line in lines_of(request_of_two)] == [0, 0] and not RequestEvent.select().count()
    assert stock(request_of_two) == {"HX-1": 3, "HX-2": 1}


def test_stock_that_age_released_is_not_held_again(request_of_two):
    CommittedStock.update(quantity=0, released_because="age").execute()
    one, _ = lines_of(request_of_two)
    requests.record(request_of_two, "accept", [("accept", one.id, 3)], cause="file")
    assert stock(request_of_two) == {"HX-1": 0, "HX-2": 0}


def test_the_database_itself_refuses_a_line_that_does_not_add_up(request_of_two):
    one, _ = lines_of(request_of_two)
    for broken in ({"shipped": 1}, {"open": -1, "shipped": 4}):
        with pytest.raises(IntegrityError), database.atomic():
            RequestLine.update(broken).where(RequestLine.id == one.id).execute()
    with pytest.raises(IntegrityError), database.atomic():
        OrderLine.update(routed=0).execute()
