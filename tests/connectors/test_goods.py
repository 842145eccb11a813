"""What stores have under a SKU, and setting units and prices there: many at once, each told apart, whatever the store answers."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import suppliers
from portal.connectors import goods, open_connector
from portal.connectors.goods import PRICE, UNITS, Change, Goods, Ware
from portal.connectors.network import Guard
from portal.errors import SupplierError
from portal.records import Secret
from portal.suppliers.channels import as_channel
from tests.channels.shelves import PLACE, ware
from tests.channels.shops import KINDS, SETTINGS, Shop, serving_shop

ALL = ["shopify", "bigcommerce", "woocommerce"]
PLACES = {"shopify": PLACE, "bigcommerce": "1", "woocommerce": ""}


@contextlib.contextmanager
def store(kind: str, guard: Guard, *wares: dict[str, Any]) -> Iterator[tuple[Shop, Goods]]:
    shop = KINDS[kind]()
    shop.shelves.wares = list(wares)
    with serving_shop(shop):
        values, secrets = SETTINGS[kind]
        moved = shop.base + ("/stores/a1b2c3" if kind == "bigcommerce" else "")
        entry = as_channel(suppliers.find(kind))
        settings = entry.whole({**values, "base": moved, "plain_ok": "1"}, "send_listings")
        opened = open_connector(
            entry.protocol, settings, {key: Secret(text) for key, text in secrets.items()}, guard=guard, trusted_key=None
        )
        with opened as connector:
            yield shop, goods.of(kind, connector)


def read(one: Goods, kind: str, *skus: str, **known: str) -> list[Ware]:
    return one.read({**dict.fromkeys(skus, ""), **known}, PLACES[kind])


def put(one: Goods, kind: str, *changes: Change) -> dict[tuple[str, str], str]:
    names = {change.ware.their_id: change.ware.sku for change in changes}
    return {(names[their_id], part): sent.outcome for (their_id, part), sent in one.set(changes, PLACES[kind]).items()}


@pytest.mark.parametrize("kind", ALL)
def test_goods_are_read_by_sku_and_set_and_read_again(kind: str, guard: Guard) -> None:
    same = {"product": 900} if kind != "woocommerce" else {"product": 900, "variation": True}
    wares = [ware(1, "LAMP-1", 5, "12.50"), ware(2, "LAMP-2", 0, **same), ware(3, "LAMP-3", 7, **same), ware(4, "OTHER", 1)]
    with store(kind, guard, *wares) as (shop, one):
        found = read(one, kind, "LAMP-1", "LAMP-2", "LAMP-3", "LAMP-9")
        assert [(it.sku, it.units, it.price) for it in found] == [("LAMP-1", 5, 125_000), ("LAMP-2", 0, 100_000), ("LAMP-3", 7, 100_000)]
        assert not any(it.barred or it.twice or it.priceless for it in found) and one.currency() == "USD"
        assert [(it.id, it.name) for it in one.places()] == ([(PLACES[kind], "Main street")] if PLACES[kind] else [])
        first, second, third = found
        ended = put(one, kind, Change(first, 4, 199_900), Change(second, 0, None), Change(third, None, 5_000))
        assert ended == dict.fromkeys((("LAMP-1", UNITS), ("LAMP-1", PRICE), ("LAMP-2", UNITS), ("LAMP-3", PRICE)), "sent")
        assert shop.shelves.has("LAMP-1") == (4, "19.99") and shop.shelves.has("LAMP-3") == (7, "0.50")
        again = read(one, kind, **{it.sku: it.their_id for it in found})
        assert [(it.their_id, it.units) for it in again] == [(first.their_id, 4), (second.their_id, 0), (third.their_id, 7)]


@pytest.mark.parametrize("kind", ALL)
def test_a_change_that_is_refused_keeps_no_other_out(kind: str, guard: Guard) -> None:
    wares = [ware(n, f"LAMP-{n}", 5, product=900 if kind == "shopify" else n * 100) for n in range(1, 8)]
    with store(kind, guard, *wares) as (shop, one):
        found = read(one, kind, *[it["sku"] for it in wares])
        shop.shelves.of("LAMP-3")["bad"] = shop.shelves.of("LAMP-6")["bad"] = "It is a bundle"
        ended = put(one, kind, *[Change(it, 9, 150_000) for it in found])
        refused = {sku for (sku, _), outcome in ended.items() if outcome == "refused"}
        assert refused == {"LAMP-3", "LAMP-6"} and sum(outcome == "sent" for outcome in ended.values()) == 10
        assert shop.shelves.has("LAMP-3") == (5, "10.00") and shop.shelves.has("LAMP-7") == (9, "15.00")
        words = one.set([Change(found[2], 9)], PLACES[kind])[found[2].their_id, UNITS].problem
        assert words is not None and ("bundle" in words.body + words.server_said or kind == "bigcommerce")


@pytest.mark.parametrize("kind", ALL)
def test_what_cannot_be_set_is_said(kind: str, guard: Guard) -> None:
    wares = [ware(1, "LOOSE", 5, tracked=False), ware(2, "TWO", 1), ware(3, "TWO", 1), ware(4, "BLUE", 1, product=900, tracked="parent"),
             ware(5, "RED", 1, product=900, tracked="parent", place=2)]  # fmt: skip
    if kind == "woocommerce":
        wares = [{**it, "variation": it["product"] == 900} for it in wares]
    with store(kind, guard, *wares) as (_, one):
        found = {it.sku: it for it in read(one, kind, "LOOSE", "TWO", "BLUE")}
        assert "Turn on" in found["LOOSE"].barred and found["TWO"].twice and not found["LOOSE"].twice
        assert found["BLUE"].barred
        if kind != "shopify":
            assert "as a whole" in found["BLUE"].barred
            (odd,) = read(one, kind, "A,B")
            assert odd.their_id == "" and "comma" in odd.barred


def test_a_product_of_one_variant_is_adjusted_by_its_product(guard: Guard) -> None:
    with store("bigcommerce", guard, ware(1, "PLAIN", 5, by="product"), ware(2, "AWAY", 5, place=2)) as (shop, one):
        plain, away = read(one, "bigcommerce", "PLAIN", "AWAY")
        assert put(one, "bigcommerce", Change(plain, 3)) == {("PLAIN", UNITS): "sent"} and shop.shelves.has("PLAIN")[0] == 3
        assert "chosen location" in away.barred


def test_a_product_of_variations_has_no_price_of_its_own(guard: Guard) -> None:
    with store("woocommerce", guard, ware(1, "LAMPS", type="variable")) as (_, one):
        (found,) = read(one, "woocommerce", "LAMPS")
        assert found.priceless and found.barred


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize(
    ("fault", "outcome", "done"), [("swallow", "unknown", True), ("cut", "unknown", False), ("refuse", "unknown", False)]
)
def test_what_nobody_saw_the_end_of_is_not_known(kind: str, fault: str, outcome: str, done: bool, guard: Guard) -> None:
    with store(kind, guard, ware(1, "LAMP-1", 5)) as (shop, one):
        (found,) = read(one, kind, "LAMP-1")
        setattr(shop, fault, 1)
        assert put(one, kind, Change(found, 2)) == {("LAMP-1", UNITS): outcome}
        assert shop.shelves.has("LAMP-1")[0] == (2 if done else 5)


@pytest.mark.parametrize("kind", ALL)
def test_a_limit_is_waited_for_by_reads_and_told_of_writes(kind: str, guard: Guard) -> None:
    with store(kind, guard, ware(1, "LAMP-1", 5)) as (shop, one):
        shop.limit = 1
        (found,) = read(one, kind, "LAMP-1")
        shop.limit = 1
        outcome = put(one, kind, Change(found, 2))["LAMP-1", UNITS]
        assert outcome == ("not_sent" if kind == "bigcommerce" else "unknown") and shop.shelves.has("LAMP-1")[0] == 5


def test_shopifys_own_limit_is_waited_for(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    waited = []
    monkeypatch.setattr("portal.connectors.goods_shopify.wait", lambda seconds, *_: waited.append(seconds))
    with store("shopify", guard, ware(1, "LAMP-1", 5)) as (shop, one):
        (found,) = read(one, "shopify", "LAMP-1")
        shop.throttle = 2
        assert put(one, "shopify", Change(found, 2)) == {("LAMP-1", UNITS): "sent"} and sum(waited) >= 2


def test_a_number_that_moved_meanwhile_is_not_written_over(guard: Guard) -> None:
    with store("shopify", guard, ware(1, "LAMP-1", 5), ware(2, "LAMP-2", 5)) as (shop, one):
        found = read(one, "shopify", "LAMP-1", "LAMP-2")
        shop.meanwhile = lambda: shop.shelves.of("LAMP-1").update(units=3)
        ended = put(one, "shopify", *[Change(it, 9) for it in found])
        assert ended == {("LAMP-1", UNITS): "not_sent", ("LAMP-2", UNITS): "sent"} and shop.shelves.has("LAMP-1")[0] == 3


def test_an_app_without_the_scopes_is_told_which(guard: Guard) -> None:
    with store("shopify", guard) as (shop, one):
        shop.scopes = "read_products,read_inventory,read_locations,write_products"  # type: ignore[attr-defined]
        with pytest.raises(SupplierError) as refused:
            one.places()
        assert "write_inventory" in refused.value.problem.body


def test_lists_of_skus_fit_into_an_address() -> None:
    some = list(goods.portions([f"{'x' * 150}{n}" for n in range(25)] + ["y"], 20))
    assert max(map(len, some)) <= 20 and max(len(",".join(one)) for one in some) <= goods.LONGEST_LIST and sum(map(len, some)) == 26
    assert [goods.money(one) for one in (0, 125_000, 199_900, 12_345, 10_000_000)] == ["0.00", "12.50", "19.99", "1.2345", "1000.00"]


def test_woocommerce_describes_every_field_that_is_set() -> None:
    folder = Path(os.environ.get("PEERS") or Path(__file__).resolve().parents[3] / "shared" / "peers") / "woocommerce"
    if not folder.is_dir():
        pytest.skip(f"WooCommerce's own descriptions are not here ({folder}); say where with PEERS")
    for name in ("products", "products--variations"):
        told = json.loads((folder / f"schema-{name}.json").read_text("utf-8"))
        fields = told["schema"]["properties"]
        assert {"id", "sku", "manage_stock", "stock_quantity", "regular_price"} <= fields.keys()
        assert not any(fields[field].get("readonly") for field in ("stock_quantity", "regular_price")), name
