"""Every screen there is, found by walking the URL map: axe in light and dark, 320 px wide, 200 % text, keyboard focus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import axe_problems, each_way, focused, sideways
from tests.web.test_tenants import ENTRIES
from tests.web.walk import address, belongings, methods, rules

pytestmark = pytest.mark.one_database


def screens(app: Any, merchant: Any) -> list[str]:
    own = belongings(merchant, "Kestrel Outdoor und Überseehandelsgesellschaft für Zelte, Planen und Rucksäcke")
    return ["/nowhere"] + [
        address(app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {}))) for rule in rules(app) if "GET" in methods(rule)
    ]


def is_page(answer: Any) -> bool:
    return answer is not None and answer.headers.get("content-type", "").startswith("text/html")


def visit(page: Page, path: str) -> bool:
    """Go there; False when the address gives a file instead of a page."""
    if not is_page(page.request.get(path)):
        return False
    page.goto(path)
    return True


LOST = """[...document.querySelectorAll('[hx-target]')].map(e => e.getAttribute('hx-target')).filter(at => at != 'this')
    .filter(at => !document.querySelector(at))"""
"""Targets that are not on the page: a form with such a one does nothing when it is sent."""

PARTS = 3


@pytest.mark.parametrize("part", range(PARTS))
def test_each_screen(open_page: Callable[..., Page], site: Any, merchant: Any, part: int) -> None:
    """Opened once: its heading, its one primary act, what its buttons swap; axe in light and dark; 320 px, also with text at 200 %."""
    page = open_page()
    for path in screens(site.app, merchant)[part::PARTS]:
        if visit(page, path):
            is_whole(page, path)
            for way in each_way(page, [("light", 1280), ("dark", 1280)]):
                assert axe_problems(page) == [], f"{path} {way}"
            page.set_viewport_size({"width": 320, "height": 640})
            assert sideways(page) == 0, path
            page.evaluate("document.documentElement.style.fontSize = '200%'")
            assert sideways(page) == 0, f"{path} with large text"
            page.set_viewport_size({"width": 1280, "height": 800})


def is_whole(page: Page, path: str) -> None:
    assert page.locator("h1").count() == 1 and page.locator("main").count() == 1, path
    assert page.locator("main .btn-primary:visible").count() <= 1, path
    assert page.title().endswith(" – Quayside") and len(page.title()) > 12, path
    assert page.evaluate(LOST) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_where_one_signs_in(open_page: Callable[..., Page], site: Any, scheme: str) -> None:
    stranger = open_page(scheme=scheme, signed_in=False)
    stranger.goto("/sign-in?ended=1")
    assert axe_problems(stranger) == []


def test_the_keyboard_reaches_the_content_first_and_is_always_seen(page: Page, site: Any) -> None:
    page.goto("/settings")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    for _ in range(4):
        page.keyboard.press("Tab")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", focused(page)


def test_the_gates_can_fail(page: Page, site: Any) -> None:
    page.goto("/help")
    page.evaluate("document.querySelector('main').innerHTML = '<img src=/x><div id=wide>wide</div>'")
    page.evaluate("document.getElementById('wide').style.width = '4000px'")
    assert any(problem.startswith("image-alt") for problem in axe_problems(page)) and sideways(page) > 2000
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p style=\"color:red\">x</p>')")
    page.wait_for_timeout(200)
    assert any("Content Security Policy" in problem for problem in page.watched.problems)
    page.watched.problems.clear()
