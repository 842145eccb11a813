"""A second feed in a real browser on a real SFTP server: added, left and resumed, turned on, its policies, taken away."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import activation, sources
from portal.models import InventoryItem, Run, Source
from tests.browser.conftest import axe_problems, each_way, keyboard_on, picture, sideways
from tests.connecting import WHO, check, fresh, save, sftp_values, trust
from tests.servers import SystemUser, sshd, system_user
from tests.test_delivery import synced
from tests.web.setting_up import integration, path

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database

KIND = "get_inventory_secondary"
STOCK = b"item_no,title,qty_avail,cost\n" + b"".join(b"NW-%d,Lamp %d,5,9.95\n" % (n, n) for n in range(10440, 10460))
PRICES = b"item_no,qty_avail,list_price,colour\nNW-10442,41,19.95,red\nNW-10443,42,18.50,blue\nNW-9,1,1.00,red\n"
SHOTS = os.environ.get("SHOTS", "")  # a folder for pictures of each page, to look at by hand


@pytest.fixture
def server() -> Iterator[tuple[Any, SystemUser]]:
    with system_user() as user:
        user.put("out/stock_2026-11-25.csv", STOCK, time.time() - 3_600)
        user.put("out/prices_2026-11-25.csv", PRICES, time.time() - 1_800)
        with sshd(user) as running:
            yield running, user


@pytest.fixture
def source(server: Any, chosen: Any, run_work: Any) -> Source:
    """A live source whose first file came from the server."""
    running, user = server
    made = chosen("sftp-file")
    save(made, sftp_values(running), password=user.password)
    check(made, run_work, {"folder": "out", "match": "newest", "pattern": "stock_*.csv"})
    trust(made)
    check(made, run_work, {"folder": "out", "match": "newest", "pattern": "stock_*.csv"})
    assert synced(made, run_work).state == "finished"
    steps = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
    Source.update(setup_done=steps, state="live").where(Source.id == made.id).execute()
    activation._switch_on(fresh(made), WHO)
    return fresh(made)


def until(page: Page, words: str, script: bool) -> None:
    """Wait for words; without scripts by going there again, as the page's own refresh does."""
    for _ in range(60):
        if words in page.locator("main").inner_text():
            return
        page.wait_for_timeout(500)
        if not script:
            page.goto(page.url)
    raise AssertionError(page.locator("main").inner_text())


def look(page: Page, name: str) -> None:
    for way in each_way(page):
        assert axe_problems(page) == [], (name, way)
        assert sideways(page) == 0, (name, way)
        assert page.locator("main .btn-primary:visible").count() <= 1, (name, way)
        if SHOTS:
            picture(page, str(Path(SHOTS) / f"{name}-{way}.png"))


@pytest.mark.parametrize("script", [True, False], ids=["with-scripts", "without-scripts"])
def test_a_merchant_adds_a_second_feed(open_page: Any, source: Source, worker: None, script: bool) -> None:
    page = open_page(script=script)
    page.goto(path(source, "/integrations"))
    page.click("#add-secondary")
    expect(page.locator("h1")).to_have_text("Add Get Inventory Secondary")
    page.click("#add-secondary")
    expect(page.locator("h1")).to_have_text("Pick the second file")
    expect(page.locator("main")).to_contain_text("prices_2026-11-25.csv")
    page.click("#file-save")
    expect(page.locator("#error-summary")).to_contain_text("Read a file first")
    page.fill("#pattern", "prices_*.csv")
    page.click("#read-file")
    until(page, "NW-10443", script)
    page.click("#file-save")
    expect(page.locator("h1")).to_have_text("Map the second file")
    page.goto(path(source, "/integrations"))  # left, and resumed from its row
    page.get_by_label("Actions for Get Inventory Secondary").click()
    page.click(f"#go-on-{KIND}")
    expect(page.locator("h1")).to_have_text("Map the second file")
    expect(page.locator("#f-title-column")).to_have_count(0)
    page.click("#save")
    expect(page.locator("h1")).to_have_text("Schedule of Get Inventory Secondary")
    page.click("#schedule-save")
    expect(page.locator("h1")).to_have_text("Review Get Inventory Secondary")
    expect(page.locator("main")).to_contain_text("2 of its 3 SKUs are items that you have")
    page.click("#second-on")
    page.wait_for_url("**/runs/*")
    expect(page.locator("main")).to_contain_text("Get Inventory Secondary")
    until(page, "Finished", script)
    found = {row.sku: row for row in InventoryItem.select().where(InventoryItem.source == source)}
    assert (found["NW-10442"].quantity, found["NW-10442"].list_price, found["NW-10444"].quantity) == (41, 199_500, 5)
    _choose_policies(page, source, script)
    page.goto(path(source, "/integrations"))
    page.get_by_label("Actions for Get Inventory Secondary").click()
    page.click(f"#remove-{KIND}")
    page.click("#removal-act")
    expect(page.locator("main")).to_contain_text("Get Inventory Secondary was removed.")
    assert InventoryItem.get(InventoryItem.sku == "NW-10442").quantity == 41
    assert [one.kind for one in sources.integrations(source) if one.kind == KIND] == []


def _choose_policies(page: Page, source: Source, script: bool) -> None:
    page.goto(path(source, "/integrations"))
    page.get_by_label("Actions for Get Inventory Secondary").click()
    page.click(f"#policies-{KIND}")
    expect(page.locator("h1")).to_have_text("Feed policies of Get Inventory Secondary")
    expect(page.locator("#after_runs")).to_be_hidden()
    page.check("#act-2")
    expect(page.locator("#after_runs")).to_be_visible()
    page.click("#policies-save")
    expect(page.locator("#error-summary")).to_contain_text("Enter after how many files")
    page.fill("#after_runs", "3")
    page.focus("#column")
    page.select_option("#column", "status")
    if script:
        expect(page.locator("#more")).to_be_visible()
        keyboard_on(page, "column")
    else:
        page.get_by_role("button", name="Show its values").click()
    page.fill("#more", "active")
    page.select_option("#owner_quantity", "get_inventory_primary")
    page.click("#policies-save")
    expect(page.locator("#page-notice")).to_contain_text("Saved ")
    kept = integration(source, KIND).policies
    assert kept["missing"]["after_runs"] == 3 and kept["missing"]["filter"] == {"column": "status", "values": ["active"]}
    assert "quantity" not in kept["owns"]


def test_every_page_of_it_is_accessible_and_fits(page: Page, source: Source, run_work: Any, client: Any) -> None:
    page.goto(path(source, "/integrations"))
    look(page, "integrations")
    page.goto(path(source, "/secondary"))
    look(page, "add")
    page.click("#add-secondary")
    look(page, "file-empty")
    check(source, run_work, {"folder": "out", "match": "newest", "pattern": "prices_*.csv"}, kind=KIND)
    page.goto(path(source, "/secondary/file"))
    look(page, "file")
    page.click("#file-save")
    page.wait_for_url("**/mapping/secondary")
    look(page, "mapping")
    page.click("#save")
    page.wait_for_url("**/schedule")
    look(page, "schedule")
    page.click("#schedule-save")
    page.wait_for_url("**/secondary/review")
    look(page, "review")
    page.click("#second-on")
    page.wait_for_url("**/runs/*")
    run_work()
    run = Run.select().where(Run.integration == integration(source, KIND), Run.kind == "inventory").get()
    page.goto(f"/runs/{run.public_id}")
    look(page, "run")
    for kind in ("get_inventory_primary", KIND):
        page.goto(path(source, f"/integrations/{kind}/policies"))
        look(page, f"policies-{kind}")
    page.check("#act-2")
    page.select_option("#column", "status")
    expect(page.locator("#more")).to_be_visible()
    page.click("#policies-save")
    expect(page.locator("#error-summary")).to_be_visible()
    look(page, "policies-error")
    page.goto(path(source, "/integrations"))
    look(page, "integrations-on")
    page.goto(path(source, "/settings"))
    look(page, "settings")
    page.goto(path(source, "/secondary/removal"))
    look(page, "removal")
