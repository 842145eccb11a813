"""The pages of orders and API tokens in a real browser: axe in light and dark, small screens, large text, typing an order in."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import api_tokens, clock
from portal.models import Order, OrderFile, Shipment, ShipmentItem
from portal.orders import files
from tests.browser.conftest import axe_problems, keyboard_on, sideways
from tests.ordered import ADA, ask, lines_of, place
from tests.stocked import stock_up

pytestmark = pytest.mark.one_database

LONG = {**ADA, "name": "Wolfeschlegelsteinhausenbergerdorff " * 3, "city": "Llanfairpwllgwyngyllgogerychwyrndrobwllllantysiliogogogoch"}


@pytest.fixture
def pages(merchant: Any, make_source: Any) -> list[str]:
    """The list, an order that is half shipped, one whose address is wrong, one that no source can take; its forms and confirmation."""
    source = stock_up(make_source("Kestrel Outdoor"), {"HX-1": 100})
    moving = place(merchant, [("HX-1", 3), ("A-SKU-" + "9" * 100, 1_000_000)], "1001")
    request = ask(moving, source, sending="sent")
    parcel = Shipment.create(
        merchant=merchant, source=source, request=request, state="matched", reference="1001", tracking_number="1Z999AA10123456784",
        tracking_key="1Z999AA10123456784", carrier="UPS", method="Ground", came_by="hand",
    )  # fmt: skip
    ShipmentItem.create(shipment=parcel, line=lines_of(request)[0], sku="HX-1", quantity=2)
    wrong = place(
        merchant, number="N" * 60, state="on_hold", problems=[{"field": "state", "words": "“Mayne” is no state."}], note="x" * 500
    )
    Order.update(ship_to=LONG).where(Order.id == wrong.id).execute()
    nowhere = place(merchant, [("UNKNOWN-1", 2)], "1003", routing="problem", routing_said="No source has an item with the Master SKU.")
    ends = [f"/orders/{moving.public_id}", f"/orders/{wrong.public_id}", f"/orders/{wrong.public_id}/address"]
    ends += [f"/orders/{nowhere.public_id}", f"/orders/{nowhere.public_id}/cancellation", f"/orders/{moving.public_id}/note"]
    made = [{"row": n, "cells": ["N", "HX-1", "x" * 200], "words": "The quantity is 0. It must be 1 or more."} for n in (2, 3)]
    taken = OrderFile.create(
        merchant=merchant, name="o" * 80 + ".csv", stored_name="x/y", size=4, sha256="0" * 64, state="taken", made=1, known=2, held=1,
        headers=["Order", "SKU", "Qty"], bad=made, taken_at=clock.now(),
    )  # fmt: skip
    text = "Order number,SKU,Qty,City\nA-1,HX-1,2,Bath\nA-2,HX-1,0,Bath\n"
    read = files.begin(merchant, io.BytesIO(text.encode()), "orders.csv", "ana@harbor.example")
    ends += ["/orders/from-file", f"/orders/from-file/{read.public_id}", f"/orders/from-file/{taken.public_id}"]
    token, _ = api_tokens.make(merchant, "Till " * 16, ["orders:read"], None, "90", "ana@harbor.example")
    ends += ["/api-tokens", "/api-tokens/new", f"/api-tokens/{token.public_id}/revocation"]
    return ["/orders", "/orders?view=all", "/orders?q=nothing", "/orders/new", *ends]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(open_page: Callable[..., Page], pages: list[str], scheme: str) -> None:
    page = open_page(scheme=scheme)
    for path in pages if scheme == "light" else pages[1:5]:
        page.goto(path)
        assert axe_problems(page) == [], path
        assert page.locator("h1").count() == 1 and page.locator("main .btn-primary:visible").count() <= 1, path


def test_they_fit_small_screens_also_with_large_text(open_page: Callable[..., Page], pages: list[str]) -> None:
    page = open_page(width=390, height=800)
    for path in pages:
        page.goto(path)
        assert sideways(page) == 0, path
    page.set_viewport_size({"width": 320, "height": 640})
    for path in pages[1:6]:
        page.goto(path)
        assert sideways(page) == 0, path
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert sideways(page) == 0, f"{path} with large text"


def test_an_order_is_typed_in(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto("/orders")
    page.get_by_role("link", name="+ Add order").click()
    page.get_by_label("Order number").fill("1001")
    page.get_by_label("SKU of line 1").fill("HX-1")
    page.get_by_label("Quantity of line 1").fill("0")
    page.get_by_role("button", name="Show more lines").click()
    expect(page.get_by_label("SKU of line 8")).to_be_visible()
    for label, text in (("Name", "Ada Byron"), ("Address line 1", "12 Harbor Rd"), ("City", "Portland"), ("State or province", "ME"),
                        ("Postal code", "04101"), ("Country", "us")):  # fmt: skip
        page.get_by_label(label, exact=True).fill(text)
    page.get_by_label("Country", exact=True).press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("“0” is no quantity")
    keyboard_on(page, "error-summary")
    page.get_by_label("Quantity of line 1").fill("2")
    page.get_by_role("button", name="Add order").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Order 1001")
    expect(page.locator(".notice.ok")).to_contain_text("Order added")
    expect(page.locator("#lines-heading + .panel")).to_contain_text("2 at no source yet")
