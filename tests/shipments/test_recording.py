"""A shipment counts once, however often and in whatever order it is told; what is not certain waits with a reason."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import requests, shipments
from portal.models import CommittedStock, FulfillmentRequest, Order, RequestEvent, Shipment, ShipmentItem, database
from portal.shipments import Cause, Notice
from portal.shipments.matching import Unmatched
from tests.ordered import ADA, ask, lines_of, place
from tests.together import eight_at_once

FILE = Cause("file", row=2)
UPS = "1Z999AA10123456784"


@pytest.fixture
def source(make_source):
    return make_source()


@pytest.fixture
def asked(merchant, source):
    return ask(place(merchant, [("HX-1", 3), ("HX-2", 1)]), source)


def told(source, reference="1001", tracking=UPS, items=(), **more):
    return shipments.record(source, Notice(reference, tracking, items, **more), FILE)


def shipped(request):
    return {line.sku: line.shipped for line in lines_of(request)}


def test_a_whole_request_and_its_parts(asked, source):
    found = told(source, items=[("HX-1", 2)])
    assert found.kind == "new" and shipped(asked) == {"HX-1": 2, "HX-2": 0} and found.shipment.carrier_key == "ups"
    assert told(source, tracking="TBA000000000001").kind == "new", "nothing told: all that is left"
    assert shipped(asked) == {"HX-1": 3, "HX-2": 1} and Order.get().state == "closed"
    assert {row.quantity for row in CommittedStock.select()} == {0}
    event = RequestEvent.select().order_by(RequestEvent.id).first()
    assert (event.kind, event.cause, event.row) == ("ship", "file", 2) and "UPS 1Z999AA10123456784: 2 x HX-1" in event.words


def test_five_times_the_same_is_one(asked, source):
    kinds = [told(source, items=[("HX-1", 2)]).kind for _ in range(5)]
    assert kinds == ["new"] + ["known"] * 4 and shipped(asked)["HX-1"] == 2 and Shipment.get().told == 5
    assert told(source, tracking=f" {UPS[:8]} {UPS[8:].lower()}", items=[("hx-1", 2)]).kind == "known", "as it is written elsewhere"


def test_a_parcel_told_row_by_row_is_one_shipment(asked, source):
    assert [told(source, items=[one]).kind for one in (("HX-1", 2), ("HX-2", 1), ("HX-1", 3))] == ["new", "more", "more"]
    assert shipped(asked) == {"HX-1": 3, "HX-2": 1} and Shipment.select().count() == 1
    assert told(source, items=[("HX-1", 1)]).kind == "known", "an older, smaller word about it changes nothing"


def test_another_number_for_the_same_parcel_corrects_it(asked, source):
    told(source, items=[("HX-1", 3)])
    found = told(source, tracking="TBA000000000002", items=[("HX-1", 3)])
    old = Shipment.get(Shipment.tracking_number == UPS)
    assert found.kind == "corrected" and found.shipment.corrects_id == old.id and old.state == "voided"
    assert shipped(asked)["HX-1"] == 3 and told(source, items=[("HX-1", 3)]).kind == "known", "the wrong number again is no parcel"
    told(source, tracking="TBA000000000003", items=[("HX-2", 1)])
    assert shipped(asked) == {"HX-1": 3, "HX-2": 1}


def test_a_request_that_went_whole_may_get_another_number(asked, source):
    told(source)
    assert told(source, tracking="TBA000000000002").kind == "corrected" and shipped(asked) == {"HX-1": 3, "HX-2": 1}


@pytest.mark.parametrize(
    ("notice", "why"),
    [
        ({"reference": "9999"}, "No request of this source has the reference “9999”"),
        ({"items": [("HX-9", 1)]}, "has no line with the SKU “HX-9”; it has HX-1, HX-2"),
        ({"items": [("HX-1", 4)]}, "has 3 of HX-1 left to ship, and 4 were told"),
        ({"items": [("HX-1", 0)]}, "0 units of HX-1"),
        ({"tracking": " - "}, "It has no tracking number"),
    ],
)
def test_what_is_not_certain_waits_once_with_a_reason(asked, source, notice, why):
    found, again = told(source, **notice), told(source, **notice)
    assert found.kind == again.kind == "unmatched" and why in found.words and found.shipment.id == again.shipment.id
    assert Shipment.get().state == "unmatched" and Shipment.get().told == 2 and shipped(asked) == {"HX-1": 0, "HX-2": 0}


@pytest.mark.parametrize(("state", "sending"), [("unprocessed", ""), ("voided", ""), ("canceled", "sent"), ("processing", "waiting")])
def test_nothing_ships_of_a_request_that_was_not_sent_or_is_over(asked, source, state, sending):
    FulfillmentRequest.update(state=state, sending=sending).execute()
    assert "nothing of it should have shipped" in told(source).words and shipped(asked) == {"HX-1": 0, "HX-2": 0}


def test_a_shipment_may_come_before_the_answer_and_tells_that_it_arrived(asked, source):
    FulfillmentRequest.update(state="processing", sending="check_needed").execute()
    assert told(source, items=[("HX-1", 1)]).kind == "new"


def test_other_sources_and_merchants_requests_are_not_there(asked, source, make_source, other_merchant):
    for other in (make_source("Second"), make_source("Theirs", of=other_merchant)):
        found = told(other)
        assert found.kind == "unmatched" and "No request of this source" in found.words and not found.shipment.suggestions
    assert shipped(asked) == {"HX-1": 0, "HX-2": 0}


def test_by_the_suppliers_own_number_and_by_the_orders(asked, source):
    FulfillmentRequest.update(number="PO-1001-1", their_id="SO-77").execute()
    assert (
        told(source, "SO-77", items=[("HX-1", 1)]).kind == "new" and told(source, "1001", tracking="B1", items=[("HX-2", 1)]).kind == "new"
    )


def test_an_order_with_two_requests_here_is_not_guessed(merchant, source):
    order = place(merchant, [("HX-1", 1)])
    ask(order, source, "1001-1")
    order.lines[0].update(unrouted=1, routed=1, quantity=2).execute()
    ask(order, source, "1001-2")
    found = told(source, "1001")
    assert found.kind == "unmatched" and "2 requests of this source belong to “1001”" in found.words
    assert {one["number"] for one in found.shipment.suggestions} == {"1001-1", "1001-2"}


def test_a_number_of_another_request_counts_only_for_the_same_address(merchant, source, asked):
    told(source, items=[("HX-1", 1)])
    ask(place(merchant, [("HX-3", 1)], "1002"), source)
    assert told(source, "1002").kind == "new", "two orders of one customer in one parcel"
    elsewhere = place(merchant, [("HX-3", 1)], "1003")
    Order.update(ship_to={**ADA, "postal": "10001"}).where(Order.id == elsewhere.id).execute()
    ask(elsewhere, source)
    assert "is used for request" in told(source, "1003").words


def test_nearly_the_same_reference_is_suggested_and_a_person_attaches_it(asked, source):
    FulfillmentRequest.update(number="PO-1001").execute()
    waiting = told(source, "po 1001 ", items=[("HX-1", 2)]).shipment
    assert waiting.suggestions[0]["number"] == "PO-1001"
    done = shipments.attach(waiting, FulfillmentRequest.get(), "ada")
    assert done.kind == "new" and shipped(asked)["HX-1"] == 2 and Shipment.get().state == "matched"
    other = told(source, "nobody", "T-2", [("HX-1", 5)]).shipment
    with pytest.raises(Unmatched, match="has 1 of HX-1 left"):
        shipments.attach(other, FulfillmentRequest.get(), "ada")
    assert Shipment.get_by_id(other.id).state == "unmatched"


def test_void_takes_it_back_and_the_stock_is_held_again(asked, source):
    made = told(source, items=[("HX-1", 2)]).shipment
    for _ in range(2):
        assert shipments.void(made, "ada", "wrong parcel").state == "voided"
    assert shipped(asked)["HX-1"] == 0 and CommittedStock.get(CommittedStock.sku == "HX-1").quantity == 3
    assert told(source, items=[("HX-1", 2)]).kind == "known", "the same file again does not bring it back"


def test_ignored_stays_ignored(asked, source):
    shipments.ignore(told(source, "9999").shipment, "ada")
    assert told(source, "9999").kind == "known" and Shipment.get().state == "ignored"


def test_eight_that_tell_the_same_at_once_count_once(asked, source):
    found = eight_at_once(lambda: told(source, items=[("HX-1", 2)]))
    assert sorted(one.kind for one in found) == ["known"] * 7 + ["new"] and shipped(asked)["HX-1"] == 2
    assert {one.kind for one in eight_at_once(lambda: told(source, "9999"))} == {"unmatched"}
    assert Shipment.select().where(Shipment.state == "unmatched").count() == 1


def test_a_sku_in_two_lines_fills_one_after_the_other(merchant, source):
    request = ask(place(merchant, [("HX-1", 2), ("HX-1", 2)]), source)
    told(source, items=[("HX-1", 3)])
    assert [line.shipped for line in lines_of(request)] == [2, 1]


def test_a_upc_or_mpn_of_one_line_is_understood(asked, source):
    for line in lines_of(asked):
        line.upc, line.mpn = f"03600029145{line.number}", f"M-{line.number}"
        line.save()
    told(source, items=[("36000291452", 1), ("M-1", 2)])
    assert shipped(asked) == {"HX-1": 2, "HX-2": 1}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(1, 3)), min_size=1, max_size=6), st.integers(0, 2**32))
def test_any_order_and_repetition_gives_the_same_end(merchant, source, parcels, seed):
    """Notices that do not contradict each other: of each parcel and SKU the most that was told counts."""
    most: dict[tuple[int, int], int] = {}
    for parcel, sku, units in parcels:
        most[parcel, sku] = max(units, most.get((parcel, sku), 0))
    need = [sum(units for (_, sku), units in most.items() if sku == n) + 1 for n in range(2)]
    ends = []
    for _ in range(2):
        with database.atomic() as undone:
            number = f"N{next(_numbers)}"
            request = ask(place(merchant, [("A", need[0]), ("B", need[1])], number), source)
            notices = parcels * 2
            random.Random(seed + len(ends)).shuffle(notices)  # noqa: S311 - no secret
            for parcel, sku, units in notices:
                told(source, number, f"T-{parcel}", [("AB"[sku], units)])
            ends.append((shipped(request), sorted((one.shipment.tracking_key, one.sku, one.quantity) for one in ShipmentItem.select())))
            undone.rollback()
    assert ends[0] == ends[1] and ends[0][0] == {"A": need[0] - 1, "B": need[1] - 1}


_numbers = itertools.count()


def test_without_the_look_at_what_is_known_a_repeat_would_count_twice(asked, source, monkeypatch):
    monkeypatch.setattr("portal.shipments.recording._inside", lambda _: {})
    told(source, items=[("HX-1", 1)])
    told(source, items=[("HX-1", 1)])
    assert shipped(asked)["HX-1"] == 2, "the saboteur: this is what the guard prevents"
    assert requests.counts(lines_of(asked)[0]).held == 1


def test_what_no_longer_waits_is_not_attached_again(merchant, asked, source):
    waiting = told(source, "9999", "TRK7", [("HX-1", 1)]).shipment
    stale = Shipment.get_by_id(waiting.id)
    shipments.attach(waiting, asked, "ana")
    with pytest.raises(Unmatched, match="no longer waits"):
        shipments.attach(stale, asked, "bo")  # its row is gone, so without that look it would be told as all of the order
    matched = told(source, items=[("HX-1", 1)]).shipment
    other = ask(place(merchant, [("HX-1", 3)], "1002"), source)
    with pytest.raises(Unmatched, match="no longer waits"):
        shipments.attach(matched, other, "bo")
    assert shipped(asked) == {"HX-1": 2, "HX-2": 0} and shipped(other) == {"HX-1": 0}
