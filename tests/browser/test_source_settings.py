"""Settings, schedule, removal and restore as a person does them, with the keyboard followed, and with JavaScript off."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import clock
from portal.models import Integration, InventoryItem, Source
from tests.browser.conftest import axe_problems, keyboard_on

pytestmark = pytest.mark.one_database
KIND = "get_inventory_primary"


@pytest.fixture
def source(make_source: Any) -> Source:
    source = make_source(state="live", supplier="sftp-file")
    Integration.create(source=source, kind=KIND, enabled=True, schedule={"every_minutes": 60}, next_run_at=clock.now())
    for n in range(3):
        InventoryItem.create(merchant=source.merchant, source=source, sku=f"S{n}", content_hash=n, last_run_id=0, last_row=n)
    Source.update(item_count=3).where(Source.id == source.id).execute()
    return Source.get_by_id(source.id)


def at(source: Source, rest: str) -> str:
    return f"/sources/{source.public_id}/{rest}"


def test_a_row_is_edited_in_place_and_the_keyboard_stays_with_it(page: Page, source: Source) -> None:
    page.goto(at(source, "settings"))
    page.focus("#edit-allow-backorders")
    page.keyboard.press("Enter")
    expect(page.locator("#edit-setting")).to_be_visible()
    keyboard_on(page, "on")
    assert page.url.endswith("/settings")
    assert axe_problems(page) == []
    page.keyboard.press("Space")
    page.click("#setting-save")
    expect(page.locator("#setting-allow-backorders")).to_contain_text("Saved ")
    keyboard_on(page, "edit-allow-backorders")
    assert Source.get_by_id(source.id).allow_backorders
    expect(page.locator("#live")).to_contain_text("Saved ")
    page.click("#edit-override")
    page.click("#setting-cancel")
    expect(page.locator("#edit-setting")).to_have_count(0)
    keyboard_on(page, "edit-override")
    assert not Source.get_by_id(source.id).override_global


def test_the_schedule_shows_only_the_chosen_way_and_looks_before_it_saves(page: Page, source: Source) -> None:
    page.goto(at(source, f"integrations/{KIND}/schedule"))
    expect(page.locator("#every_minutes")).to_be_visible()
    expect(page.locator("#times")).to_be_hidden()
    page.check("#how-1")
    expect(page.locator("#every_minutes")).to_be_hidden()
    page.fill("#times", "25:00")
    page.click("#schedule-look")
    expect(page.locator("#error-summary")).to_be_visible()
    keyboard_on(page, "error-summary")
    assert axe_problems(page) == []
    page.fill("#times", "8:00")
    page.click("#schedule-look")
    expect(page.locator("#coming")).to_contain_text("08:00")
    expect(page.locator("#coming")).to_contain_text("Not saved yet.")
    page.click("#schedule-save")
    expect(page.locator("#page-notice")).to_contain_text("Saved ")
    assert Integration.get(Integration.source == source).schedule["times"] == ["08:00"]


@pytest.mark.parametrize("script", [True, False])
def test_an_inventory_is_removed_and_a_source_deleted_and_restored(open_page: Any, worker: None, source: Source, script: bool) -> None:
    page = open_page(script=script)
    page.goto(at(source, "settings"))
    page.click("#go-removal")
    page.fill("#typed_name", "Northwind Distribution")
    page.click("#confirm-act")
    expect(page.locator("#error-summary")).to_contain_text("The name does not match. Type Northwind.")
    page.fill("#typed_name", "Northwind")
    page.click("#confirm-act")
    page.wait_for_url("**/runs/*")
    for _ in range(50):
        if InventoryItem.select().count() == 0:
            break
        page.wait_for_timeout(200)
    assert InventoryItem.select().count() == 0
    page.goto(at(source, "deletion"))
    page.fill("#typed_name", "Northwind")
    page.click("#confirm-act")
    page.wait_for_url("**/sources/deleted")
    page.click("#restore-1")
    page.wait_for_url(f"**/sources/{source.public_id}")
    expect(page.locator("#page-notice")).to_contain_text("Northwind is restored.")


def test_every_setting_and_the_pause_work_without_javascript(plain_page: Page, source: Source) -> None:
    page = plain_page
    page.goto(at(source, "settings"))
    page.click("#edit-override")
    page.check("#on")
    page.click("#setting-save")
    page.click("#edit-auto-process")
    page.check("#on")
    page.click("#setting-save")
    expect(page.locator("#setting-auto-process")).to_contain_text("On")
    page.click("#go-pause")
    page.goto(at(source, "settings"))
    saved = Source.get_by_id(source.id)
    assert (saved.override_global, saved.auto_process, saved.state) == (True, True, "paused")
    page.click("#go-pause")
    assert Source.get_by_id(source.id).state == "live"
    page.goto(at(source, f"integrations/{KIND}/schedule"))
    page.check("#how-2")
    page.click("#schedule-save")
    expect(page.locator("#coming")).to_contain_text("None by itself.")
