"""Orders into stores, over the whole way: what the store took is what was sent, or somebody hears of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from portal import connections, failpoints, mappings, order_setup, runs
from portal.models import Connection, FulfillmentRequest, Integration, InventoryItem, RequestLine, Source, SubmissionPart
from portal.outbox import deciding, ways
from tasks.work import HANDLERS
from tests.connected import chosen, loopback  # noqa: F401
from tests.connectors.shopify_server import LEGACY, shopify, variant
from tests.faults.senders import expire
from tests.ordered import ask, place
from tests.outbox.stores import BigCommerce, Woo, serving
from tests.outgoing import due_now, send, states, submissions, tries, turn_on, wants

pytestmark = pytest.mark.one_database  # the files' and the pages' tests go over both

Shop = Callable[..., tuple[Source, Woo]]


def opened(made: Source, secrets: dict[str, str], **settings: Any) -> Source:
    """The source live, with the store's address and keys as if they had been tested."""
    Connection.update(settings={"plain_ok": "1", **settings}, state="ok").where(Connection.source == made).execute()
    for key, text in secrets.items():
        connections._seal(made, key, text, "", "test")
    made.state = "live"
    made.save(only=[Source.state])
    turn_on(made)
    return made


@pytest.fixture
def shop(chosen: Any) -> Iterator[Shop]:  # noqa: F811
    with ExitStack() as stack:

        def make(**behaves: Any) -> tuple[Source, Woo]:
            store, server = stack.enter_context(serving(Woo(**behaves)))
            return opened(chosen("woocommerce"), {"user_key": "ck_1", "password": "cs_1"}, base=server.base), store

        yield make


def test_an_order_is_in_the_store_once_with_its_lines(shop: Shop) -> None:
    source, store = shop(stock={"HX-1": 3, "LAMP": None})
    one = ask(place(source.merchant, (("HX-1", 3), ("LAMP", 40))), source, "PO-1", "processing")
    assert send(source).counts == {"collected": 1, "sent": 1}
    assert store.shipping == [{"HX-1": 3, "LAMP": 40}]
    kept = FulfillmentRequest.get_by_id(one.id)
    assert (states(one), kept.their_id, store.orders[0]["meta_data"]) == (
        [("processed", "sent")], "14", [{"key": "_portal_po", "value": "PO-1"}],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("stock", "words"),
    [({"HX-1": 2}, "HX-1: 3 to order, 2 left"), ({"HX-1": 0}, "HX-1: 3 to order, 0 left"), ({}, "HX-1: the store does not know it")],
)
def test_what_the_store_has_not_is_never_ordered_there(shop: Shop, stock: dict[str, int | None], words: str) -> None:
    source, store = shop(stock=stock)
    (one,) = wants(source, "PO-1")
    assert send(source).counts == {"collected": 1, "rejected": 1}
    assert (store.orders, states(one)) == ([], [("failed", "rejected")])
    assert words in FulfillmentRequest.get_by_id(one.id).said


def ghost(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "sku": None, "product_id": 0} for one in lines]


def fewer(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "quantity": one["quantity"] - 1} for one in lines]


def more(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [*lines, {"sku": "GIFT", "product_id": 9, "quantity": 1}]


BENT: dict[str, tuple[Any, str]] = {
    "a line of nothing": (ghost, "HX-1: 3 were sent, they took 0; 3 of a line that names no item"),
    "fewer units": (fewer, "HX-1: 3 were sent, they took 2"),
    "a line that nobody ordered": (more, "GIFT: not sent, they took 1"),
    "no line": (lambda _: [], "HX-1: 3 were sent, they took 0"),
}


@pytest.mark.parametrize("swallow", [0, 1], ids=["answered", "found by looking"])
@pytest.mark.parametrize("bent", BENT)
def test_an_order_that_was_taken_with_other_lines_is_canceled_there_and_a_person_sees_it(shop: Shop, bent: str, swallow: int) -> None:
    bends, words = BENT[bent]
    source, store = shop(bends=bends, swallow=swallow)
    (one,) = wants(source, "PO-1")
    send(source)
    if swallow:
        due_now(source)
        send(source)
    assert (store.shipping, [order["status"] for order in store.orders]) == ([], ["cancelled"])
    assert states(one) == [("failed", "rejected")]
    said = FulfillmentRequest.get_by_id(one.id).said
    assert words in said and "Their order 14 was canceled there" in said


def test_where_it_cannot_be_canceled_a_person_is_asked_and_looking_again_tries_again(shop: Shop) -> None:
    source, store = shop(bends=fewer, cancels="completed")
    (one,) = wants(source, "PO-1")
    assert send(source).counts == {"collected": 1, "check_needed": 1}
    (row,) = submissions(source)
    assert states(one) == [("processing", "check_needed")] and row.their_id == "14"
    assert "they took 2" in row.problem["body"] and "was not canceled" in row.problem["why"]
    store.orders[0]["status"], store.cancels = "processing", "cancelled"
    deciding.look_again(one, "ana@harbor.example")
    send(source)
    assert (states(one), store.shipping, tries(row)[-1]) == ([("failed", "rejected")], [], ("look", "refused"))


def test_an_answer_that_tells_no_lines_is_no_success(shop: Shop) -> None:
    source, store = shop(tells_lines=False)
    (one,) = wants(source, "PO-1")
    send(source)
    assert states(one) == [("processing", "check_needed")] and len(store.orders) == 1
    assert "does not tell its lines" in submissions(source)[0].problem["headline"]
    deciding.look_again(one, "ana@harbor.example")
    send(source)
    assert states(one) == [("processed", "sent")] and len(store.orders) == 1


class Died(BaseException):
    """Stands for SIGKILL inside this process."""


@pytest.mark.parametrize("point", ["sending-canceling", "sending-canceled"])
def test_a_worker_that_dies_while_it_cancels_leaves_nothing_that_ships_and_nothing_unseen(shop: Shop, monkeypatch: Any, point: str) -> None:
    source, store = shop(bends=fewer)
    (one,) = wants(source, "PO-1")

    def die(name: str) -> None:
        if name == point:
            raise Died

    with monkeypatch.context() as patched, pytest.raises(Died):
        patched.setattr(failpoints, "reach", die)
        send(source)
    expire()
    runs.work_available(HANDLERS)  # another worker takes the run over
    for _ in range(4):
        expire()
        send(source)
    assert (store.shipping, len(store.orders)) == ([], 1)
    assert states(one) == [("failed", "rejected") if point == "sending-canceling" else ("processing", "check_needed")]


def test_twenty_swallowed_answers_are_found_and_none_is_sent_again(shop: Shop, monkeypatch: Any) -> None:
    monkeypatch.setattr("portal.outbox.stops.UNKNOWNS", 1_000)
    source, store = shop(stock={"HX-1": 1_000}, swallow=20)
    requests = wants(source, *(f"PO-{n}" for n in range(20)))
    send(source)
    due_now(source)
    send(source)
    assert len(store.orders) == 20 and set(states(*requests)) == {("processed", "sent")}


def test_the_stores_document_is_not_the_merchants_to_change_and_a_file_by_mail_is(shop: Shop) -> None:
    source, _ = shop()
    row = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    assert ways.of(source, row).layout["line_tag"] == "line_items"
    row.settings = {**row.settings, "leave_by": "email", "email_to": "desk@harbor.example"}
    assert order_setup.layout_of(row)["columns"][0]["field"] == "po_number"


def test_a_store_that_is_away_has_nothing_and_gets_it_later(shop: Shop) -> None:
    source, store = shop()
    (one,) = wants(source, "PO-1")
    kept = Connection.get(Connection.source == source).settings
    Connection.update(settings={**kept, "base": "http://127.0.0.1:9"}).where(Connection.source == source).execute()
    assert send(source).state == "failed"
    assert (states(one), submissions(source)[0].left_at) == ([("processing", "waiting")], None)
    Connection.update(settings=kept).where(Connection.source == source).execute()
    due_now(source)
    send(source)
    assert (states(one), store.shipping) == ([("processed", "sent")], [{"HX-1": 3}])
    assert SubmissionPart.select().count() == 1


def test_the_page_shows_the_stores_document_and_keeps_none(shop: Shop, client: Any) -> None:
    source, _ = shop()
    at = f"/sources/{source.public_id}/mapping/orders"
    page = client.get(at).text
    assert "Yes, by its API" in page and "line_items.sku" in page and "_portal_po" in page and 'name="folder"' not in page
    drawn = client.post(
        f"{at}/draft", data={**client.form_values(page, at), "do": "preview", "format": "csv"}, headers={"HX-Target": "preview"}
    )
    assert "line_items" in drawn.text
    before = mappings.current(Integration.get(Integration.source == source, Integration.kind == "send_orders"))
    saved = client.post(at, data={**client.form_values(page, at), "use": "yes", "do": "leave"})
    row = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    assert (saved.status_code, row.enabled, mappings.current(row)) == (303, True, before)


# stores that know items by ids of their own

IDS = {"Shopify variant": "gid://shopify/ProductVariant/1", "BigCommerce product": "20", "BigCommerce variant": "77"}


def item(source: Source, custom: dict[str, str] | None) -> InventoryItem:
    """The item HX-1 as the store's feed left it."""
    return InventoryItem.create(
        merchant=source.merchant_id, source=source, sku="HX-1", title="Bolt", quantity=9, content_hash=1, last_run_id=0, last_row=2,
        custom=json.dumps(custom) if custom else None,
    )  # fmt: skip


def wants_items(source: Source, *numbers: str, custom: dict[str, str] | None = IDS) -> list[FulfillmentRequest]:
    """Requests of three, whose lines are of that item."""
    made, one = wants(source, *numbers), item(source, custom)
    RequestLine.update(item=one).where(RequestLine.request << made).execute()
    return made


@pytest.fixture
def big(chosen: Any) -> Iterator[Callable[..., tuple[Source, BigCommerce]]]:  # noqa: F811
    with ExitStack() as stack:

        def make(**behaves: Any) -> tuple[Source, BigCommerce]:
            store, server = stack.enter_context(serving(BigCommerce(**behaves)))
            return opened(chosen("bigcommerce"), {"key": "k3y"}, base=f"{server.base}/stores/a1b2c3", store_hash="a1b2c3"), store

        yield make


def test_bigcommerce_gets_its_own_ids_and_our_number(big: Any) -> None:
    source, store = big()
    (one,) = wants_items(source, "PO-1")
    assert send(source).counts == {"collected": 1, "sent": 1}
    assert (store.shipping, store.orders[0]["external_order_id"]) == ([[(20, 77, 3)]], "PO-1")
    assert FulfillmentRequest.get_by_id(one.id).their_id == "100"


def test_an_item_without_the_stores_ids_is_refused_by_name(big: Any) -> None:
    source, store = big()
    (one,) = wants_items(source, "PO-1", custom=None)
    send(source)
    assert states(one) == [("failed", "")] and store.orders == []
    assert "HX-1 of order PO-1 has no “BigCommerce product”" in FulfillmentRequest.get_by_id(one.id).said


@pytest.mark.parametrize("swallow", [0, 1], ids=["answered", "found by looking"])
def test_bigcommerces_own_list_of_lines_is_compared(big: Any, swallow: int) -> None:
    source, store = big(bends=fewer, swallow=swallow)
    (one,) = wants_items(source, "PO-1")
    send(source)
    due_now(source)
    send(source)
    assert (store.shipping, store.orders[0]["status_id"], states(one)) == ([], 5, [("failed", "rejected")])
    assert "20: 3 were sent, they took 2" in FulfillmentRequest.get_by_id(one.id).said


def test_lines_that_cannot_be_read_now_are_read_by_the_next_look(big: Any) -> None:
    source, store = big(cuts_lines=2)
    (one,) = wants_items(source, "PO-1")
    send(source)
    assert states(one) == [("processing", "uploading")]
    due_now(source)
    send(source)
    assert (states(one), len(store.orders), tries(submissions(source)[0])) == (
        [("processed", "sent")], 1, [("try", "unknown"), ("look", "found")],
    )  # fmt: skip


@pytest.fixture
def shopping(chosen: Any) -> Iterator[Callable[..., tuple[Source, Any]]]:  # noqa: F811
    with ExitStack() as stack:

        def make(units: int = 9, **behaves: Any) -> tuple[Source, Any]:
            store = stack.enter_context(shopify(variants=[variant(1, levels={1: units})], **behaves))
            return opened(chosen("shopify"), {"key": LEGACY}, **store.settings()), store

        yield make


def test_shopify_gets_variants_takes_stock_by_its_rule_and_is_compared(shopping: Any) -> None:
    source, store = shopping()
    (one,) = wants_items(source, "PO-1")
    assert send(source).counts == {"collected": 1, "sent": 1}
    (asked,) = [asked for query, asked in store.asked if "orderCreate" in query]
    assert asked["order"]["lineItems"] == [{"variantId": "gid://shopify/ProductVariant/1", "quantity": 3}]
    assert (asked["order"]["sourceIdentifier"], asked["options"]["inventoryBehaviour"]) == ("PO-1", "DECREMENT_OBEYING_POLICY")
    assert FulfillmentRequest.get_by_id(one.id).their_id == "gid://shopify/Order/1000"


@pytest.mark.parametrize("keeps", [False, True])
def test_shopify_is_asked_to_cancel_what_it_took_otherwise_and_only_its_word_counts(shopping: Any, keeps: bool) -> None:
    source, store = shopping(takes_less=1, keeps=keeps)
    (one,) = wants_items(source, "PO-1")
    send(source)
    assert len(store.orders) == 1 and bool(store.orders[0].get("cancelledAt")) is not keeps
    assert states(one) == [("processing", "check_needed") if keeps else ("failed", "rejected")]
    said = FulfillmentRequest.get_by_id(one.id).said
    assert ("shopify did not cancel" if keeps else "was canceled") in said.lower() + submissions(source)[0].problem["body"].lower()


def test_shopifys_user_errors_inside_200_fail_the_request_in_its_words(shopping: Any) -> None:
    source, store = shopping(units=2)
    (one,) = wants_items(source, "PO-1")
    send(source)
    assert (states(one), store.orders) == ([("failed", "rejected")], [])
    assert "INVENTORY_CLAIM_FAILED" in FulfillmentRequest.get_by_id(one.id).said


def test_shopifys_swallowed_answers_are_found_by_our_reference(shopping: Any) -> None:
    source, store = shopping(units=99, swallow=2)
    requests = wants_items(source, "PO-1", "PO-2")
    send(source)
    assert states(*requests) == [("processing", "uploading")] * 2
    due_now(source)
    send(source)
    assert (states(*requests), len(store.orders)) == ([("processed", "sent")] * 2, 2)
