"""The team, an invitation, and two-step sign-in in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

from portal import clock, people
from tests.browser.conftest import axe_problems, each_way, sideways
from tests.conftest import PASSWORD

pytestmark = pytest.mark.one_database


def code(key: str, steps: int = 0) -> str:
    return pyotp.TOTP(key).generate_otp(int(clock.now().replace(tzinfo=UTC).timestamp()) // 30 + steps)


def test_somebody_joins_and_signs_in_with_a_second_step(open_page: Callable[..., Page], site: Any, owner: Any) -> None:
    people.invite(owner, "a-rather-long-address-of-the-third-warehouse@harbor-and-pine.example", "reader")
    page, guest = open_page(), open_page(signed_in=False)
    page.goto("/team/invitations/new")
    assert not axe_problems(page)
    page.get_by_label("Email").fill("new@harbor.example")
    page.get_by_label("Operator").check()
    page.get_by_role("button", name="Make the link").click()
    guest.goto(page.locator("#invitation-link").inner_text())
    for way in each_way(guest, [("dark", 390)]):
        assert not axe_problems(guest) and sideways(guest) == 0, way
    guest.get_by_label("Password", exact=True).fill("seven lanterns at dusk")
    guest.get_by_role("button", name="Join").click()
    expect(guest.get_by_role("heading", level=1)).to_have_text("Fulfillment Sources")
    for path in ("/team", "/team/roles", "/profile/two-step/app"):
        page.goto(path)
        for way in each_way(page, [("dark", 1280), ("light", 390)]):
            assert not axe_problems(page) and sideways(page) == 0, (path, way)
    key = page.locator("#app-key").inner_text().replace(" ", "")
    page.get_by_label("Code").fill(code(key, -1))
    page.get_by_role("button", name="Use this app").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Keep your recovery codes")
    assert not axe_problems(page)
    again = open_page(signed_in=False)
    again.goto("/sign-in")
    again.get_by_label("Email").fill(owner.email)
    again.get_by_label("Password", exact=True).fill(PASSWORD)
    again.get_by_role("button", name="Sign in", exact=True).click()
    expect(again.get_by_label("Code")).to_be_focused()
    assert not axe_problems(again)
    again.get_by_label("Code").fill(code(key))
    again.keyboard.press("Enter")
    expect(again.get_by_role("heading", level=1)).to_have_text("Fulfillment Sources")
