"""Connecting a SOAP service in a real browser, with scripts and without: WSDL, operation, arguments, test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import service_descriptions
from portal.connectors.soap_files import sort_uploads
from portal.connectors.soap_wsdl import contract_of
from portal.models import Source
from tests.browser.conftest import axe_problems, picture, sideways
from tests.connectors.soap_server import Stack, soap_stack
from tests.connectors.soaping import PASSWORD
from tests.outbox.purchase_orders import SAMPLES
from tests.web.setting_up import path

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
SHOTS = os.environ.get("SHOTS", "")  # a folder for pictures of each page, to look at by hand


@pytest.fixture
def stack() -> Iterator[Stack]:
    with soap_stack() as made:
        made.set(auth="arguments")
        yield made


@pytest.fixture
def source(chosen: Any) -> Source:
    made: Source = chosen("soap-service", "Kestrel Outdoor und Überseehandelsgesellschaft")
    return made


def seen(page: Page, name: str) -> None:
    """The page as it is now has no fault of axe's and is not wider than its window; a picture of it where pictures are wanted."""
    if SHOTS:
        picture(page, f"{SHOTS}/{name}.png")
    assert axe_problems(page) == [], name
    assert sideways(page) == 0, name


def connect(page: Page, source: Source, stack: Stack) -> None:
    page.goto(path(source, "/connection"))
    page.get_by_label("Address of the WSDL").fill(f"{stack.base}/stock.wsdl")
    page.get_by_label("User", exact=True).fill("ana")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Send the sign-in even").check()
    page.get_by_role("button", name="Save and test").last.click()


def until(page: Page, words: str) -> None:
    """Wait for words, by the page's own refresh where scripts are off."""
    expect(page.locator("main")).to_contain_text(words, timeout=30_000)


@pytest.mark.parametrize(("script", "scheme", "width"), [(True, "dark", 390), (False, "light", 1280)], ids=["small", "plain"])
def test_a_service_is_connected(open_page: Any, source: Source, stack: Stack, worker: None, script: bool, scheme: str, width: int) -> None:
    page, name = open_page(script=script, scheme=scheme, width=width), f"soap-{width}-{scheme}-{'on' if script else 'off'}"
    connect(page, source, stack)
    until(page, "Something is still to choose")
    page.get_by_role("link", name="Choose the operation").click()
    page.get_by_label("Operation", exact=True).select_option("Stock11:ListStock")
    if not script:
        page.get_by_role("button", name="Show the arguments of this operation").click()
    expect(page.locator("#value-2")).to_be_visible()
    page.get_by_role("button", name="Save and test").last.click()
    until(page, "The service needs status")
    page.locator("#value-2").select_option("active")
    page.get_by_text("How it tells an error").click()
    page.get_by_label("Where an error stands").fill("result.code")
    page.get_by_label("Texts there that are no error").fill("0")
    if script:
        seen(page, f"{name}-refused")
    page.get_by_role("button", name="Save and test").last.click()
    until(page, "All 7 checks passed")
    expect(page.locator("main")).to_contain_text("ListStock answered: 3 items")
    if not script:
        return
    page.goto(path(source, "/connection/wsdl"))
    assert sideways(page) == 0
    page.goto(path(source, "/connection/operation") + "?operation=Stock12:GetStock")
    seen(page, f"{name}-products")


@pytest.mark.parametrize(("scheme", "width"), [("dark", 390), ("light", 1280)])
def test_get_shipments_is_set_up(open_page: Any, chosen: Any, scheme: str, width: int) -> None:
    page = open_page(script=True, scheme=scheme, width=width)
    done = ["supplier", "connection", "file", "inventory", "orders"]
    for slug in ("promostandards", "soap-service"):
        source = chosen(slug, f"Kestrel {slug}")
        Source.update(setup_done=done).where(Source.id == source.id).execute()
        files = sort_uploads([("get_shipments.wsdl", (SAMPLES / "get_shipments.wsdl").read_bytes())])
        service_descriptions.Shelf(source).keep(files, contract_of(files).outline())
        page.goto(path(source, "/mapping/shipments"))
        page.locator("#use-yes").check()
        if slug == "soap-service":
            page.get_by_label("Operation that tells shipments").select_option(index=1)
            page.get_by_role("button", name="Show what it takes").click()
            expect(page.locator("#items_list")).to_contain_text("trackingNumber")
            assert page.locator("#items_list input:checked").get_attribute("value").endswith("PackageArray.Package")
            assert "{since}" in page.get_by_label("Its arguments").input_value()
        seen(page, f"shipments-{slug}-{width}-{scheme}")
        page.get_by_role("button", name="Continue" if slug == "promostandards" else "Call it").click()
        if slug == "soap-service":
            expect(page.locator("main")).to_contain_text("needs")
            assert "built-in" not in page.content()
            seen(page, f"shipments-{slug}-{width}-{scheme}-refused")
