"""The screens of a source behind an API: the request before it is sent, the first answer, a list being read, a server at rest."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page

from portal import clock, connections, runs, sources
from portal.models import Circuit, Run, Source
from tests.browser.conftest import axe_problems, sideways
from tests.connecting import check, fresh, save
from tests.connectors.api_server import Api, api
from tests.test_api_sources import LIST
from tests.web.test_api_looks import live

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
SEEN = [("light", 1280), ("dark", 390)]


@pytest.fixture
def server() -> Iterator[Api]:
    with api(auth="header", count=20) as made:
        yield made


@pytest.fixture
def source(site: Any, chosen: Any, server: Api, run_work: Callable[[], None]) -> Source:
    made = chosen("rest-api")
    delta = {"delta": "since", "since_name": "updated_since"}
    save(made, {**LIST, **delta, "base": server.base, "auth": "header", "header_name": "X-Api-Key", "items": "nothing"}, key=server.key)
    check(made, run_work)
    return fresh(made)


def reading(source: Source) -> str:
    """The page of a run that reads the third of seven pages."""
    run = runs.start_sync(sources.integration(source, "get_inventory_primary"))
    stages = {"fetch": {"seconds": 0.0, "count": None, "unit": "items", "started": clock.now().isoformat(), "pages": 3, "of_pages": None}}
    Run.update(state="running", stage="fetch", stages=stages, done_rows=9, total_rows=20, started_at=clock.now()).where(
        Run.id == run.id
    ).execute()
    return f"/runs/{run.public_id}"


def test_they_pass_axe_and_fit_a_phone(open_page: Callable[..., Page], source: Source) -> None:
    base = f"/sources/{source.public_id}"
    connection, checks = f"{base}/connection", f"{base}/connection/checks"
    for scheme, width in SEEN:
        page = open_page(scheme=scheme, width=width)
        for path, shows in ((connection, "#request"), (checks, "#answer")):
            page.goto(path)
            assert page.locator(shows).is_visible()
            assert axe_problems(page) == [] and sideways(page) <= 0, (path, width)
    live(source)
    Circuit.create(source=source, failures=3, opened=1, headline="127.0.0.1 does not answer", until=clock.now() + timedelta(minutes=5))
    moving = reading(source)
    for scheme, width in SEEN:
        page = open_page(scheme=scheme, width=width)
        for path, words in ((base, "We leave this server alone"), (moving, "Page 3 read, 9 of 20 items")):
            page.goto(path)
            assert words in page.inner_text("main")
            assert axe_problems(page) == [] and sideways(page) <= 0, (path, width)


@pytest.mark.parametrize("script", [True, False])
def test_the_items_are_chosen_by_a_click(open_page: Callable[..., Page], worker: None, source: Source, script: bool) -> None:
    page = open_page(script=script)
    page.goto(f"/sources/{source.public_id}/connection/checks")
    page.get_by_role("button", name="Items: $.data", exact=True).click()
    page.wait_for_url("**/connection/checks")
    if not script:
        page.wait_for_timeout(1_000)  # this page looks again by itself
    page.get_by_text("checks passed", exact=False).first.wait_for(state="attached")
    assert connections.find(source).settings["items"] == "data"
