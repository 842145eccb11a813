"""The whole first journey on the real program: launcher, web, worker and demo supplier as processes of their own.

With scripts on SQLite, without scripts on Postgres. Every page is also checked for script errors and policy violations.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Watched
from tests.conftest import PASSWORD
from tests.databases import Databases
from tests.servers import free_port

ROOT = Path(__file__).resolve().parents[2]
SLOW = 60_000  # milliseconds: a sync looks at its file twice, five seconds apart


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """portal(database_url): `python app.py` with its demo supplier on free ports; its address."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(database_url: str) -> str:
        ports = [free_port() for _ in range(3)]
        settings = {"PORT": ports[0], "DEMO_SFTP_PORT": ports[1], "DEMO_HTTP_PORT": ports[2], "DATA_DIR": tmp_path / "var"}
        environment = os.environ | {name: str(value) for name, value in settings.items()}
        environment |= {"DATABASE_URL": database_url, "OWNER_PASSWORD": PASSWORD, "DEMO": "1", "PRODUCTION": "0"}
        log = (tmp_path / "log").open("wb")
        started.append(subprocess.Popen([sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=log, stderr=log))
        address = f"http://127.0.0.1:{ports[0]}"
        _wait_for(lambda: _answers(address) and (tmp_path / "var/demo/account.json").exists())
        return address

    yield begin
    for process in started:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()


@pytest.mark.parametrize("script, kind", [(True, "sqlite"), (False, "postgres")], ids=["with-scripts", "without-scripts"])
def test_a_merchant_connects_a_supplier_and_sees_the_stock(
    chromium: Browser, portal: Any, databases: Databases, script: bool, kind: str
) -> None:
    address = portal("" if kind == "sqlite" else databases.empty_postgres("journey"))
    context = chromium.new_context(java_script_enabled=script, base_url=address)
    context.set_default_timeout(20_000)
    page, watch = context.new_page(), Watched()
    page.on("console", watch.console)
    page.on("pageerror", watch.script_error)
    walk = Walk(page, script)
    walk.sign_in()
    walk.add_source("Northwind Distribution")
    walk.choose_the_demo_supplier()
    walk.connect()
    walk.finish_the_set_up()
    walk.see_the_first_sync()
    walk.find_an_item()
    walk.sync_again()
    context.close()
    assert watch.problems == []


class Walk:
    """A merchant's steps, each ending where the next begins."""

    def __init__(self, page: Page, script: bool) -> None:
        self.page, self.script = page, script

    def press(self, words: str) -> None:
        self.page.locator("main").locator("button:visible, a.btn:visible").filter(has_text=re.compile(words)).last.click()

    def heading(self, words: str) -> None:
        expect(self.page.locator("h1")).to_have_text(re.compile(words), timeout=20_000)

    def until(self, words: str) -> None:
        """Wait for words in the page; without scripts by the Refresh that a person would use."""
        deadline = time.monotonic() + SLOW / 1000
        while time.monotonic() < deadline:
            if words in self.page.locator("main").inner_text():
                return
            self.page.wait_for_timeout(700)
            if not self.script:
                self.page.goto(self.page.url)
        raise AssertionError(f"{words!r} did not come: {self.page.locator('main').inner_text()}")

    def sign_in(self) -> None:
        self.page.goto("/")
        self.page.fill("[name=email]", "owner@example.com")
        self.page.fill("[name=password]", PASSWORD)
        self.page.locator("main button[type=submit], form button[type=submit]").last.click()
        self.heading("Fulfillment Sources")

    def add_source(self, name: str) -> None:
        self.page.click("#add-source")
        self.page.fill("#name", name)
        self.page.click("#save-source")
        self.until("You have not created any integrations yet")
        self.page.click("#get-started")
        self.heading("Supplier Directory")

    def choose_the_demo_supplier(self) -> None:
        self.page.fill("#q", "demo")
        if not self.script:
            self.page.click("#directory-go")
        expect(self.page.locator("main")).to_contain_text("Demo Distributor", timeout=20_000)
        self.page.locator("main").locator("a, button").filter(has_text="Select").first.click()
        self.heading("Demo Distributor")
        self.page.check("main input[type=checkbox]")
        self.page.locator("main form button[type=submit]").last.click()
        self.heading("Connect Northwind")

    def connect(self) -> None:
        self.press("Save and test")
        self.until("Is this really")
        self.page.locator("main a", has_text="Compare").first.click()
        self.heading("Is this really")
        self.press("Yes, trust it")
        self.until("All 7 checks passed")
        self.press("Continue")
        self.heading("Pick the file")
        self.press("Continue")
        self.heading("Map the inventory")

    def finish_the_set_up(self) -> None:
        self.page.goto(self.page.url.replace("/mapping/inventory", "/review"))
        self.heading("Map the inventory")  # a skipped step leads to the first open one
        self.press("Continue")
        self.heading("Send Orders")
        self.page.locator("main input[type=radio]:visible").first.check()
        self.press("Continue")
        self.heading("Get Shipments")
        self.page.locator("main input[type=radio]:visible").nth(1).check()
        self.press("Continue")
        self.heading("SKU mapping")
        self.press("Continue")
        self.heading("Review Northwind")
        self.press("^Save$")

    def see_the_first_sync(self) -> None:
        self.heading("Run ")
        self.until("Finished with warnings")
        self.page.goto(self.page.url)
        expect(self.page.locator("main")).to_contain_text("What changed")
        expect(self.page.locator("main")).to_contain_text("No SKU")

    def find_an_item(self) -> None:
        self.page.locator("nav[aria-label=Main] a", has_text="Inventory").click()
        self.heading("Inventory")
        sku = self.page.locator("#items a.row-link").nth(3).inner_text()
        self.page.fill("#item-search", sku)
        if not self.script:
            self.page.click("#item-go")
        expect(self.page.locator("#items")).to_contain_text("Exact match", timeout=20_000)
        self.page.locator("#items a.row-link", has_text=sku).first.click()
        self.heading(re.escape(sku))
        expect(self.page.locator("main")).to_contain_text("First seen")

    def sync_again(self) -> None:
        self.page.goto("/sources")
        self.page.locator("a.row-link", has_text="Northwind").click()
        self.page.click("#tab-integrations")
        self.page.get_by_label("Actions for Get Inventory Primary").click()
        self.page.click("#run-get_inventory_primary")
        self.heading("Run ")
        self.until("Apply")


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/sign-in", timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _wait_for(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "the portal did not start"
        time.sleep(0.2)
