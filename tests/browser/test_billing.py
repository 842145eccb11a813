"""The screens of billing in a browser, in light and dark and on a telephone, and a plan chosen without scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.billing import invoices, offers
from tests.browser.conftest import axe_problems, sideways

pytestmark = pytest.mark.one_database


def test_billing_screens(open_page: Callable[..., Page], site: Any, merchant: Any) -> None:
    limits: dict[str, int | None] = {"skus": 10_000, "users": 0}
    offers.save("starter", "Starter", "29.00", "USD", limits, "immediate")
    offers.assign(merchant, offers.save("growth", "Growth for Kestrel Outdoor und Überseehandel", "99.00", "USD", {}, "request"), "x")
    told = {"issuer": "Quay GmbH\nHamburg", "tax_rate": "19", "tax_label": "VAT", "how_to_pay": "IBAN DE00 1234", "due_days": "0"}
    invoices.save_settings(told)
    made = invoices.issue_lines(merchant, "USD", [("Growth, November 2026", "1290.00")], "x")
    for scheme, width in (("light", 1280), ("dark", 390)):
        page = open_page(scheme=scheme, width=width)
        for path in ("/billing", "/billing/change?plan=starter", "/billing/details", f"/billing/invoices/{made.public_id}"):
            page.goto(path)
            assert page.locator("main .btn-primary:visible").count() <= 1
            assert axe_problems(page) == [] and sideways(page) == 0, path
    bare = open_page(script=False)
    bare.goto("/billing/change?plan=starter")
    bare.locator("#plan-choose").click()
    expect(bare.locator("main")).to_contain_text("You are on Starter from today")
