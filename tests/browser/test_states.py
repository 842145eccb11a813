"""Screens in the states that people meet them in: held, renamed columns, plans, reverts, errors, long names; axe, and a telephone's width.

With PICTURES=folder each is kept as a picture in light and dark, at 1280 and 390, as tests/browser/SCORES.md scores them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import axe_problems, sideways
from tests.connecting import save
from tests.connectors.oauth_server import CLIENT, SECRET, Oauth, oauth_server
from tests.feed_of import Feed, rows_of
from tests.inventory.test_contract import renamed_feed
from tests.web.test_exchanges import tell

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
LONG = "Kestrel Outdoor und Überseehandelsgesellschaft für Zelte, Planen und Rucksäcke"
PICTURES = bool(os.environ.get("PICTURES"))
LOOKS = [("light", 1280), ("dark", 390), *([("dark", 1280), ("light", 390)] if PICTURES else [])]

CONNECTED = ["sftp-file", "rest-api", "shopify", "woocommerce", "bigcommerce", "soap-service", "http-file"][: None if PICTURES else 1]


def look(open_page: Callable[..., Page], paths: dict[str, str], act: Callable[[Page], None] | None = None) -> None:
    """Each of `paths` shows its words, at every look, with nothing serious and nothing sideways."""
    for scheme, width in LOOKS:
        page = open_page(scheme=scheme, width=width)
        for path, words in paths.items():
            page.goto(path)
            if act:
                act(page)
            expect(page.locator("main")).to_contain_text(words)
            assert axe_problems(page) == [] and sideways(page) == 0, (path, scheme, width)
            assert page.locator("main .btn-primary:visible").count() <= 1, path


def test_a_feed_that_waits_for_a_person(open_page: Any, site: Any, make_source: Any) -> None:
    feed, shifted, zeros = (Feed(make_source(name)) for name in (LONG, "Renamed", "Zeros"))
    feed.sync(rows_of(1_200))
    feed.sync(rows_of(1_198, quantity=6))
    missing = feed.sync(rows_of(700, quantity=7))
    zeros.sync(rows_of(200))
    emptied = zeros.sync([[*row[:3], 0, row[4]] for row in rows_of(200)])
    renamed, plan = renamed_feed(shifted), feed.dry_run(rows_of(1_100, quantity=8))
    look(open_page, {
        f"/runs/{missing.public_id}/held": "498 of 1,198 SKUs are missing", f"/runs/{emptied.public_id}/held": "200 items",
        f"/runs/{missing.public_id}/acceptance": "498 items", f"/runs/{renamed.public_id}/columns": "quantity_available",
        f"/runs/{plan.public_id}/plan": "Nothing was written", f"/sources/{feed.source.public_id}": "Held",
    })  # fmt: skip


def test_a_run_that_is_taken_back_and_a_second_feed(open_page: Any, site: Any, make_source: Any) -> None:
    feed = Feed(make_source(LONG))
    feed.sync(rows_of(200))
    run = feed.sync(rows_of(212, quantity=9))
    later = rows_of(212, quantity=9)
    later[3][3] = 1
    feed.sync(later)
    second = Feed(feed.source, "get_inventory_secondary", fields={"sku": {"columns": ["item_no"]}, "quantity": {"columns": ["qty"]}})
    told = second.sync(rows_of(60, start=180, quantity=3))
    broken = second.sync(b"name,price\nLamp,3\n")
    look(open_page, {
        f"/runs/{run.public_id}/revert": "items of", f"/sources/{feed.source.public_id}/secondary/unknown": "SKU-00239",
        f"/runs/{told.public_id}": "Finished", f"/runs/{broken.public_id}": "Failed",
    })  # fmt: skip


@pytest.fixture
def server() -> Iterator[Oauth]:
    with oauth_server() as made:
        yield made


def test_signing_in_and_what_was_asked(open_page: Any, site: Any, chosen: Any, server: Oauth) -> None:
    source = chosen("rest-api", name=LONG)
    values = {
        "base": server.base, "auth": "code", "authorize_url": f"{server.base}/authorize", "token_url": f"{server.base}/token",
        "client_id": CLIENT, "scope": "read_stock write_orders", "path": "/items", "items": "data", "form": "json", "paging": "none",
        "plain_ok": "1",
    }  # fmt: skip
    save(source, values, client_secret=SECRET)
    tell(source, address=f"https://api.example/v1/{'a-long-part-of-a-path/' * 12}items?…", answer=b'{"data": []}', received=12)
    tell(source, status=429, answer=b"<html>slow down</html>", received=22)
    tell(source, status=None, problem="api.example does not answer")
    here = f"/sources/{source.public_id}"
    look(open_page, {
        f"{here}/sign-in": "You are going to", "/oauth/return?state=x&code=y": "Nothing was saved", f"{here}/exchanges": "slow down",
        f"{here}/connection": "Return address",
    })  # fmt: skip


@pytest.mark.parametrize("slug", CONNECTED)
def test_a_connect_page_says_what_is_missing(open_page: Any, site: Any, chosen: Any, slug: str) -> None:
    source = chosen(slug, name=LONG)

    def send(page: Page) -> None:
        page.click("#connection-test")
        expect(page.locator("#error-summary")).to_be_visible()

    look(open_page, {f"/sources/{source.public_id}/connection": "Enter"}, send)


def test_a_source_file_that_cannot_be_read(open_page: Any, site: Any) -> None:
    def send(page: Page) -> None:
        page.fill("#file", 'quayside = 9\n[source]\nname = "' + LONG + '"\n')
        page.check("#confirmed")
        page.locator("main form button.btn-primary").click()
        expect(page.locator("#error-summary")).to_be_visible()

    look(open_page, {"/sources/from-file": "must say quayside = 1"}, send)
