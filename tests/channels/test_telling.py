"""Tracking numbers go back to the store where it was bought: each once, whatever becomes of the line."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import channels, clock, failpoints, runs, shipments
from portal.channels import telling
from portal.errors import Refused
from portal.models import Channel, ChannelAttempt, ChannelNotice, FulfillmentRequest, Merchant, Order, Run, Shipment, Source, database
from portal.shipments import Cause, Notice
from tests.channels.shops import bought
from tests.channels.test_pulling import pull
from tests.connecting import WHO
from tests.ordered import ask

pytestmark = pytest.mark.one_database
KINDS = ["shopify", "bigcommerce", "woocommerce"]
UPS, FEDEX = "1Z999AA10123456784", "986578788855"


@pytest.fixture
def sold(shops: Any, run_work: Any, merchant: Merchant) -> Callable[..., Any]:
    """sold("shopify", [("LAMP-1", 2)]) -> (the store, the channel, the request at a supplier)."""

    def make(kind: str, lines: Any = (("LAMP-1", 2),), **more: Any) -> tuple[Any, Channel, FulfillmentRequest]:
        shop, channel = shops(kind, **more)
        shop.orders = [bought(11, list(lines))]
        pull(channel, run_work)
        source = Source.create(merchant=merchant, name="Northwind", name_key="northwind", kind="dropship_supplier", state="live")
        return shop, channel, ask(Order.get(), source)

    return make


def ship(request: FulfillmentRequest, number: str, *items: tuple[str, int], carrier: str = "UPS") -> Shipment:
    return shipments.record(request.source, Notice(request.number, number, items, carrier), Cause("file")).shipment


def tell(channel: Channel, run_work: Callable[[], None]) -> Run:
    """The next run that tells, what waits for a later one included."""
    earlier = clock.now() - timedelta(minutes=10)
    waits = ChannelNotice.state << ("waiting", "sending", "unknown")
    ChannelNotice.update(due_at=earlier).where(waits).execute()
    ChannelNotice.update(left_at=earlier).where(waits, ChannelNotice.left_at.is_null(False)).execute()
    telling.start_due()
    run_work()
    return Run.select().where(Run.kind == "channel_tracking").order_by(Run.id.desc()).get()


def of(shipment: Shipment) -> tuple[str, str]:
    return ChannelNotice.get(ChannelNotice.shipment == shipment.id).state, Shipment.get_by_id(shipment.id).channel_state


def said(shipment: Shipment) -> str:
    return str(ChannelNotice.get(ChannelNotice.shipment == shipment.id).said)


def acts(shipment: Shipment) -> list[tuple[str, str]]:
    notice = ChannelNotice.get(ChannelNotice.shipment == shipment.id)
    return [(one.act, one.outcome) for one in telling.attempts(notice)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_parcel_is_told_once_with_its_lines(kind: str, sold: Any, run_work: Any) -> None:
    shop, channel, request = sold(kind, [("LAMP-1", 2), ("LAMP-2", 1)])
    first = ship(request, UPS, ("LAMP-1", 1))
    assert of(first) == ("waiting", "waiting"), "in line with the shipment itself"
    assert tell(channel, run_work).counts == {"told": 1}
    second = ship(request, FEDEX, ("LAMP-1", 1), ("LAMP-2", 1), carrier="FedEx")
    tell(channel, run_work)
    assert shop.numbers == [UPS, FEDEX] and of(first) == of(second) == ("told", "told")
    if kind != "woocommerce":
        assert [one["lines"] for one in shop.told] == [{"111": 1}, {"111": 1, "112": 1}]
    assert acts(second) == [("send", "sent")]
    ship(request, UPS, ("LAMP-1", 1))  # told again by the supplier
    assert telling.start_due() == 0 and shop.numbers == [UPS, FEDEX]
    if kind == "woocommerce":
        assert shop.order(11)["state"] == "completed", "WooCommerce does not do so by itself"


@pytest.mark.parametrize("kind", KINDS)
def test_a_swallowed_answer_is_looked_for_and_never_sent_blindly(kind: str, sold: Any, run_work: Any) -> None:
    shop, channel, request = sold(kind)
    shop.swallow = 1
    parcel = ship(request, UPS, ("LAMP-1", 1))
    assert tell(channel, run_work).state == "warnings" and of(parcel) == ("unknown", "waiting")
    assert shop.numbers == [UPS], "it had arrived"
    tell(channel, run_work)
    assert shop.numbers == [UPS] and of(parcel) == ("told", "told")
    assert acts(parcel) == [("send", "unknown"), ("look", "found")]


def test_what_did_not_arrive_is_sent_again_only_after_a_look(sold: Any, run_work: Any) -> None:
    shop, channel, request = sold("bigcommerce")
    shop.refuse = 1  # 503, nothing done
    parcel = ship(request, UPS, ("LAMP-1", 2))
    tell(channel, run_work)
    assert of(parcel)[0] == "unknown" and shop.numbers == []
    ChannelNotice.update(due_at=clock.now()).execute()  # too early: the send may still be on its way
    telling.start_due()
    run_work()
    assert acts(parcel) == [("send", "unknown"), ("look", "absent")] and shop.numbers == []
    tell(channel, run_work)
    assert shop.numbers == [UPS] and of(parcel) == ("told", "told")
    assert acts(parcel) == [("send", "unknown"), ("look", "absent"), ("look", "absent"), ("send", "sent")]


def test_a_worker_that_died_after_sending_costs_no_second_parcel(sold: Any, run_work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, channel, request = sold("shopify")
    parcel = ship(request, UPS, ("LAMP-1", 2))
    with monkeypatch.context() as patch:

        def die(name: str) -> None:
            if name == "channel-answered":
                raise KeyboardInterrupt

        patch.setattr(failpoints, "reach", die)
        telling.start_due()
        with pytest.raises(KeyboardInterrupt):
            run_work()
    assert of(parcel)[0] == "sending" and shop.numbers == [UPS]
    Run.update(state="failed", finished_at=clock.now() - timedelta(hours=1)).where(Run.state == "running").execute()
    tell(channel, run_work)
    assert shop.numbers == [UPS] and of(parcel) == ("told", "told")


@pytest.mark.parametrize("kind", KINDS)
def test_a_corrected_number_takes_the_place_of_the_old_one(kind: str, sold: Any, run_work: Any) -> None:
    shop, channel, request = sold(kind)
    old = ship(request, UPS, ("LAMP-1", 2))
    tell(channel, run_work)
    new = ship(request, FEDEX, ("LAMP-1", 2), carrier="FedEx")
    tell(channel, run_work)
    assert Shipment.get_by_id(old.id).state == "voided" and shop.numbers == [FEDEX] and of(new) == ("told", "told")
    assert acts(new) == [("correct", "sent")]


@pytest.mark.parametrize("kind", ["shopify", "bigcommerce"])
def test_more_units_under_a_known_number_are_told_too(kind: str, sold: Any, run_work: Any) -> None:
    shop, channel, request = sold(kind)
    parcel = ship(request, UPS, ("LAMP-1", 1))
    tell(channel, run_work)
    ship(request, UPS, ("LAMP-1", 2))
    tell(channel, run_work)
    assert [(one["number"], one["lines"]) for one in shop.told] == [(UPS, {"111": 1}), (UPS, {"111": 1})] and of(parcel)[0] == "told"


def test_units_that_are_recorded_while_a_number_is_told_are_told_next(sold: Any, run_work: Any) -> None:
    shop, channel, request = sold("bigcommerce")
    parcel, before = ship(request, UPS, ("LAMP-1", 1)), shop.answer

    def meanwhile(method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        told: tuple[int, Any] = before(method, path, query, body)
        if method == "POST" and len(shop.told) == 1:
            with database.connection_context():
                ship(request, UPS, ("LAMP-1", 2))
        return told

    shop.answer = meanwhile
    tell(channel, run_work)
    assert of(parcel) == ("waiting", "waiting")
    tell(channel, run_work)
    assert [one["lines"] for one in shop.told] == [{"111": 1}, {"111": 1}] and of(parcel) == ("told", "told")


@pytest.mark.parametrize("kind", ["shopify", "bigcommerce"])
def test_what_was_fulfilled_in_the_store_already_waits_for_a_person(kind: str, sold: Any, run_work: Any) -> None:
    shop, channel, request = sold(kind)
    shop.tell(11, "SOMEBODY-ELSE", {"111": 2})
    parcel = ship(request, UPS, ("LAMP-1", 2))
    tell(channel, run_work)
    assert of(parcel) == ("failed", "failed") and shop.numbers == ["SOMEBODY-ELSE"]
    assert "nothing left to" in said(parcel)
    assert channels.standing(channel).failed == 1 and telling.start_due() == 0
    shop.told, shop.order(11)["shipped"] = [], {}
    telling.again(parcel)
    tell(channel, run_work)
    assert of(parcel) == ("told", "told") and shop.numbers == [UPS]
    with pytest.raises(Refused, match="nothing to try again"):
        telling.again(parcel)


@pytest.mark.parametrize("keeps", ["wc-ast/v3", "fulfillments", ""])
def test_woocommerce_is_told_where_it_keeps_tracking_numbers(keeps: str, sold: Any, run_work: Any) -> None:
    shop, channel, request = sold("woocommerce", keeps=keeps)
    parcel = ship(request, UPS, ("LAMP-1", 2))
    shop.swallow = 1
    tell(channel, run_work)
    tell(channel, run_work)
    assert shop.numbers == [UPS] and of(parcel)[0] == "told" and shop.order(11)["state"] == "completed"
    part = {"wc-ast/v3": "wc-ast/v3/orders/11/shipment-trackings", "fulfillments": "wc/v3/orders/11/fulfillments"}.get(keeps, "notes")
    assert any(one.startswith("POST") and one.endswith(part) for one in shop.asked)
    new = ship(request, FEDEX, ("LAMP-1", 2), carrier="FedEx")
    tell(channel, run_work)
    assert of(new)[0] == "told" and shop.numbers == ([FEDEX] if keeps else [UPS, FEDEX]), "a note cannot be changed, so another one says so"


def test_a_shipment_taken_back_is_not_told_and_one_that_was_is_said(sold: Any, run_work: Any) -> None:
    shop, channel, request = sold("bigcommerce")
    parcel = ship(request, UPS, ("LAMP-1", 1))
    shipments.void(parcel, WHO)
    assert of(parcel) == ("dropped", "") and telling.start_due() == 0
    other = ship(request, FEDEX, ("LAMP-1", 1), carrier="FedEx")
    tell(channel, run_work)
    shipments.void(other, WHO)
    assert shop.numbers == [FEDEX] and "the store may still show it" in said(other)


@pytest.mark.parametrize("arrived", [True, False])
def test_a_shipment_taken_back_while_its_end_is_unknown_is_looked_for(arrived: bool, sold: Any, run_work: Any) -> None:
    shop, channel, request = sold("bigcommerce")
    shop.swallow, shop.refuse = int(arrived), int(not arrived)
    parcel = ship(request, UPS, ("LAMP-1", 1))
    tell(channel, run_work)
    shipments.void(parcel, WHO)
    ChannelNotice.update(due_at=clock.now()).execute()  # too early to say
    if not arrived:
        telling.start_due()
        run_work()
        assert of(parcel) == ("unknown", "failed") and "may still show it" in said(parcel)
    tell(channel, run_work)
    assert of(parcel) == (("told", "failed") if arrived else ("dropped", "")) and acts(parcel)[-1][0] == "look"
    assert shop.numbers == ([UPS] if arrived else []) and ("may still show it" in said(parcel)) == arrived


def test_a_store_that_is_away_keeps_everything_in_line(sold: Any, run_work: Any) -> None:
    shop, channel, request = sold("bigcommerce")
    parcel = ship(request, UPS, ("LAMP-1", 1))
    there, shop.answer = shop.answer, lambda *_: (403, {"title": "no scope"})
    run = tell(channel, run_work)
    assert run.state == "failed" and of(parcel)[0] == "waiting" and not ChannelAttempt.select().where(ChannelAttempt.act == "send").exists()
    assert telling.start_due() == 0, "it waits after a failure"
    shop.answer = there
    runs.start_sync(channels.integration(channel, channels.TELL), started_by=WHO)
    ChannelNotice.update(due_at=clock.now()).execute()
    run_work()
    assert shop.numbers == [UPS]


def test_a_removed_channel_is_asked_nothing_and_its_orders_stay(sold: Any, run_work: Any) -> None:
    shop, channel, request = sold("bigcommerce")
    parcel = ship(request, UPS, ("LAMP-1", 1))
    channels.remove(channel, WHO)
    heard = len(shop.asked)
    assert of(parcel)[0] == "dropped" and telling.start_due() == 0 and channels.listing(channel.merchant) == []
    ship(request, FEDEX, ("LAMP-1", 1), carrier="FedEx")
    run_work()
    assert len(shop.asked) == heard and Order.select().count() == 1 and channels.of_order(Order.get()) == channel
    assert channels.add(channel.merchant, channel.name, "shopify", channel.take_from, True, WHO), "its name is free again"
