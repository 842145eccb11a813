"""Routing pages, order rules of a source, and turning Auto Process on: without JavaScript."""

from __future__ import annotations

import pytest

from portal import routing
from portal.models import FulfillmentRequest, Merchant, Order, ShippingCode, Source
from portal.requests import process, rules
from portal.requests.policies import Policy
from tests.ordered import place
from tests.stocked import stock_up
from tests.web.test_requests import page


@pytest.fixture
def north(make_source):
    return stock_up(make_source("Northwind"), {"HX-1": 10}, cost=99_500)


@pytest.fixture
def south(make_source):
    return stock_up(make_source("Southgate"), {"HX-1": 2})


def workspace():
    return rules.of_workspace(Merchant.select().order_by(Merchant.id).get())


def test_the_preview_says_who_and_why_not_and_routes(client, merchant, north, south):
    order = place(merchant, [("HX-1", 3), ("ZZ-9", 1)])
    at = f"/orders/{order.public_id}/routing"
    text = page(client, at)
    assert "If you route it now: goes to Northwind; 1 line waits. Nothing is written until then." in text
    for words in (
        "feed 10 − committed 0 = available 10, at USD 9.95",
        "<b>Southgate</b> has 2 of 3",
        "No source has an item with the Master SKU ZZ-9.",
    ):
        assert words in text
    assert not FulfillmentRequest.select().count()
    assert client.send_form(f"{at}/now", page=at).headers["Location"] == f"/orders/{order.public_id}"
    text = page(client, at)
    assert "/requests/" in text and "Route this order" not in text and Order.get().routing == "problem"
    Order.update(state="on_hold").execute()
    assert "It is on hold, so it is not routed." in page(client, at)


@pytest.mark.one_database
def test_an_order_that_was_held_meanwhile_is_not_routed(client, merchant, north):
    order = place(merchant, [("HX-1", 3)])
    at = f"/orders/{order.public_id}/routing"
    fields = client.form_values(page(client, at), f"{at}/now")
    Order.update(state="on_hold").execute()
    refused = client.post(f"{at}/now", data=fields)
    assert refused.status_code == 409 and "It is on hold" in refused.text and not FulfillmentRequest.select().count()


@pytest.mark.one_database
def test_how_orders_are_routed(client, operator_client, merchant, north, south):
    at = "/settings/routing"
    typed = {
        "by": "cost", "split": "never", "silent": "last", "release_after_days": "14", "itself": None, f"place-{south.public_id}": "1",
        f"place-{north.public_id}": "2",
    }  # fmt: skip
    assert client.send_form(at, typed).status_code == 303
    assert workspace() == rules.Workspace(False, Policy("cost", "never", "last"), [south.public_id, north.public_id], 14)
    assert "Southgate, Northwind" in page(operator_client, at) and "Save routing" not in page(operator_client, at)
    refused = client.send_form(at, {"release_after_days": "soon", "by": "luck"})
    assert refused.status_code == 422 and "Enter 1 to 365 days" in refused.text and "Choose one of them." in refused.text
    fields = client.form_values(page(client, at), at)
    Merchant.update(version=Merchant.version + 1, changed_by="ben@harbor.example").execute()
    stale = client.post(at, data=fields | {"release_after_days": "20"})
    assert stale.status_code == 409 and "ben@harbor.example saved at" in stale.text and 'value="20"' in stale.text


def test_order_rules_of_a_source(client, north):
    at = f"/sources/{north.public_id}/order-rules"
    assert "At any time" in page(client, f"/sources/{north.public_id}/settings")
    typed = {
        "before": "Q", "forbidden": "#/", "instead": "_", "longest": "12", "windowed": "y", "days": ["0", "4"], "opens": "08:00",
        "closes": "17:00", "cut_off": "15:00", "zone": "America/New_York", "cancel_after_days": "7",
    }  # fmt: skip
    assert client.send_form(at, typed).status_code == 303
    kept = rules.of_source(Source.get_by_id(north.id))
    assert (kept.number.before, kept.number.longest, kept.window.days, kept.cancel_after_days) == ("Q", 12, (0, 4), 7)
    text = page(client, at)
    assert "Q_10442_A</span>" in text and "Mon, Fri, 08:00 to 17:00, cut-off 15:00 (America/New York)" in text
    assert "cancel after 7 days" in page(client, f"/sources/{north.public_id}/settings")
    refused = client.send_form(at, {"longest": "many", "opens": "8", "days": None, "cancel_after_days": "0"})
    for words in ("Enter a whole number from 1 to 120", "Enter a time such as 08:00", "Choose at least one day.", "Enter 1 to 365 days"):
        assert words in refused.text, words
    assert refused.status_code == 422 and rules.of_source(Source.get_by_id(north.id)) == kept


def orders(merchant, number):
    for n in range(number):
        routing.route(place(merchant, [("HX-1", 1)], str(n)), "ana")


def test_turning_auto_process_on_for_the_workspace_says_what_leaves_first(client, merchant, north, south):
    orders(merchant, 3)
    answer = client.send_form("/settings", {"auto_process": "y", "name": "Harbor"})
    assert answer.headers["Location"] == "/settings/auto-process" and not Merchant.get().auto_process and Merchant.get().name == "Harbor"
    text = page(client, "/settings/auto-process")
    assert "3 fulfillment requests will be sent now" in text and "Turn it on and send 3" in text
    assert {one.state for one in FulfillmentRequest.select()} == {"unprocessed"}
    answer = client.send_form("/settings/auto-process")
    assert "Auto Process is on. 3 fulfillment requests in line for sending." in page(client, answer.headers["Location"])
    assert {one.state for one in FulfillmentRequest.select()} == {"processing"} and Merchant.get().auto_process


@pytest.mark.one_database
def test_nothing_waits_so_it_is_simply_turned_on(client, merchant):
    assert client.send_form("/settings", {"auto_process": "y"}).headers["Location"] == "/settings" and Merchant.get().auto_process


@pytest.mark.one_database
def test_turning_it_on_for_a_source_by_its_own_setting_or_by_dropping_the_override(client, merchant, north):
    orders(merchant, 2)
    Source.update(override_global=True).execute()
    at = f"/sources/{north.public_id}/settings"
    answer = client.send_form(f"{at}/auto-process", {"on": "y"})
    confirm = f"/sources/{north.public_id}/auto-process/auto-process"
    assert answer.headers["Location"] == confirm and not Source.get().auto_process
    assert "2 fulfillment requests will be sent now" in page(client, confirm)
    Merchant.update(auto_process=True).execute()
    answer = client.send_form(f"{at}/override", {"on": None})
    confirm = f"/sources/{north.public_id}/auto-process/override"
    assert answer.headers["Location"] == confirm and Source.get().override_global
    assert client.send_form(confirm).status_code == 303
    assert not Source.get().override_global and {one.state for one in FulfillmentRequest.select()} == {"processing"}


@pytest.mark.one_database
def test_operators_do_not_turn_it_on_and_nobody_on_an_old_page(client, operator_client, merchant, north):
    orders(merchant, 1)
    assert operator_client.get("/settings/auto-process").status_code == 403
    fields = client.form_values(page(client, "/settings/auto-process"), "/settings/auto-process")
    Merchant.update(version=Merchant.version + 1, changed_by="ben@harbor.example").execute()
    stale = client.post("/settings/auto-process", data=fields)
    assert stale.status_code == 409 and "ben@harbor.example changed the settings while you looked" in stale.text
    assert FulfillmentRequest.get().state == "unprocessed"


@pytest.mark.one_database
def test_deleting_a_source_with_open_requests_is_refused_with_a_link(client, merchant, north):
    orders(merchant, 1)
    at = f"/sources/{north.public_id}/deletion"
    assert "1 fulfillment request is still open here" in page(client, at)
    refused = client.send_form(at, {"typed_name": "Northwind"})
    assert refused.status_code == 409 and "Northwind has 1 open fulfillment request." in refused.text and Source.get().state == "live"


@pytest.mark.one_database
def test_shipping_methods_are_mapped_and_what_waited_goes_on(client, merchant, north):
    at = f"/sources/{north.public_id}/shipping-methods"
    assert "While nothing is mapped" in page(client, at)
    Merchant.update(auto_process=True).execute()
    assert client.send_form(at, {"text-new": " Ground ", "code-new": "UPSG", "carrier-new": "UPS"}).status_code == 303
    merchant.auto_process = True
    (request,) = routing.route(place(merchant, [("HX-1", 1)], shipping_text="Overnight Air"), "").requests
    assert "go-methods" in page(client, f"/requests/{request.public_id}")
    assert "1 mapped; 1 seen and not mapped" in page(client, f"/sources/{north.public_id}/settings")
    ground, air = ShippingCode.select().order_by(ShippingCode.id)
    refused = client.send_form(at, {f"code-{air.id}": "x" * 41, "text-new": "GROUND", "code-new": "G2"})
    assert (
        refused.status_code == 422 and "Enter at most 40 characters." in refused.text and "“GROUND” is in the list already." in refused.text
    )
    assert "Enter what your channel calls it" in client.send_form(at, {"code-new": "Q"}).text
    assert client.send_form(at, {f"code-{air.id}": "ND1"}).status_code == 303
    assert process.by_itself() == 1 and FulfillmentRequest.get().shipping_code == "ND1"
    assert client.send_form(at, {f"code-{ground.id}": "", f"carrier-{ground.id}": ""}).status_code == 303
    assert [one.text for one in ShippingCode.select()] == ["Overnight Air"], "nobody asked for Ground, so it is gone"
