"""Listing many products: what a look tells apart, applying, undoing, interruptions; and listings one by one, found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import channels
from portal.errors import Invalid, Refused, Stale
from portal.listings import browse, editing, making, offers
from portal.models import AuditLine, Listing, ListingBatch, Product, Run, Source
from tests.catalogue.stock import UPC, done, product
from tests.listings.goods import WHO, goods, listed, ruled, shop


def looked(channel: Any, query: str = "", begin_as: str = "live", unpriced: bool = False) -> ListingBatch:
    made = making.begin(channel, query, begin_as, unpriced, WHO)
    done()
    return making.find(channel, made.public_id)


def fresh(batch: ListingBatch) -> ListingBatch:
    done()
    return making.find(batch.channel, batch.public_id)


@pytest.fixture
def north(make_source: Callable[..., Source]) -> Source:
    return make_source("Northwind", state="live")


def test_a_look_tells_apart_what_would_be_listed_and_what_not(merchant: Any, north: Source, other_merchant: Any) -> None:
    channel = shop(merchant, prefix="EB-", longest="9")
    for n in range(3):
        goods(merchant, f"P-{n}", (north, {"quantity": 5, "cost": 10_000}))
    goods(merchant, "P-FREE", (north, {"quantity": 5, "cost": None}))
    goods(merchant, "P-TOOLONG", (north, {"quantity": 5, "cost": 10_000}))
    product(other_merchant, "P-THEIRS")
    listed(channel, Product.get(Product.sku == "P-0"), sku="EB-P-1")
    batch = looked(channel, "p-")
    told = {kind: batch.counts[kind] for kind in making.KINDS}
    assert told == {"create": 1, "no_price": 1, "listed": 1, "clash": 1, "long": 1} and batch.counts["products"] == 5
    assert batch.counts["samples"]["clash"] == [["P-1", "Work lamp", "EB-P-1"]] and Listing.select().count() == 1
    assert looked(channel, "nothing").counts["products"] == 0


def test_applied_then_undone_leaves_what_was_and_what_a_person_touched(
    merchant: Any, north: Source, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(making, "SPAN", 2)
    channel = shop(merchant, suffix="-EB")
    made = [goods(merchant, f"P-{n}", (north, {"quantity": n, "cost": 10_000})) for n in range(5)]
    before = listed(channel, made[0])
    batch = looked(channel, begin_as="paused", unpriced=True)
    assert making.would(batch) == 4
    goods(merchant, "P-LATE")
    Listing.create(channel=channel, product=made[1], sku="BY-HAND")
    making.apply(batch, WHO)
    batch = fresh(batch)
    assert (batch.state, batch.counts["made"], batch.counts["passed_over"]) == ("applied", 4, 0)  # P-LATE in the place of P-1
    states = {(one.sku, one.state) for one in Listing.select().where(Listing.batch == batch)}
    assert states == {(f"P-{n}-EB", "paused") for n in ("2", "3", "4", "LATE")}
    with pytest.raises(Refused, match="applied already"):
        making.apply(batch, WHO)
    touched, pushed = (Listing.get(Listing.sku == sku) for sku in ("P-2-EB", "P-3-EB"))
    editing.put(touched, "live", WHO)
    Listing.update(their_id="77").where(Listing.id == pushed.id).execute()
    making.undo(batch, WHO)
    batch = fresh(batch)
    assert (batch.state, batch.counts["taken_back"], batch.counts["kept"], batch.counts["gone"]) == ("undone", 2, 2, 0)
    assert batch.counts["ended"] == 0
    assert {one.sku for one in Listing.select()} == {before.sku, "BY-HAND", "P-2-EB", "P-3-EB"}
    with pytest.raises(Refused):
        making.undo(batch, WHO)


def test_a_batch_is_gone_on_with_after_a_stop_and_only_one_is_at_work(
    merchant: Any, north: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "SPAN", 1)
    channel = shop(merchant)
    for n in range(4):
        goods(merchant, f"P-{n}", (north, {"quantity": n, "cost": 10_000}))
    batch = looked(channel)
    making.apply(batch, WHO)
    with pytest.raises(Refused, match="under way"):
        making.begin(channel, "", "live", False, WHO)
    real, seen = offers.bulk.pause, []

    def stop() -> None:
        real()
        seen.append(1)
        if len(seen) == 2:
            raise KeyError("the second chunk")

    monkeypatch.setattr(making.bulk, "pause", stop)
    with pytest.raises(KeyError, match="the second chunk"):
        done()
    assert Run.select().where(Run.kind == "listing_batch", Run.state == "failed").count() == 1 and Listing.select().count() == 2
    with pytest.raises(Refused, match="stopped half-way"):
        making.begin(channel, "", "live", False, WHO)
    making.go_on(making.find(channel, batch.public_id), WHO)
    assert fresh(batch).counts["made"] == 4 and Listing.select().count() == 4


def test_a_removed_channel_loses_its_listings_and_nobody_elses(merchant: Any, north: Source) -> None:
    channel, other = shop(merchant), shop(merchant, name="Other")
    one = goods(merchant, "P-1", (north, {"quantity": 5, "cost": 10_000}))
    listed(channel, one)
    listed(other, one)
    assert editing.fed_by(north) == 2 and set(editing.of_product(one)) == {channel.id, other.id}
    channels.remove(channel, WHO)
    assert editing.fed_by(north) == 1 and making.erase_removed() == 1
    assert [row.channel_id for row in Listing.select()] == [other.id]


def test_one_listing_says_its_own_and_two_people_meet(merchant: Any, north: Source, other_merchant: Any) -> None:
    channel = shop(merchant, prefix="EB-")
    one = goods(merchant, "P-1", (north, {"quantity": 50, "cost": 10_000}))
    made = editing.create(channel, one, "", WHO)
    assert made.sku == "EB-P-1"
    with pytest.raises(Invalid, match="listed on Harbor outlet already"):
        editing.create(channel, one, "OTHER", WHO)
    with pytest.raises(Invalid, match="has the Listing SKU EB-P-1"):
        editing.create(channel, goods(merchant, "P-2"), "EB-P-1", WHO)
    made = editing.find(channel, made.public_id)
    editing.change(made, {"sku": "MINE", "title": " My  lamp ", "price": "24,50", "buffer": "3", "cap": "40"}, 1, WHO)
    (offer,) = offers.offers(channel)
    assert (offer.sku, offer.title, offer.price, offer.quantity) == ("MINE", "My lamp", 245_000, 40)
    with pytest.raises(Stale):
        editing.change(made, {"price": "1"}, 1, WHO)
    with pytest.raises(Invalid) as refused:
        editing.change(made, {"price": "1,000.00", "buffer": "-1", "cap": "x", "title": "a\0b", "sku": "S" * 161}, 2, WHO)
    assert set(refused.value.errors) == {"price", "buffer", "cap", "title", "sku"}
    editing.change(editing.find(channel, made.public_id), {}, 2, WHO)
    (offer,) = offers.offers(channel)
    assert (offer.sku, offer.title, offer.price, offer.quantity) == ("EB-P-1", "Work lamp", 19_900, 50)
    editing.put(made, "ended", WHO)
    assert [one.quantity for one in offers.offers(channel)] == [0], "so that a shop is told"
    theirs = shop(other_merchant)
    with pytest.raises(Exception, match="listing"):
        editing.find(theirs, made.public_id)
    editing.remove(editing.find(channel, made.public_id), WHO)
    assert not Listing.select().exists()
    acts = [line.action for line in AuditLine.select().where(AuditLine.object_kind == "listing").order_by(AuditLine.id)]
    assert acts == ["listing.create", "listing.change", "listing.change", "listing.state", "listing.remove"]


def test_listings_are_found_and_narrowed(merchant: Any, north: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browse, "PAGE", 2)
    monkeypatch.setattr(browse, "PIECE", 3)
    channel = shop(merchant, prefix="EB-", ending="-1")
    for n in range(9):
        made = goods(merchant, f"P-{n}", (north, {"quantity": n % 2, "cost": None if n == 7 else 10_000, "map_price": 20_000}))
        listed(channel, made, sku=f"EB-P-{n}", price=15_000 if n == 8 else None, state="paused" if n == 4 else "live")
    Product.update(gtin=UPC[0].zfill(14)).where(Product.sku == "P-5").execute()

    def all_of(**asked: Any) -> list[str]:
        skus, after = [], ""
        while True:
            found = browse.page(channel, after=after, **asked)
            asked["by"] = found.by
            skus += [one.master_sku for one in found.rows]
            if not found.following:
                return skus
            after = found.following

    every = [f"P-{n}" for n in range(9)]
    assert all_of() == every == all_of(query="eb-p") == all_of(query="p-") == all_of(query="P-", by="master")
    assert browse.page(channel, "P-").by == "master" and browse.page(channel, UPC[0]).by == "code" and all_of(query=UPC[0]) == ["P-5"]
    assert all_of(query="nope") == [] and all_of(query="EB-P-3") == ["P-3"] == all_of(query="P-3")
    assert all_of(show="no_price") == ["P-7"] and all_of(show="below_map") == ["P-8"] == all_of(show="own_price")
    assert all_of(show="paused") == ["P-4"] == all_of(show="paused", query="P-") and all_of(show="ended") == []
    assert all_of(show="no_stock") == ["P-0", "P-2", "P-6", "P-7", "P-8"]
    monkeypatch.setattr(browse, "SECONDS", 0)
    found = browse.page(channel, show="no_price")
    assert found.cut and found.rows == [] and found.looked == 3 and all_of(show="no_price") == ["P-7"]
    Listing.update(price=None).where(Listing.channel == channel.id).execute()
    channel = ruled(channel, currency="EUR")
    assert all_of(show="foreign") == [one for one in every if one != "P-7"]
