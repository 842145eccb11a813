"""New orders are routed by themselves; what found no source is tried again once stock came."""

from __future__ import annotations

from datetime import timedelta

import pytest
from peewee import IntegrityError

import tasks
from portal import clock
from portal.models import FulfillmentRequest, Integration, InventoryItem, Merchant, Order
from portal.routing import by_itself
from tests.ordered import place
from tests.stocked import stock_up


@pytest.fixture
def north(make_source):
    return stock_up(make_source("Northwind"), {"HX-1": 4})


def test_new_orders_are_routed_and_nobody_asks_twice(merchant, north, other_merchant):
    for number in ("1", "2"):
        place(merchant, number=number)
    place(merchant, number="3", state="on_hold")
    place(other_merchant, number="1")
    assert by_itself.waiting() and by_itself.route_new() == 3 and not by_itself.waiting() and by_itself.route_new() == 0
    states = [(one.merchant_id, one.number, one.routing) for one in Order.select().order_by(Order.id)]
    assert states == [
        (merchant.id, "1", ""),
        (merchant.id, "2", "problem"),
        (merchant.id, "3", "waiting"),
        (other_merchant.id, "1", "problem"),
    ]
    assert [one.order.number for one in FulfillmentRequest.select()] == ["1"]


def test_a_merchant_who_routes_by_hand_is_left_alone(merchant, north):
    Merchant.update(order_settings={"routing": {"itself": False}}).execute()
    place(merchant)
    assert not by_itself.waiting() and by_itself.route_new() == 0


def test_tried_again_once_a_feed_came_and_each_hour(merchant, north, monkeypatch):
    order = place(merchant, [("HX-1", 6)])
    by_itself.route_new()
    then = clock.now()
    monkeypatch.setattr(clock, "now", lambda: then + timedelta(minutes=5))
    assert by_itself.route_again() == 0
    InventoryItem.update(quantity=6).execute()
    Integration.update(last_accepted_at=then + timedelta(minutes=4)).execute()
    assert by_itself.route_again() == 1 and Order.get_by_id(order.id).routing == "" and by_itself.route_again() == 0
    place(merchant, [("ZZ", 1)], "9")
    by_itself.route_new()
    monkeypatch.setattr(clock, "now", lambda: then + timedelta(minutes=64))
    assert by_itself.route_again() == 0
    monkeypatch.setattr(clock, "now", lambda: then + timedelta(minutes=66))
    assert by_itself.route_again() == 1


def test_an_order_that_cannot_be_written_does_not_hold_up_the_others(merchant, north, monkeypatch):
    first, second = place(merchant, [("HX-1", 1)], "1"), place(merchant, [("HX-1", 1)], "2")
    real = by_itself.route_many

    def fails(merchant, ids):
        if first.id in ids:
            raise IntegrityError("twice")
        return real(merchant, ids)

    monkeypatch.setattr(by_itself, "route_many", fails)
    assert by_itself.route_new() == 2
    assert [one.routing for one in Order.select().order_by(Order.id)] == ["problem", ""]
    assert second.id == FulfillmentRequest.get().order_id and "tried again" in Order.get_by_id(first.id).routing_said


def test_the_clock_and_the_doorbell_route(merchant, north, monkeypatch):
    place(merchant)
    tasks.mind_orders.call_local()
    assert FulfillmentRequest.select().count() == 1
    place(merchant, [("HX-1", 1)], "2")
    rung = []
    monkeypatch.setattr(tasks, "route_orders", lambda: rung.append(1))
    tasks.do_runs.call_local()
    assert rung == [1]
