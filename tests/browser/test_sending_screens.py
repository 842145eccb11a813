"""Check needed, its confirm page, the story of a sending, and how orders leave: seen in both schemes and on a phone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from portal.models import Integration, Source
from tests.browser.conftest import axe_problems, sideways
from tests.outgoing import states, turn_on
from tests.web.test_sending import in_doubt

pytestmark = pytest.mark.one_database
SHOTS = os.environ.get("SHOTS", "")


@pytest.fixture
def source(site: Any, make_source: Callable[..., Source]) -> Source:  # noqa: ARG001
    made = make_source("Harbor", supplier="sftp-file", state="live")
    Integration.get_or_create(source=made, kind="send_orders")
    turn_on(made, test_place="tests")
    return made


def test_they_pass_axe_and_fit_a_phone_and_a_decision_is_made(open_page: Callable[..., Page], source: Source) -> None:
    one, _ = in_doubt(source, "10442", "10443")
    here = f"/requests/{one.public_id}"
    for scheme, width in [("light", 1280), ("dark", 390)]:
        page = open_page(scheme=scheme, width=width)
        for name, path in [("request", here), ("check", f"{here}/check"), ("again", f"{here}/check/again"),
                           ("way", f"/sources/{source.public_id}/sending")]:  # fmt: skip
            page.goto(path)
            assert axe_problems(page) == [] and sideways(page) <= 0, (name, scheme)
            if SHOTS:
                page.screenshot(path=str(Path(SHOTS) / f"{name}-{scheme}-{width}.png"), full_page=True)
    page.goto(f"{here}/check")
    page.fill("#their_id", "SO-88")
    page.click("#have-it")
    page.wait_for_url(f"**{here}")
    assert states(one) == [("processed", "sent")]
