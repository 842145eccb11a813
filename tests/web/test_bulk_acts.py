"""Many items at once, as a person walks it: the bar of the list, the page that says what will happen, doing it, and back."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal import accounts, channels, clock, plans, runs
from portal.bulk_acts import choosing
from portal.models import BulkAct, BulkItem, InventoryItem, Listing, Product, ProductLink
from tasks.work import HANDLERS
from tests.catalogue.stock import UPC, done, item, links, product
from tests.conftest import PASSWORD


@pytest.fixture
def north(make_source: Any) -> Any:
    made = make_source("Northwind", state="live", currency="USD")
    for n in range(60):
        item(made, f"LAMP-{n:03}", title="Work lamp" if n % 2 else "Desk lamp", quantity=n)
    made.item_count = 60
    made.save()
    return made


def walked(client: Any, answer: Any) -> tuple[str, str]:
    """(where a POST led to, its page)."""
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"], client.get(answer.headers["Location"]).text


def test_all_that_match_are_archived_looked_at_first_and_taken_back(client: Any, north: Any) -> None:
    page = client.get("/inventory?q=desk").text
    assert 'id="pick-all"' in page and "Select all 30 that match" in page, "all 30 stand on the page"
    page = client.get("/inventory").text
    assert ", on every page" in page and 'hx-get="/inventory/matching"' in page
    assert "all 30 that match" in client.get("/inventory/matching?q=desk").text
    fragment = client.get("/inventory/matching", headers={"HX-Request": "true"})
    assert fragment.text.strip() == '<span id="matching">all 60 that match</span>'
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "archive", "all": "1"}, page="/inventory?q=desk"))
    assert "Archive 30 items?" in page and "29" in page and "Northwind" in page and "leave lists" in page
    assert not InventoryItem.select().where(InventoryItem.archived_at.is_null(False)).exists(), "looking changes nothing"
    where, page = walked(client, client.send_form(where))
    assert "hx-trigger" in page and "Stop" in page
    done()
    page = client.get(where).text
    assert "30 items archived" in page and "hx-trigger" not in page
    assert "LAMP-000" not in client.get("/inventory").text and "LAMP-001" in client.get("/inventory").text
    page = client.get(f"{where}/undo").text
    assert "Un-archive them again?" in page
    walked(client, client.send_form(f"{where}/undo"))
    done()
    assert "30 items un-archived again" in client.get(where).text
    assert not InventoryItem.select().where(InventoryItem.archived_at.is_null(False)).exists()
    assert "What was chosen" in client.get(f"/runs/{re.search('/runs/([a-z0-9]+)', client.get(where).text)[1]}").text  # type: ignore[index]


def test_ticked_items_are_deleted_and_restored_and_the_page_says_what_goes(client: Any, north: Any, merchant: Any) -> None:
    first, second = (InventoryItem.get(InventoryItem.sku == sku) for sku in ("LAMP-000", "LAMP-001"))
    sold = product(merchant, "P")
    ProductLink.create(item=first, product=sold, source=north, rule="hand")
    Listing.create(channel=channels.add(merchant, "Shop", "csv", clock.now(), False, "owner"), product=sold, sku="P")
    sent = {"act": "delete", "item": [first.public_id, second.public_id]}
    where, page = walked(client, client.send_form("/inventory/acts", sent, page="/inventory"))
    for words in (
        "Delete 2 items?",
        "1 link to products",
        "1 item is behind live listings",
        "The next file that names them",
        "restored for 7 days",
        "CSV first",
    ):
        assert words in page, words
    walked(client, client.send_form(where))
    done()
    assert "2 items deleted" in client.get(where).text and client.get(f"/inventory/{first.public_id}").status_code == 404
    walked(client, client.send_form(f"{where}/undo"))
    done()
    assert "2 items restored" in client.get(where).text and client.get(f"/inventory/{first.public_id}").status_code == 200
    assert links() == {"LAMP-000": "P"}
    assert client.get(f"{where}/undo").status_code == 409


def test_deleting_offers_to_exclude_in_the_same_step(client: Any, north: Any, merchant: Any) -> None:
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "delete", "all": "1"}, page="/inventory?q=desk"))
    assert 'id="bulk-exclude"' in page and "unless you exclude them below" in page
    walked(client, client.send_form(where, {"exclude": "1"}))
    done()
    page = client.get(where).text
    assert "30 items deleted" in page and "keeps their SKUs out" in page
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "exclude", "all": "1"}, page="/inventory"))
    assert "Exclude 30 items?" in page and "A rule lists their SKUs" in page
    walked(client, client.send_form(where))
    done()
    assert "30 items excluded" in client.get(where).text and InventoryItem.select().where(InventoryItem.kept_out == 1).count() == 30
    page = client.get("/inventory?stock=excluded").text
    assert 'id="act-include"' in page and 'id="act-exclude"' not in page and 'id="act-exclude"' in client.get("/inventory").text
    assert "Include them again?" in client.get(f"{where}/undo").text
    walked(client, client.send_form(f"{where}/undo"))
    done()
    assert "30 items included again" in client.get(where).text and not InventoryItem.select().where(InventoryItem.kept_out == 1).exists()


def test_the_chosen_are_exported_as_csv(client: Any, north: Any) -> None:
    InventoryItem.update(title="=1+1").where(InventoryItem.sku == "LAMP-003").execute()
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "export", "all": "1"}, page="/inventory?stock=in"))
    assert "Download 59 items as CSV" in page and "?" not in re.search("<h1[^>]*>([^<]*)", page)[1]  # type: ignore[index]
    answer = client.get(f"{where}/items.csv")
    lines = answer.data.decode("utf-8-sig").splitlines()
    assert len(lines) == 60 and lines[0].startswith("Source,") and any("'=1+1" in line for line in lines)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    BulkItem.delete().execute()
    assert client.get(f"{where}/items.csv").status_code == 409


def test_products_are_linked_and_made_of_the_chosen(client: Any, north: Any, merchant: Any) -> None:
    InventoryItem.update(upc=UPC[0]).where(InventoryItem.sku == "LAMP-000").execute()
    product(merchant, "P-0", UPC[0])
    ids = [one.public_id for one in InventoryItem.select().order_by(InventoryItem.sku).limit(2)]
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "link", "item": ids}, page="/inventory"))
    assert "Look for products of 2 items" in page
    refused = client.send_form(where, {"rule-sku": None, "rule-gtin": None, "rule-mpn": None})
    assert refused.status_code == 422 and "at least one rule" in refused.text
    found, _ = walked(client, client.send_form(where))
    done()
    page = client.get(found).text
    assert "<b>1 item</b> is confident" in page and "Only the items that were chosen" in page
    assert "A linking of these items was begun" in client.get(where).text
    where, _ = walked(client, client.send_form("/inventory/acts", {"act": "create", "item": ids}, page="/inventory"))
    found, _ = walked(client, client.send_form(where))
    done()
    assert Product.select().count() == 2 and set(links().values()) == {"P-0", "LAMP-001"}


def test_who_may_not_delete_is_not_offered_it_and_a_reader_chooses_nothing(app: Any, client: Any, north: Any, merchant: Any) -> None:
    people = {role: accounts.create_user(merchant, f"{role}@harbor.example", PASSWORD, role=role) for role in ("operator", "reader")}
    desk, looker = (app.test_client().sign_in(one.email, PASSWORD) for one in people.values())
    page = desk.get("/inventory").text
    assert 'id="act-archive"' in page and 'id="act-delete"' not in page
    answer = desk.send_form("/inventory/acts", {"act": "delete", "all": "1"}, page="/inventory")
    assert answer.status_code == 403 and "not part of your role" in answer.text and not BulkAct.select().exists()
    where, _ = walked(client, client.send_form("/inventory/acts", {"act": "delete", "all": "1"}, page="/inventory"))
    assert "Owners and admins can do this" in desk.get(where).text and "bulk-do" not in desk.get(where).text
    left = desk.post(f"{where}/go-on", data=desk.form_values(page, "/inventory/acts") | {"act": "give_up"})
    assert left.status_code == 403 and "not part of your role" in left.text
    page = looker.get("/inventory").text
    assert "pick-all" not in page and 'class="form-check-input' not in page
    assert "bulk-do" not in looker.get(where).text and looker.get("/inventory/matching").status_code == 200


def test_what_cannot_be_done_is_said(client: Any, north: Any, monkeypatch: Any) -> None:
    for sent in ({"act": "archive"}, {"act": "burn", "all": "1"}, {"act": "archive", "item": ["0" * 22]}):
        answer = client.send_form("/inventory/acts", sent, page="/inventory")
        assert answer.status_code == 409 and "Nothing was changed" in answer.text
    assert not BulkAct.select().exists()
    monkeypatch.setattr(choosing, "AT_ONCE", 10)
    monkeypatch.setattr("portal.inventory.finding.FEW", 10)
    assert "counted on the next page" in client.get("/inventory/matching").text
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "unarchive", "all": "1"}, page="/inventory"))
    assert "hx-trigger" in page
    walked(client, client.send_form(f"{where}/go-on", {"act": "stop"}, page=where))
    page = client.get(where).text
    assert "stopped half-way" in page and "Nothing was changed" in page
    walked(client, client.send_form(f"{where}/go-on", {"act": "go_on"}, page=where))
    done()
    page = client.get(where).text
    assert "Un-archive 60 items?" in page and "60 items are passed over" in page
    again, page = walked(client, client.send_form("/inventory/acts", {"act": "unarchive", "all": "1"}, page="/inventory"))
    client.send_form(f"{again}/go-on", {"act": "stop"}, page=again)
    walked(client, client.send_form(f"{again}/go-on", {"act": "give_up"}, page=again))
    assert "given up" in client.get(again).text


def test_an_undo_beyond_the_limit_gives_back_what_was_and_says_so(client: Any, north: Any, merchant: Any) -> None:
    plans.set_limits(merchant, {"skus": 60}, "ana@harbor.example")
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "archive", "all": "1"}, page="/inventory?q=desk"))
    walked(client, client.send_form(where))
    done()
    plans.set_limits(merchant, {"skus": 32}, "ana@harbor.example")
    assert "also where the plan holds fewer" in client.get(f"{where}/undo").text
    walked(client, client.send_form(f"{where}/undo"))
    done()
    page = client.get(where).text
    assert "30 items un-archived again" in page and "28 SKUs more are in than the plan holds" in page
    assert not InventoryItem.select().where(InventoryItem.kept_out == 2).exists()


def test_a_page_says_being_excluded_until_the_rules_own_run_has_done_it(client: Any, north: Any) -> None:
    where, page = walked(client, client.send_form("/inventory/acts", {"act": "exclude", "all": "1"}, page="/inventory?q=desk"))
    walked(client, client.send_form(where))
    act = BulkAct.get()
    run = runs.claim({"bulk_act": None})
    runs.perform(run, HANDLERS)
    page = client.get(where).text
    assert "30 items are being excluded" in page and "items excluded" not in page and "hx-trigger" in page
    assert not InventoryItem.select().where(InventoryItem.kept_out == 1).exists() and BulkAct.get_by_id(act.id).state == "done"
    done()
    page = client.get(where).text
    assert "30 items excluded" in page and "being excluded" not in page and "hx-trigger" not in page
