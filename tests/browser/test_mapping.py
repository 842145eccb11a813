"""Mapping, orders, shipments, SKUs and review in a real browser: axe, phones, where the keyboard is, and that a draft reaches Save."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import mappings, setup_steps
from portal.models import Source
from tests.browser.conftest import axe_problems, each_way, focused, keyboard_on, sideways
from tests.test_sku_mapping import stock
from tests.web.setting_up import STOCK, integration, path, select, upload

pytestmark = pytest.mark.one_database

TRACKING = "po_number,tracking_no,carrier,ship_date\nPO-1,1Z999AA10123456784,UPS,2026-11-24\nPO-2,,UPS,2026-11-24\n"


@pytest.fixture
def mapped(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> Source:
    """A draft by upload, its file accepted; the mapping is next."""
    source = make_source("Northwind Distribution of the Greater Harbour Area")
    upload(client, source, run_work, STOCK)
    return source


@pytest.fixture
def at_orders(client: Any, make_source: Callable[..., Source]) -> Source:
    """A draft at an SFTP supplier whose inventory is mapped."""
    source = make_source("Kestrel Outdoor")
    select(client, source, "sftp-file")
    for step in ("connection", "file", "inventory"):
        setup_steps.mark(source, step)
    return source


def test_every_state_is_accessible_and_fits(page: Page, mapped: Source, at_orders: Source, make_source: Any) -> None:
    stock(make_source("Harbor"), "NW-10442")

    def look(where: str) -> None:
        for way in each_way(page):
            assert axe_problems(page) == [], (where, way)
            assert sideways(page) == 0, (where, way)
            assert page.locator("main .btn-primary:visible").count() == 1, (where, way)

    page.goto(path(mapped, "/mapping/inventory"))
    look("editor")
    page.click("#f-title-edit")
    page.select_option("#f-title-new", "table")
    page.click("#f-title-add-step")
    expect(page.locator("#f-title-steps-0-their-0")).to_be_visible()
    look("editor with a value table")
    page.select_option("#f-sku-column", "")
    page.click("#save")
    expect(page.locator("#error-summary")).to_be_visible()
    look("editor with an error")
    page.goto(path(mapped, "/mapping/inventory"))
    page.click("#save")
    for step in ("orders", "shipments"):
        page.wait_for_url(f"**/{step}")
        look(f"{step} that cannot be")
        page.click("#save")
    page.wait_for_url("**/skus")
    look("a collision")
    page.click("#skus-save")
    page.wait_for_url("**/review")
    look("review")
    _orders_and_shipments(page, at_orders, look)


def _orders_and_shipments(page: Page, source: Source, look: Callable[[str], None]) -> None:
    page.goto(path(source, "/mapping/orders"))
    look("orders, nothing answered")
    page.check("#use-yes")
    page.select_option("#c-2-value", "=joined")
    page.fill("#file_name", "x.csv")  # typed while the row is on its way: it stays
    page.click("#c-2-add-field")
    expect(page.locator("#c-2-fields-0")).to_be_visible()
    page.click("#save")
    expect(page.locator("#error-summary")).to_be_visible()
    look("orders with an error")
    page.fill("#file_name", "x_{po}.csv")
    page.click("#save")
    page.wait_for_url("**/shipments")
    look("shipments without a sample")
    page.check("#use-yes")
    page.fill("#pattern", "tracking_*.csv")
    page.fill("#pasted", TRACKING)
    page.click("#read-sample")
    expect(page.locator("#columns-heading")).to_be_visible()
    look("shipments with a sample")
    page.click("#save")
    page.wait_for_url("**/skus")


def test_changes_show_at_once_keep_the_keyboard_and_are_saved(page: Page, mapped: Source) -> None:
    page.goto(path(mapped, "/mapping/inventory"))
    page.focus("#f-title-column")
    page.select_option("#f-title-column", "c:colour")
    expect(page.locator("#preview")).to_contain_text("steel")
    keyboard_on(page, "f-title-column")
    page.click("#f-title-edit")
    page.select_option("#f-title-new", "case")
    page.click("#f-title-add-step")
    expect(page.locator("#preview")).to_contain_text("STEEL")
    keyboard_on(page, "f-title-steps-0")
    page.click("#f-title-edit")
    expect(page.locator("#f-title-panel")).to_have_count(0)
    page.click("#save")
    page.wait_for_url("**/orders")
    version = mappings.current(integration(mapped))
    assert version is not None
    assert version.rules["fields"]["title"] == {"columns": ["colour"], "steps": [{"do": "case", "to": "upper"}]}


def test_on_a_phone_what_has_the_keyboard_is_never_under_the_bar(open_page: Any, mapped: Source) -> None:
    page = open_page(width=390, height=844)
    page.goto(path(mapped, "/mapping/inventory"))
    page.focus("#show-all")
    clear = """() => {
        const now = document.activeElement, bar = document.querySelector(".bar"), place = now.getBoundingClientRect();
        const edge = bar.getBoundingClientRect().top, tall = place.height > innerHeight / 2;
        return bar.contains(now) || (tall ? place.top : place.bottom) <= edge;
    }"""
    seen = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        page.wait_for_function(clear, timeout=3_000)  # the page scrolls smoothly
        seen.add(focused(page))
    assert len(seen) > 20


def test_a_row_is_removed_without_losing_the_page(page: Page, mapped: Source) -> None:
    page.goto(path(mapped, "/mapping/inventory"))
    page.click("#add-custom")
    expect(page.locator("#x-0-name")).to_be_focused()
    page.fill("#x-0-name", "Shade")
    page.click("#x-0-remove")
    expect(page.locator("#x-0-name")).to_have_count(0)
    assert page.locator("#save").count() == 1 and page.locator("form#mapping").count() == 1


def test_the_order_file_follows_what_is_typed(page: Page, at_orders: Source) -> None:
    page.goto(path(at_orders, "/mapping/orders"))
    page.fill("#c-0-header", "Their PO")
    page.press("#c-0-header", "Tab")
    expect(page.locator("#made")).to_contain_text("Their PO,")
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename.startswith("orders_")
    page.check("#use-no")
    page.click("#save")
    page.wait_for_url("**/shipments")


def test_a_prefix_shows_while_it_is_typed(page: Page, mapped: Source) -> None:
    page.goto(path(mapped, "/mapping/inventory"))
    page.click("#save")
    for step in ("orders", "shipments"):
        page.wait_for_url(f"**/{step}")
        page.click("#save")
    page.wait_for_url("**/skus")
    page.fill("#prefix", "QQ-")
    expect(page.locator("#chain")).to_contain_text("QQ-NW-10442")
    keyboard_on(page, "prefix")


def test_the_last_step_works_in_the_browser(page: Page, mapped: Source, worker: None) -> None:
    page.goto(path(mapped, "/mapping/inventory"))
    page.click("#save")
    for step in ("orders", "shipments"):
        page.wait_for_url(f"**/{step}")
        page.click("#save")
    page.wait_for_url("**/skus")
    page.click("#skus-save")
    page.wait_for_url("**/review")
    page.click("#review-save")
    page.wait_for_url("**/runs/*")
    expect(page.locator("main")).to_contain_text("Finished", timeout=30_000)
