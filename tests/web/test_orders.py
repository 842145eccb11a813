"""Orders on pages: who needs a person, one order in full, and typing one in, as a browser without scripts does."""

from __future__ import annotations

from typing import Any

from portal import orders, routing
from portal.models import FulfillmentRequest, Order, OrderLine, Shipment, ShipmentItem
from portal.orders import listing
from portal.orders.listing import Asked
from tests.ordered import ADA, ask, lines_of, place
from tests.stocked import stock_up

TYPED = {
    "number": "1001", "name": "Ada Byron", "address_1": "12 Harbor Rd", "city": "Portland", "state": "me", "postal": "04101",
    "country": "usa",
    "lines.0.sku": "HX-1", "lines.0.quantity": "3", "lines.2.sku": "HX-2", "lines.2.quantity": "1", "lines.2.price": "1,204.50",
}  # fmt: skip


def add(client: Any, **changed: Any) -> Any:
    return client.send_form("/orders/new", {**TYPED, **changed})


def at(order: Order, what: str = "") -> str:
    return f"/orders/{order.public_id}{what}"


def test_an_empty_workspace_is_told_how_orders_come(client: Any) -> None:
    page = client.get("/orders").text
    assert "No orders yet" in page and "+ Add order" in page and 'href="/orders" aria-current="page"' in page


def test_an_order_is_typed_in_and_routed(client: Any, make_source: Any) -> None:
    stock_up(make_source(), {"HX-1": 10})
    answer = add(client)
    order = Order.get()
    assert answer.status_code == 303 and answer.location.endswith(at(order))
    assert [(one.sku, one.quantity, one.price) for one in order.lines] == [("HX-1", 3, None), ("HX-2", 1, 12_045_000)]
    assert (order.state, order.ship_to["state"], order.added_by) == ("open", "Maine", "owner@harbor.example")
    routed = client.send_form(at(order, "/routing"), page=at(order))
    page = client.get(routed.location).text
    assert "3 at Northwind on" in page and "No source has an item with the Master SKU HX-2." in page
    assert "Came in" in page and "Created" in page, "the timeline tells both"


def test_the_same_order_typed_again_is_one_and_another_content_is_told(client: Any) -> None:
    add(client)
    assert add(client).status_code == 303 and Order.select().count() == 1
    refused = add(client, **{"lines.0.quantity": "4"})
    assert refused.status_code == 422 and "it differs in lines" in refused.text and "See the order 1001 that is here" in refused.text
    assert OrderLine.get().quantity == 3


NO_LINE = dict.fromkeys(("lines.0.sku", "lines.0.quantity", "lines.2.sku", "lines.2.quantity", "lines.2.price"), "")
BAD: list[tuple[dict[str, str], str, str]] = [
    ({"lines.0.quantity": "0"}, "lines-0-quantity", "is no quantity"),
    ({"lines.0.quantity": "-3"}, "lines-0-quantity", "is no quantity"),
    ({"lines.2.sku": ""}, "lines-2-sku", "Enter the SKU of this line"),
    ({"lines.2.sku": "x" * 121}, "lines-2-sku", "SKU has 121 characters"),
    ({"lines.2.price": "cheap"}, "lines-2-price", "not a number"),
    ({"number": " "}, "number", "Enter the order&#39;s number"),
    ({"state": "Mayne"}, "state", "is no state of United States we know"),
    ({"address_1": ""}, "address_1", "Address line 1 is missing"),
    (NO_LINE, "lines-0-sku", "at least one line"),
]


def test_bad_input_is_told_at_its_place_and_nothing_typed_is_lost(client: Any) -> None:
    for changed, id, said in BAD:
        refused = add(client, **changed)
        assert refused.status_code == 422 and said in refused.text and f'href="#{id}"' in refused.text and f'id="{id}"' in refused.text
        sent = client.form_values(refused.text, "/orders/new")
        assert {name: sent[name] for name in TYPED} == {**TYPED, **changed}
    assert not Order.select().count()


def test_more_lines_without_scripts(client: Any) -> None:
    more = add(client, more="1")
    sent = client.form_values(more.text, "/orders/new")
    assert "lines.7.sku" in sent and sent["lines.2.sku"] == "HX-2" and not Order.select().count()
    assert "need another look" not in more.text


def test_an_address_with_problems_is_kept_on_hold_where_asked_and_mended_later(client: Any) -> None:
    assert add(client, state="Mayne", keep="1").status_code == 303
    order = Order.get()
    assert order.state == "on_hold" and "The address needs another look" in client.get(at(order)).text
    assert "is no state of United States" in client.get("/orders").text, "it needs somebody, so it is shown first"
    refused = client.send_form(at(order, "/address"), {"state": "Moon"})
    assert refused.status_code == 422 and "“Moon” is no state" in refused.text
    assert client.send_form(at(order, "/address"), {"state": "Maine"}).status_code == 303
    assert Order.get().state == "open" and Order.get().problems == []


def test_two_who_edit_the_address_see_each_other(client: Any, merchant: Any) -> None:
    order = place(merchant)
    Order.update(version=9, changed_by="bob@harbor.example").where(Order.id == order.id).execute()
    stale = client.send_form(at(order, "/address"), {"version": "1", "city": "Bath"})
    assert stale.status_code == 409 and "bob@harbor.example" in stale.text and 'value="Bath"' in stale.text


def test_hold_release_note_and_cancel(client: Any, merchant: Any, make_source: Any) -> None:
    order = place(merchant)
    ask(order, make_source(), state="unprocessed")
    client.send_form(at(order, "/hold"), page=at(order))
    assert Order.get().state == "on_hold"
    client.send_form(at(order, "/release"), page=at(order))
    client.send_form(at(order, "/note"), {"note": "Ring twice"})
    page = client.get(at(order)).text
    assert "Ring twice" in page and "Put on hold" in page and "Released" in page
    confirm = client.get(at(order, "/cancellation")).text
    assert "Cancel order 1001" in confirm and "not sent, and withdrawn with the order" in confirm
    assert client.send_form(at(order, "/cancellation")).status_code == 303
    assert Order.get().state == "canceled" and FulfillmentRequest.get().state == "voided"


def test_what_was_sent_is_not_canceled_from_here(client: Any, merchant: Any, make_source: Any) -> None:
    order = place(merchant)
    ask(order, make_source(), sending="sent")
    assert "it may have it already" in client.get(at(order, "/cancellation")).text
    refused = client.send_form(at(order, "/cancellation"))
    assert refused.status_code == 409 and "Cancel or void that request first" in refused.text and Order.get().state == "open"


def test_a_shipment_shows_at_its_order(client: Any, merchant: Any, make_source: Any) -> None:
    order, source = place(merchant), make_source()
    request = ask(order, source)
    parcel = Shipment.create(
        merchant=merchant, source=source, request=request, state="matched", reference="1001", tracking_number="1Z999AA10123456784",
        tracking_key="1Z999AA10123456784", carrier="UPS", came_by="hand",
    )  # fmt: skip
    ShipmentItem.create(shipment=parcel, line=lines_of(request)[0], sku="HX-1", quantity=2)
    page = client.get(at(order)).text
    assert "1Z999AA10123456784" in page and "UPS" in page


BAD_CITY = [{"field": "city", "words": "City is missing."}]
# name -> (columns of the order, columns of its request or None for none, whether it needs a person)
CASES: dict[str, tuple[dict[str, Any], dict[str, Any] | None, bool]] = {
    "waits": ({}, None, False),
    "no source": ({"routing": "problem", "routing_said": "No source has it."}, None, True),
    "address": ({"state": "on_hold", "problems": BAD_CITY}, None, True),
    "held by hand": ({"state": "on_hold"}, None, False),
    "failed": ({"state": "failed"}, None, True),
    "no method": ({"state": "no_shipping_method", "shipping_text": "Owl"}, None, True),
    "canceled with problems": ({"state": "canceled", "problems": BAD_CITY}, None, False),
    "closed": ({"state": "closed"}, None, False),
    "refused": ({}, {"state": "failed"}, True),
    "in doubt": ({}, {"state": "processing", "sending": "check_needed"}, True),
    "too long": ({}, {"state": "too_long"}, True),
    "sent": ({}, {"sending": "sent"}, False),
    "unprocessed": ({}, {"state": "unprocessed"}, False),
}


def test_the_list_and_its_sentences_agree_on_who_needs_a_person(merchant: Any, make_source: Any) -> None:
    source = make_source()
    for case, (columns, request, _) in CASES.items():
        order = place(merchant, number=case, **columns)
        if request is not None:
            ask(order, source, **request)
    shown = {view: {row.order.number for row in listing.search(merchant, Asked(view)).rows} for view in listing.VIEWS}
    rows = {row.order.number: row for row in listing.search(merchant, Asked("all")).rows}
    assert shown["all"] == set(rows) == set(CASES) and all(row.stands for row in rows.values())
    assert shown["needs"] == {case for case, row in rows.items() if row.needs} == {case for case, (*_, needs) in CASES.items() if needs}
    assert shown["waiting"] == {case for case, row in rows.items() if not row.needs and row.order.state not in listing.OVER}
    assert listing.counts(merchant) == {view: len(found) for view, found in shown.items()}


def test_orders_are_found_by_what_people_know_of_them(client: Any, merchant: Any, make_source: Any) -> None:
    source = make_source()
    ask(place(merchant, [("HX-1", 1)], "A-100"), source, number="FR-7")
    place(merchant, [("HX-9", 1)], "B-200%", reference="R-9")
    for text, number in (("A-1", "A-100"), ("HX-9", "B-200%"), ("R-9", "B-200%"), ("FR-7", "A-100"), ("B-200%", "B-200%")):
        found = listing.search(merchant, Asked(query=text)).rows
        assert [row.order.number for row in found] == [number], text
    assert len(listing.search(merchant, Asked(query="byron")).rows) == 2 and not listing.search(merchant, Asked(query="%")).rows
    assert (
        "A-100" in client.get(f"/orders?source={source.public_id}").text
        and "B-200" not in client.get(f"/orders?source={source.public_id}").text
    )
    nothing = client.get("/orders?q=nothing-like-it").text
    assert "No order matches" in nothing and "No orders yet" not in nothing


def test_pages_lead_on_and_back_and_a_strange_one_is_the_first(client: Any, merchant: Any) -> None:
    for n in range(listing.PAGE_SIZE + 3):
        place(merchant, number=f"N{n:03}")
    for view, first in (("all", "N052"), ("waiting", "N000")):
        one = listing.search(merchant, Asked(view))
        two = listing.search(merchant, Asked(view, cursor=one.next_cursor))
        back = listing.search(merchant, Asked(view, cursor=two.previous_cursor))
        assert one.rows[0].order.number == first and len(two.rows) == 3 and not two.next_cursor
        assert [row.order.id for row in back.rows] == [row.order.id for row in one.rows] and not back.previous_cursor
    assert "That page is not there" in client.get("/orders?page=x").text


def test_a_page_of_orders_asks_the_database_a_few_things_only(merchant: Any, make_source: Any, counting: Any) -> None:
    source = make_source()
    for n in range(20):
        ask(place(merchant, number=f"N{n}"), source, number=f"N{n}")
    with counting() as queries:
        listing.search(merchant, Asked())
    assert len(queries) <= 6


def test_long_data_fits_and_markup_is_shown_as_text(client: Any, merchant: Any) -> None:
    order = place(merchant, [("S" * 120, 1_000_000)], "<b>" + "N" * 57)
    Order.update(ship_to={**ADA, "name": "<script>" + "n" * 100}).where(Order.id == order.id).execute()
    for path in ("/orders", at(order), at(order, "/address"), at(order, "/cancellation")):
        page = client.get(path).text
        assert "<script>n" not in page and "<b>N" not in page and "NNN" in page


def test_routing_says_no_for_an_order_that_is_over(client: Any, merchant: Any) -> None:
    order = place(merchant)
    client.get(at(order))
    sent = client.form_values(client.get(at(order)).text, at(order, "/routing"))
    Order.update(state="canceled").where(Order.id == order.id).execute()
    refused = client.post(at(order, "/routing"), data=sent)
    assert refused.status_code == 409 and "It is canceled" in refused.text
    assert orders.find(merchant, order.public_id).state == "canceled" and routing.preview(orders.find(merchant, order.public_id)).refused
