"""Channels in a browser without JavaScript, and as fragments: made, connected, pulled, decided about, told again, removed."""

from __future__ import annotations

from typing import Any

import pytest

from portal import channels, connections, shipments
from portal.models import Channel, ChannelNotice, Integration, Order, Run, Source
from portal.shipments import Cause, Notice
from tests.channels.conftest import connect
from tests.channels.shops import Shopify, bought, serving_shop
from tests.ordered import ask

pytestmark = pytest.mark.one_database
UPS = "1Z999AA10123456784"


def page(client: Any, at: str, status: int = 200, **headers: str) -> str:
    answer = client.get(at, headers=headers)
    assert answer.status_code == status, answer.text
    return str(answer.text)


def test_a_channel_is_made_connected_and_listed_apart_from_sources(client: Any, merchant: Any) -> None:
    assert "Say where you sell" in page(client, "/channels")
    assert client.send_form("/channels/new", {"name": " ", "kind": "ebay", "take_from": "soon"}).status_code == 422
    refused = client.send_form("/channels/new", {"name": "Harbor store", "kind": "shopify", "take_from": ""})
    assert refused.status_code == 422 and "Enter the date" in refused.text
    typed = {"name": "Harbor store", "kind": "shopify", "take_from": "2026-11-20", "notify": "y"}
    made = client.send_form("/channels/new", typed)
    channel = Channel.get()
    line = channel.line.public_id
    assert made.status_code == 303 and made.headers["Location"] == f"/sources/{line}/connection"
    form = page(client, made.headers["Location"])
    assert "write_merchant_managed_fulfillment_orders" in form and "Stock of" not in form and 'href="/channels"' in form
    assert client.get(f"/sources/{line}").headers["Location"] == f"/channels/{channel.public_id}"
    assert client.get(f"/sources/{line}/settings").status_code == 404, "it is no source"
    assert "Harbor store" not in page(client, "/sources") and "Not connected yet" in page(client, "/channels")
    assert "already have a channel called" in client.send_form("/channels/new", typed).text
    assert "Not connected yet" in page(client, f"/channels/{channel.public_id}", **{"HX-Request": "true"})
    secret = client.send_form(
        f"/sources/{line}/connection", {"shop": "harbor", "auth": "header", "key": "shpat_0123456789abcdef", "act": "save"}
    )
    assert secret.status_code == 303 and channels.is_connected(Channel.get()), secret.text
    settings = f"/channels/{channel.public_id}/settings"
    kept = client.send_form(settings, {"name": "Quay store", "take_from": "2026-11-21", "every": "30", "notify": "y"})
    assert kept.status_code == 303 and Channel.get().name == "Quay store"
    assert Integration.get(Integration.kind == channels.PULL).schedule == {"every_minutes": 30}
    assert "every 30 minutes" in page(client, f"/channels/{channel.public_id}")


def test_orders_that_wait_are_decided_about_and_tracking_is_tried_again(client: Any, merchant: Any, loopback: Any, run_work: Any) -> None:
    with serving_shop(Shopify()) as shop:
        channel = connect(merchant, shop)
        here = f"/channels/{channel.public_id}"
        shop.orders = [bought(11, [("LAMP-1", 1)]), bought(12, [("", 2)]), bought(13, [("LAMP-1", 1)], test=True)]
        assert client.send_form(f"{here}/pulls", {}, here).status_code == 303
        run_work()
        text = page(client, here)
        assert "Orders that wait for you" in text and "has no SKU in the store" in text and "It is a test order of the store" in text
        assert page(client, here, **{"HX-Request": "true"}).lstrip().startswith('<div id="channel"')
        ref = next(one for one in text.split('href="') if one.startswith(f"{here}/orders/")).split('"')[0]
        assert client.send_form(ref, {"sku-121": " "}).status_code == 422
        assert client.send_form(ref, {"sku-121": "LAMP-2"}).status_code == 303
        assert Order.select().count() == 2 and "It is here as order" in page(client, ref)
        left = next(one for one in page(client, here).split('href="') if one.startswith(f"{here}/orders/")).split('"')[0]
        assert client.send_form(f"{left}/left", {}, left).status_code == 303 and "It was not taken" in page(client, left)
        order = Order.get(Order.reference == "11")
        source = Source.create(merchant=merchant, name="Northwind", name_key="northwind", kind="dropship_supplier", state="live")
        request = ask(order, source)
        shop.tell(11, "SOMEBODY-ELSE", {"111": 1})
        parcel = shipments.record(source, Notice(request.number, UPS, [("LAMP-1", 1)]), Cause("file")).shipment
        assert client.send_form(f"{here}/tellings", {}, here).status_code == 303
        run_work()
        shown = page(client, f"/shipments/{parcel.public_id}")
        assert "The store where it was bought" in shown and "Not told" in shown and "nothing left to fulfil" in shown
        shop.told, shop.order(11)["shipped"] = [], {}
        assert client.send_form(f"/shipments/{parcel.public_id}/telling", {}, f"/shipments/{parcel.public_id}").status_code == 303
        run_work()
        assert shop.numbers == [UPS] and "Told the store" in page(client, f"/shipments/{parcel.public_id}")
        whole = page(client, f"/orders/{order.public_id}")
        assert "The store" in whole and "Told the store: Taken" in whole and channel.name in whole
        for run in Run.select():
            assert channel.name in page(client, f"/runs/{run.public_id}")
        assert "fulfillmentCreate" in page(client, f"/sources/{channel.line.public_id}/exchanges")
        assert client.send_form(f"{here}/removal", {}, f"{here}/removal").status_code == 303
    assert page(client, here, 404) and ChannelNotice.get().state == "told" and not connections.secrets_of(channel.line)
