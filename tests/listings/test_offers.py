"""Prices and quantities: the set-wise SQL says what the model says, on both databases, to the last ten-thousandth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from portal import clock
from portal.catalogue import products
from portal.listings import detail, offers, reckoning, rules
from portal.listings.reckoning import Item, Own
from portal.listings.rules import PriceRule, QuantityRule, Rules
from portal.models import CommittedStock, InventoryItem, Listing, Source, database
from tests.catalogue.stock import item
from tests.listings.goods import RULES, goods, listed, ruled, shop
from tests.ordered import ask, place

NOTHING = Own()
NORTH = Item("Northwind", "L-1", 120, 3, 124_000, None)


def told(items: list[Item], own: Own = NOTHING, **typed: str) -> tuple[reckoning.Told, reckoning.Told]:
    found = rules.judged(RULES | typed)
    price = reckoning.price(found, own, items)
    return price, reckoning.quantity(found, own, items, price.value is not None)


def test_each_number_is_an_equation() -> None:
    price, quantity = told([Item("Northwind", "L-1", 120, 3, 124_000, 190_000)], buffer="2")
    assert price.value == 199_900
    assert list(price.steps) == ["cost 12.40 of Northwind × 1.3 = 16.12", "MAP 19.00 → 19.00", "rounded to 19.99"]
    assert quantity.value == 115
    assert list(quantity.steps) == ["120 feed − 3 committed = 117 of Northwind, L-1", "117 − buffer 2 = 115"]
    price, quantity = told([NORTH, Item("Southgate", "S-1", 5)], own=Own(price=150_000, cap=100), backorder="200")
    assert list(price.steps) == ["its own price 15.00"] and "together 122" in quantity.steps and quantity.value == 100


@pytest.mark.parametrize(
    ("typed", "price"),
    [
        ({"ending": "-1"}, 161_200), ({"ending": "95"}, 169_500), ({"ending": "0"}, 170_000),
        ({"mode": "percent", "markup": "33,3333", "ending": "-1"}, 165_300), ({"markup": "", "amount": "2.50", "ending": "-1"}, 149_000),
        ({"mode": "percent", "markup": "0", "ending": "-1"}, 124_000), ({"currency": "JPY"}, None),
    ],
)  # fmt: skip
def test_a_rule_as_typed(typed: dict[str, str], price: int | None) -> None:
    assert told([NORTH], **typed)[0].value == price


def test_a_price_is_never_made_of_another_currency_and_that_is_said() -> None:
    price, quantity = told([Item("Rhein", "R-1", 9, cost=80_000, currency="EUR")])
    assert price.value is None and "its costs are in EUR, which are not converted" in price.steps[-1]
    assert quantity.value == 0 and quantity.steps[-1] == "there is no price → 0"
    assert told([Item("Rhein", "R-1", 9, cost=10, currency="EUR"), NORTH])[0].value == 169_900


def test_a_map_in_another_currency_is_said_and_nothing_is_priced_by_rule_that_might_be_below_it() -> None:
    both = [Item("Rhein", "R-1", 9, cost=10, map_price=9_990_000, currency="EUR"), NORTH]
    price, quantity = told(both)
    assert (price.value, quantity.value) == (None, 0)
    assert "Rhein names MAP 999.00 EUR, which is not converted" in price.steps[-1] and "its own price" in price.steps[-1]
    price, _ = told(both, own=Own(price=150_000))
    assert price.value == 150_000 and "MAP 999.00 EUR of Rhein is not compared" in price.steps[0]
    price, _ = told(both, map_floor="")
    assert price.value == 169_900 and any("MAP 999.00 EUR of Rhein is not compared" in step for step in price.steps)
    assert told([replace(both[0], left_out="archived"), NORTH])[0].value == 169_900


@pytest.mark.parametrize("other", [Item("Rhein", "R-1", 7, cost=900_000, currency="EUR"), Item("Rhein", "R-1", 7)])
def test_the_cost_of_an_empty_source_does_not_price_the_units_of_another(other: Item) -> None:
    empty = Item("Northwind", "L-1", 3, 3, 124_000)
    price, quantity = told([empty, other])
    assert (price.value, quantity.value) == (None, 0) and "the units are those of Rhein, without a cost in USD" in price.steps[-1]
    assert told([empty, other], cost_of="lowest")[0].value == told([empty])[0].value == 169_900
    assert told([empty, replace(other, left_out="archived")])[0].value == 169_900


def test_what_cannot_be_right_is_not_offered() -> None:
    price, quantity = told([Item("N", "1", 5, cost=900_000_000_000)])
    assert price.value is None and "taken for a mistake" in price.steps[-1] and quantity.value == 0
    assert told([Item("N", "1", 5, cost=0)])[0].value is None, "given away otherwise"
    assert told([Item("N", "1", 5, cost=1)], ending="-1")[0].steps[-1] == "less than 0.01, so it is not offered"


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"markup": "1.3e3"}, "markup"), ({"markup": "0"}, "markup"), ({"markup": "1.23456"}, "markup"),
        ({"currency": "Dollar"}, "currency"),
        ({"amount": "-5"}, "amount"), ({"amount": "999999999999"}, "amount"), ({"cap": "1.5"}, "cap"), ({"prefix": "=cmd|"}, "prefix"),
        ({"suffix": "-12345678901"}, "suffix"), ({"ending": "17"}, "ending"), ({"buffer": "٣"}, "buffer"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_kept_is_told_at_its_field(typed: dict[str, str], field: str) -> None:
    with pytest.raises(rules.Invalid) as refused:
        rules.judged(RULES | typed)
    assert list(refused.value.errors) == [field]


def test_a_rule_is_typed_as_it_is_kept() -> None:
    for typed in (RULES, RULES | {"mode": "percent", "markup": "33.3333", "amount": "0.5", "cap": "0", "backorder": "7", "map_floor": ""}):
        found = rules.judged(typed)
        assert rules.judged(rules.typed(found)) == found


costs = some.one_of(some.none(), some.integers(0, 300), some.integers(1, 5_000_000), some.integers(0, 10**13))
counts = some.one_of(some.none(), some.integers(-5, 50), some.integers(0, 3 * 10**9))
items = some.fixed_dictionaries(
    {
        "quantity": counts, "cost": costs, "map_price": costs, "currency": some.sampled_from(["USD", "USD", "EUR"]),
        "held": some.integers(0, 9),
        "backorders": some.booleans(), "out": some.sampled_from(["", "", "", "archived", "excluded", "missing", "paused"]),
    }
)  # fmt: skip
price_rules = some.builds(
    PriceRule, some.sampled_from(list(rules.COSTS)), some.just("times"), some.one_of(some.just(1_300_000), some.integers(0, 10**9)),
    some.one_of(some.just(0), some.integers(0, 10**12)), some.booleans(), some.sampled_from([int(one) for one in rules.ENDINGS]),
)  # fmt: skip
quantity_rules = some.builds(
    QuantityRule, some.sampled_from(list(rules.UNITS)), some.integers(0, 60), some.none() | some.integers(0, 10**7), some.integers(0, 40)
)
owns = some.builds(
    Own, some.none() | some.integers(100, 10**12), some.none() | some.integers(0, 90), some.none() | some.integers(0, 90),
    some.sampled_from(["live", "live", "paused", "ended"]),
)  # fmt: skip


def put(source: Source, n: int, one: dict[str, Any]) -> InventoryItem:
    """One drawn item at its source, in the table."""
    out = one["out"]
    state = "paused" if out == "paused" else "live"
    Source.update(currency=one["currency"], allow_backorders=one["backorders"], state=state).where(Source.id == source.id).execute()
    columns = {name: one[name] for name in ("quantity", "cost", "map_price")}
    columns |= {"archived": {"archived_at": clock.now()}, "excluded": {"kept_out": 1}, "missing": {"missing_since": clock.now()}}.get(
        out, {}
    )
    return item(source, f"I-{n}", **columns)


def test_the_sql_says_what_the_model_says(merchant: Any, make_source: Callable[..., Source]) -> None:
    sources = [make_source(name, state="live") for name in ("Northwind", "Southgate", "Westmark")]
    channel = shop(merchant)
    listing = listed(channel, goods(merchant, "LAMP"))
    other = listed(channel, goods(merchant, "OTHER", (make_source("Eastern", state="live"), {"quantity": 7, "cost": 10_000})))
    request = ask(place(merchant, [("LAMP", 1)]), sources[0])
    lines = [request.lines.get()]

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(some.lists(items, max_size=3), price_rules, quantity_rules, owns, some.sampled_from(["USD", "JPY"]))
    def same(behind: list[dict[str, Any]], price: PriceRule, quantity: QuantityRule, own: Own, currency: str) -> None:
        with database.atomic() as transaction:
            InventoryItem.delete().where(InventoryItem.source << sources).execute()
            CommittedStock.delete().execute()
            for n, (source, one) in enumerate(zip(sources, behind, strict=False)):
                one = {**one, "currency": currency if one["currency"] == "USD" else "EUR"}
                products.link(put(source, n, one), listing.product, "ana")
                if one["held"] and not n:
                    CommittedStock.create(merchant=merchant, source=source, line=lines[0], sku="I-0", committed=9, quantity=one["held"])
            columns = {"price": own.price, "buffer": own.buffer, "cap": own.cap, "state": own.state}
            Listing.update(columns).where(Listing.id == listing.id).execute()
            used = Rules(currency, price, quantity)
            fresh = Listing.get_by_id(listing.id)
            model = detail.explain(fresh, used)
            (offer,) = offers.of_ids(channel, [listing.id], used)
            assert (offer.price, offer.quantity) == (model.price.value, model.quantity.value), (model.price.steps, model.quantity.steps)
            assert offer.map_price == model.map_price and offer.is_below_map == model.is_below_map
            assert offer.items == sum(not one.left_out for one in model.items) and bool(offer.foreign) == bool(model.abroad)
            assert bool(offer.foreign_map) == bool(model.map_abroad)
            transaction.rollback()

    same()
    assert [one.id for one in offers.of_ids(channel, [other.id, listing.id])] == [other.id, listing.id]


def test_offers_are_read_a_chunk_at_a_time_and_only_what_differs_on_demand(
    merchant: Any, make_source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    north = make_source("Northwind", state="live")
    channel, other = shop(merchant), shop(merchant, name="Other")
    for n in range(7):
        made = listed(channel, goods(merchant, f"P-{n}", (north, {"quantity": n, "cost": 10_000})), state="ended" if n == 3 else "live")
        listed(other, made.product)
    monkeypatch.setattr(offers, "CHUNK", 2)
    assert [(one.sku, one.quantity, one.price) for one in offers.offers(channel)] == [
        (f"P-{n}", 0 if n == 3 else n, 19_900) for n in range(7)
    ], "what just ended is told with 0 units"  # fmt: skip
    Listing.update(changed_at=clock.now() - timedelta(days=8)).where(Listing.state == "ended").execute()
    assert [one.sku for one in offers.offers(channel)] == [f"P-{n}" for n in (0, 1, 2, 4, 5, 6)]
    Listing.update(pushed_price=19_900, pushed_quantity=5).where(Listing.channel == channel).execute()
    assert [one.sku for one in offers.offers(channel, changed=True)] == ["P-0", "P-1", "P-2", "P-3", "P-4", "P-6"], "P-3 ended, untold"
    channel = ruled(channel, markup="1.9", ending="-1")
    assert {one.price for one in offers.offers(channel, changed=True)} == {19_000}
