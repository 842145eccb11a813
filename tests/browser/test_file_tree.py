"""How a file is read is chosen by a click in its tree, by the keyboard or by names of columns; the first rows follow."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.models import Source
from tests.browser.conftest import axe_problems, keyboard_on, sideways
from tests.web.setting_up import path, select
from tests.web.test_file_page import NESTED

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_a_click_in_the_tree_chooses_the_rows(
    open_page: Callable[..., Page], client: Any, make_source: Callable[..., Source], run_work: Any, scheme: str, width: int
) -> None:
    source = make_source("Northwind Distribution")
    select(client, source)
    files = {"file": (io.BytesIO(NESTED), "stock.json")}
    client.send_form(path(source, "/connection/file"), files, page=path(source, "/connection"), content_type="multipart/form-data")
    run_work()
    page = open_page(scheme=scheme, width=width)
    page.goto(path(source, "/file"))
    page.click("#tree-open")
    rows = page.get_by_role("button", name="Rows: $.products", exact=True)
    each = page.get_by_role("button", name="A row each: $.products.images")
    expect(rows).to_have_attribute("aria-pressed", "true")
    each.click()
    expect(each).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#preview")).to_contain_text("images.src")
    assert axe_problems(page) == [] and sideways(page) == 0
    shops = page.get_by_role("button", name="Rows: $.shops", exact=True)
    shops.focus()
    page.keyboard.press("Enter")
    expect(shops).to_have_attribute("aria-pressed", "true")
    keyboard_on(page, shops.get_attribute("id") or "")
    assert "csrf" not in page.url and page.locator("#row_path").input_value() == "$.shops"


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_blanks_are_filled_in_once_their_columns_are_named(
    open_page: Callable[..., Page], client: Any, make_source: Callable[..., Source], run_work: Any, scheme: str, width: int
) -> None:
    source = make_source("Northwind Distribution")
    select(client, source)
    files = {"file": (io.BytesIO(b"sku,brand,size,qty\nA-100,Kestrel,S,1\n,,M,2\nB-200,Lumen,S,4\n"), "stock.csv")}
    client.send_form(path(source, "/connection/file"), files, page=path(source, "/connection"), content_type="multipart/form-data")
    run_work()
    page = open_page(scheme=scheme, width=width)
    page.goto(path(source, "/file"))
    columns = page.get_by_label("Blank means as above in")
    columns.fill("sku\nbrand")
    columns.press("Tab")
    expect(page.locator("#preview")).to_contain_text("2 blank cells filled in from above")
    columns.fill("sku\nmaker")
    page.click("#file-save")
    expect(page.locator("#as_above-error")).to_contain_text("The file has no column “maker”")
    expect(columns).to_have_value("sku\nmaker")
    assert axe_problems(page) == [] and sideways(page) == 0
