"""A plan at its limit in a browser: over it, a rule made with a live count, and back under it; then the same form without scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import plans, usage
from portal.inventory import counted
from portal.models import Merchant, Source
from tests.browser.conftest import axe_problems, sideways
from tests.feed_of import Feed, rows_of

pytestmark = pytest.mark.one_database


def seen(page: Page, name: str) -> None:
    """Nothing serious and nothing sideways."""
    assert axe_problems(page) == [] and sideways(page) == 0, name


@pytest.fixture
def full(make_source: Callable[..., Source], merchant: Merchant) -> Feed:
    """30 items, and a plan of 20."""
    feed = Feed(make_source("Northwind Distribution"))
    plans.set_limits(merchant, {"skus": 20}, "operator")
    feed.sync(rows_of(30))
    usage.note_all()
    return feed


def test_over_the_limit_and_back_under_it_by_a_rule(open_page: Callable[..., Page], worker: None, full: Feed, merchant: Merchant) -> None:
    page = open_page()
    page.goto("/sources")
    expect(page.locator("#meter")).to_contain_text("20 of 20 SKUs, 10 wait for room")
    page.goto("/usage")
    expect(page.locator("#meter")).to_contain_text("= 30 − 0 − 0 − 10 = 20")
    seen(page, "usage-light-1280")
    page.locator("#add-exclusion").click()
    page.locator("#name").fill("Lamps under 15 dollars")
    page.locator("[id='g0c0.field']").select_option("cost")
    page.locator("[id='g0c0.op']").select_option("less")
    page.locator("[id='g0c0.value']").fill("15")
    page.locator("[id='g0c0.value']").blur()
    expect(page.locator("#rule-count")).to_contain_text("Would exclude 14 items")
    page.locator("#rule-look").click()
    expect(page.locator("#rule-preview")).to_contain_text("14 items, of which 0 have open orders, 0 live listings")
    seen(page, "exclusion-preview-light-1280")
    page.locator("#rule-save").click()
    expect(page.locator("#standing")).to_contain_text("14 items")
    seen(page, "exclusion-light-1280")
    page.goto("/usage")
    expect(page.locator("#meter")).to_contain_text("= 30 − 0 − 14 − 0 = 16")
    tally = counted.of_merchant(merchant.id)
    assert (tally.counted, tally.excluded, tally.waiting) == (16, 14, 0)

    narrow = open_page(scheme="dark", width=390)
    for path in ("/usage", "/exclusions", "/exclusions/new"):
        narrow.goto(path)
        seen(narrow, f"{path}-dark-390")

    plain = open_page(script=False, width=390)  # where axe, a script of its own, cannot answer
    plain.goto("/exclusions")
    plain.get_by_role("link", name="Lamps under 15 dollars").click()
    plain.locator("#rule-edit").click()
    plain.locator("#add-line-0").click()
    plain.locator("[id='g0c1.field']").select_option("sku")
    plain.locator("[id='g0c1.op']").select_option("fits")
    plain.locator("[id='g0c1.value']").fill("sku-0000?")
    plain.locator("#rule-look").click()
    expect(plain.locator("#rule-preview")).to_contain_text("4 items would come back")
    assert sideways(plain) == 0
    plain.locator("#rule-save").click()
    expect(plain.locator("h1")).to_have_text("Lamps under 15 dollars")
    _until(lambda: counted.of_merchant(merchant.id).excluded == 10, plain)
    plain.locator("#rule-delete").click()
    expect(plain.locator("main")).to_contain_text("10 items come back, of which 10 wait for room: the plan holds 20")
    assert sideways(plain) == 0
    plain.locator("#rule-confirm").click()
    _until(lambda: counted.of_merchant(merchant.id).excluded == 0, plain)
    plain.goto("/inventory?stock=waiting")
    expect(plain.locator("#items")).to_contain_text("10 items on this page")


def _until(done: Callable[[], Any], page: Page) -> None:
    for _ in range(100):
        if done():
            return
        page.wait_for_timeout(200)
    raise AssertionError("it did not come to that")
