"""Units and prices go to the store: only what differs, each journaled, whatever becomes of the line."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal import channels, clock, runs
from portal.errors import Invalid, Refused
from portal.listings import editing
from portal.models import AuditLine, ChannelPush, Connection, Listing, ListingPush, Run
from portal.pushing import batches, due, settings, story
from tests.channels.shelves import ware
from tests.channels.shops import Woo, serving_shop
from tests.connecting import WHO
from tests.ordered import ask, place
from tests.pushing.conftest import Shopkeeper

pytestmark = pytest.mark.one_database
KINDS = ["shopify", "bigcommerce", "woocommerce"]


def journal(one: Listing) -> list[tuple[Any, ...]]:
    rows = ListingPush.select().where(ListingPush.listing == one.id).order_by(ListingPush.id)
    return [(row.old_quantity, row.new_quantity, row.old_price, row.new_price, row.outcome) for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_differs_goes_once_it_was_looked_at(kind: str, keeper: Any) -> None:
    one: Shopkeeper = keeper(kind, 4)
    one.stock(1, 7)
    one.shop.shelves.of("LAMP-2")["price"] = "11.00"
    one.shop.shelves.wares.pop()
    with pytest.raises(Refused, match="Sending is off"):
        settings.send_now(one.channel, WHO)
    with pytest.raises(Refused, match="Look first"):
        settings.switch(one.channel, True, WHO)
    run = one.look()
    assert run.state == "finished" and one.wrote() == [], run.problem
    assert run.counts == {"listings": 4, "differ": 2, "missing": 1, "twice": 0, "refused": 0}
    assert [row[0] for row in one.push.looked["samples"]["differ"]] == ["LAMP-1", "LAMP-2"] and one.push.state == "off"
    settings.switch(one.channel, True, WHO)
    assert one.send().counts == {"sent": 2, "unchanged": 1, "missing": 1}
    assert one.wrote() == [("LAMP-1", "units", 7), ("LAMP-2", "price", "13.00" if kind != "bigcommerce" else "13.00")]
    assert journal(one.of(1)) == [(10, 7, None, None, "sent")] and journal(one.of(2)) == [(None, None, 110_000, 130_000, "sent")]
    assert journal(one.of(3)) == [] and one.of(3).pushed_quantity == 10 and one.of(3).push_state == "sent"
    assert one.of(4).push_state == "missing" and one.of(4).push_said == "The store has no SKU LAMP-4." and one.of(4).pushed_quantity is None
    assert (one.of(1).pushed_quantity, one.of(1).pushed_price) == (7, 130_000)
    one.shop.asked.clear()
    one.shop.shelves.wares.append(ware(4, "LAMP-4", 10, "13.00"))
    assert one.send().counts == {"unchanged": 1}, "a person's run asks again for what was missing"
    settings.switch(one.channel, False, WHO)
    acts = [row.action for row in AuditLine.select().where(AuditLine.action.startswith("channel.push")).order_by(AuditLine.id)]
    assert acts == ["channel.push_on", "channel.push_off"]


def test_what_cannot_be_set_is_said_of_the_listing_and_keeps_nothing_else_out(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 6)
    one.on()
    for n in range(1, 7):
        one.stock(n, n)
    one.shop.shelves.wares.append(ware(90, "LAMP-1"))
    one.shop.shelves.of("LAMP-2")["bad"] = "The product is locked"
    one.shop.shelves.of("LAMP-3")["tracked"] = False
    one.shop.shelves.of("LAMP-4")["sku"] = "OTHER-4"
    run = one.send()
    assert run.state == "warnings" and run.counts == {"sent": 2, "refused": 2, "twice": 1, "missing": 1}
    assert {n: one.of(n).push_state for n in range(1, 7)} == {1: "twice", 2: "refused", 3: "refused", 4: "missing", 5: "sent", 6: "sent"}
    assert "locked" in one.of(2).push_said and "Manage stock" in one.of(3).push_said
    assert sorted(one.wrote()) == [("LAMP-5", "units", 5), ("LAMP-6", "units", 6)], "the other goods with a known id were left alone"
    one.stock(2, 9, cost=200_000)
    one.stock(3, 9, cost=200_000)
    one.shop.shelves.of("LAMP-2")["bad"] = ""
    settings.start(one.channel, "", cause="system")
    assert one.done().state == "no_change", "what was refused rests for an hour"
    assert (
        one.send().counts == {"sent": 1, "refused": 1, "twice": 1, "missing": 1}
        and one.has(2) == (9, "26.00")
        and one.has(3) == (10, "26.00")
    )
    assert one.of(3).push_state == "refused" and one.of(3).pushed_price == 260_000 and one.of(3).pushed_quantity == 10


@pytest.mark.parametrize(
    ("kind", "fault"), [("shopify", "swallow"), ("bigcommerce", "cut"), ("woocommerce", "refuse"), ("woocommerce", "swallow")]
)
def test_after_an_unknown_answer_the_store_is_read_before_anything_is_said(kind: str, fault: str, keeper: Any) -> None:
    one: Shopkeeper = keeper(kind, 2)
    one.on()
    one.stock(1, 4)
    setattr(one.shop, fault, 1)
    run = one.send()
    assert one.has(1)[0] == 4 and run.state == "warnings" and run.counts == {"doubt": 1}, run.problem
    assert [row[-1] for row in journal(one.of(1))] == (["sent"] if fault == "swallow" else ["unknown", "sent"])
    assert one.of(1).push_state == "doubt" and one.push.due_at is not None and one.push.due_at > clock.now() + timedelta(minutes=6)
    one.wrote()
    ChannelPush.update(due_at=clock.now()).execute()
    Listing.update(asked_at=clock.now() - batches.SETTLE).where(Listing.push_state == "doubt").execute()
    assert due.start_due() == 1
    assert one.done().counts == {"unchanged": 1} and one.wrote() == [] and one.of(1).push_state == "sent" and one.push.due_at is None


def test_a_store_that_takes_nothing_is_tried_again_by_the_run(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 2)
    one.on()
    one.stock(1, 4)
    one.shop.refuse = 9
    run = one.send()
    assert run.state == "queued" and run.tries == 1 and one.has(1)[0] == 10
    stands = story.standing(one.channel)
    assert stands.waits and stands.state == "late" and "We try again at" in stands.words
    one.shop.refuse = 0
    Run.update(due_at=clock.now()).where(Run.id == run.id).execute()
    assert one.done().state == "warnings" and one.has(1)[0] == 4


def test_a_limit_is_waited_for(keeper: Any) -> None:
    one: Shopkeeper = keeper("bigcommerce", 1)
    one.on()
    one.stock(1, 4)
    one.shop.meanwhile = lambda: setattr(one.shop, "limit", 1)
    one.stock(1, 4, cost=110_000)
    assert one.send().counts == {"sent": 1} and one.has(1) == (4, "14.30")
    assert [row[-1] for row in journal(one.of(1))] == ["not_sent", "sent"]


def test_a_number_that_moved_meanwhile_is_read_again_first(keeper: Any) -> None:
    one: Shopkeeper = keeper("shopify", 2)
    one.on()
    one.stock(1, 4)
    one.shop.meanwhile = lambda: one.shop.shelves.of("LAMP-1").update(units=8)
    assert one.send().counts == {"sent": 1} and one.has(1)[0] == 4
    assert [row[:2] for row in journal(one.of(1))] == [(10, 4), (8, 4)]


def test_paused_and_ended_listings_send_0_whatever_the_guard_says(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 6)
    one.on()
    one.guarded_from(1)
    for n in range(1, 6):
        editing.put(one.of(n), "paused" if n % 2 else "ended", WHO)
    assert one.send().counts == {"sent": 5} and one.has(5)[0] == 0 and one.has(6)[0] == 10


def test_an_ended_listing_is_told_0_however_late_and_goes_only_then(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 2)
    one.on()
    editing.put(one.of(1), "ended", WHO)
    Listing.update(changed_at=clock.now() - timedelta(days=30)).where(Listing.id == one.of(1).id).execute()
    with pytest.raises(Refused, match="was told 10 units and not yet 0"):
        editing.remove(editing.find(one.channel, one.of(1).public_id), WHO)
    assert one.send().counts == {"sent": 1} and one.has(1)[0] == 0
    editing.remove(editing.find(one.channel, one.of(1).public_id), WHO)
    assert one.send().state == "no_change"


def test_a_store_with_other_money_is_refused_with_words(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 1)
    one.shop.shelves.currency = "EUR"
    run = one.look()
    assert run.state == "failed" and "prices are in EUR, the channel's in USD" in run.problem["body"] and one.push.looked_at is None


def test_another_store_behind_the_connection_is_looked_at_first(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 2)
    one.on()
    assert one.of(1).pushed_quantity == 10
    line = Connection.get(Connection.source == one.channel.line_id)
    with serving_shop(Woo()) as other:
        Connection.update(settings={**line.settings, "base": other.base}).where(Connection.id == line.id).execute()
        run = one.send()
        assert run.state == "failed" and "another store" in run.problem["body"] and one.push.state == "off" and other.asked == []
    assert (one.of(1).pushed_quantity, one.of(1).their_id, one.of(1).store_quantity) == (None, "", None)
    with pytest.raises(Refused, match="Look first"):
        settings.switch(one.channel, True, WHO)


def test_a_store_with_several_locations_asks_which(keeper: Any) -> None:
    one: Shopkeeper = keeper("shopify", 2)
    one.shop.shelves.places = [(1, "Main street"), (2, "Harbor")]
    assert "2 locations" in one.look().problem["body"]
    typed = {"share": "30", "least": "20", "move": "50", "prices": ""}
    with pytest.raises(Invalid):
        settings.save(one.channel, {**typed, "place": "gid://shopify/Location/9", "share": "x"}, one.push.version, WHO)
    settings.save(one.channel, {**typed, "place": "gid://shopify/Location/1"}, one.push.version, WHO)
    one.stock(1, 4, cost=500_000)
    assert one.on().counts == {"sent": 1, "unchanged": 1} and one.has(1) == (4, "13.00"), "prices are the store's own"
    assert one.send().state == "no_change"


@pytest.mark.parametrize(("listings", "fall", "held"), [(8, 3, False), (14, 4, False), (13, 4, True)])
def test_the_guard_just_under_at_and_over_its_limits(listings: int, fall: int, held: bool, keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", listings)
    assert (one.push.share, one.push.least, one.push.move) == (30, 20, 50), "what a channel begins with"
    one.on()
    one.guarded_from(4)
    run = emptied(one, fall)
    assert run.state == ("held" if held else "finished") and one.has(1)[0] == (10 if held else 0), run.problem


def test_sabotage_without_the_guard_the_shop_would_be_empty(keeper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.pushing.judging.trips", lambda *_: False)
    one: Shopkeeper = keeper("woocommerce", 5)
    one.on()
    one.guarded_from(1)
    assert emptied(one, 5).state == "finished" and one.has(5)[0] == 0


def emptied(one: Shopkeeper, count: int) -> Run:
    for n in range(1, count + 1):
        one.stock(n, 0)
    return one.send()


def test_a_person_decides_about_what_is_held(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 12)
    one.on()
    one.guarded_from(4)
    one.stock(12, 3)
    run = emptied(one, 4)
    assert run.state == "held" and "4 would fall to 0 units" in run.problem["body"], run.problem
    assert one.has(12)[0] == 3 and one.has(1)[0] == 10 and run.counts == {"held": 4, "sent": 1}
    assert one.of(1).push_state == "held" and one.push.held["run"] == run.number and len(one.push.held["samples"]["zero"]) == 4
    with pytest.raises(Refused, match="not held any more"):
        settings.release(one.channel, run.number - 1, WHO)
    settings.leave(one.channel, run.number, WHO)
    one.stock(11, 5)
    again = one.send()
    assert again.state == "finished" and one.push.held["left_by"] == WHO and one.has(1)[0] == 10, "it asks no more"
    one.stock(5, 0)
    more = one.send()
    assert more.state == "held" and one.push.held["zero"] == 5 and not one.push.held["left_by"], "more than was left alone"
    one.stock(6, 0)
    settings.release(one.channel, more.number, WHO)
    assert one.done().state == "held" and one.has(1)[0] == 10, "more than the person saw"
    settings.release(one.channel, one.push.held["run"], WHO)
    assert one.done().counts == {"sent": 6} and one.has(6)[0] == 0 and one.push.held == {}


def test_what_a_look_told_is_not_held_when_it_is_turned_on(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 8)
    for n in range(1, 8):
        one.stock(n, 0)
    one.look()
    one.guarded_from(1)
    assert one.push.looked["counts"]["zero"] == 7
    settings.switch(one.channel, True, WHO)
    settings.begin(one.channel, WHO)
    assert one.done().counts == {"sent": 7, "unchanged": 1} and one.has(7)[0] == 0


def test_prices_that_leap_are_held_and_units_go(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 8)
    one.on()
    one.guarded_from(4)
    for n in range(1, 5):
        one.stock(n, 9, cost=160_000)
    run = one.send()
    assert run.state == "held" and one.has(1) == (9, "13.00") and one.push.held["moves"] == 4 and one.push.held["zero"] == 0
    settings.release(one.channel, run.number, WHO)
    one.done()
    assert one.has(4) == (9, "20.80")


def test_a_person_stops_it_between_two_batches(keeper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one: Shopkeeper = keeper("woocommerce", 3)
    one.on()
    for n in range(1, 4):
        one.stock(n, n)
    monkeypatch.setattr("portal.connectors.goods_woocommerce.WooCommerceGoods.most", 1)
    monkeypatch.setattr("portal.leases.WRITE_EVERY", 0.0)
    one.shop.meanwhile = lambda: Run.update(cancel_requested=True).where(Run.state == "running").execute()
    ChannelPush.update(due_at=clock.now()).execute()
    assert one.send().state == "stopped" and [row[0] for row in one.wrote()] == ["LAMP-1"]
    assert due.start_due() == 0 and one.push.due_at is None, "it does not begin again by itself"
    assert one.send().counts == {"sent": 2}, "the rest goes with the next one"


def test_it_goes_by_itself_after_what_may_have_changed_an_offer(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 2)
    one.on()
    assert due.start_due() == 0 and one.push.due_at is None, "nothing happened since"
    editing.change(one.of(1), {"sku": "LAMP-1", "cap": "2"}, one.of(1).version, WHO)
    assert due.start_due() == 0 and one.push.due_at is not None, "first it gathers"
    ChannelPush.update(due_at=clock.now()).execute()
    assert due.start_due() == 1 and due.start_due() == 0
    assert one.done().cause == "system" and one.has(1)[0] == 2 and one.push.due_at is None
    assert due.start_due() == 0 and one.push.due_at is None
    Run.create(number=900, merchant=one.channel.merchant, source=one.source, kind="inventory", state="finished", finished_at=clock.now())
    due.start_due()
    assert one.push.due_at is not None
    ChannelPush.update(due_at=None, compared_at=clock.now()).execute()
    due.start_due()
    assert one.push.due_at is None
    ask(place(one.channel.merchant, [("LAMP-1", 1)]), one.source)
    due.start_due()
    assert one.push.due_at is not None, "units are committed to an order"
    settings.switch(one.channel, False, WHO)
    assert due.start_due() == 0


def test_orders_of_the_store_are_pulled_first(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 1)
    one.on()
    channels.schedule_pulls(one.channel, 15, WHO)
    ChannelPush.update(due_at=clock.now()).execute()
    assert due.start_due() == 1 and Run.select().order_by(Run.id.desc()).get().kind == "channel_orders"
    assert due.start_due() == 0, "it waits for them"
    one.run_work()
    assert due.start_due() == 1 and one.done().kind == "push_listings"
    ChannelPush.update(due_at=clock.now()).execute()
    assert due.start_due() == 1 and one.done().kind == "push_listings", "they are current"
    Run.update(created_at=clock.now() - due.PULLED_WITHIN, state="queued").where(Run.kind == "channel_orders").execute()
    ChannelPush.update(due_at=clock.now()).execute()
    assert due.start_due() == 1, "a pull that takes too long keeps nothing up"


def test_one_push_of_a_channel_at_a_time(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 1)
    one.on()
    settings.send_now(one.channel, WHO)
    with pytest.raises(runs.AlreadyRunning):
        settings.start(one.channel, "", cause="system")
    one.done()


def stalled(one: Shopkeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker reads 4 units, is taken over before its first byte, and the other one sends 3; then the first goes on."""
    one.on()
    one.stock(1, 4)
    real = batches.Batch._set
    ran: list[int] = []

    def slow(self: batches.Batch, *args: Any) -> Any:
        if not ran:
            ran.append(1)
            Run.update(lease_until=clock.now() - timedelta(seconds=1)).where(Run.id == self.work.run.id).execute()
            one.stock(1, 3)
            one.run_work()
            assert one.has(1)[0] == 3
        return real(self, *args)

    monkeypatch.setattr(batches.Batch, "_set", slow)
    one.send()


@pytest.mark.parametrize("kind", ["woocommerce", "bigcommerce"])
def test_an_older_push_never_writes_over_a_newer(kind: str, keeper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one: Shopkeeper = keeper(kind, 1)
    stalled(one, monkeypatch)
    assert one.has(1)[0] == 3 and [row[-1] for row in journal(one.of(1))][-1] == "sent"


def test_sabotage_without_the_fence_it_would(keeper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one: Shopkeeper = keeper("woocommerce", 1)
    monkeypatch.setattr(batches.Batch, "_check_still_ours", lambda *_: None)
    stalled(one, monkeypatch)
    assert one.has(1)[0] == 4


def test_a_worker_that_slept_and_was_not_replaced_reads_anew(keeper: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one: Shopkeeper = keeper("woocommerce", 1)
    one.on()
    one.stock(1, 4)
    with monkeypatch.context() as patch:
        patch.setattr(batches, "FRESH", -1.0)
        assert one.send().state == "queued" and one.has(1)[0] == 10
    assert {row[-1] for row in journal(one.of(1))} == {"not_sent"}


def test_old_lines_of_the_journal_are_erased(keeper: Any) -> None:
    one: Shopkeeper = keeper("woocommerce", 1)
    one.on()
    for units in (4, 5):
        one.stock(1, units)
        one.send()
    first = ListingPush.select().order_by(ListingPush.id).first()
    ListingPush.update(at=clock.now() - timedelta(days=due.KEEP_DAYS + 1)).where(ListingPush.id == first.id).execute()
    assert due.erase_old() == 1 and [row[1] for row in journal(one.of(1))] == [5]
