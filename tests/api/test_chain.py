"""The whole chain by the API alone: an order in, its request fetched and confirmed, accepted, shipped; the order shows it."""

from __future__ import annotations

from typing import Any

from portal.models import Merchant
from portal.routing import by_itself
from tests.api.test_api import ORDER
from tests.outgoing import turn_on
from tests.stocked import stock_up


def test_an_order_goes_from_the_shop_to_the_door_by_the_api(caller: Any, merchant: Merchant, make_source: Any) -> None:
    source = stock_up(make_source(), {"HX-1": 10})
    turn_on(source, leave_by="pull")
    Merchant.update(auto_process=True).where(Merchant.id == merchant.id).execute()
    shop, warehouse = caller(), caller(source)
    order = shop("POST", "/orders", ORDER, "order-1001").json
    by_itself.route_new()
    lease = warehouse("POST", "/fulfillment-requests/lease", {}, "poll-1").json
    (held,) = lease["requests"]
    assert [(line["sku"], line["ordered"]) for line in held["lines"]] == [("HX-1", 3)] and held["ship_to"]["city"] == "Portland"
    (sent,) = warehouse("POST", f"/leases/{lease['id']}/confirm", {}).json["requests"]
    assert (sent["state"], sent["sending"]) == ("processed", "sent")
    taken = warehouse("POST", f"/fulfillment-requests/{held['id']}/acknowledgements", {"their_id": "SO-7"}).json
    assert taken["accepted"] == 3 and not taken["problems"] and taken["request"]["state"] == "acknowledged"
    for units in (1, 2):
        parcel = {"reference": held["number"], "tracking_number": f"PARCEL-{units}", "items": [{"sku": "HX-1", "quantity": units}]}
        assert warehouse("POST", "/shipments", parcel).json["state"] == "matched"
    seen = shop("GET", f"/orders/{order['id']}").json
    assert (seen["state"], seen["shipped"], seen["fulfillment_requests"][0]["shipped"]) == ("closed", "completed", "shipped")
    assert not warehouse("POST", "/fulfillment-requests/lease", {}, "poll-2").json["requests"]
