"""Alerts in a browser: each page in light and dark and on a telephone, answered with the keyboard, and without JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from portal import clock
from portal.alerts import evaluate, listing
from portal.models import Alert, AlertMessage, AnswerProblem, Circuit, Integration, RunningProcess, Source, User
from tests.alerts.noted import ended, live, problem
from tests.browser.conftest import axe_problems, sideways

pytestmark = pytest.mark.one_database


@pytest.fixture
def alerts(make_source: Callable[..., Source], owner: User) -> Alert:
    """Alerts of each level: open, acknowledged, snoozed and ended; one with messages; a worker that is there."""
    now = clock.now()
    RunningProcess.create(name="worker:here:1", kind="worker", host="here", pid=1, seen_at=now)
    kestrel, birch = make_source("Kestrel Outdoor", state="live"), make_source("Birch and Sons", state="live")
    live(kestrel, late_since=now - timedelta(hours=2), last_accepted_at=now - timedelta(hours=5))
    run = ended(live(birch), "failed", problem=problem("sign_in_refused", "Birch and Sons did not accept the password"), finished_at=now)
    AnswerProblem.create(merchant=birch.merchant, source=birch, cause="file", words="Too many.")
    Circuit.create(source=kestrel, failures=3, headline="Nothing answers on port 22", until=now + timedelta(minutes=9), opened=1)
    evaluate.evaluate()
    listing.acknowledge(Alert.get(Alert.rule == "answers_unused"), "ana@harbor.example")
    listing.snooze(Alert.get(Alert.rule == "server_silent"), "change", "ana@harbor.example")
    shown = Alert.get(Alert.rule == "sign_in_ended")
    for n, (kind, state) in enumerate((("fired", "sent"), ("resolved", "unknown"))):
        AlertMessage.create(
            merchant=birch.merchant, key=str(n), alert=shown, user=owner, kind=kind, state=state, said="Maybe.", ended_at=now
        )
    gone = evaluate.evaluate(now)
    assert gone and run and Integration.select().count() == 2
    return shown


def test_every_page_of_alerts_passes_axe_and_fits_a_telephone(open_page: Callable[..., Page], alerts: Alert) -> None:
    paths = {
        "/alerts": "Birch and Sons did not accept the password", "/alerts?view=snoozed": "until it changes",
        "/alerts?view=ended": "No alert has ended", f"/alerts/{alerts.public_id}": "May have arrived", "/alerts/rules": "Feed late",
        "/alerts/rules/edit?rule=shipment_overdue": "Leave out these sources", "/alerts/webhook": "There is none yet",
        "/profile/alerts": "Hour of the daily e-mail",
    }  # fmt: skip
    for scheme, width in (("light", 1280), ("dark", 390), ("dark", 1280), ("light", 320)):
        page = open_page(scheme=scheme, width=width)
        for path, words in paths.items():
            page.goto(path)
            expect(page.locator("main")).to_contain_text(words)
            assert axe_problems(page) == [] and sideways(page) == 0, (path, scheme, width)


def test_it_is_answered_from_the_list_and_led_to_where_it_is_mended(page: Page, alerts: Alert) -> None:
    page.goto("/alerts")
    expect(page.locator(".rail .count")).to_have_text("2 open")
    page.locator(f"#menu-{alerts.public_id}-button").click()
    page.locator(f"#snooze-day-{alerts.public_id}").click()
    expect(page.locator("#page-notice")).to_contain_text("Snoozed for 1 day")
    expect(page.locator(".rail .count")).to_have_text("1 open")
    page.goto(f"/alerts/{alerts.public_id}")
    page.locator("#wake").click()
    expect(page.locator("#page-notice")).to_contain_text("It is open again")
    page.goto(f"/alerts/{alerts.public_id}/mending")
    page.wait_for_url("**/connection")
    page.goto("/alerts/rules/edit?rule=shipment_overdue")
    page.locator("#over").select_option("7")
    page.locator("#rule-save").click()
    expect(page.locator("#rule-shipment_overdue")).to_contain_text("7 days")


def test_without_javascript_it_is_answered_too(plain_page: Page, alerts: Alert) -> None:
    plain_page.goto(f"/alerts/{alerts.public_id}")
    plain_page.locator("#acknowledge").click()
    expect(plain_page.locator("#page-notice")).to_contain_text("Acknowledged")
    plain_page.goto("/profile/alerts")
    plain_page.locator("#action").select_option("none")
    plain_page.locator("#wish-save").click()
    expect(plain_page.locator("#page-notice")).to_contain_text("Saved")
