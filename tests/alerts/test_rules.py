"""Each rule fires just past its limit and not just before it; a source that rests is quiet; a rule that is off finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import accounts, channels, clock, lateness
from portal.alerts import evaluate, settings
from portal.alerts.rules import ACTS, RULES
from portal.models import (
    Alert,
    AnswerProblem,
    Channel,
    ChannelNotice,
    ChannelOrder,
    ChannelPush,
    Circuit,
    CommittedStock,
    Connection,
    Integration,
    Merchant,
    OauthGrant,
    Order,
    PlanLimit,
    PlanRow,
    Run,
    SendingStop,
    Shipment,
    Source,
    SupplierOutage,
    User,
)
from portal.operation import notes
from tests.alerts.noted import NOW, ended, live, look, only, problem
from tests.conftest import PASSWORD
from tests.ordered import ask, place

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def source(make_source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(clock, "now", lambda: NOW)
    made = make_source("Kestrel", state="live")
    live(made, last_accepted_at=NOW - DAY)
    return made


def late(source: Source) -> Any:
    live(source, late_since=NOW)


def held(source: Source, name: str = "prices_moved", **columns: Any) -> Run:
    verdicts = [{"name": name, "verdict": "hold", "limit": 1, "seen": 2, "sentence": "", "against": {}}]
    return ended(live(source), "held", verdicts=verdicts, problem=problem(name, "9 costs or prices moved far at once"), **columns)


def failed(code: str, of: str = "get_inventory_primary", **columns: Any) -> Callable[[Source], Any]:
    return lambda source: ended(live(source, of), "failed", problem=problem(code), **columns)


def zeroed(share: int) -> Callable[[Source], Any]:
    def make(source: Source) -> None:
        run = ended(live(source), "finished", accepted=True, counts={"rows": 100, "zeroed": share})
        Integration.update(last_accepted_run_id=run.id, last_accepted_at=NOW).execute()

    return make


def unsent(state: str = "unprocessed", **columns: Any) -> Callable[[Source], Any]:
    return lambda source: ask(place(source.merchant), source, state=state, created_at=NOW, **columns)


def overdue(source: Source) -> Any:
    return ask(place(source.merchant), source, sent_at=NOW)


def parcel(source: Source) -> Shipment:
    return Shipment.create(
        merchant=source.merchant, source=source, state="unmatched", reference="7", tracking_number="T", tracking_key="T", came_by="file"
    )


def store(source: Source) -> Channel:
    return channels.add(source.merchant, "Harbor Shop", "woocommerce", NOW, True, "owner")


def untaken(source: Source) -> Any:
    return ChannelOrder.create(channel=store(source), ref="77", state="waiting", why="It has no SKU.", created_at=NOW)


def push_held(source: Source, left_by: str = "") -> Any:
    told = {"zero": 22, "moves": 0, "live": 70, "run": 7, "left_by": left_by}
    return ChannelPush.create(channel=store(source), state="on", held=told)


def untold(source: Source) -> Any:
    return ChannelNotice.create(channel=store(source), shipment=parcel(source), state="failed")


def released(source: Source) -> Any:
    ask(place(source.merchant), source)
    CommittedStock.update(quantity=0, released_at=NOW, released_because="age").execute()


def ends_on(source: Source) -> Any:
    Connection.update(certificate_ends=NOW + 14 * DAY).where(Connection.source == source).execute() or Connection.create(
        source=source, certificate_ends=NOW + 14 * DAY
    )


def outage(source: Source) -> None:
    Connection.delete().where(Connection.source == source).execute()
    Connection.create(source=source, settings={"host": "SFTP.kestrel.example"})
    SupplierOutage.create(host="sftp.kestrel.example", words="Their disk is full.", begun_by="sam@quayside.example")
    SupplierOutage.create(host="kestrel.example", words="Not this one.", begun_by="sam@quayside.example")


def backed_up(source: Source) -> None:
    staff = accounts.create_user(source.merchant, "staff@portal.example", PASSWORD, is_staff=True)
    assert staff.is_staff
    notes.write(notes.BACKUP)


def uses(items: int, **limits: int) -> Callable[[Source], Any]:
    def make(source: Source) -> None:
        Source.update(item_count=items).where(Source.id == source.id).execute()
        PlanLimit.create(merchant=source.merchant, **limits)

    return make


# rule and case -> (what happens at NOW, the last moment at which it is quiet, or None where it fires at once)
CASES: dict[str, tuple[Callable[[Source], Any], timedelta | None]] = {
    "feed_late": (late, timedelta(0)),
    "feed_held": (held, None),
    "feed_refused": (failed("malformed_file"), None),
    "feed_refused of shipments": (failed("folder_missing", "get_shipments", kind="get_shipments"), None),
    "columns_changed": (failed("columns_missing"), None),
    "stock_collapsed held": (lambda source: held(source, "skus_lost"), None),
    "stock_collapsed refused": (failed("header_only"), None),
    "stock_collapsed applied": (zeroed(51), None),
    "sign_in_ended": (lambda source: OauthGrant.create(source=source, sealed="", expires_at=NOW, ended_at=NOW), None),
    "sign_in_ended refused": (failed("sign_in_refused"), None),
    "identity_changed": (failed("host_key_changed"), None),
    "identity_changed certificate": (failed("certificate_untrusted"), None),
    "certificate_ending": (ends_on, timedelta(0)),
    "server_silent": (lambda source: Circuit.create(source=source, failures=3, headline="It did not answer", until=NOW), None),
    "supplier_outage": (outage, None),
    "sending_stopped": (lambda source: SendingStop.create(source=source, why="3 sends are in doubt."), None),
    "sending_stopped everywhere": (lambda source: (live(source, "send_orders"), SendingStop.create(why="Restored.")), None),
    "check_needed": (unsent("processing", sending="check_needed"), None),
    "orders_unrouted": (lambda source: place(source.merchant, created_at=NOW), 4 * HOUR),
    "orders_unsent": (unsent(), 4 * HOUR),
    "orders_unsent failed": (unsent("failed"), 4 * HOUR),
    "orders_unsent in its hours": (unsent("processing", not_before=NOW + HOUR), 5 * HOUR),
    "answers_unused": (lambda source: AnswerProblem.create(merchant=source.merchant, source=source, cause="file", words="Too many."), None),
    "shipment_overdue": (overdue, 3 * DAY),
    "shipments_unmatched": (parcel, None),
    "channel_orders": (untaken, HOUR),
    "push_held": (push_held, None),
    "stock_released": (released, None),
    "backup_old": (backed_up, 26 * HOUR),
    "limit_near": (uses(91, skus=100), None),
    "limit_near full": (uses(100, skus=100, orders=5_000), None),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_each_rule_fires_just_past_its_limit_and_not_at_it(source: Source, case: str) -> None:
    make, quiet = CASES[case]
    assert look() == []
    make(source)
    if quiet is not None:
        assert look(NOW + quiet) == []
    assert look(NOW + (quiet or timedelta(0)) + SECOND) == [(case.split(" ")[0], "firing")]
    alert = only()
    level = "action" if case == "limit_near full" else RULES[alert.rule].level
    assert (alert.level, alert.source_id in (source.id, None)) == (level, True)
    assert alert.headline and len(alert.body.split()) <= 60 and alert.facts.get("place", "source") in ACTS


def test_a_tracking_number_that_a_store_refused_is_told_beside_what_waits_itself(source: Source) -> None:
    untold(source)
    assert sorted(look()) == [("shipments_unmatched", "firing"), ("tracking_untold", "firing")]


def test_each_limit_of_a_plan_is_told_by_itself(source: Source, make_source: Any) -> None:
    for n in range(9):
        make_source(f"Source {n}")
    place(source.merchant, number="before", created_at=NOW - 30 * DAY, state="closed", routing="")
    for n in range(10):
        place(source.merchant, number=str(n), created_at=NOW, state="closed", routing="")
    PlanLimit.create(merchant=source.merchant, sources=10, orders=11, skus=0, channels=10, users=10)
    evaluate.evaluate(NOW)
    told = {one.object_key: (one.headline, one.mark) for one in Alert.select()}
    assert told == {
        "sources": ("Fulfillment sources: the plan is full", "full"), "orders": ("Orders this month: 90% of the plan is used", "near"),
    }  # fmt: skip


def test_an_installation_without_any_backup_is_told_to_its_staff_alone(source: Source, other_merchant: Merchant) -> None:
    accounts.create_user(source.merchant, "staff@portal.example", PASSWORD, is_staff=True)
    Merchant.update(created_at=NOW).execute()
    assert look(NOW + 26 * HOUR) == []
    assert look(NOW + 26 * HOUR + SECOND) == [("backup_old", "firing")]
    assert (only().headline, only().merchant) == ("No backup was ever made", source.merchant)


def test_every_rule_has_a_case() -> None:
    assert {case.split(" ")[0] for case in CASES} | {"tracking_untold"} == set(RULES)


QUIET: dict[str, Callable[[Source], Any]] = {
    "half of the rows at 0 is the limit": zeroed(50),
    "nine tenths of the plan are the limit": uses(90, skus=100),
    "one source of one": uses(0, sources=1, users=1, channels=1),
    "a failure that something tries again": failed("timed_out", checkpoint={"given_up": True}),
    "a request that was sent and shipped": lambda source: ask(place(source.merchant), source, sent_at=NOW - 9 * DAY, shipped="shipped"),
    "an order that a person holds": lambda source: place(source.merchant, created_at=NOW - DAY, state="on_hold"),
    "a held feed that a newer one settled": lambda source: (held(source, created_at=NOW - DAY), live(source, last_accepted_at=NOW)),
    "a held feed of an inventory that was removed": lambda source: (
        held(source), ended(live(source), "finished", kind="remove_inventory"),
    ),
    "a push that a person left": lambda source: push_held(source, "ana"),
    "an answer that was settled": lambda source: AnswerProblem.create(
        merchant=source.merchant, source=source, cause="file", words="", settled_at=NOW
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", QUIET)
def test_what_needs_nobody_is_quiet(source: Source, case: str) -> None:
    if "tries again" in case:
        live(source, schedule={"every_minutes": 60})
    QUIET[case](source)
    assert look() == []


def test_a_delta_that_is_held_waits_though_newer_ones_were_accepted(source: Source) -> None:
    run = held(source, settings={"role": {"delta": True}}, created_at=NOW - DAY)
    live(source, last_accepted_at=NOW)
    assert look() == []
    PlanRow.create(run=run, n=1, sku="A", action="change", marks=0, state="held")
    assert look() == [("feed_held", "firing")]


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if case not in ("orders_unrouted", "channel_orders", "push_held", "sending_stopped everywhere", "backup_old")
        and "limit" not in case
    ],
)
def test_a_source_that_is_paused_is_quiet_and_ends_what_fires_without_a_word(source: Source, case: str) -> None:
    make, quiet = CASES[case]
    make(source)
    later = NOW + (quiet or timedelta(0)) + SECOND
    assert look(later)[0][1] == "firing"
    Source.update(state="paused").where(Source.id == source.id).execute()
    assert look(later + SECOND)[0][1] == "resolved"
    assert only().ended == "rested"


@pytest.mark.parametrize("off", [{"paused": True}, {"enabled": False}])
@pytest.mark.parametrize("case", ["feed_late", "feed_held", "feed_refused", "sign_in_ended refused", "stock_collapsed applied"])
def test_an_integration_that_is_paused_or_off_is_quiet_too(source: Source, case: str, off: dict[str, bool]) -> None:
    CASES[case][0](source)
    Integration.update(off).execute()
    assert look(NOW + SECOND) == []
    Integration.update(paused=False, enabled=True).execute()
    assert len(look(NOW + SECOND)) == 1
    Integration.update(off).execute()
    assert (look(NOW + SECOND)[0][1], only().ended) == ("resolved", "rested")


def test_a_feed_missing_by_its_deadline_alerts_without_any_run_having_happened(source: Source) -> None:
    """PRODUCT.md, acceptance check 8."""
    Integration.update(schedule={"every_minutes": 60}, watched_since=NOW - DAY, last_accepted_at=NOW, file_since=NOW).execute()
    for after, fires in ((timedelta(hours=2), []), (timedelta(hours=2) + SECOND, [("feed_late", "firing")])):
        lateness.mind(NOW + after)
        assert look(NOW + after) == fires
    assert Run.select().count() == 0
    assert "Nothing was removed or set to 0" in only().body


def test_limits_are_the_merchants_own_and_a_rule_may_be_off_or_leave_a_source_out(
    source: Source, owner: User, other_merchant: Merchant, make_source: Callable[..., Source]
) -> None:
    merchant, other = source.merchant, make_source("Kestrel", of=other_merchant, state="live")
    for one in (source, other):
        unsent()(one)
    usual = {"on": True, "over": 4, "quiet": 6, "not": []}
    settings.save_rule(merchant, "orders_unsent", usual | {"over": 8}, 0, owner.email)
    assert look(NOW + 4 * HOUR + SECOND) == [("orders_unsent", "firing")]
    assert only().merchant == other_merchant
    assert len(look(NOW + 8 * HOUR + SECOND)) == 2
    settings.save_rule(merchant, "orders_unsent", usual | {"not": [source.public_id]}, 2, owner.email)
    look(NOW + 9 * HOUR)
    mine = Alert.get(Alert.merchant == merchant)
    assert (mine.state, mine.ended) == ("resolved", "off")
    settings.save_rule(merchant, "orders_unsent", usual, 3, owner.email)
    look(NOW + 9 * HOUR)
    settings.save_rule(merchant, "orders_unsent", usual | {"on": False}, 4, owner.email)
    look(NOW + 9 * HOUR)
    assert Alert.get(Alert.merchant == merchant).ended == "off" and Alert.get(Alert.merchant == other_merchant).state == "firing"


def test_of_one_object_a_merchant_sees_only_their_own_counts(source: Source, other_merchant: Merchant, make_source: Any) -> None:
    other = make_source("Kestrel", of=other_merchant, state="live")
    for one in (source, other, other):
        parcel(one)
    evaluate.evaluate(NOW)
    assert {(one.merchant_id, one.facts["count"]) for one in Alert.select()} == {(source.merchant_id, 1), (other_merchant.id, 2)}
    assert Order.select().count() == 0
