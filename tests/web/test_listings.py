"""Listings as pages: from a product to a file that a shop fetches, by form alone; and what others are kept from."""

from __future__ import annotations

import csv
import fcntl
import io
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from portal import channels, clock
from portal.errors import Refused
from portal.listings import editing, links, offers
from portal.models import AuditLine, Channel, FeedLink, InventoryItem, Listing, Product
from portal.web import channel_files
from tests.catalogue.stock import done
from tests.listings.goods import RULES, WHO, goods, listed, ruled, shop
from tests.web.walk import everything

pytestmark = pytest.mark.one_database  # tests/listings go over both


@pytest.fixture(autouse=True)
def fresh_counts() -> None:
    channel_files.polls.forget()
    channel_files.refusals.forget()


@pytest.fixture
def north(make_source: Any) -> Any:
    return make_source("Northwind", state="live")


def rows(answer: Any) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))


def test_the_journey_from_products_to_a_file(client: Any, north: Any, merchant: Any) -> None:
    answer = client.send_form("/channels/new", {"name": "Outlet", "kind": "csv", "currency": "usd"})
    channel = Channel.get()
    here = f"/channels/{channel.public_id}/listings"
    assert answer.headers["Location"].endswith(f"{here}/rules") and channel.line_id is None and channel.currency == "USD"
    assert "There are no products to list yet" in client.get(here).text and client.get(f"/channels/{channel.public_id}").status_code == 302
    for n in range(3):
        goods(merchant, f"LAMP-{n}", (north, {"quantity": 10 + n, "cost": 124_000, "map_price": 190_000}))
    page = f"{here}/rules"
    answer = client.send_form(page, {"mode": "times", "markup": "1,3x"})
    assert answer.status_code == 422 and "Enter a number such as 30 or 1.35" in answer.text and 'value="1,3x"' in answer.text
    asked = "mode=times&markup=1.3&ending=99&cost_of=stocked&of=total&currency=USD&map_floor=y&buffer=2&longest=40"
    look = client.get(f"{page}/look?{asked}", headers={"HX-Request": "true"}).text
    assert "cost 12.40 of Northwind × 1.3 = 16.12" in look and "rounded to 19.99" in look and "10 − buffer 2 = 8" in look
    assert "<html" not in look and not Channel.get().settings
    answer = client.send_form(page, {"mode": "times", "markup": "1.3", "ending": "99", "map_floor": "y", "buffer": "2", "prefix": "EB-"})
    assert answer.status_code == 303 and "Cost × 1.3, not below MAP, up to .99." in client.get(here).text
    answer = client.send_form(f"{here}/batches/new", {"q": "lamp-"})
    batch = answer.headers["Location"]
    assert "You can leave this page" in client.get(batch).text
    done()
    assert "<b>3 products</b> will be listed" in client.get(batch).text and not Listing.select().exists()
    assert client.send_form(f"{batch}/apply", {}, page=batch).status_code == 303
    done()
    assert "3 products listed" in client.get(batch).text
    listed_page = client.get(here).text
    assert "EB-LAMP-2" in listed_page and "19.99" in listed_page and "3 live" in listed_page
    assert "EB-LAMP-2" not in client.get(f"{here}?q=EB-LAMP-1").text and "No listing matches" in client.get(f"{here}?show=no_price").text
    one = Listing.get(Listing.sku == "EB-LAMP-0")
    at = f"{here}/{one.public_id}"
    assert "MAP 19.00 → 19.00" in client.get(at).text
    answer = client.send_form(at, {"price": "15", "cap": "4"})
    assert answer.status_code == 303 and "Its price is below MAP" in client.get(at).text
    assert "EB-LAMP-0" in client.get(f"{here}?show=below_map").text
    assert client.send_form(at, {"price": "12.345678"}).status_code == 422
    assert client.send_form(f"{at}/state", {}, page=at).status_code == 303 and Listing.get_by_id(one.id).state == "paused"
    product = Product.get(Product.sku == "LAMP-0")
    assert "EB-LAMP-0</a>, paused" in client.get(f"/products/{product.public_id}").text
    assert "3 listings go with it" in client.get(f"/channels/{channel.public_id}/removal").text
    file = rows(client.get(f"/channels/{channel.public_id}/listings.csv"))
    assert [(one["Listing SKU"], one["Price"], one["Quantity"]) for one in file] == [
        ("EB-LAMP-0", "15.00", "0"), ("EB-LAMP-1", "19.99", "9"), ("EB-LAMP-2", "19.99", "10")
    ]  # fmt: skip
    assert client.send_form(f"{batch}/undo", {}).status_code == 303
    done()
    page = client.get(batch).text
    assert "2 listings ended instead, with 0 units, as a shop has a file with them" in page, "the file was downloaded"
    assert sorted(one.state for one in Listing.select()) == ["ended", "ended", "paused"]
    assert client.send_form(f"{at}/withdrawal", {}).status_code == 303 and Listing.select().count() == 2


def test_one_product_is_listed_from_its_page(client: Any, north: Any, merchant: Any) -> None:
    channel = shop(merchant)
    product = goods(merchant, "P-1", (north, {"quantity": 1, "cost": 10_000}))
    new = f"/channels/{channel.public_id}/listings/new"
    assert f"{new}?product=P-1" in client.get(f"/products/{product.public_id}").text
    assert "no product with the Master SKU NOPE" in client.send_form(new, {"product": "NOPE"}).text
    assert client.send_form(new, {}, page=f"{new}?product=P-1").status_code == 303
    again = client.send_form(new, {"product": "P-1"})
    assert again.status_code == 422 and "listed on Harbor outlet already" in again.text


def test_columns_are_chosen_named_and_ordered_and_no_cell_is_a_formula(client: Any, north: Any, merchant: Any) -> None:
    channel = shop(merchant)
    evil = '=HYPERLINK("http://evil.example","x")'
    for n, title in enumerate((evil, "+1", "-2", "@SUM(A1)", "\tTab", "  =1", 'plain, "quoted"')):
        listed(channel, goods(merchant, f"P-{n}", (north, {"quantity": 1, "cost": 10_000}), title=title))
    Listing.update(sku="=cmd|'/c calc'!A0").where(Listing.sku == "P-6").execute()
    page = f"/channels/{channel.public_id}/file"
    typed = {"column": ["title", "fixed", "sku", "price", ""], "name": ["=Name", "Condition", "", "", ""], "text": ["", "+new", "", "", ""]}
    assert client.send_form(page, typed).status_code == 303
    text = client.get(f"/channels/{channel.public_id}/listings.csv").data.decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(text)) for cell in row]
    assert not [cell for cell in cells if cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t"))] and f"'{evil}" in cells
    assert text.splitlines()[0] == "'=Name,Condition,Listing SKU,Price" and "'+new" in cells
    assert client.send_form(page, {**typed, "act": "up-2", "safe": None}).status_code == 303
    text = client.get(f"/channels/{channel.public_id}/listings.csv").data.decode("utf-8-sig")
    assert text.startswith("=Name,Listing SKU,Condition,Price\r\n")
    twice = client.send_form(page, {"column": ["sku", "title"], "name": ["A", "a"], "text": ["", ""]})
    assert twice.status_code == 422 and "Two columns are called a" in twice.text


def linked(client: Any, merchant: Any, north: Any, name: str = "Feed") -> tuple[Channel, str]:
    channel = shop(merchant, "feed", name)
    listed(channel, goods(merchant, f"{name}-1", (north, {"quantity": 5, "cost": 10_000})))
    assert client.send_form(f"/channels/{channel.public_id}/feed-link", {}).status_code == 303
    return channel, f"/listing-feeds/{links.token_of(links.of(channel))}"


def test_a_shop_polls_and_is_told_only_what_changed(client: Any, anonymous: Any, north: Any, merchant: Any, monkeypatch: Any) -> None:
    channel, feed = linked(client, merchant, north)
    page = client.get(f"/channels/{channel.public_id}/file").text
    assert f"{feed}.csv" in page and "Nobody has fetched it yet" in page
    first = anonymous.get(f"{feed}.csv")
    assert (
        first.status_code == 200 and rows(first)[0]["Listing SKU"] == "Feed-1" and int(first.headers["Content-Length"]) == len(first.data)
    )
    told = anonymous.get(f"{feed}.json")
    assert json.loads(told.data)["listings"][0]["Price"] == "1.99" and told.headers["ETag"] != first.headers["ETag"]
    same = anonymous.get(f"{feed}.csv", headers={"If-None-Match": first.headers["ETag"]})
    assert same.status_code == 304 and same.data == b"" and same.headers["ETag"] == first.headers["ETag"]
    assert anonymous.get(f"{feed}.csv", headers={"If-Modified-Since": first.headers["Last-Modified"]}).status_code == 304
    head = anonymous.head(f"{feed}.csv")
    assert head.status_code == 200 and head.data == b""
    before = everything()
    anonymous.get(f"{feed}.csv", headers={"If-None-Match": first.headers["ETag"]})
    anonymous.get(f"{feed}.csv", headers={"If-None-Match": first.headers["ETag"]})
    after = everything()
    assert {name for name in before if before[name] != after[name]} <= {"FeedLink"}, "a poll is noted, and nothing else"
    InventoryItem.update(quantity=41).execute()
    assert rows(anonymous.get(f"{feed}.csv"))[0]["Quantity"] != "41", "made less than two minutes ago"
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=1))
    ruled(channel, markup="2", ending="-1")
    changed = anonymous.get(f"{feed}.csv", headers={"If-None-Match": first.headers["ETag"]})
    assert changed.status_code == 200 and rows(changed)[0]["Price"] == "2.00"
    assert changed.last_modified > first.last_modified
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(minutes=6))
    assert anonymous.get(f"{feed}.csv", headers={"If-Modified-Since": changed.headers["Last-Modified"]}).status_code == 304, (
        "the same bytes"
    )
    assert "Last fetched" in client.get(f"/channels/{channel.public_id}/file").text


def test_a_file_that_takes_long_is_made_before_it_is_asked_for(
    client: Any, anonymous: Any, north: Any, merchant: Any, monkeypatch: Any, caplog: Any
) -> None:  # fmt: skip
    channel, feed = linked(client, merchant, north)
    monkeypatch.setattr(links, "SLOW", 0.0)
    assert links.keep_ready() == 0, "nobody asks for it"
    anonymous.get(f"{feed}.csv")
    assert links.keep_ready() == 0, "it is fresh"
    ruled(channel, markup="2", ending="-1")
    later = shop(merchant, name="Later")
    links.make(later, WHO)
    links.current(later, "csv")
    FeedLink.update(polled_at=clock.now()).execute()
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=90))
    (links._folder(channel) / "json.note").write_text("no note")
    with (links._folder(channel) / "csv.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert links.keep_ready() == 1, "neither one that another process makes nor a broken one holds up the others"
    assert links.keep_ready() == 1 and links.keep_ready() == 0
    assert caplog.text.count("was not made ahead") == 3
    assert rows(anonymous.get(f"{feed}.csv"))[0]["Price"] == "2.00"
    made = links.current(channel, "csv")
    assert made.fresh_until == made.made_at + links.FRESH
    assert replace(made, took=30.0).fresh_until == made.made_at + timedelta(seconds=150)
    assert replace(made, took=200.0).fresh_until == made.made_at + timedelta(minutes=10)
    assert replace(made, took=900.0).fresh_until == made.made_at + timedelta(minutes=30), "else it would be made without end"


def test_what_a_person_mends_is_in_the_next_fetch(client: Any, anonymous: Any, north: Any, merchant: Any) -> None:
    channel, feed = linked(client, merchant, north)
    price = rows(anonymous.get(f"{feed}.csv"))[0]["Price"]
    one = Listing.select().order_by(Listing.sku).first()
    editing.change(editing.find(channel, one.public_id), {"sku": one.sku, "price": "77.00"}, one.version, WHO)
    assert (price, rows(anonymous.get(f"{feed}.csv"))[0]["Price"]) == (price, "77.00") and price != "77.00"
    tag = anonymous.get(f"{feed}.csv").headers["ETag"]
    assert anonymous.get(f"{feed}.csv", headers={"If-None-Match": tag}).status_code == 304, "it is made once, not at each poll"
    editing.put(editing.find(channel, one.public_id), "paused", WHO)
    assert rows(anonymous.get(f"{feed}.csv"))[0]["Quantity"] == "0"


def test_a_wrong_address_tells_nothing_and_another_ends_the_one_before(
    client: Any, anonymous: Any, north: Any, merchant: Any, other_merchant: Any, make_source: Any
) -> None:
    channel, feed = linked(client, merchant, north)
    theirs = shop(other_merchant, "feed")
    links.make(theirs, "them")
    listed(theirs, goods(other_merchant, "SECRET", (make_source("Theirs", of=other_merchant, state="live"), {"quantity": 1, "cost": 1})))
    token = links.token_of(links.of(theirs))
    assert b"SECRET" in anonymous.get(f"/listing-feeds/{token}.csv").data
    assert b"Feed-1" not in anonymous.get(f"/listing-feeds/{token}.json").data and b"SECRET" not in anonymous.get(f"{feed}.csv").data
    wrong = [
        f"/listing-feeds/{'a' * 43}.csv",
        f"{feed}x.csv",
        f"{feed}.xml",
        f"/listing-feeds/{channel.public_id}.csv",
        "/listing-feeds/..csv",
    ]
    answers = {(answer.status_code, answer.data) for answer in map(anonymous.get, wrong)}
    assert answers == {(404, b"Not found\n")}
    assert client.send_form(f"/channels/{channel.public_id}/feed-link", {}).status_code == 303
    assert anonymous.get(f"{feed}.csv").status_code == 404, "the address before"
    again = f"/listing-feeds/{links.token_of(links.of(channel))}"
    assert anonymous.get(f"{again}.csv").status_code == 200
    ends = f"/channels/{channel.public_id}/feed-link"
    assert "End the feed link?" in client.get(f"{ends}?act=end").text
    assert client.send_form(ends, {}, page=f"{ends}?act=end").status_code == 303
    assert anonymous.get(f"{again}.csv").status_code == 404 and not FeedLink.select().where(FeedLink.channel == channel).exists()
    channels.remove(theirs, WHO)
    assert anonymous.get(f"/listing-feeds/{token}.csv").status_code == 404
    assert links.erase_unlinked() == 1


def test_who_polls_too_often_or_guesses_waits(client: Any, anonymous: Any, north: Any, merchant: Any, monkeypatch: Any) -> None:
    _, feed = linked(client, merchant, north)
    monkeypatch.setattr("portal.api.limits.A_SECOND", 0.0001)
    monkeypatch.setattr("portal.api.limits.BURST", 3)
    channel_files.polls.forget()
    codes = [anonymous.get(f"{feed}.csv").status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]
    monkeypatch.setattr("portal.hook_limits.MOST_REFUSED", 2)
    guesses = [anonymous.get(f"/listing-feeds/{'b' * 43}.csv") for _ in range(3)]
    assert [one.status_code for one in guesses] == [404, 404, 429] and guesses[-1].headers["Retry-After"]


def test_a_member_without_the_right_sees_no_address(client: Any, owner: Any, north: Any, merchant: Any) -> None:
    channel, feed = linked(client, merchant, north)
    type(owner).update(role="operator").where(type(owner).id == owner.id).execute()
    page = client.get(f"/channels/{channel.public_id}/file")
    assert page.status_code == 200 and feed not in page.text and "The channel has a link" in page.text
    assert client.get(f"/channels/{channel.public_id}/feed-link").status_code == 403


def test_a_price_that_overflows_is_said_and_never_offered(client: Any, north: Any, merchant: Any) -> None:
    channel = shop(merchant, markup="1000", ending="-1")
    one = listed(channel, goods(merchant, "P-1", (north, {"quantity": 5, "cost": 10**13})))
    page = client.get(f"/channels/{channel.public_id}/listings/{one.public_id}").text
    assert "taken for a mistake and not offered" in page and [(o.price, o.quantity) for o in offers.offers(channel)] == [(None, 0)]
    assert editing.count(channel) == 1


def test_own_prices_are_not_read_in_another_currency(client: Any, north: Any, merchant: Any) -> None:
    channel = shop(merchant)
    one = listed(channel, goods(merchant, "P-1", (north, {"quantity": 5, "cost": 10_000})), price=199_900)
    here = f"/channels/{channel.public_id}/listings"
    answer = client.send_form(f"{here}/rules", {**RULES, "longest": "40", "currency": "JPY", "version": str(channel.version)})
    assert answer.status_code == 422 and "1 listing has its own price in USD" in answer.text and f"{here}?show=own_price" in answer.text
    assert Channel.get_by_id(channel.id).currency == "USD"
    Listing.update(price=None).execute()
    channel = ruled(channel, currency="JPY")
    answer = client.send_form(f"{here}/{one.public_id}", {"sku": "P-1", "price": "19.99", "version": "1"})
    assert answer.status_code == 422 and "JPY has no cents" in answer.text


def test_a_listing_that_a_shop_has_goes_only_once_it_was_told_0_or_a_person_insists(
    client: Any, anonymous: Any, north: Any, merchant: Any, monkeypatch: Any
) -> None:
    channel, feed = linked(client, merchant, north)
    moved, real = [0], clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(seconds=moved[0]))

    def later(seconds: int = 1) -> None:
        moved[0] += seconds

    assert rows(anonymous.get(f"{feed}.csv"))
    later()
    unseen = listed(channel, goods(merchant, "UNSEEN"))
    one = Listing.select().order_by(Listing.id).first()
    at, gone = (f"/channels/{channel.public_id}/listings/{this.public_id}/withdrawal" for this in (one, unseen))
    assert "not told 0" not in client.get(gone).text and client.send_form(gone, {}).status_code == 303, "no file named it"
    page = client.get(at).text
    assert "still offers it" in page and "End it now" in page and "insist" in page
    refused = client.send_form(at, {})
    assert refused.status_code == 422 and "It was kept" in refused.text and Listing.get_by_id(one.id)
    later()
    editing.put(editing.find(channel, one.public_id), "ended", WHO)
    assert "It has ended" in client.get(at).text and client.send_form(at, {}).status_code == 422
    ago = {name: clock.now() - timedelta(days=days) for name, days in (("created_at", 11), ("changed_at", 9))}
    Listing.update(ago).where(Listing.id == one.id).execute()
    Channel.update(shown_at=clock.now() - timedelta(days=10)).execute()
    assert [row["Quantity"] for row in rows(anonymous.get(f"{feed}.csv")) if row["Listing SKU"] == one.sku] == ["0"], "not told for 9 days"
    assert "not told 0" not in client.get(at).text and client.send_form(at, {}).status_code == 303
    other = listed(channel, goods(merchant, "OTHER"))
    later()
    client.get(f"/channels/{channel.public_id}/listings.csv")
    batch = Listing.get_by_id(other.id)
    later()
    assert client.send_form(f"/channels/{channel.public_id}/listings/{batch.public_id}/withdrawal", {"insist": "y"}).status_code == 303
    assert "not told 0" in AuditLine.select().where(AuditLine.action == "listing.remove").order_by(AuditLine.id.desc()).first().before
    pushed = listed(channel, goods(merchant, "PUSHED"), pushed_quantity=3)
    with pytest.raises(Refused, match="told 3 units and not yet 0"):
        editing.remove(pushed, WHO)
    Listing.update(pushed_quantity=0).where(Listing.id == pushed.id).execute()
    editing.remove(pushed, WHO)
