"""Orders come in once, whole, and with what is wrong said."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal import clock, orders
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.models import AuditLine, CommittedStock, FulfillmentRequest, Order, OrderLine, Submission, SubmissionMember
from portal.orders import NewLine, NewOrder, OtherContent, changing
from tests.ordered import ADA, ask, place
from tests.together import eight_at_once

NEW = NewOrder("1001", [NewLine("HX-1", 3, "Hex bolt", 4_900), NewLine("HX-2", 1)], dict(ADA), reference="R-9", shipping_text="Ground")


def made(merchant, new=NEW):
    return orders.create(merchant, new, "ada@example.com", "hand")


def test_an_order_and_its_lines_are_kept_and_wait_to_be_routed(merchant):
    order, new = made(merchant)
    assert new and (order.state, order.routing, order.problems) == ("open", "waiting", [])
    assert order.ship_to["state_code"] == "ME" and order.ship_to["last_name"] == "Byron"
    assert [(line.number, line.sku, line.quantity, line.unrouted, line.price) for line in order.lines] == [
        (1, "HX-1", 3, 3, 4900),
        (2, "HX-2", 1, 1, None),
    ]
    assert AuditLine.select().where(AuditLine.action == "order.create").count() == 1


def test_the_same_order_again_is_the_one_we_have(merchant):
    first, _ = made(merchant)
    again, new = made(merchant, replace(NEW, ship_to={**ADA, "state": "me", "country": "usa"}))
    assert not new and again.id == first.id and Order.select().count() == 1


def test_eight_that_bring_the_same_order_at_once_make_one(merchant):
    found = eight_at_once(lambda: made(merchant))
    assert len({order.id for order, _ in found}) == 1 and sum(new for _, new in found) == 1 and OrderLine.select().count() == 2


def test_the_same_number_with_other_content_is_refused_by_what_differs(merchant):
    made(merchant)
    with pytest.raises(OtherContent, match=r"1001 already, and it differs in lines, ship-to address"):
        made(merchant, replace(NEW, lines=NEW.lines[:1], ship_to={**ADA, "city": "Bath"}))
    assert OrderLine.select().count() == 2
    assert made(merchant, replace(NEW, channel="another"))[1], "numbers are unique within a channel"


def test_another_merchants_order_of_the_same_number_is_another_order(merchant, other_merchant):
    assert made(merchant)[1] and made(other_merchant)[1]
    order = Order.get(Order.merchant == other_merchant)
    with pytest.raises(NotFound):
        orders.find(merchant, order.public_id)


def test_an_address_nobody_can_ship_to_puts_the_order_on_hold_and_loses_nothing(merchant):
    order, _ = made(merchant, replace(NEW, ship_to={**ADA, "state": "Mayne", "state_code": "", "address_1": ""}))
    assert (
        order.state == "on_hold"
        and {one["field"] for one in order.problems} == {"state", "address_1"}
        and order.ship_to["state"] == "Mayne"
    )
    with pytest.raises(Refused, match="Mend the address first"):
        changing.release(order, order.version, "ada")
    mended = changing.set_address(order, ADA, order.version, "ada")
    assert mended.state == "open" and mended.problems == []


@pytest.mark.parametrize(
    ("changed", "key", "said"),
    [
        ({"number": " "}, "number", "Enter the order's number"),
        ({"number": "x" * 61}, "number", "has 61 characters; 60 at most"),
        ({"note": "a\nb"}, "note", "line break or control character"),
        ({"lines": []}, "lines", "at least one line"),
        ({"lines": [NewLine("A", 1)] * 501}, "lines", "at most 500 lines"),
        ({"lines": [NewLine("A", 0)]}, "lines.0.quantity", "The quantity is 0"),
        ({"lines": [NewLine("A", 1), NewLine("B", -2)]}, "lines.1.quantity", "The quantity is -2"),
        ({"lines": [NewLine(" ", 1)]}, "lines.0.sku", "Enter the SKU"),
        ({"lines": [NewLine("A", 1, price=-1)]}, "lines.0.price", "from 0 up"),
        ({"currency": "dollar"}, "currency", "three letters"),
        ({"total": -1}, "total", "from 0 up"),
    ],
)
def test_what_no_order_can_be_is_refused_at_its_place(merchant, changed, key, said):
    with pytest.raises(Invalid) as told:
        made(merchant, replace(NEW, **changed))
    assert list(told.value.errors) == [key] and said in told.value.errors[key] and not Order.select().count()


def test_hold_release_and_a_second_browser(merchant):
    order, _ = made(merchant)
    held = changing.hold(order, order.version, "ada")
    assert held.state == "on_hold"
    with pytest.raises(Stale):
        changing.hold(order, order.version, "bob")
    assert changing.release(held, held.version, "ada").state == "open"


def test_cancelling_voids_what_was_not_sent_and_frees_its_stock(merchant, make_source):
    order = place(merchant, [("HX-1", 3)])
    ask(order, make_source(), state="processing")
    order = Order.get_by_id(order.id)
    order.merchant = merchant
    canceled = changing.cancel(order, order.version, "ada")
    line = OrderLine.get()
    assert canceled.state == "canceled" and (line.cancelled, line.routed, line.unrouted) == (3, 0, 0)
    assert FulfillmentRequest.get().state == "voided" and CommittedStock.get().quantity == 0


@pytest.mark.parametrize(("state", "sending"), [("processed", "sent"), ("processing", "check_needed"), ("processing", "uploading")])
def test_what_a_supplier_may_have_is_neither_cancelled_nor_sent_elsewhere(merchant, make_source, state, sending):
    order = place(merchant, [("HX-1", 3)])
    ask(order, make_source(), state=state, sending=sending)
    order = Order.get_by_id(order.id)
    order.merchant = merchant
    with pytest.raises(Refused, match="may have 1001"):
        changing.cancel(order, order.version, "ada")
    with pytest.raises(Refused, match="was sent with the old address"):
        changing.set_address(order, ADA, order.version, "ada")
    assert OrderLine.get().cancelled == 0


def test_cancelling_takes_back_what_waits_to_leave(merchant, make_source):
    order, source = place(merchant, [("HX-1", 3)]), make_source()
    request = ask(order, source, state="processing", sending="waiting")
    waiting = Submission.create(merchant=merchant, source=source, transport="sftp", witness="rename", reference="000001")
    SubmissionMember.create(submission=waiting, request=request, generation=1)
    order = orders.find(merchant, order.public_id)
    assert changing.cancel(order, order.version, "ada").state == "canceled"
    assert Submission.get().state == "cancelled", "a voided request would have left all the same"


def test_an_order_that_has_begun_to_leave_is_not_cancelled_in_part(merchant, make_source):
    order, source = place(merchant, [("HX-1", 3)]), make_source()
    request = ask(order, source, state="processing", sending="waiting")
    leaving = Submission.create(
        merchant=merchant, source=source, transport="sftp", witness="rename", reference="000001", left_at=clock.now()
    )
    SubmissionMember.create(submission=leaving, request=request, generation=1)
    order = orders.find(merchant, order.public_id)
    with pytest.raises(Refused, match="has begun to leave"):
        changing.cancel(order, order.version, "ada")
    assert (OrderLine.get().cancelled, FulfillmentRequest.get().state) == (0, "processing")


def test_an_address_that_changes_before_the_order_left_is_the_one_that_leaves(merchant, make_source):
    order, source = place(merchant, [("HX-1", 3)]), make_source()
    request = ask(order, source, state="processing", sending="waiting")
    waiting = Submission.create(merchant=merchant, source=source, transport="sftp", witness="rename", reference="000001")
    SubmissionMember.create(submission=waiting, request=request, generation=1)
    order = orders.find(merchant, order.public_id)
    with pytest.raises(Invalid, match="City is missing"):
        changing.set_address(order, {**ADA, "city": ""}, order.version, "ada")
    assert Submission.get().state == "waiting"
    changing.set_address(order, {**ADA, "city": "Bath"}, order.version, "ada")
    assert (Submission.get().state, Order.get().ship_to["city"]) == ("cancelled", "Bath"), "the old bytes would have left"
    assert FulfillmentRequest.get().generation == 2


def test_an_order_that_is_over_keeps_its_address(merchant):
    order = place(merchant, state="canceled")
    with pytest.raises(Refused, match="not open any more"):
        changing.set_address(orders.find(merchant, order.public_id), {}, order.version, "ada")
    assert Order.get().state == "canceled"


def test_a_note_too_long_is_said_not_cut(merchant):
    order = place(merchant)
    with pytest.raises(Invalid, match="501 characters"):
        changing.set_note(orders.find(merchant, order.public_id), "x" * 501, order.version, "ada")
    assert Order.get().note == ""
