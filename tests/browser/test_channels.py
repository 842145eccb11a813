"""Channels with something that waits, seen in both schemes and on a phone; an order without a SKU is taken by hand."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from portal import channels, connection_checks, shipments
from portal.models import Order, Source
from portal.shipments import Cause, Notice
from tests.browser.conftest import axe_problems, sideways
from tests.channels.conftest import connect
from tests.channels.shops import Shopify, bought, serving_shop
from tests.channels.test_pulling import pull
from tests.channels.test_telling import tell
from tests.connecting import WHO
from tests.ordered import ask

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
SHOTS = os.environ.get("SHOTS", "")
UPS, FEDEX = "1Z999AA10123456784", "986578788855"


def test_they_pass_axe_and_fit_a_phone_and_an_order_is_taken(
    open_page: Callable[..., Page], site: Any, loopback: Any, merchant: Any, run_work: Callable[[], None]
) -> None:
    with serving_shop(Shopify()) as shop:
        channel = connect(merchant, shop)
        line = channels.line_of(channel)
        connection_checks.start(line, WHO)
        shop.orders = [bought(11, [("LAMP-1", 3)]), bought(12, [("", 2), ("LAMP-2", 1)], 1), bought(13, [("LAMP-1", 1)], 2)]
        pull(channel, run_work)
        shop.order(13).update(street="9 Elsewhere Ln", changed=5)
        pull(channel, run_work)
        order = Order.get(Order.reference == "11")
        source = Source.create(merchant=merchant, name="Northwind", name_key="northwind", kind="dropship_supplier", state="live")
        request = ask(order, source)
        one = shipments.record(source, Notice(request.number, UPS, [("LAMP-1", 1)]), Cause("file")).shipment
        tell(channel, run_work)
        shop.tell(11, "SOMEBODY-ELSE", {"111": 2})
        other = shipments.record(source, Notice(request.number, FEDEX, [("LAMP-1", 2)], "FedEx"), Cause("file")).shipment
        tell(channel, run_work)
        here, waits = f"/channels/{channel.public_id}", "text=Decide"
    for scheme, width in [("light", 1280), ("dark", 1280), ("light", 390)] if SHOTS else [("light", 1280), ("dark", 390)]:
        page = open_page(scheme=scheme, width=width)
        page.goto(here)
        decide = str(page.locator(waits).first.get_attribute("href"))
        for name, path in [("index", "/channels"), ("channel", here), ("waits", decide), ("order", f"/orders/{order.public_id}"),
                           ("told", f"/shipments/{one.public_id}"), ("refused", f"/shipments/{other.public_id}"),
                           ("settings", f"{here}/settings"), ("removal", f"{here}/removal"), ("add", "/channels/new"),
                           ("connect", f"/sources/{line.public_id}/connection"),
                           ("checks", f"/sources/{line.public_id}/connection/checks")]:  # fmt: skip
            if not SHOTS and name not in ("channel", "waits", "refused"):
                continue  # test_screens has the others plain
            page.goto(path)
            assert axe_problems(page) == [] and sideways(page) <= 0, (name, scheme)
            if SHOTS:
                page.screenshot(path=str(Path(SHOTS) / f"{name}-{scheme}-{width}.png"), full_page=True)
    page.goto(decide)
    page.click("#store-order-take")
    page.wait_for_selector("#why:has-text('has no SKU')")
    page.fill("#sku-121", "LAMP-9")
    page.click("#store-order-take")
    page.wait_for_url(lambda at: "/channels/" not in at)
    assert Order.select().where(Order.reference == "12").exists()
