"""A webhook in a real browser: the address copied, the secret once, a test event that appears by itself, stock that comes."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from portal import deliveries, hook_limits
from portal.models import InventoryItem, Source
from tests.browser.conftest import axe_problems, keyboard_on, picture, sideways
from tests.hooked import Sender
from tests.web.setting_up import path, select

pytestmark = pytest.mark.one_database

SHOTS = os.environ.get("SHOTS", "")  # a folder for pictures of each page, to look at by hand
STOCK = [{"item_no": "NW-10442", "title": "Tarp, 3 x 4 m", "qty_avail": 14, "cost": "9.95"}]


class Program(Sender):
    """The supplier's program, on the real wire, told what a person copied from the page."""

    def __init__(self, page: Page) -> None:
        self.address, self._secret = page.locator("#address-1").inner_text().strip(), page.locator("#secret").inner_text().strip()

    @property
    def secret(self) -> str:
        return self._secret

    def says(self, told: Any, secret: str = "", **more: str) -> int:
        body = json.dumps(told).encode()
        return requests.post(self.address, data=body, headers=self.signed(body, secret=secret, **more), timeout=20).status_code


def look(page: Page, name: str) -> None:
    assert axe_problems(page) == [], name
    assert sideways(page) == 0, name
    assert page.locator("main .btn-primary:visible").count() <= 1, name
    if SHOTS:
        picture(page, f"{SHOTS}/{name}.png")


@pytest.mark.parametrize("script", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_merchant_connects_a_webhook(client: Any, make_source: Any, open_page: Any, worker: None, script: bool) -> None:
    hook_limits.refusals.forget()
    source, page = make_source(), open_page(script=script)
    select(client, source, "webhook")
    page.goto(path(source, "/connection"))
    if script:
        page.check("#signature-1")
        expect(page.locator("#prefix")).to_be_visible()
        page.check("#signature-0")
        expect(page.locator("#prefix")).to_have_count(0)
    page.click("#connection-test")
    expect(page.locator("h1")).to_have_text("Webhook of Northwind")
    program = Program(page)
    expect(page.locator("#event")).to_contain_text("Waiting for the first delivery")
    assert program.says(STOCK, secret="whsec_" + "A" * 44) == 401
    _until(page, "#event", "We refused it", script)
    page.click("#secret-copied")
    expect(page.locator("#secret")).to_have_count(0)
    assert program.says(STOCK) == 202
    _until(page, "#event", "It came, and its signature fits", script)
    assert page.locator("#event[hx-get]").count() == 0
    page.click("#event-body")
    expect(page.locator("#event")).to_contain_text("Tarp, 3 x 4 m")
    page.click("#event-use")
    _until(page, "main", "All 2 checks passed", script)
    page.click("#checks-continue")
    expect(page.locator("h1")).to_have_text("Check how it is read")
    expect(page.locator("#preview")).to_contain_text("NW-10442")
    page.click("#file-save")
    for heading in ("Map the inventory", "Send Orders", "Get Shipments", "SKU mapping"):
        expect(page.locator("h1")).to_contain_text(heading)
        if heading == "Get Shipments":
            page.check("input[name=use][value=no]")
        page.click("main .btn-primary:visible")
    expect(page.locator("main")).to_contain_text("each delivery is read as it comes")
    page.click("#review-save")
    _until(page, "main", "Finished", script)
    assert InventoryItem.get().quantity == 14
    assert program.says([{**STOCK[0], "qty_avail": 3}]) == 202
    Source.update(state="live").where(Source.id == source.id).execute()
    deliveries.PACE, pace = type(deliveries.PACE)(0), deliveries.PACE
    deliveries.start_due()
    deliveries.PACE = pace
    page.goto(path(source, "/deliveries"))
    _until(page, "#deliveries", "Run ", True)


LOOKS = [("dark", 390), *([("light", 1280), ("dark", 1280), ("light", 390)] if SHOTS else [])]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_its_pages_in_light_dark_and_on_a_telephone(client: Any, make_source: Any, open_page: Any, scheme: str, width: int) -> None:
    hook_limits.refusals.forget()
    source, page, name = make_source(), open_page(scheme=scheme, width=width), f"{scheme}-{width}"
    select(client, source, "webhook")
    for shown in ("directory", "connection"):
        page.goto(path(source, "/suppliers/webhook" if shown == "directory" else "/connection?typed=1&signature=hmac"))
        look(page, f"{shown}-{name}")
    page.check("#shipments")
    page.goto(path(source, "/connection"))
    page.check("#shipments")
    page.click("#connection-test")
    program = Program(page)
    look(page, f"waiting-{name}")
    program.says(STOCK, secret="whsec_" + "A" * 44)
    expect(page.locator("#event")).to_contain_text("We refused it")
    look(page, f"refused-{name}")
    program.says(STOCK)
    expect(page.locator("#event")).to_contain_text("It came, and its signature fits")
    page.click("#event-body")
    page.click("#event-headers")
    look(page, f"came-{name}")
    page.click("#secret-replace")
    look(page, f"secret-{name}")
    page.click("#secret-save")
    expect(page.locator("#old-secret")).to_contain_text("also good until")
    look(page, f"rotated-{name}")
    requests.post(f"{program.address}/shipments", data=b"{}", headers=program.signed(b"{}", secret=Program(page).secret), timeout=20)
    page.goto(path(source, "/deliveries"))
    page.locator("#deliveries details summary").first.click()
    look(page, f"deliveries-{name}")
    page.goto(path(source, "/webhook/secret"))
    page.check("#whose-1")
    page.click("#secret-save")
    keyboard_on(page, "error-summary")
    look(page, f"secret-wrong-{name}")


def _until(page: Page, where: str, words: str, script: bool) -> None:
    """Wait for words; without scripts by going there again, as the page's own link does."""
    for _ in range(40):
        if words in page.locator(where).inner_text():
            return
        page.wait_for_timeout(300)
        if not script:
            page.goto(page.url)
    raise AssertionError(page.locator(where).inner_text())
