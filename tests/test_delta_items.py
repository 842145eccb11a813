"""Partial deliveries whose items name only some fields: what is not mentioned stays, what is given empty becomes empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portal.mapping.untold import untold
from portal.models import InventoryItem, MappingVersion, Run, Source
from tests.hooked import answer_of
from tests.test_deliveries import Hooked, quick

__all__ = ["quick"]
RULES: dict[str, Any] = {
    "fields": {
        "sku": {"columns": ["item_no"]}, "title": {"columns": ["name"]}, "brand": {"columns": ["maker"]},
        "quantity": {"columns": ["qty"]}, "cost": {"columns": ["price"]},
    },
}  # fmt: skip
WHOLE = {"item_no": "A", "name": "Lamp A", "maker": "Kestrel", "qty": 5, "price": "1.00"}


@pytest.fixture
def hooked(anonymous: Any, make_source: Callable[..., Source]) -> Hooked:
    return told_by(Hooked(anonymous, make_source()), RULES)


def told_by(hooked: Hooked, rules: dict[str, Any]) -> Hooked:
    MappingVersion.update(rules=rules).execute()
    return hooked


def sent(hooked: Hooked, *items: dict[str, Any]) -> Run:
    """One delivery for each list of items given together; the run that read them."""
    assert answer_of(hooked.sender.send(list(items))) == (202, "accepted")
    return read(hooked)


def read(hooked: Hooked) -> Run:
    (run,) = hooked.work()
    assert run.state in ("finished", "no_change", "warnings"), run.problem
    return run


def values(sku: str = "A", *names: str) -> tuple[Any, ...]:
    item = InventoryItem.get(InventoryItem.sku == sku)
    return tuple(getattr(item, name) for name in names or ("title", "brand", "quantity", "cost"))


def test_what_an_item_does_not_mention_stays(hooked: Hooked) -> None:
    sent(hooked, WHOLE)
    sent(hooked, {"item_no": "A", "qty": 4})
    assert values() == ("Lamp A", "Kestrel", 4, 10_000)
    sent(hooked, {"item_no": "A", "price": "1.25"}, {"item_no": "B", "qty": 1})
    assert values() == ("Lamp A", "Kestrel", 4, 12_500) and values("B") == (None, None, 1, None)


@pytest.mark.parametrize("empty", [None, ""])
def test_what_is_given_empty_becomes_empty(hooked: Hooked, empty: Any) -> None:
    sent(hooked, WHOLE)
    sent(hooked, {"item_no": "A", "qty": 4})
    sent(hooked, {"item_no": "A", "qty": 4, "price": empty, "maker": empty})
    assert values() == ("Lamp A", None, 4, None)


def test_not_mentioned_and_empty_are_not_the_same_row(hooked: Hooked) -> None:
    sent(hooked, WHOLE)
    sent(hooked, {"item_no": "A", "qty": 4})
    assert sent(hooked, {"item_no": "A", "qty": 4}).state == "no_change"
    sent(hooked, {"item_no": "A", "name": None, "maker": None, "qty": 4, "price": None})
    assert values() == (None, None, 4, None)


def test_deliveries_that_are_read_together_add_to_each_other(hooked: Hooked) -> None:
    sent(hooked, WHOLE)
    for told in ({"qty": 9}, {"price": "1.20"}, {"name": "Lamp"}, {"price": None}):
        assert answer_of(hooked.sender.send([{"item_no": "A", **told}])) == (202, "accepted")
    read(hooked)
    assert values() == ("Lamp", "Kestrel", 9, None)


def test_deliveries_whose_keys_stand_in_another_order_are_read_by_their_names(hooked: Hooked) -> None:
    sent(hooked, WHOLE)
    for told in ({**WHOLE, "qty": 6}, dict(reversed({**WHOLE, "qty": 7}.items())), {**WHOLE, "item_no": "B"}):
        assert answer_of(hooked.sender.send([told])) == (202, "accepted")
    read(hooked)
    assert values() == ("Lamp A", "Kestrel", 7, 10_000) and values("B") == ("Lamp A", "Kestrel", 5, 10_000)


def test_items_of_one_delivery_add_to_each_other(hooked: Hooked) -> None:
    sent(hooked, WHOLE)
    sent(hooked, {"item_no": "A", "qty": 9}, {"item_no": "A", "price": "1.20"})
    assert values() == ("Lamp A", "Kestrel", 9, 12_000)


def test_a_full_delivery_lacks_what_it_does_not_mention(anonymous: Any, make_source: Any) -> None:
    hooked = told_by(Hooked(anonymous, make_source(), holds="full"), RULES)
    sent(hooked, WHOLE, {**WHOLE, "item_no": "B"})
    sent(hooked, {"item_no": "A", "name": "Lamp A", "qty": 5}, {**WHOLE, "item_no": "B"})
    assert values() == ("Lamp A", None, 5, None)


def test_a_column_under_a_new_name_is_no_silence(hooked: Hooked) -> None:
    sent(hooked, WHOLE)
    assert answer_of(hooked.sender.send([{"item_no": "A", "name": "Lamp A", "maker": "Kestrel", "stock": 4, "price": "1.00"}])) == (
        202, "accepted",
    )  # fmt: skip
    (run,) = hooked.work()
    assert (run.state, run.problem["code"]) == ("failed", "columns_missing") and values() == ("Lamp A", "Kestrel", 5, 10_000)


def test_warehouses_and_custom_fields_stay_each_by_itself(hooked: Hooked) -> None:
    fields = {"sku": {"columns": ["item_no"]}, "title": {"columns": ["name"]}}
    rules = {
        "fields": fields,
        "warehouses": [{"name": "East", "column": "qty"}, {"name": "West", "column": "price"}],
        "custom": [{"name": "Maker", "columns": ["maker"]}],
    }
    told_by(hooked, rules)
    names = ("title", "quantity", "warehouses", "custom")
    sent(hooked, {"item_no": "A", "name": "Lamp A", "maker": "Kestrel", "qty": 5, "price": 2})
    sent(hooked, {"item_no": "A", "qty": 4})
    assert values("A", *names) == ("Lamp A", 6, '{"East":4,"West":2}', '{"Maker":"Kestrel"}')
    sent(hooked, {"item_no": "A", "price": None})
    assert values("A", *names) == ("Lamp A", 4, '{"East":4}', '{"Maker":"Kestrel"}')
    sent(hooked, {"item_no": "A", "maker": None})
    assert values("A", *names) == ("Lamp A", 4, '{"East":4}', None)


def cases() -> Iterator[tuple[dict[str, Any], set[str], tuple[str, ...]]]:
    yield RULES, {"price", "qty"}, ("quantity", "cost")
    yield RULES, {"item_no"}, ()
    yield {"fields": {"title": {"columns": ["a", "b"]}}}, {"a"}, ()
    yield {"fields": {"title": {"columns": ["a", "b"]}, "brand": {"fixed": "K"}}}, {"a", "b"}, ("title",)
    yield {"fields": {"weight": {"columns": ["w"]}}, "weight_unit": "kg"}, {"w"}, ("weight", "weight_unit")
    sizes = {"length": {"columns": ["l"]}, "width": {"columns": ["w"]}}
    yield {"fields": sizes}, {"l"}, ("length",)
    yield {"fields": sizes}, {"l", "w"}, ("length", "width", "dimension_unit")
    yield {"fields": {"quantity": {"columns": ["q"]}}, "warehouse_rows": {"columns": ["h"]}}, {"q"}, ("quantity", "warehouses")


@pytest.mark.parametrize(("rules", "absent", "found"), list(cases()))
def test_which_fields_are_not_mentioned(rules: dict[str, Any], absent: set[str], found: tuple[str, ...]) -> None:
    assert untold(rules, absent) == found
