"""An alert ends when something proves that it is over, not because the next run did not repeat it; and it is one alert until then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal.alerts import leaving, listing
from portal.models import Alert, AlertMessage, Integration, InventoryChange, InventoryItem, Merchant, Run, Source, User
from tests.alerts.noted import HOUR, MINUTE, Time, ended, live, only, problem
from tests.catalogue.stock import item
from tests.outbox.mail_server import Mail


@pytest.fixture
def source(time: Time, make_source: Callable[..., Source], owner: User, mailing: Mail) -> Source:
    made = make_source("Kestrel", state="live")
    live(made, schedule={"every": "hour"})
    return made


def fails(source: Source, code: str, **columns: Any) -> Run:
    integration = live(source)
    Integration.update(failures=integration.failures + 1).where(Integration.id == integration.id).execute()
    return ended(integration, "failed", problem=problem(code), **columns)


def test_an_ended_sign_in_is_not_over_because_the_next_run_failed_otherwise(time: Time, source: Source) -> None:
    fails(source, "sign_in_refused")
    assert time.look(MINUTE) == "firing" and only().rule == "sign_in_ended"
    fails(source, "connection_lost", checkpoint={"given_up": True})  # may pass by itself, so it is no alert of its own
    for _ in range(4):
        assert time.look(5 * MINUTE) == "firing", "nothing says that the sign-in works again"
    ended(live(source), "stopped")
    assert time.look(10 * MINUTE) == "firing"
    ended(live(source), "finished", accepted=True)
    time.look(MINUTE)
    assert time.look(6 * MINUTE) == "resolved"


def test_a_connection_that_was_tested_well_proves_the_sign_in(time: Time, source: Source) -> None:
    fails(source, "sign_in_refused")
    time.look(MINUTE)
    fails(source, "connection_lost", checkpoint={"given_up": True})
    Run.create(merchant=source.merchant_id, source=source, kind="connection_check", number=99, state="finished", finished_at=time.now)
    time.look(MINUTE)
    assert time.look(6 * MINUTE) == "resolved"


def test_a_fall_of_stock_is_over_when_the_stock_is_back_or_somebody_said_it_is_right(time: Time, source: Source) -> None:
    integration = live(source)
    run = ended(integration, "finished", accepted=True, counts={"rows": 10, "zeroed": 8}, finished_at=time.now)
    Integration.update(last_accepted_run_id=run.id, last_accepted_at=time.now).execute()
    for number in range(8):
        one = item(source, f"S-{number}", quantity=0)
        InventoryChange.create(merchant=source.merchant_id, source=source, run=run, item_id=one.id, sku=one.sku, action="zero",
                               before={"quantity": 3}, after={"quantity": 0})  # fmt: skip
    assert time.look(MINUTE) == "firing" and only().rule == "stock_collapsed"
    again = ended(integration, "no_change", accepted=True, counts={"rows": 10})
    Integration.update(last_accepted_run_id=again.id).execute()
    assert {time.look(30 * MINUTE) for _ in range(60)} == {"firing"}, "8 items are still at 0"
    InventoryItem.update(quantity=3).where(InventoryItem.sku << ["S-1", "S-2", "S-3", "S-4"]).execute()
    time.look(MINUTE)
    assert time.look(6 * MINUTE) == "resolved"
    InventoryItem.update(quantity=0).execute()
    Alert.update(state="firing", resolved_at=None, clear_since=None).execute()
    assert time.look(MINUTE) == "firing"
    listing.acknowledge(only(), "ana@harbor.example")
    time.look(2 * 24 * HOUR)
    assert time.look(6 * MINUTE) == "resolved", "it was acknowledged, and a day is over"


def test_runs_that_fail_alike_are_one_alert_that_counts_and_is_reminded_of_daily(time: Time, source: Source, mailing: Mail) -> None:
    fails(source, "columns_missing")
    assert time.passes(MINUTE) == 1
    letters = []
    for _ in range(50):
        fails(source, "columns_missing")
        letters.append(time.passes(HOUR))
    assert sum(letters) == 2 and letters[:22] == [0] * 22, "after 24 hours and after 48"
    alert = only()
    assert (alert.times, alert.turn, alert.facts["failed"]) == (1, 1, 51) and "51 times in a row" in alert.body
    listing.acknowledge(alert, "ana@harbor.example")
    for _ in range(30):
        fails(source, "columns_missing")
        assert time.passes(HOUR) == 0, "somebody looks after it, and nothing changed"
    fails(source, "unreadable")
    assert time.passes(MINUTE) == 1, "another reason is news"


def kinds(messages: Any = None) -> list[str]:
    rows = AlertMessage.select().where(AlertMessage.user.is_null(), AlertMessage.state == "sent").order_by(AlertMessage.id)
    return [one.kind for one in rows]


@pytest.mark.parametrize("how", ["worse", "paused", "back"])
def test_a_webhook_that_was_told_of_it_is_told_of_its_end(
    time: Time,
    source: Source,
    hook: dict[str, Any],
    merchant: Merchant,
    how: str,
) -> None:
    fails(source, "columns_missing")
    time.passes(MINUTE)
    assert kinds() == ["fired"]
    if how == "worse":  # it fires anew while its cool-down lasts, and ends before that is told
        Alert.update(turn=2, state="firing").execute()
    if how == "back":  # its end waits to be told, and it is back; then it ends before the cool-down is over
        ended(live(source), "finished", accepted=True)
        time.look(MINUTE)
        time.look(6 * MINUTE)
        assert only().state == "resolved"
        fails(source, "columns_missing")
        assert time.look(MINUTE) == "firing"
        leaving.send_due(time.now)
    if how == "paused":
        Source.update(state="paused").execute()
    else:
        ended(live(source), "finished", accepted=True)
    time.passes(MINUTE)
    time.passes(6 * MINUTE)
    assert only().state == "resolved" and kinds() == ["fired", "resolved"]
    assert timedelta() < time.now - only().resolved_at or only().ended in ("gone", "rested")
