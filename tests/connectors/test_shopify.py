"""A Shopify store: variants and stock by location in pages and in one go, its limits, and its refusals in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portal.connectors import shopify_bulk, shopify_graph
from portal.connectors.shopify import ShopifyConnector
from portal.errors import SupplierError
from portal.records import Check, Exchange, Secret
from tests.connectors import shopify_server
from tests.connectors.shopify_server import CLIENT, LEGACY, SECRET, SHOP, Store, shopify, variant


class Shop:
    """A connector to the store, and everything that it told."""

    def __init__(self, server: Store, guard: Any, **settings: Any) -> None:
        self.exchanges: list[Exchange] = []
        self.checks: list[Check] = []
        self.said: list[tuple[str, str]] = []
        sealed = {"key": Secret(LEGACY), "client_secret": Secret(SECRET)}
        told = server.settings(**settings)
        self.connector = ShopifyConnector(told, sealed, guard=guard, trusted_key=None, record=self.exchanges.append)
        self.connector.say = lambda text, level="info": self.said.append((level, text))  # type: ignore[method-assign]

    def fetch(self, folder: Path, progress: Any = lambda *_: None) -> dict[str, dict[str, Any]]:
        into = folder / "variants.jsonl"
        fetched = self.connector.fetch("", "newest", "*", into, 10**8, progress)
        rows = [json.loads(line) for line in into.read_bytes().splitlines()]
        assert fetched.size == into.stat().st_size and [one.name for one in folder.iterdir()] == ["variants.jsonl"]
        found = {row["sku"]: row for row in rows}
        assert len(found) == len(rows)
        return found

    @property
    def words(self) -> str:
        return " ".join(text for _, text in self.said)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shopify_bulk, "LOOKS", (0.01,))
    monkeypatch.setattr(shopify_graph, "SLACK", 0.0)


WAYS = {"pages": {}, "at once": {"bulk_above": "1"}}


@pytest.mark.parametrize("way", WAYS)
def test_every_variant_comes_once_with_its_stock_by_location(guard: Any, tmp_path: Path, way: str) -> None:
    variants = [variant(n, levels={1: n, 2: 100 + n}) for n in range(1, 251)]
    with shopify(variants=variants) as server:
        shop = Shop(server, guard, **WAYS[way])
        found = shop.fetch(tmp_path)
    assert len(found) == 250 and (shop.connector.items, shop.connector.expected) == (250, 250)
    row = found["LAMP-0007"]
    assert (row["quantity"], row["at Main Street"], row["at Harbor"]) == (114, 7, 107)
    assert (row["cost"], row["cost_currency"], row["title"], row["brand"]) == ("2.5000", "USD", "Lamp 7", "Kestrel")
    assert row["variant_id"] == "gid://shopify/ProductVariant/7" and row["sells_when_out"] is False and row["product_status"] == "active"
    assert bool(server.operations) == (way == "at once")
    assert LEGACY not in repr(shop.exchanges)


@pytest.mark.parametrize("way", WAYS)
def test_what_is_untracked_hidden_without_sku_twice_or_below_zero(guard: Any, tmp_path: Path, way: str) -> None:
    variants = [
        variant(1, tracked=False, levels={1: 0}), variant(2, status="DRAFT"), variant(3, status="ARCHIVED"), variant(4, sku=None),
        variant(5, sku=" "), variant(6, sku="TWIN"), variant(7, sku="TWIN"), variant(8, levels={1: -4, 2: 1}),
        variant(9, policy="CONTINUE", levels={}), variant(10, sku="LAMP-0002"), variant(11, title="Green", status="UNLISTED"),
    ]  # fmt: skip
    with shopify(variants=variants) as server:
        shop = Shop(server, guard, **WAYS[way])
        found = shop.fetch(tmp_path)
        flagged = Shop(server, guard, drafts="flag", untracked="999", **WAYS[way]).fetch(tmp_path)
    gid = "gid://shopify/ProductVariant/"
    assert set(found) == {"LAMP-0001", f"{gid}4", f"{gid}5", f"{gid}6", f"{gid}7", "LAMP-0008", "LAMP-0009", "LAMP-0002", "LAMP-0011"}
    assert (found["LAMP-0001"]["quantity"], found["LAMP-0001"]["available"], found["LAMP-0001"]["tracked"]) == ("", "", False)
    assert (found["LAMP-0008"]["quantity"], found["LAMP-0008"]["available"]) == (0, -3)
    assert (found["LAMP-0009"]["quantity"], found["LAMP-0009"]["sells_when_out"]) == (0, True)
    assert found["LAMP-0011"]["title"] == "Lamp 11 - Green" and found["LAMP-0002"]["variant_id"] == f"{gid}10"
    for words in ("2 variants belong to drafts", "2 have no SKU and 2 share theirs", "unknown, not 0", "1 variants are sold below zero"):
        assert words in shop.words
    assert flagged["LAMP-0001"]["quantity"] == "999"
    assert {row["product_status"] for row in flagged.values()} == {"active", "draft", "archived", "unlisted"}
    assert f"{gid}2" in flagged and f"{gid}10" in flagged  # now the SKU stands twice in the feed


@pytest.mark.parametrize("way", WAYS)
def test_only_chosen_locations_count(guard: Any, tmp_path: Path, way: str) -> None:
    places = {1: ("Main Street", True), 2: ("Harbor", True), 3: ("Old", False), 4: ("Harbor", True)}
    with shopify(variants=[variant(1, levels={1: 5, 2: 7, 3: 100, 4: 11})], places=places) as server:
        every = Shop(server, guard, **WAYS[way]).fetch(tmp_path)["LAMP-0001"]
        chosen = {"locations": "chosen", "places": "gid://shopify/Location/2 gid://shopify/Location/9"}
        shop = Shop(server, guard, **chosen, **WAYS[way])
        one = shop.fetch(tmp_path)["LAMP-0001"]
        none = Shop(server, guard, locations="chosen", places="gid://shopify/Location/9")
        with pytest.raises(SupplierError, match="No location is left"):
            none.fetch(tmp_path)
    assert every["quantity"] == 23 and every["at Harbor (2)"] == 7 and every["at Harbor (4)"] == 11
    assert every["at Old"] == "", "made inactive: it counts no more, and its column stays for a mapping that knows it"
    assert one["quantity"] == 7 and [name for name in one if name.startswith("at ")] == ["at Harbor"]
    assert ("warning", "Of the chosen locations 1 cannot be read any more, closed or made inactive; the others count.") in shop.said


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        ({"hasNextPage": True, "endCursor": None}, "The list stopped before its end"),
        ({"hasNextPage": False, "endCursor": None}, "of 250 items"),
    ],
)
def test_a_list_that_ends_early_uses_nothing(guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ends: Any, words: str) -> None:
    whole = shopify_server.page

    def cut(items: list[Any], first: int | None, after: str | None) -> dict[str, Any]:
        found = whole(items, first, after)
        return {**found, "pageInfo": ends} if len(items) == 250 else found

    monkeypatch.setattr(shopify_server, "page", cut)
    with shopify(variants=[variant(n, levels={1: n}) for n in range(1, 251)]) as server, pytest.raises(SupplierError) as refused:
        Shop(server, guard).fetch(tmp_path)
    assert refused.value.problem.code == "cut_download" and words in refused.value.problem.headline and list(tmp_path.iterdir()) == []


def test_variants_that_are_deleted_while_the_store_is_read_are_not_missed(guard: Any, tmp_path: Path) -> None:
    with shopify(variants=[variant(n, levels={1: n}) for n in range(1, 251)]) as server:
        shop = Shop(server, guard)
        assert len(shop.fetch(tmp_path, lambda *_: server.variants.__delitem__(slice(240, None)))) == 240


def test_more_levels_than_fit_a_page_are_read_to_the_end(guard: Any, tmp_path: Path) -> None:
    places = {n: (f"Store {n}", True) for n in range(1, 131)}
    with shopify(variants=[variant(1, levels=dict.fromkeys(places, 2))], places=places) as server:
        found = Shop(server, guard).fetch(tmp_path)
    assert found["LAMP-0001"]["quantity"] == 260 and sum("inventoryItem(id" in query for query, _ in server.asked) == 1
    assert sum("locations(" in query for query, _ in server.asked) == 2


def test_a_sample_is_left_after_some_pages_and_never_read_at_once(guard: Any, tmp_path: Path) -> None:
    with shopify(variants=[variant(n) for n in range(1, 1_000)]) as server:
        shop = Shop(server, guard, most_pages=2, bulk_above="10")
        assert 100 <= len(shop.fetch(tmp_path)) < 999 and shop.connector.pages == 2 and not server.operations


@pytest.mark.parametrize("way", WAYS)
def test_costs_that_the_app_may_not_see_are_left_out_and_said(guard: Any, tmp_path: Path, way: str) -> None:
    with shopify(see_cost=False) as server:
        shop = Shop(server, guard, **WAYS[way])
        found = shop.fetch(tmp_path)
    assert len(found) == 7 and found["LAMP-0001"]["cost"] is None and "Costs were not read" in shop.words


def test_no_variants_at_all_are_an_empty_list(guard: Any, tmp_path: Path) -> None:
    with shopify(variants=[]) as server:
        assert Shop(server, guard).fetch(tmp_path) == {}


# limits


def test_an_empty_bucket_is_waited_for_as_long_as_it_needs(guard: Any, tmp_path: Path) -> None:
    with shopify(variants=[variant(n) for n in range(1, 301)], points=30.0, restores=2_000.0) as server:
        shop = Shop(server, guard)
        assert len(shop.fetch(tmp_path)) == 300
    assert sum(server.costs) > 30.0 + 2 * max(server.costs), "the bucket was empty more than once"
    first = next(n for n, cost in enumerate(server.costs) if cost > 30.0)
    # by then a slow machine's bucket may be full again; all the others are paced
    assert server.throttled_after in ([], [first]), "only the first question that costs much can be surprised"


def test_a_bucket_that_stays_empty_ends_the_try(guard: Any, tmp_path: Path) -> None:
    with shopify(points=1.0, restores=0.01) as server, pytest.raises(SupplierError) as refused:
        Shop(server, guard).fetch(tmp_path)
    assert refused.value.problem.headline == "Shopify asked us to slow down" and not refused.value.permanent and server.throttled == 1
    assert list(tmp_path.iterdir()) == []


def test_a_question_that_costs_too_much_is_made_smaller(guard: Any, tmp_path: Path) -> None:
    with shopify(variants=[variant(n) for n in range(1, 40)], most=100.0) as server:
        assert len(Shop(server, guard).fetch(tmp_path)) == 39 and max(server.costs) <= 100.0
    with shopify(most=1.0) as server, pytest.raises(SupplierError, match="too costly") as refused:
        Shop(server, guard).fetch(tmp_path)
    assert refused.value.permanent


def error(code: str, message: str = "No.", **more: Any) -> dict[str, Any]:
    return {"errors": [{"message": message, "extensions": {"code": code, **more}}]}


DENIED = "Access denied for productVariants field. Required access: `read_products` access scope."
REFUSALS: dict[str, tuple[int, Any, str, bool]] = {
    "401": (401, {"errors": "[API] Invalid API key"}, "does not accept the token", True),
    "402": (402, {"errors": "Unavailable Shop"}, "frozen", True),
    "403": (403, {"errors": "[API] This action requires merchant approval for read_products scope."}, "may not do this", True),
    "403 scope": (403, {"errors": "Required access: `read_locations` access scope."}, "lacks read_locations", True),
    "403 old token": (403, {"errors": "Non-expiring access tokens are no longer accepted"}, "does not take this token", True),
    "404": (404, {"errors": "Not Found"}, "no such store", True),
    "423": (423, {"errors": "Locked"}, "locked", False),
    "430": (430, {"errors": "Shopify Security Rejection"}, "protection", True),
    "301": (301, {}, "elsewhere", True),
    "denied": (200, error("ACCESS_DENIED", DENIED), "lacks read_products", True),
    "inactive": (200, error("SHOP_INACTIVE"), "not active", True),
    "unknown field": (200, {"errors": [{"message": "Field 'x' doesn't exist"}]}, "did not accept our question", True),
    "a text for errors": (200, {"errors": "Something odd"}, "did not accept our question", True),
    "no JSON": (200, "<html>", "cannot be read", False),
    "nothing": (200, {}, "cannot be read", False),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_is_said_in_words_and_asked_once(guard: Any, tmp_path: Path, name: str) -> None:
    status, body, words, permanent = REFUSALS[name]
    with shopify(statuses=[(status, body)]) as server:
        with pytest.raises(SupplierError) as refused:
            Shop(server, guard).fetch(tmp_path)
        assert len(server.asked) == 1
    problem = refused.value.problem
    assert words in problem.headline and refused.value.permanent == permanent
    assert len(problem.headline) < 60 and len(problem.body.split()) < 40 and LEGACY not in repr(problem)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status, body", [(429, {}), (500, {}), (503, {}), (200, error("INTERNAL_SERVER_ERROR"))])
def test_a_fault_over_there_is_asked_again(guard: Any, tmp_path: Path, status: int, body: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.connectors.waits.back_off", lambda *_: 0.01)
    with shopify(statuses=[(status, body)] * 2) as server:
        assert len(Shop(server, guard).fetch(tmp_path)) == 7
    with shopify(statuses=[(status, body)] * 5) as server:
        with pytest.raises(SupplierError) as refused:
            Shop(server, guard).fetch(tmp_path)
        assert not refused.value.permanent and len(server.asked) == 5


def test_another_version_that_answers_is_a_warning(guard: Any, tmp_path: Path) -> None:
    with shopify(version="2026-07") as server:
        shop = Shop(server, guard)
        shop.fetch(tmp_path)
        assert shop.connector.check(shop.checks.append, "")
    assert [text for level, text in shop.said if level == "warning"] == [
        "The stock was read, but Shopify answered in version 2026-07 instead of 2026-10. "
        "Fields may mean something else there; tell the operator of this portal."
    ]
    assert "2026-07 instead of 2026-10" in shop.checks[-1].detail


# signing in and testing


def test_the_five_checks_name_the_store_and_offer_its_locations(guard: Any) -> None:
    with shopify(places={1: ("Main Street", True), 2: ("Old", False)}) as server:
        shop = Shop(server, guard)
        shop.connector.check(shop.checks.append, "")
    done = [one for one in shop.checks if one.state != "running"]
    assert [(one.name, one.state) for one in done] == [(n, "passed") for n in ("address", "port", "identity", "sign_in", "folder")]
    assert done[3].detail == f"Signed in at Harbor Lamps ({SHOP})" and done[4].detail == "7 variants at 1 active location"
    assert done[4].facts["choices"] == {"places": [{"value": "gid://shopify/Location/1", "label": "Main Street"}]}


def test_where_orders_are_to_be_placed_the_test_asks_for_that_right_too(guard: Any) -> None:
    with shopify() as server:
        shop = Shop(server, guard, sends=True)
        with pytest.raises(SupplierError) as refused:
            shop.connector.check(shop.checks.append, "")
        assert "not given write_orders." in refused.value.problem.body
        server.scopes += ",write_orders"
        assert shop.connector.check(shop.checks.append, "")


@pytest.mark.parametrize("scopes, missing", [
    ("read_products,read_inventory", "read_locations"), ("write_products,write_inventory", "read_locations"),
    ("read_orders", "read_products, read_inventory, read_locations"), ("write_products,write_inventory,write_locations", ""),
])  # fmt: skip
def test_the_test_names_the_missing_scope(guard: Any, scopes: str, missing: str) -> None:
    with shopify(scopes=scopes) as server:
        shop = Shop(server, guard)
        if not missing:
            assert shop.connector.check(shop.checks.append, "")
            return
        with pytest.raises(SupplierError) as refused:
            shop.connector.check(shop.checks.append, "")
    assert refused.value.problem.code == "permission_denied" and f"not given {missing}." in refused.value.problem.body
    assert (shop.checks[-1].name, shop.checks[-1].state) == ("folder", "failed")


@pytest.mark.parametrize("status, body, words", [
    (401, {}, "The sign-in has ended"), (403, {"errors": "Non-expiring access tokens are no longer accepted"}, "The sign-in has ended"),
    (403, {"errors": "Required access: `read_locations` access scope."}, "The app lacks read_locations"),
])  # fmt: skip
def test_who_signed_in_is_asked_to_sign_in_again(guard: Any, tmp_path: Path, status: int, body: Any, words: str) -> None:
    class Given:
        def access(self) -> Secret:
            return Secret(LEGACY)

        def renewed(self, stale: Secret) -> Secret:
            return Secret(LEGACY)

    with shopify(statuses=[(status, body)] * 2) as server:
        shop = Shop(server, guard, auth="code")
        shop.connector.graph.auth.tokens = Given()
        with pytest.raises(SupplierError, match=words) as refused:
            shop.fetch(tmp_path)
    assert refused.value.problem.act_at == "sign_in" and refused.value.permanent


def test_client_credentials_fetch_a_token_and_another_when_it_ended(guard: Any, tmp_path: Path) -> None:
    with shopify() as server:
        shop = Shop(server, guard, auth="client_credentials", client_id=CLIENT)
        shop.connector.check(shop.checks.append, "")
        server.good = set()
        assert len(shop.fetch(tmp_path)) == 7
    assert [one["grant_type"] for one in server.token_calls] == ["client_credentials"] * 2
    assert SECRET not in repr(shop.exchanges) and "shpca_" not in repr(shop.exchanges)


def test_client_credentials_of_another_organisation_are_explained(guard: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with shopify() as server:
        told = 400, {"error": "shop_not_permitted", "error_description": "Client credentials cannot be performed on this shop."}
        monkeypatch.setattr(server, "token", lambda _: told)
        with pytest.raises(SupplierError, match="another organisation"):
            Shop(server, guard, auth="client_credentials", client_id=CLIENT).connector.check(lambda _: None, "")
        monkeypatch.undo()
        with pytest.raises(SupplierError, match="does not accept the app's credentials"):
            Shop(server, guard, auth="client_credentials", client_id="another").connector.check(lambda _: None, "")
        assert server.asked == []


FOREIGN = [
    "harbor-lamps.myshopify.com\n", "shop.example.com", "evil.com/x.myshopify.com", "x.myshopify.com.evil.com", "a@x.myshopify.com",
    "x.myshopify.com:443", "x.myshopify.com/", "X.myshopify.com", "ｘ.myshopify.com", "x.myshopify.com\0", "", "myshopify.com",
]  # fmt: skip


@pytest.mark.parametrize("shop", FOREIGN)
def test_a_store_that_is_not_shopifys_own_address_hears_nothing(guard: Any, tmp_path: Path, shop: str) -> None:
    with shopify() as server:
        for auth in ("header", "client_credentials"):
            made = Shop(server, guard, auth=auth, client_id=CLIENT, shop=shop)
            for act in (lambda made=made: made.fetch(tmp_path), lambda made=made: made.connector.check(lambda _: None, "")):
                with pytest.raises(SupplierError, match="not a host name"):
                    act()
            assert made.exchanges == []
        assert server.asked == [] and server.token_calls == []


# a large store in one go


def test_the_file_is_fetched_without_a_token(guard: Any, tmp_path: Path) -> None:
    with shopify() as server:
        shop = Shop(server, guard, bulk_above="1")
        shop.fetch(tmp_path)
        (told,) = [one for one in shop.exchanges if one.method == "GET"]
        assert told.status == 200 and told.received > 1_000 and "Signature" not in told.address
        assert server.downloads and all(not {"X-Shopify-Access-Token", "Authorization"} & one.keys() for one in server.downloads)
        assert LEGACY not in repr(server.downloads)


def test_levels_may_name_the_item_as_their_parent(guard: Any, tmp_path: Path) -> None:
    with shopify(variants=[variant(1, levels={1: 3, 2: 4})] * 1 + [variant(2)], by_item=True) as server:
        assert Shop(server, guard, bulk_above="1").fetch(tmp_path)["LAMP-0001"]["quantity"] == 7


@pytest.mark.parametrize(
    "there", ["http://localhost:1/x", "http://127.0.0.1.evil.example/x", "https://evil.example/x", "http://ana@127.0.0.1:1/x"]
)
def test_a_file_elsewhere_is_not_fetched(guard: Any, tmp_path: Path, there: str) -> None:
    with shopify(there=there) as server:
        with pytest.raises(SupplierError) as refused:
            Shop(server, guard, bulk_above="1").fetch(tmp_path)
        assert refused.value.problem.code == "redirected" and server.downloads == []


def test_a_place_is_waited_for(guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with shopify(busy=2, polls=3) as server:
        assert len(Shop(server, guard, bulk_above="1").fetch(tmp_path)) == 7
    monkeypatch.setattr(shopify_bulk, "LONGEST_QUEUE", 0.02)
    with shopify(busy=99) as server, pytest.raises(SupplierError, match="busy") as refused:
        Shop(server, guard, bulk_above="1").fetch(tmp_path)
    assert not refused.value.permanent


def test_a_reading_that_cannot_begin_is_said_with_shopifys_words(guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"bulkOperation": None, "userErrors": [{"code": "INVALID", "field": ["query"], "message": "Invalid bulk query"}]}
    with shopify() as server:
        monkeypatch.setattr(server, "start", lambda _: told)
        with pytest.raises(SupplierError, match="did not begin to read") as refused:
            Shop(server, guard, bulk_above="1").fetch(tmp_path)
    assert refused.value.permanent and "INVALID" in refused.value.problem.server_said and "Invalid bulk query" in refused.value.problem.body


@pytest.mark.parametrize("ends, words, permanent", [
    ("FAILED INTERNAL_SERVER_ERROR", "could not read the whole store", False), ("FAILED TIMEOUT", "could not read the whole store", False),
    ("FAILED ACCESS_DENIED", "lacks", True), ("CANCELED", "stopped at Shopify", False), ("EXPIRED", "could not read", False),
])  # fmt: skip
def test_a_reading_that_fails_uses_nothing_of_it(guard: Any, tmp_path: Path, ends: str, words: str, permanent: bool) -> None:
    with shopify(bulk=ends) as server:
        with pytest.raises(SupplierError) as refused:
            Shop(server, guard, bulk_above="1").fetch(tmp_path)
        assert words in refused.value.problem.headline and refused.value.permanent == permanent and server.downloads == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_result_without_a_file_is_an_empty_list(guard: Any, tmp_path: Path) -> None:
    with shopify() as server:
        shop = Shop(server, guard, bulk_above="1")
        start = server.start

        def emptied(query: str) -> Any:
            server.variants = []
            return start(query)

        server.start = emptied  # type: ignore[method-assign]
        assert shop.fetch(tmp_path) == {} and server.downloads == []


def without_a_variant(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        one for one in lines if one["id"] != "gid://shopify/ProductVariant/3" and one.get("__parentId") != "gid://shopify/ProductVariant/3"
    ]


def without_its_parent(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "__parentId": "gid://shopify/Odd/1"} if "__parentId" in one else one for one in lines]


def without_numbers(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "quantities": []} if "__parentId" in one else one for one in lines]


@pytest.mark.parametrize("harm, words", [
    (without_a_variant, "not whole"), (without_its_parent, "cannot be read"), (without_numbers, "cannot be read"),
])  # fmt: skip
def test_a_file_with_something_missing_is_refused(guard: Any, tmp_path: Path, harm: Any, words: str) -> None:
    with shopify(lines_like=harm) as server, pytest.raises(SupplierError, match=words):
        Shop(server, guard, bulk_above="1").fetch(tmp_path)
    assert list(tmp_path.iterdir()) == []


# what changed

SINCE = "2026-11-27T04:00:00Z"
NOW, BEFORE = "2026-11-27T05:00:00Z", "2026-11-26T05:00:00Z"


def test_what_changed_is_edited_variants_and_those_whose_stock_moved_where_it_counts(guard: Any, tmp_path: Path) -> None:
    variants = [
        variant(1, edited=NOW), variant(2, moved={2: NOW}, levels={1: 3, 2: 4}), variant(3, edited=BEFORE, moved={1: BEFORE}), variant(4),
        variant(5, edited=NOW, moved={1: NOW}), variant(6, edited=NOW, status="ARCHIVED"), variant(7, moved={3: NOW}),
    ]  # fmt: skip
    places = {1: ("Main Street", True), 2: ("Harbor", True), 3: ("Old", False)}
    with shopify(variants=variants, places=places) as server:
        shop = Shop(server, guard, since=SINCE)
        found = shop.fetch(tmp_path)
        assert set(found) == {"LAMP-0001", "LAMP-0002", "LAMP-0005"} and found["LAMP-0002"]["quantity"] == 7
        assert (shop.connector.items, shop.connector.expected) == (4, 4) and not server.operations
        main = {"locations": "chosen", "places": "gid://shopify/Location/1"}
        assert set(Shop(server, guard, since=SINCE, **main).fetch(tmp_path)) == {"LAMP-0001", "LAMP-0005"}
        assert Shop(server, guard, since="2026-11-28T00:00:00Z").fetch(tmp_path) == {}


def test_a_sku_that_another_variant_has_too_keeps_its_key_though_only_one_changed(guard: Any, tmp_path: Path) -> None:
    variants = [
        variant(1, sku="TWIN", edited=NOW), variant(2, sku="TWIN"), variant(3, sku="ONE", edited=NOW), variant(4, sku="one"),
        variant(5, sku="HALF", edited=NOW), variant(6, sku="HALF", status="DRAFT"), variant(7, sku='6" "x', edited=NOW),
    ]  # fmt: skip
    with shopify(variants=variants) as server:
        whole, changed = Shop(server, guard).fetch(tmp_path), Shop(server, guard, since=SINCE).fetch(tmp_path)
    assert set(changed) == {"gid://shopify/ProductVariant/1", "ONE", "HALF", '6" "x'} and set(changed) <= set(whole)


def test_many_changes_come_in_parts_and_too_many_are_read_whole(guard: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variants = [variant(n, edited=NOW, moved={1: NOW}) for n in range(1, 331)]
    with shopify(variants=variants, most=600.0) as server:
        assert len(Shop(server, guard, since=SINCE).fetch(tmp_path)) == 330
        assert max(len(variables["ids"]) for _, variables in server.asked if "ids" in variables) <= 100
    monkeypatch.setattr("portal.connectors.shopify_changes.MOST", 100)
    for edited, moved in ((NOW, {}), ("", {1: NOW})):
        with shopify(variants=[variant(n, edited=edited, moved=moved) for n in range(1, 130)]) as server:
            shop = Shop(server, guard, since=SINCE, bulk_above="10")
            assert len(shop.fetch(tmp_path)) == 129 and "More than 100 variants changed" in shop.words and server.operations


class Stop(Exception):
    pass


def test_stop_ends_the_reading_at_shopify_too(guard: Any, tmp_path: Path) -> None:
    with shopify(polls=10_000) as server:

        def progress(*_: Any) -> None:
            if server.operations:
                raise Stop

        with pytest.raises(Stop):
            Shop(server, guard, bulk_above="1").fetch(tmp_path, progress)
        assert [one["status"] for one in server.operations.values()] == ["CANCELED"]
    assert list(tmp_path.iterdir()) == []
