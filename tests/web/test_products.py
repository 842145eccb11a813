"""Products and linking as pages: by form alone, as htmx does it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from portal.catalogue import by_itself, products
from portal.models import Linking, Product, ProductLink
from tests.catalogue.stock import UPC, done, item, links, product

pytestmark = pytest.mark.one_database  # tests/catalogue go over both


@pytest.fixture
def north(make_source: Any) -> Any:
    return make_source("Northwind", sku_prefix="NW-", state="live")


def test_the_journey_from_no_product_to_linked_and_back(client: Any, north: Any, merchant: Any) -> None:
    assert "No products yet" in client.get("/products").text
    product(merchant, "P-0", UPC[0], title="Work lamp")
    for n in range(3):
        item(north, f"{n}", upc=UPC[n], title="Work lamp" if n == 0 else f"Thing {n}", quantity=n + 1, cost=10_000 * (n + 1))
    page = client.get("/products/linking").text
    assert "3 items are not linked" in page and "Exact Master SKU" in page
    page = client.get("/products/linking?order=gtin,sku").text
    assert "1. UPC, EAN or GTIN" in page and "MPN and brand, not used" in page
    answer = client.send_form("/products/linking", {}, page="/products/linking?order=gtin,sku")
    assert answer.status_code == 303
    here = answer.headers["Location"]
    assert Linking.get().rules == ["gtin", "sku"] and "You can leave this page" in client.get(here).text
    done()
    page = client.get(here).text
    assert "What would be linked" in page and "1 item</b> is confident" in page and "Make products of the 2 items" in page
    assert "Thing 2" in client.get(f"{here}?tab=unmatched").text and "Thing 2" not in client.get(f"{here}?tab=unmatched&q=1").text
    assert client.send_form(f"{here}/apply", {"create": "1"}, page=here).status_code == 303
    done()
    page = client.get(here).text
    assert "1 item linked, 2 products made" in page and "Undo this linking" in page
    assert links() == {"0": "P-0", "1": "NW-1", "2": "NW-2"}
    listed = client.get("/products").text
    assert "3 products, 0 items not linked" in listed and "NW-2" in listed and "NW-2" not in client.get("/products?q=P-").text
    assert client.get(f"/products?q={UPC[1]}").text.count("row-link") == 1
    shown = client.get(f"/products/{Product.get(Product.sku == 'NW-2').public_id}").text
    assert "3 units left to sell, from USD 3.00 each" in shown and "Made of this item" in shown
    assert "3 items are no longer linked" in client.get(f"{here}/undo").text
    assert client.send_form(f"{here}/undo", {}).status_code == 303
    done()
    assert "3 links taken back, 2 products removed" in client.get(here).text and links() == {}


def test_a_first_look_offers_to_make_products_and_its_heading_follows_it(client: Any, north: Any, merchant: Any) -> None:
    item(north, "NEW")
    here = client.send_form("/products/linking", page="/products/linking").headers["Location"]
    assert "Looking for products" in client.get(here).text
    done()
    part = client.get(here, headers={"HX-Request": "true"}).text
    assert '<h1 id="heading" hx-swap-oob="innerHTML">What would be linked</h1>' in part
    assert "Make the products" in part and 'value="1" checked' in part and "Link 0 items" not in part
    assert "hx-swap-oob" not in client.get(here).text
    client.send_form(f"{here}/apply", page=here)
    done()
    assert "1 product made" in client.get(here).text


def test_an_item_is_linked_moved_and_taken_off_by_hand(client: Any, north: Any, merchant: Any) -> None:
    one, two = item(north, "1", title="Kettle", brand="Emaco", mpn="K1", upc=UPC[0]), item(north, "2")
    page = f"/inventory/{one.public_id}/product"
    answer = client.send_form(page, {"sku": "NOPE"}, page=page)
    assert answer.status_code == 422 and "no product with the Master SKU NOPE" in answer.text and 'value="NOPE"' in answer.text
    answer = client.send_form("/products/new", {"sku": "KETTLE"}, page=f"/products/new?item={one.public_id}")
    made = Product.get()
    assert answer.headers["Location"].endswith(f"/products/{made.public_id}") and (made.title, made.mpn_key) == ("Kettle", "k1|emaco")
    assert "KETTLE" in client.get(f"/inventory/{one.public_id}").text
    other = f"/inventory/{two.public_id}/product"
    answer = client.send_form(other, {"sku": "KETTLE"}, page=other)
    assert answer.status_code == 422 and "has the item 1 of the same source already" in answer.text
    assert client.send_form(other, {"sku": "KETTLE", "beside": "y"}, page=other).status_code == 303
    assert links() == {"1": "KETTLE", "2": "KETTLE"}
    assert client.send_form(f"{other}/unlink", {}, page=other).status_code == 303
    assert links() == {"1": "KETTLE"} and ProductLink.get().rule == "hand"
    answer = client.send_form("/products/new", {"sku": "KETTLE"}, page="/products/new")
    assert answer.status_code == 422 and "already" in answer.text


def test_what_is_refused_is_said(client: Any, north: Any, merchant: Any) -> None:
    answer = client.send_form("/products/linking", {}, page="/products/linking?order=")
    assert answer.status_code == 422 and "at least one rule" in answer.text
    made = Linking.create(merchant=merchant, state="looking", rules=["sku"])
    stuck = f"/products/linking/{made.public_id}"
    page = client.get(stuck).text
    assert "It stopped half-way" in page and "Nothing was linked" in page
    answer = client.send_form(f"{stuck}/go-on", {"act": "give_up"}, page=stuck)
    assert answer.status_code == 303 and Linking.get().state == "stopped"
    assert "This look was given up" in client.get(f"/products/linking/{made.public_id}").text


def test_an_order_goes_to_the_item_behind_its_product(north: Any, make_source: Any, merchant: Any) -> None:
    from portal import routing
    from portal.models import RequestLine
    from tests.ordered import place
    from tests.stocked import stock_up

    stock_up(north, {"LAMP": 5})
    south = stock_up(make_source("Southgate"), {"SG-77": 5})
    theirs = south.items.get()
    lamp = product(merchant, "LAMP-20W")
    products.link(theirs, lamp, "ana")
    routing.route(place(merchant, [("LAMP-20W", 2)]), "ana")
    assert [(line.sku, line.request.source_id) for line in RequestLine.select()] == [("SG-77", south.id)]
    routing.route(place(merchant, [("SG-77", 1)], number="1002"), "ana")
    assert RequestLine.select().count() == 1, "its Master SKU is the product's now"


def test_new_items_of_a_source_are_linked_by_themselves_once_that_is_saved(client: Any, north: Any) -> None:
    page = f"/sources/{north.public_id}/linking"
    assert "Off: you link them" in client.get(f"/sources/{north.public_id}/settings").text
    answer = client.send_form(page, {"mode": "confident", "rules": []})
    assert answer.status_code == 422 and "at least one rule" in answer.text
    assert client.send_form(page, {"mode": "confident", "rules": ["gtin"]}).status_code == 303
    assert by_itself.mode_of(north) == ("confident", ["gtin"])
    assert "Link those that are confident" in client.get(f"/sources/{north.public_id}/settings").text


def test_many_items_are_counted_a_moment_later(client: Any, north: Any, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal.catalogue import matching

    monkeypatch.setattr(matching, "COUNTED_AT_ONCE", 0)
    product(merchant, "P-0", UPC[0])
    item(north, "0", upc=UPC[0])
    type(north).update(item_count=1).where(type(north).id == north.id).execute()
    assert "not linked" not in client.get("/products").text and "Count now" in client.get("/products/linking").text
    told = client.get("/products/linking?count=1", headers={"HX-Request": "true"}).text
    assert "1 item not linked" in told and "<html" not in told and "Count now" not in client.get("/products/linking?count=1").text


@pytest.mark.parametrize("bytewise", [True, False])
def test_a_search_finds_how_a_master_sku_begins_whatever_the_order(client: Any, merchant: Any, monkeypatch: Any, bytewise: bool) -> None:
    from portal.inventory import paging

    monkeypatch.setattr(paging, "is_bytewise", lambda: bytewise)
    for sku in ("NW-1", "NW-2", "NX-1", "n"):
        product(merchant, sku)
    assert [row.product.sku for row in products.page(merchant, "nw-").rows] == ["NW-1", "NW-2"]
    assert [row.product.sku for row in products.page(merchant, "n").rows] == ["NW-1", "NW-2", "NX-1", "n"]
    assert products.page(merchant, "%").rows == []


def test_a_product_tells_a_price_of_each_currency_and_nothing_of_sources_that_are_gone(
    client: Any, north: Any, make_source: Any, merchant: Any
) -> None:  # fmt: skip
    euro, paused, gone = make_source("Euro", state="live", currency="EUR"), make_source("Rest", state="paused"), make_source("Gone")
    made = product(merchant, "P-1", UPC[0])
    for n, source in enumerate((north, euro, paused, gone)):
        products.link(item(source, f"{n}", quantity=4, cost=10_000 * (n + 1)), made, "ana")
    type(north).update(state="deleted").where(type(north).id == gone.id).execute()
    page = client.get(f"/products/{made.public_id}").text
    assert "8 units left to sell, from EUR 2.00 and USD 1.00 each" in page and "Gone" not in page and "takes no orders now" in page
    assert ">8</td>" in client.get("/products").text


def test_a_linking_that_stopped_is_told_where_products_are_and_candidates_are_offered(client: Any, north: Any, merchant: Any) -> None:
    one = item(north, "1", upc=UPC[3])
    product(merchant, "D", UPC[3])
    product(merchant, "E", UPC[3])
    Linking.create(merchant=merchant, state="looking", rules=["sku"], by="Quayside")
    assert "A linking stopped half-way" in client.get("/products").text
    page = client.get(f"/inventory/{one.public_id}/product").text
    assert "It shares an identifier with" in page and ">D</a>" in page and ">E</a>" in page


def test_a_product_is_edited_merged_and_deleted_by_form_and_by_htmx(client: Any, north: Any, make_source: Any, merchant: Any) -> None:
    south, other = make_source("South", state="live"), product(merchant, "OTHER")
    answer = client.send_form("/products/new", {"sku": "LAMP", "title": "Lamp", "upc": "36000291452"}, page="/products/new")
    assert answer.status_code == 422 and "zeros in front are lost" in answer.text and 'name="mend-upc"' in answer.text
    assert 'value="36000291452"' in answer.text and not Product.select().where(Product.sku == "LAMP").exists(), "nothing is mended unasked"
    values = {"sku": "LAMP", "title": "Lamp", "upc": "36000291452", "mend-upc": "1"}
    here = client.send_form("/products/new", values, page="/products/new").headers["Location"]
    lamp = Product.get(Product.sku == "LAMP")
    products.link(item(north, "1", quantity=5), lamp, "ana")
    products.link(item(south, "2", quantity=3), lamp, "ana")
    page = client.get(here).text
    assert "8 units left to sell" in page and "036000291452" in page and "Committed" in page and page.count(">8</td>") == 2
    form = client.form_values(client.get(f"{here}/edit").text, f"{here}/edit")
    assert client.send_form(f"{here}/edit", {"title": "Work lamp"}, page=f"{here}/edit").status_code == 303
    late = client.post(f"{here}/edit", data={**form, "title": "Mine"}, headers={"HX-Request": "true"})
    assert late.status_code == 409 and "saved at" in late.text and 'value="Mine"' in late.text and Product.get_by_id(lamp.id).version == 2
    answer = client.send_form(f"{here}/merge", {"sku": "NOPE"}, page=f"{here}/merge")
    assert answer.status_code == 422 and "no product with the Master SKU NOPE" in answer.text
    page = client.get(f"{here}/deletion").text
    assert "2 items at 2 sources stay in Inventory" in page and "Keep the product" in page
    answer = client.send_form(f"{here}/merge", {"sku": "OTHER"}, page=f"{here}/merge")
    assert answer.headers["Location"].endswith(other.public_id) and links() == {"1": "OTHER", "2": "OTHER"}
    there = f"/products/{other.public_id}"
    assert client.send_form(f"{there}/deletion", {}, page=f"{there}/deletion").status_code == 303
    assert links() == {} and client.get(there).status_code == 404


def test_products_without_items_have_a_list_of_their_own(client: Any, north: Any, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    products.link(item(north, "1"), product(merchant, "A-FULL"), "ana")
    assert "has an item of a source" in client.get("/products?items=none").text
    product(merchant, "B-BARE")
    page = client.get("/products?items=none").text
    assert "B-BARE" in page and "A-FULL" not in page
    monkeypatch.setattr(products, "LOOKED_AT", 1)
    page = client.get("/products?items=none").text
    assert "No product without items so far" in page and "Look further" in page
    assert "B-BARE" in client.get("/products?items=none&after=A-FULL").text


def test_what_is_linked_elsewhere_is_moved_from_the_preview_and_given_back(client: Any, north: Any, merchant: Any) -> None:
    old, _ = product(merchant, "OLD"), product(merchant, "RIGHT", UPC[0])
    one = item(north, "1", upc=UPC[0])
    ProductLink.create(item=one, product=old, source=north, rule="sku")
    item(north, "2", mpn="1.2E+11", brand="Makita")
    here = client.send_form("/products/linking", {}, page="/products/linking?order=gtin,mpn").headers["Location"]
    done()
    page = client.get(here).text
    assert "Move the 1 item linked elsewhere" in page and "1 item has a code that a spreadsheet program cut" in page
    assert "Enter the MPN" in client.get(f"{here}?tab=damaged").text and "Now linked to" in client.get(f"{here}?tab=conflict&q=RIGHT").text
    assert client.send_form(f"{here}/apply", {"take-conflict": "1", "create": "1", "master_from": "upc"}, page=here).status_code == 303
    done()
    page = client.get(here).text
    assert "0 items linked, 1 item moved, 1 product made" in page and links() == {"1": "RIGHT", "2": "NW-2"}
    assert "gets its former link back" in client.get(f"{here}/undo").text
    client.send_form(f"{here}/undo", {})
    done()
    assert "1 item moved back" in client.get(here).text and links() == {"1": "OLD"}


def test_counts_of_a_large_catalogue_are_the_workers_and_say_of_when(
    client: Any, north: Any, make_source: Any, merchant: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from portal import runs
    from portal.catalogue import counting, matching
    from portal.models import CatalogueCount, Run

    south = make_source("South", state="live")
    product(merchant, "P-0", UPC[0])
    item(north, "0", upc=UPC[0])
    type(north).update(item_count=1).where(type(north).id == north.id).execute()
    assert counting.refresh_due() == 0 and not CatalogueCount.select().exists(), "a small one is counted where it is shown"
    monkeypatch.setattr(matching, "COUNTED_AT_ONCE", 0)
    assert counting.possible(merchant, None) is None
    assert counting.refresh_due() == 2 and counting.refresh_due() == 0
    assert counting.possible(merchant, None).counts == {"unlinked": 1, "sku": 0, "gtin": 1, "mpn": 0}
    page = client.get("/products/linking").text
    assert "Counted" in page and "counted again" not in page and "counted" in client.get("/products").text
    run = runs.start(north, "inventory")
    item(north, "1", upc=UPC[0])
    assert counting.refresh_due() == 0, "it is being written"
    Run.update(state="finished").where(Run.id == run.id).execute()
    assert "counted again within minutes" in client.get("/products/linking").text
    assert counting.possible(merchant, south).counts["unlinked"] == 0 and not counting.possible(merchant, south).is_old
    assert counting.refresh_due() == 1 and counting.possible(merchant, None).counts["unlinked"] == 2
    sources = type(south)
    sources.update(state="deleted").where(sources.id == south.id).execute()
    counting.refresh_due()
    assert {one.source_id for one in CatalogueCount.select()} == {0, north.id}
