"""Late, held and up to date in a browser: the list, the ribbon with its gaps, and the rule whose fields follow the choice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import clock, lateness
from portal.models import Integration, LatePeriod
from tests.browser.conftest import axe_problems, sideways
from tests.web.test_freshness import KIND, run_of

pytestmark = pytest.mark.one_database


@pytest.fixture
def late(make_source: Any) -> Any:
    """A source that is late now and was before, with runs of every outcome."""
    source = make_source("Birch and Sons Outdoor", state="live", supplier="sftp-file", item_count=48_210)
    last = clock.now() - timedelta(hours=6)
    columns = {"schedule": {"every_minutes": 60}, "next_run_at": clock.now() + timedelta(minutes=42), "enabled": True}
    settings = {"match": "newest", "pattern": "stock_*.csv"}
    one = Integration.create(source=source, kind=KIND, settings=settings, last_accepted_at=last, watched_since=last, **columns)
    for n, state in enumerate(("finished", "held", "failed", "no_change", "warnings", "finished")):
        run_of(source, timedelta(hours=12 - n), state=state, counts={"rows": 100 * n})
    before = clock.now() - timedelta(hours=9)
    LatePeriod.create(integration=one, since=before, cause="absent", ended_at=before + timedelta(minutes=40), ended="accepted")
    lateness.mind()
    return source


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_late_passes_axe_and_fits_a_phone(open_page: Callable[..., Page], late: Any, scheme: str) -> None:
    rule = f"/sources/{late.public_id}/integrations/{KIND}/freshness"
    for width in (1280, 320):
        page = open_page(scheme=scheme, width=width)
        for path in ("/sources", f"/sources/{late.public_id}", f"/sources/{late.public_id}/integrations", rule):
            page.goto(path)
            if page.locator("#ribbon-words").count():
                page.locator("#ribbon-words summary").click()
            assert axe_problems(page) == [], path
            assert sideways(page) == 0, path


def test_a_bar_leads_to_its_run_and_the_words_tell_the_gap(page: Page, late: Any) -> None:
    page.goto(f"/sources/{late.public_id}")
    expect(page.locator(".ribbon .gap")).to_have_count(2)
    page.locator("#ribbon-words summary").click()
    expect(page.locator("#ribbon-words tbody tr")).to_have_count(8)
    expect(page.locator("#ribbon-words")).to_contain_text("40 min later")
    page.locator(".ribbon a").last.click()
    page.wait_for_url("**/runs/*")


def test_the_fields_follow_the_choice_and_the_next_times_are_shown_before_saving(page: Page, late: Any) -> None:
    page.goto(f"/sources/{late.public_id}/integrations/{KIND}/freshness")
    expect(page.get_by_label("Times", exact=True)).to_be_hidden()
    page.get_by_label("By set times").check()
    expect(page.get_by_label("Hours after the last accepted file")).to_be_hidden()
    page.get_by_label("Times", exact=True).fill("06:00, 18:00")
    page.locator("#freshness-look").click()
    expect(page.locator("#coming")).to_contain_text("Not saved yet.")
    expect(page.locator("#coming li")).to_have_count(3)
    page.locator("#freshness-save").click()
    expect(page.locator("#coming")).to_contain_text("Next three expected-by times")
