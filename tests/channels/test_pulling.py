"""Orders of a store come in: once each, none lost, and what changed or cannot be taken is said."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import channels, connection_checks, connections, runs
from portal.channels import pulling
from portal.errors import Refused
from portal.models import Channel, ChannelOrder, Integration, Listing, Order, OrderLine, Product, Run
from tests.channels.shops import at, bought
from tests.connecting import WHO

KINDS = ["shopify", "bigcommerce", "woocommerce"]


def pull(channel: Channel, run_work: Callable[[], None]) -> Run:
    run = runs.start_sync(channels.integration(channel, channels.PULL), started_by=WHO)
    run_work()
    return Run.get_by_id(run.id)


def orders() -> dict[str, Order]:
    return {one.reference: one for one in Order.select()}


@pytest.mark.one_database
def test_a_listing_sku_is_turned_into_the_master_sku_of_its_product(shops: Any, merchant: Any, run_work: Any) -> None:
    shop, channel = shops("woocommerce")
    for n, state in enumerate(("live", "ended"), 1):
        Listing.create(channel=channel, product=Product.create(merchant=merchant, sku=f"LAMP-{n}"), sku=f"EB-LAMP-{n}", state=state)
    elsewhere = channels.add(merchant, "Elsewhere", "csv", at(-60), False, WHO)
    Listing.create(channel=elsewhere, product=Product.get(), sku="LAMP-3")
    shop.orders = [bought(11, [("EB-LAMP-1", 2), ("EB-LAMP-2", 1), ("LAMP-3", 1)])]
    pull(channel, run_work)
    assert [one.sku for one in OrderLine.select().order_by(OrderLine.number)] == ["LAMP-1", "LAMP-2", "LAMP-3"]
    assert pull(channel, run_work).counts.get("differs", 0) == 0


@pytest.mark.one_database
@pytest.mark.parametrize("kind", KINDS)
def test_paid_orders_come_in_once_and_what_cannot_be_taken_waits(kind: str, shops: Any, run_work: Any) -> None:
    shop, channel = shops(kind)
    shop.orders = [
        bought(11, [("LAMP-1", 2), ("LAMP-2", 1)]), bought(12, [("LAMP-1", 1), ("", 1)], 1), bought(13, [("LAMP-1", 1)], 2, state="unpaid"),
        bought(14, [("LAMP-1", 1)], 3, state="canceled"), bought(15, [("LAMP-1", 1)], 4, placed=-9_000),
        bought(16, [("LAMP-3", 4)], 5, refunded={"161": 3}),
    ]  # fmt: skip
    run = pull(channel, run_work)
    assert (run.state, run.counts) == ("warnings", {"read": 6, "taken": 2, "waiting": 1}), (run.problem, run.counts)
    taken = orders()
    assert set(taken) == {"11", "16"}
    one = taken["11"]
    assert (one.channel, one.came_by, one.state, one.total, one.ordered_at) == (channel.public_id, kind, "open", 250_000, at(0))
    assert (one.ship_to["name"], one.ship_to["state_code"], one.ship_to["country_code"], one.problems) == ("Ada Byron", "ME", "US", [])
    assert (one.shipping_text, one.note) == ("Ground", "ring twice")
    lines = OrderLine.select().where(OrderLine.order == one).order_by(OrderLine.number)
    assert [(line.sku, line.quantity, line.price, line.reference) for line in lines] == [
        ("LAMP-1", 2, 125_000, "111"), ("LAMP-2", 1, 125_000, "112"),
    ]  # fmt: skip
    assert [line.quantity for line in OrderLine.select().where(OrderLine.order == taken["16"])] == [1], "three were refunded"
    (waits,) = pulling.needing(channel)
    assert (waits.ref, waits.state) == ("12", "waiting") and "Line 2, “Lamp 2”, has no SKU in the store" in waits.why
    again = pull(channel, run_work)
    assert again.counts.get("taken", 0) == 0 and Order.select().count() == 2 and ChannelOrder.select().count() == 3
    assert channels.integration(channel, channels.PULL).schedule == {"every_minutes": 15}
    made = pulling.take_by_hand(channel, pulling.find(channel, waits.public_id), {"122": "LAMP-9"}, WHO)
    assert made and [line.sku for line in made.lines.order_by(OrderLine.number)] == ["LAMP-1", "LAMP-9"]
    with pytest.raises(Refused, match="does not wait any more"):
        pulling.take_by_hand(channel, pulling.find(channel, waits.public_id), {}, WHO)


@pytest.mark.one_database
@pytest.mark.parametrize("kind", KINDS)
def test_what_the_store_changes_later_is_said_and_our_order_stays(kind: str, shops: Any, run_work: Any) -> None:
    shop, channel = shops(kind)
    shop.orders = [bought(11, [("LAMP-1", 2)]), bought(12, [("LAMP-2", 1)], state="unpaid"), bought(13, [("LAMP-3", 1)])]
    pull(channel, run_work)
    shop.order(11).update(street="9 Elsewhere Ln", changed=5)
    shop.order(12).update(state="paid", changed=6)
    shop.order(13).update(state="canceled", changed=7)
    run = pull(channel, run_work)
    assert (run.state, run.counts) == ("warnings", {"read": 3, "differs": 2, "taken": 1})
    told = {row.ref: row.differs for row in ChannelOrder.select()}
    assert told["11"] == "The store changed the ship-to address. Our order was not changed."
    assert told["13"] == "It was canceled in the store. Our order was not changed." and told["12"] == ""
    assert orders()["11"].ship_to["address_1"] == "12 Harbor Rd" and orders()["13"].state == "open"
    for row in pulling.needing(channel):
        pulling.seen(row)
    shop.order(11)["shipped"] = {"111": 1}
    shop.order(11)["changed"] = 9
    assert pull(channel, run_work).state == "no_change" and pulling.needing(channel) == [], (
        "what was seen, and what was shipped, is no news"
    )


def test_pages_are_read_to_their_end_though_orders_move_meanwhile(shops: Any, run_work: Any) -> None:
    shop, channel = shops("woocommerce")
    shop.orders = [bought(1_000 + n, [("LAMP-1", 1)], n) for n in range(20)]
    shop.orders += [bought(2_000 + n, [("LAMP-1", 1)], 30) for n in range(110)]  # more of one moment than a page holds
    before = shop.answer

    def moving(method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        answer: tuple[int, Any] = before(method, path, query, body)
        if path.endswith("/orders") and len(shop.asked) < 4:
            shop.order(1_000)["changed"] = 40  # it leaves the first page for the end of the list
        return answer

    shop.answer = moving
    run = pull(channel, run_work)
    assert run.state == "finished" and run.counts["taken"] == 130 == Order.select().count(), (run.problem, run.counts)
    assert channels.find(channel.merchant, channel.public_id).seen_until == at(40)


@pytest.mark.one_database
def test_a_pull_that_breaks_off_goes_on_where_it_was(shops: Any, run_work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop, channel = shops("woocommerce")
    shop.orders = [bought(1_000 + n, [("LAMP-1", 1)], n) for n in range(103)]
    before, broken = shop.answer, [True]

    def breaking(method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if broken and len([one for one in shop.asked if one.endswith("/orders")]) > 1:
            return 403, {"code": "firewall"}
        told: tuple[int, Any] = before(method, path, query, body)
        return told

    shop.answer = breaking
    run = pull(channel, run_work)
    assert run.state == "failed" and Order.select().count() == 100, "what had come stays"
    assert channels.standing(channel).state == "action"
    broken.clear()
    assert pull(channel, run_work).counts["taken"] == 3 and Order.select().count() == 103


@pytest.mark.one_database
@pytest.mark.parametrize("kind", KINDS)
def test_the_connection_is_tested_for_orders_and_reads_no_stock(kind: str, shops: Any, run_work: Any) -> None:
    shop, channel = shops(kind)
    line = channels.line_of(channel)
    run = connection_checks.start(line, WHO)
    run_work()
    checks = connection_checks.read_back(connections.find(line))
    assert Run.get_by_id(run.id).state == "finished" and [one.state for one in checks] == ["passed"] * 5, [one.problem for one in checks]
    assert not any("product" in one or "inventory" in one for one in shop.asked)
    if kind == "shopify":
        shop.scopes = "read_orders"
        connection_checks.start(line, WHO)
        run_work()
        (failed,) = [one for one in connection_checks.read_back(connections.find(line)) if one.problem]
        assert failed.problem and "read_merchant_managed_fulfillment_orders" in failed.problem.body


@pytest.mark.one_database
def test_an_order_to_two_addresses_or_a_test_order_waits_for_a_person(shops: Any, run_work: Any) -> None:
    shop, channel = shops("bigcommerce")
    shop.orders = [bought(11, [("LAMP-1", 1)], places=2)]
    assert pull(channel, run_work).counts == {"read": 1, "waiting": 1}
    (row,) = pulling.needing(channel)
    assert "goes to 2 addresses" in row.why
    pulling.leave(row, WHO)
    assert pull(channel, run_work).counts == {"read": 1} and not Order.select().exists()
    integration = Integration.get(Integration.source == channel.line, Integration.kind == channels.PULL)
    assert integration.enabled
