"""Support staff in a browser: from the sign-in to a source that is reset and restored, and a view that its merchant sees; the audit log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

from portal import setup_steps, sources
from portal.models import Connection, InventoryItem, Run, Source
from portal.support import staff
from tests.browser.conftest import axe_problems, each_way, sideways
from tests.conftest import PASSWORD

pytestmark = pytest.mark.one_database
WAYS = (("light", 1280), ("dark", 390))
WHY = {"reason": "The supplier renamed its columns", "ticket": "T-4711"}


def looked_at(page: Page, ways: Sequence[tuple[str, int]] = WAYS[:1]) -> None:
    """The page as it is now has one heading, at most one primary act, nothing serious for axe, nothing sideways."""
    for way in each_way(page, ways):
        assert page.locator("h1").count() == 1 and page.locator("main .btn-primary:visible").count() <= 1, way
        assert axe_problems(page) == [] and sideways(page) == 0, (way, page.url)


def filled(page: Page, values: dict[str, str]) -> None:
    for name, value in values.items():
        page.locator(f"#{name}").fill(value)


def test_support_finds_mends_and_views_and_its_merchant_reads_it(
    open_page: Callable[..., Page], site: Any, worker: None, merchant: Any, make_source: Callable[..., Source]
) -> None:
    source = make_source("Kestrel Outdoor", supplier="sftp-file", state="live", item_count=1, setup_done=list(setup_steps.STEPS))
    Connection.create(source=source, settings={"host": "sftp.kestrel.example", "port": "22"})
    feed = sources.add_integration(source, "get_inventory_primary", "owner")
    InventoryItem.create(merchant=merchant, source=source, sku="K-1", title="Work lamp", content_hash=1, last_run_id=1, last_row=2)
    held = {"headline": "The columns changed", "body": "Nothing was read.", "code": "columns_missing", "act_at": "columns"}
    Run.create(merchant=merchant, source=source, integration=feed, kind="inventory", number=1, state="failed", problem=held)
    _, address = staff.add("sam@quayside.example", PASSWORD)
    page = open_page(signed_in=False)
    page.goto("/staff/sign-in")
    looked_at(page)
    filled(page, {"email": "sam@quayside.example", "password": PASSWORD, "code": pyotp.parse_uri(address).now()})  # type: ignore[attr-defined]
    page.locator("#staff-sign-in").click()
    page.locator("#q").fill("kestrel.example")
    page.locator("#find").click()
    looked_at(page)
    page.get_by_role("link", name="Kestrel Outdoor").click()
    expect(page.locator("#heading")).to_have_text("Kestrel Outdoor")
    looked_at(page, WAYS)
    page.locator("#go-reset").click()
    expect(page.locator("input[name=step]:checked")).to_have_value("inventory")
    looked_at(page, WAYS[1:])
    page.locator("input[name=items][value=delete]").check()
    filled(page, {**WHY, "typed_name": "Kestrel Outdoor"})
    page.locator("#confirm-act").click()
    expect(page.locator("main")).to_contain_text("is reset. It can be restored for 7 days")
    expect(page.locator("main")).to_contain_text("with its 1 item deleted")
    owner = open_page()
    owner.goto(f"/sources/{source.public_id}")
    expect(owner.locator("#support-reset")).to_contain_text("ticket T-4711")
    looked_at(owner)
    for _ in range(40):
        if not InventoryItem.select().exists():
            break
        page.wait_for_timeout(100)
    page.get_by_role("button", name="Restore").click()
    expect(page.locator("main")).to_contain_text("is as it was before the reset")
    page.goto("/staff/fleet")
    looked_at(page)
    page.goto("/staff/outages?host=sftp.kestrel.example")
    looked_at(page)
    page.locator("#words").fill("Their disk is full; they expect to be back at noon.")
    page.locator("#announce").click()
    page.goto(f"/staff/workspaces/{merchant.public_id}")
    looked_at(page)
    page.locator("#begin-view").click()
    filled(page, WHY)
    page.locator("#view-begin").click()
    expect(page.locator(".staff-band")).to_contain_text("read-only")
    looked_at(page, WAYS)
    owner.goto("/settings/support")
    expect(owner.locator("main")).to_contain_text("Support views this workspace until")
    expect(owner.locator("main")).to_contain_text("Kestrel Outdoor: Their disk is full")
    looked_at(owner)
    owner.locator("#allow").click()
    expect(owner.locator("#grant")).to_contain_text("allowed by owner@harbor.example")
    owner.goto("/audit")
    expect(owner.locator("#chain")).to_contain_text("verified just now")
    expect(owner.locator("main")).to_contain_text("Reset a source, as support")
    looked_at(owner, WAYS)
    page.locator("#end-view").click()
    expect(page.locator("#heading")).to_have_text("Find a workspace or a source")
