"""Fulfillment requests in Chromium: with scripts from Process to Void, and each screen in its states, light, dark and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal import routing
from portal.models import FulfillmentRequest
from portal.requests import answers
from portal.requests.answers import Answer, Origin
from tests.browser.conftest import axe_problems, focused, sideways
from tests.ordered import lines_of, place
from tests.stocked import stock_up

pytestmark = pytest.mark.one_database

LONG = "Kestrel Outdoor und Überseehandelsgesellschaft für Zelte, Planen und Rucksäcke"


@pytest.fixture
def asked(merchant: Any, make_source: Any, owner: Any) -> list[FulfillmentRequest]:
    """Requests at two sources, one with a long name, SKU and count: unprocessed, sent with an answer that could not be used, in doubt."""
    stock_up(make_source("Northwind"), {"HX-1": 12, "HX-2": 100, "A" * 110: 9}, cost=99_500)
    stock_up(make_source(LONG), {"HX-1": 2, "HX-3": 1_234_567})
    orders = [[("HX-1", 3), ("HX-2", 1), ("A" * 110, 2)], [("HX-2", 4), ("HX-3", 1_000_000)], [("HX-2", 1)]]
    made = [routing.route(place(merchant, lines, str(10440 + n)), owner.email).requests for n, lines in enumerate(orders)]
    found = [request for some in made for request in some]
    for request, columns in (
        (found[0], {"state": "processed", "sending": "sent", "sent_at": found[0].created_at}),
        (found[1], {"state": "processing", "sending": "check_needed"}),
        (found[2], {"state": "failed", "sending": "rejected", "said": "SKU HX-3 is discontinued, they said."}),
    ):
        FulfillmentRequest.update(columns).where(FulfillmentRequest.id == request.id).execute()
    answers.acknowledge(found[0], [Answer(sku="HX-1", accepted=2, rejected=1)], origin=Origin("file"))
    answers.acknowledge(found[0], [Answer(sku="HX-2", code="ZZ9")], origin=Origin("file", row=14))
    return found


@pytest.mark.parametrize("options", [{"scheme": "dark"}, {"width": 320, "height": 640}], ids=["dark", "320 px"])
def test_each_screen_in_its_states(open_page: Callable[..., Page], asked: Any, merchant: Any, options: dict[str, Any]) -> None:
    """Filled, in doubt, refused and with long data; test_screens has each of them plain, in both schemes."""
    order, source = place(merchant, [("HX-1", 3), ("HX-3", 5), ("ZZ", 1), ("HX-1", 9)], "10999"), asked[0].source.public_id
    first, ledger = f"/requests/{asked[0].public_id}", f"/sources/{source}/committed-stock?which=all"
    page = open_page(**options)
    for path in ("/requests", "/requests/answers", first, f"{first}/void", f"/orders/{order.public_id}/routing", ledger):
        page.goto(path)
        assert sideways(page) == 0, path
        assert "width" in options or axe_problems(page) == [], path
        assert page.locator("main .btn-primary:visible").count() <= 1, path


def test_from_process_to_void_with_scripts(page: Page, asked: Any) -> None:
    waiting = asked[3]
    page.goto(f"/requests/{waiting.public_id}")
    page.get_by_role("button", name=f"Process {waiting.number}").click()
    expect(page.locator("#page-notice")).to_contain_text("1 fulfillment request in line for sending.")
    FulfillmentRequest.update(state="processed", sending="sent").where(FulfillmentRequest.id == waiting.id).execute()
    page.goto(f"/requests/{waiting.public_id}")
    page.locator("#act-acknowledge").click()
    (line,) = lines_of(waiting)
    page.locator(f"#accept-{line.public_id}").fill("7")
    page.get_by_label("Reason").fill("as they wrote")
    page.locator("#quantities-save").click()
    expect(page.locator("#error-summary")).to_contain_text("they answered for 7 units, and 1 are asked for")
    assert focused(page) == "error-summary" and page.get_by_label("Reason").input_value() == "as they wrote"
    page.locator(f"#accept-{line.public_id}").fill("1")
    page.locator("#quantities-save").click()
    expect(page.locator("main")).to_contain_text("1 accepted.")
    page.locator("#act-void").click()
    page.locator("#quantities-save").click()
    expect(page.locator("#error-summary")).to_contain_text("Nothing was voided.")
    page.get_by_label("Northwind confirmed that it will not ship").check()
    page.locator("#quantities-save").click()
    expect(page.locator("main")).to_contain_text("1 voided. They can be routed again.")
