"""Repairs of Excel damage in a real browser: accessible, one click, and the preview follows by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.models import Source
from tests.browser.conftest import axe_problems, sideways
from tests.web.setting_up import path, upload
from tests.web.test_mapping_damage import FEED

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_a_click_repairs_a_column(
    open_page: Callable[..., Page], client: Any, make_source: Callable[..., Source], run_work: Callable[[], None], scheme: str, width: int
) -> None:
    source = make_source("Northwind Distribution")
    upload(client, source, run_work, FEED)
    page = open_page(scheme=scheme, width=width)
    page.goto(path(source, "/mapping/inventory"))
    assert axe_problems(page) == [] and sideways(page) == 0
    page.click("#f-upc-repair-0")
    expect(page.locator("#row-f-upc")).to_contain_text("4 of 7 values of “upc” got their lost zeros back.")
    expect(page.locator("#preview")).to_contain_text("UPC / EAN: 4 of 7 values of “upc” got their lost zeros back.")
    expect(page.locator("#f-upc-edit")).to_be_focused()
    assert axe_problems(page) == [] and sideways(page) == 0
