"""Exclusion rules judged by plain Python, an item at a time: what the databases' own judgement is held against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from portal.models import Exclusion, ExclusionSku, InventoryItem

CATEGORIES = ("category_1", "category_2", "category_3")


def fits(rule: Exclusion, item: InventoryItem) -> bool:
    if rule.source_id not in (None, item.source_id):
        return False
    if rule.kind == "skus":
        mine = ExclusionSku.select().where(ExclusionSku.exclusion == rule.id, ExclusionSku.source_id == item.source_id)
        return item.sku in {one.sku for one in mine}
    return means(rule.definition, item)


def means(definition: Mapping[str, Any], item: Any) -> bool:
    groups = [_many(one["match"], [holds(c, item) for c in one["conditions"]]) for one in definition["groups"]]
    return _many(definition["match"], groups)


def _many(match: str, told: list[bool]) -> bool:
    return all(told) if match == "all" else any(told)


def holds(condition: Mapping[str, Any], item: Any) -> bool:
    field, op = condition["field"], condition["op"]
    if field in ("cost", "list_price", "msrp", "map_price", "quantity"):
        number = getattr(item, field)
        if op in ("empty", "filled"):
            return (number is None) == (op == "empty")
        if number is None:
            return False
        value = condition["value"]
        return bool(
            {"less": number < value, "most": number <= value, "same": number == value, "least": number >= value, "more": number > value}[op]
        )
    if op.endswith("_not"):
        return not holds({**condition, "op": op.removesuffix("_not")}, item)
    texts = [getattr(item, name) or "" for name in CATEGORIES] if field == "category" else [_text(condition, item)]
    if op in ("empty", "filled"):
        return all(text == "" for text in texts) == (op == "empty")
    wanted = list(condition["value"])
    if op == "fits":
        parts: list[Any] = [{"*": MANY, "?": ONE}.get(letter, letter) for letter in wanted]
    else:
        parts = [MANY, *wanted, MANY] if op == "contains" else wanted
    return any(_matches(parts, text) for text in texts)


def _text(condition: Mapping[str, Any], item: Any) -> str:
    if condition["field"] == "custom":
        return str(json.loads(item.custom or "{}").get(condition["name"], ""))
    return getattr(item, condition["field"]) or ""


MANY, ONE = object(), object()


def _matches(parts: list[Any], text: str) -> bool:
    """A table of which parts match which beginnings of the text."""
    here = [True] + [False] * len(text)
    for part in parts:
        if part is MANY:
            seen, there = False, []
            for was in here:
                seen = seen or was
                there.append(seen)
        else:
            there = [False] + [here[at] and (part is ONE or _same(part, letter)) for at, letter in enumerate(text)]
        here = there
    return here[-1]


def _same(wanted: str, letter: str) -> bool:
    return letter in (wanted, wanted.lower(), wanted.upper())
