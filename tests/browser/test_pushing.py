"""From a look at a store to what is held for a person, in Chromium: each screen in every way, and why the shop shows what it shows."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.models import Channel
from portal.pushing import settings
from tests.browser.conftest import axe_problems, each_way, picture, sideways
from tests.channels.conftest import shops  # noqa: F401
from tests.pushing.conftest import keeper  # noqa: F401

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
SHOTS = os.environ.get("SHOTS", "")


JUDGED = ("2-looked", "3-settings", "8-listing")
"""States that test_screens does not open."""


def seen(page: Page, name: str, *ways: tuple[str, int]) -> None:
    if not SHOTS and name not in JUDGED:
        return
    for way in each_way(page, (ways or (("light", 1280), ("dark", 390))) if SHOTS else (("dark", 390),)):
        assert axe_problems(page) == [] and sideways(page) <= 0, (name, way)
        assert page.locator("h1").count() == 1 and page.locator("main .btn-primary, main .btn-destroy").count() <= 2, name
        if SHOTS:
            picture(page, str(Path(SHOTS) / f"push-{name}-{way}.png"))


def test_from_a_look_to_what_is_held(open_page: Callable[..., Page], keeper: Any) -> None:  # noqa: F811
    one = keeper("shopify", 24)
    one.shop.shelves.of("LAMP-2")["price"] = "11.00"
    one.shop.shelves.of("LAMP-23")["sku"] = "OTHER"
    one.shop.shelves.of("LAMP-24")["tracked"] = False
    one.stock(1, 4)
    page = open_page()
    page.goto(f"/channels/{one.channel.public_id}/listings")
    page.click("#tab-push")
    seen(page, "1-begins")
    page.click("#push-look")
    one.run_work()
    expect(page.locator("#look-heading")).to_have_text("It would change 2 of 24 listings")
    expect(page.locator("#push")).to_contain_text("Not in the store: 1 listing")
    seen(page, "2-looked", ("light", 1280), ("dark", 1280), ("light", 390), ("light", 320))
    assert one.wrote() == []
    page.click("#push-settings")
    page.fill("#least", "0")
    page.click("#push-save")
    expect(page.locator("#error-summary")).to_contain_text("Enter a whole number from 1")
    seen(page, "3-settings")
    page.fill("#least", "5")
    page.click("#push-save")
    page.wait_for_url("**/push")
    page.click("#push-on")
    expect(page.locator("main")).to_contain_text("2 of 24 listings will be changed in the store at once")
    seen(page, "4-switch")
    page.click("#switch-go")
    one.run_work()
    page.wait_for_selector("#push-now")
    assert one.has(1) == (4, "13.00") and one.has(2) == (10, "13.00")
    expect(page.locator("#push")).to_contain_text("Refused by the store: 1 listing")
    seen(page, "5-on")
    for n in range(3, 13):
        one.stock(n, 0)
    page.click("#push-now")
    one.run_work()
    page.wait_for_selector("#push-decide")
    assert settings.of(one.channel).held["zero"] == 10 and one.has(3)[0] == 10
    seen(page, "6-held")
    page.click("#push-decide")
    expect(page.locator("#held-zero")).to_have_text("Would fall to 0 units: 10")
    seen(page, "7-decide")
    page.click("#held-send")
    one.run_work()
    page.wait_for_selector("#push-now")
    assert one.has(3) == (0, "13.00")
    page.goto(f"/channels/{one.channel.public_id}/listings/{one.of(1).public_id}")
    expect(page.locator("#store-why")).to_contain_text("4 units, USD 13.00")
    expect(page.locator("#store-why")).to_contain_text("The store has what is offered")
    expect(page.locator("main")).to_contain_text("10 → 4")
    seen(page, "8-listing")
    page.goto(f"/channels/{one.channel.public_id}/listings/{one.of(24).public_id}")
    expect(page.locator("#store-why")).to_contain_text(re.compile("Refused by the store: The store does not track its units"))
    page.goto(f"/channels/{one.channel.public_id}/listings?q=LAMP-23")
    expect(page.locator("#listings")).to_contain_text("Not in the store")
    page.goto(f"/channels/{one.channel.public_id}")
    expect(page.locator("#channel-push")).to_have_text("Sent by themselves")
    page.click("#channel-push")
    page.click("#push-off")
    seen(page, "9-off", ("light", 1280))
    page.click("#switch-go")
    page.wait_for_selector("#push-look, #push-on")
    assert settings.of(Channel.get_by_id(one.channel.id)).state == "off"
