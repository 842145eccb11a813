"""The pages of stores: of those that give a key by themselves, and what an order becomes there: axe in light and dark, 320 px, large
text, one main act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page

from portal import clock, directory, key_offers, setup_steps, sources
from portal.models import KeyOffer, Source
from tests.browser.conftest import axe_problems, sideways
from tests.connecting import WHO, save

pytestmark = pytest.mark.one_database


def chosen(merchant: Any, slug: str, values: dict[str, Any], **secrets: str) -> Source:
    source = sources.create(merchant, f"Kestrel Outdoor {Source.select().count()}", "dropship_supplier", WHO)
    directory.select(source, slug, True, source.version, WHO)
    source = sources.find(merchant, source.public_id)
    save(source, values, **secrets)
    return source


@pytest.fixture
def pages(merchant: Any) -> list[str]:
    """The store's page with an installation that waits, the one in its frame, an approval that cannot begin, a form that leads to one."""
    app = {"store_hash": "a1b2c3", "client_id": "app-1"}
    waits = chosen(merchant, "bigcommerce", app, client_secret="s3cr3t-of-the-app")
    KeyOffer.create(
        token_hash="x", source=waits, kind="bigcommerce", store="a1b2c3", sealed=key_offers.seal(waits, {"key": "t"}),
        told={"user": f"jo@{'kestrel-outdoor-' * 4}.example", "scopes": ["store_v2_products_read_only"]},
        ends_at=clock.now() + timedelta(hours=1), received_at=clock.now(),
    )  # fmt: skip
    woo = chosen(merchant, "woocommerce", {"base": "https://store.kestrel.example"})
    rest = chosen(merchant, "rest-api", {"base": "https://api.kestrel.example", "auth": "none", "path": "/items", "paging": "none"})
    for one in (woo, rest):
        for step in ("connection", "file", "inventory"):
            setup_steps.mark(one, step)
    waiting, frame = f"/sources/{waits.public_id}/app", f"/bigcommerce/{waits.public_id}/load"
    orders = [f"/sources/{one.public_id}/mapping/orders" for one in (woo, rest)]
    return [waiting, frame, f"/sources/{woo.public_id}/approval", f"/sources/{woo.public_id}/connection", *orders]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_each_page_has_one_main_act(open_page: Callable[..., Page], site: Any, pages: list[str], scheme: str) -> None:
    page = open_page(scheme=scheme)
    for path in pages:
        page.goto(path)
        assert axe_problems(page) == [], path
        assert page.locator("h1").count() == 1 and page.locator("main .btn-primary:visible").count() == 1, path


def test_they_fit_a_small_screen_also_with_large_text(open_page: Callable[..., Page], site: Any, pages: list[str]) -> None:
    page = open_page(width=320, height=640)
    for path in pages:
        page.goto(path)
        assert sideways(page) == 0, path
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert sideways(page) == 0, f"{path} with large text"
