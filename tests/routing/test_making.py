"""Routing writes requests, lines, committed stock and the order's own lines together, and promises no unit twice."""

from __future__ import annotations

import pytest
from peewee import fn

from portal import removals, routing
from portal.errors import Refused
from portal.models import CommittedStock, FulfillmentRequest, InventoryItem, Merchant, Order, OrderLine, RequestLine, ShippingCode, Source
from portal.requests import events, record, stock
from tests.ordered import place
from tests.stocked import stock_up
from tests.together import eight_at_once


@pytest.fixture
def north(make_source):
    return stock_up(make_source("Northwind", sku_prefix="NW-"), {"1": 10, "2": 4}, cost=99_500)


@pytest.fixture
def south(make_source):
    return stock_up(make_source("Southgate"), {"NW-1": 5, "HX-9": 7})


def requests_of(order):
    return list(FulfillmentRequest.select().where(FulfillmentRequest.order == order).order_by(FulfillmentRequest.id))


def test_lines_go_to_the_source_whose_master_sku_they_name(merchant, north, south):
    order = place(merchant, [("NW-1", 3), ("NW-2", 1)])
    done = routing.route(order, "ana@harbor.example")
    (request,) = done.requests
    assert (request.source_id, request.number, request.state, done.words) == (north.id, "1001", "unprocessed", "Goes to Northwind.")
    lines = list(RequestLine.select().order_by(RequestLine.number))
    assert [(line.sku, line.ordered, line.open, line.unit_cost) for line in lines] == [("1", 3, 3, 99_500), ("2", 1, 1, 99_500)]
    assert stock.available(north.id, ["1", "2", "3"]) == {"1": 7, "2": 3}
    assert [(line.unrouted, line.routed) for line in OrderLine.select()] == [(0, 3), (0, 1)]
    assert Order.get().routing == "" and Order.get().routed_at is not None
    assert request.chosen_because["lines"][0]["lost"] == [["Southgate", "Northwind ships 2 lines of this order together"]]
    assert [entry["kind"] for entry in events.timeline(request)] == ["created"]


def test_a_preview_says_the_same_and_writes_nothing(merchant, north, south):
    order = place(merchant, [("NW-1", 6), ("HX-9", 1), ("ZZ", 1)])
    told = routing.preview(order)
    assert told.words == "Goes to Northwind and Southgate; 1 line waits." and not FulfillmentRequest.select().count()
    done = routing.route(order, "ana")
    assert done.words == told.words and [one.number for one in done.requests] == ["1001-1", "1001-2"]
    order = Order.get()
    assert (order.routing, order.routing_said) == ("problem", "No source has an item with the Master SKU ZZ.")
    assert OrderLine.get(OrderLine.sku == "ZZ").unroutable == order.routing_said


def test_an_order_that_is_not_open_says_why(merchant, north):
    order = place(merchant, state="on_hold")
    assert routing.preview(order).refused.startswith("It is on hold")
    with pytest.raises(Refused, match="on hold"):
        routing.route(order, "ana")


def test_what_came_back_from_a_source_is_not_asked_there_again_unless_a_person_says_so(merchant, north, south):
    order = place(merchant, [("NW-1", 3)])
    (first,) = routing.route(order, "ana").requests
    line = RequestLine.get(RequestLine.request == first)
    FulfillmentRequest.update(state="processed").execute()
    record(first, "cancel", [("cancel", line.id, 3)], cause="file")
    assert Order.get().routing == "waiting"
    told = routing.preview(order)
    assert dict(told.decision.lost[line.order_line_id]) == {"Northwind": "canceled it before"}
    (second,) = routing.route(Order.get(), "").requests
    assert (second.source_id, second.number) == (south.id, "1001-2")
    record(second, "void", [("void", RequestLine.get(RequestLine.request == second).id, 3)], cause="person")
    assert not routing.route(Order.get(), "").requests
    assert Order.get().routing_said == "Northwind: canceled it before; Southgate: it was voided there before."
    (third,) = routing.route(Order.get(), "ana", again=True).requests
    assert (third.source_id, third.number) == (north.id, "1001-3")


def test_numbers_that_are_too_long_or_were_there_before_are_flagged(merchant, north):
    Source.update(order_rules={"number": {"longest": 4, "before": "Q"}}).execute()
    (request,) = routing.route(place(merchant, [("NW-1", 1)]), "ana").requests
    assert (request.number, request.state) == ("Q1001", "too_long")
    assert request.said == "Its number Q1001 has 5 characters and Northwind takes 4. It was not cut."
    Source.update(order_rules={}).execute()
    routing.route(place(merchant, [("NW-1", 1)], number="7"), "ana")
    (request,) = routing.route(place(merchant, [("NW-1", 1)], number="7", channel="shop"), "ana").requests
    assert request.state == "duplicate" and request.said.startswith("Northwind already has a request with the number 7.")


def test_auto_process_puts_it_in_line_unless_a_shipping_code_lacks(merchant, north):
    Merchant.update(auto_process=True).execute()
    merchant.auto_process = True
    (request,) = routing.route(place(merchant, [("NW-1", 1)], shipping_text="Overnight  Air"), "").requests
    assert request.state == "processing" and ShippingCode.get().orders_seen == 1
    ShippingCode.create(source=north, text_key="ground", text="Ground", code="G", carrier="UPS")
    (request,) = routing.route(place(merchant, [("NW-1", 1)], "2", shipping_text="overnight air"), "").requests
    assert (request.state, request.said) == ("unprocessed", "Northwind has no shipping code for “overnight air”.")
    assert ShippingCode.get(ShippingCode.text_key == "overnight air").orders_seen == 2
    (request,) = routing.route(place(merchant, [("NW-1", 1)], "3", shipping_text=" GROUND"), "").requests
    assert (request.state, request.shipping_code, request.carrier) == ("processing", "G", "UPS")


def test_archived_and_missing_items_and_sources_that_rest(merchant, north, south):
    InventoryItem.update(archived_at=stock.clock.now(), quantity=0).where(InventoryItem.source == south).execute()
    Source.update(state="paused").where(Source.id == north.id).execute()
    routing.route(place(merchant, [("NW-1", 1)]), "")
    assert Order.get().routing_said == "Northwind: is paused; Southgate: the item is archived."


def test_many_orders_in_one_transaction_share_the_stock(merchant, north):
    orders = [place(merchant, [("NW-2", 3)], str(number)) for number in range(3)]
    done = routing.route_many(merchant, [order.id for order in orders])
    assert [len(one.requests) for one in done] == [1, 0, 0] and stock.available(north.id, ["2"]) == {"2": 1}


def test_eight_orders_routed_at_once_never_oversell(merchant, north):
    orders = [place(merchant, [("NW-1", 3), ("NW-2", 1)], str(number)) for number in range(8)]
    todo = list(orders)
    made = eight_at_once(lambda: len(routing.route(todo.pop(), "").requests))
    assert sorted(made) == [0] * 4 + [1] * 4  # the fourth has one of its lines, the others none
    held = CommittedStock.select(CommittedStock.sku, fn.SUM(CommittedStock.quantity)).group_by(CommittedStock.sku)
    assert sorted(held.tuples()) == [("1", 9), ("2", 4)]
    assert stock.available(north.id, ["1", "2"]) == {"1": 1, "2": 0}


def test_one_order_routed_eight_times_at_once_is_routed_once(merchant, north):
    order = place(merchant, [("NW-1", 3)])
    made = eight_at_once(lambda: len(routing.route(order, "").requests))
    assert sorted(made) == [0] * 7 + [1] and requests_of(order)[0].state == "unprocessed"


def test_a_source_is_never_deleted_under_an_order_that_goes_there(merchant, north):
    todo = [place(merchant, [("NW-1", 1)], str(number)) for number in range(7)]
    turns = iter(["route"] * 3 + ["delete"] + ["route"] * 4)

    def act():
        if next(turns) == "delete":
            try:
                removals.delete(north, "Northwind", "ana")
            except Refused:
                return 0
            return 1
        return len(routing.route(todo.pop(), "").requests)

    eight_at_once(act)
    assert (Source.get_by_id(north.id).state == "deleted") == (not FulfillmentRequest.select().count())
